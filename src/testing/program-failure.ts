// What is wrong with a parallel program of a concurrent object, found by the explorer or seen on real threads.
import type { ParallelProgram } from './concurrent-object.ts';

/** A program of which an execution is wrong. */
export interface ProgramFailure {
  readonly program: ParallelProgram;
  /** `linearizability`; the explorer's judges (`exception`, `deadlock`, `livelock`, `data-race` …); on threads `stuck`, `threw`, `died`. */
  readonly judge: string;
  /** One sentence. */
  readonly message: string;
  /** The schedule, which replayProgram takes; undefined where none is known. */
  readonly token: string | undefined;
  /** All there is to say, in at most 80 columns: history, orders, and, where a schedule is known, its steps. */
  readonly text: string;
}
