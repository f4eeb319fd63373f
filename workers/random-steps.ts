// Random schedules of the kernel's first touch, as many as there is time for: steps a second, setting the machine back
// between executions included.
import { Execution } from '../src/explore/execution.ts';
import { Random } from '../src/explore/random.ts';
import { randomWalk } from '../src/explore/strategies.ts';
import { subjectOf } from '../src/explore/subject-spec.ts';

/** A thread's first second goes into machine code. */
const WARM_UP_MS = 2000;
const RUN_MS = 1000;
const RUNS = 5;

/** The Piscina task: steps a second of each run. */
export default function randomSteps(): number[] {
  const execution = new Execution(subjectOf({ name: 'first-touch' }), 'sc');
  const random = new Random(1);
  const measured = (forMs: number): number => {
    let steps = 0;
    const started = performance.now();
    do {
      randomWalk(execution, random);
      steps += execution.steps;
    } while (performance.now() - started < forMs);
    return (steps / (performance.now() - started)) * 1000;
  };
  measured(WARM_UP_MS);
  return Array.from({ length: RUNS }, () => measured(RUN_MS));
}
