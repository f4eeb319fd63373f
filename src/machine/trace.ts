// The seed's fault, run on a machine step by step, with every value read from the machine as it runs.
import * as kernel from '../kernel/index.ts';
import { PAGE_SIZE, page_align_down, pmd_index, pud_index, pgd_index, pte_index } from '../kernel/arch/x86/pgtable.ts';
import { header, mm_struct, vma as vm_area } from '../kernel/layout.ts';
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_PRIVATE,
  MMF_UNSTABLE,
  PROT_EXEC,
  PROT_READ,
  PROT_WRITE,
  VM_SHARED,
  X86_PF_USER,
  X86_PF_WRITE,
} from '../kernel/mm/flags.ts';
import { Machine } from './boot.ts';
import { pagemapEntry, walkAddress } from './proc/walk.ts';
import { finish } from './stepped.ts';
import { UsageError } from './usage-error.ts';

import { Tracer, faultName, hexOf } from './tracer.ts';
import type { TraceOptions, TraceStep } from './tracer.ts';

export type { TraceOptions, TraceStep } from './tracer.ts';

/** A whole trace. */
export interface Trace {
  address: string;
  indices: { pgd: number; pud: number; pmd: number; pte: number };
  steps: TraceStep[];
  /** Entry values in the order in which the kernel built them. */
  entries: string[];
  /** VM_FAULT_* bits. */
  result: number;
  resultName: string;
  upper: { pgd: string; pud: string; pmd: string };
  pte: string;
  pagemap: string;
  rss: number;
}

export const SEED_ADDRESS = 0x75e52fc77000;
export const SEED_PFN = 0x38944c;
/** RAM of the traced machine begins here: 64 MiB around the seed's frame. */
export const SEED_BASE_PFN = 0x388000;
const TRACE_MEMORY: number = 64 * 1024 * 1024;

function protOf(text: string): number {
  if (!/^r?w?x?$/.test(text) || text === '') {
    throw new UsageError(
      `Protection '${text}' is not possible: use some of r, w and x in that order, for example --prot rw.`,
    );
  }
  return (
    (text.includes('r') ? PROT_READ : 0) | (text.includes('w') ? PROT_WRITE : 0) | (text.includes('x') ? PROT_EXEC : 0)
  );
}

/** Runs the fault and tells it. Throws a UsageError for what can't be traced. */
export function traceFault(options: TraceOptions): Trace {
  const { address } = options;
  if (!Number.isSafeInteger(address) || address < 65536 || address >= 0x7ffffffff000) {
    throw new UsageError(
      `Address ${hexOf(address)} is outside user space: use 0x10000 to 0x7fffffffefff, for example --address 0x75e52fc77000.`,
    );
  }
  const machine = new Machine({
    cpus: 2,
    memory: TRACE_MEMORY,
    basePfn: options.basePfn,
    softDirty: options.softDirty,
    memcgLimits: options.memcgLimit === undefined ? [] : [options.memcgLimit],
  });
  const frames = machine.layout.frames;
  if (options.pfn !== undefined && (options.pfn <= options.basePfn || options.pfn >= options.basePfn + frames)) {
    throw new UsageError(
      `Frame ${hexOf(options.pfn)} is not of this machine: its RAM is ${hexOf(options.basePfn)} to ${hexOf(options.basePfn + frames - 1)}, for example --base-pfn 0x388000.`,
    );
  }
  const start = page_align_down(address);
  const pages = 4;
  machine.runHere([
    {
      op: 'mmap',
      addr: start,
      length: pages * PAGE_SIZE,
      prot: protOf(options.prot),
      flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
    },
  ]);
  prepare(machine, options, start);
  const cpu = new kernel.Cpu(machine.memory, 0);
  finish(kernel.cpu_up(cpu, machine.mm));
  const tracer = new Tracer(machine, cpu, options);
  let raced = !options.secondCpu;
  const errorCode = X86_PF_USER | (options.read ? 0 : X86_PF_WRITE);
  finish(kernel.do_user_addr_fault(cpu, machine.mm, errorCode, address), (step) => {
    if (step.kind !== 'note') return;
    tracer.note(step);
    if (raced || !tracer.isBeforeLock(step)) return;
    raced = true;
    machine.runHere([options.read ? { op: 'load', addr: start } : { op: 'store', addr: start, value: 1 }], 1);
  });
  return summarize(machine, tracer, address);
}

/** Brings the machine into the state that the chosen branch needs. */
function prepare(machine: Machine, options: TraceOptions, start: number): void {
  const cpu = machine.cpuHere();
  if (options.shared) {
    const vma = finish(kernel.find_vma(new kernel.Cpu(machine.memory, 0), machine.mm, start));
    machine.words[vma + vm_area.vm_flags]! |= VM_SHARED;
  }
  if (options.memcgLimit !== undefined) {
    // Tables are charged as well. The process makes them before it is moved to the group, so that the group pays for
    // the one page that the trace is about.
    machine.moveTo(machine.words[header.root_memcg] ?? 0);
    machine.runHere([{ op: 'store', addr: start + PAGE_SIZE, value: 1 }]);
    machine.moveTo(machine.memcg);
  }
  if (options.oom) {
    machine.words[header.fail_interval] = 1;
    machine.words[header.fail_sites] = 1;
  }
  if (options.unstable) cpu.words[machine.mm + mm_struct.flags]! |= 1 << MMF_UNSTABLE;
}

function summarize(machine: Machine, tracer: Tracer, address: number): Trace {
  const walk = walkAddress(machine, address);
  return {
    address: hexOf(address),
    indices: { pgd: pgd_index(address), pud: pud_index(address), pmd: pmd_index(address), pte: pte_index(address) },
    steps: tracer.steps,
    entries: tracer.entries,
    result: tracer.result,
    resultName: faultName(tracer.result),
    upper: { pgd: hexOf(walk.pgd), pud: hexOf(walk.pud), pmd: hexOf(walk.pmd) },
    pte: hexOf(walk.pte),
    pagemap: hexOf(pagemapEntry(machine, address)),
    rss: tracer.rss(),
  };
}
