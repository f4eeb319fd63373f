// CPUs of a booted machine for tests of single kernel functions: run to the end here, or step by step against each other.
import { canGo, finish } from '../../src/machine/stepped.ts';
import type { Machine } from '../../src/machine/boot.ts';
import { judgeSnapshot } from '../../src/check/invariants.ts';
import { snapshot } from '../../src/machine/snapshot.ts';
import type { Snapshot } from '../../src/machine/snapshot.ts';
import { Cpu } from '../../src/kernel/cpu.ts';
import { CPU_ONLINE, cpu_area } from '../../src/kernel/layout.ts';
import type { Step, Steps } from '../../src/kernel/memory.ts';

/** CPU `id` of the stepped kernel. */
export function cpuOf(machine: Machine, id = 0): Cpu {
  return new Cpu(machine.memory, id);
}

/** Makes CPUs answer interrupts, as those that run programs do. */
export function bringUp(cpus: readonly Cpu[]): void {
  for (const cpu of cpus) cpu.words[cpu.area + cpu_area.state] = CPU_ONLINE;
}

export { finish as run };

/** Bound on one interleaving: what these tests do takes some thousand steps. */
const MAX_STEPS = 200_000;

/**
 * Runs computations against each other, one step at a time, in an order drawn from `seed`. Each runs until it ends or
 * waits. Returns what they returned; throws where all wait, or none comes to an end.
 */
export function interleave<T>(machine: Machine, computations: readonly Steps<T>[], seed: number): T[] {
  let state = seed | 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const results: T[] = [];
  const waits = computations.map((): Step | undefined => undefined);
  const live = new Set(computations.keys());
  for (let steps = 0; live.size > 0; steps++) {
    const ready = [...live].filter((i) => waits[i] === undefined || canGo(machine.words, waits[i]));
    if (ready.length === 0 || steps > MAX_STEPS) throw new Error('interleave: nobody comes to an end');
    const i = ready[next() % ready.length]!;
    const step = computations[i]!.next();
    if (step.done === true) {
      results[i] = step.value;
      live.delete(i);
    } else waits[i] = step.value.kind === 'wait' ? { ...step.value } : undefined;
  }
  return results;
}

/** The machine decoded, with every invariant held. */
export function healthy(machine: Machine): Snapshot {
  const decoded = snapshot(machine.buffer);
  const findings = judgeSnapshot(decoded);
  if (findings.length > 0) throw new Error(findings.map(({ judge, message }) => `${judge}: ${message}`).join('\n'));
  return decoded;
}
