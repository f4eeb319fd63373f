// What a program observes: private to its CPU until it has ended.
import { AccessResult } from './arch/x86/mmu.ts';

/** Kinds of history events. */
export const EVENT_LOAD = 0;
export const EVENT_STORE = 1;
/** A range became zero, or unmapped, at some time during the operation. */
export const EVENT_DISCARD = 2;
/** A process was made: its memory began as its parent's was at some time during the operation. */
export const EVENT_FORK = 3;
/** Right after a fork: a range of the child that began as zeroes or unmapped, whatever its parent had there. */
export const EVENT_LEFT_OUT = 7;
/** Soft-dirty bits of the process were cleared during the operation. */
export const EVENT_CLEAR = 4;
/** An atomic add: the value is what it found, `more` what it added. */
export const EVENT_ADD = 5;
/** A range of addresses got the contents of another at some time during the operation: `more` is where they went. */
export const EVENT_MOVE = 6;
/** A monitor filled a range: every word of it is `more`. */
export const EVENT_FILL = 8;
/** A range became missing, and a monitor watches it: no load returns anything of it until it is filled. */
export const EVENT_MISSING = 9;
/** A range is not watched any more: what of it was missing is zeroes. */
export const EVENT_UNWATCHED = 10;
/**
 * Doubles of one history event: kind, address (fork: number of the child), value (of a range: length), invoked,
 * returned, signal (not 0: it failed), number of the process, `more` (load, store: bytes).
 */
export const EVENT_DOUBLES = 8;

/**
 * What a program observed: per operation, in order (repeated operations overwrite), and its history if one is kept.
 *
 * `faults` are exceptions: one more of an access each time that it is tried again, and one for what a signal ended.
 * `minor_faults` are what getrusage counts as ru_minflt: handle_mm_fault that came to its end without an error, once
 * however often it had to begin again (VM_FAULT_RETRY), and those that system calls cause as well.
 */
export class Observations {
  readonly values: Float64Array;
  readonly faults: Int32Array;
  readonly minor_faults: Int32Array;
  readonly signals: Uint8Array;
  /** Page faults taken in all. */
  total_faults = 0;
  /** ru_minflt and ru_majflt of the program. A fault is major that had to be retried under mmap_lock. */
  min_flt = 0;
  maj_flt = 0;
  /** Number of EVENT_DOUBLES groups in `history` that are filled. */
  events = 0;
  history: Float64Array;
  readonly keeps_history: boolean;
  readonly access: AccessResult = new AccessResult();

  constructor(operations: number, keeps_history: boolean) {
    this.values = new Float64Array(operations);
    this.faults = new Int32Array(operations);
    this.minor_faults = new Int32Array(operations);
    this.signals = new Uint8Array(operations);
    this.keeps_history = keeps_history;
    this.history = new Float64Array(keeps_history ? 1024 * EVENT_DOUBLES : 0);
  }

  /** What of `history` is filled. */
  recorded(): Float64Array {
    return this.history.subarray(0, this.events * EVENT_DOUBLES);
  }

  /** Appends an event; `returned` is the clock now. */
  record(
    kind: number,
    addr: number,
    value: number,
    invoked: number,
    returned: number,
    signal: number,
    process: number,
    more = 0,
  ): void {
    let at = this.events * EVENT_DOUBLES;
    if (at === this.history.length) {
      const longer = new Float64Array(at * 2);
      longer.set(this.history);
      this.history = longer;
    }
    for (const part of [kind, addr, value, invoked, returned, signal, process, more]) this.history[at++] = part;
    this.events += 1;
  }
}
