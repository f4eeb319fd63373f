// One CPU: its views of the shared machine, and what only it can see.
//
// Nothing here is shared: what two CPUs can see lives in the SharedArrayBuffer. Fields are set once, in the
// constructor, so that the JIT compiler knows their shapes and the hot path reads constants.
import { PAGE_STRUCT_SHIFT, FRAME_SHIFT, cpu_area, header, layout } from './layout.ts';
import type { Layout, Sizes } from './layout.ts';
import type { Processor, Step, StepKind, StoreBuffer, Word } from './memory.ts';
import { trace_buffer_of, trace_header } from './trace-layout.ts';
import type { GuardedEntries, LockingRules } from './mm/design.ts';
import { LOCKING_OWN } from './mm/flags.ts';
import { VmFault } from './mm/vmf.ts';
import { fill_of } from './clear-page.ts';
import type { Fill } from './clear-page.ts';

const YIELD = (): boolean => true;
const NO_VALUES: readonly unknown[] = [];

/** A CPU attached to a machine's buffer. */
export class Cpu implements Processor {
  readonly id: number;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly doubles: Float64Array<SharedArrayBuffer>;
  readonly quads: BigInt64Array<SharedArrayBuffer>;
  /** Converts between the halves of a 64-bit entry and its one-access form. */
  readonly scratch32: Int32Array<ArrayBuffer>;
  readonly scratch64: BigInt64Array<ArrayBuffer>;
  readonly scratchDouble: Float64Array<ArrayBuffer>;
  /** memset of the machine's memory, in bytes. */
  readonly fill: Fill;
  readonly layout: Layout;
  /** First word of this CPU's own area. */
  readonly area: Word;
  readonly lock_stats: Word;
  readonly vm_events: Word;
  readonly tlb: Word;
  readonly mem_map: Word;
  readonly ram: Word;
  readonly base_pfn: number;
  readonly cpus: number;
  /** Bit set: the defence of that number is off (see defences.ts). */
  readonly without: number;
  readonly locking: number;
  /** The locking design where it is the user's own: what it guards now, and what its lock returned. */
  readonly design: LockingRules | undefined;
  readonly guarded: GuardedEntries = { mm: 0, table: 0, first: 0, count: 0 };
  design_taken: unknown = undefined;
  /** Accesses of the design's lock or unlock so far, and when they have lasted too long. */
  design_accesses = 0;
  design_deadline = 0;
  readonly lock: number;
  readonly soft_dirty: boolean;
  /** Whether it measures how long faults, waits and holds last (meter.ts), where, and what it needs for that. */
  readonly metered: boolean;
  readonly meters: Word;
  fault_countdown = 1;
  hold_countdown = 1;
  /** The lock whose hold is being timed (0: none), its class, and since when. */
  timed_lock: Word = 0;
  timed_class = 0;
  timed_since = 0;
  meter_random: number;
  /** Whether it writes down what it does (trace.ts), and where. */
  readonly tracing: boolean;
  readonly trace: Word;
  /** Events that its buffer has room for. */
  readonly trace_events: number;
  /** What to add to this thread's clock for the one that all CPUs share, in nanoseconds. */
  clock_offset = 0;
  /** Number of the operation of its program that it is at. */
  op = 0;
  /** Depth of local_irq_save: no interprocessor interrupt is answered while above 0. */
  irqs_off = 0;
  /** Depth of rcu_read_lock. */
  rcu_nesting = 0;
  /** The fault this CPU handles. */
  readonly vmf: VmFault = new VmFault();
  /** X86_PF_* of the translation that failed last: what the hardware would push. */
  error_code = 0;
  /** Faults in a row that failed for want of memory. */
  oom_retries = 0;
  /** See Processor.step. */
  readonly step: Step;
  /** Who drives the stepped execution hears of every step, and says whether this CPU must yield before it. */
  announce: (step: Step) => boolean = YIELD;
  /** See Processor.store_buffer. */
  store_buffer: StoreBuffer | undefined = undefined;
  /**
   * Whether the explorer drives this CPU: locks are then taken in one step, stores are as late as its memory model says,
   * and RCU callbacks wait for the end of the execution.
   */
  explored = false;
  /** Under the explorer: the class that this CPU last took each lock as, for its release. */
  private readonly lock_classes = new Map<Word, number>();

  /** `design` makes the rules of a machine whose locking design is the user's own. */
  constructor(memory: WebAssembly.Memory, id: number, design?: () => LockingRules) {
    const buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.id = id;
    this.fill = fill_of(memory);
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.doubles = new Float64Array(buffer);
    this.quads = new BigInt64Array(buffer);
    const scratch = new ArrayBuffer(8);
    this.scratch32 = new Int32Array(scratch);
    this.scratch64 = new BigInt64Array(scratch);
    this.scratchDouble = new Float64Array(scratch);
    this.layout = layout(sizes_of(this.words));
    this.area = this.layout.cpu_areas + id * this.layout.cpu_area_words;
    this.lock_stats = this.area + cpu_area.lock_stats;
    this.vm_events = this.area + cpu_area.vm_events;
    this.tlb = this.area + this.layout.tlb;
    this.mem_map = this.layout.mem_map;
    this.ram = this.layout.ram;
    this.base_pfn = this.words[header.base_pfn] ?? 0;
    this.cpus = this.layout.cpus;
    this.without = this.words[header.without] ?? 0;
    this.locking = this.words[header.locking] ?? 0;
    this.design = design?.();
    if ((this.locking === LOCKING_OWN) !== (this.design !== undefined)) {
      throw new Error("Cpu: a machine with a locking design of the user's own, and no other, needs its rules");
    }
    this.lock = this.words[header.lock] ?? 0;
    this.soft_dirty = this.words[header.soft_dirty] === 1;
    this.metered = this.words[header.metered] === 1;
    this.meters = this.area + this.layout.meters;
    this.meter_random = id + 1;
    this.tracing = this.words[trace_header.tracing_on] === 1;
    this.trace_events = this.words[trace_header.events] ?? 0;
    this.trace = trace_buffer_of(this.layout, this.trace_events, id);
    this.step = {
      kind: 'note',
      cpu: id,
      word: 0,
      width: 0,
      operand: 0,
      operand_hi: 0,
      ready: undefined,
      also: 0,
      lock_class: 0,
      holder: 0,
      note: '',
      values: NO_VALUES,
    };
  }

  /** See Processor.about. */
  about(kind: StepKind, word: Word, width = 1, operand = 0, operand_hi = 0): boolean {
    const step = this.step;
    step.kind = kind;
    step.word = word;
    step.width = width;
    step.operand = operand;
    step.operand_hi = operand_hi;
    step.ready = undefined;
    step.also = 0;
    return this.announce(step);
  }

  /** See Processor.about_wait. `also`, if given, is a word that ends the wait as well. */
  about_wait(kind: StepKind, word: Word, ready: (value: number) => boolean, also: Word = 0): boolean {
    const step = this.step;
    step.kind = kind;
    step.word = word;
    step.width = 1;
    step.ready = ready;
    step.also = also;
    step.lock_class = 0;
    step.holder = 0;
    return this.announce(step);
  }

  /**
   * Announces a step that takes a lock, or waits for what one stands for: as about_wait, with its class and where its
   * holder is written (0: nowhere). `free` is the value of a spinlock that nobody holds.
   */
  about_lock(
    kind: StepKind,
    lock: Word,
    ready: ((value: number) => boolean) | undefined,
    lock_class: number,
    holder: Word,
    also: Word = 0,
    free = 0,
  ): boolean {
    const step = this.step;
    step.kind = kind;
    step.word = lock;
    step.width = 1;
    step.operand = free;
    step.ready = ready;
    step.also = also;
    step.lock_class = lock_class;
    step.holder = holder;
    this.lock_classes.set(lock, lock_class);
    return this.announce(step);
  }

  /** Announces a lock's release. A release does not say what class its lock is of: it is that of the taking before it. */
  about_unlock(kind: StepKind, lock: Word): boolean {
    return this.about_lock(kind, lock, undefined, this.lock_classes.get(lock) ?? 0, 0);
  }

  /** A remark for whoever drives the stepped execution; not an access, and nothing in the direct one. */
  note(note: string, ...values: readonly unknown[]): boolean {
    const step = this.step;
    step.kind = 'note';
    step.word = 0;
    step.width = 0;
    step.ready = undefined;
    step.also = 0;
    step.note = note;
    step.values = values;
    return this.announce(step);
  }
}

/** The sizes a buffer was laid out for, from its header. */
export function sizes_of(words: Int32Array<SharedArrayBuffer>): Sizes {
  return {
    cpus: words[header.cpus] ?? 0,
    frames: words[header.frames] ?? 0,
    max_vmas: words[header.max_vmas] ?? 0,
    max_mms: words[header.max_mms] ?? 0,
    max_memcgs: words[header.max_memcgs] ?? 0,
    maple_nodes: words[header.maple_nodes] ?? 0,
    design_words: words[header.design_words] ?? 0,
  };
}

/** The area of CPU `id`. */
export function cpu_area_of(cpu: Cpu, id: number): Word {
  return cpu.layout.cpu_areas + id * cpu.layout.cpu_area_words;
}

/** Counts an event of this CPU (count_vm_event). @inline */
export function count_vm_event(cpu: Cpu, event: number): void {
  cpu.words[cpu.vm_events + event]! += 1;
}

/** How many such events this CPU has counted. @inline */
export function vm_event(cpu: Cpu, event: number): number {
  return cpu.words[cpu.vm_events + event]!;
}

/** Counts `delta` events of this CPU. @inline */
export function count_vm_events(cpu: Cpu, event: number, delta: number): void {
  cpu.words[cpu.vm_events + event]! += delta;
}

/** Counts for a lock class (lock_stat field `what`; LOCK_STAT_WORDS is 4). @inline */
export function count_lock(cpu: Cpu, lock_class: number, what: number, delta: number): void {
  cpu.words[cpu.lock_stats + (lock_class << 2) + what]! += delta;
}

/** page_to_pfn. */
export function page_to_pfn(cpu: Cpu, page: Word): number {
  return cpu.base_pfn + ((page - cpu.mem_map) >> PAGE_STRUCT_SHIFT);
}

/** pfn_to_page. The caller knows that the frame exists. */
export function pfn_to_page(cpu: Cpu, pfn: number): Word {
  return cpu.mem_map + ((pfn - cpu.base_pfn) << PAGE_STRUCT_SHIFT);
}

/** page_address: the first word of the page's frame in RAM. */
export function page_address(cpu: Cpu, page: Word): Word {
  return cpu.ram + (((page - cpu.mem_map) >> PAGE_STRUCT_SHIFT) << FRAME_SHIFT);
}

/** virt_to_page: the struct page of the frame that a word of RAM lies in. */
export function virt_to_page(cpu: Cpu, word: Word): Word {
  return cpu.mem_map + (((word - cpu.ram) >> FRAME_SHIFT) << PAGE_STRUCT_SHIFT);
}
