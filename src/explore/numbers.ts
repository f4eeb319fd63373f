// Arrays of numbers that grow. Most searches are over before they need any: an array is made when the first number comes.

/** No numbers yet; nothing can be put into it. */
export const NO_NUMBERS: Int32Array<ArrayBuffer> = new Int32Array(0);

/** An array twice as long, or of `first` numbers where there was none, that begins with those of the old one. */
export function grown(old: Int32Array<ArrayBuffer>, first: number): Int32Array<ArrayBuffer> {
  const fresh = new Int32Array(old.length === 0 ? first : 2 * old.length);
  fresh.set(old);
  return fresh;
}
