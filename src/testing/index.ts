// pagerace/testing: fast-check arbitraries and properties for races, of the kernel and of any concurrent object. Needs
// fast-check, which is an optional peer dependency.
export { cpuProgram, cpuPrograms, defences, machineConfig, mapArena } from './arbitraries.ts';
export type { CpuProgramOptions, CpuProgramsOptions, MachineConfigOptions } from './arbitraries.ts';
export { gangProperty } from './gang-property.ts';
export type { GangPropertyOptions } from './gang-property.ts';
export { DEFAULT_WEIGHTS } from './operations.ts';
export type { ArenaOptions, OperationKind } from './operations.ts';
export { exploreCase, replayCase } from './race-case.ts';
export type { CaseOptions, CaseReplay, CaseStrategy, RaceCase } from './race-case.ts';
export type { RaceBody, RaceEnd } from './race-end.ts';
export { RaceFailure } from './race-failure.ts';
export type { Sighting } from '../stress/case-rounds.ts';
export { raceCases, raceProperty } from './race-property.ts';
export type { RaceArbitraries } from './race-property.ts';
export { recordingSlice } from './recording-slice.ts';
export type { RecordingSliceOptions } from './recording-slice.ts';
export { runSchedule, schedule, scheduleOf } from './schedule.ts';
export type { Preemption, Schedule, ScheduleOptions, ScheduledRun } from './schedule.ts';
export type { FoundFailure } from './smallest-failure.ts';
export type { RacePrograms } from './smaller-programs.ts';
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
export { closeGangs } from '../machine/gang.ts';
export { closeRounds } from '../stress/rounds.ts';
