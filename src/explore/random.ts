// Random numbers from a seed, the same on every machine: xorshift128, seeded through splitmix32.

/** A stream of random numbers. */
export class Random {
  private readonly state: Uint32Array<ArrayBuffer> = new Uint32Array(4);

  constructor(seed: number) {
    let x = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e3779b9) >>> 0;
      let z = x;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.state[i] = z ^ (z >>> 15);
    }
    if (this.state.every((word) => word === 0)) this.state[0] = 1;
  }

  /** A number of 32 random bits. */
  next(): number {
    const { state } = this;
    let t = state[3]!;
    const s = state[0]!;
    state[3] = state[2]!;
    state[2] = state[1]!;
    state[1] = s;
    t ^= t << 11;
    t ^= t >>> 8;
    state[0] = t ^ s ^ (s >>> 19);
    return state[0];
  }

  /** A whole number from 0 up to, not including, `n`. */
  below(n: number): number {
    return Math.floor(this.fraction() * n);
  }

  /** A number from 0 up to, not including, 1. */
  fraction(): number {
    return this.next() / 0x100000000;
  }
}
