// The program for relacy, what is read from it, and, where relacy is installed, that it and the explorer agree.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readOnce } from '../../../src/explore/accesses.ts';
import { explore } from '../../../src/explore/explore.ts';
import type { Program, Thread } from '../../../src/explore/program.ts';
import { programOf } from '../../../src/explore/subject-spec.ts';
import { PEER_PROGRAMS } from '../../../src/stress/peers/peer.ts';
import type { Peer } from '../../../src/stress/peers/peer.ts';
import { buildRelacy, parseRelacy, relacySource } from '../../../src/stress/peers/relacy.ts';
import { countSchedules } from '../../support/enumerate.ts';
import { golden } from '../../support/golden.ts';
import { peerForTests } from '../../support/peers.ts';
import { compilerOf, withTools } from '../../support/stand-in-tools.ts';

const captured = (name: string): string => fileURLToPath(new URL(`captured/${name}.txt`, import.meta.url));

describe('the C++ program', () => {
  it('of all programs is what it was', async () => {
    await expect(relacySource(PEER_PROGRAMS, [2, 3])).toMatchFileSnapshot(golden('relacy-source', 'cpp'));
  });

  it('has the programs and sizes that it is asked for and no others', () => {
    for (const program of PEER_PROGRAMS) {
      const source = relacySource([program], [5]);
      expect([...source.matchAll(/name == "([^"]+)"/g)].map(([, name]) => name)).toEqual([program]);
      expect(new Set([...source.matchAll(/threads == (\d+)/g)].map(([, size]) => size))).toEqual(new Set(['5']));
    }
  });
});

describe('what it prints', () => {
  it('gives iterations, violations and seconds, and whether the search ended', () => {
    const done = { count: 369_600, violated: true, seconds: 0.367567, tick: 1e-6, ended: true };
    expect(parseRelacy(readFileSync(captured('relacy-lost-update-4'), 'utf8'))).toEqual(done);
    const stopped = { count: 645_120, violated: false, seconds: 1.001084, tick: 1e-6, ended: false };
    expect(parseRelacy(readFileSync(captured('relacy-page-fault-4-not-ended'), 'utf8'))).toEqual(stopped);
  });

  it('gives any figures that are printed', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(1e9), fc.boolean(), (count, violating, micros, ended) => {
        const seconds = micros / 1e6;
        const text = [count, violating, seconds.toFixed(6), ended ? 'yes' : 'no']
          .map((value, i) => `${['iterations', 'violating', 'seconds', 'ended'][i]!}: ${String(value)}\n`)
          .join('');
        expect(parseRelacy(text)).toEqual({ count, violated: violating > 0, seconds, tick: 1e-6, ended });
      }),
    );
  });

  it('that is not that is refused with what it says', () => {
    expect(() => parseRelacy('DEADLOCK\niteration: 3\n')).toThrow(/relacy printed no iterations: DEADLOCK/);
  });
});

const options = { programs: PEER_PROGRAMS, sizes: [2], limit: 10 };

describe('building relacy', () => {
  it('says what is missing', async () => {
    const without = (scripts: Record<string, string>): Promise<Peer> =>
      withTools(scripts, (folder) => buildRelacy({ ...options, folder }));
    expect(await without({})).toEqual({ name: 'relacy', missing: 'not installed (no g++)' });
    const noHeader = '[ "$1" = --version ] && exit 0; exit 1';
    expect(await without({ 'g++': noHeader })).toEqual({
      name: 'relacy',
      missing: 'not installed (no relacy/relacy.hpp)',
    });
  });

  it('says what failed', async () => {
    const compiler = 'case "$1" in --version|-E) exit 0;; esac; echo "peer.cpp:9:1: error: no such type"; exit 1';
    const peer = await withTools({ 'g++': compiler }, (folder) => buildRelacy({ ...options, folder }));
    const missing = 'cannot be built here: g++ exits with 1: peer.cpp:9:1: error: no such type';
    expect(peer).toEqual({ name: 'relacy', missing });
  });

  it('runs the sizes that it is built for, and no others', async () => {
    const compiler = compilerOf(`/bin/cat ${captured('relacy-lost-update-4')}`);
    const found = await withTools({ 'g++': compiler }, async (folder) => {
      const peer = await buildRelacy({ ...options, folder });
      return 'run' in peer ? [...(await peer.run('xadd', 2)), ...(await peer.run('xadd', 3))] : [];
    });
    expect(found.map(({ peer, size, count }) => [peer, size, count])).toEqual([
      ['relacy', 2, 369_600],
      ['relacy, 2 switches', 2, 369_600],
    ]);
  });
});

/** The program as relacy counts it: that a thread starts is a step of its own. */
function withStarts(program: Program): Program {
  const first = program.words;
  const starting = (thread: Thread, i: number): Thread =>
    function* (cpu) {
      yield* readOnce(cpu, first + i);
      return yield* thread(cpu);
    };
  return { ...program, words: first + program.threads.length, threads: program.threads.map(starting) };
}

describe('relacy itself', () => {
  const relacy = peerForTests(buildRelacy, options);

  it.for(PEER_PROGRAMS)('agrees with the explorer on %s', { timeout: 120_000 }, async (program, { skip }) => {
    const peer = await relacy(skip);
    const [every, bound] = await peer.run(program, 2);
    const { verdict } = explore(programOf({ name: program, size: 2 }), { shrink: false });
    expect(every).toMatchObject({ violated: verdict === 'violated', ended: true });
    expect(bound).toMatchObject({ violated: verdict === 'violated', ended: true });
    expect(bound?.count).toBeLessThanOrEqual(every?.count ?? 0);
  });

  // Programs without a lock: relacy counts a failed attempt to take one as a step.
  it.for(['lost-update', 'xadd'] as const)(
    'counts the schedules of %s',
    { timeout: 120_000 },
    async (name, { skip }) => {
      const peer = await relacy(skip);
      const [every] = await peer.run(name, 2);
      expect(every?.count).toBe(Number(countSchedules(withStarts(programOf({ name, size: 2 }))).schedules));
    },
  );
});
