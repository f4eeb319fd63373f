// Every peer that can be had here, built in a scratch folder and run on programs, one search at a time.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PEER_PROGRAMS } from './peer.ts';
import type { MissingPeer, PeerProgram, PeerResult } from './peer.ts';
import { buildRelacy } from './relacy.ts';
import { buildSpin } from './spin.ts';

/** Seconds for one search. */
const LIMIT = 2;
/** Numbers of threads that relacy is built for: each costs seconds of compiling, and from five on it does not end. */
const RELACY_SIZES: readonly number[] = [2, 3, 4];

/** A program of the registry that peers have too. */
export interface PeerPoint {
  readonly program: PeerProgram;
  readonly size: number;
}

export interface PeerReport {
  readonly results: readonly PeerResult[];
  readonly missing: readonly MissingPeer[];
}

/** Whether peers have a program of the registry. */
export function isPeerProgram(name: string): name is PeerProgram {
  return PEER_PROGRAMS.some((program) => program === name);
}

/** Builds the peers, all at once, and then runs them on every point. A peer that fails is missing from there on. */
export async function runPeers(points: readonly PeerPoint[], progress: (text: string) => void): Promise<PeerReport> {
  const folder = await mkdtemp(join(tmpdir(), 'pagerace-peers-'));
  try {
    progress('other explorers: compiling');
    const options = { programs: [...new Set(points.map(({ program }) => program))], sizes: RELACY_SIZES, limit: LIMIT };
    const peers = await Promise.all([
      buildRelacy({ ...options, folder: join(folder, 'relacy') }),
      buildSpin({ ...options, folder: join(folder, 'spin') }),
    ]);
    const results: PeerResult[] = [];
    const missing: MissingPeer[] = [];
    for (const peer of peers) {
      if ('missing' in peer) {
        missing.push(peer);
        continue;
      }
      progress(`other explorers: ${peer.name}`);
      try {
        for (const { program, size } of points) results.push(...(await peer.run(program, size)));
      } catch (error) {
        missing.push({ name: peer.name, missing: error instanceof Error ? error.message : String(error) });
      }
    }
    return { results, missing };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
