// Setting a machine's memory back between executions, and telling the ends of executions apart.
//
// Below RAM, all but the log and what mmu_gathers left behind is set back by a few copies. A frame of RAM is set back if it was written: every store to RAM is announced
// as a step of a writing kind by its CPU, in the same execution, before a store buffer may hold it back; kernel code
// that writes without a step (local_write) does so below RAM only.
import { Cpu } from '../kernel/cpu.ts';
import { DMESG_RECORDS, DMESG_RECORD_WORDS, FRAME_SHIFT, FRAME_WORDS, header } from '../kernel/layout.ts';
import type { Layout } from '../kernel/layout.ts';
import type { LockingRules } from '../kernel/mm/design.ts';
import type { StepKind } from '../kernel/memory.ts';

/** A CPU that the explorer drives: notes the frames it writes to. */
export class ExploredCpu extends Cpu {
  private readonly dirty: Uint8Array;

  constructor(memory: WebAssembly.Memory, id: number, dirty: Uint8Array, rules?: () => LockingRules) {
    super(memory, id, rules);
    this.explored = true;
    this.dirty = dirty;
  }

  override about(kind: StepKind, word: number, width = 1, operand = 0, operandHi = 0): boolean {
    if (word >= this.ram && kind !== 'hw-read' && kind !== 'read' && kind !== 'plain-read') {
      // No access crosses the end of a frame.
      this.dirty[(word - this.ram) >> FRAME_SHIFT] = 1;
    }
    return super.about(kind, word, width, operand, operandHi);
  }

  /** As it is before its first step: what only this CPU knows is forgotten. */
  reset(): void {
    this.irqs_off = 0;
    this.rcu_nesting = 0;
    this.error_code = 0;
    this.oom_retries = 0;
  }
}

/** Words from one to before another. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** The memory of a machine as it was when this was made. */
export class KernelImage {
  /** Frames that were written since the last `restore`: 1. */
  readonly dirty: Uint8Array;
  private readonly words: Int32Array<SharedArrayBuffer>;
  private readonly layout: Layout;
  private readonly initial: Int32Array<ArrayBuffer>;
  /** Words below RAM that an end state is told by. */
  private readonly told: readonly Range[];

  constructor(words: Int32Array<SharedArrayBuffer>, layout: Layout) {
    this.words = words;
    this.layout = layout;
    this.initial = Int32Array.from(words);
    this.dirty = new Uint8Array(layout.frames);
    this.told = toldRanges(layout);
  }

  /** Sets the memory back; what an mmu_gather left behind stays, since every gather begins by forgetting it. */
  restore(): void {
    const { words, initial, dirty } = this;
    const { ram, dmesg } = this.layout;
    const logged = Math.min(words[header.dmesg_next]!, DMESG_RECORDS);
    words.set(initial.subarray(dmesg, dmesg + logged * DMESG_RECORD_WORDS), dmesg);
    for (const { from, to } of this.told) words.set(initial.subarray(from, to), from);
    words[header.clock] = initial[header.clock]!;
    for (let frame = dirty.indexOf(1); frame >= 0; frame = dirty.indexOf(1, frame + 1)) {
      const from = ram + (frame << FRAME_SHIFT);
      words.set(initial.subarray(from, from + FRAME_WORDS), from);
      dirty[frame] = 0;
    }
  }

  /**
   * A digest of what is not as it was: the same for equal memories, whatever order the kernel log was written in, and
   * whatever the time.
   */
  digest(): string {
    const hash = new Hash();
    for (const { from, to } of this.told) this.addChanges(hash, from, to);
    const { dirty } = this;
    for (let frame = dirty.indexOf(1); frame >= 0; frame = dirty.indexOf(1, frame + 1)) {
      const from = this.layout.ram + (frame << FRAME_SHIFT);
      this.addChanges(hash, from, from + FRAME_WORDS);
    }
    this.addLog(hash);
    return hash.text();
  }

  private addChanges(hash: Hash, from: number, to: number): void {
    const { words, initial } = this;
    let at = from;
    // Hardly any word has changed: eight at once, with one branch.
    for (; at + 8 <= to; at += 8) {
      const low = (words[at]! ^ initial[at]!) | (words[at + 1]! ^ initial[at + 1]!);
      const middle = (words[at + 2]! ^ initial[at + 2]!) | (words[at + 3]! ^ initial[at + 3]!);
      const high = (words[at + 4]! ^ initial[at + 4]!) | (words[at + 5]! ^ initial[at + 5]!);
      const top = (words[at + 6]! ^ initial[at + 6]!) | (words[at + 7]! ^ initial[at + 7]!);
      if ((low | middle | high | top) !== 0) this.addChangesOneByOne(hash, at, at + 8);
    }
    this.addChangesOneByOne(hash, at, to);
  }

  private addChangesOneByOne(hash: Hash, from: number, to: number): void {
    const { words, initial } = this;
    for (let i = from; i < to; i++) {
      const word = words[i]!;
      if (word !== initial[i]) hash.add(i, word);
    }
  }

  /** Records of the kernel log in the order of their contents. */
  private addLog(hash: Hash): void {
    const { words } = this;
    const count = Math.min(words[header.dmesg_next]!, DMESG_RECORDS);
    const records: string[] = [];
    for (let n = 0; n < count; n++) {
      const at = this.layout.dmesg + n * DMESG_RECORD_WORDS;
      records.push(words.subarray(at, at + DMESG_RECORD_WORDS).join());
    }
    for (const record of records.sort()) for (const char of record) hash.add(0, char.charCodeAt(0));
  }
}

/** All below RAM but the clock, the log, and what mmu_gathers left behind. */
function toldRanges(layout: Layout): Range[] {
  const ranges: Range[] = [
    { from: 0, to: header.clock },
    { from: header.clock + 1, to: layout.dmesg },
    { from: layout.zones, to: layout.cpu_areas },
  ];
  for (let id = 0; id < layout.cpus; id++) {
    const area = layout.cpu_areas + id * layout.cpu_area_words;
    ranges.push({ from: area, to: area + layout.gather });
    ranges.push({ from: area + layout.rcu_callbacks, to: area + layout.cpu_area_words });
  }
  ranges.push({ from: layout.mem_map, to: layout.ram });
  return ranges;
}

/** 64 bits of digest, in two halves that are mixed differently. */
export class Hash {
  private a = 0x811c9dc5 | 0;
  private b = 0x2545f491 | 0;

  add(place: number, value: number): void {
    const x = Math.imul(value ^ (place << 16) ^ (place >>> 16), 0x85ebca6b);
    this.a = Math.imul(this.a ^ x ^ (x >>> 13), 0x9e3779b1);
    this.a ^= this.a >>> 15;
    this.b = (Math.imul(this.b, 0x27d4eb2f) + value) ^ place;
    this.b = (this.b << 7) | (this.b >>> 25);
  }

  /** A double, bit for bit where it is an integer below 2^53. */
  addNumber(value: number): void {
    this.add(value | 0, Math.floor(value / 0x100000000) | 0);
  }

  text(): string {
    return (this.a >>> 0).toString(16).padStart(8, '0') + (this.b >>> 0).toString(16).padStart(8, '0');
  }
}
