// Monitors on real threads: with every defence on all judges hold and nobody is left asleep; without one it shows.
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { eventsOf, judge, renderVerdict } from '../../src/check/verdict.ts';
import type { Verdict } from '../../src/check/verdict.ts';
import type { Op } from '../../src/kernel/program.ts';
import { boot } from '../../src/machine/boot.ts';
import type { MachineConfig } from '../../src/machine/config.ts';
import { closeGangs } from '../../src/machine/gang.ts';
import type { GangOutcome } from '../../src/machine/gang.ts';
import { race } from '../../src/stress/race.ts';
import { sightings } from '../../src/stress/sightings.ts';
import { userfault, userfaultCopy } from '../../src/stress/userfault-workloads.ts';
import { MonitoredPrograms, monitoredPrograms } from '../support/monitored-programs.ts';
import { A, PAGE, map } from '../support/family.ts';

afterAll(async () => {
  await closeGangs();
});

/** Programs per machine; more for a long search. */
const RUNS = Number(process.env.PAGERACE_RUNS ?? 15);
const LIMIT_MS = 3_600_000;
const MEMORY = 16 * 1024 * 1024;

async function judged(
  programs: readonly (readonly Op[])[],
  setup: readonly Op[],
  config: Partial<MachineConfig> = {},
): Promise<{ verdict: Verdict; outcome: GangOutcome }> {
  const machine = boot({ memory: MEMORY, maxVmas: 64, ...config, cpus: programs.length });
  const first = machine.runHere(setup, 0, true);
  const outcome = await machine.run(
    programs.map((ops) => [...ops]),
    { history: true, limitMs: 20_000 },
  );
  const ended = outcome.cpus.every(({ status }) => status === 'done');
  const last = ended ? [machine.runHere(MonitoredPrograms.readAll, 0, true)] : [];
  const verdict = judge(machine, outcome, { events: eventsOf([first, ...outcome.cpus, ...last]), exit: true });
  return { verdict, outcome };
}

describe.each(['split', 'mm', 'cmpxchg'])('locking %s', (locking) => {
  it.each([2, 3, 4])('a monitor answers the faults of %i CPUs', { timeout: LIMIT_MS }, async (cpus) => {
    const { verdict } = await race({ cpus, memory: MEMORY, locking }, userfault, 500);
    expect(renderVerdict(verdict)[0]).toContain('held');
    const copied = await race({ cpus, memory: MEMORY, locking }, userfaultCopy, 200);
    expect(renderVerdict(copied.verdict)[0]).toContain('held');
  });
});

it.each([2, 4])('holds for random programs with a monitor on %i CPUs', { timeout: LIMIT_MS }, async (cpus) => {
  let answered = 0;
  await fc.assert(
    fc.asyncProperty(monitoredPrograms(cpus - 1), async (programs) => {
      const { verdict, outcome } = await judged(programs, MonitoredPrograms.setup);
      expect(renderVerdict(verdict)[0]).toMatch(/held|not decided/);
      answered += outcome.cpus.at(-1)!.values[0]!;
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
  expect(answered).toBeGreaterThan(0);
});

describe('a monitor that stops early', () => {
  const watch: Op = { op: 'uffd_register', addr: A, length: 4 * PAGE };
  const reader: Op[] = [{ op: 'touch', addr: A, pages: 4, write: false, value: 0 }];
  const serve: Op = { op: 'uffd_serve', faults: 2, how: 'copy', value: 7 };

  it('leaves a fault that is found stuck, by name', { timeout: LIMIT_MS }, async () => {
    const { verdict } = await judged([reader, [serve]], [map(0, 4), watch], { stuckMs: 300 });
    expect(verdict.kind).toBe('stuck');
    expect(verdict.findings[0]?.message).toContain('waits for userfault');
  });

  it('and closes its userfaultfd: the fault goes on, with zeroes', { timeout: LIMIT_MS }, async () => {
    const { verdict, outcome } = await judged([reader, [serve, { op: 'uffd_close' }]], [map(0, 4), watch]);
    expect(renderVerdict(verdict)[0]).toContain('held');
    expect(outcome.cpus.map(({ values }) => [...values])).toEqual([[0], [2, 0]]);
  });

  it('and unregisters: the fault goes on, with zeroes', { timeout: LIMIT_MS }, async () => {
    const unregister: Op = { op: 'uffd_unregister', addr: A, length: 4 * PAGE };
    const { verdict } = await judged([reader, [serve, unregister]], [map(0, 4), watch]);
    expect(renderVerdict(verdict)[0]).toContain('held');
  });
});

it('a killed process leaves nobody asleep: its faults end', { timeout: LIMIT_MS }, async () => {
  // One page may be charged: the second touch of CPU 1 kills the process while CPU 0 waits for a monitor it has not.
  const far = A + 64 * PAGE;
  const setup: Op[] = [map(0, 1), map(64, 8), { op: 'uffd_register', addr: A, length: PAGE }];
  const machine = boot({ memory: MEMORY, cpus: 2, memcgLimits: [8] });
  machine.runHere(setup, 0, true);
  const outcome = await machine.run(
    [
      [{ op: 'load', addr: A }],
      [{ op: 'repeat', times: 100, ops: [{ op: 'touch', addr: far, pages: 64, write: true, value: 1 }] }],
    ],
    { limitMs: 20_000 },
  );
  expect(outcome.cpus.map(({ status }) => status)).toEqual(['killed', 'killed']);
  expect(judge(machine, outcome, { exit: true }).findings).toEqual([]);
});

describe('without', () => {
  it('neg_uffd_missing: every round shows zeroes', { timeout: LIMIT_MS }, async () => {
    const { seen, rounds } = (await sightings('uffd_missing'))!;
    expect(seen).toBe(rounds);
  });

  // Threads show it in some rounds only: that it is found is for the explorer's tests.
  it('neg_uffd_must_wait: a round holds, or a fault sleeps for ever and is named', { timeout: LIMIT_MS }, async () => {
    const config = { cpus: 2, memory: MEMORY, stuckMs: 300, without: ['uffd_must_wait'] };
    for (let round = 0; round < 4; round++) {
      const { verdict } = await race(config, userfaultCopy, 1000);
      const said = verdict.findings.map(({ message }) => message.replace(/ \(.*/, ''));
      expect(said).toEqual(
        verdict.kind === 'held' ? [] : ['BUG: soft lockup - CPU#0 stuck for 0.3s: waits for userfault'],
      );
    }
  });
});
