// The order of locks over executions written by hand.
import type { AccessEvent } from '../../src/check/access-event.ts';
import { AccessTable } from '../../src/check/access-table.ts';
import { LockOrder } from '../../src/check/lock-order.ts';
import type { LockOrderEdge, LockOrderProblem, LockOrderRules } from '../../src/check/lock-order.ts';
import { LockWatch } from '../../src/check/lock-watch.ts';
import type { LockWait } from '../../src/check/lock-watch.ts';

/** A watch and the order that it feeds. */
export class Watched {
  private readonly watch: LockWatch;
  private readonly order: LockOrder;

  constructor(rules: LockOrderRules = {}) {
    this.watch = new LockWatch(rules.classOf);
    this.order = new LockOrder(rules);
  }

  /** One more execution. Returns how many problems are new. */
  add(events: readonly AccessEvent[], waiting: readonly LockWait[] = []): number {
    return this.order.add(this.watch.watch(AccessTable.of(events), waiting));
  }

  get problems(): readonly LockOrderProblem[] {
    return this.order.problems;
  }

  get edges(): readonly LockOrderEdge[] {
    return this.order.edges;
  }
}
