// What the bench says of the explorer, from figures made up here: with other explorers, without, and with one that failed.
import { describe, expect, it } from 'vitest';
import { exploreBenchLines } from '../../src/report/explore-bench-text.ts';
import type { ExploreBench, ExplorePoint } from '../../src/stress/explore-bench.ts';
import type { PeerResult } from '../../src/stress/peers/peer.ts';
import { expectGolden } from '../support/golden.ts';

const figures = (optimal: number): Omit<ExplorePoint, 'name' | 'size'> => ({
  optimal,
  executions: optimal,
  blocked: 0,
  seconds: optimal / 30_000,
});

const programs: readonly ExplorePoint[] = [
  { name: 'lost-update', size: 3, ...figures(36), earlier: { loom: '4,219', relacy: '1,680' } },
  { name: 'page-fault', size: 4, ...figures(64), earlier: { loom: '> 60 s', relacy: '> 60 s' } },
  { name: 'page-fault', size: 7, ...figures(13_699) },
  { name: 'readers', size: 13, ...figures(8192), seconds: 12.34 },
  { name: 'paper-example', ...figures(5) },
];

const relacy = { counted: 'executions', violated: false, tick: 1e-6, ended: true } as const;
const spin = { counted: 'states', violated: false, tick: 0.01, ended: true } as const;
const fromRelacy: readonly PeerResult[] = [
  { ...relacy, peer: 'relacy', program: 'lost-update', size: 3, count: 1680, seconds: 0.001375 },
  { ...relacy, peer: 'relacy, 2 switches', program: 'lost-update', size: 3, count: 192, seconds: 0.000252 },
  { ...relacy, peer: 'relacy', program: 'page-fault', size: 4, count: 844_800, seconds: 2.0004, ended: false },
  { ...relacy, peer: 'relacy, 2 switches', program: 'page-fault', size: 4, count: 9984, seconds: 0.0152 },
];
const fromSpin: readonly PeerResult[] = [
  { ...spin, peer: 'Spin', program: 'lost-update', size: 3, count: 178, seconds: 0 },
  { ...spin, peer: 'Spin, no reduction', program: 'lost-update', size: 3, count: 232, seconds: 0.01 },
  { ...spin, peer: 'Spin', program: 'page-fault', size: 4, count: 721, seconds: 0.01 },
  { ...spin, peer: 'Spin, no reduction', program: 'page-fault', size: 4, count: 775, seconds: 1.24 },
  { ...spin, peer: 'Spin', program: 'page-fault', size: 7, count: 46_062, seconds: 0.07 },
  { ...spin, peer: 'Spin, no reduction', program: 'page-fault', size: 7, count: undefined, seconds: 2, ended: false },
];

const kernel = [{ cpus: 2, executions: 6, seconds: 0.171 }];
const textOf = (peers: ExploreBench['peers']): string =>
  exploreBenchLines({ programs, peers, kernel, randomSteps: [1_000_000, 1_200_000, 900_000] }).join('\n');

describe('the bench of the explorer', () => {
  it('stands beside other explorers', async () => {
    await expectGolden(textOf({ results: [...fromRelacy, ...fromSpin], missing: [] }), 'bench-peers');
  });

  it('stands beside earlier figures where there is no other explorer', async () => {
    const missing = [
      { name: 'relacy', missing: 'not installed (no g++)' },
      { name: 'Spin', missing: 'not installed (no spin)' },
    ];
    await expectGolden(textOf({ results: [], missing }), 'bench-no-peers');
  });

  it('names what failed, and shows the figures that there are', () => {
    const text = textOf({
      results: fromSpin,
      missing: [{ name: 'relacy', missing: 'cannot be built here: g++ exits with 1' }],
    });
    expect(text).toContain('\nrelacy: cannot be built here: g++ exits with 1\n');
    expect(text).toMatch(/^ +program +ours +loom\* +relacy\* +Spin +no reduction$/m);
    expect(text).toMatch(/^ +page-fault\(7\) +13,699 +- +- +46,062 +> 2\.0 s$/m);
  });
});
