// Brings the built lab to a browser: from a server on this machine, or as a folder that any web server can hand out.
//
// Threads that share memory are allowed only to pages that are isolated from others, which a page is by the headers it
// comes with: every answer has them.
import {
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import sirv from 'sirv';
import type { LabFiles } from './model/export.ts';
import { UsageError } from '../machine/usage-error.ts';

/** What isolates a page, by the names of the headers. */
export const ISOLATION: Readonly<Record<string, string>> = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** In a folder that `writeSite` made: it may be written over. */
const MARK = '.pagerace-lab';
/** Hosts that only this machine reaches. */
const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/;
/** Addresses that stand for all of a machine's, and what to open instead. */
const ANY: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** A server that is up. */
export interface Served {
  /** Where the page is, without a fragment. */
  readonly url: string;
  /** Ends it, whoever is connected. */
  end(): Promise<void>;
}

/** The folder of the built lab. Throws a UsageError if it has not been built. */
export function labFolder(): string {
  const folder = fileURLToPath(new URL('../../lab', import.meta.url));
  if (existsSync(join(folder, 'index.html'))) return folder;
  throw new UsageError(
    `The lab is not there: ${folder} has no index.html; build it with 'npm run build' in the folder of pagerace.`,
  );
}

/** What a page that is one file is made of. Throws a UsageError if the lab has not been built. */
export function labFiles(): LabFiles {
  const folder = labFolder();
  const [script, style, sources] = ['lab.js', 'lab.css', 'sources.json'].map((name) =>
    readFileSync(join(folder, name), 'utf8'),
  ) as [string, string, string];
  return { script, style, sources };
}

/** Whether other machines can't reach a host. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** Serves a folder. Port 0: a free one. Throws a UsageError where that address can't be had. */
export async function serveLab(folder: string, host: string, port: number): Promise<Served> {
  const files = sirv(folder, { etag: true, maxAge: 0 });
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(ISOLATION)) response.setHeader(name, value);
    files(request, response);
  });
  await listening(server, host, port);
  const { address, port: given } = server.address() as AddressInfo;
  const shown = ANY[host] ?? (isLoopback(host) ? host : address);
  return {
    url: `http://${shown.includes(':') ? `[${shown}]` : shown}:${String(given)}/`,
    end: async () => {
      const closed = new Promise<void>((done) => {
        server.close(() => {
          done();
        });
      });
      server.closeAllConnections();
      await closed;
    },
  };
}

async function listening(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((done, fail) => {
    server.once('error', ({ code = 'unknown error' }: NodeJS.ErrnoException) => {
      fail(
        new UsageError(
          code === 'EADDRINUSE'
            ? `Port ${String(port)} is taken: give another, for example --port ${String(port + 1)}, or leave --port out for a free one.`
            : `${host}, port ${String(port)}, can't be served (${code}): give an address of this machine and a port above 1023, for example --host 127.0.0.1 --port 8080.`,
        ),
      );
    });
    server.listen({ host, port }, done);
  });
}

/** Where a path leads to, if it leads anywhere. */
function reached(path: string): string {
  return existsSync(path) ? realpathSync(path) : resolve(path);
}

/** Refuses to write over anything but an empty folder and what `writeSite` wrote. */
function checkTarget(target: string, out: string): void {
  if (!existsSync(target)) return;
  if (!statSync(target).isDirectory()) {
    throw new UsageError(`--out '${out}' is a file: give a folder, for example --out site.`);
  }
  if (readdirSync(target).length > 0 && !existsSync(join(target, MARK))) {
    throw new UsageError(
      `--out '${out}' is not empty, and not a lab of ours: give a new or an empty folder, for example --out ${out}/lab.`,
    );
  }
}

/**
 * Writes a folder that can be put on any web server, whole or not at all. `_headers` isolates it on hosts that know such
 * a file; elsewhere the page runs without real threads. Throws a UsageError for a folder that is somebody else's.
 */
export function writeSite(folder: string, out: string): void {
  const target = reached(out);
  checkTarget(target, out);
  const fresh = `${target}.${String(process.pid)}.new`;
  const old = `${target}.${String(process.pid)}.old`;
  try {
    if (!existsSync(dirname(target))) throw Object.assign(new Error(), { code: 'ENOENT' });
    cpSync(folder, fresh, { recursive: true, filter: (path) => !path.endsWith('.stamp') });
    const headers = Object.entries(ISOLATION).map(([name, value]) => `  ${name}: ${value}\n`);
    writeFileSync(join(fresh, '_headers'), `/*\n${headers.join('')}`);
    writeFileSync(join(fresh, MARK), "Written by 'pagerace lab --out', which may write over this folder.\n");
    if (existsSync(target)) renameSync(target, old);
    renameSync(fresh, target);
  } catch (error) {
    if (existsSync(old) && !existsSync(target)) renameSync(old, target);
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UsageError(
      `--out '${out}' can't be written (${code}): give a folder in one that is there and that you may write to, for example --out site.`,
    );
  } finally {
    for (const path of [fresh, old]) rmSync(path, { recursive: true, force: true });
  }
}
