// A CPU for programs of one's own: nothing but views of a small shared memory, and someone to announce steps to.
import type { Processor, Step, StepKind, StoreBuffer, Word } from '../kernel/memory.ts';
import type { SteppedCpu } from './subject.ts';

const YIELD = (): boolean => true;
const NO_VALUES: readonly unknown[] = [];

/** A step object with nothing in it. */
function emptyStep(cpu: number): Step {
  return {
    kind: 'note',
    cpu,
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

/** A thread of a program over words. */
export class ThreadCpu implements Processor, SteppedCpu {
  readonly id: number;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly doubles: Float64Array<SharedArrayBuffer>;
  readonly quads: BigInt64Array<SharedArrayBuffer>;
  readonly scratch32: Int32Array<ArrayBuffer>;
  readonly scratch64: BigInt64Array<ArrayBuffer>;
  readonly scratchDouble: Float64Array<ArrayBuffer>;
  readonly step: Step;
  store_buffer: StoreBuffer | undefined = undefined;
  announce: (step: Step) => boolean = YIELD;

  constructor(memory: SharedArrayBuffer, id: number) {
    this.id = id;
    this.words = new Int32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.doubles = new Float64Array(memory);
    this.quads = new BigInt64Array(memory);
    const scratch = new ArrayBuffer(8);
    this.scratch32 = new Int32Array(scratch);
    this.scratch64 = new BigInt64Array(scratch);
    this.scratchDouble = new Float64Array(scratch);
    this.step = emptyStep(id);
  }

  fill(at: number, value: number, count: number): void {
    this.bytes.fill(value, at, at + count);
  }

  about(kind: StepKind, word: Word, width = 1, operand = 0, operandHi = 0): boolean {
    const step = this.step;
    step.kind = kind;
    step.word = word;
    step.width = width;
    step.operand = operand;
    step.operand_hi = operandHi;
    step.ready = undefined;
    step.also = 0;
    return this.announce(step);
  }

  about_wait(kind: StepKind, word: Word, ready: (value: number) => boolean): boolean {
    const step = this.step;
    step.kind = kind;
    step.word = word;
    step.width = 1;
    step.operand = 0;
    step.operand_hi = 0;
    step.ready = ready;
    step.also = 0;
    return this.announce(step);
  }
}
