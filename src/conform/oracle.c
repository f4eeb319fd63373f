// The oracle: runs programs of memory operations on the kernel that runs here, and tells what can be seen of each.
//
// stdin has programs, a line for each operation (see program.ts); stdout answers each with one line of JSON. Every
// program runs in a process of its own, forked from this one, which only directs: it tells a process which operation
// to do, and after each lets every process look at itself. All that a process needs for itself is mapped and touched
// before, so that what is counted is the program's alone: the program has an entry of the top page table to itself.
// Where a program has a userfaultfd, a second thread of this process is its monitor, and answers each fault that is read.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define ARENA_START 0x200000000000UL
#define ARENA_END (ARENA_START + (1UL << 39))
#define START_BRK (ARENA_START + (1UL << 36))

enum { MAX_OPS = 512, MAX_WINDOWS = 8, MAX_PROCESSES = 4, MAX_THREADS = 8, MAX_PROC_BYTES = 96 * 1024 };
/** What all processes of a program write their answers to, and a stack that is surely deep enough. */
enum { OUT_BYTES = 32 * 1024 * 1024, STACK_BYTES = 64 * 1024, SIGNAL_STACK_BYTES = 32 * 1024 };
/** RLIMIT_MEMLOCK as it is where nobody has changed it. */
enum { LOCKED_BYTES = 8 * 1024 * 1024 };
/** A command that takes longer is given up: no operation here waits for anything. */
enum { LIMIT_S = 20 };
/** The most that UFFDIO_COPY is asked to copy. */
enum { MAX_COPY_BYTES = 12 * 4096 };

enum kind {
  OP_MMAP, OP_MUNMAP, OP_MPROTECT, OP_MADVISE, OP_BRK, OP_LOAD, OP_STORE, OP_TOUCH, OP_ATOMIC_ADD, OP_MREMAP,
  OP_MLOCK, OP_MUNLOCK, OP_FORK, OP_AS, OP_EXIT_PROCESS, OP_CLEAR_REFS,
  OP_UFFD_REGISTER, OP_UFFD_UNREGISTER, OP_UFFD_COPY, OP_UFFD_ZEROPAGE, OP_UFFD_WAKE, OP_UFFD_CLOSE, KINDS
};
static const char *const kind_names[KINDS] = {
  "mmap", "munmap", "mprotect", "madvise", "brk", "load", "store", "touch", "atomic_add", "mremap",
  "mlock", "munlock", "fork", "as", "exit_process", "clear_refs",
  "uffd_register", "uffd_unregister", "uffd_copy", "uffd_zeropage", "uffd_wake", "uffd_close"
};

struct op {
  enum kind kind;
  /** -1: before the threads run, -2: after them. */
  int thread;
  uint64_t arg[5];
};

struct result {
  int64_t value;
  int signal, code;
  long minor, major;
};

struct window { uint64_t start, pages; };

static struct op ops[MAX_OPS];
static int op_count, thread_count, window_count;
static struct window windows[MAX_WINDOWS];

enum { IDLE, RUN, LOOK, LEAVE, RUN_THREADS };

/** How a process is told what to do. Shared by all. */
struct control {
  _Atomic uint32_t command[MAX_PROCESSES], done[MAX_PROCESSES];
  int argument[MAX_PROCESSES];
  pid_t pid[MAX_PROCESSES];
  /** The file descriptor of each process's userfaultfd, there; 0 for none. */
  int uffd[MAX_PROCESSES];
  struct result result[MAX_OPS];
  uint64_t out_length;
  int out_full;
};
static struct control *control;
static char *out;

static void say(const char *format, ...) {
  va_list args;
  va_start(args, format);
  uint64_t room = OUT_BYTES - control->out_length;
  int length = vsnprintf(out + control->out_length, room, format, args);
  va_end(args);
  if (length < 0 || (uint64_t)length >= room) control->out_full = 1;
  else control->out_length += (uint64_t)length;
}

/** Text as the inside of a JSON string. */
static void say_text(const char *text, size_t length) {
  if (control->out_length + 2 * length >= OUT_BYTES) {
    control->out_full = 1;
    return;
  }
  char *to = out + control->out_length;
  for (size_t i = 0; i < length; i++) {
    char c = text[i];
    if (c == '\n' || c == '\t' || c == '"' || c == '\\') *to++ = '\\';
    *to++ = c == '\n' ? 'n' : c == '\t' ? 't' : c;
  }
  control->out_length = (uint64_t)(to - out);
}

static void die(const char *what) {
  fprintf(stderr, "oracle: %s: %s\n", what, strerror(errno));
  exit(1);
}

// One operation.

static __thread sigjmp_buf recover;
static __thread volatile int caught_signal, caught_code;

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)context;
  caught_signal = number;
  caught_code = info->si_code;
  siglongjmp(recover, 1);
}

static uint64_t load(uint64_t address, uint64_t size) {
  uint64_t value = 0;
  switch (size) {
    case 1: __asm__ volatile("movb (%1), %b0" : "+r"(value) : "r"(address) : "memory"); break;
    case 2: __asm__ volatile("movw (%1), %w0" : "+r"(value) : "r"(address) : "memory"); break;
    case 8: __asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(address) : "memory"); break;
    default: __asm__ volatile("movl (%1), %k0" : "=r"(value) : "r"(address) : "memory");
  }
  return value;
}

static void store(uint64_t address, uint64_t size, uint64_t value) {
  switch (size) {
    case 1: __asm__ volatile("movb %b0, (%1)" : : "q"(value), "r"(address) : "memory"); break;
    case 2: __asm__ volatile("movw %w0, (%1)" : : "r"(value), "r"(address) : "memory"); break;
    case 8: __asm__ volatile("movq %0, (%1)" : : "r"(value), "r"(address) : "memory"); break;
    default: __asm__ volatile("movl %k0, (%1)" : : "r"(value), "r"(address) : "memory");
  }
}

static int64_t system_call(long number, const uint64_t *a, int count) {
  long got = syscall(number, a[0], count > 1 ? a[1] : 0, count > 2 ? a[2] : 0, count > 3 ? a[3] : 0,
                     number == SYS_mmap ? -1L : count > 4 ? (long)a[4] : 0, 0L);
  return got == -1 ? -errno : got;
}

static int clear_refs_fd;

static void access_memory(const struct op *op, struct result *result) {
  const uint64_t *a = op->arg;
  caught_signal = 0;
  if (sigsetjmp(recover, 0) != 0) {
    result->signal = caught_signal;
    result->code = caught_code;
    return;
  }
  if (op->kind == OP_LOAD) result->value = (int64_t)load(a[0], a[1]);
  else if (op->kind == OP_STORE) store(a[0], a[1], a[2]);
  else if (op->kind == OP_ATOMIC_ADD) {
    uint32_t value = (uint32_t)a[1];
    __asm__ volatile("lock xaddl %0, (%1)" : "+r"(value) : "r"(a[0]) : "memory");
    result->value = value;
  } else {
    for (uint64_t page = 0; page < a[1]; page++) {
      if (a[2] != 0) store(a[0] + page * PAGE, 4, a[3]);
      else load(a[0] + page * PAGE, 4);
    }
  }
}

/** A mapping that the kernel put outside of the arena is of no use: it is given back. */
static void give_back(int64_t address, uint64_t length) {
  if (address < 0) return;
  if ((uint64_t)address >= ARENA_START && (uint64_t)address < ARENA_END) return;
  munmap((void *)address, length);
}

// A process's userfaultfd.

static int is_uffd_op(enum kind kind) { return kind >= OP_UFFD_REGISTER && kind <= OP_UFFD_CLOSE; }

/** -1 where it is not permitted, or the faults of system calls would not wait for an answer. */
static int open_userfaultfd(void) {
  int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (device >= 0) {
      fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
      close(device);
    }
  }
  struct uffdio_api api = { .api = UFFD_API };
  if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

static int uffd = -1;
static uint32_t pattern[MAX_COPY_BYTES / sizeof(uint32_t)] __attribute__((aligned(4096)));

/** What an operation needs that is not counted as its own. */
static void prepare_uffd_op(const struct op *op) {
  if (uffd < 0 && op->kind != OP_UFFD_CLOSE) uffd = open_userfaultfd();
  for (size_t i = 0; op->kind == OP_UFFD_COPY && i < sizeof pattern / sizeof *pattern; i++) {
    pattern[i] = (uint32_t)op->arg[2];
  }
}

/** Or'ed to what fills pages: whoever waits for them is woken later. Of both calls the same. */
enum { DONTWAKE = UFFDIO_COPY_MODE_DONTWAKE };
_Static_assert((int)UFFDIO_ZEROPAGE_MODE_DONTWAKE == (int)DONTWAKE, "modes of UFFDIO_COPY and UFFDIO_ZEROPAGE");

/** Fills pages of a range with copies of `source`, or with zeroes where it is NULL: bytes filled, or an error. */
static int64_t fill(int fd, uint64_t start, uint64_t length, const uint32_t *source, uint64_t mode) {
  if (source == NULL) {
    struct uffdio_zeropage zeropage = { .range = { start, length }, .mode = mode };
    if (ioctl(fd, UFFDIO_ZEROPAGE, &zeropage) == 0 || zeropage.zeropage != 0) return zeropage.zeropage;
    return -errno;
  }
  struct uffdio_copy copy = { .dst = start, .src = (uintptr_t)source, .len = length, .mode = mode };
  if (ioctl(fd, UFFDIO_COPY, &copy) == 0 || copy.copy != 0) return copy.copy;
  return -errno;
}

static int64_t uffd_op(const struct op *op) {
  const uint64_t *a = op->arg;
  struct uffdio_range range = { a[0], a[1] };
  struct uffdio_register watch = { .range = range, .mode = UFFDIO_REGISTER_MODE_MISSING };
  switch (op->kind) {
    case OP_UFFD_REGISTER: return ioctl(uffd, UFFDIO_REGISTER, &watch) == 0 ? 0 : -errno;
    case OP_UFFD_UNREGISTER: return ioctl(uffd, UFFDIO_UNREGISTER, &range) == 0 ? 0 : -errno;
    case OP_UFFD_COPY: return fill(uffd, a[0], a[1], pattern, 0);
    case OP_UFFD_ZEROPAGE: return fill(uffd, a[0], a[1], NULL, 0);
    case OP_UFFD_WAKE: return ioctl(uffd, UFFDIO_WAKE, &range) == 0 ? 0 : -errno;
    default:
      if (uffd >= 0) close(uffd);
      uffd = -1;
      return 0;
  }
}

static void do_op(const struct op *op, struct result *result) {
  struct rusage before, after;
  const uint64_t *a = op->arg;
  memset(result, 0, sizeof *result);
  memset(&after, 0, sizeof after);
  if (is_uffd_op(op->kind)) prepare_uffd_op(op);
  getrusage(RUSAGE_THREAD, &before);
  switch (op->kind) {
    case OP_MMAP: result->value = system_call(SYS_mmap, a, 4); break;
    case OP_MUNMAP: result->value = system_call(SYS_munmap, a, 2); break;
    case OP_MPROTECT: result->value = system_call(SYS_mprotect, a, 3); break;
    case OP_MADVISE: result->value = system_call(SYS_madvise, a, 3); break;
    case OP_BRK: result->value = system_call(SYS_brk, a, 1); break;
    case OP_MREMAP: result->value = system_call(SYS_mremap, a, 5); break;
    case OP_MLOCK: result->value = system_call(SYS_mlock, a, 2); break;
    case OP_MUNLOCK: result->value = system_call(SYS_munlock, a, 2); break;
    case OP_CLEAR_REFS: result->value = pwrite(clear_refs_fd, "4", 1, 0) == 1 ? 0 : -errno; break;
    default:
      if (is_uffd_op(op->kind)) result->value = uffd_op(op);
      else access_memory(op, result);
  }
  getrusage(RUSAGE_THREAD, &after);
  result->minor = after.ru_minflt - before.ru_minflt;
  result->major = after.ru_majflt - before.ru_majflt;
  if (op->kind == OP_MMAP) give_back(result->value, a[1]);
  if (op->kind == OP_MREMAP) give_back(result->value, a[2]);
}

// What a process sees of itself.

static int pagemap_fd, smaps_fd, status_fd;
static char proc_text[MAX_PROC_BYTES];

static int open_self(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) die(path);
  return fd;
}

static void open_proc(void) {
  pagemap_fd = open_self("/proc/self/pagemap", O_RDONLY);
  smaps_fd = open_self("/proc/self/smaps", O_RDONLY);
  status_fd = open_self("/proc/self/status", O_RDONLY);
  clear_refs_fd = open_self("/proc/self/clear_refs", O_WRONLY);
}

static void close_proc(void) {
  close(pagemap_fd);
  close(smaps_fd);
  close(status_fd);
  close(clear_refs_fd);
}

static size_t read_all(int fd) {
  size_t length = 0;
  if (lseek(fd, 0, SEEK_SET) != 0) die("seek in /proc");
  for (;;) {
    ssize_t got = read(fd, proc_text + length, MAX_PROC_BYTES - 1 - length);
    if (got < 0) die("read of /proc");
    if (got == 0) break;
    length += (size_t)got;
    if (length == MAX_PROC_BYTES - 1) die("/proc is longer than expected");
  }
  proc_text[length] = 0;
  return length;
}

/** The part of smaps that is about the arena, as it stands there. */
static void say_smaps(void) {
  size_t length = read_all(smaps_fd);
  char *line = proc_text, *end = proc_text + length, *from = NULL, *to = NULL;
  while (line < end) {
    char *next = strchr(line, '\n');
    if (next == NULL) break;
    // A line about a range starts with it; those of its fields start with a capital.
    if (*line < 'A' || *line > 'Z') {
      uint64_t start = strtoull(line, NULL, 16);
      int inside = start >= ARENA_START && start < ARENA_END;
      if (inside && from == NULL) from = line;
      if (!inside && from != NULL && to == NULL) to = line;
    }
    line = next + 1;
  }
  if (from == NULL) return;
  say_text(from, (size_t)((to == NULL ? end : to) - from));
}

/** The lines of status that the program alone changes. */
static void say_status(void) {
  static const char *const names[] = { "VmSize:", "VmLck:", "RssAnon:", "VmPTE:" };
  read_all(status_fd);
  for (char *line = proc_text; *line != 0;) {
    char *next = strchr(line, '\n');
    if (next == NULL) break;
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
      if (strncmp(line, names[n], strlen(names[n])) == 0) say_text(line, (size_t)(next + 1 - line));
    }
    line = next + 1;
  }
}

static void say_pages(void) {
  static uint64_t entries[1024];
  say("],\"pagemap\":[");
  for (int w = 0; w < window_count; w++) {
    size_t bytes = windows[w].pages * sizeof *entries;
    ssize_t got = pread(pagemap_fd, entries, bytes, (off_t)(windows[w].start / PAGE * sizeof *entries));
    if (got != (ssize_t)bytes) die("read of pagemap");
    say(w == 0 ? "\"" : ",\"");
    for (uint64_t i = 0; i < windows[w].pages; i++) say(i == 0 ? "%lx" : " %lx", entries[i]);
    say("\"");
  }
  say("]");
}

/** Of each page: 1 resident, 0 not, - not mapped. */
static void say_mincore(void) {
  for (int w = 0; w < window_count; w++) {
    say(w == 0 ? "\"" : ",\"");
    for (uint64_t i = 0; i < windows[w].pages; i++) {
      unsigned char resident = 0;
      int failed = mincore((void *)(windows[w].start + i * PAGE), PAGE, &resident) != 0;
      say("%c", failed ? '-' : (resident & 1) != 0 ? '1' : '0');
    }
    say("\"");
  }
}

static void look(int process) {
  say("{\"process\":%d,\"smaps\":\"", process);
  say_smaps();
  say("\",\"status\":\"");
  say_status();
  say("\",\"mincore\":[");
  say_mincore();
  say_pages();
  say("}");
}

// Processes and threads.

static void wait_while(_Atomic uint32_t *word, uint32_t value) {
  struct timespec limit = { LIMIT_S, 0 };
  while (atomic_load(word) == value) {
    if (syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, NULL, 0) != 0 && errno == ETIMEDOUT) return;
  }
}

static void wake(_Atomic uint32_t *word) {
  syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static void set_and_wake(_Atomic uint32_t *word, uint32_t value) {
  atomic_store(word, value);
  wake(word);
}

static void pin(int nth) {
  static cpu_set_t allowed;
  static int known;
  if (!known && sched_getaffinity(0, sizeof allowed, &allowed) == 0) known = 1;
  int count = CPU_COUNT(&allowed), seen = 0;
  for (int cpu = 0; known && cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed) || seen++ != nth % count) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

/** Untouched where a program has no threads, so that forks don't copy them: of each thread a stack, one for signals. */
static char (*thread_stacks)[STACK_BYTES + SIGNAL_STACK_BYTES];
static char signal_stack[SIGNAL_STACK_BYTES];

static void catch_signals(char *memory) {
  stack_t stack = { .ss_sp = memory, .ss_size = SIGNAL_STACK_BYTES };
  sigaltstack(&stack, NULL);
  struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
}

extern char __data_start[], _end[];

/**
 * Writes every page of the process's own memory, so that none is shared with a relative or missing any more; of its stack
 * so much below the caller, which must be less in a process that has begun, since it stands deeper then.
 */
static void own_memory(size_t stack_bytes) {
  volatile char stack[stack_bytes];
  for (size_t at = 0; at < sizeof stack; at += PAGE) stack[at] = 0;
  for (volatile char *at = (volatile char *)((uintptr_t)__data_start & ~(PAGE - 1)); at < (volatile char *)_end;
       at += PAGE) {
    if ((char *)at < __data_start) *(volatile char *)__data_start = *(volatile char *)__data_start;
    else *at = *at;
  }
  // One page of each table is enough of what is shared: its pages are not counted.
  for (size_t at = 0; at < OUT_BYTES; at += PAGE * 512) (void)*(volatile char *)(out + at);
  for (size_t at = 0; at < sizeof *control; at += PAGE) (void)*((volatile char *)control + at);
  (void)*((volatile char *)(control + 1) - 1);
  // Page tables that stay where the kernel puts what may lie anywhere: it has neighbours there.
  char *anywhere = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  munmap(anywhere, 16 * PAGE);
  // A breath through all that runs within a measurement.
  struct rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
}

static _Atomic uint32_t go, ready, finished;

static void *thread_main(void *argument) {
  int self = (int)(intptr_t)argument;
  pin(self);
  volatile char stack[STACK_BYTES / 2];
  for (size_t at = 0; at < sizeof stack; at += PAGE) stack[at] = 0;
  char *signals = thread_stacks[self] + STACK_BYTES;
  for (size_t at = 0; at < SIGNAL_STACK_BYTES; at += PAGE) signals[at] = 0;
  catch_signals(signals);
  struct rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  atomic_fetch_add(&ready, 1);
  wait_while(&go, 0);
  // Those who were woken first wait for the others, so that all start at one moment.
  atomic_fetch_add(&ready, 1);
  while (atomic_load(&ready) < 2 * (uint32_t)thread_count) sched_yield();
  for (int i = 0; i < op_count; i++) {
    if (ops[i].thread == self) do_op(&ops[i], &control->result[i]);
  }
  atomic_fetch_add(&finished, 1);
  wake(&finished);
  return NULL;
}

static void start_threads(void) {
  for (int t = 0; t < thread_count; t++) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, thread_stacks[t], STACK_BYTES);
    errno = pthread_create(&thread, &attributes, thread_main, (void *)(intptr_t)t);
    if (errno != 0) die("pthread_create");
  }
  while (atomic_load(&ready) < (uint32_t)thread_count) sched_yield();
}

static void run_threads(void) {
  set_and_wake(&go, 1);
  for (uint32_t seen = 0; (seen = atomic_load(&finished)) < (uint32_t)thread_count;) wait_while(&finished, seen);
}

static void serve(int self) __attribute__((noreturn));

/** fork, with the director as the parent of all: it learns of every end. */
static void do_fork(const struct op *op, struct result *result) {
  int child = (int)op->arg[0];
  long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, NULL, NULL, 0);
  if (pid == 0) {
    close_proc();
    open_proc();
    // It is the parent's, and watches the parent's memory alone.
    if (uffd >= 0) close(uffd);
    uffd = -1;
    own_memory(STACK_BYTES / 4);
    set_and_wake(&control->done[child], 1);
    serve(child);
  }
  own_memory(STACK_BYTES / 4);
  memset(result, 0, sizeof *result);
  result->value = pid < 0 ? -errno : 0;
  if (pid > 0) control->pid[child] = (pid_t)pid;
}

static void serve(int self) {
  for (;;) {
    wait_while(&control->command[self], IDLE);
    uint32_t command = atomic_load(&control->command[self]);
    atomic_store(&control->command[self], IDLE);
    int argument = control->argument[self];
    if (command == LEAVE) _exit(0);
    if (command == LOOK) look(self);
    else if (command == RUN_THREADS) run_threads();
    else if (command == RUN && ops[argument].kind == OP_FORK) do_fork(&ops[argument], &control->result[argument]);
    else if (command == RUN) {
      do_op(&ops[argument], &control->result[argument]);
      control->uffd[self] = uffd < 0 ? 0 : uffd;
    }
    // A wait that timed out: the director is gone.
    else _exit(1);
    set_and_wake(&control->done[self], 1);
  }
}

/** Moves the break into the arena; malloc is not used any more. Whether that can be done here. */
static int move_brk(void) {
  struct prctl_mm_map map = { .exe_fd = (uint32_t)-1, .start_brk = START_BRK, .brk = START_BRK };
  int fd = open_self("/proc/self/stat", O_RDONLY);
  read_all(fd);
  close(fd);
  // Fields by their numbers in proc(5); the second is the name, which may have spaces in it.
  char *at = strrchr(proc_text, ')') + 1;
  for (int field = 3; at != NULL && field <= 51; field++) {
    uint64_t value = strtoull(at + 1 + (field == 3), NULL, 10);
    if (field == 26) map.start_code = value;
    if (field == 27) map.end_code = value;
    if (field == 28) map.start_stack = value;
    if (field == 45) map.start_data = value;
    if (field == 46) map.end_data = value;
    if (field == 48) map.arg_start = value;
    if (field == 49) map.arg_end = value;
    if (field == 50) map.env_start = value;
    if (field == 51) map.env_end = value;
    at = strchr(at + 1, ' ');
  }
  return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) == 0;
}

/** As an ordinary user, who may lock so many bytes: root's processes may lock all they like. */
static void limit_locks(void) {
  struct rlimit limit = { LOCKED_BYTES, LOCKED_BYTES };
  setrlimit(RLIMIT_MEMLOCK, &limit);
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) return;
  data[0].effective &= ~(1U << CAP_IPC_LOCK);
  syscall(SYS_capset, &header, data);
}

static void prepare_program_process(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pin(0);
  start_threads();
  move_brk();
  limit_locks();
  open_proc();
  catch_signals(signal_stack);
  own_memory(STACK_BYTES);
}

// The monitor of all processes that have a userfaultfd: a thread of the director, on another CPU where there is one.

/** This process's own descriptors of their userfaultfds, -1 for none, and how their faults are answered. */
static struct {
  int fd;
  int zeropage;
  uint32_t page[PAGE / sizeof(uint32_t)];
} monitored[MAX_PROCESSES];
static pthread_mutex_t monitored_lock = PTHREAD_MUTEX_INITIALIZER;
/** Written to where descriptors have come or gone. */
static int monitored_changed;
/** How often they have, and how often the monitor has found that: what it polls it keeps open. */
static _Atomic uint32_t changes, changes_found;

/** A page of this process's own. */
static char own_page[PAGE] __attribute__((aligned(4096)));

/**
 * Answers a fault of a process. Whatever became of its page, nobody is left asleep. First the page leaves the batch of
 * this CPU, which would hold it for as long as others please: madvise empties that of its caller.
 */
static void answer_fault(int process) {
  struct uffd_msg message;
  int fd = monitored[process].fd;
  if (read(fd, &message, sizeof message) != sizeof message || message.event != UFFD_EVENT_PAGEFAULT) return;
  uint64_t page = message.arg.pagefault.address & ~(PAGE - 1);
  int64_t filled = -EAGAIN;
  const uint32_t *source = monitored[process].zeropage ? NULL : monitored[process].page;
  while (filled == -EAGAIN) filled = fill(fd, page, PAGE, source, DONTWAKE);
  if (madvise(own_page, PAGE, MADV_COLD) != 0) die("madvise");
  struct uffdio_range range = { page, PAGE };
  ioctl(fd, UFFDIO_WAKE, &range);
}

static void *monitor_main(void *unused) {
  (void)unused;
  pin(1);
  for (;;) {
    struct pollfd fds[MAX_PROCESSES + 1];
    pthread_mutex_lock(&monitored_lock);
    for (int p = 0; p < MAX_PROCESSES; p++) fds[p] = (struct pollfd){ .fd = monitored[p].fd, .events = POLLIN };
    atomic_store(&changes_found, atomic_load(&changes));
    pthread_mutex_unlock(&monitored_lock);
    wake(&changes_found);
    fds[MAX_PROCESSES] = (struct pollfd){ .fd = monitored_changed, .events = POLLIN };
    if (poll(fds, MAX_PROCESSES + 1, -1) < 0 && errno != EINTR) die("poll of the monitor");
    uint64_t times;
    if ((fds[MAX_PROCESSES].revents & POLLIN) != 0 && read(monitored_changed, &times, sizeof times) < 0) die("eventfd");
    pthread_mutex_lock(&monitored_lock);
    for (int p = 0; p < MAX_PROCESSES; p++) {
      if ((fds[p].revents & POLLIN) != 0 && monitored[p].fd >= 0) answer_fault(p);
    }
    pthread_mutex_unlock(&monitored_lock);
  }
  return NULL;
}

static void start_monitor(void) {
  pthread_t thread;
  for (int p = 0; p < MAX_PROCESSES; p++) monitored[p].fd = -1;
  monitored_changed = eventfd(0, EFD_CLOEXEC);
  if (monitored_changed < 0) die("eventfd");
  errno = pthread_create(&thread, NULL, monitor_main, NULL);
  if (errno != 0) die("pthread_create");
}

/** How the faults of a process are answered from now on. */
static void set_answer(int process, int zeropage, uint32_t value) {
  pthread_mutex_lock(&monitored_lock);
  monitored[process].zeropage = zeropage;
  for (size_t i = 0; i < PAGE / sizeof(uint32_t); i++) monitored[process].page[i] = value;
  pthread_mutex_unlock(&monitored_lock);
}

/** The monitor answers for another userfaultfd of the process from now on, or for none (-1). */
static void set_monitored(int process, int fd) {
  pthread_mutex_lock(&monitored_lock);
  if (monitored[process].fd >= 0) close(monitored[process].fd);
  monitored[process].fd = fd;
  atomic_fetch_add(&changes, 1);
  pthread_mutex_unlock(&monitored_lock);
  uint64_t once = 1;
  if (write(monitored_changed, &once, sizeof once) != sizeof once) die("eventfd");
  for (uint32_t found = 0; (found = atomic_load(&changes_found)) != atomic_load(&changes);) {
    wait_while(&changes_found, found);
  }
}

/** A descriptor of this process's own for a process's userfaultfd; -1 where that is not permitted. */
static int uffd_of(int process) {
  int pidfd = (int)syscall(SYS_pidfd_open, control->pid[process], 0);
  int fd = (int)syscall(SYS_pidfd_getfd, pidfd, control->uffd[process], 0);
  if (pidfd >= 0) close(pidfd);
  return fd;
}

// The director.

/** Lets a process do something. 0 if it has died, or does not come to an end. */
static int tell(int process, uint32_t command, int argument) {
  atomic_store(&control->done[process], 0);
  control->argument[process] = argument;
  set_and_wake(&control->command[process], command);
  for (int waited = 0; atomic_load(&control->done[process]) == 0; waited++) {
    struct timespec limit = { 0, 100 * 1000 * 1000 };
    syscall(SYS_futex, &control->done[process], FUTEX_WAIT, 0, &limit, NULL, 0);
    if (atomic_load(&control->done[process]) != 0) break;
    if (waitpid(control->pid[process], NULL, WNOHANG) == control->pid[process]) {
      control->pid[process] = 0;
      return 0;
    }
    if (waited > LIMIT_S * 10) return 0;
  }
  return 1;
}

static int look_at_all(void) {
  int first = 1;
  say("[");
  for (int p = 0; p < MAX_PROCESSES; p++) {
    if (control->pid[p] == 0) continue;
    if (!first) say(",");
    first = 0;
    if (!tell(p, LOOK, 0)) return 0;
  }
  say("]");
  return 1;
}

static void say_result(const struct op *op, const struct result *r) {
  const char *quote = op->kind == OP_LOAD ? "\"" : "";
  say("{\"value\":%s", quote);
  if (op->kind == OP_LOAD) say("%lx", (uint64_t)r->value);
  else say("%ld", r->value);
  say("%s,\"signal\":%d,\"code\":%d,\"minor\":%ld,\"major\":%ld", quote, r->signal, r->code, r->minor, r->major);
}

/** One operation of those that run alone, by the process whose turn it is. 0: something died. */
static int direct_op(int i, int *current) {
  struct op *op = &ops[i];
  memset(&control->result[i], 0, sizeof control->result[i]);
  int target = (int)op->arg[0];
  if (op->kind == OP_AS) {
    if (control->pid[target] == 0) control->result[i].value = -ESRCH;
    else *current = target;
    return 1;
  }
  if (op->kind == OP_EXIT_PROCESS) {
    // As the machine has it: process 0 ends with the program, and none ends while it runs.
    int error = target == 0 ? EPERM : control->pid[target] == 0 ? ESRCH : target == *current ? EBUSY : 0;
    control->result[i].value = -error;
    if (error != 0) return 1;
    set_monitored(target, -1);
    control->uffd[target] = 0;
    set_and_wake(&control->command[target], LEAVE);
    waitpid(control->pid[target], NULL, 0);
    control->pid[target] = 0;
    return 1;
  }
  if (control->pid[*current] == 0) {
    control->result[i].value = -ESRCH;
    return 1;
  }
  if (op->kind == OP_FORK) {
    if (control->pid[target] != 0) {
      control->result[i].value = -EEXIST;
      return 1;
    }
    atomic_store(&control->done[target], 0);
    atomic_store(&control->command[target], IDLE);
    if (!tell(*current, RUN, i)) return 0;
    if (control->pid[target] != 0) wait_while(&control->done[target], 0);
    return 1;
  }
  if (op->kind == OP_UFFD_REGISTER) set_answer(*current, (int)op->arg[2], (uint32_t)op->arg[3]);
  // It is closed with the last of its descriptors.
  if (op->kind == OP_UFFD_CLOSE) set_monitored(*current, -1);
  if (!tell(*current, RUN, i)) return 0;
  if (is_uffd_op(op->kind) && op->kind != OP_UFFD_CLOSE && monitored[*current].fd < 0) {
    int fd = uffd_of(*current);
    if (fd < 0) return 0;
    set_monitored(*current, fd);
  }
  return 1;
}

static int run_program(void) {
  int current = 0, ran_threads = 0, first = 1;
  say("\"start\":");
  if (!look_at_all()) return 0;
  say(",\"steps\":[");
  for (int i = 0; i <= op_count; i++) {
    if ((i == op_count || ops[i].thread == -2) && thread_count > 0 && !ran_threads) {
      ran_threads = 1;
      if (!tell(0, RUN_THREADS, 0)) return 0;
      for (int k = 0; k < op_count; k++) {
        if (ops[k].thread < 0) continue;
        say(first ? "" : ",");
        first = 0;
        say_result(&ops[k], &control->result[k]);
        say(",\"seen\":null}");
      }
      say("%s{\"value\":0,\"signal\":0,\"code\":0,\"minor\":0,\"major\":0,\"seen\":", first ? "" : ",");
      first = 0;
      if (!look_at_all()) return 0;
      say("}");
    }
    if (i == op_count || ops[i].thread >= 0) continue;
    if (!direct_op(i, &current)) return 0;
    say(first ? "" : ",");
    first = 0;
    say_result(&ops[i], &control->result[i]);
    say(",\"seen\":");
    if (!look_at_all()) return 0;
    say("}");
  }
  say("]");
  return 1;
}

static void answer_program(uint64_t id) {
  memset(control, 0, sizeof *control);
  say("{\"id\":%lu,", id);
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    prepare_program_process();
    set_and_wake(&control->done[0], 1);
    serve(0);
  }
  control->pid[0] = pid;
  wait_while(&control->done[0], 0);
  uint64_t start = control->out_length;
  int died = !run_program();
  for (int p = 0; p < MAX_PROCESSES; p++) {
    if (control->pid[p] == 0) continue;
    kill(control->pid[p], SIGKILL);
    waitpid(control->pid[p], NULL, 0);
  }
  for (int p = 0; p < MAX_PROCESSES; p++) {
    if (monitored[p].fd >= 0) set_monitored(p, -1);
  }
  if (died || control->out_full) {
    control->out_length = start;
    control->out_full = 0;
    say("\"failed\":\"%s\"", died ? "a process of the program died or hung" : "the answer is too long");
  }
  say("}\n");
  for (uint64_t at = 0; at < control->out_length;) {
    ssize_t wrote = write(STDOUT_FILENO, out + at, control->out_length - at);
    if (wrote < 0) die("write of the answer");
    at += (uint64_t)wrote;
  }
}

static void read_op(char *line) {
  if (op_count == MAX_OPS) {
    errno = E2BIG;
    die("operations of a program");
  }
  struct op *op = &ops[op_count];
  memset(op, 0, sizeof *op);
  char name[32];
  int used = 0;
  if (sscanf(line, "%d %31s%n", &op->thread, name, &used) != 2) {
    errno = EINVAL;
    die(line);
  }
  int kind = 0;
  while (kind < KINDS && strcmp(kind_names[kind], name) != 0) kind++;
  if (kind == KINDS) {
    errno = EINVAL;
    die(line);
  }
  op->kind = (enum kind)kind;
  if (op->thread >= MAX_THREADS) {
    errno = E2BIG;
    die("threads of a program");
  }
  if (op->thread >= thread_count) thread_count = op->thread + 1;
  char *at = line + used;
  int is_process = kind == OP_FORK || kind == OP_AS || kind == OP_EXIT_PROCESS;
  for (int i = 0; i < 5; i++) op->arg[i] = strtoull(at, &at, 0);
  if (is_process && op->arg[0] >= MAX_PROCESSES) {
    errno = E2BIG;
    die("processes of a program");
  }
  op_count++;
}

/** Whether a process can have a userfaultfd that another answers. */
static int has_userfaultfd(void) {
  memset(control, 0, sizeof *control);
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    int fd = open_userfaultfd();
    control->uffd[0] = fd < 0 ? 0 : fd;
    set_and_wake(&control->done[0], 1);
    wait_while(&control->command[0], IDLE);
    _exit(0);
  }
  control->pid[0] = pid;
  wait_while(&control->done[0], 0);
  int fd = control->uffd[0] == 0 ? -1 : uffd_of(0);
  if (fd >= 0) close(fd);
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  return fd >= 0;
}

/** Tells what kind of kernel this is. */
static void say_about(void) {
  struct utsname name;
  uname(&name);
  volatile char *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t entry = 0;
  (void)*page;
  int fd = open_self("/proc/self/pagemap", O_RDONLY);
  if (pread(fd, &entry, sizeof entry, (off_t)((uintptr_t)page / PAGE * sizeof entry)) != sizeof entry) die("pagemap");
  close(fd);
  munmap((void *)page, PAGE);
  fd = open_self("/proc/self/smaps", O_RDONLY);
  read_all(fd);
  close(fd);
  int soft_dirty = strstr(proc_text, " sd") != NULL;
  pid_t pid = fork();
  if (pid == 0) _exit(move_brk() ? 0 : 1);
  int status = 1;
  waitpid(pid, &status, 0);
  printf("{\"release\":\"%s\",\"zeroPfn\":\"%lx\",\"softDirty\":%s,\"movesBrk\":%s,\"userfaultfd\":%s}\n",
         name.release,
         entry & ((1UL << 55) - 1), soft_dirty ? "true" : "false", status == 0 ? "true" : "false",
         has_userfaultfd() ? "true" : "false");
  fflush(stdout);
}

int main(void) {
  static char line[4096];
  // Pages of the usual size only, whatever the machine is set to.
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  out = mmap(NULL, OUT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  thread_stacks = mmap(NULL, MAX_THREADS * sizeof *thread_stacks, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (control == MAP_FAILED || out == MAP_FAILED || thread_stacks == MAP_FAILED) die("mmap");
  own_memory(STACK_BYTES);
  say_about();
  start_monitor();
  uint64_t id = 0;
  while (fgets(line, sizeof line, stdin) != NULL) {
    if (line[0] == 'P') {
      id = strtoull(line + 1, NULL, 10);
      op_count = thread_count = window_count = 0;
    } else if (line[0] == 'W' && window_count < MAX_WINDOWS) {
      struct window *window = &windows[window_count++];
      if (sscanf(line + 1, "%li %li", (long *)&window->start, (long *)&window->pages) != 2 || window->pages > 1024) {
        errno = EINVAL;
        die(line);
      }
    } else if (line[0] == 'O') read_op(line + 1);
    else if (line[0] == 'E') answer_program(id);
  }
  return 0;
}
