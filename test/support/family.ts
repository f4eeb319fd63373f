// One machine and its processes, for tests of fork: operations run at full speed, and what is left is judged.
import { expect } from 'vitest';
import { judgeEmpty, judgeSnapshot } from '../../src/check/invariants.ts';
import type { Op } from '../../src/kernel/program.ts';
import { boot } from '../../src/machine/boot.ts';
import type { Machine } from '../../src/machine/boot.ts';
import type { MachineConfig } from '../../src/machine/config.ts';
import { snapshot } from '../../src/machine/snapshot.ts';
import type { Mapping, MmRecord, Snapshot } from '../../src/machine/snapshot.ts';

export const PAGE = 4096;
export const A = 0x75e52fc77000;

export const map = (page: number, pages: number): Op => ({
  op: 'mmap',
  addr: A + page * PAGE,
  length: pages * PAGE,
  prot: 3,
  flags: 0x32,
});
export const store = (page: number, value: number): Op => ({ op: 'store', addr: A + page * PAGE, value });
export const load = (page: number): Op => ({ op: 'load', addr: A + page * PAGE });
export const fork = (child: number): Op => ({ op: 'fork', child });
export const as = (process: number): Op => ({ op: 'as', process });
export const exitProcess = (process: number): Op => ({ op: 'exit_process', process });
export const clearRefs: Op = { op: 'clear_refs' };

/** What an operation came to. */
export interface Seen {
  value: number;
  faults: number;
  signal: number;
}

export class Family {
  readonly machine: Machine;

  constructor(config: Partial<MachineConfig> = {}) {
    this.machine = boot({ cpus: 2, memory: 4 * 1024 * 1024, maxVmas: 32, ...config });
  }

  /** Runs operations on a CPU, which begins in process 0. */
  run(ops: readonly Op[], cpu = 0): Seen[] {
    const { values, faults, signals } = this.machine.runHere(ops, cpu);
    return ops.map((_, i) => ({ value: values[i]!, faults: faults[i]!, signal: signals[i]! }));
  }

  /** What the last of some operations came to. */
  last(ops: readonly Op[], cpu = 0): Seen {
    return this.run(ops, cpu).at(-1)!;
  }

  /** The machine at rest; all invariants hold. */
  atRest(): Snapshot {
    this.machine.settle();
    const s = snapshot(this.machine.buffer);
    expect(judgeSnapshot(s)).toEqual([]);
    return s;
  }

  /** The address space of a process. */
  mm(process: number): MmRecord {
    return this.atRest().mms.find((mm) => mm.process === process)!;
  }

  /** What a process maps at a page, LRU batches as they are. */
  pte(process: number, page = 0): Mapping | undefined {
    const mm = snapshot(this.machine.buffer).mms.find((one) => one.process === process);
    return mm?.mappings.find(({ address }) => address === A + page * PAGE);
  }

  /** Ends all processes; nothing is left. */
  end(): void {
    this.atRest();
    this.machine.exit();
    const s = snapshot(this.machine.buffer);
    expect([...judgeSnapshot(s), ...judgeEmpty(s)]).toEqual([]);
  }
}
