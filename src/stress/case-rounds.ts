// Many rounds of one case on real threads, inside one task: each at addresses of its own, all CPUs at a barrier before.
//
// Threads take longer to start than a case takes to run, so a round per task would never race. One machine is judged at
// the end; addresses, and the addresses that leaked folios were for, say which round broke it.
import { wordsAccessed } from '../check/accessed-words.ts';
import { eventsOf, judge } from '../check/verdict.ts';
import { addressText } from '../check/finding.ts';
import type { Finding } from '../check/finding.ts';
import { PAGE_STRUCT_SHIFT, page } from '../kernel/layout.ts';
import type { Op } from '../kernel/program.ts';
import { boot } from '../machine/boot.ts';
import type { Machine } from '../machine/boot.ts';
import type { Complaint } from '../explore/subject.ts';
import type { CpuOutcome } from '../machine/gang.ts';
import type { MachineConfig } from '../machine/config.ts';
import { UsageError } from '../machine/usage-error.ts';
import { PAGE_BYTES, pagesTouched } from './pages.ts';

/** What is run in rounds: a set-up, and one program for each CPU. */
export interface RoundsCase {
  readonly setup: readonly Op[];
  readonly programs: readonly (readonly Op[])[];
  /** The machine; how many CPUs it has follows from the programs. */
  readonly config?: Partial<MachineConfig>;
}

/** One round that has ended: how far its addresses were moved, and where its operations begin in what CPUs observed. */
export interface RoundEnd {
  readonly machine: Machine;
  readonly seen: readonly CpuOutcome[];
  readonly shift: number;
  readonly from: readonly number[];
}

/** A failure that was seen on real threads. */
export interface Sighting {
  /** Which round it was in, from 1; undefined: what was left behind does not say. */
  readonly round: number | undefined;
  readonly rounds: number;
  /** How often it was seen in all rounds, as far as the finding counts. */
  readonly count: number;
  readonly finding: Finding;
}

/** How a gang runs a case. */
export interface GangOptions {
  /** Rounds in one task: 1 to 5,000; fewer are run of cases so large that a machine has no room for so many. */
  readonly rounds: number;
  /** Milliseconds for all of them. */
  readonly limitMs: number;
}

const TABLE_BYTES = 512 * PAGE_BYTES;
const MIB = 1024 * 1024;
/** RAM of a machine without rounds, and of a round: pages that several CPUs may allocate, and their tables. */
const BASE_BYTES: number = 8 * MIB;
/** RAM and VMAs of all rounds at most: larger cases have fewer of them. */
const MAX_ROUNDS_BYTES: number = 512 * MIB;
const MAX_ROUNDS_VMAS = 65_000;
const BYTES_PER_CPU_PAGE = 2 * PAGE_BYTES;
const TABLES_PER_REGION = 4;
const BASE_VMAS = 256;
const VMAS_PER_OPERATION = 2;
/** Operations that mean the same at other addresses. */
const MOVABLE: readonly Op['op'][] = [
  'mmap',
  'munmap',
  'mprotect',
  'madvise',
  'load',
  'store',
  'atomic_add',
  'touch',
  'retract_page_table',
];

/** Refuses cases that can't be repeated on one machine. */
function checkMovable({ setup, programs }: RoundsCase): void {
  const fixed = [...setup, ...programs.flat()].find(({ op }) => !MOVABLE.includes(op));
  if (fixed === undefined) return;
  throw new UsageError(
    `rounds on threads can't have '${fixed.op}', which can't be repeated at other addresses: use ${MOVABLE.join(', ')}, for example { op: 'load', addr: 4096 }`,
  );
}

/** Where rounds lie: each so many bytes behind the one before. */
function strideOf(ops: readonly Op[]): number {
  const pages = ops.flatMap(pagesTouched);
  const first = Math.floor(Math.min(...pages) / TABLE_BYTES);
  const last = Math.floor(Math.max(...pages) / TABLE_BYTES);
  // A table between two rounds, so that none has a page table of another's, nor a region that runs into it.
  return (last - first + 2) * TABLE_BYTES;
}

function movedBy(op: Op, shift: number): Op {
  return 'addr' in op ? { ...op, addr: op.addr + shift } : op;
}

/** RAM that a round of a case may take. */
function roundBytes({ setup, programs }: RoundsCase): number {
  const pages = new Set([...setup, ...programs.flat()].flatMap(pagesTouched)).size;
  return pages * programs.length * BYTES_PER_CPU_PAGE + TABLES_PER_REGION * setup.length * PAGE_BYTES;
}

/** VMAs that a round of a case may make. */
function roundVmas({ setup, programs }: RoundsCase): number {
  return VMAS_PER_OPERATION * (setup.length + programs.flat().length);
}

/** A machine with room for all rounds of a case. */
function machineFor(race: RoundsCase, rounds: number): Machine {
  const memory = BASE_BYTES + rounds * roundBytes(race);
  const maxVmas = BASE_VMAS + rounds * roundVmas(race);
  return boot({ memory, maxVmas, ...race.config, cpus: race.programs.length });
}

/**
 * Runs a case in rounds on threads; what was seen, or undefined where all of it held. `judgeRound` is asked about each
 * round before the judges are. Throws a UsageError.
 */
export async function runRounds(
  race: RoundsCase,
  { rounds: wanted, limitMs }: GangOptions,
  judgeRound?: (round: RoundEnd) => Complaint | undefined,
): Promise<Sighting | undefined> {
  checkMovable(race);
  const { setup, programs } = race;
  const all = [...setup, ...programs.flat()];
  if (all.length === 0) return undefined;
  const room = Math.min(MAX_ROUNDS_BYTES / roundBytes(race), MAX_ROUNDS_VMAS / roundVmas(race));
  const rounds = Math.min(wanted, Math.max(1, Math.floor(room)));
  const stride = strideOf(all);
  const machine = machineFor(race, rounds);
  const shifts = Array.from({ length: rounds }, (_, round) => round * stride);
  const moved = (ops: readonly Op[]): Op[] => shifts.flatMap((shift) => ops.map((op) => movedBy(op, shift)));
  const first = machine.runHere(moved(setup), 0, true);
  const barrier: Op = { op: 'barrier' };
  const tasks = programs.map((ops) => shifts.flatMap((shift) => [barrier, ...ops.map((op) => movedBy(op, shift))]));
  const outcome = await machine.run(tasks, { history: true, limitMs });
  const ended = outcome.died.length === 0 && outcome.cpus.every(({ status }) => status === 'done');
  if (ended && judgeRound !== undefined) {
    const seen = [...outcome.cpus].sort((a, b) => a.cpu - b.cpu);
    for (const [round, shift] of shifts.entries()) {
      const from = programs.map((ops) => round * (ops.length + 1) + 1);
      const complaint = judgeRound({ machine, seen, shift, from });
      if (complaint !== undefined)
        return { round: round + 1, rounds, count: 1, finding: { ...complaint, details: [] } };
    }
  }
  const last = ended ? [machine.runHere(moved(loadsOf(all)), 0, true)] : [];
  const owners = ended ? folioAddresses(machine) : [];
  const verdict = judge(machine, outcome, { events: eventsOf([first, ...outcome.cpus, ...last]), exit: ended });
  if (verdict.kind !== 'violated' && verdict.kind !== 'stuck') return undefined;
  const places = { lowest: Math.min(...all.flatMap(pagesTouched)), stride, rounds, owners, machine };
  return sightingOf(verdict.findings, places);
}

/** What a user would say first of all that was found, and the round that says so. */
function sightingOf(findings: readonly Finding[], places: Places): Sighting {
  const worst = findings.find(({ judge: name }) => name === 'I13') ?? findings[0];
  if (worst === undefined) throw new Error('sightingOf: violated, and nothing was found');
  const { rounds, stride } = places;
  const round = roundOf([worst], places) ?? roundOf(findings, places);
  // Of lost memory the first example says more than how many there are.
  const text = worst.judge === 'I13' ? (worst.details[0] ?? worst.message) : worst.message;
  const message =
    round === undefined ? text : text.replace(ADDRESS, (hex) => addressText(Number(hex) - round * stride));
  // One is told by its own sentence, several begin with their number.
  const [, several = '1'] = /^(\d+) /.exec(worst.message) ?? [];
  const count = Number(several);
  return { round: round === undefined ? undefined : round + 1, rounds, count, finding: { ...worst, message } };
}

/** A load of each word that is stored to or read. */
function loadsOf(ops: readonly Op[]): Op[] {
  return wordsAccessed(ops).map((addr) => ({ op: 'load', addr }));
}

/** By frame: the address that an anonymous page was made for. */
function folioAddresses({ buffer, layout }: Machine): number[] {
  const doubles = new Float64Array(buffer);
  return Array.from({ length: layout.frames }, (_, frame) => {
    const index = doubles[(layout.mem_map + (frame << PAGE_STRUCT_SHIFT) + page.index) >> 1] ?? 0;
    return index * PAGE_BYTES;
  });
}

/** Where rounds were, and what their pages were for. */
interface Places {
  readonly lowest: number;
  readonly stride: number;
  readonly rounds: number;
  readonly owners: readonly number[];
  readonly machine: Machine;
}

const ADDRESS = /(?<!pfn )0x[0-9a-f]{9,}/g;

/** The first round that findings name by an address, or by a page frame that was allocated for one; from 0. */
function roundOf(
  findings: readonly Finding[],
  { lowest, stride, rounds, owners, machine }: Places,
): number | undefined {
  const texts = findings.flatMap(({ message, details }) => [message, ...details]);
  const addresses = texts.flatMap((text) => [
    ...[...text.matchAll(/pfn (0x[0-9a-f]+)/g)].map(([, pfn]) => owners[Number(pfn) - machine.config.basePfn] ?? 0),
    ...[...text.matchAll(ADDRESS)].map(([address]) => Number(address)),
  ]);
  const named = addresses.map((address) => Math.floor((address - lowest) / stride));
  const found = named.filter((round) => round >= 0 && round < rounds);
  return found.length === 0 ? undefined : Math.min(...found);
}
