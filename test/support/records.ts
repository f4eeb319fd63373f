// Executions written by hand: what an explorer would have recorded, for judges and reports to be tried on.
import type { AccessEvent, AccessKind } from '../../src/check/access-event.ts';
import type { ExecutionRecord, RecordedStep, Waiting } from '../../src/explore/record.ts';

/** Kinds that store if nothing else is said. */
const STORES: readonly AccessKind[] = [
  'plain-write',
  'write',
  'release',
  'rmw',
  'cmpxchg',
  'add',
  'lock',
  'trylock',
  'unlock',
  'read-lock',
  'read-trylock',
  'read-unlock',
  'write-lock',
  'write-unlock',
  'user-write',
  'drain',
];

/** One event of a list that judges read. */
export function access(
  cpu: number,
  kind: AccessKind,
  word: number,
  stored: boolean = STORES.includes(kind),
  width = 1,
): AccessEvent {
  return { cpu, kind, word, width, stored, lockClass: 0 };
}

/** What a hand-written step may say besides CPU, kind and word. */
interface Said {
  width?: number;
  stored?: boolean;
  lockClass?: number;
  preempts?: boolean;
  after?: number;
  afterHi?: number;
  where?: readonly string[];
  notes?: readonly (readonly [note: string, ...values: unknown[]])[];
}

/** Writes a record step by step; keeps what memory holds and who holds which lock. */
export class RecordWriter {
  readonly steps: RecordedStep[] = [];
  private readonly memory = new Map<number, number>();

  /** A word's value before the first step. */
  init(word: number, value: number): this {
    this.memory.set(word, value);
    return this;
  }

  step(cpu: number, kind: AccessKind, word: number, said: Said = {}): this {
    const { width = 1, stored = STORES.includes(kind), lockClass = 0, preempts = false, where = [] } = said;
    const before = this.memory.get(word) ?? 0;
    const beforeHi = width > 1 ? (this.memory.get(word + 1) ?? 0) : 0;
    const taken = kind === 'lock' || kind === 'write-lock' ? cpu + 1 : kind.endsWith('unlock') ? 0 : before;
    const after = said.after ?? (stored ? taken : before);
    const afterHi = said.afterHi ?? beforeHi;
    this.memory.set(word, after);
    if (width > 1) this.memory.set(word + 1, afterHi);
    const notes = (said.notes ?? []).map(([note, ...values]) => ({ note, values }));
    const index = this.steps.length;
    const values = { before, beforeHi, after, afterHi };
    this.steps.push({ cpu, kind, word, width, stored, lockClass, index, preempts, ...values, where, notes });
    return this;
  }

  done(end: ExecutionRecord['end'] = 'complete', waiting: readonly Waiting[] = []): ExecutionRecord {
    return { steps: this.steps, token: token(this.steps), end, waiting, errors: [] };
  }
}

/** The schedule, run-length by CPU. */
function token(steps: readonly RecordedStep[]): string {
  const runs: { cpu: number; length: number }[] = [];
  for (const { cpu } of steps) {
    const last = runs[runs.length - 1];
    if (last?.cpu === cpu) last.length += 1;
    else runs.push({ cpu, length: 1 });
  }
  return runs.map(({ cpu, length }) => `${String(cpu)}:${String(length)}`).join(',');
}
