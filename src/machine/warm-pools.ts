// Piscina pools that stay warm: starting a thread and loading its modules takes longer than most of what one is asked.
//
// There is a pool for each number of threads that was ever needed at once: who waits for each other must all run.
import { Piscina } from 'piscina';

type PoolOptions = NonNullable<ConstructorParameters<typeof Piscina>[0]>;

/** Pools of one kind of thread. */
export class WarmPools<Task, Answer> {
  private readonly filename: string;
  private readonly options: PoolOptions;
  private readonly pools = new Map<number, Piscina<Task, Answer>>();

  /** `filename`: URL of the worker's module. `idleMs`: milliseconds after which a thread ends that nobody needs. */
  constructor(filename: string, idleMs: number, options: Pick<PoolOptions, 'resourceLimits'> = {}) {
    this.filename = filename;
    this.options = { ...options, concurrentTasksPerWorker: 1, stricterFIFO: true, idleTimeout: idleMs };
  }

  /** The pool of so many threads. */
  of(threads: number): Piscina<Task, Answer> {
    let pool = this.pools.get(threads);
    if (pool === undefined) {
      const { filename, options } = this;
      // One whose threads may end has as few as it likes; the other has all at once.
      const least = options.idleTimeout === Infinity ? threads : 0;
      pool = new Piscina<Task, Answer>({ ...options, filename, minThreads: least, maxThreads: threads });
      // A thread that dies rejects its task, which is where it is dealt with; without a listener Node would exit.
      pool.on('error', () => undefined);
      this.pools.set(threads, pool);
    }
    return pool;
  }

  /** Ends the threads of every pool, or of the one with so many. Who needs them next gets new ones. */
  async close(threads?: number): Promise<void> {
    for (const size of threads === undefined ? [...this.pools.keys()] : [threads]) {
      const pool = this.pools.get(size);
      this.pools.delete(size);
      await pool?.destroy();
    }
  }

  /** Threads that there are now, in all pools. */
  get threads(): number {
    return [...this.pools.values()].reduce((sum, pool) => sum + pool.threads.length, 0);
  }
}
