// Starts threads of the lab: Web Workers that run the very script that the page runs.
//
// A page that was saved as one file has no script to point at: there the text of its own script element is the worker's.
import * as Comlink from 'comlink';
import type { WorkerApi } from './worker.ts';

/** One thread. */
export interface LabWorker {
  readonly api: Comlink.Remote<WorkerApi>;
  /** Rejects when the thread fails to start, or ends by an error of its own. */
  readonly died: Promise<never>;
  end(): void;
}

/** The id of the script element in a page that is one file. */
export const SCRIPT_ID = 'lab-script';

function scriptUrl(): string {
  // A thread that starts threads runs the script that it starts.
  if (typeof document === 'undefined') return self.location.href;
  const inline = document.getElementById(SCRIPT_ID);
  if (inline === null) return import.meta.url;
  return URL.createObjectURL(new Blob([inline.textContent], { type: 'text/javascript' }));
}

let url: string | undefined;

/** Starts one. */
export function startWorker(): LabWorker {
  url ??= scriptUrl();
  const worker = new Worker(url, { type: 'module' });
  let fail: (error: Error) => void = () => undefined;
  const died = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  // Whoever waits for an answer hears of it; nobody may be waiting.
  died.catch(() => undefined);
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    fail(new Error(event.message === '' ? 'a worker could not be started' : event.message));
  });
  return {
    api: Comlink.wrap<WorkerApi>(worker),
    died,
    end: () => {
      worker.terminate();
      fail(new Error('the worker was ended'));
    },
  };
}
