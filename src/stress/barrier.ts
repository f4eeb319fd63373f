// A barrier for threads that run many small rounds: spins first, since the others are near, and naps then, since there
// may be fewer cores than threads. Nobody waits for ever: a word that stops all is polled, and there is a deadline.

/** Where a barrier lies in a shared Int32Array, in words; each thread's word should have a cache line of its own. */
export interface BarrierLayout {
  /** Not 0: all shall stop. */
  readonly stop: number;
  /** How many barriers a thread has come to. */
  readonly arrived: (thread: number) => number;
}

/** Looks at the others' arrival before the thread gives its core away: there may be fewer cores than threads. */
const SPINS = 2000;
/** How long it then sleeps before it looks again. */
const NAP_MS = 0.05;

/** One thread's side of a barrier. */
export class Barrier {
  /** Whether it was given up since another thread did not come in time. */
  late = false;
  private barriers = 0;
  private readonly shared: Int32Array;
  private readonly layout: BarrierLayout;
  private readonly thread: number;
  private readonly threads: number;
  /** As performance.now() counts. */
  private readonly deadline: number;

  constructor(shared: Int32Array, layout: BarrierLayout, thread: number, threads: number, deadline: number) {
    this.shared = shared;
    this.layout = layout;
    this.thread = thread;
    this.threads = threads;
    this.deadline = deadline;
  }

  /** Waits until all have come here; false where somebody stopped, or did not come in time. */
  wait(): boolean {
    const { shared, layout, threads } = this;
    const mine = (this.barriers += 1);
    Atomics.store(shared, layout.arrived(this.thread), mine);
    for (let other = 0; other < threads; other++) {
      for (let spins = 0; Atomics.load(shared, layout.arrived(other)) < mine; spins++) {
        if (spins < SPINS) continue;
        if (Atomics.load(shared, layout.stop) !== 0) return false;
        if (performance.now() > this.deadline) {
          this.late = true;
          Atomics.store(shared, layout.stop, 1);
          return false;
        }
        Atomics.wait(shared, layout.stop, 0, NAP_MS);
      }
    }
    return true;
  }
}
