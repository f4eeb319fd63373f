// Formats for other tools: ftrace text, the Chrome trace, whose slices nest and whose arrows pair up, and JSON.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ExecutionRecord } from '../../src/explore/record.ts';
import { chromeTrace } from '../../src/report/chrome-trace.ts';
import type { ChromeTrace } from '../../src/report/chrome-event.ts';
import { executionDocument, parseExecution } from '../../src/report/execution-json.ts';
import { renderFtrace } from '../../src/report/ftrace-text.ts';
import { lockSpans } from '../../src/report/lock-spans.ts';
import { kernelNamer } from '../../src/report/step-names.ts';
import { RecordWriter } from '../support/records.ts';
import * as hand from '../support/hand-executions.ts';
import { golden } from '../support/golden.ts';

/** What is wrong with a Chrome trace: slices that overlap, arrows that viewers would not draw, tracks without a name. */
function faultsOf(trace: ChromeTrace): string[] {
  const faults: string[] = [];
  const named = new Set(trace.traceEvents.filter(({ name }) => name === 'thread_name').map(({ tid }) => tid));
  const tracks = new Map<number, { from: number; to: number }[]>();
  for (const { ph, tid, ts = NaN, dur = NaN } of trace.traceEvents) {
    if (ph !== 'X') continue;
    if (!named.has(tid)) faults.push(`track ${String(tid)} has no name`);
    if (!(ts > 0 && dur > 0)) faults.push(`slice at ${String(ts)} for ${String(dur)}`);
    tracks.set(tid, [...(tracks.get(tid) ?? []), { from: ts, to: ts + dur }]);
  }
  for (const [tid, slices] of tracks) {
    const open: number[] = [];
    for (const { from, to } of slices.sort((a, b) => a.from - b.from || b.to - a.to)) {
      while (open.length > 0 && open[open.length - 1]! <= from) open.pop();
      if (open.length > 0 && to > open[open.length - 1]!) faults.push(`track ${String(tid)}: ${String(from)} overlaps`);
      open.push(to);
    }
  }
  const starts = trace.traceEvents.filter(({ ph }) => ph === 's');
  const ends = trace.traceEvents.filter(({ ph }) => ph === 'f');
  if (new Set(starts.map(({ id }) => id)).size !== starts.length) faults.push('two arrows of one number');
  for (const arrow of [...starts, ...ends]) {
    const start = starts.find(({ id }) => id === arrow.id);
    const end = ends.find(({ id }) => id === arrow.id);
    if (start === undefined || end === undefined || start.ts! > end.ts!) faults.push(`arrow ${String(arrow.id)}`);
    // DevTools wants a slice that begins there and is of the arrow's category, Perfetto the innermost one.
    const begin = trace.traceEvents.filter(({ ph, tid, ts }) => ph === 'X' && tid === arrow.tid && ts === arrow.ts);
    const hangsOn = begin.filter(({ cat }) => cat === arrow.cat);
    if (hangsOn.length !== 1 || begin.at(-1) !== hangsOn[0]) faults.push(`arrow ${String(arrow.id)} hangs on no slice`);
  }
  return faults;
}

/** Random executions in which locks are taken only when free, and released by those who hold them. */
const executions: fc.Arbitrary<ExecutionRecord> = fc
  .array(fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 }), fc.array(fc.nat({ max: 2 }), { maxLength: 3 })), {
    maxLength: 40,
  })
  .map((drawn) => {
    const writer = new RecordWriter();
    const held = new Map<number, number>();
    for (const [cpu, lock, stack] of drawn) {
      const where = stack.map((fn) => `fn${String(fn)}`);
      const holder = held.get(lock);
      if (holder === undefined) {
        held.set(lock, cpu);
        writer.step(cpu, 'lock', lock, { where });
      } else if (holder === cpu) {
        held.delete(lock);
        writer.step(cpu, 'unlock', lock, { where });
      } else writer.step(cpu, 'read', 10 + lock, { where });
    }
    const waiting = [...held].map(([word, holder]) => ({ cpu: (holder + 1) % 3, word, lockClass: 0, holder }));
    return writer.done(waiting.length > 0 ? 'deadlock' : 'complete', waiting.slice(0, 1));
  });

describe('the Chrome trace', () => {
  it('has a track per CPU, waits and holds as slices and the hand-over as an arrow', async () => {
    const record = hand.firstTouchWithLock();
    const nameStep = kernelNamer(record, hand.kernelNames);
    const trace = chromeTrace(record, { names: hand.kernelNames, nameStep, title: 'first-touch' });
    expect(faultsOf(trace)).toEqual([]);
    const slices = trace.traceEvents.filter(({ cat }) => cat === 'wait' || cat === 'hold');
    expect(slices.map(({ name, ts, dur }) => [name, ts, dur])).toEqual([
      ['hold ptl', 7, 12],
      ['wait for ptl', 14, 5],
      ['hold ptl', 19, 3],
    ]);
    expect(trace.traceEvents.filter(({ ph }) => ph === 's')).toHaveLength(1);
    await expect(`${JSON.stringify(trace, undefined, 1)}\n`).toMatchFileSnapshot(golden('chrome-trace', 'json'));
  });

  it('nests and pairs up whatever the locks do', () => {
    fc.assert(
      fc.property(executions, (record) => {
        expect(faultsOf(chromeTrace(record))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('neg: the check of its structure finds slices that cross and arrows without an end', () => {
    const track = { ph: 'M', pid: 1, tid: 1, name: 'thread_name' } as const;
    const slice = (ts: number, dur: number) => ({ ph: 'X', pid: 1, tid: 1, name: 'x', ts, dur }) as const;
    const arrow = { ph: 's', pid: 1, tid: 1, name: 'x', ts: 2, id: 1 } as const;
    const trace = (events: ChromeTrace['traceEvents']): ChromeTrace => ({
      traceEvents: events,
      otherData: {},
    });
    expect(faultsOf(trace([track, slice(1, 2), slice(2, 2)]))).toEqual(['track 1: 2 overlaps']);
    expect(faultsOf(trace([track, slice(0, 2)]))).toEqual(['slice at 0 for 2']);
    expect(faultsOf(trace([track, slice(2, 2), arrow]))).toEqual(['arrow 1']);
    expect(faultsOf(trace([track, slice(1, 2), arrow, { ...arrow, ph: 'f' }]))).toEqual([
      'arrow 1 hangs on no slice',
      'arrow 1 hangs on no slice',
    ]);
  });
});

describe('lock spans', () => {
  it('see a wait where another held the lock, and none where a try or a second reader needs none', () => {
    const writer = new RecordWriter().step(0, 'lock', 1).step(1, 'trylock', 1, { stored: false }).step(0, 'unlock', 1);
    writer.step(1, 'trylock', 1).step(1, 'unlock', 1).step(0, 'read-lock', 2).step(1, 'read-lock', 2);
    const spans = lockSpans(writer.done());
    expect(spans.map(({ waitedFrom }) => waitedFrom)).toEqual([undefined, undefined, undefined, undefined]);
    const last = lockSpans(hand.abbaDeadlock()).slice(2);
    expect(last).toMatchObject([
      { cpu: 0, word: hand.B, waitedFrom: 2, takenAt: 2 },
      { cpu: 1, word: hand.A, waitedFrom: 2, takenAt: 2 },
    ]);
  });
});

describe('ftrace text', () => {
  const line = /^ *\w+-\d+ +\[\d{3}\] [.d][.N][.h][.\d] +\d+\.\d{6}: \w+:( +\S.*)?$/;

  it('is what trace-cmd report prints', async () => {
    const record = hand.firstTouchWithLock();
    const text = renderFtrace(record, { pfnOf: (page) => 0x38900 + page, rssAfter: () => 1 });
    for (const event of text.split('\n').slice(1)) expect(event).toMatch(line);
    await expect(`${text}\n`).toMatchFileSnapshot(golden('ftrace'));
  });

  it('can leave out what the kernel has no tracepoint for', () => {
    const text = renderFtrace(hand.firstTouchWithLock(), { kernelEventsOnly: true });
    const names = text.split('\n').map((event) => /: (\w+):/.exec(event)?.[1]);
    expect(new Set(names)).toEqual(
      new Set([
        undefined,
        ...['page_fault_user', 'mm_page_alloc', 'rss_stat', 'mm_page_free', 'contention_begin', 'contention_end'],
      ]),
    );
  });
});

describe('JSON', () => {
  it('round-trips a record', () => {
    fc.assert(
      fc.property(executions, (record) => {
        const document = parseExecution(JSON.stringify(executionDocument(record, { scenario: 'first-touch' })));
        expect(document).toEqual({
          ...record,
          format: 'pagerace-execution',
          version: 1,
          context: { scenario: 'first-touch' },
        });
      }),
      { numRuns: 50 },
    );
  });

  it('keeps of a remark what is data', () => {
    const fault: Record<string, unknown> = { flags: 1, entry: { lo: 1, hi: 2 }, next: undefined };
    fault.self = fault;
    const record = new RecordWriter().step(0, 'read', 1, { notes: [['call', fault, 5n, () => 0, [1]]] }).done();
    const [step] = parseExecution(JSON.stringify(executionDocument(record))).steps;
    expect(step!.notes[0]!.values).toEqual([
      { flags: 1, entry: { lo: 1, hi: 2 }, next: null, self: { flags: 1, entry: null, next: null, self: null } },
      '0x5',
      null,
      [1],
    ]);
  });

  it('refuses what is not one, in one sentence', () => {
    const good = executionDocument(hand.abbaDeadlock());
    expect(() => parseExecution('nonsense')).toThrow(/^This is not an execution: .*\.$/);
    expect(() => parseExecution('{}')).toThrow(/^This is not an execution: /);
    expect(() => parseExecution(JSON.stringify({ ...good, version: 2 }))).toThrow(
      /^The execution has version 2, .*\.$/,
    );
    expect(() => parseExecution(JSON.stringify({ ...good, steps: 1 }))).toThrow(/^The execution is damaged: /);
  });
});
