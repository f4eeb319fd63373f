// A search on a pool of threads, or on this one, that can be interrupted and gone on with later. What it explores and
// finds is the same whatever the number of workers: the next job in turn is the only one that counts, and others are
// done ahead of their turn in the hope that they still are the same when it comes.
import { setImmediate } from 'node:timers/promises';
import type { Piscina } from 'piscina';
import { loadCheckpoint, saveCheckpoint } from './checkpoint.ts';
import { Execution } from './execution.ts';
import { Search, UNKNOWN, conclude } from './explore.ts';
import type { Exploration } from './explore.ts';
import { Findings } from './findings.ts';
import { Frontier, JOB_EXECUTIONS, firstWidth } from './frontier.ts';
import type { Job, JobResult } from './frontier.ts';
import { doJobTask, procNames } from './job-task.ts';
import type { JobAnswer, JobTask } from './job-task.ts';
import { checkOptions } from './options.ts';
import type { ExploreOptions } from './options.ts';
import { renumbered, renumberedFindings } from './proc-names.ts';
import { aboutOf, loadSubject, specText } from './subject-spec.ts';
import type { SubjectSpec } from './subject-spec.ts';
import { designOf } from '../machine/design.ts';
import { UsageError } from '../machine/usage-error.ts';
import { WarmPools } from '../machine/warm-pools.ts';

const workerFile = new URL('../../workers/explore.js', import.meta.url).href;
/** How long threads wait for the next search, in milliseconds. */
const IDLE_MS = 1000;
const pools = new WarmPools<JobTask, JobAnswer>(workerFile, IDLE_MS);
/** How often a checkpoint is written, in milliseconds. */
const SAVE_MS = 2000;
export const MAX_WORKERS = 64;

/** Where a search runs, and where it is kept. */
export interface PoolOptions {
  /** Threads; 0: this one. */
  readonly workers?: number;
  /** File to go on from, if it is there, and to keep the search in. */
  readonly checkpoint?: string;
  /** Interrupts the search after the job under way. */
  readonly signal?: AbortSignal;
}

/** A search under way, in whatever threads. */
class PooledSearch {
  frontier = new Frontier();
  readonly search: Search;
  private readonly spec: SubjectSpec;
  private readonly pool: Piscina<JobTask, JobAnswer> | undefined;
  private readonly workers: number;
  private width: number;
  /** Jobs done ahead of their turn, or under way, by what they are. */
  private readonly ahead = new Map<string, Promise<JobAnswer>>();

  constructor(spec: SubjectSpec, search: Search, workers: number) {
    this.spec = spec;
    this.search = search;
    this.workers = workers;
    this.width = firstWidth(search.execution);
    this.pool = workers === 0 ? undefined : pools.of(workers);
  }

  /** The search stands where its jobs do. */
  count(): void {
    const { search, frontier } = this;
    search.executions = frontier.executions;
    search.blocked = frontier.blocked;
    search.steps = frontier.steps;
    search.failure = frontier.failure;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.ahead.values());
  }

  get shared(): number[] {
    return this.search.execution.shared.list();
  }

  /** Starts what will probably be next, and answers with what is; what was found in it is then told. */
  async next(job: Job, limit: number): Promise<JobResult> {
    const { search } = this;
    const tasks = [this.task(job, limit)];
    for (const later of this.frontier.upcoming(this.workers).slice(1)) tasks.push(this.task(later, JOB_EXECUTIONS));
    const keys = tasks.map((task) => JSON.stringify(task));
    const answers = tasks.map((task, i) => {
      const answer = this.ahead.get(keys[i]!) ?? this.start(task);
      this.ahead.set(keys[i]!, answer);
      return answer;
    });
    const { result, procs, width, findings } = await answers[0]!;
    this.ahead.delete(keys[0]!);
    for (const [key, answer] of this.ahead) {
      if (keys.includes(key)) continue;
      // Not the same any more: what comes of it counts for nothing.
      answer.catch(() => undefined);
      this.ahead.delete(key);
    }
    this.width = Math.max(this.width, width);
    const numbers = procs.map((name) => search.execution.procByName(name));
    if (result.discovered.length === 0) {
      search.findings.takeJob(renumberedFindings(findings, numbers), this.frontier.executions, search.execution);
    }
    return renumbered(result, numbers);
  }

  private start(task: JobTask): Promise<JobAnswer> {
    if (this.pool !== undefined) return this.pool.run(task);
    // One job at a time where there is one thread: it must get to hear of interrupts in between.
    return setImmediate().then(() => doJobTask(task));
  }

  private task(job: Job, limit: number): JobTask {
    const { settings, execution } = this.search;
    return {
      spec: this.spec,
      design: designOf(this.spec.options?.locking ?? 'split'),
      memoryModel: settings.memoryModel,
      steps: settings.steps,
      stopAtFailure: settings.stopAtFailure,
      judges: settings.judges,
      job,
      width: this.width,
      limit,
      procs: procNames(execution),
      shared: this.shared,
    };
  }
}

function checkWorkers(workers: number): void {
  if (Number.isInteger(workers) && workers >= 0 && workers <= MAX_WORKERS) return;
  throw new UsageError(
    `${String(workers)} workers: give a whole number from 0 to ${String(MAX_WORKERS)}, for example 2`,
  );
}

/** Explores by dpor on a pool. Throws a UsageError for options that make no sense, or another search's checkpoint. */
export async function exploreInPool(
  spec: SubjectSpec,
  options: ExploreOptions = {},
  { workers = 0, checkpoint, signal }: PoolOptions = {},
): Promise<Exploration> {
  checkWorkers(workers);
  const settings = checkOptions(options);
  if (settings.strategy !== 'dpor') {
    throw new UsageError(
      `strategy ${settings.strategy} has no jobs to share or to keep: use dpor with workers and resume`,
    );
  }
  if (settings.audit) {
    throw new UsageError('an audit needs all behaviours in one place: leave out either it or workers and resume');
  }
  const subject = await loadSubject(spec);
  const execution = new Execution(subject, settings.memoryModel);
  const { rules, identity } = aboutOf(spec, subject, settings.memoryModel);
  const search = new Search(execution, settings, rules);
  const name = `${specText(spec)}, ${settings.memoryModel}, ${String(settings.steps)} steps`;
  const pooled = new PooledSearch(spec, search, workers);
  const saved = checkpoint === undefined ? undefined : loadCheckpoint(checkpoint, name);
  if (saved !== undefined) {
    for (const proc of saved.procs) execution.procByName(proc);
    for (const word of saved.shared) execution.shared.add(word);
    pooled.frontier = Frontier.restore(saved.frontier);
    search.findings = Findings.restore(saved.findings, search.judges.rules);
    pooled.count();
  }
  const save = (): void => {
    if (checkpoint === undefined) return;
    const { frontier, shared } = pooled;
    const findings = search.findings.save();
    saveCheckpoint(checkpoint, {
      search: name,
      frontier: frontier.save(),
      findings,
      procs: procNames(execution),
      shared,
    });
  };
  try {
    await runJobs(pooled, save, signal);
    save();
  } finally {
    await pooled.close();
  }
  return conclude(search, pooled.frontier.next() === undefined, 0, undefined, identity);
}

async function runJobs(pooled: PooledSearch, save: () => void, signal: AbortSignal | undefined): Promise<void> {
  const { search } = pooled;
  let lastSave = performance.now();
  for (let job = pooled.frontier.next(); job !== undefined; job = pooled.frontier.next()) {
    if (search.failure !== undefined && search.settings.stopAtFailure) return;
    const { executions } = pooled.frontier;
    if (signal?.aborted === true || search.isCut(executions, UNKNOWN)) return;
    const result = await pooled.next(job, Math.min(JOB_EXECUTIONS, search.most - executions));
    if (result.discovered.length > 0) {
      for (const word of result.discovered) search.execution.shared.add(word);
      pooled.frontier = new Frontier();
      search.restart();
      continue;
    }
    pooled.frontier.accept(result);
    pooled.count();
    if (performance.now() - lastSave > SAVE_MS) {
      save();
      lastSave = performance.now();
    }
  }
}
