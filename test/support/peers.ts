// Another explorer built for a test file, if it is installed: the tests that need it are skipped where it is not.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { BuiltPeer, Peer, PeerOptions } from '../../src/stress/peers/peer.ts';

/** Builds a peer once, when it is first asked for. It fails where the peer is installed and yet does not build. */
export function peerForTests(
  build: (options: PeerOptions) => Promise<Peer>,
  options: Omit<PeerOptions, 'folder'>,
): (skip: (condition: boolean, note: string) => void) => Promise<BuiltPeer> {
  const scratch = mkdtempSync(join(tmpdir(), 'pagerace-peer-'));
  afterAll(() => {
    rmSync(scratch, { recursive: true, force: true });
  });
  let peer: Promise<Peer> | undefined;
  return async (skip) => {
    const built = await (peer ??= build({ ...options, folder: join(scratch, 'build') }));
    if (!('missing' in built)) return built;
    skip(built.missing.startsWith('not installed'), `${built.name}: ${built.missing}`);
    throw new Error(`${built.name} ${built.missing}`);
  };
}
