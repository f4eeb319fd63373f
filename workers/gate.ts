// One CPU of a replay on real threads: takes its steps when the schedule says so.
import { runAtGate } from '../src/explore/gate.ts';
import type { GateAnswer, GateTask } from '../src/explore/gate.ts';

/** The Piscina task. */
export default function replayCpu(task: GateTask): GateAnswer {
  return runAtGate(task);
}
