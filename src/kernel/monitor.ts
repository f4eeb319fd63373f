// The operations of a program that are about a userfaultfd, with their places in the history.
//
// To a user, a watched page that is missing holds nothing that a load could return, until it is filled: a history tells
// of a registration as of a fill with that, and of all that ends it as of a range that may be zeroes afterwards.
import type { Cpu } from './cpu.ts';
import { page_align_down, PAGE_SIZE, TASK_SIZE } from './arch/x86/pgtable.ts';
import { current_process } from './kernel/process.ts';
import {
  userfaultfd_fill,
  userfaultfd_register,
  userfaultfd_release,
  userfaultfd_unregister,
  userfaultfd_wake,
} from './fs/userfaultfd-ioctl.ts';
import { userfaultfd_read } from './fs/userfaultfd.ts';
import type { AddressRange } from './fs/userfaultfd.ts';
import { header } from './layout.ts';
import { control_add } from './memory.ts';
import type { Steps, Word } from './memory.ts';
import { EAGAIN } from './mm/flags.ts';
import { EVENT_FILL, EVENT_MISSING, EVENT_UNWATCHED } from './observations.ts';
import type { Observations } from './observations.ts';

/** An operation of a monitor. Addresses and lengths in bytes. */
export type MonitorOp =
  /** UFFDIO_REGISTER, MODE_MISSING: 0 or a negative error. A process has one userfaultfd. */
  | { op: 'uffd_register'; addr: number; length: number }
  /** UFFDIO_UNREGISTER: 0 or a negative error. */
  | { op: 'uffd_unregister'; addr: number; length: number }
  /** UFFDIO_COPY of pages whose words are all `value`: bytes copied, or a negative error. */
  | { op: 'uffd_copy'; addr: number; length: number; value: number }
  /** UFFDIO_ZEROPAGE: bytes filled, or a negative error. */
  | { op: 'uffd_zeropage'; addr: number; length: number }
  /** UFFDIO_WAKE: 0 or a negative error. */
  | { op: 'uffd_wake'; addr: number; length: number }
  /**
   * Answers so many faults, each with one page as 'copy' or 'zeropage' fills it; fewer where no other CPU can take one
   * any more. How many it answered.
   */
  | { op: 'uffd_serve'; faults: number; how: 'copy' | 'zeropage'; value: number }
  /** Closes the userfaultfd: nothing is watched any more, and every fault that waits goes on. 0 or -ENOMEM. */
  | { op: 'uffd_close' };

/** What a history knows of one operation while it runs. */
class Place {
  private readonly invoked: number;
  private readonly cpu: Cpu;
  private readonly seen: Observations;

  constructor(cpu: Cpu, seen: Observations) {
    this.cpu = cpu;
    this.seen = seen;
    this.invoked = seen.keeps_history ? control_add(cpu, header.clock, 1) : 0;
  }

  /** It did this to a range; `value` is the word of a fill. */
  record(kind: number, start: number, length: number, value = 0): void {
    if (!this.seen.keeps_history) return;
    const returned = control_add(this.cpu, header.clock, 1);
    this.seen.record(kind, start, length, this.invoked, returned, 0, current_process(this.cpu), value);
  }
}

/** Whether an operation is a monitor's. */
export function is_monitor_op(op: { readonly op: string }): op is MonitorOp {
  return op.op.startsWith('uffd_');
}

/** One operation of a monitor: its value. */
export function* monitor_call(cpu: Cpu, mm: Word, op: MonitorOp, seen: Observations): Steps<number> {
  switch (op.op) {
    case 'uffd_register':
      return yield* register(cpu, mm, op.addr, op.length, seen);
    case 'uffd_unregister': {
      const place = new Place(cpu, seen);
      const value = yield* userfaultfd_unregister(cpu, mm, op.addr, op.length);
      place.record(EVENT_UNWATCHED, op.addr, op.length);
      return value;
    }
    case 'uffd_copy':
      return yield* fill(cpu, mm, op.addr, op.length, op.value, seen);
    case 'uffd_zeropage':
      return yield* fill(cpu, mm, op.addr, op.length, undefined, seen);
    case 'uffd_wake':
      return yield* userfaultfd_wake(cpu, mm, op.addr, op.length);
    case 'uffd_serve':
      return yield* serve(cpu, mm, op.faults, op.how === 'copy' ? op.value : undefined, seen);
    case 'uffd_close': {
      const place = new Place(cpu, seen);
      const value = yield* userfaultfd_release(cpu, mm);
      place.record(EVENT_UNWATCHED, 0, TASK_SIZE);
      return value;
    }
  }
}

function* register(cpu: Cpu, mm: Word, addr: number, length: number, seen: Observations): Steps<number> {
  const place = new Place(cpu, seen);
  const missing: AddressRange[] = [];
  const value = yield* userfaultfd_register(cpu, mm, addr, length, seen.keeps_history ? missing : undefined);
  for (const { start, end } of missing) place.record(EVENT_MISSING, start, end - start);
  return value;
}

function* fill(
  cpu: Cpu,
  mm: Word,
  addr: number,
  length: number,
  value: number | undefined,
  seen: Observations,
): Steps<number> {
  const place = new Place(cpu, seen);
  const filled = yield* userfaultfd_fill(cpu, mm, addr, length, value);
  if (filled > 0) place.record(EVENT_FILL, addr, filled, value ?? 0);
  return filled;
}

/** A monitor at work. Whatever became of a page, nobody is left asleep on it: a fault that still has no page comes back. */
function* serve(cpu: Cpu, mm: Word, faults: number, value: number | undefined, seen: Observations): Steps<number> {
  for (let answered = 0; answered < faults; answered++) {
    const address = yield* userfaultfd_read(cpu, mm);
    if (address < 0) return answered;
    const page = page_align_down(address);
    let filled = -EAGAIN;
    while (filled === -EAGAIN) filled = yield* fill(cpu, mm, page, PAGE_SIZE, value, seen);
    if (filled < 0) yield* userfaultfd_wake(cpu, mm, page, PAGE_SIZE);
  }
  return faults;
}
