// Programs for Spin, what is read from its checkers, and, where it is installed, that it and the explorer agree.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explore } from '../../../src/explore/explore.ts';
import { programOf } from '../../../src/explore/subject-spec.ts';
import { PEER_PROGRAMS } from '../../../src/stress/peers/peer.ts';
import type { Peer } from '../../../src/stress/peers/peer.ts';
import { buildSpin, parseSpin, spinModel } from '../../../src/stress/peers/spin.ts';
import { golden } from '../../support/golden.ts';
import { peerForTests } from '../../support/peers.ts';
import { compilerOf, withTools } from '../../support/stand-in-tools.ts';

const captured = (name: string): string => fileURLToPath(new URL(`captured/${name}.txt`, import.meta.url));
const outputOf = (name: string): string => readFileSync(captured(name), 'utf8');

describe('the Promela model', () => {
  it('of all programs is what it was', async () => {
    await expect(spinModel(PEER_PROGRAMS)).toMatchFileSnapshot(golden('spin-model', 'pml'));
  });

  it('has the programs that it is asked for and no others', () => {
    for (const program of PEER_PROGRAMS) {
      const types = [...spinModel([program]).matchAll(/^proctype (\w+)/gm)].map(([, name]) => name);
      expect(types).toEqual([program.replaceAll('-', '_')]);
    }
  });
});

describe("a checker's output", () => {
  it('gives states, transitions, violations and seconds', () => {
    const figures = { states: 178, transitions: 215, errors: 6, seconds: 0, complete: true };
    expect(parseSpin(outputOf('spin-lost-update-3'))).toEqual(figures);
    const larger = { states: 48_978, transitions: 155_957, errors: 0, complete: true };
    expect(parseSpin(outputOf('spin-page-fault-7-no-reduction'))).toMatchObject(larger);
  });

  it('says where a search did not come to its end', () => {
    expect(parseSpin(outputOf('spin-too-deep')).complete).toBe(false);
  });

  it('gives any figures that are printed', () => {
    const output = outputOf('spin-lost-update-3');
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), fc.nat(1e6), (states, transitions, errors, hundredths) => {
        const changed = output
          .replace('178 states, stored', `${String(states)} states, stored`)
          .replace('215 transitions', `${String(transitions)} transitions`)
          .replace('errors: 6', `errors: ${String(errors)}`)
          .replace(/elapsed time \S+/, `elapsed time ${String(hundredths / 100)}`);
        expect(parseSpin(changed)).toEqual({ states, transitions, errors, seconds: hundredths / 100, complete: true });
      }),
    );
  });

  it('that is not one is refused with what it says', () => {
    expect(() => parseSpin('Segmentation fault')).toThrow(/Spin printed no .*: Segmentation fault/);
  });
});

const options = { programs: PEER_PROGRAMS, sizes: [], limit: 10 };

describe('building Spin', () => {
  it('says which tool is missing', async () => {
    const without = (scripts: Record<string, string>): Promise<Peer> =>
      withTools(scripts, (folder) => buildSpin({ ...options, folder }));
    expect(await without({})).toEqual({ name: 'Spin', missing: 'not installed (no spin)' });
    expect(await without({ spin: '' })).toEqual({ name: 'Spin', missing: 'not installed (no gcc)' });
  });

  it('says what failed', async () => {
    const gcc = '[ "$1" = --version ] && exit 0; echo "pan.c: In function f:"; echo "pan.c:1: error: no"; exit 1';
    const peer = await withTools({ spin: '', gcc }, (folder) => buildSpin({ ...options, folder }));
    expect(peer).toEqual({ name: 'Spin', missing: 'cannot be built here: gcc exits with 1: pan.c:1: error: no' });
  });

  it('gives up a search that takes too long', async () => {
    const gcc = compilerOf('while :; do :; done');
    const found = await withTools({ spin: '', gcc }, async (folder) => {
      const peer = await buildSpin({ ...options, folder, limit: 0.1 });
      return 'run' in peer ? peer.run('mutex', 2) : [];
    });
    expect(found.map(({ peer, count, ended }) => [peer, count, ended])).toEqual([
      ['Spin', undefined, false],
      ['Spin, no reduction', undefined, false],
    ]);
  });

  it('asks for the program and the size', async () => {
    const gcc = compilerOf(`/bin/sed "s/178 states/$PROGRAM$THREADS states/" ${captured('spin-lost-update-3')}`);
    const found = await withTools({ spin: '', gcc }, async (folder) => {
      const peer = await buildSpin({ ...options, folder });
      return 'run' in peer ? peer.run('mutex', 3) : [];
    });
    const place = PEER_PROGRAMS.indexOf('mutex');
    expect(found.map(({ program, size, count }) => [program, size, count])).toEqual([
      ['mutex', 3, 10 * place + 3],
      ['mutex', 3, 10 * place + 3],
    ]);
  });
});

describe('Spin itself', () => {
  const spin = peerForTests(buildSpin, options);

  it.for(PEER_PROGRAMS)('agrees with the explorer on %s', { timeout: 120_000 }, async (program, { skip }) => {
    const peer = await spin(skip);
    for (const size of [2, 3, 4]) {
      const [reduced, whole] = await peer.run(program, size);
      const { verdict } = explore(programOf({ name: program, size }), { shrink: false });
      for (const result of [reduced, whole]) {
        expect(result).toMatchObject({ violated: verdict === 'violated', ended: true });
      }
      expect(reduced?.count).toBeLessThanOrEqual(whole?.count ?? 0);
    }
  });
});
