// One thread that counts what can still happen, for whoever asked last: a page asks at every step, and only the newest
// question matters.
import { startWorker } from './worker-start.ts';
import type { LabWorker } from './worker-start.ts';
import type { Continuations, ContinuationsRequest } from './model/continuations.ts';

/** Time that a question may take beyond what it asks for, before its thread is given up. */
const GRACE_MS = 10_000;
/** What takes longer is not waited for once nobody asks it any more: a new thread is there sooner. */
const RESTART_MS = 500;

/** Asks one thread at a time. */
export class SearchThread {
  private worker: LabWorker | undefined = undefined;
  private running = false;
  /** How long the question that is looked into may take, in milliseconds; 0: none is. */
  private longest = 0;
  private waiting: { request: ContinuationsRequest; tell: (found: Continuations) => void } | undefined = undefined;
  private readonly onFailure: (message: string) => void;

  /** `onFailure` is told in one sentence when a thread dies; the next question gets a new one. */
  constructor(onFailure: (message: string) => void) {
    this.onFailure = onFailure;
  }

  /** Asks; `tell` is called with the answer unless another question is asked before the thread comes to this one. */
  ask(request: ContinuationsRequest, tell: (found: Continuations) => void): void {
    this.waiting = { request, tell };
    if (!this.running) void this.run();
  }

  /** Forgets what waits, and does not go on with what takes long. */
  forget(): void {
    if (this.longest > RESTART_MS) this.end();
    this.waiting = undefined;
  }

  end(): void {
    this.waiting = undefined;
    this.worker?.end();
    this.worker = undefined;
  }

  private async run(): Promise<void> {
    this.running = true;
    while (this.waiting !== undefined) {
      const { request, tell } = this.waiting;
      this.waiting = undefined;
      let worker: LabWorker | undefined;
      try {
        worker = this.worker ??= startWorker();
        this.longest = request.milliseconds;
        const found = await worker.answer(worker.api.continuations(request), request.milliseconds + GRACE_MS);
        this.longest = 0;
        tell(found);
      } catch (error) {
        this.longest = 0;
        // Whoever ended it waits for nothing.
        if (this.worker !== worker) continue;
        worker?.end();
        this.worker = undefined;
        const what = error instanceof Error ? error.message : String(error);
        this.onFailure(`the search ended: ${what}; it begins again with the next step`);
      }
    }
    this.running = false;
  }
}
