// Executions that reports are tried on: two CPUs on one page without the page-table lock, the same with it, locks taken
// in opposite order, a message passed through a flag.
import type { AccessKind } from '../../src/check/access-event.ts';
import type { ExecutionRecord } from '../../src/explore/record.ts';
import type { Names } from '../../src/report/names.ts';
import { RecordWriter } from './records.ts';

export const PTE = 4096;
export const PTL = 512;
export const RSS = 640;
export const FOLIO = 700;
export const FREE_LIST = 800;
export const FRAME = 8192;
export const LOCK_PTL = 3;

export const kernelNames: Names = {
  word: (word) => ({ [PTE]: 'pte[0]', [RSS]: 'rss', [PTL]: 'ptl' })[word],
  lockClass: (lockClass) => ({ [LOCK_PTL]: 'ptl' })[lockClass],
};

const fault = ['do_anonymous_page', 'handle_pte_fault', '__handle_mm_fault', 'handle_mm_fault'];
const install = ['install_folio', ...fault];

/** The frame letter that a table entry stands for. */
export function frameName(lo: number): string {
  return lo === 0 ? 'none' : lo === 0x1867 ? 'A' : 'B';
}

/** Steps of one CPU's first touch of the page, up to the lock. */
function prepare(writer: RecordWriter, cpu: number, preempts: boolean): void {
  const vmf = { real_address: 0x7000_0000, flags: 0x255 };
  const folio = FOLIO + 32 * cpu;
  writer.step(cpu, 'read', PTE, { width: 2, where: fault.slice(1), preempts });
  for (let i = 0; i < 3; i++) {
    const notes = i === 0 ? [['call', vmf, 0x8100073] as const] : [];
    writer.step(cpu, 'plain-read', FOLIO + 100 + i, { where: ['pte_alloc', ...fault], notes });
  }
  writer.step(cpu, 'rmw', FREE_LIST, { where: ['rmqueue', 'alloc_page', ...fault], after: cpu + 1 });
  writer.step(cpu, 'plain-write', folio, {
    where: ['__folio_mark_uptodate', ...fault],
    after: 8,
    notes: [['alloc_anon_folio', vmf, folio]],
  });
}

/** Steps from the recheck to the store into the table, and the user's store. */
function publish(writer: RecordWriter, cpu: number, kind: AccessKind, recheck: boolean, preempts = false): void {
  const folio = FOLIO + 32 * cpu;
  const vmf = { real_address: 0x7000_0000, flags: 0x255 };
  if (recheck) writer.step(cpu, 'read', PTE, { width: 2, where: ['vmf_pte_changed', ...install], preempts });
  writer.step(cpu, 'plain-write', folio + 1, {
    where: ['folio_add_new_anon_rmap', ...install],
    preempts: !recheck && preempts,
  });
  writer.step(cpu, 'plain-write', folio + 2, {
    where: ['folio_add_lru', ...install],
    notes: [
      ['add_mm_counter', vmf, folio],
      ['folio_add_new_anon_rmap', vmf, folio],
    ],
  });
  writer.step(cpu, kind, PTE, { width: 2, where: ['set_pte_from', ...install], after: 0x1867 + 0x1000 * cpu });
}

function userStore(writer: RecordWriter, cpu: number, preempts = false): void {
  writer.step(cpu, 'user-write', FRAME + 1024 * cpu, { after: cpu + 1, preempts });
}

/** First touch without the lock: CPU0 is preempted between its recheck and its store. */
export function firstTouchWithoutLock(kind: AccessKind = 'write'): ExecutionRecord {
  const writer = new RecordWriter();
  prepare(writer, 0, false);
  writer.step(0, 'read', PTE, { width: 2, where: ['vmf_pte_changed', ...install] });
  prepare(writer, 1, true);
  publish(writer, 1, kind, true);
  userStore(writer, 1);
  publish(writer, 0, kind, false);
  userStore(writer, 0);
  return writer.done();
}

/** First touch with the lock: CPU1 waits for it, finds the entry taken, and gives its folio back. */
export function firstTouchWithLock(): ExecutionRecord {
  const writer = new RecordWriter();
  const lock = { lockClass: LOCK_PTL, where: ['spin_lock', 'ptl_lock', 'pte_offset_map_lock', ...install] };
  const unlock = { where: ['spin_unlock', 'ptl_unlock', 'pte_unmap_unlock', ...install] };
  prepare(writer, 0, false);
  writer.step(0, 'lock', PTL, lock);
  prepare(writer, 1, true);
  publish(writer, 0, 'write', true);
  writer.step(0, 'unlock', PTL, unlock);
  writer.step(1, 'lock', PTL, { ...lock, preempts: true });
  writer.step(1, 'read', PTE, { width: 2, where: ['vmf_pte_changed', ...install] });
  writer.step(1, 'unlock', PTL, { ...unlock, notes: [['lost', {}, FOLIO + 32]] });
  writer.step(1, 'user-write', FRAME, { after: 2 });
  userStore(writer, 0);
  return writer.done();
}

export const A = 1;
export const B = 2;
export const DATA = 3;
export const FLAG = 4;
export const programNames: Names = { word: (word) => ['', 'A', 'B', 'x', 'flag', 'ticket_of_the_next_reader'][word] };

/** Two CPUs take A and B in opposite order and wait for each other. */
export function abbaDeadlock(): ExecutionRecord {
  const writer = new RecordWriter().step(0, 'lock', A).step(1, 'lock', B, { preempts: true });
  return writer.done('deadlock', [
    { cpu: 0, word: B, lockClass: 0, holder: 1 },
    { cpu: 1, word: A, lockClass: 0, holder: 0 },
  ]);
}

/** Three CPUs pass a message through a flag, take a lock out of order and do much of their own. */
export function threeCpus(): ExecutionRecord {
  const writer = new RecordWriter().init(5, 7);
  writer.step(0, 'plain-write', DATA, { after: 42 }).step(0, 'release', FLAG, { after: 1 });
  writer.step(1, 'lock', A).step(1, 'lock', B).step(2, 'acquire', FLAG, { preempts: true });
  writer.step(2, 'plain-read', DATA).step(2, 'rmw', 5, { after: 123456789 }).step(2, 'cmpxchg', 5, { stored: false });
  writer.step(1, 'unlock', A).step(0, 'lock', A).step(1, 'unlock', B).step(0, 'unlock', A);
  writer.step(2, 'trylock', B).step(2, 'write', DATA, { stored: false }).step(2, 'mb', 0, { width: 0 });
  writer.step(2, 'drain', DATA, { after: 43 }).step(2, 'unlock', B);
  return writer.done();
}
