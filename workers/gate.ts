// One CPU of a replay on real threads: takes its steps when the schedule says so.
import { runAtGate } from '../src/explore/gate.ts';
import type { GateAnswer, GateTask } from '../src/explore/gate.ts';

/** The Piscina task. */
export default async function replayCpu(task: GateTask): Promise<GateAnswer> {
  return await runAtGate(task);
}
