// Where the states of a tree of schedules are drawn: in columns by how many choices lead there, ends in the last, and in
// rows such that whoever goes first goes straight on.
import type { ScheduleTree } from './tree.ts';

/** Place of a state, in columns and rows from 0. */
export interface Place {
  readonly column: number;
  readonly row: number;
}

/** A way that is drawn. */
export interface Line {
  readonly from: number;
  readonly to: number;
  /** Which of the edges of its state it is. */
  readonly edge: number;
  /** Whether it comes to a state that another way has come to before. */
  readonly joins: boolean;
}

/** A tree as it is drawn. */
export interface TreeLayout {
  readonly places: readonly Place[];
  readonly lines: readonly Line[];
  readonly columns: number;
  readonly rows: number;
}

/** Lays a tree out: no two states at one place, and every way leads to the right. */
export function treeLayout({ nodes }: Pick<ScheduleTree, 'nodes'>): TreeLayout {
  const columns = nodes.map(() => 0);
  // States come before those that they lead to.
  for (const [i, { edges }] of nodes.entries()) {
    for (const { to } of edges) columns[to] = Math.max(columns[to] ?? 0, (columns[i] ?? 0) + 1);
  }
  const last = Math.max(0, ...columns);
  const rows = nodes.map(() => -1);
  const lines: Line[] = [];
  let next = 0;
  const visit = (at: number): void => {
    let straight = -1;
    for (const [edge, { to }] of (nodes[at]?.edges ?? []).entries()) {
      const joins = rows[to] !== -1;
      lines.push({ from: at, to, edge, joins });
      if (joins) continue;
      visit(to);
      if (edge === 0) straight = rows[to] ?? -1;
    }
    rows[at] = straight === -1 ? next++ : straight;
  };
  if (nodes.length > 0) visit(0);
  const places = nodes.map(({ isEnd }, i) => ({ column: isEnd ? last : (columns[i] ?? 0), row: rows[i] ?? 0 }));
  return { places, lines, columns: last + 1, rows: next };
}
