// pagerace/explore: a systematic concurrency tester for any stepped program over shared words.
export * from './accesses.ts';
export { explore, replay } from './explore.ts';
export type { Exploration, Failure, Replay } from './explore.ts';
export type { ExecutionReport, ExploreOptions, Progress, Strategy } from './options.ts';
export { STRATEGIES } from './options.ts';
export type { EndState, MemoryModel, Program, Thread } from './program.ts';
export type { ExecutionRecord, RecordedStep, Waiting } from './record.ts';
export type { Processor, Steps, Word } from '../kernel/memory.ts';
export { UsageError } from '../machine/usage-error.ts';
