// Judges of the kernel's own objects: memory groups, the reverse map, object caches, locks, the log.
import type { AnonVmaRecord, MemcgRecord, MmRecord, Snapshot } from '../machine/snapshot.ts';
import { addressText, counted, finding } from './finding.ts';
import type { Finding } from './finding.ts';
import { problemsOf } from './frames.ts';
import { isNormal, mappings, vmaAt } from './page-tables.ts';

/** I6: a group's usage is what its subtree has charged and stocked, and not above its limit. */
export function memcgUsage(s: Snapshot): Finding[] {
  const own = new Map(s.memcgs.map((group) => [group.word, group.charged + group.stock]));
  const expected = new Map<number, number>();
  const groups = new Map(s.memcgs.map((group) => [group.word, group]));
  const wrong = problemsOf(s, 'I6');
  for (const group of s.memcgs) {
    // Up the tree; a tree that is none ends after as many steps as there are groups.
    let at: MemcgRecord | undefined = group;
    for (let steps = 0; at !== undefined && steps < s.memcgs.length; steps++) {
      expected.set(at.word, (expected.get(at.word) ?? 0) + (own.get(group.word) ?? 0));
      at = groups.get(at.parent);
    }
    if (at !== undefined) wrong.push(`${groupName(group)}: its parents go round in a circle`);
  }
  const above: string[] = [];
  for (const group of s.memcgs) {
    const sum = expected.get(group.word) ?? 0;
    const usage = `${groupName(group)}: usage ${String(group.usage)}`;
    if (group.usage !== sum) wrong.push(`${usage}, charged and stocked ${String(sum)}`);
    if (group.usage > group.max) above.push(`${usage}, memory.max ${String(group.max)}`);
  }
  return [
    ...finding('I6', () => 'page_counter: the usage of a memory group is not what is charged to it', wrong),
    ...finding('I6', () => 'memory.current stands above memory.max', above),
  ];
}

function groupName(group: MemcgRecord): string {
  return group.parent === 0 ? 'root' : `memory group ${String(group.id)}`;
}

/** I8: the reverse map leads back: a folio's anon_vma is that of the VMA it is mapped in, its index the address's. */
export function reverseMap(s: Snapshot): Finding[] {
  const lost = mappings(s, (mapping, mm) => {
    const vma = isNormal(mapping) ? vmaAt(mm, mapping.address) : undefined;
    if (vma === undefined) return undefined;
    const anonVma = s.mapping[mapping.frame]! - 1;
    if (vma.anonVma === 0) return 'its VMA has no anon_vma';
    if (!vma.chain.includes(anonVma)) return "its anon_vma is not in its VMA's chain";
    const index = (mapping.address - vma.start) / 4096 + vma.pgoff;
    return s.index[mapping.frame] === index
      ? undefined
      : `index ${String(s.index[mapping.frame])}, not ${String(index)}`;
  });
  const links = [
    ...problemsOf(s, 'I8'),
    ...s.mms.flatMap((mm) => chainProblems(s, mm)),
    ...s.anonVmas.flatMap((a) => anonVmaProblems(s, a)),
  ];
  return [
    ...lost.finding('I8', (n) => `the reverse map does not lead back for ${counted(n, 'page')}`),
    ...finding('I8', () => 'VMAs and anon_vmas are not linked as they should be', links),
  ];
}

/** A VMA that has an anon_vma is in it, and in each anon_vma of its chain once; one that has none is in none. */
function chainProblems(s: Snapshot, mm: MmRecord): string[] {
  const live = new Map(s.anonVmas.map((anonVma) => [anonVma.word, anonVma]));
  return mm.vmas.flatMap((vma) => {
    const name = `VMA ${addressText(vma.start)}`;
    if (vma.anonVma === 0 && vma.chain.length === 0) return [];
    if (vma.anonVma === 0) return [`${name}: ${counted(vma.chain.length, 'anon_vma')} in its chain`];
    const wrong = vma.chain.flatMap((word) => {
      const anonVma = `anon_vma ${addressText(word)}`;
      const times = live.get(word)?.vmas.filter((listed) => listed === vma.word).length;
      if (times === undefined) return [`${name}: ${anonVma} in its chain is free`];
      return times === 1 ? [] : [`${name}: ${anonVma} in its chain lists it ${counted(times, 'time')}`];
    });
    if (new Set(vma.chain).size < vma.chain.length) wrong.push(`${name}: an anon_vma is in its chain twice`);
    if (!vma.chain.includes(vma.anonVma)) wrong.push(`${name}: its anon_vma is not in its chain`);
    return wrong;
  });
}

function anonVmaProblems(s: Snapshot, anonVma: AnonVmaRecord): string[] {
  const name = `anon_vma ${addressText(anonVma.word)}`;
  const active = s.mms.reduce((sum, mm) => sum + mm.vmas.filter((vma) => vma.anonVma === anonVma.word).length, 0);
  const wrong: string[] = [];
  if (anonVma.vmas.length === 0) wrong.push(`${name} is nobody's and not free`);
  // Its own use, and that of each anon_vma whose lock is its lock.
  const { word, root, parent } = anonVma;
  const uses = 1 + s.anonVmas.filter((other) => other.root === word && other.word !== word).length;
  if (anonVma.refcount !== uses) wrong.push(`${name}: refcount ${String(anonVma.refcount)}, uses ${String(uses)}`);
  const children = s.anonVmas.filter((other) => other.parent === word).length;
  if (anonVma.numChildren !== children) {
    wrong.push(`${name}: num_children ${String(anonVma.numChildren)}, anon_vmas below it ${String(children)}`);
  }
  const above = s.anonVmas.find((other) => other.word === parent);
  if (above === undefined) wrong.push(`${name}: its parent is free`);
  else if (above.root !== root) wrong.push(`${name}: its parent has another root`);
  if (anonVma.numActiveVmas !== active) {
    wrong.push(`${name}: num_active_vmas ${String(anonVma.numActiveVmas)}, VMAs that point to it ${String(active)}`);
  }
  for (const word of anonVma.vmas) {
    const vma = s.mms.flatMap((mm) => mm.vmas).find((v) => v.word === word);
    if (vma !== undefined && !vma.chain.includes(anonVma.word))
      wrong.push(`${name} lists VMA ${addressText(vma.start)}, which does not have it`);
  }
  return wrong;
}

/** Object caches: what is free is on one list once, and the cache's count is right. */
export function slab(s: Snapshot): Finding[] {
  return finding(
    'slab',
    (n) => `${counted(n, 'object cache')} with a torn free list or a wrong count`,
    problemsOf(s, 'slab'),
  );
}

/** At rest nobody holds a lock. */
export function locks(s: Snapshot): Finding[] {
  const held = s.heldLocks.map(({ lockClass, word, holder }) => {
    const by = holder >= 0 ? `CPU ${String(holder)}` : 'somebody';
    return `${lockClass} (word ${addressText(word)}) held by ${by}`;
  });
  return finding('locks', (n) => `WARNING: ${counted(n, 'lock')} held when returning to user space!`, held);
}

/** Different lines of the log that are shown; the rest are counted. */
const MAX_LINES = 8;

/** The kernel log has no line that says that something is broken. */
export function dmesg(s: Snapshot): Finding[] {
  const times = new Map<string, number>();
  for (const { isBug, text } of s.dmesg) if (isBug) times.set(text, (times.get(text) ?? 0) + 1);
  const findings = [...times].slice(0, MAX_LINES).map(([text, n]): Finding => ({
    judge: 'dmesg',
    message: text,
    details: n > 1 ? [`said ${String(n)} times`] : [],
  }));
  const more = times.size - findings.length;
  const last = findings[findings.length - 1];
  if (more > 0) last?.details.push(`and ${counted(more, 'other line')} in the log`);
  return findings;
}
