// Reads a machine at the kernel's remarks: what a trace says under each of the seed's headings.
//
// The stepped kernel remarks on what it does; at each remark this reads the words that matter. Nothing is computed
// here that the machine has.
import * as kernel from '../kernel/index.ts';
import type { Cpu } from '../kernel/cpu.ts';
import { page_to_pfn } from '../kernel/cpu.ts';
import { PAGE_SIZE, entry_value } from '../kernel/arch/x86/pgtable.ts';
import {
  MM_ANONPAGES,
  cpu_area,
  folio_batch,
  mem_cgroup,
  mm_struct,
  page,
  percpu_counter,
  spinlock,
  vma as vm_area,
} from '../kernel/layout.ts';
import type { Entry, Step } from '../kernel/memory.ts';
import { rss_counter } from '../kernel/mm/anon.ts';
import { VM_SHARED } from '../kernel/mm/flags.ts';
import type { VmFault } from '../kernel/mm/vmf.ts';
import { Machine } from './boot.ts';
import { walkAddress } from './proc/walk.ts';
import { finish } from './stepped.ts';

/** What to trace. */
export interface TraceOptions {
  address: number;
  /** Frame that the page gets; undefined: whichever comes. */
  pfn: number | undefined;
  basePfn: number;
  softDirty: boolean;
  /** Some of r, w, x. */
  prot: string;
  read: boolean;
  shared: boolean;
  /** memory.max of the process's group in pages. The page tables are made before the process moves there. */
  memcgLimit: number | undefined;
  oom: boolean;
  unstable: boolean;
  secondCpu: boolean;
}

/** One line of values under a step. */
export interface TraceStep {
  /** 1 to 11. */
  step: number;
  heading: string;
  /** The v6.8 function and where it stands. */
  fn: string;
  /** What it protects, or why it is there. */
  why: string;
  values: Record<string, string | number>;
  result: string;
}

const HEADINGS: readonly [heading: string, fn: string, why: string][] = [
  [
    'CALL: do_anonymous_page(vmf)',
    'do_anonymous_page, mm/memory.c:4242',
    'the VMA is held still by mmap_lock or its own lock; nothing else is',
  ],
  [
    'CHECK: pte_alloc (Page Table Existence)',
    'pte_alloc, pmd_install, mm/memory.c:412',
    'the pmd lock and a recheck: two CPUs must not install two tables',
  ],
  [
    'DECISION: Zero Page vs Real Page',
    'do_anonymous_page, mm/memory.c:4265',
    'a read maps the shared zero page; a write needs a page of its own',
  ],
  [
    'PREPARATION: Anon VMA (Reverse Map)',
    'anon_vma_prepare, mm/rmap.c:188',
    'page_table_lock and a recheck: one anon_vma for a VMA',
  ],
  [
    'ALLOCATION: The Physical RAM',
    'alloc_anon_folio, mm/memory.c:4171',
    'may sleep, so no lock is held; a page may be thrown away later',
  ],
  [
    'ACCOUNTING: MemCgroup (Control Groups)',
    'mem_cgroup_charge, mm/memcontrol.c',
    'add first, check afterwards: no two charges share the last page',
  ],
  [
    'LOGIC: Make PTE Entry (The Bits)',
    'mk_pte, pte_mkdirty, pte_mkwrite',
    'after a write barrier: the zeroes are seen before the entry',
  ],
  [
    'LOCK: Critical Section',
    'pte_offset_map_lock, mm/pgtable-generic.c',
    'two CPUs in one PTE table; then all that was believed is looked at again',
  ],
  [
    'INSERTION: Link to VMA',
    'folio_add_new_anon_rmap, folio_add_lru_vma',
    'under the lock the folio is still seen by nobody else',
  ],
  [
    'WRITE: Update Hardware',
    'set_ptes, mm/memory.c:4347',
    'one 64-bit store: from here on the hardware may use the page',
  ],
  ['UNLOCK & RETURN', 'pte_unmap_unlock, mm/memory.c:4353', 'the next CPU in line finds the entry taken'],
];

const FAULT_NAMES: readonly [bit: number, name: string][] = [
  [0x1, 'VM_FAULT_OOM'],
  [0x2, 'VM_FAULT_SIGBUS'],
  [0x40, 'VM_FAULT_SIGSEGV'],
  [0x400, 'VM_FAULT_RETRY'],
];

export function hexOf(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

function entryHex(entry: Entry): string {
  return `0x${entry_value(entry).toString(16).padStart(16, '0')}`;
}

/** Reads the traced machine at a remark. */
export class Tracer {
  readonly steps: TraceStep[] = [];
  readonly entries: string[] = [];
  result = 0;
  private readonly machine: Machine;
  private readonly cpu: Cpu;
  private readonly options: TraceOptions;

  constructor(machine: Machine, cpu: Cpu, options: TraceOptions) {
    this.machine = machine;
    this.cpu = cpu;
    this.options = options;
  }

  private word(at: number): number {
    return this.machine.words[at] ?? 0;
  }

  private add(step: number, values: TraceStep['values'], result: string): void {
    const [heading = '', fn = '', why = ''] = HEADINGS[step - 1] ?? [];
    this.steps.push({ step, heading, fn, why, values, result });
  }

  /** Adds to the step that came last. */
  private more(values: TraceStep['values'], result: string): void {
    const last = this.steps[this.steps.length - 1];
    if (last === undefined) return;
    Object.assign(last.values, values);
    last.result = result;
  }

  /** MM_ANONPAGES, exactly. */
  rss(): number {
    const counter = rss_counter(this.cpu, this.machine.mm, MM_ANONPAGES);
    let sum = this.word(counter + percpu_counter.count);
    for (let id = 0; id < this.cpu.cpus; id++) sum += this.word(counter + percpu_counter.counters + id);
    return sum;
  }

  private folioValues(folio: number): TraceStep['values'] {
    return {
      pfn: hexOf(page_to_pfn(this.cpu, folio)),
      refcount: this.word(folio + page._refcount),
      mapcount: this.word(folio + page._mapcount) + 1,
    };
  }

  private lockValues(vmf: VmFault): TraceStep['values'] {
    if (vmf.ptl === 0) return { ptl: 'none in this locking design' };
    const holder = this.word(vmf.ptl + spinlock.holder) - 1;
    return {
      ptl: hexOf(vmf.ptl),
      lock_word: hexOf(this.word(vmf.ptl)),
      held_by: holder < 0 ? 'nobody' : `CPU ${String(holder)}`,
    };
  }

  /** A remark of the kernel. */
  note(step: Step): void {
    const [first, second] = step.values;
    const vmf = first as VmFault;
    switch (step.note) {
      case 'call':
        this.add(
          1,
          this.callValues(vmf, second as number),
          ((second as number) & VM_SHARED) !== 0
            ? 'VM_SHARED without vm_ops: VM_FAULT_SIGBUS'
            : 'VM_SHARED is clear: private anonymous memory',
        );
        return;
      case 'pte_alloc': {
        const pmd = walkAddress(this.machine, vmf.address).pmd;
        const tables = this.word(this.machine.mm + mm_struct.pgtables_bytes) / PAGE_SIZE;
        this.add(
          2,
          { pmd: hexOf(pmd), tables },
          second === 0 ? '0: there is a page table' : 'no memory for a page table: VM_FAULT_OOM',
        );
        return;
      }
      case 'zero_page':
        this.add(
          3,
          { fault_flag_write: second === true ? 0 : 1 },
          second === true ? 'a read: the zero page will do' : 'a write: a real page is needed',
        );
        return;
      case 'anon_vma_prepare':
        this.add(
          4,
          { anon_vma: hexOf(this.word(vmf.vma + vm_area.anon_vma)) },
          second === 0 ? '0: the VMA has an anon_vma' : 'VM_FAULT_OOM',
        );
        if (this.options.pfn !== undefined)
          finish(kernel.take_pfn_next(new kernel.Cpu(this.machine.memory, 0), this.options.pfn));
        return;
      case 'alloc_anon_folio':
        this.add(
          5,
          second === 0 ? {} : this.folioValues(second as number),
          second === 0 ? 'NULL: VM_FAULT_OOM' : 'a zeroed page, seen by nobody yet',
        );
        return;
      default:
        this.noteAfterAllocation(step, vmf);
    }
  }

  private callValues(vmf: VmFault, vmFlags: number): TraceStep['values'] {
    return {
      address: hexOf(vmf.real_address),
      flags: hexOf(vmf.flags),
      vm_flags: hexOf(vmFlags),
      vma: `${hexOf(this.machine.cpuHere().doubles[(vmf.vma + vm_area.vm_start) >> 1] ?? 0)}-${hexOf(this.machine.cpuHere().doubles[(vmf.vma + vm_area.vm_end) >> 1] ?? 0)}`,
    };
  }

  private noteAfterAllocation(step: Step, vmf: VmFault): void {
    const [, second, third] = step.values;
    switch (step.note) {
      case 'mem_cgroup_charge': {
        const memcg = this.machine.memcg;
        const stock = this.word(this.cpu.area + cpu_area.stock_pages);
        const max = this.word(memcg + mem_cgroup.max);
        const values = {
          charged: this.word((third as number) + page.memcg_data) === memcg ? 1 : 0,
          usage: this.word(memcg + mem_cgroup.usage),
          stock,
          max: max === 0x7fffffff ? 'max' : max,
        };
        this.add(6, values, second === 0 ? '0: charged to the group' : '-ENOMEM: the page goes back, VM_FAULT_OOM');
        return;
      }
      case 'mk_pte':
        this.add(7, {}, '');
        this.entry('mk_pte', second as Entry);
        return;
      case 'zero_pte':
        this.add(7, {}, '');
        this.entry('pte_mkspecial', second as Entry);
        return;
      case 'pte_sw_mkyoung':
      case 'pte_mkdirty':
      case 'pte_mkwrite':
        this.entry(step.note, second as Entry);
        return;
      default:
        this.noteUnderLock(step, vmf);
    }
  }

  private entry(name: string, entry: Entry): void {
    const value = entryHex(entry);
    if (this.entries[this.entries.length - 1] !== value) this.entries.push(value);
    this.more({ [name]: value }, value);
  }

  private noteUnderLock(step: Step, vmf: VmFault): void {
    const [first, second] = step.values;
    switch (step.note) {
      case 'pte_offset_map_lock':
        this.add(
          8,
          vmf.pte === 0 ? {} : { ...this.lockValues(vmf), pte: hexOf(walkAddress(this.machine, vmf.address).pte) },
          vmf.pte === 0 ? 'the table is gone: return 0, fault again' : 'locked, and the pmd is still the same',
        );
        return;
      case 'lost':
        this.more({}, 'pte_none fails: another CPU was faster, the folio goes back, return 0');
        return;
      case 'unstable':
        this.more({}, 'MMF_UNSTABLE: the OOM reaper was here, VM_FAULT_SIGBUS');
        return;
      case 'add_mm_counter':
        this.add(9, { rss: this.rss() }, 'counted');
        return;
      case 'folio_add_new_anon_rmap': {
        const folio = second as number;
        this.more(
          {
            ...this.folioValues(folio),
            mapping: hexOf(this.word(folio + page.mapping)),
            index: hexOf(this.machine.cpuHere().doubles[(folio + page.index) >> 1] ?? 0),
          },
          'mapped once, by this VMA',
        );
        return;
      }
      case 'folio_add_lru_vma':
        this.more(
          {
            refcount: this.word((second as number) + page._refcount),
            lru_batch: this.word(this.cpu.area + cpu_area.lru_add + folio_batch.nr),
          },
          "in this CPU's LRU batch, which holds a reference",
        );
        return;
      case 'set_ptes':
        this.add(10, { pte: hexOf(walkAddress(this.machine, vmf.address).pte) }, 'the mapping is real to the hardware');
        return;
      case 'return':
        this.add(11, this.lockValues(vmf), `return ${faultName(second as number)}`);
        return;
      case 'handle_mm_fault':
        this.result = second as number;
        return;
      default:
        if (first === undefined) return;
    }
  }

  /** Whether this remark is the moment for the second CPU to win: all is prepared, the lock not yet taken. */
  isBeforeLock(step: Step): boolean {
    if (step.note === 'zero_pte') return true;
    const last = this.options.prot.includes('w') ? 'pte_mkwrite' : 'pte_sw_mkyoung';
    return step.note === last;
  }
}

/** `0`, or the names of VM_FAULT_* bits. */
export function faultName(result: number): string {
  const names = FAULT_NAMES.filter(([bit]) => (result & bit) !== 0).map(([, name]) => name);
  return names.length === 0 ? '0' : names.join('|');
}
