// All peers at once: those that are not here are named, one that fails is named too, and the rest goes on.
import { describe, expect, it } from 'vitest';
import { PEER_PROGRAMS } from '../../../src/stress/peers/peer.ts';
import { isPeerProgram, runPeers } from '../../../src/stress/peers/peers.ts';
import { PROGRAMS } from '../../../src/explore/programs/registry.ts';
import { compilerOf, withTools } from '../../support/stand-in-tools.ts';

const quiet = (): void => undefined;

describe('peers', () => {
  it('are given programs that the registry has', () => {
    const names = PROGRAMS.map(({ name }) => name);
    expect(PEER_PROGRAMS.filter((program) => !names.includes(program))).toEqual([]);
    expect(names.filter(isPeerProgram).sort()).toEqual([...PEER_PROGRAMS].sort());
  });

  it('that are not installed are named, and nothing comes of them', async () => {
    const { results, missing } = await withTools({}, () => runPeers([{ program: 'mutex', size: 2 }], quiet));
    expect(results).toEqual([]);
    expect(missing.map(({ name }) => name)).toEqual(['relacy', 'Spin']);
  });

  it('that fail are named with what they said, and the others go on', async () => {
    const tools = {
      spin: '',
      gcc: compilerOf('echo no memory for this; exit 3'),
      'g++': compilerOf('echo iterations: 7; echo violating: 0; echo seconds: 0.5; echo ended: yes'),
    };
    const { results, missing } = await withTools(tools, () => runPeers([{ program: 'mutex', size: 2 }], quiet));
    expect(results.map(({ peer, count }) => [peer, count])).toEqual([
      ['relacy', 7],
      ['relacy, 2 switches', 7],
    ]);
    expect(missing).toHaveLength(1);
    expect(missing[0]).toMatchObject({ name: 'Spin' });
    expect(missing[0]?.missing).toContain('no memory for this');
  });
});
