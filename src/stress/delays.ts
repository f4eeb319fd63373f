// Delays before accesses by Atomics, in this thread: so that others come in between where they hardly ever would, since
// an access takes nanoseconds, and a thread's turn on a core that is shared with others milliseconds.
//
// The functions of Atomics are replaced by such as wait now and then before they do the same. Code need not know of it;
// what it could not stand was wrong before, since nothing promises that a thread is fast.

const NAMES = [
  'load',
  'store',
  'add',
  'sub',
  'and',
  'or',
  'xor',
  'exchange',
  'compareExchange',
  'wait',
  'notify',
] as const;

/** Looks at memory of a short delay, at most: about as long as another thread's operation. */
const SPINS = 400;
/** A long delay: the core is given away. */
const NAP_MS = 0.02;

/** This thread's delays. */
export class AccessDelays {
  /** Of so many accesses one is delayed; 0: none. */
  oneIn = 0;
  private readonly random: (below: number) => number;
  private readonly load: typeof Atomics.load;
  private readonly sleep: typeof Atomics.wait;
  /** A word that nobody else knows. */
  private readonly own: Int32Array<SharedArrayBuffer> = new Int32Array(new SharedArrayBuffer(4));
  private readonly originals = new Map<string, unknown>();

  /** `random`: whole numbers below a bound. */
  constructor(random: (below: number) => number) {
    this.random = random;
    this.load = Atomics.load.bind(Atomics);
    this.sleep = Atomics.wait.bind(Atomics);
  }

  /** Replaces the functions of Atomics, until `remove`. */
  install(): void {
    for (const name of NAMES) {
      const original: unknown = Reflect.get(Atomics, name);
      if (typeof original !== 'function') continue;
      this.originals.set(name, original);
      Reflect.set(Atomics, name, (...args: unknown[]): unknown => {
        if (this.oneIn !== 0 && this.random(this.oneIn) === 0) this.delay();
        return Reflect.apply(original as (...args: unknown[]) => unknown, Atomics, args);
      });
    }
  }

  remove(): void {
    for (const [name, original] of this.originals) Reflect.set(Atomics, name, original);
    this.originals.clear();
  }

  private delay(): void {
    if (this.random(2) === 0) this.sleep(this.own, 0, 0, NAP_MS);
    else for (let spins = this.random(SPINS); spins > 0; spins--) this.load(this.own, 0);
  }
}
