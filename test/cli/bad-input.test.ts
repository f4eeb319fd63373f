// Every mistake is one clear sentence, exit code 2, no stack trace, nothing on stdout.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'pagerace-bad-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});
const good = fileURLToPath(new URL('../recording/recordings/sort.perf.txt.gz', import.meta.url));

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const gzip = readFileSync(good);
const lines = 'sort  9/9  [001]  1.0: page-faults:   7f00\n';

/** A file that says it is huge, and takes no room. */
function huge(): string {
  const path = file('huge.txt', '');
  truncateSync(path, 257 * 1024 * 1024);
  return path;
}

function bomb(): Buffer {
  return gzipSync(Buffer.alloc(257 * 1024 * 1024), { level: 1 });
}

const cases: [name: string, args: string[], says: RegExp][] = [
  ['an unknown flag', ['trace', '--addres', '0x1000'], /--address/],
  ['an unknown command', ['trac'], /trace/],
  ['an unknown defence', ['run', good, '--without', 'pte_rechek'], /'pte_rechek' is not known.*pte_recheck/],
  ['an unknown locking design', ['run', good, '--locking', 'splt'], /'splt' is not known.*split/],
  ['an unknown lock', ['run', good, '--lock', 'tikcet'], /'tikcet' is not known.*ticket/],
  ['0 CPUs', ['run', good, '--cpus', '0'], /CPUs 0 .*1 to 64/],
  ['1000 CPUs', ['run', good, '--cpus', '1000'], /CPUs 1000 .*1 to 64/],
  ['CPUs that are no number', ['run', good, '--cpus', 'two'], /--cpus 'two' is not a whole number/],
  ['too little memory', ['run', good, '--memory', '100K'], /1M to 2G/],
  ['too much memory', ['run', good, '--memory', '1000G'], /1M to 2G/],
  ['a size that is none', ['run', good, '--memory', 'lots'], /'lots' is not a size/],
  ['fault injection that is not understood', ['run', good, '--fail-alloc', 'often'], /--fail-alloc 'often'/],
  [
    'an unknown allocation site',
    ['run', good, '--fail-alloc', 'sites=folios,interval=2'],
    /'folios' is not known.*folio/,
  ],
  ['a missing recording', ['run', join(folder, 'none.txt')], /does not exist/],
  ['no recording', ['run'], /recording/],
  ['a folder', ['run', folder], /is not a file/],
  ['a file below a file', ['run', join(good, 'none.txt')], /does not exist/],
  ['a name that is too long', ['run', join(folder, 'n'.repeat(300))], /does not exist/],
  ['a huge recording', ['run', huge()], /is larger than 256 MiB/],
  ['a small file that unpacks to a huge one', ['run', file('bomb.gz', bomb())], /is larger than 256 MiB/],
  ['an empty recording', ['run', file('empty.txt', '')], /is empty/],
  ['a binary recording', ['run', file('binary.txt', Buffer.from([0, 1, 2, 3, 10]))], /is binary/],
  ['what perf record writes', ['run', file('perf.data', 'PERFILE2\0\0\0')], /perf script/],
  [
    'a malformed recording',
    ['run', file('malformed.txt', `${lines}what is this\n`)],
    /line 2 is not a line of perf script/,
  ],
  [
    'a malformed system call',
    ['run', file('call.txt', `${lines}sort  9/9  [001]  1.1: syscalls:sys_enter_munmap: addr: here, len: 0x1000\n`)],
    /line 2 is not a line of perf script/,
  ],
  ['a cut recording', ['run', file('cut.txt', lines.slice(0, -5))], /in the middle of a line/],
  ['a cut gzip file', ['run', file('cut.gz', gzip.subarray(0, gzip.length >> 1))], /gzip/],
  [
    'a damaged gzip file',
    ['run', file('bad.gz', Buffer.concat([gzip.subarray(0, 200), Buffer.alloc(300), gzip.subarray(500)]))],
    /gzip/,
  ],
  [
    'a recording without faults',
    ['run', file('none.gz', gzipSync('sort  9/9  [001]  1.0: PERF_RECORD_COMM exec: sort:9/9\n'))],
    /no page fault/,
  ],
  ['faults on nothing that is known', ['run', file('lost.txt', lines)], /no fault on anonymous memory/],
  ['an address outside user space', ['trace', '--address', '0x800000000000'], /outside user space/],
  ['an address that is no number', ['trace', '--address', 'here'], /--address 'here' is not a whole number/],
  ['a frame that is not there', ['trace', '--pfn', '0x1'], /is not of this machine/],
  ['an address beyond 64 bits', ['trace', '--address', '0x1ffffffffffffffff'], /is not a whole number/],
  ['a kernel address', ['trace', '--address', '0x7ffffffffffff000'], /is not a whole number|outside user space/],
  ['a memory limit that is none', ['trace', '--memcg-limit=-1'], /--memcg-limit '-1' is not a whole number/],
  ['a bench on no CPU', ['bench', '--cpus', '0'], /--cpus '0' is not possible for a bench/],
  ['a bench on nothing', ['bench', '--cpus', ','], /--cpus '' is not possible for a bench/],
  ['a bench on 1000 CPUs', ['bench', '--cpus', '1,1000'], /'1,1000' is not possible for a bench.*1 to 12/],
  ['impossible rights', ['trace', '--prot', 'wr'], /'wr' is not possible/],
];

/** Runs and looks for one clear sentence. */
async function refuses(args: string[], says: RegExp): Promise<void> {
  const { status, stdout, stderr } = await runCli(args);
  expect(stderr).toMatch(says);
  expect(status).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^pagerace: [A-Z/'-].*[.'?)]\n$/);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).not.toMatch(/ at .*\.js/);
  // Every sentence gives an example of what would do.
  expect(stderr).toMatch(/for example|perf script|Did you mean|See 'pagerace/);
}

describe('bad input', () => {
  it.each(cases)('%s', async (_name, args, says) => {
    await refuses(args, says);
  });

  it.skipIf(process.platform !== 'linux')('a file that fails when it is read', async () => {
    await refuses(['run', '/proc/self/mem'], /^pagerace: \/proc\/self\/mem can't be read \(EIO\)/);
  });

  it.skipIf(process.platform === 'win32')('a pipe that nobody writes to', async () => {
    const path = join(folder, 'pipe');
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    await refuses(['run', path], /is not a file/);
  });

  it('a file that one may not read', async ({ skip }) => {
    skip(process.getuid?.() === 0, 'root may read everything');
    const path = file('secret.txt', lines);
    chmodSync(path, 0);
    await refuses(['run', path], /may not be read by you/);
  });
});
