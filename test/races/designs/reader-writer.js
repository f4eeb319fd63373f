// A reader-writer lock for each PTE table. Whoever changes one entry takes it shared: a 64-bit store is atomic, and the
// recheck under the lock sees an entry that another CPU has filled. Whoever changes a range takes it alone.
//
// Faults then never wait for each other, and nothing seems to be missing. But between the recheck and the store another
// CPU with its own share of the lock may pass its recheck, too.

/** In the lock's word: somebody has it alone. Otherwise it is the number of those who share it. */
const ALONE = -1;

/** @type {import('pagerace').LockingDesign} */
export default function readerWriter({ table_words, update_when, atomic_fetch_add, smp_store_release }) {
  return {
    name: 'reader-writer',
    what: 'one reader-writer lock per page-table page: shared by who changes one entry, alone for a range',

    *lock(cpu, { table, count }) {
      const word = table_words(cpu, table);
      if (count === 1) {
        yield* update_when(
          cpu,
          word,
          (held) => held !== ALONE,
          (held) => held + 1,
        );
      } else {
        yield* update_when(
          cpu,
          word,
          (held) => held === 0,
          () => ALONE,
        );
      }
    },

    *unlock(cpu, { table, count }) {
      const word = table_words(cpu, table);
      if (count === 1) yield* atomic_fetch_add(cpu, word, -1);
      else yield* smp_store_release(cpu, word, 0);
    },
  };
}
