// A live CPU: a thread of the gang that does one thing at a time, when asked through Comlink.
//
// Between two requests it runs nothing, so it is offline then: nobody waits for it to answer an interrupt, and it
// starts each request with an empty TLB, in the process that it was in. That is no use of the process: if another CPU
// ends it meanwhile, it is back in process 0.
import * as Comlink from 'comlink';
import type { MessagePort } from 'node:worker_threads';
import type { Cpu } from '../kernel/cpu.ts';
import type { Op } from '../kernel/program.ts';
import { kernel } from './direct.ts';

/** What one request came to. */
export interface LiveResult {
  /** Value loaded, or result of the system call. */
  value: number;
  faults: number;
  signal: number;
}

/** The methods a live CPU answers to. */
export interface LiveCpuApi {
  run(op: Op): LiveResult;
  stop(): void;
}

/** A MessagePort as Comlink wants it: Node's has the same methods under types of its own. */
export function comlinkEndpoint(port: MessagePort): Comlink.Endpoint {
  const listeners = new Map<unknown, (data: unknown) => void>();
  return {
    postMessage: (message: unknown, transfer?: unknown[]) => {
      port.postMessage(message, (transfer ?? []) as Parameters<MessagePort['postMessage']>[1]);
    },
    addEventListener: (_type: string, listener: unknown) => {
      const call = (data: unknown): void => {
        if (typeof listener === 'function') (listener as (event: { data: unknown }) => void)({ data });
        else (listener as { handleEvent(event: { data: unknown }): void }).handleEvent({ data });
      };
      listeners.set(listener, call);
      port.on('message', call);
    },
    removeEventListener: (_type: string, listener: unknown) => {
      const call = listeners.get(listener);
      if (call !== undefined) port.off('message', call);
      listeners.delete(listener);
    },
    start: () => {
      port.start();
    },
  };
}

/** Answers requests on `port` until told to stop. Runs in the worker. */
export function serveLiveCpu(cpu: Cpu, mm: number, port: MessagePort): Promise<void> {
  let at = mm;
  return new Promise((resolve, reject) => {
    const api: LiveCpuApi = {
      run(op) {
        const seen = new kernel.Observations(1, false);
        try {
          if (!kernel.process_exists(cpu, at)) at = mm;
          kernel.cpu_up(cpu, at);
          kernel.run_program(cpu, [op], seen);
          at = kernel.current_mm(cpu);
          kernel.cpu_down(cpu);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
          throw error;
        }
        return { value: seen.values[0] ?? 0, faults: seen.faults[0] ?? 0, signal: seen.signals[0] ?? 0 };
      },
      stop() {
        // After the answer has gone out: once the task has ended, its thread's event loop stands still.
        setImmediate(() => {
          port.close();
          resolve();
        });
      },
    };
    Comlink.expose(api, comlinkEndpoint(port));
    port.start();
  });
}
