// A machine's trace as text and as slices: golden, and whatever was lost.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TRACE_EVENTS } from '../../../src/kernel/trace.ts';
import { header } from '../../../src/kernel/layout.ts';
import { trace_header } from '../../../src/kernel/trace-layout.ts';
import { boot } from '../../../src/machine/boot.ts';
import { readTrace } from '../../../src/machine/trace-events.ts';
import type { MachineEvent, MachineTrace } from '../../../src/machine/trace-events.ts';
import { machineChromeTrace } from '../../../src/report/trace/chrome.ts';
import { renderMachineFtrace } from '../../../src/report/trace/ftrace.ts';
import { traceSummary } from '../../../src/report/trace/formats.ts';
import { crossings } from '../../support/slices.ts';
import { golden } from '../../support/golden.ts';

const taskOf = () => ({ comm: 'touch', pid: 42 });
const A = 0x7f0000000000;
const PAGE = 4096;

/** A page that is read and then written, others that are written, and all of them unmapped. */
function traced(traceBuffer: number): MachineTrace {
  const machine = boot({ cpus: 1, memory: 4 * 1024 * 1024, traceBuffer });
  machine.setTracing(true);
  machine.runHere([
    { op: 'mmap', addr: A, length: 16 * PAGE, prot: 3, flags: 0x32 },
    { op: 'load', addr: A },
    { op: 'store', addr: A, value: 1 },
    { op: 'touch', addr: A + PAGE, pages: 15, write: true, value: 1 },
    { op: 'munmap', addr: A, length: 16 * PAGE },
  ]);
  machine.setTracing(false);
  return readTrace(machine.buffer);
}

/** The same with a microsecond for each event, since real times differ from run to run. */
function clocked(trace: MachineTrace): MachineTrace {
  return { ...trace, events: trace.events.map((event, i) => ({ ...event, time: (i + 1) * 1000 })) };
}

const machineEvent: fc.Arbitrary<Omit<MachineEvent, 'time'>> = fc.record({
  name: fc.constantFrom(...TRACE_EVENTS),
  cpu: fc.nat({ max: 1 }),
  op: fc.nat({ max: 3 }),
  process: fc.constant(0),
  irqsOff: fc.boolean(),
  fields: fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 1 }), fc.nat({ max: 1 }), fc.nat({ max: 1 })),
});

describe('a traced machine', () => {
  it('is ftrace text', async () => {
    await expect(renderMachineFtrace(clocked(traced(64 * 1024)), taskOf)).toMatchFileSnapshot(golden('machine-ftrace'));
  });

  it('keeps the last events of a full buffer, and says how many are lost', () => {
    const [whole, small] = [traced(64 * 1024), traced(PAGE)];
    const [cpu] = small.cpus;
    expect(small.events).toHaveLength(PAGE / 32);
    expect(cpu?.lost).toBe(whole.events.length - small.events.length);
    expect(small.events.map(({ name }) => name)).toEqual(whole.events.slice(cpu?.lost).map(({ name }) => name));
    const text = renderMachineFtrace(small, taskOf);
    expect(text).toContain(`CPU:0 [LOST ${String(cpu?.lost)} EVENTS]`);
    expect(traceSummary('out', small)).toContain(`${String(cpu?.lost)} on CPU 0`);
  });

  it('writes nothing where nobody asked for it', () => {
    expect(traced(0)).toEqual({ cpus: [], events: [] });
  });

  it('uses words of the header that nothing else has', () => {
    for (const word of Object.values(header)) expect(word).toBeLessThan(trace_header.events);
  });

  it('takes the same steps as one that is not', () => {
    const steps = (traceBuffer: number) => {
      const machine = boot({ cpus: 1, memory: 4 * 1024 * 1024, traceBuffer });
      machine.setTracing(true);
      const { steps: taken } = machine.runStepped([[{ op: 'store', addr: A, value: 1 }]], (ready) => ready[0] ?? 0);
      return taken;
    };
    expect(steps(PAGE)).toBe(steps(0));
  });

  it('has slices that nest, whatever is lost', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(machineEvent, fc.nat({ max: 3 })), { maxLength: 60 }), (drawn) => {
        let time = 0;
        const events = drawn.map(([event, later]) => ({ ...event, time: (time += later) }));
        const cpus = [0, 1].map((cpu) => ({ cpu, written: 0, lost: 0 }));
        expect(crossings(machineChromeTrace({ cpus, events }, taskOf, 'x').traceEvents)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  it('neg: slices that cross are found', () => {
    const slice = (ts: number, dur: number) => ({ ph: 'X', tid: 1, ts, dur });
    expect(crossings([slice(1, 2), slice(2, 2)])).toHaveLength(1);
  });
});
