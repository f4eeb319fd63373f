// The reader of recordings: what perf prints comes back as it was, and whatever else it is given is one sentence.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/machine/usage-error.ts';
import { parsePerfScript, readPerfScript } from '../../src/recording/perf-script.ts';
import type { RecordedEvent } from '../../src/recording/perf-script.ts';

const folder = mkdtempSync(join(tmpdir(), 'pagerace-recording-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const hex = (value: number): string => value.toString(16);
const head = (tid: number): string => `            sort  9182/${String(tid)}  [001]  3169.418245: `;
const fault = (address: number, tid = 9182): string =>
  `${head(tid)} exceptions:page_fault_user: address=0x${hex(address)} ip=0x7ff1 error_code=0x6               0\n` +
  `${head(tid)}                page-faults:     ${hex(address)}\n`;
/** A recording with one fault and this line in it. */
const withLine = (line: string): string => `${head(9182)}${line}\n${fault(0x7ff117446008)}`;

const tid = fc.integer({ min: 1, max: 4 });
const address = fc.integer({ min: 0x10, max: 0x7fff_ffff }).map((page) => page * 4096);
const length = fc.integer({ min: 1, max: 0x10000 }).map((pages) => pages * 4096);
const small = fc.nat(0xffff);
const calls = fc.oneof(
  fc.tuple(address, length, small, small, small, small).map(([addr, len, prot, flags, fd, off]) => ({
    name: 'mmap' as const,
    args: { addr, len, prot, flags, fd, off },
  })),
  fc.tuple(address, length).map(([addr, len]) => ({ name: 'munmap' as const, args: { addr, len } })),
  fc
    .tuple(address, length, small)
    .map(([start, len, prot]) => ({ name: 'mprotect' as const, args: { start, len, prot } })),
  fc
    .tuple(address, length, small)
    .map(([start, length, behavior]) => ({ name: 'madvise' as const, args: { start, len_in: length, behavior } })),
  address.map((brk) => ({ name: 'brk' as const, args: { brk } })),
);
/** What one thread did, as perf prints it, and as it should be read. */
const done = fc.oneof(
  fc.tuple(address, tid).map(([at, who]) => ({
    text: fault(at, who),
    event: { kind: 'fault', address: at, user: true, errorCode: 6, tid: who },
  })),
  fc.tuple(address, tid).map(([at, who]) => ({
    text: `${head(who)}                page-faults:     ${hex(at)}\n`,
    event: { kind: 'fault', address: at, user: false, errorCode: undefined, tid: who },
  })),
  fc.tuple(calls, tid, fc.oneof(address, fc.integer({ min: -133, max: -1 }))).map(([call, who, result]) => {
    const args = Object.entries(call.args).map(([name, value]) => `${name}: 0x${hex(value).padStart(8, '0')}`);
    const printed = BigInt.asUintN(64, BigInt(result)).toString(16);
    return {
      text:
        `${head(who)}     syscalls:sys_enter_${call.name}: ${args.join(', ')}               0\n` +
        `${head(who)}      syscalls:sys_exit_${call.name}: 0x${printed}               0\n`,
      event: { kind: 'call', name: call.name, args: Object.values(call.args), result, tid: who },
    };
  }),
  fc
    .tuple(address, length, tid, fc.constantFrom('[stack]', '//anon', '/usr/bin/a b'))
    .map(([addr, len, who, file]) => ({
      text: `${head(who)}PERF_RECORD_MMAP2 9182/${String(who)}: [0x${hex(addr)}(0x${hex(len)}) @ 0x3000 fe:00 260879 0]: rw-p ${file}\n`,
      event: { kind: 'map', addr, length: len, prot: 'rw-p', file, tid: who },
    })),
);

/** Parses; undefined for a sentence, which must be one. */
function attempt(text: string): RecordedEvent[] | undefined {
  try {
    return parsePerfScript(text, 'it').events;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    expect(error.message).toMatch(/^it .*: .*for example .*\.$/);
    expect(error.message).not.toContain('\n');
    return undefined;
  }
}

describe('what perf prints', () => {
  it('comes back event by event, whatever was recorded', () => {
    fc.assert(
      fc.property(fc.array(done, { minLength: 1, maxLength: 40 }), (events) => {
        const text = events.map((event) => event.text).join('');
        fc.pre(events.some(({ event }) => event.kind === 'fault'));
        const read = attempt(text);
        expect(read).toHaveLength(events.length);
        events.forEach(({ event }, i) => {
          expect(read?.[i]).toMatchObject(event);
        });
      }),
      { numRuns: 200 },
    );
  });

  it('may hold records and calls that are of no use here', () => {
    const lines = [
      'PERF_RECORD_LOST_SAMPLES lost 3',
      'PERF_RECORD_MMAP -1/0: [0xffffffff81000000(0x1000000) @ 0xffffffff81000000]: x [kernel.kallsyms]_text',
      'syscalls:sys_enter_openat: dfd: 0xffffff9c, filename: 0x7ff117, flags: 0x00080000, mode: 0x00000000',
      'syscalls:sys_exit_openat: 0x3 0',
      'PERF_RECORD_COMM exec: a b:9/9',
      'PERF_RECORD_FORK(9182:9183):(9182:9182)',
    ];
    for (const line of lines) expect(attempt(withLine(line)), line).toBeDefined();
  });
});

describe('what perf does not print is refused with its line', () => {
  const broken = [
    'PERF_RECORD_MMAP2 9182/9182: [0x7ffcb500e000(0x21000) @ 0 00:00 0 0]: rw-p',
    'PERF_RECORD_MMAP2 9182/9182: [0x7ffcb500e000 @ 0 00:00 0 0]: rw-p [stack]',
    'PERF_RECORD_MMAP2 9182/9182: [0x7ffcb500e000(0x21000) @ 0 00:00 0 0]: xwrp [stack]',
    'PERF_RECORD_MMAP2 9182/9182: [0x7ffcb500e001(0x21000) @ 0 00:00 0 0]: rw-p [stack]',
    'PERF_RECORD_MMAP2 9182/9182: [0x7ffcb500e000(0x0) @ 0 00:00 0 0]: rw-p [stack]',
    'PERF_RECORD_MMAP2',
    'PERF_RECORD_FORK(9182:9183)',
    'PERF_RECORD_EXIT',
    'PERF_RECORD_COMM sort',
    'syscalls:sys_enter_mmap: addr: 0x0, len: 0x2000, prot: 0x3, flags: 0x22, fd: 0xffffffff',
    'syscalls:sys_enter_mmap: addr: 0x0, len: 0x2000, prot: 0x3, flags: zz, fd: 0xffffffff, off: 0x0',
    'syscalls:sys_enter_munmap: len: 0x2000, addr: 0x1000',
    'syscalls:sys_enter_mprotect:',
    'syscalls:sys_enter_brk: brk: 0x12345678901234567',
    'syscalls:sys_exit_mmap: ',
    'syscalls:sys_exit_mmap: minus one',
    'syscalls:mmap',
    'exceptions:page_fault_user: address=0x7ff1 ip=0x1',
    'page-faults: here',
    'page-faults:',
    'cycles: 12345',
  ];
  it.each(broken)('%s', (line) => {
    expect(() => parsePerfScript(withLine(line), 'it')).toThrow(/^it line 1 is not a line of perf script \(/);
  });

  it('wherever a recording is cut or changed, it is read or refused, and nothing else happens', () => {
    const whole = withLine(
      'syscalls:sys_enter_mmap: addr: 0x00000000, len: 0x00002000, prot: 0x00000003, flags: 0x00000022, fd: 0xffffffff, off: 0x00000000',
    );
    const any = fc.record({ at: fc.nat(whole.length - 1), remove: fc.nat(5), insert: fc.string({ maxLength: 5 }) });
    fc.assert(
      fc.property(any, ({ at, remove, insert }) => {
        attempt(whole.slice(0, at) + insert + whole.slice(at + remove));
        attempt(whole.slice(0, at));
      }),
      { numRuns: 500 },
    );
  });

  it('whatever bytes a file has, it is read or refused, also when they come compressed', async () => {
    const path = join(folder, 'any');
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, compressed) => {
        writeFileSync(path, compressed ? gzipSync(bytes) : bytes);
        await expect(readPerfScript(path)).rejects.toThrow(UsageError);
      }),
      { numRuns: 100 },
    );
  });
});
