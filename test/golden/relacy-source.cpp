#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <unistd.h>
#include <relacy/relacy.hpp>

struct Shared {
  rl::atomic<int> x;
  rl::mutex lock;
  bool overwritten;
};

static void lost_update(Shared& s, int i) {
  int seen = s.x.load(rl::mo_seq_cst, $);
  s.x.store(seen + (1 << i), rl::mo_seq_cst, $);
}
static bool lost_update_holds(int x, int n) { return x == (1 << n) - 1; }

static void page_fault(Shared& s, int i) {
  if (s.x.load(rl::mo_seq_cst, $) != 0) return;
  s.lock.lock($);
  if (s.x.load(rl::mo_seq_cst, $) == 0) { if (s.x.exchange(i + 1, rl::mo_seq_cst, $) != 0) s.overwritten = true; }
  s.lock.unlock($);
}
static bool page_fault_holds(int x, int n) { return x != 0; }

static void page_fault_no_recheck(Shared& s, int i) {
  if (s.x.load(rl::mo_seq_cst, $) != 0) return;
  s.lock.lock($);
  if (s.x.exchange(i + 1, rl::mo_seq_cst, $) != 0) s.overwritten = true;
  s.lock.unlock($);
}
static bool page_fault_no_recheck_holds(int x, int n) { return x != 0; }

static void page_fault_no_lock(Shared& s, int i) {
  if (s.x.load(rl::mo_seq_cst, $) != 0) return;
  if (s.x.load(rl::mo_seq_cst, $) == 0) { if (s.x.exchange(i + 1, rl::mo_seq_cst, $) != 0) s.overwritten = true; }
}
static bool page_fault_no_lock_holds(int x, int n) { return x != 0; }

static void mutex(Shared& s, int i) {
  s.lock.lock($);
  int seen = s.x.load(rl::mo_seq_cst, $);
  s.x.store(seen + 1, rl::mo_seq_cst, $);
  s.lock.unlock($);
}
static bool mutex_holds(int x, int n) { return x == n; }

static void xadd(Shared& s, int i) {
  s.x.fetch_add(1, rl::mo_seq_cst, $);
}
static bool xadd_holds(int x, int n) { return x == n; }

static void (*body)(Shared&, int);
static bool (*holds)(int, int);
static unsigned long iterations, violating;
static double limit;
static std::chrono::steady_clock::time_point started;

static double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

static void tell(bool ended) {
  std::printf("iterations: %lu\nviolating: %lu\nseconds: %.6f\nended: %s\n", iterations, violating, seconds(),
              ended ? "yes" : "no");
  std::fflush(stdout);
}

template <int N> struct Suite : rl::test_suite<Suite<N>, N>, Shared {
  void before() { x($) = 0; overwritten = false; }
  void thread(unsigned i) { body(*this, i); }
  void after() {
    violating += overwritten || !holds(x($), N);
    if (++iterations % 1024 == 0 && seconds() > limit) { tell(false); _exit(0); }
  }
};

template <int N, class Scheduler> bool run() {
  std::ostream nowhere(nullptr);
  rl::ostringstream state;
  rl::test_params params;
  params.progress_stream = &nowhere;
  params.context_bound = 2;
  started = std::chrono::steady_clock::now();
  if (rl::run_test<Suite<N>, Scheduler>(params, state, false) != rl::test_result_success) return false;
  tell(true);
  return true;
}

static bool search(const std::string& name, int threads, const std::string& how) {
  if (name == "lost-update") { body = lost_update; holds = lost_update_holds; }
  if (name == "page-fault") { body = page_fault; holds = page_fault_holds; }
  if (name == "page-fault-no-recheck") { body = page_fault_no_recheck; holds = page_fault_no_recheck_holds; }
  if (name == "page-fault-no-lock") { body = page_fault_no_lock; holds = page_fault_no_lock_holds; }
  if (name == "mutex") { body = mutex; holds = mutex_holds; }
  if (name == "xadd") { body = xadd; holds = xadd_holds; }
  if (threads == 2 && how == "all") return run<2, rl::full_search_scheduler<2>>();
  if (threads == 2 && how == "bound") return run<2, rl::context_bound_scheduler<2>>();
  if (threads == 3 && how == "all") return run<3, rl::full_search_scheduler<3>>();
  if (threads == 3 && how == "bound") return run<3, rl::context_bound_scheduler<3>>();
  return false;
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  limit = std::stod(argv[4]);
  return search(argv[1], std::stoi(argv[2]), argv[3]) ? 0 : 1;
}
