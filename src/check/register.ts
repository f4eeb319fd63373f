// Linearizability of one word whose stores all carry different values: decided exactly, without a search.
//
// A value together with the loads that returned it is a cluster; in any order that explains the loads, clusters do not
// interleave. Let `first` be the earliest return and `last` the latest invocation of a cluster's operations. A must
// come before B as soon as A.first < B.last; two clusters that must each come before the other contradict, and there
// is an order if no two do (Gibbons and Korach, Testing Shared Memories, 1997).
import type { MemoryEvent } from './history.ts';

/** Two clusters that each must come before the other, or a load whose value nobody stored (in time). */
export interface Contradiction {
  /** The load that no order explains. */
  load: MemoryEvent;
  /** A store that the load should have seen, or something after it; undefined where no store explains anything. */
  lost: MemoryEvent | undefined;
}

interface Cluster {
  /** Undefined for the zeroes that the word starts with. */
  store: MemoryEvent | undefined;
  first: number;
  last: number;
  /** The load that was invoked last. */
  load: MemoryEvent | undefined;
}

/** Whether the stores have different values, none of them 0. */
export function hasDistinctStores(operations: readonly MemoryEvent[]): boolean {
  const values = new Set<number>([0]);
  let stores = 0;
  for (const { kind, value } of operations) {
    if (kind !== 'store') continue;
    stores += 1;
    values.add(value);
  }
  return values.size === stores + 1;
}

/** Checks loads and stores of one word that starts as 0. Needs hasDistinctStores. */
export function checkDistinct(operations: readonly MemoryEvent[]): Contradiction | undefined {
  const clusters = new Map<number, Cluster>();
  clusters.set(0, { store: undefined, first: -Infinity, last: -Infinity, load: undefined });
  for (const store of operations) {
    if (store.kind !== 'store') continue;
    clusters.set(store.value, { store, first: store.returned, last: store.invoked, load: undefined });
  }
  for (const load of operations) {
    if (load.kind !== 'load') continue;
    const cluster = clusters.get(load.value);
    if (cluster === undefined) return { load, lost: undefined };
    if (cluster.store !== undefined && cluster.store.invoked > load.returned) return { load, lost: undefined };
    cluster.first = Math.min(cluster.first, load.returned);
    if (load.invoked >= cluster.last || cluster.load === undefined) cluster.load = load;
    cluster.last = Math.max(cluster.last, load.invoked);
  }
  return contradiction([...clusters.values()]);
}

function contradiction(clusters: readonly Cluster[]): Contradiction | undefined {
  // Of two that contradict each other one has first < last; those may not overlap at all.
  const forward = clusters.filter((c) => c.first < c.last).sort((a, b) => a.first - b.first);
  for (let i = 1; i < forward.length; i++) {
    if (forward[i]!.first < forward[i - 1]!.last) return explain(forward[i - 1]!, forward[i]!);
  }
  for (const cluster of clusters) {
    if (cluster.first < cluster.last) continue;
    const before = lastStartingBefore(forward, cluster.last);
    if (before !== undefined && cluster.first < before.last) return explain(before, cluster);
  }
  return undefined;
}

/** The last of the disjoint clusters whose `first` lies before `time`. */
function lastStartingBefore(forward: readonly Cluster[], time: number): Cluster | undefined {
  let low = 0;
  let high = forward.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (forward[middle]!.first < time) low = middle + 1;
    else high = middle;
  }
  return forward[low - 1];
}

/** Of two clusters that contradict each other: the load to name, and the store that it did not see. */
function explain(a: Cluster, b: Cluster): Contradiction {
  const choices = [
    { load: a.load, lost: b.store },
    { load: b.load, lost: a.store },
  ].filter((choice): choice is Contradiction => choice.load !== undefined);
  const plain = choices.find(({ load, lost }) => lost !== undefined && lost.returned < load.invoked);
  const choice = plain ?? choices.find(({ lost }) => lost !== undefined) ?? choices[0];
  if (choice === undefined) throw new Error('explain: two clusters without a load cannot contradict each other');
  return choice;
}
