// Reads what `perf script` prints of page faults, mappings and memory system calls, plain or gzip.
//
// One event per line. A system call is two lines (enter, exit), which become one event; a fault from user mode is two
// as well (the exceptions tracepoint and the software event), a fault in kernel mode only the software event.
import { gunzip } from 'node:zlib';
import { promisify } from 'node:util';
import { readInputFile, tooLarge } from '../machine/input-file.ts';
import type { InputKind } from '../machine/input-file.ts';
import { UsageError } from '../machine/usage-error.ts';

/** What every event has. */
interface Common {
  pid: number;
  tid: number;
  cpu: number;
  /** Seconds. */
  time: number;
  /** Number of the line it came from, from 1. */
  line: number;
}

/** A mapping that the kernel reported: at exec, or beside a system call. */
export interface MapEvent extends Common {
  kind: 'map';
  addr: number;
  length: number;
  prot: string;
  file: string;
  /** Whether the thread was in one of the recorded system calls, which then tells the same. */
  inSystemCall: boolean;
}

/** A memory system call with its result (negative: failed). `enter` is the line at which it began. */
export interface CallEvent extends Common {
  kind: 'call';
  name: 'mmap' | 'munmap' | 'mprotect' | 'madvise' | 'brk';
  args: readonly number[];
  result: number;
  enter: number;
}

/** A page fault. */
export interface FaultEvent extends Common {
  kind: 'fault';
  address: number;
  /** Taken in user mode; otherwise in the kernel, for the process (copy_to_user and the like). */
  user: boolean;
  /** X86_PF_*; unknown for a fault in kernel mode. */
  errorCode: number | undefined;
}

export interface ExecEvent extends Common {
  kind: 'exec';
  comm: string;
}
export interface ForkEvent extends Common {
  kind: 'fork';
  childPid: number;
  childTid: number;
}

export type RecordedEvent = MapEvent | CallEvent | FaultEvent | ExecEvent | ForkEvent;

/** A parsed recording. */
export interface Recording {
  name: string;
  lines: number;
  events: RecordedEvent[];
}

/** Largest text that is read; half of what a JavaScript string can hold. */
const MAX_BYTES = 256 * 1024 * 1024;
const PAGE = 4096;
const EXAMPLE = 'for example the output of `perf script --show-mmap-events --show-task-events`';
const RECORDING: InputKind = {
  what: 'a recording',
  example: EXAMPLE,
  maxBytes: MAX_BYTES,
  smaller: 'record a shorter run',
};

const LINE = /^\s*(.*?)\s+(-?\d+)\/(-?\d+)\s+\[(\d+)\]\s+(\d+\.\d+):\s+(.*)$/;
const MMAP2 =
  /^PERF_RECORD_MMAP2 -?\d+\/-?\d+: \[0x([0-9a-f]{1,16})\(0x([0-9a-f]{1,16})\) @ [^\]]*\]: ([r-][w-][x-][ps]) (.+)$/;
/** The kernel's own text and modules, in the older form. */
const MMAP = /^PERF_RECORD_MMAP -?\d+\/-?\d+: \[0x[0-9a-f]{1,16}\(0x[0-9a-f]{1,16}\) @ [^\]]*\]: [rx] .+$/;
const TASK = /^PERF_RECORD_(FORK|EXIT)\((\d+):(\d+)\):\((\d+):(\d+)\)$/;
const COMM = /^PERF_RECORD_COMM( exec)?: (.*):-?\d+\/-?\d+$/;
/** Records that say nothing about memory. */
const OTHER_RECORD = /^PERF_RECORD_(?!(?:MMAP2?|FORK|EXIT|COMM)\b)[A-Z0-9_]+\b/;
/** The arguments, and after them perf's own column. */
const ENTER = /^syscalls:sys_enter_(\w+): (.*?)(?:\s+[0-9a-f]+)?$/;
const EXIT = /^syscalls:sys_exit_(\w+): (?:0x)?([0-9a-f]{1,16})(?:\s+[0-9a-f]+)?$/;
const USER_FAULT =
  /^exceptions:page_fault_user: address=0x([0-9a-f]{1,16}) ip=\S+ error_code=0x([0-9a-f]{1,8})(?:\s+[0-9a-f]+)?$/;
const SOFT_FAULT = /^(?:page-faults|minor-faults|faults)\S*:\s+([0-9a-f]{1,16})$/;
/** What the kernel did for a fault or a call, recorded as well to be compared with: no business of a replay. */
const MEMORY_EVENT = /^(?:kmem|pagemap|mmap_lock|lock|tlb):\w+: /;
/** The system calls that change memory, with their arguments as the kernel names them. */
const CALLS: Readonly<Record<CallEvent['name'], readonly string[]>> = {
  mmap: ['addr', 'len', 'prot', 'flags', 'fd', 'off'],
  munmap: ['addr', 'len'],
  mprotect: ['start', 'len', 'prot'],
  madvise: ['start', 'len_in', 'behavior'],
  brk: ['brk'],
};

function isCall(name: string): name is CallEvent['name'] {
  return Object.hasOwn(CALLS, name);
}

/** The arguments of a call, in its own order; undefined where they are not those that it has. */
function argumentsOf(name: CallEvent['name'], text: string): number[] | undefined {
  const names = CALLS[name];
  const parts = text.split(', ');
  const values = parts.map((part, i) => {
    const match = /^(\w+): (?:0x)?([0-9a-f]{1,16})$/.exec(part);
    return match !== null && match[1] === names[i] ? parseInt(match[2] ?? '', 16) : NaN;
  });
  return values.length === names.length && !values.some(Number.isNaN) ? values : undefined;
}

/** A signed 64-bit result that perf prints as unsigned hexadecimal. */
function signed(text: string): number {
  return Number(BigInt.asIntN(64, BigInt(`0x${text}`)));
}

class Parser {
  readonly events: RecordedEvent[] = [];
  private readonly open = new Map<number, { name: CallEvent['name']; args: number[]; line: number }>();
  /** Tracepoint of a user fault whose software event has not come yet. */
  private readonly pendingFault = new Map<number, number>();
  private readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  line(text: string, line: number): void {
    const match = LINE.exec(text);
    if (match === null) throw this.malformed(text, line);
    const [, , pid = '', tid = '', cpu = '', time = '', rest = ''] = match;
    const common: Common = { pid: Number(pid), tid: Number(tid), cpu: Number(cpu), time: Number(time), line };
    if (!this.event(common, rest.trimEnd())) throw this.malformed(text, line);
  }

  private malformed(text: string, line: number): UsageError {
    const shown = text.length > 60 ? `${text.slice(0, 57)}...` : text;
    return new UsageError(
      `${this.name} line ${String(line)} is not a line of perf script (${JSON.stringify(shown)}): give a whole text recording, ${EXAMPLE}.`,
    );
  }

  private event(common: Common, rest: string): boolean {
    return MEMORY_EVENT.test(rest) || this.fault(common, rest) || this.call(common, rest) || this.task(common, rest);
  }

  private fault(common: Common, rest: string): boolean {
    const user = USER_FAULT.exec(rest);
    if (user !== null) {
      this.pendingFault.set(common.tid, this.events.length);
      const address = parseInt(user[1] ?? '', 16);
      this.events.push({ ...common, kind: 'fault', address, user: true, errorCode: parseInt(user[2] ?? '', 16) });
      return true;
    }
    const soft = SOFT_FAULT.exec(rest);
    if (soft === null) return false;
    const address = parseInt(soft[1] ?? '', 16);
    const pending = this.pendingFault.get(common.tid);
    this.pendingFault.delete(common.tid);
    const before = pending === undefined ? undefined : this.events[pending];
    if (before?.kind === 'fault' && before.address === address) return true;
    this.events.push({ ...common, kind: 'fault', address, user: false, errorCode: undefined });
    return true;
  }

  private call(common: Common, rest: string): boolean {
    // Other system calls may have been recorded as well; their arguments are nobody's business here.
    const named = /^syscalls:sys_(?:enter|exit)_(\w+): ?/.exec(rest)?.[1];
    if (named === undefined) return false;
    if (!isCall(named)) return true;
    const enter = ENTER.exec(rest);
    if (enter !== null) {
      const args = argumentsOf(named, enter[2] ?? '');
      if (args !== undefined) this.open.set(common.tid, { name: named, args, line: common.line });
      return args !== undefined;
    }
    const exit = EXIT.exec(rest);
    if (exit === null) return false;
    const began = this.open.get(common.tid);
    // A recording may begin in the middle of a call.
    if (began?.name !== named) return true;
    this.open.delete(common.tid);
    this.events.push({
      ...common,
      kind: 'call',
      name: named,
      args: began.args,
      result: signed(exit[2] ?? '0'),
      enter: began.line,
    });
    return true;
  }

  private task(common: Common, rest: string): boolean {
    const map = MMAP2.exec(rest);
    if (map !== null) {
      const [, start = '', size = '', prot = '', file = ''] = map;
      const [addr, length] = [parseInt(start, 16), parseInt(size, 16)];
      const inSystemCall = this.open.has(common.tid);
      this.events.push({ ...common, kind: 'map', addr, length, prot, file, inSystemCall });
      return addr % PAGE === 0 && length % PAGE === 0 && length > 0;
    }
    const comm = COMM.exec(rest);
    if (comm !== null) {
      if (comm[1] !== undefined) this.events.push({ ...common, kind: 'exec', comm: comm[2] ?? '' });
      return true;
    }
    const task = TASK.exec(rest);
    if (task === null) return MMAP.test(rest) || OTHER_RECORD.test(rest);
    if (task[1] === 'FORK')
      this.events.push({
        ...common,
        kind: 'fork',
        childPid: Number(task[2]),
        childTid: Number(task[3]),
        pid: Number(task[4]),
        tid: Number(task[5]),
      });
    return true;
  }
}

/** Parses the text of a recording. Throws a UsageError. */
export function parsePerfScript(text: string, name: string): Recording {
  if (text.trim() === '') throw new UsageError(`${name} is empty: give a recording, ${EXAMPLE}.`);
  if (text.slice(0, 4096).includes('\0') || text.slice(0, 4096).includes('\uFFFD')) {
    throw new UsageError(`${name} is binary, not text: give a recording, ${EXAMPLE}.`);
  }
  if (!text.endsWith('\n')) {
    throw new UsageError(`${name} ends in the middle of a line: it was cut short; record it again, ${EXAMPLE}.`);
  }
  const parser = new Parser(name);
  let line = 0;
  for (let from = 0; from < text.length;) {
    const to = text.indexOf('\n', from);
    line += 1;
    if (to > from) parser.line(text.slice(from, to), line);
    from = to + 1;
  }
  if (!parser.events.some((event) => event.kind === 'fault')) {
    throw new UsageError(
      `${name} has no page fault in it: record them with \`perf record -d -e page-faults\`, ${EXAMPLE}.`,
    );
  }
  return { name, lines: line, events: parser.events };
}

/** Reads a recording, plain or gzip. Throws a UsageError for whatever is wrong with it. */
export async function readPerfScript(path: string): Promise<Recording> {
  let bytes = await readInputFile(path, RECORDING);
  if (bytes.subarray(0, 8).toString('latin1') === 'PERFILE2') {
    throw new UsageError(
      `${path} is what \`perf record\` writes: run \`perf script -i ${path} --show-mmap-events --show-task-events > out.txt\` and give out.txt.`,
    );
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = await promisify(gunzip)(bytes, { maxOutputLength: MAX_BYTES });
    } catch (error) {
      if (error instanceof RangeError) throw tooLarge(path, RECORDING);
      throw new UsageError(`${path} is a damaged or cut gzip file: compress the recording again, ${EXAMPLE}.`);
    }
  }
  return parsePerfScript(bytes.toString('utf8'), path);
}
