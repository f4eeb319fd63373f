// pagerace/testing: fast-check properties for races. Needs fast-check, which is an optional peer dependency.
export { parallelProgram } from './concurrent-object.ts';
export type {
  Call,
  ClassModule,
  ConcurrentObject,
  Operations,
  ParallelProgram,
  ProgramSize,
} from './concurrent-object.ts';
export { exploreProgram, replayProgram } from './explored.ts';
export type { ExploredProgram, ProgramOptions, ReplayedProgram } from './explored.ts';
export { historyTable, linearizabilityText } from './history-text.ts';
export type { HistoryWords } from './history-text.ts';
export { SETUP_THREAD, checkLinearizability } from './linearizability.ts';
export type { Executed, History, Linearizability, Model, Outcome, Unexplained } from './linearizability.ts';
export {
  NotLinearizableError,
  checkLinearizable,
  linearizableOnThreads,
  linearizableProperty,
} from './linearizable.ts';
export type {
  ExploredOptions,
  LinearizableFailure,
  LinearizableOptions,
  LinearizableReport,
  RacedOptions,
} from './linearizable.ts';
export type { ProgramFailure } from './program-failure.ts';
export { raceProgram } from './raced.ts';
export type { RaceOptions, RacedProgram } from './raced.ts';
export { closeRounds } from '../stress/rounds.ts';
