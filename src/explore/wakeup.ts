// Wakeup trees: what is still to be explored from the points of an execution.
//
// After Abdulla, Aronis, Jonsson, Sagonas, "Source sets: a foundation for optimal dynamic partial order reduction"
// (JACM 64(4), 2017). A sequence that reverses a race goes into the tree of the point it starts from, unless a branch
// that waits there leads to the same. A search makes and leaves nodes by the million, and they are read again long after
// they were made: rows of one array lie closer together than objects, and are nothing to collect.
import { FOOTPRINT_FIELDS, PROC, ROW_SHIFT, footprintAt, putFootprint, rowsConflict } from './footprint.ts';
import { NO_NUMBERS, grown } from './numbers.ts';
import type { Footprint } from './footprint.ts';
import type { Reversal } from './reversal.ts';

/** A step to take, and what may follow it, as data. */
export interface WakeNode extends Footprint {
  readonly children: readonly WakeNode[];
}

/** Where in a node's row, after its step's footprint, its first branch stands, and the node beside it. */
const FIRST = FOOTPRINT_FIELDS;
const NEXT = FIRST + 1;
const FIRST_CAPACITY = 64;

/**
 * The trees of one search. A node is a number, and a tree is known by the first of its branches, which are a list; 0 is
 * no node, and a tree without branches.
 */
export class WakeupTrees {
  private rows: Int32Array<ArrayBuffer> = NO_NUMBERS;
  /** Nodes that were left, as a list. */
  private free = 0;
  /** Nodes that were ever made, none included. */
  private made = 1;

  procOf(node: number): number {
    return this.rows[(node << ROW_SHIFT) + PROC]!;
  }

  footprint(node: number): Footprint {
    return footprintAt(this.rows, node << ROW_SHIFT);
  }

  /** What may follow a node's step: a tree. */
  after(node: number): number {
    return this.rows[(node << ROW_SHIFT) + FIRST]!;
  }

  /** The branch beside a node; 0: it is the last. */
  beside(node: number): number {
    return this.rows[(node << ROW_SHIFT) + NEXT]!;
  }

  /** How many branches a tree has. */
  count(tree: number): number {
    let count = 0;
    for (let node = tree; node !== 0; node = this.beside(node)) count += 1;
    return count;
  }

  /** Whether the step in the row at `at` is of a proc that no step of a tree is of, and depends on none of them. */
  commutes(tree: number, step: Int32Array, at: number): boolean {
    const { rows } = this;
    for (let node = tree; node !== 0; node = this.after(node)) {
      const row = node << ROW_SHIFT;
      if (rows[row + PROC] === step[at + PROC] || rowsConflict(rows, row, step, at)) return false;
      const beside = this.beside(node);
      if (beside !== 0 && !this.commutes(beside, step, at)) return false;
    }
    return true;
  }

  /** Leaves the first branch of a tree, whose own tree goes on; what is left. */
  leave(tree: number): number {
    const next = this.beside(tree);
    this.rows[(tree << ROW_SHIFT) + NEXT] = this.free;
    this.free = tree;
    return next;
  }

  /** Drops the first branch of a tree with all that follows it; what is left. */
  drop(tree: number): number {
    const next = this.beside(tree);
    this.rows[(tree << ROW_SHIFT) + NEXT] = 0;
    // A list, since branches may be as long as executions are.
    for (let list = tree; list !== 0;) {
      const after = this.after(list);
      list = this.joined(after, this.leave(list));
    }
    return next;
  }

  /** Two lists as one. */
  private joined(first: number, second: number): number {
    if (first === 0) return second;
    let last = first;
    while (this.beside(last) !== 0) last = this.beside(last);
    this.rows[(last << ROW_SHIFT) + NEXT] = second;
    return first;
  }

  /** Inserts what is left of a reversal, unless a branch leads to the same; the tree, whose first branch may be a new one. */
  insert(tree: number, reversal: Reversal): number {
    const { rows } = this;
    const { length } = reversal;
    let parent = 0;
    let last = 0;
    for (let node = tree; node !== 0;) {
      const place = reversal.placeOf(rows, node << ROW_SHIFT);
      if (place < 0) {
        last = node;
        node = rows[(node << ROW_SHIFT) + NEXT]!;
        continue;
      }
      if (place < length) reversal.takeOut(place);
      parent = node;
      last = 0;
      node = rows[(node << ROW_SHIFT) + FIRST]!;
      // A branch that ends here leads to the same, and will be explored to its end.
      if (node === 0) return tree;
    }
    const added = this.chain(reversal);
    if (last !== 0) this.rows[(last << ROW_SHIFT) + NEXT] = added;
    else if (parent !== 0) this.rows[(parent << ROW_SHIFT) + FIRST] = added;
    return tree === 0 ? added : tree;
  }

  /** A branch of all that is left of a reversal. */
  private chain(reversal: Reversal): number {
    let first = 0;
    for (let step = reversal.length - 1; step >= 0; step--) {
      if (!reversal.isLeft(step)) continue;
      const node = this.make();
      reversal.copy(step, this.rows, node << ROW_SHIFT);
      this.rows[(node << ROW_SHIFT) + FIRST] = first;
      first = node;
    }
    return first;
  }

  /** A node with nothing after it and nothing beside it. */
  private make(): number {
    let node = this.free;
    if (node !== 0) this.free = this.beside(node);
    else {
      node = this.made++;
      if (this.rows.length <= node << ROW_SHIFT) {
        this.rows = grown(this.rows, FIRST_CAPACITY << ROW_SHIFT);
      }
    }
    this.rows[(node << ROW_SHIFT) + FIRST] = 0;
    this.rows[(node << ROW_SHIFT) + NEXT] = 0;
    return node;
  }

  /** A tree from data. */
  adopt(nodes: readonly WakeNode[]): number {
    let tree = 0;
    for (let i = nodes.length - 1; i >= 0; i--) {
      const data = nodes[i]!;
      const after = this.adopt(data.children);
      const node = this.make();
      putFootprint(data, this.rows, node << ROW_SHIFT);
      this.rows[(node << ROW_SHIFT) + FIRST] = after;
      this.rows[(node << ROW_SHIFT) + NEXT] = tree;
      tree = node;
    }
    return tree;
  }

  /** A tree as data, which outlives it. */
  data(tree: number): WakeNode[] {
    const nodes: WakeNode[] = [];
    for (let node = tree; node !== 0; node = this.beside(node)) {
      nodes.push({ ...this.footprint(node), children: this.data(this.after(node)) });
    }
    return nodes;
  }
}
