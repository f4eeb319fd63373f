// Starts threads of the lab: Web Workers that run the very script that the page runs.
//
// A page that was saved as one file has no script to point at: there the text of its own script element is the worker's.
import * as Comlink from 'comlink';
import { PART_IDS } from './model/single-page.ts';
import type { WorkerApi } from './worker.ts';

/** One thread. */
export interface LabWorker {
  readonly api: Comlink.Remote<WorkerApi>;
  /** Rejects when the thread fails to start, or ends by an error of its own. */
  readonly died: Promise<never>;
  /**
   * The thread's answer. Rejects with one sentence when it fails to start, ends by an error of its own, or has not
   * answered after so many milliseconds: a browser may take a thread away and tell nobody.
   */
  answer<T>(asked: Promise<T>, limitMilliseconds: number): Promise<T>;
  end(): void;
}

/** The script of threads. `classic`: browsers load no module from a text of a page that was opened from a disk. */
interface ThreadScript {
  readonly url: string;
  readonly type: WorkerType;
}

function threadScript(): ThreadScript {
  // A thread that starts threads runs the script that it starts.
  if (typeof document === 'undefined') {
    const { href, protocol } = self.location;
    return { url: href, type: protocol === 'blob:' ? 'classic' : 'module' };
  }
  const inline = document.getElementById(PART_IDS.script);
  if (inline === null) return { url: import.meta.url, type: 'module' };
  // Only modules know where they are from.
  const text = inline.textContent.replaceAll('import.meta', '({ url: self.location.href })');
  return { url: URL.createObjectURL(new Blob([text], { type: 'text/javascript' })), type: 'classic' };
}

let script: ThreadScript | undefined;

/** Starts one. */
export function startWorker(): LabWorker {
  script ??= threadScript();
  const worker = new Worker(script.url, { type: script.type });
  let fail: (error: Error) => void = () => undefined;
  const died = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  // Whoever waits for an answer hears of it; nobody may be waiting.
  died.catch(() => undefined);
  worker.addEventListener('error', (event: Partial<ErrorEvent> & Event) => {
    event.preventDefault();
    // A script that could not be loaded has no message.
    fail(new Error((event.message ?? '') === '' ? 'a worker could not be started' : event.message));
  });
  return {
    api: Comlink.wrap<WorkerApi>(worker),
    died,
    answer: async (asked, limitMilliseconds) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => {
          reject(new Error('a worker did not answer'));
        }, limitMilliseconds);
      });
      try {
        return await Promise.race([asked, died, late]);
      } finally {
        clearTimeout(timer);
      }
    },
    end: () => {
      worker.terminate();
      fail(new Error('the worker was ended'));
    },
  };
}
