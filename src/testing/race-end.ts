// How one execution of a case ended, as a property's body sees it: what programs observed, what memory holds, all of it.
import fc from 'fast-check';
import { entryPfn, readableAt, walkAddress } from '../machine/proc/walk.ts';
import { snapshot } from '../machine/snapshot.ts';
import type { Snapshot } from '../machine/snapshot.ts';
import type { Machine } from '../machine/boot.ts';
import { FRAME_SHIFT } from '../kernel/layout.ts';
import type { Complaint } from '../explore/subject.ts';
import { WORD_BYTES } from './operations.ts';
import { PAGE_BYTES } from '../stress/pages.ts';
import type { RaceCase } from './race-case.ts';

/** The end of one execution. */
export interface RaceEnd {
  readonly race: RaceCase;
  /**
   * Per CPU and operation: what a load read, what a call returned (negative: an error number). 0 for a store, for a
   * `touch`, and for what was not reached.
   */
  readonly values: readonly (readonly number[])[];
  /** Per CPU and operation: page faults taken. */
  readonly faults: readonly (readonly number[])[];
  /** Per CPU and operation: the signal it ended with, 0 for none. */
  readonly signals: readonly (readonly number[])[];
  /** What a load of the word would give now; undefined where it would get a signal. */
  load(addr: number): number | undefined;
  /** The whole machine, decoded. */
  snapshot(): Snapshot;
}

/** What must be true of every end: throws, or returns false, where it is not. */
export type RaceBody = (end: RaceEnd) => unknown;

/** What programs observed, as the kernel keeps it. */
interface Observed {
  readonly values: Float64Array;
  readonly faults: Int32Array;
  readonly signals: Uint8Array;
}

/** What an end is made of. `shift`: how far the case's addresses were moved; `from`: where its operations begin. */
export interface EndSource {
  readonly race: RaceCase;
  readonly machine: Machine;
  readonly seen: readonly Observed[];
  readonly shift: number;
  readonly from?: readonly number[];
}

function endOf({ race, machine, seen, shift, from }: EndSource): RaceEnd {
  const part = (key: keyof Observed): number[][] =>
    race.programs.map((ops, cpu) => {
      const first = from?.[cpu] ?? 0;
      return Array.from(seen[cpu]?.[key].subarray(first, first + ops.length) ?? []);
    });
  return {
    race,
    values: part('values'),
    faults: part('faults'),
    signals: part('signals'),
    load: (addr) => wordAt(machine, addr + shift),
    snapshot: () => snapshot(machine.buffer),
  };
}

function wordAt(machine: Machine, addr: number): number | undefined {
  if (!readableAt(machine, addr)) return undefined;
  const { pte } = walkAddress(machine, addr);
  if ((pte & 1n) === 0n) return 0;
  const frame = entryPfn(pte) - machine.config.basePfn;
  return machine.words[machine.layout.ram + (frame << FRAME_SHIFT) + (addr % PAGE_BYTES) / WORD_BYTES];
}

/** Asks a body about an end. Cases that it does not want (fc.pre) are for fast-check. */
export function judgeEnd(body: RaceBody, source: EndSource): Complaint | undefined {
  try {
    if (body(endOf(source)) !== false) return undefined;
  } catch (error) {
    if (fc.PreconditionFailure.isFailure(error)) throw error;
    return { judge: 'body', message: error instanceof Error ? error.message : String(error) };
  }
  return { judge: 'body', message: 'the body of the property returned false' };
}
