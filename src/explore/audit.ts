// Checks a search against itself: the behaviour of an execution in a form that is the same for all equivalent ones.
import { INDEX } from './event-table.ts';
import type { Trace } from './trace.ts';

/**
 * The Mazurkiewicz trace of an execution as text: every event by its proc, with what happened before it. Executions have
 * the same form exactly if they differ in the order of independent steps alone.
 */
export function canonicalForm(trace: Trace): string {
  const order = Array.from({ length: trace.length }, (_, i) => i).sort(
    (a, b) => trace.procOf(a) - trace.procOf(b) || trace.get(a, INDEX) - trace.get(b, INDEX),
  );
  return order.map((event) => trace.clockOf(event).join(',')).join(';');
}
