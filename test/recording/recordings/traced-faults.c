// What the trace beside this file is of: two threads that touch memory of their own, and of each other, between
// mappings, so that every event of a first touch is in it: page tables, lists refilled and drained, LRU batches, locks.
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

enum { PAGE = 4096, PAGES = 192 };

static char *shared;

static void touch(char *from, int pages, int step) {
  for (int i = 0; i < pages; i += step) *(volatile char *)(from + (intptr_t)i * PAGE) = 1;
}

static void *work(void *which) {
  int odd = which != 0;
  char *own = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (own == MAP_FAILED) return which;
  // A read first: the zero page. Then the same page is written: copied from it.
  (void)*(volatile char *)own;
  touch(own, PAGES, 1);
  // Every other page of what both have.
  touch(shared + odd * PAGE, PAGES - odd, 2);
  madvise(own, PAGES / 2 * PAGE, MADV_DONTNEED);
  touch(own, PAGES / 2, 1);
  munmap(own, PAGES * PAGE);
  return 0;
}

int main(void) {
  shared = mmap(0, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return 1;
  pthread_t other;
  if (pthread_create(&other, 0, work, shared) != 0) return 1;
  void *mine = work(0), *its = 0;
  pthread_join(other, &its);
  return mine != 0 || its != 0;
}
