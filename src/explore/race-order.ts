// Whom a search lets go first where it is free to choose: what has nothing to reverse first, and what races together.
//
// Any order is as good for what is explored. But a search goes back to a race and runs all that came after it once more,
// and the deepest races are reversed most often: so whoever raced with nobody is out of the way at the beginning, and
// those who race with each other, and with nobody else, come one after another.
import type { Race } from './race.ts';
import type { Trace } from './trace.ts';

/** The leader of a proc's group. */
function leaderOf(leaders: readonly number[], proc: number): number {
  let at = proc;
  while (leaders[at] !== at) at = leaders[at]!;
  return at;
}

/**
 * The procs 0 to `procs` - 1 in the order in which to choose them, after an execution that ended in `trace` with `races`:
 * those that raced with nobody, and then those that did with each other, directly or through others, as groups.
 */
export function orderByRaces(trace: Pick<Trace, 'procOf'>, races: readonly Race[], procs: number): number[][] {
  const leaders: number[] = [];
  const raced: boolean[] = [];
  for (let proc = 0; proc < procs; proc++) {
    leaders.push(proc);
    raced.push(false);
  }
  for (const { earlier, proc } of races) {
    const other = trace.procOf(earlier);
    raced[proc] = true;
    raced[other] = true;
    const a = leaderOf(leaders, proc);
    const b = leaderOf(leaders, other);
    // The smallest number leads, so that groups stand in the order of their first members.
    leaders[Math.max(a, b)] = Math.min(a, b);
  }
  const groups: number[][] = [];
  for (let proc = 0; proc < procs; proc++) if (!raced[proc]!) groups.push([proc]);
  for (let leader = 0; leader < procs; leader++) {
    if (!raced[leader]! || leaders[leader] !== leader) continue;
    const group: number[] = [];
    for (let proc = leader; proc < procs; proc++) if (leaderOf(leaders, proc) === leader) group.push(proc);
    groups.push(group);
  }
  return groups;
}
