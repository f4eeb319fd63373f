// Renumbers procs in what another thread's search found: both may have met those that take stores out in another order.
import type { OpenPoint } from './dpor.ts';
import type { JobFindings } from './findings.ts';
import type { Footprint } from './footprint.ts';
import type { JobResult } from './frontier.ts';
import type { FoundSchedule } from './shrink.ts';
import type { WakeNode } from './wakeup.ts';

type Rename = (proc: number) => number;

function footprint(step: Footprint, rename: Rename): Footprint {
  return { ...step, proc: rename(step.proc) };
}

function node(tree: WakeNode, rename: Rename): WakeNode {
  return { ...tree, proc: rename(tree.proc), children: tree.children.map((child) => node(child, rename)) };
}

function point(open: OpenPoint, rename: Rename): OpenPoint {
  return {
    prefix: open.prefix.map(rename),
    sleep: open.sleep.map((step) => footprint(step, rename)),
    current: open.current === undefined ? undefined : footprint(open.current, rename),
    tree: open.tree.map((branch) => node(branch, rename)),
  };
}

function found<T extends FoundSchedule>(how: T, rename: Rename): T {
  return { ...how, schedule: how.schedule.map((entry, i) => (i % 2 === 0 ? rename(entry) : entry)) };
}

/** What was found in a job, likewise (see renumbered). */
export function renumberedFindings(findings: JobFindings, numbers: readonly number[]): JobFindings {
  const rename: Rename = (proc) => numbers[proc]!;
  const { race, nestings } = findings;
  return {
    ...findings,
    race: race === undefined ? undefined : { ...race, found: found(race.found, rename) },
    nestings: nestings.map((nesting) => ({ ...nesting, how: found(nesting.how, rename) })),
  };
}

/** A job's result with its procs renumbered: `numbers[i]` is what proc i is called here. */
export function renumbered(result: JobResult, numbers: readonly number[]): JobResult {
  if (numbers.every((number, proc) => number === proc)) return result;
  const rename: Rename = (proc) => numbers[proc]!;
  const { failure } = result;
  return {
    ...result,
    failure: failure === undefined ? undefined : found(failure, rename),
    root: result.root === undefined ? undefined : footprint(result.root, rename),
    open: result.open.map((open) => point(open, rename)),
    above: result.above.map(({ depth, reversal }) => ({
      depth,
      reversal: { ...reversal, steps: reversal.steps.map((step) => footprint(step, rename)) },
    })),
  };
}
