// 32 locks for each PTE table instead of one, as bits of a word of its struct page: entry i is behind bit i modulo 32,
// so that faults on neighbouring pages do not wait for each other. Whoever changes a range takes all its bits at once,
// so that two ranges can't wait for each other in a circle.

/** The bits of `count` entries from `first`. */
function bitsOf({ first, count }) {
  if (count >= 32) return ~0;
  const run = 2 ** count - 1;
  const turn = first % 32;
  return (run << turn) | (turn === 0 ? 0 : run >>> (32 - turn));
}

/** @type {import('pagerace').LockingDesign} */
export default function bitLocks(kernel) {
  return {
    name: 'bit-locks',
    what: '32 locks per page-table page: bits of one word, taken and released atomically',

    *lock(cpu, entries) {
      const bits = bitsOf(entries);
      const word = kernel.table_words(cpu, entries.table);
      yield* kernel.update_when(
        cpu,
        word,
        (held) => (held & bits) === 0,
        (held) => held | bits,
      );
      return bits;
    },

    *unlock(cpu, entries, bits) {
      yield* kernel.atomic_fetch_and(cpu, kernel.table_words(cpu, entries.table), ~bits);
    },
  };
}
