// Gives the words that executions touch small numbers (slots), so that what is known of each lies in dense arrays. A word
// keeps its number.

const FIRST_SLOTS = 64;
/** Fibonacci hashing: multiples of this spread over the whole range. */
const SPREAD = 0x9e3779b1;

export class WordTable {
  /** How many words are known: slots 0 to used - 1. */
  used = 0;
  /** The word of each slot. */
  words: Int32Array = new Int32Array(FIRST_SLOTS);
  /** Open addressing: slot + 1, or 0. Twice as many places as slots. */
  private places: Int32Array = new Int32Array(2 * FIRST_SLOTS);

  /** The slot of `word`, or -1. */
  find(word: number): number {
    const mask = this.places.length - 1;
    for (let place = hash(word) & mask; ; place = (place + 1) & mask) {
      const slot = this.places[place]! - 1;
      if (slot < 0 || this.words[slot] === word) return slot;
    }
  }

  /** The slot of `word`, which gets one if it has none. */
  findOrAdd(word: number): number {
    const found = this.find(word);
    if (found >= 0) return found;
    if (this.used === this.words.length) this.grow();
    const slot = this.used++;
    this.words[slot] = word;
    this.place(slot);
    return slot;
  }

  private place(slot: number): void {
    const mask = this.places.length - 1;
    let place = hash(this.words[slot]!) & mask;
    while (this.places[place] !== 0) place = (place + 1) & mask;
    this.places[place] = slot + 1;
  }

  private grow(): void {
    const words = new Int32Array(2 * this.words.length);
    words.set(this.words);
    this.words = words;
    this.places = new Int32Array(2 * words.length);
    for (let slot = 0; slot < this.used; slot++) this.place(slot);
  }
}

function hash(word: number): number {
  return Math.imul(word, SPREAD) >>> 8;
}
