// The tree of schedules: its counts, that its states are where it says, and how it is laid out.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planOf } from '../../src/lab/model/plan.ts';
import type { Plan } from '../../src/lab/model/plan.ts';
import { Session } from '../../src/lab/model/session.ts';
import { scheduleTree } from '../../src/lab/model/tree.ts';
import type { ScheduleTree, TreeNode } from '../../src/lab/model/tree.ts';
import { treeLayout } from '../../src/lab/model/tree-layout.ts';
import { parseToken } from '../../src/explore/token.ts';

/** Long enough not to be what ends a search here. */
const MILLISECONDS = 50_000;

function treeOf(plan: Plan, token?: string, executions = 200): ScheduleTree {
  const turns = token === undefined ? [] : parseToken(token).turns;
  return scheduleTree({ plan, turns, executions, milliseconds: MILLISECONDS });
}

const broken = planOf({ scenario: 'first-touch', without: ['pte_recheck'] });

function endsOf({ nodes }: ScheduleTree): TreeNode[] {
  return nodes.filter(({ isEnd }) => isEnd);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

describe('a tree of schedules', () => {
  it('counts what comes to each end, and which of it fails', () => {
    const tree = treeOf(broken);
    const ends = endsOf(tree);
    expect(tree.complete).toBe(true);
    expect(sum(ends.map(({ executions }) => executions))).toBe(tree.executions);
    expect(sum(ends.map(({ failing }) => failing))).toBe(tree.failing);
    expect(tree.nodes[0]).toMatchObject({ executions: tree.executions, failing: tree.failing });
    expect(tree.failing).toBeGreaterThan(0);
    expect(tree.failing).toBeLessThan(tree.executions);
    for (const end of ends) expect(end.complaint !== undefined).toBe(end.failing > 0);
  });

  it('has nothing that fails with all defences on', () => {
    const tree = treeOf(planOf({ scenario: 'first-touch' }));
    expect([tree.complete, tree.failing]).toEqual([true, 0]);
    expect(tree.executions).toBeGreaterThan(1);
  });

  it('leads to each of its states by a token, under a weak memory model as well', () => {
    for (const plan of [broken, planOf({ scenario: 'uptodate', without: ['uptodate_barrier'] })]) {
      const session = new Session(plan);
      for (const { token, steps, isEnd, complaint } of treeOf(plan).nodes) {
        session.load(token, steps);
        expect(session.cursor).toBe(steps);
        if (!isEnd) continue;
        expect(session.length).toBe(steps);
        expect(session.outcome?.complaint?.judge).toBe(complaint?.judge);
      }
    }
  });

  it('draws choices only, each of at least two ways that come to something else', () => {
    const { nodes } = treeOf(broken);
    for (const [i, { isEnd, edges, executions }] of nodes.entries()) {
      const targets = new Set(edges.map(({ to }) => to));
      expect(targets.size > 1).toBe(!isEnd);
      for (const { to } of edges) expect(to).toBeGreaterThan(i);
      if (!isEnd) expect(sum(edges.map((edge) => edge.executions))).toBe(executions);
    }
  });

  it('goes on from where the reader stands', () => {
    const [failing] = endsOf(treeOf(broken)).filter(({ complaint }) => complaint !== undefined);
    if (failing === undefined) throw new Error('nothing fails without the recheck');
    const session = new Session(broken);
    session.load(failing.token, failing.steps);
    const atEnd = treeOf(broken, session.token());
    expect(atEnd.nodes).toHaveLength(1);
    expect(atEnd).toMatchObject({ executions: 1, failing: 1, complete: true });
    // From halfway on there is less to explore than from the start.
    session.goTo(Math.floor(failing.steps / 2));
    const half = treeOf(broken, session.token(false));
    expect(half.executions).toBeLessThan(treeOf(broken).executions);
    expect(half.failing).toBeGreaterThan(0);
  });

  it('draws a state once, however many ways lead there, and ends where it may not go on', () => {
    const plan = planOf({ scenario: 'first-touch', cpus: 3, without: ['pte_recheck'] });
    const tree = treeOf(plan, undefined, 60);
    expect([tree.executions, tree.complete]).toEqual([60, false]);
    const comes = new Map<number, number>();
    for (const { edges } of tree.nodes) for (const { to } of edges) comes.set(to, (comes.get(to) ?? 0) + 1);
    expect(Math.max(...comes.values())).toBeGreaterThan(1);
    expect(endsOf(tree).length).toBeLessThan(tree.executions);
  });
});

describe('the layout of a tree', () => {
  /** Graphs in which states come before those that they lead to, and all can be reached from the first. */
  const graphs = fc
    .array(fc.record({ parent: fc.nat(1000), more: fc.array(fc.nat(1000), { maxLength: 2 }) }), { maxLength: 40 })
    .map((raw) => {
      const edges: number[][] = Array.from({ length: raw.length + 1 }, () => []);
      for (const [i, { parent, more }] of raw.entries()) {
        for (const from of new Set([parent, ...more].map((number) => number % (i + 1)))) edges[from]?.push(i + 1);
      }
      return edges;
    });

  it('puts no two states at one place, and draws each way once, to the right', () => {
    fc.assert(
      fc.property(graphs, (graph) => {
        const nodes = graph.map((targets): TreeNode => {
          const edges = targets.map((to) => ({ to, proc: '0', does: '', executions: 1 }));
          const isEnd = edges.length === 0;
          return { token: '', steps: 0, executions: 1, failing: 0, edges, isEnd, complaint: undefined };
        });
        const { places, lines, columns, rows } = treeLayout({ nodes });
        expect(new Set(places.map(({ column, row }) => `${String(column)} ${String(row)}`)).size).toBe(nodes.length);
        expect(lines).toHaveLength(sum(graph.map((targets) => targets.length)));
        // Each state but the first is come to by one way that does not join.
        expect(lines.filter(({ joins }) => !joins)).toHaveLength(nodes.length - 1);
        for (const { from, to } of lines) expect(places[to]?.column).toBeGreaterThan(places[from]?.column ?? Infinity);
        for (const { column, row } of places) {
          expect(column).toBeLessThan(columns);
          expect(row).toBeLessThan(rows);
          expect(Math.min(column, row)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});
