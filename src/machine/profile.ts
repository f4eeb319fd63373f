// Where a thread's time goes: V8's sampling profiler around one call, in the thread that makes it.
import { Session } from 'node:inspector';
import type { Profiler } from 'node:inspector';

/** Microseconds between samples: enough of them in a second, and far from slowing it. */
const SAMPLING_US = 250;

/** How long one function ran itself, callees aside. */
export interface SelfTime {
  readonly name: string;
  /** Of its source; V8's own work has none. */
  readonly url: string;
  readonly microseconds: number;
}

/** Calls `body` under the profiler; how long each function ran, the longest first. */
export function profiled<T>(body: () => T): { readonly result: T; readonly times: SelfTime[] } {
  const session = new Session();
  session.connect();
  try {
    session.post('Profiler.enable');
    session.post('Profiler.setSamplingInterval', { interval: SAMPLING_US });
    session.post('Profiler.start');
    const result = measured(body);
    let profile: Profiler.Profile | undefined;
    // A session of the thread it is in answers before `post` returns.
    session.post('Profiler.stop', (_, answer) => {
      ({ profile } = answer);
    });
    return { result, times: profile === undefined ? [] : selfTimes(profile) };
  } finally {
    session.disconnect();
  }
}

/** A frame on the stack that tells the body's samples from those of the profiler's own start and end. */
function measured<T>(body: () => T): T {
  return body();
}

/** Sums a profile's samples under `measured` by function. */
export function selfTimes({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): SelfTime[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const inside = new Map<number, Profiler.ProfileNode['callFrame']>();
  const enter = (id: number, within: boolean): void => {
    const node = byId.get(id);
    if (node === undefined) return;
    if (within) inside.set(id, node.callFrame);
    const below = within || node.callFrame.functionName === measured.name;
    for (const child of node.children ?? []) enter(child, below);
  };
  const [root] = nodes;
  if (root !== undefined) enter(root.id, false);
  const sums = new Map<string, SelfTime>();
  for (const [i, id] of samples.entries()) {
    const frame = inside.get(id);
    if (frame === undefined) continue;
    const { functionName: name, url } = frame;
    const key = `${url} ${name}`;
    const microseconds = (sums.get(key)?.microseconds ?? 0) + (timeDeltas[i] ?? 0);
    sums.set(key, { name, url, microseconds });
  }
  return [...sums.values()].sort((a, b) => b.microseconds - a.microseconds);
}
