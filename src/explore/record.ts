// What happened in one execution, step by step: for people, for judges and for other tools' formats.
import type { AccessEvent } from '../check/access-event.ts';

export type { AccessEvent } from '../check/access-event.ts';

/** A step of an execution that was recorded in full. */
export interface RecordedStep extends AccessEvent {
  /** Place among all steps of the execution, from 0. */
  readonly index: number;
  /** Whether a CPU that could have gone on was made to wait for this one: the schedule preempts here. */
  readonly preempts: boolean;
  /** The first word (and, where width > 1, the second) before and after the step, as other CPUs see them. */
  readonly before: number;
  readonly beforeHi: number;
  readonly after: number;
  readonly afterHi: number;
  /** Functions of the program the step stands in, innermost first: `set_pte_from`, `install_folio`, `do_anonymous_page` … */
  readonly where: readonly string[];
  /** Remarks that the program made after this CPU's step before and up to this one. */
  readonly notes: readonly { readonly note: string; readonly values: readonly unknown[] }[];
}

/** A CPU that waits where an execution ended. */
export interface Waiting {
  readonly cpu: number;
  readonly word: number;
  readonly lockClass: number;
  /** The CPU that holds what it waits for, where that is known. */
  readonly holder: number | undefined;
}

/** One execution. */
export interface ExecutionRecord {
  readonly steps: readonly RecordedStep[];
  /** The schedule, run-length by CPU. */
  readonly token: string;
  /** `complete`; `deadlock`: nobody can go; `bound`: too many steps, somebody loops. */
  readonly end: 'complete' | 'deadlock' | 'bound';
  readonly waiting: readonly Waiting[];
  /** What threads threw. */
  readonly errors: readonly { readonly cpu: number; readonly message: string }[];
  /** What was watched: its value after each step. */
  readonly watched?: readonly { readonly name: string; readonly values: readonly string[] }[];
}
