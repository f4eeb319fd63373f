// A machine's trace as others read it: the trace viewer of Chrome and of Android's systrace, which people use for both
// formats. It knows four flags of an event; the kernel has printed a fifth since v5.14, which is taken away for it.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Op } from '../../../src/kernel/program.ts';
import { TRACE_EVENTS } from '../../../src/kernel/trace.ts';
import { boot } from '../../../src/machine/boot.ts';
import { readTrace } from '../../../src/machine/trace-events.ts';
import type { MachineTrace } from '../../../src/machine/trace-events.ts';
import { machineChromeTrace } from '../../../src/report/trace/chrome.ts';
import { eventText } from '../../../src/report/trace/event-text.ts';
import { renderMachineFtrace } from '../../../src/report/trace/ftrace.ts';

const run = promisify(execFile);
const VIEWER = fileURLToPath(new URL('../../support/trace-viewer.cjs', import.meta.url));
const LIMIT_MS = 60_000;
const A = 0x7f0000000000;
const PAGE = 4096;
const CPUS = 2;

/** What the viewer has read of one file. */
interface Viewed {
  warnings: string[];
  events: { name: string; cpu: number; ms: number; comm: string; pid: number; details: string }[];
  slices: { thread: string; title: string; start: number; duration: number; within: string | null }[];
}

const taskOf = ({ cpu }: { cpu: number }) => ({ comm: `touch ${String(cpu)}`, pid: 40 + cpu });

/** Two CPUs that fault on the same pages and throw them away again, switched at every fifth step. */
function traced(): MachineTrace {
  const machine = boot({ cpus: CPUS, memory: 4 * 1024 * 1024, traceBuffer: 256 * 1024 });
  machine.runHere([{ op: 'mmap', addr: A, length: 16 * PAGE, prot: 3, flags: 0x32 }]);
  const program = (value: number): Op[] => [
    { op: 'load', addr: A },
    { op: 'touch', addr: A, pages: 16, write: true, value },
    { op: 'madvise', addr: A, length: 16 * PAGE, advice: 4 },
    { op: 'touch', addr: A, pages: 16, write: true, value },
  ];
  machine.setTracing(true);
  let step = 0;
  machine.runStepped([program(1), program(2)], (ready) => {
    step += 1;
    return ready[Math.floor(step / 5) % ready.length] ?? 0;
  });
  machine.setTracing(false);
  return readTrace(machine.buffer);
}

describe('the trace viewer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pagerace-'));
  const trace = traced();
  const chrome = machineChromeTrace(trace, taskOf, 'two CPUs');
  let text: Viewed;
  let slices: Viewed;

  beforeAll(async () => {
    const [ftrace, json] = [join(folder, 'trace.txt'), join(folder, 'trace.json')];
    const withFiveFlags = renderMachineFtrace(trace, taskOf);
    writeFileSync(ftrace, withFiveFlags.replaceAll(/^(.* \[\d+\] [d.]\.\.\.)\. /gm, '$1 '));
    writeFileSync(json, JSON.stringify(chrome));
    const { stdout } = await run(process.execPath, [VIEWER, TRACE_EVENTS.join(','), ftrace, json], {
      timeout: LIMIT_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    [text, slices] = JSON.parse(stdout) as [Viewed, Viewed];
  }, LIMIT_MS);

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('reads every event of the text, with its CPU, task, time and fields', () => {
    const told = trace.events.filter(({ name }) => name !== 'page_fault_end');
    expect(new Set(told.map(({ cpu }) => cpu)).size).toBe(CPUS);
    expect(new Set(told.map(({ name }) => name)).size).toBeGreaterThan(6);
    expect(text.warnings).toEqual([]);
    expect(text.events.map(({ name, cpu, comm, pid, details }) => ({ name, cpu, comm, pid, details }))).toEqual(
      told.map((event) => ({
        name: event.name,
        cpu: event.cpu,
        ...taskOf(event),
        details: eventText(event).trimEnd(),
      })),
    );
    const microseconds = text.events.map(({ ms }) => Math.round(ms * 1000));
    const first = Math.floor((told[0]?.time ?? 0) / 1000);
    const shift = first - (microseconds[0] ?? 0);
    expect(microseconds.map((time) => time + shift)).toEqual(told.map(({ time }) => Math.floor(time / 1000)));
  });

  it('reads every slice of the JSON, where it was and as long', () => {
    const inOrder = (list: { track: string; name: string; from: number; length: number }[]) =>
      list.sort((a, b) => a.from - b.from || (a.track < b.track ? -1 : 1));
    // Instants are slices without a length to the viewer, which counts in milliseconds from the first event on.
    const written = inOrder(
      chrome.traceEvents
        .filter(({ ph }) => ph === 'X' || ph === 'i')
        .map(({ tid, name, ts = NaN, dur = 0 }) => ({ track: `CPU ${String(tid)}`, name, from: ts, length: dur })),
    );
    const origin = written[0]?.from ?? NaN;
    const viewed = inOrder(
      slices.slices.map(({ thread, title, start, duration }) => ({
        track: thread,
        name: title,
        from: start * 1000,
        length: duration * 1000,
      })),
    );
    expect(slices.warnings).toEqual([]);
    expect(viewed.map(({ track, name }) => `${track} ${name}`)).toEqual(
      written.map(({ track, name }) => `${track} ${name}`),
    );
    for (const [i, { from, length }] of viewed.entries()) {
      expect(from).toBeCloseTo((written[i]?.from ?? NaN) - origin, 2);
      expect(length).toBeCloseTo(written[i]?.length ?? NaN, 2);
    }
    const faults = trace.events.filter(({ name }) => name === 'page_fault_user');
    expect(viewed.filter(({ name }) => name === 'page fault')).toHaveLength(faults.length);
  });
});
