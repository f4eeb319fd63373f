// As bit-locks.js, with a cheaper unlock: a bit that is set is cleared by nobody but the CPU that set it, so no atomic
// operation is needed to clear it; a load and a store will do.

/** The bits of `count` entries from `first`. */
function bitsOf({ first, count }) {
  if (count >= 32) return ~0;
  const run = 2 ** count - 1;
  const turn = first % 32;
  return (run << turn) | (turn === 0 ? 0 : run >>> (32 - turn));
}

/** @type {import('pagerace').LockingDesign} */
export default function cheapUnlock(kernel) {
  return {
    name: 'bit-locks-cheap-unlock',
    what: '32 locks per page-table page, released by a load and a store of their word',

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
      const word = kernel.table_words(cpu, entries.table);
      const held = yield* kernel.READ_ONCE(cpu, word);
      yield* kernel.smp_store_release(cpu, word, held & ~bits);
    },
  };
}
