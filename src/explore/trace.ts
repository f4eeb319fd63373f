// The events of the execution under way, with their happens-before clocks: what the reduction reasons about.
//
// Event i has a vector clock of `width` entries; entry q is how many steps of proc q happened before it or are it. Two
// events are ordered by program order, by depending accesses of one word, and by what a store buffer imposes. Events
// come and go at the end, as a depth-first search goes on and back.
import type { StepKind } from '../kernel/memory.ts';
import type { Execution, TakenStep } from './execution.ts';
import { ADD, READ, WRITE, changes, classOf, classesConflict, deltaOf } from './footprint.ts';
import type { Footprint } from './footprint.ts';
import { pendingStep } from './race.ts';
import type { PendingStep, Race } from './race.ts';
import { EventColumns } from './event-columns.ts';
import { waitsFor } from './store-buffers.ts';

/** Words wider than this (a page, not an entry) are kept in a list of their own. */
const CHAINED_WIDTH = 2;

/** The events of one execution. */
export class Trace extends EventColumns {
  length = 0;
  /** Races that end in events since the last `takeRaces`. */
  private races: Race[] = [];
  private readonly kinds: StepKind[] = [];
  /** Last event on a word; -1 none. */
  private readonly head: Int32Array<ArrayBuffer>;
  private readonly wide: number[] = [];
  /** Events of each proc. */
  private readonly ofProc: number[][];
  private readonly execution: Execution;
  /** Scratch: the clock being computed, and the latest conflicting event of each proc. */
  private readonly base: Int32Array<ArrayBuffer>;
  private readonly latest: number[] = [];

  constructor(execution: Execution, width: number) {
    super(width);
    this.execution = execution;
    this.base = new Int32Array(width);
    this.head = new Int32Array(execution.words.length).fill(-1);
    this.ofProc = Array.from({ length: width }, () => []);
  }

  /** The footprint of an event. */
  footprint(event: number): Footprint {
    return {
      proc: this.proc[event]!,
      cls: this.cls[event]!,
      word: this.word[event]!,
      width: this.size[event]!,
      also: this.also[event]!,
    };
  }

  /** Whether an event depends on a step, program order aside. */
  conflicts(event: number, step: Footprint): boolean {
    const from = this.word[event]!;
    const to = from + this.size[event]!;
    const cls = this.cls[event]!;
    if (from < step.word + step.width && step.word < to && classesConflict(cls, step.cls)) return true;
    if (step.also !== 0 && cls !== READ && from <= step.also && step.also < to) return true;
    return changes(step, this.also[event]!);
  }

  kindOf(event: number): StepKind {
    return this.kinds[event]!;
  }

  /** Whether event `a` happened before event `b` (or is it). */
  happensBefore(a: number, b: number): boolean {
    return this.clock[b * this.width + this.proc[a]!]! >= this.index[a]!;
  }

  /** Whether the event at `at` is the step that was just taken: a program must do the same under the same schedule. */
  matches(at: number, taken: TakenStep): boolean {
    return (
      this.proc[at] === taken.proc &&
      this.word[at] === taken.word &&
      this.size[at] === taken.width &&
      this.kinds[at] === taken.kind &&
      this.old[at] === taken.value
    );
  }

  /** Appends the step that was just taken, and finds the races it ends. */
  push(taken: TakenStep): void {
    const event = this.length;
    if (event === this.capacity) this.grow();
    const { proc } = taken;
    this.proc[event] = proc;
    this.cls[event] = taken.cls;
    this.word[event] = taken.word;
    this.size[event] = taken.width;
    this.old[event] = taken.value;
    this.oldHi[event] = taken.valueHi;
    this.operand[event] = taken.operand;
    this.operandHi[event] = taken.operandHi;
    this.also[event] = taken.also;
    this.alsoValue[event] = taken.alsoValue;
    this.storeSeq[event] = taken.store === undefined ? -1 : taken.store.seq;
    this.kinds[event] = taken.kind;
    this.setBase(taken);
    this.basis.set(this.base, event * this.width);
    const own = this.ofProc[proc]!;
    this.index[event] = own.length + 1;
    this.findRaces(event, proc, taken);
    own.push(event);
    this.length = event + 1;
    this.link(event);
    // The clock: what came before by itself, and every depending access before it.
    const { base, width, clock } = this;
    for (const other of this.latest) this.join(other);
    base[proc] = own.length;
    clock.set(base, event * width);
  }

  /** Takes the last event away again. */
  pop(): void {
    const event = --this.length;
    this.ofProc[this.proc[event]!]!.pop();
    this.unlink(event);
  }

  /** Races found since the last call, those of CPUs that wait at the end included if it is the end. */
  takeRaces(atEnd: boolean): readonly Race[] {
    if (atEnd) this.findWaitingRaces();
    const found = this.races;
    this.races = [];
    return found;
  }

  private join(event: number): void {
    const { base, width, clock } = this;
    const at = event * width;
    for (let q = 0; q < width; q++) if (clock[at + q]! > base[q]!) base[q] = clock[at + q]!;
  }

  /** What happened before a step by program order and by its store buffer, before any access is looked at. */
  private setBase(taken: TakenStep): void {
    const { proc, store } = taken;
    this.setBaseOfProc(proc);
    const { execution } = this;
    if (store !== undefined) {
      const cpu = execution.cpuOf(proc);
      const issued = this.ofProc[cpu]![store.turn - 1];
      if (issued !== undefined) this.join(issued);
      if (store.after > 0) this.joinDrains(cpu, (event) => this.storeSeq[event]! < store.after);
      return;
    }
    if (execution.model === 'sc') return;
    const waited = waitsFor(taken.kind, execution.model);
    if (waited === 'all') this.joinDrains(proc, () => true);
    else if (waited === 'own') {
      const { word, width } = taken;
      this.joinDrains(
        proc,
        (event) => this.word[event]! < word + width && word < this.word[event]! + this.size[event]!,
      );
    }
  }

  private setBaseOfProc(proc: number): void {
    this.base.fill(0);
    const own = this.ofProc[proc]!;
    const last = own[own.length - 1];
    if (last !== undefined) this.join(last);
  }

  /** Joins the last stores of a CPU that went out, of those that `counts`. */
  private joinDrains(cpu: number, counts: (event: number) => boolean): void {
    for (let q = this.execution.cpus; q < this.execution.procs; q++) {
      if (this.execution.cpuOf(q) !== cpu) continue;
      const last = this.ofProc[q]!.findLast(counts);
      if (last !== undefined) this.join(last);
    }
  }

  /** Latest event of each other proc that a step depends on, by word chains and wide events; fills `latest`. */
  private collect(proc: number, step: PendingStep): void {
    const { latest } = this;
    latest.length = 0;
    if (step.width > CHAINED_WIDTH) {
      for (let f = this.length - 1; f >= 0; f--) if (this.conflicts(f, step)) this.consider(f, proc);
      return;
    }
    for (let w = step.word; w < step.word + step.width; w++) this.collectOnWord(w, proc, step.cls);
    if (step.also !== 0) this.collectOnWord(step.also, proc, READ);
    for (const f of this.wide) if (this.conflicts(f, step)) this.consider(f, proc);
  }

  private collectOnWord(word: number, proc: number, cls: number): void {
    for (let f = this.head[word]!; f >= 0; f = this.previousOn(f, word)) {
      const other = this.classOn(f, word);
      if (classesConflict(other, cls)) this.consider(f, proc);
      // Everything before a write on this word happened before that write.
      if (other === WRITE) return;
    }
  }

  private consider(f: number, proc: number): void {
    const q = this.proc[f]!;
    if (q === proc) return;
    const { latest } = this;
    for (let i = 0; i < latest.length; i++) {
      const other = latest[i]!;
      if (this.proc[other] === q) {
        if (other < f) latest[i] = f;
        return;
      }
    }
    latest.push(f);
  }

  private previousOn(event: number, word: number): number {
    if (word !== 0 && this.also[event] === word) return this.beforeAlso[event]!;
    return this.word[event] === word ? this.before0[event]! : this.before1[event]!;
  }

  /** The class that an event has on one of its words. */
  private classOn(event: number, word: number): number {
    return word !== 0 && this.also[event] === word ? READ : this.cls[event]!;
  }

  /** Races between the new step and the events it depends on directly. */
  private findRaces(event: number, proc: number, step: PendingStep): void {
    this.collect(proc, step);
    const { latest, base, width, clock } = this;
    for (const f of latest) {
      const q = this.proc[f]!;
      if (base[q]! >= this.index[f]!) continue;
      // Only what is not ordered through another of them is adjacent.
      if (latest.some((g) => g !== f && clock[g * width + q]! >= this.index[f]!)) continue;
      this.addRace(f, event, proc, step);
    }
  }

  /** Adds the race of `f` and the step, or, where the step would have to wait before `f` as well, one further back. */
  private addRace(f: number, later: number, proc: number, step: PendingStep): void {
    const { execution } = this;
    // Stores of one CPU to overlapping words keep their order.
    if (proc >= execution.cpus && this.proc[f]! >= execution.cpus) {
      if (execution.cpuOf(proc) === execution.cpuOf(this.proc[f]!)) return;
    }
    if (step.ready === undefined) {
      this.races.push({ earlier: f, later, proc, footprint: this.reversed(f, proc, step) });
      return;
    }
    for (let g = f; g >= 0; g = this.previousDependent(g, step)) {
      const q = this.proc[g]!;
      if (q === proc || this.base[q]! >= this.index[g]!) return;
      if (this.couldGoBefore(g, step)) {
        this.races.push({ earlier: g, later, proc, footprint: this.reversed(g, proc, step) });
        return;
      }
    }
  }

  /** The last event before `g` that the step depends on. */
  private previousDependent(g: number, step: PendingStep): number {
    if (step.also !== 0) {
      for (let f = g - 1; f >= 0; f--) if (this.conflicts(f, step)) return f;
      return -1;
    }
    const chained =
      this.size[g]! <= CHAINED_WIDTH && this.word[g]! <= step.word && step.word < this.word[g]! + this.size[g]!;
    if (chained) {
      for (let f = this.previousOn(g, step.word); f >= 0; f = this.previousOn(f, step.word)) {
        if (classesConflict(this.classOn(f, step.word), step.cls)) return f;
      }
      return -1;
    }
    for (let f = g - 1; f >= 0; f--) if (this.conflicts(f, step)) return f;
    return -1;
  }

  /** Whether the step could be taken just before event `g`, with all that does not depend on `g` done. */
  private couldGoBefore(g: number, step: PendingStep): boolean {
    if (step.also !== 0 && this.valueWithout(g, step.also, step.alsoValue) !== 0) return true;
    return step.ready === undefined || step.ready(this.valueWithout(g, step.word, step.value));
  }

  /** What a word that holds `now` would hold with event `g` and all that happened after it undone. */
  private valueWithout(g: number, word: number, now: number): number {
    const q = this.proc[g]!;
    const index = this.index[g]!;
    let value = now;
    for (let f = this.head[word]!; f >= g; f = this.previousOn(f, word)) {
      if (this.clock[f * this.width + q]! < index) continue;
      const cls = this.classOn(f, word);
      if (cls === WRITE) value = this.old[f]!;
      else if (cls === ADD) value -= deltaOf(this.kindOf(f), this.operand[f]!);
    }
    return value;
  }

  /** The step's footprint where it goes before event `g`: a cmpxchg may find then what it did not find now. */
  private reversed(g: number, proc: number, step: PendingStep): Footprint {
    const { kind, word, width } = step;
    const operation = { kind, width, operand: step.operand, operand_hi: step.operandHi };
    let { cls } = step;
    if (step.ready !== undefined) {
      // What an interrupt ended here may end there by what it waited for, and take the lock.
      const woken = step.also !== 0 && !step.ready(this.valueWithout(g, word, step.value));
      cls = woken ? READ : classOf(operation, step.value, step.valueHi, true);
    } else if (kind === 'cmpxchg' || kind === 'trylock' || kind === 'read-trylock') {
      const found = this.size[g]! <= CHAINED_WIDTH;
      const value = found ? this.valueWithout(g, word, step.value) : step.value;
      const valueHi = width === 2 && this.cls[g] === WRITE && this.word[g] === word ? this.oldHi[g]! : step.valueHi;
      cls = classOf(operation, value, valueHi, value === step.operand);
    }
    return { proc, cls, word, width, also: step.also };
  }

  /** At the end: a CPU that waits might have gone on, had it come earlier. */
  private findWaitingRaces(): void {
    const { execution } = this;
    for (let p = 0; p < execution.cpus; p++) {
      if (!execution.isAlive(p) || execution.isEnabled(p)) continue;
      const pending = pendingStep(execution, p);
      this.setBaseOfProc(p);
      this.collect(p, pending);
      for (const f of [...this.latest]) this.addRace(f, -1, p, pending);
    }
  }

  /**
   * The steps to take from before the earlier event in order to reverse a race: all later events that do not depend on
   * the earlier one, then the later step itself (as -1). `before` receives what happened before the later step.
   */
  reversal(race: Race, before: Int32Array): number[] {
    const { earlier, later } = race;
    const q = this.proc[earlier]!;
    const index = this.index[earlier]!;
    const steps: number[] = [];
    for (let f = earlier + 1; f < this.length; f++) {
      if (f !== later && this.clock[f * this.width + q]! < index) steps.push(f);
    }
    steps.push(-1);
    if (later < 0) this.setBaseOfProc(race.proc);
    else this.base.set(this.basis.subarray(later * this.width, (later + 1) * this.width));
    before.set(this.base);
    return steps;
  }

  private link(event: number): void {
    const width = this.size[event]!;
    const also = this.also[event]!;
    if (also !== 0) {
      this.beforeAlso[event] = this.head[also]!;
      this.head[also] = event;
    }
    if (width > CHAINED_WIDTH) {
      this.wide.push(event);
      return;
    }
    const word = this.word[event]!;
    if (width > 0) {
      this.before0[event] = this.head[word]!;
      this.head[word] = event;
    }
    if (width > 1) {
      this.before1[event] = this.head[word + 1]!;
      this.head[word + 1] = event;
    }
  }

  private unlink(event: number): void {
    const width = this.size[event]!;
    const also = this.also[event]!;
    if (also !== 0) this.head[also] = this.beforeAlso[event]!;
    if (width > CHAINED_WIDTH) {
      this.wide.pop();
      return;
    }
    const word = this.word[event]!;
    if (width > 1) this.head[word + 1] = this.before1[event]!;
    if (width > 0) this.head[word] = this.before0[event]!;
  }
}
