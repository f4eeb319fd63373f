// explore, replay, why and demo as a user meets them: golden files, exit codes, formats that other tools read, and
// tokens that lead back to where they came from.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { targetFrom } from '../../src/explore/target-file.ts';
import { expectGolden, golden } from '../support/golden.ts';
import { runCli, runCliProcess } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'pagerace-explore-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Writes a file for a command to read. */
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const explorePath = new URL('../../dist/src/explore/index.js', import.meta.url).href;
const PLAIN_RACE = `import { readPlain, writePlain } from '${explorePath}';
export default { words: 1, threads: [0, 1].map(() => function* increment(cpu) {
  yield* writePlain(cpu, 0, (yield* readPlain(cpu, 0)) + 1);
}) };`;
const ABBA_UNDER_A_GATE = `import { spinLock, spinUnlock } from '${explorePath}';
const take = (first, second) => function* (cpu) {
  yield* spinLock(cpu, 2);
  yield* spinLock(cpu, first); yield* spinLock(cpu, second);
  yield* spinUnlock(cpu, second); yield* spinUnlock(cpu, first);
  yield* spinUnlock(cpu, 2);
};
export default { words: 3, names: { words: ['A', 'B', 'gate'] }, threads: [take(0, 1), take(1, 0)] };`;

/** What depends on where a file lies. */
const masked = (text: string): string => text.replaceAll(folder, '.');

describe('explore', () => {
  it('tells the smallest failure of the fault path without its lock', async () => {
    const { status, stdout } = await runCli(['explore', 'first-touch', '--without', 'ptl']);
    expect(status).toBe(1);
    await expectGolden(stdout.trimEnd(), 'explore-first-touch');
    const [, token = ''] = /replay\s+pagerace replay (\S+)/.exec(stdout) ?? [];
    const replayed = runCliProcess(['replay', token, '--scenario', 'first-touch', '--without', 'ptl']);
    expect(replayed.status).toBe(1);
    // The same table, and the same consequences, from the token alone, in a process that has not searched.
    const table = stdout.slice(stdout.indexOf('\n step'));
    expect(replayed.stdout.slice(replayed.stdout.indexOf('\n step'))).toBe(table);
  });

  it('holds with every defence on', async () => {
    const { status, stdout } = await runCli(['explore', 'first-touch', '--cpus', '2']);
    expect(status).toBe(0);
    expect(stdout).toContain('held\n2 CPUs, sc, every schedule');
  });

  it('is not decided where the budget ends it', async () => {
    const { status, stdout } = await runCli(['explore', 'first-touch', '--executions', '3']);
    expect(status).toBe(3);
    expect(stdout).toContain('not decided\n2 CPUs, sc, 3 executions of those that differ, then the budget was used up');
  });

  it('tells a data race of a program in the shape of a KCSAN report', async () => {
    const { status, stdout } = await runCli(['explore', file('plain.mjs', PLAIN_RACE)]);
    expect(status).toBe(1);
    const report = stdout.slice(stdout.indexOf('====='));
    await expectGolden(report.trimEnd(), 'explore-kcsan');
  });

  it('tells a circle of locks in which nothing deadlocked in the shape of a lockdep splat', async () => {
    const { status, stdout } = await runCli(['explore', file('gate.mjs', ABBA_UNDER_A_GATE)]);
    expect(status).toBe(1);
    expect(stdout).toContain('violated: locks are taken in a circle');
    const splat = stdout.slice(stdout.indexOf('====='));
    await expectGolden(masked(splat).trimEnd(), 'explore-lockdep');
  });

  it('writes JSON that replay takes, as ftrace text and as a Chrome trace', async () => {
    const args = ['explore', 'anon-vma', '--without', 'anon_vma_recheck'];
    const { status, stdout } = await runCli([...args, '--json']);
    expect(status).toBe(1);
    const exploration = JSON.parse(stdout) as { verdict: string; failure: { token: string; replay: string } };
    expect(exploration).toMatchObject({ verdict: 'violated', failure: { judge: 'I8', preemptions: 1 } });
    expect(exploration.failure.replay).toContain('--scenario anon-vma --without anon_vma_recheck');
    const path = file('exploration.json', stdout);
    const ftrace = await runCli(['replay', path, '--format', 'ftrace']);
    expect(ftrace.status).toBe(1);
    await expect(ftrace.stdout).toMatchFileSnapshot(golden('explore-ftrace'));
    const chrome = JSON.parse((await runCli(['replay', path, '--format', 'chrome'])).stdout) as {
      traceEvents: { ph: string; tid: number; ts: number; dur: number }[];
    };
    const slices = chrome.traceEvents.filter(({ ph }) => ph === 'X');
    expect(slices.length).toBeGreaterThan(0);
    const crossing = slices.flatMap((a) =>
      slices.filter((b) => {
        const apart = a.ts + a.dur <= b.ts || b.ts + b.dur <= a.ts;
        const within = (a.ts <= b.ts && b.ts + b.dur <= a.ts + a.dur) || (b.ts <= a.ts && a.ts + a.dur <= b.ts + b.dur);
        return b.tid === a.tid && !apart && !within;
      }),
    );
    expect(crossing).toEqual([]);
    const record = JSON.parse((await runCli(['replay', path, '--format', 'json'])).stdout) as {
      format: string;
      steps: unknown[];
    };
    expect(record.format).toBe('pagerace-execution');
  });

  it('says that a missing barrier shows under pso only', async () => {
    const without = ['explore', 'uptodate', '--without', 'uptodate_barrier', '--memory-model'];
    expect((await runCli([...without, 'tso'])).status).toBe(0);
    const { status, stdout } = await runCli([...without, 'pso']);
    expect(status).toBe(1);
    expect(stdout).toContain('pte[119] reaches memory');
  });

  it('shares a search among workers, and goes on from a file', async () => {
    const args = ['explore', 'first-touch', '--without', 'ptl', '--json'];
    const alone = JSON.parse((await runCli(args)).stdout) as { failure: { token: string } };
    const path = join(folder, 'search.json');
    // A process of its own, which ends only if no thread of the pool is left.
    const pooled = runCliProcess([...args, '--workers', '1', '--resume', path]);
    expect(pooled.status).toBe(1);
    const shared = JSON.parse(pooled.stdout) as typeof alone;
    expect(shared.failure).toEqual(alone.failure);
  });

  it('shares the search of what a file holds, too', async () => {
    const map = { op: 'mmap', addr: 4194304, length: 4096, prot: 3, flags: 50 };
    const programs = [[{ op: 'store', addr: 4194304, value: 1 }], [{ op: 'load', addr: 4194304 }]];
    const spec = JSON.stringify({ setup: [map], programs, config: { without: ['pte_recheck'] } });
    for (const path of [file('shared.json', spec), file('shared.mjs', ABBA_UNDER_A_GATE)]) {
      const args = ['explore', path, '--json'];
      const alone = await runCli(args);
      expect(alone.status).toBe(1);
      const shared = await runCli([...args, '--workers', '0', '--resume', `${path}.search`]);
      expect(JSON.parse(shared.stdout)).toEqual(JSON.parse(alone.stdout));
      // What the file holds is another thing now: the search in the other file is not of it.
      writeFileSync(path, path.endsWith('.json') ? spec.replace('"value":1', '"value":2') : PLAIN_RACE);
      const { status, stderr } = await runCli([...args, '--resume', `${path}.search`]);
      expect([status, stderr]).toEqual([2, expect.stringMatching(/is the checkpoint of another search/)]);
    }
  });

  it('checks a search against itself', async () => {
    const counted = await runCli(['explore', 'readers', '--size', '3', '--audit']);
    const tooLarge = await runCli(['explore', 'readers', '--size', '9', '--audit']);
    await expectGolden(
      [counted, tooLarge]
        .map((told) => told.stdout)
        .join('\n')
        .trimEnd(),
      'explore-audit',
    );
    expect([counted.status, tooLarge.status]).toEqual([0, 0]);
    const { stdout } = await runCli(['explore', 'readers', '--size', '3', '--audit', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ audit: { duplicates: 0, missed: 0 } });
    const { status, stderr } = await runCli(['explore', 'readers', '--audit', '--workers', '2']);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/an audit needs all behaviours in one place/)]);
  });

  it('takes programs of the kernel as JSON', async () => {
    const map = { op: 'mmap', addr: 4194304, length: 4096, prot: 3, flags: 50 };
    const programs = [[{ op: 'store', addr: 4194304, value: 1 }], [{ op: 'load', addr: 4194304 }]];
    const path = file('spec.json', JSON.stringify({ setup: [map], programs, config: { without: ['pte_recheck'] } }));
    const { status, stdout } = await runCli(['explore', path]);
    expect(status).toBe(1);
    expect(stdout).toContain('lost store   CPU0 stored p[0] = 1');
  });
});

describe('replay of a schedule that is cut short', () => {
  it('goes on to the end, preempts nobody, and says so: it is no deadlock', async () => {
    const { status, stdout } = await runCli(['replay', '0:66,1:89', '--scenario', 'first-touch']);
    expect(status).toBe(0);
    expect(stdout).not.toContain('deadlock');
    const [, more = '', whole = ''] =
      /^held\nthe token ends after step 155; (\d+) steps more, which preempt nobody, to the end:\s+(\S+)$/m.exec(
        stdout,
      ) ?? [];
    expect(whole).toBe(`0:66,1:89,0:${more}`);
    const again = await runCli(['replay', whole, '--scenario', 'first-touch']);
    expect(again.status).toBe(0);
    expect(again.stdout).not.toContain('the token ends');
  });

  it('lets the CPU go on that went last', async () => {
    const { stdout } = await runCli(['replay', '0:66,1:40', '--scenario', 'first-touch']);
    expect(stdout).toMatch(/\s0:66,1:(?!40\b)\d+,0:\d+\n/);
  });

  it('says so beside other formats, not in them', async () => {
    const { stdout, stderr } = await runCli(['replay', '0:66', '--scenario', 'first-touch', '--format', 'json']);
    expect(() => JSON.parse(stdout) as unknown).not.toThrow();
    expect(stderr).toMatch(/^the token ends after step 66; /);
  });
});

describe('why', () => {
  it('tells one defence in full', async () => {
    const { status, stdout } = await runCli(['why', 'pte_recheck']);
    expect(status).toBe(0);
    await expectGolden(stdout.trimEnd(), 'why-pte-recheck');
  });

  it('knows for every defence what breaks without it', { timeout: 300_000 }, async () => {
    const { status, stdout } = await runCli(['why']);
    expect(status).toBe(0);
    await expectGolden(stdout.trimEnd(), 'why');
  });
});

const bad: [name: string, args: () => string[], says: RegExp][] = [
  ['a scenario that is none', () => ['explore', 'first-toch'], /did you mean 'first-touch'\?/],
  ['a token that is none', () => ['replay', '0x4', '--scenario', 'first-touch'], /is no schedule token/],
  [
    'a token of other options',
    () => ['replay', '0:79,1:87,0:8.whlf5', '--scenario', 'first-touch'],
    /give --scenario first-touch --cpus 2 --without ptl/,
  ],
  [
    'a token with too much of a CPU',
    () => ['replay', '0:66,1:999', '--scenario', 'first-touch'],
    /155 steps '1' has ended/,
  ],
  [
    // Its words are named by number, and it was made before tokens were bound to where words lie.
    'a weak token of another layout',
    () => [
      'replay',
      '0:80,0w48366:1,1:7,0w58368:1,0:8.zgjo5',
      ...['--scenario', 'uptodate', '--without', 'uptodate_barrier'],
    ],
    /^pagerace: the token \S+ was made by another version, .*: explore again\n$/,
  ],
  ['a token that leads nowhere', () => ['replay', '0:99999', '--scenario', 'first-touch'], /can't be followed/],
  ['a token without its scenario', () => ['replay', '0:4'], /give --scenario/],
  ['a strategy that is none', () => ['explore', 'first-touch', '--strategy', 'dpr'], /for example dpor/],
  ['a memory model that is none', () => ['explore', 'first-touch', '--memory-model', 'arm'], /use one of sc, tso, pso/],
  ['a format that is none', () => ['explore', 'first-touch', '--format', 'tabel'], /for example --format table/],
  ['a defence that is none', () => ['explore', 'first-touch', '--without', 'plt'], /for example ptl/],
  ['a defence to tell of that is none', () => ['why', 'plt'], /for example ptl/],
  ['CPUs that the scenario is not for', () => ['explore', 'first-touch', '--cpus', '7'], /use --cpus 2 or 3/],
  ['no time at all', () => ['explore', 'first-touch', '--seconds', '0'], /for example --seconds 60/],
  ['a file that is not there', () => ['explore', './none.mjs'], /There is no file/],
  ['a file that is no JSON', () => ['explore', file('bad.json', '{')], /is not JSON/],
  ['a module that throws', () => ['explore', file('throws.mjs', "throw new Error('no');")], /can't be loaded: no/],
];

const badFiles: [name: string, value: unknown, says: RegExp][] = [
  ['something else', { a: 1 }, /neither threads nor programs/],
  ['nothing', undefined, /neither threads nor programs/],
  ['an operation that is none', { programs: [[{ op: 'lod' }]] }, /'lod' is not one; .*for example load/],
  ['an operation without its address', { programs: [[{ op: 'load' }]] }, /load needs a whole number as addr/],
  ['an address between words', { programs: [[{ op: 'atomic_add', addr: 2, value: 1 }]] }, /use a multiple of 4/],
  ['a load of three bytes', { programs: [[{ op: 'load', addr: 2, size: 3 }]] }, /use 1, 2, 4 or 8/],
  [
    'a value that is too small',
    { programs: [[{ op: 'store', addr: 2, size: 8, value: -1 }]] },
    /0 or more and below 2\^53/,
  ],
  ['no programs', { programs: [] }, /give 1 to 8, one for each CPU/],
  ['a configuration that is none', { programs: [[]], config: { locking: 'splitt' } }, /for example split/],
  ['no threads', { words: 1, threads: [] }, /give 1 to 64 generator functions/],
  ['too many words', { words: 5e6, threads: [() => undefined] }, /give a whole number from 1 to 4,194,304/],
  ['threads that are no functions', { words: 1, threads: [1] }, /thread 0 is no function/],
];

describe('bad input', () => {
  it.each(badFiles)('a file that holds %s is refused', (_name, value, says) => {
    expect(() => targetFrom(value, 'race.mjs')).toThrow(says);
  });

  it.each(bad)('%s is one sentence', async (_name, args, says) => {
    const { status, stdout, stderr } = await runCli(args());
    expect(stderr).toMatch(says);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).not.toMatch(/ at .*\.js/);
  });

  it('a thread that throws at once is a failure, not a crash', async () => {
    const path = file('boom.mjs', "export default { words: 1, threads: [function* () { throw new Error('boom'); }] };");
    const { status, stdout } = await runCli(['explore', path]);
    expect(status).toBe(1);
    expect(stdout).toContain('violated: CPU 0: boom');
  });

  it('a thread that never ends is a livelock, with its bound', async () => {
    const path = file(
      'loop.mjs',
      `import { readOnce } from '${explorePath}';
       export default { words: 1, threads: [function* (cpu) { for (;;) yield* readOnce(cpu, 0); }] };`,
    );
    const { status, stdout } = await runCli(['explore', path, '--steps', '50']);
    expect(status).toBe(1);
    expect(stdout).toContain('violated: CPU 0 went on without an end: the execution took its bound of 50 steps');
    expect(stdout).toContain('--steps 50');
  });
});
