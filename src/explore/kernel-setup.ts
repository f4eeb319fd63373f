// A machine made ready for an exploration: booted, set up by programs at full speed, every CPU up and warm.
//
// Warm means that what Linux keeps per CPU is there: free pages on its list, charged pages in its memcg stock. CPUs
// then do not meet where they would not meet in Linux either, and an exploration is about the race it is for.
import type { Op } from '../kernel/program.ts';
import { boot } from '../machine/boot.ts';
import type { Machine } from '../machine/boot.ts';
import type { MachineConfig } from '../machine/config.ts';
import { kernel } from '../machine/direct.ts';

/** What is explored: a set-up, then one program per CPU. */
export interface KernelSpec {
  /** Names it in tokens and reports. */
  readonly name: string;
  readonly config?: Partial<MachineConfig>;
  /** Done by CPU 0 at full speed, before anything is explored. */
  readonly setup: readonly Op[];
  readonly programs: readonly (readonly Op[])[];
  /**
   * Limits of the process's memory groups after set-up, outermost first: so many pages above what is used. CPUs then
   * have no charges of their own, as it is about charging.
   */
  readonly room?: readonly number[];
}

/** A machine ready to be explored, and the history of its set-up. */
export interface ReadyMachine {
  readonly machine: Machine;
  readonly history: Float64Array;
}

const PAGE_BYTES = 4096;
const MIB = 1024 * 1024;
/** Smallest that will do: an execution begins by copying all that lies below RAM. */
const SMALL: Partial<MachineConfig> = { memory: MIB, maxVmas: 16, stuckMs: 50 };
/** Where CPUs are warmed: a region with tables of its own, that no program of the catalogue knows. */
const WARM_AT = 0x600000000000;
/** Pages that a warm CPU has on its list: enough for the folios and tables of one short program. */
const WARM_PAGES = 6;
/** What a frame from such a list has in its first word, unless it is cleared. */
const WARM_VALUE = 0x5ec3e7;
const RW_PRIVATE = { prot: 3, flags: 0x22 };

/** Boots and sets up. Throws a UsageError for a configuration that is not possible. */
export function setUp(spec: KernelSpec): ReadyMachine {
  const machine = boot({ ...SMALL, ...spec.config, cpus: spec.programs.length });
  const { history } = machine.setUp(spec.setup, 0, true);
  warm(machine);
  if (spec.room !== undefined) {
    kernel.drain_all_stock(machine.cpuHere());
    machine.limitToUsage(spec.room);
  }
  return { machine, history };
}

/** Every CPU touches pages and gives them back, so that they stay on its list, and their charges in its stock. */
function warm(machine: Machine): void {
  const { cpus } = machine.config;
  const length = cpus * WARM_PAGES * PAGE_BYTES;
  machine.setUp([{ op: 'mmap', addr: WARM_AT, length, ...RW_PRIVATE }]);
  machine.settle();
  for (let id = 0; id < cpus; id++) {
    const addr = WARM_AT + id * WARM_PAGES * PAGE_BYTES;
    const pages: Op = { op: 'touch', addr, pages: WARM_PAGES, write: true, value: WARM_VALUE };
    machine.setUp([pages, { op: 'madvise', addr, length: WARM_PAGES * PAGE_BYTES, advice: 4 }], id);
  }
}

/** Brings every CPU up in the process, where they stay while they are explored. */
export function bringUp(machine: Machine): void {
  for (let id = 0; id < machine.config.cpus; id++) kernel.cpu_up(machine.cpuHere(id), machine.mm);
}

/** Takes every CPU down again, so that judges find a machine at rest. */
export function takeDown(machine: Machine): void {
  for (let id = 0; id < machine.config.cpus; id++) kernel.cpu_down(machine.cpuHere(id));
}
