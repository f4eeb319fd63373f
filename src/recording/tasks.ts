// Whose a traced event is: the recorded thread whose operation the CPU was at.
import type { ReplayPlan } from './plan.ts';

/** A thread of the recorded program. */
export interface RecordedTask {
  readonly comm: string;
  readonly pid: number;
}

/**
 * Says, of an event's CPU and operation, which recorded thread it belongs to. Waiting for others and telling them is
 * nobody's by itself: it is of the thread that comes next on the CPU, or else of the last.
 */
export function tasksOf(plan: ReplayPlan): (event: { readonly cpu: number; readonly op: number }) => RecordedTask {
  const tids = plan.items.map((items) => {
    const ofOp: number[] = [];
    let next = items.findLast((item) => item !== undefined)?.tid ?? 0;
    for (let op = items.length - 1; op >= 0; op--) ofOp[op] = next = items[op]?.tid ?? next;
    return ofOp;
  });
  return ({ cpu, op }) => ({ comm: plan.comm, pid: tids[cpu]?.[op] ?? 0 });
}
