// Checks a search against itself: the behaviour of an execution in a form that is the same for all equivalent ones.
import type { Trace } from './trace.ts';

/**
 * The Mazurkiewicz trace of an execution as text: every event by its proc, with what happened before it. Executions have
 * the same form exactly if they differ in the order of independent steps alone.
 */
export function canonicalForm(trace: Trace): string {
  const { width, clock, proc, index } = trace;
  const order = Array.from({ length: trace.length }, (_, i) => i).sort(
    (a, b) => proc[a]! - proc[b]! || index[a]! - index[b]!,
  );
  return order.map((i) => clock.subarray(i * width, (i + 1) * width).join(',')).join(';');
}
