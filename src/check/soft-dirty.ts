// The soft-dirty judge: a page that was stored to since the process's soft-dirty bits were cleared says so.
//
// Only stores that began after the last clear_refs had returned count: of those that overlap it nobody can say on which
// side they are. A page that is not there any more, or that maps the zero page again, has nothing to say.
import { _PAGE_SOFT_DIRTY } from '../kernel/arch/x86/pgtable.ts';
import { VM_SOFTDIRTY } from '../kernel/mm/flags.ts';
import type { MmRecord, Snapshot } from '../machine/snapshot.ts';
import { addressText, counted, finding, pfnText } from './finding.ts';
import type { Finding } from './finding.ts';
import type { MemoryEvent } from './history.ts';
import { isNormal, vmaAt } from './page-tables.ts';

const PAGE_BYTES = 4096;

/** Judges the entries of a machine at rest by what its CPUs did before. */
export function judgeSoftDirty(s: Snapshot, events: readonly MemoryEvent[]): Finding[] {
  if (!s.softDirty) return [];
  const wrong = s.mms.flatMap((mm) => missed(mm, events));
  return finding(
    'soft-dirty',
    (n) => `${counted(n, 'page')} stored to after clear_refs and not soft-dirty: an incremental copy misses the store`,
    wrong,
  );
}

/** Pages of a process that should be soft-dirty and are not. */
function missed(mm: MmRecord, events: readonly MemoryEvent[]): string[] {
  const own = events.filter(({ process = 0 }) => process === mm.process);
  let cleared = -Infinity;
  for (const { kind, returned } of own) if (kind === 'clear') cleared = Math.max(cleared, returned);
  if (cleared === -Infinity) return [];
  // Of processes that had this number one after the other, the last began here.
  for (const { kind, child, returned } of events) {
    if (kind === 'fork' && child === mm.process) cleared = Math.max(cleared, returned);
  }
  const stored = new Map<number, MemoryEvent>();
  for (const event of own) {
    if (event.kind === 'store' && event.invoked > cleared) {
      stored.set(Math.floor(event.addr / PAGE_BYTES) * PAGE_BYTES, event);
    }
  }
  return mm.mappings.flatMap((mapping) => {
    const store = stored.get(mapping.address);
    if (store === undefined || !isNormal(mapping) || (mapping.lo & _PAGE_SOFT_DIRTY) !== 0) return [];
    if (((vmaAt(mm, mapping.address)?.flags ?? 0) & VM_SOFTDIRTY) !== 0) return [];
    const place = `${addressText(mapping.address)}, pfn ${pfnText(mapping.pfn)}`;
    return [`${place}: CPU ${String(store.cpu)} stored at ${addressText(store.addr)}, and bit 11 is not set`];
  });
}
