// From a recording to programs: what each CPU does, and what must come before what.
//
// Each recorded thread keeps its own order. Across threads only this is ordered: an access or a change comes after the
// changes (mmap, munmap, mprotect, DONTNEED, brk) that others made to its range before, and a change comes after the
// accesses that others made to its range before. All else races. Every such rule points back in recorded time, so
// they can't wait for each other in a circle.
import type { Op } from '../kernel/program.ts';
import {
  MADV_DONTNEED,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_GROWSDOWN,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
} from '../kernel/mm/flags.ts';
import { AddressSpace, HUGE } from './address-space.ts';
import type { CallEvent, FaultEvent, Recording } from './perf-script.ts';
import { UsageError } from '../machine/usage-error.ts';

/** One recorded thing to do, before it is dealt to a CPU. */
export interface Item {
  tid: number;
  op: Op;
  start: number;
  end: number;
  change: boolean;
  /** The recorded fault that an access stands for. */
  fault?: FaultEvent;
  /** The access was made by the kernel, and whether it wrote is inferred. */
  inferred: boolean;
}

/** A plan for a number of CPUs. */
export interface ReplayPlan {
  name: string;
  comm: string;
  threads: number;
  faults: number;
  /** Done by CPU 0 before the others start. */
  setup: Op[];
  startBrk: number | undefined;
  programs: Op[][];
  /** Per CPU and operation: the item it is, or undefined (waiting, signalling). */
  items: (Item | undefined)[][];
  /** Faults and calls that are not replayed, by reason. */
  skipped: Map<string, number>;
  /** Pages that faults of more than one thread are on. */
  sharedPages: Set<number>;
  calls: number;
}

const PAGE = 4096;
const pageOf = (address: number): number => Math.floor(address / PAGE);
const up = (length: number): number => Math.ceil(length / PAGE) * PAGE;

/** Builds items from events, following the address space as it changes. */
class Collector {
  readonly items: Item[] = [];
  readonly skipped = new Map<string, number>();
  readonly setup: Op[] = [];
  readonly space = new AddressSpace();
  /** tid → index of the item that its creation comes after. */
  readonly bornAfter = new Map<number, number>();
  startBrk: number | undefined;
  comm = '';
  calls = 0;
  private readonly recording: Recording;
  private pid = -1;
  private values = 0;

  constructor(recording: Recording) {
    this.recording = recording;
  }

  private skip(reason: string): void {
    this.skipped.set(reason, (this.skipped.get(reason) ?? 0) + 1);
  }

  collect(): void {
    const program = busiestProgram(this.recording);
    this.pid = program.pid;
    this.comm = program.comm;
    const ordered = [...this.recording.events].sort((a, b) => placeOf(a) - placeOf(b));
    for (const event of ordered) {
      if (event.pid === program.pid && event.line >= program.first && event.line < program.end) this.event(event);
      else if (event.kind === 'fault') this.skip('another program');
    }
  }

  private event(event: Recording['events'][number]): void {
    if (event.kind === 'map' && !event.inSystemCall) this.map(event.addr, event.length, event.prot, event.file);
    else if (event.kind === 'fork' && event.childPid === this.pid) {
      this.bornAfter.set(event.childTid, this.items.length - 1);
    } else if (event.kind === 'call') this.call(event);
    else if (event.kind === 'fault') this.fault(event);
  }

  /** A mapping made at exec, or a stack that has grown. */
  private map(addr: number, length: number, prot: string, file: string): void {
    const anonymous = file === '//anon' || file === '[stack]' || file === '[heap]';
    const kind = anonymous ? 'anonymous' : file.startsWith('[v') ? 'special' : prot.endsWith('s') ? 'shared' : 'file';
    if (file === '[stack]' && this.space.at(addr + length - PAGE)?.stack === true) {
      this.space.growStack(addr, addr + length);
      return;
    }
    const rights =
      (prot.includes('r') ? PROT_READ : 0) |
      (prot.includes('w') ? PROT_WRITE : 0) |
      (prot.includes('x') ? PROT_EXEC : 0);
    this.space.map(addr, addr + up(length), kind, file === '[stack]');
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | (file === '[stack]' ? MAP_GROWSDOWN : 0);
    this.setup.push({ op: 'mmap', addr, length: up(length), prot: rights, flags, file: kind !== 'anonymous' });
  }

  private change(event: CallEvent, op: Op, start: number, end: number): void {
    this.calls += 1;
    this.items.push({ tid: event.tid, op, start, end, change: true, inferred: false });
  }

  private call(event: CallEvent): void {
    const [a = 0, b = 0, c = 0, d = 0] = event.args;
    if (event.result < 0) {
      this.skip(`failed ${event.name}`);
      return;
    }
    if (event.name === 'mmap') this.mmap(event, b, c, d, event.args[4] ?? 0);
    else if (event.name === 'munmap') {
      this.space.unmap(a, a + up(b));
      this.change(event, { op: 'munmap', addr: a, length: b }, a, a + up(b));
    } else if (event.name === 'mprotect')
      this.change(event, { op: 'mprotect', addr: a, length: b, prot: c }, a, a + up(b));
    else if (event.name === 'madvise') {
      this.space.advise(a, a + up(b), c);
      this.change(event, { op: 'madvise', addr: a, length: b, advice: c }, a, a + up(b));
    } else this.brk(event, a);
  }

  private mmap(event: CallEvent, length: number, prot: number, flags: number, fd: number): void {
    const addr = event.result;
    const anonymous = (flags & MAP_ANONYMOUS) !== 0;
    const shared = (flags & MAP_SHARED) !== 0;
    this.space.map(addr, addr + up(length), shared ? 'shared' : anonymous ? 'anonymous' : 'file', false);
    const file = !anonymous && fd !== -1;
    const fixed = (flags & ~0x100000) | MAP_FIXED;
    this.change(event, { op: 'mmap', addr, length, prot, flags: fixed, file: file || shared }, addr, addr + up(length));
  }

  private brk(event: CallEvent, wanted: number): void {
    this.startBrk ??= event.result;
    if (wanted === 0) return;
    const end = up(event.result);
    const heapEnd = this.space.setBrk(up(this.startBrk), end);
    this.change(event, { op: 'brk', addr: event.result }, Math.min(end, heapEnd), Math.max(end, heapEnd));
  }

  private fault(event: FaultEvent): void {
    const region = this.space.at(event.address);
    const kind = region?.kind ?? (this.space.stackBelow(event.address) ? 'anonymous' : undefined);
    if (kind === undefined) this.skip('region made by a call that is not recorded');
    else if (kind !== 'anonymous') this.skip(kind === 'file' ? 'file-backed' : kind);
    else if (region?.advice === HUGE) this.skip('transparent huge page');
    else {
      const write = event.errorCode === undefined ? 'unknown' : (event.errorCode & 2) !== 0;
      const addr = Math.floor(event.address / 4) * 4;
      this.values += 1;
      const op: Op = write === false ? { op: 'load', addr } : { op: 'store', addr, value: this.values };
      this.items.push({
        tid: event.tid,
        op,
        start: addr,
        end: addr + 4,
        change: false,
        fault: event,
        inferred: write === 'unknown',
      });
    }
  }
}

/** One program in one process: exec replaces the address space and begins another. Lines from `first` to before `end`. */
interface Program {
  pid: number;
  comm: string;
  first: number;
  end: number;
  faults: number;
}

/** The program with the most faults: a shell's `exec`, or a script that starts others, leaves several in a recording. */
function busiestProgram(recording: Recording): Program {
  const current = new Map<number, Program>();
  const programs: Program[] = [];
  for (const event of recording.events) {
    let program = current.get(event.pid);
    if (program === undefined || event.kind === 'exec') {
      if (program !== undefined) program.end = event.line;
      const comm = event.kind === 'exec' ? event.comm : '?';
      program = { pid: event.pid, comm, first: event.line, end: Infinity, faults: 0 };
      current.set(event.pid, program);
      programs.push(program);
    }
    if (event.kind === 'fault') program.faults += 1;
  }
  return programs.reduce((best, program) => (program.faults > best.faults ? program : best));
}

/** Where an event stands: what takes rights away counts from its beginning, everything else from its end. */
function placeOf(event: Recording['events'][number]): number {
  return event.kind === 'call' && (event.name === 'munmap' || event.name === 'madvise') ? event.enter : event.line;
}

/**
 * A fault in kernel mode has no error code. It was a read if the program later write-faults on the same page although
 * it is present (error code 7); on writable memory it is taken for a write otherwise.
 */
function inferKernelAccesses(items: readonly Item[]): void {
  const wroteLater = new Map<number, boolean>();
  for (const item of [...items].reverse()) {
    if (item.change) {
      const takesAway =
        item.op.op === 'munmap' ||
        item.op.op === 'mmap' ||
        (item.op.op === 'madvise' && item.op.advice === MADV_DONTNEED);
      if (takesAway)
        for (const page of wroteLater.keys())
          if (page * PAGE >= item.start && page * PAGE < item.end) wroteLater.delete(page);
      continue;
    }
    const page = pageOf(item.start);
    if (item.inferred) {
      if (wroteLater.get(page) === true) item.op = { op: 'load', addr: item.start };
    } else wroteLater.set(page, item.fault?.errorCode === 7);
  }
}

/** For each item, per other CPU, the last item there that it must come after. */
function dependencies(
  items: readonly Item[],
  cpuOf: (tid: number) => number,
  bornAfter: ReadonlyMap<number, number>,
): Map<number, number>[] {
  const needs = items.map(() => new Map<number, number>());
  const changes: number[] = [];
  const accesses = new Map<number, number[]>();
  const born = new Set<number>();
  const need = (i: number, j: number): void => {
    const [from, to] = [items[i], items[j]];
    if (from === undefined || to === undefined) return;
    const cpu = cpuOf(to.tid);
    if (cpu === cpuOf(from.tid)) return;
    const map = needs[i];
    if (map !== undefined && (map.get(cpu) ?? -1) < j) map.set(cpu, j);
  };
  items.forEach((item, i) => {
    if (!born.has(item.tid)) {
      born.add(item.tid);
      need(i, bornAfter.get(item.tid) ?? -1);
    }
    for (const j of changes) {
      const other = items[j];
      if (other !== undefined && other.start < item.end && item.start < other.end) need(i, j);
    }
    if (item.change) {
      for (const [page, users] of accesses) {
        if (page * PAGE >= item.end || (page + 1) * PAGE <= item.start) continue;
        for (const j of users) need(i, j);
        accesses.delete(page);
      }
      changes.push(i);
    } else accesses.set(pageOf(item.start), [...(accesses.get(pageOf(item.start)) ?? []), i]);
  });
  return needs;
}

/** Deals items to CPUs and puts in what they wait for and what they signal. */
function deal(
  plan: ReplayPlan,
  items: readonly Item[],
  needs: readonly Map<number, number>[],
  cpuOf: (tid: number) => number,
): void {
  const signalled = new Set(needs.flatMap((map) => [...map.values()]));
  const ordinal = new Map<number, number>();
  const progress = plan.programs.map(() => 0);
  const known = plan.programs.map(() => plan.programs.map(() => 0));
  items.forEach((item, i) => {
    const cpu = cpuOf(item.tid);
    const put = (op: Op, of: Item | undefined): void => {
      plan.programs[cpu]?.push(op);
      plan.items[cpu]?.push(of);
    };
    for (const [other, j] of needs[i] ?? []) {
      const value = ordinal.get(j) ?? 0;
      const row = known[cpu];
      if (row === undefined || (row[other] ?? 0) >= value) continue;
      row[other] = value;
      put({ op: 'await', counter: other, value }, undefined);
    }
    put(item.op, item);
    if (!signalled.has(i)) return;
    progress[cpu]! += 1;
    ordinal.set(i, progress[cpu] ?? 0);
    put({ op: 'advance', counter: cpu }, undefined);
  });
}

/** Plans the replay of a recording on so many CPUs. Throws a UsageError where nothing in it can be replayed. */
export function planReplay(recording: Recording, cpus: number): ReplayPlan {
  const collector = new Collector(recording);
  collector.collect();
  const { items } = collector;
  if (!items.some((item) => !item.change)) {
    throw new UsageError(
      `${recording.name} has no fault on anonymous memory: record a program that allocates memory, for example \`perf record -d -e page-faults sort big.txt\`.`,
    );
  }
  inferKernelAccesses(items);
  const tids = [...new Set(items.map((item) => item.tid))];
  const cpuOf = (tid: number): number => tids.indexOf(tid) % cpus;
  const users = new Map<number, Set<number>>();
  for (const item of items) {
    if (item.change) continue;
    const page = pageOf(item.start);
    users.set(page, (users.get(page) ?? new Set()).add(item.tid));
  }
  const plan: ReplayPlan = {
    name: recording.name,
    comm: collector.comm,
    threads: tids.length,
    faults: recording.events.filter((event) => event.kind === 'fault').length,
    setup: collector.setup,
    startBrk: collector.startBrk,
    programs: Array.from({ length: cpus }, () => []),
    items: Array.from({ length: cpus }, () => []),
    skipped: collector.skipped,
    sharedPages: new Set([...users].filter(([, tidsOfPage]) => tidsOfPage.size > 1).map(([page]) => page)),
    calls: collector.calls,
  };
  deal(plan, items, dependencies(items, cpuOf, collector.bornAfter), cpuOf);
  return plan;
}
