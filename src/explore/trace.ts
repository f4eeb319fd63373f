// The events of the execution under way, with their happens-before clocks: what the reduction reasons about.
//
// Event i has a vector clock of `width` entries; entry q is how many steps of proc q happened before it or are it. Two
// events are ordered by program order, by depending accesses of one word, and by what a store buffer imposes. Events
// come and go at the end, as a depth-first search goes on and back.
import type { StepKind } from '../kernel/memory.ts';
import {
  ALSO_VALUE,
  BEFORE0,
  BEFORE1,
  BEFORE_ALSO,
  EventTable,
  INDEX,
  OLD,
  OLD_HI,
  OPERAND,
  OPERAND_HI,
  PREVIOUS,
  STORE_SEQ,
} from './event-table.ts';
import type { Execution, TakenStep } from './execution.ts';
import {
  ADD,
  ALSO,
  CLS,
  FOOTPRINT_FIELDS,
  PROC,
  READ,
  SIZE,
  WORD,
  WRITE,
  changes,
  classOf,
  classesConflict,
  deltaOf,
  footprintAt,
  rowsConflict,
} from './footprint.ts';
import type { Footprint } from './footprint.ts';
import { pendingStep } from './race.ts';
import type { PendingStep, Race } from './race.ts';
import { waitsFor } from './store-buffers.ts';

/** Words wider than this (a page, not an entry) are kept in a list of their own. */
const CHAINED_WIDTH = 2;

/** The events of one execution. */
export class Trace extends EventTable {
  length = 0;
  /** Races that end in events since the last `takeRaces`. */
  private races: Race[] = [];
  private readonly kinds: StepKind[] = [];
  /** Last event on a word; -1 none. */
  private readonly head: Int32Array<ArrayBuffer>;
  private readonly wide: number[] = [];
  /** Last event of each proc; -1: none. */
  private readonly lastOf: Int32Array<ArrayBuffer>;
  private readonly execution: Execution;
  private readonly isWeak: boolean;
  /** Where the clock lies that a step has by program order and its store buffer alone. */
  private basis = 0;
  /** The latest conflicting event of each proc. */
  private readonly latest: Int32Array<ArrayBuffer>;
  private latestCount = 0;

  constructor(execution: Execution, width: number) {
    super(width, execution.model !== 'sc');
    this.execution = execution;
    this.isWeak = execution.model !== 'sc';
    this.latest = new Int32Array(width);
    this.lastOf = new Int32Array(width).fill(-1);
    this.head = new Int32Array(execution.words.length).fill(-1);
  }

  /** The proc of an event. */
  procOf(event: number): number {
    return this.rows[this.rowAt(event) + PROC]!;
  }

  /** The footprint of an event. */
  footprint(event: number): Footprint {
    return footprintAt(this.rows, this.rowAt(event));
  }

  /** Puts the footprint of an event into a row at `to` of `into`. */
  copyFootprint(event: number, into: Int32Array, to: number): void {
    const { rows } = this;
    const at = this.rowAt(event);
    for (let field = 0; field < FOOTPRINT_FIELDS; field++) into[to + field] = rows[at + field]!;
  }

  /** Whether an event depends on the step whose footprint is the row at `to` of `other`, program order aside. */
  conflictsWithRow(event: number, other: Int32Array, to: number): boolean {
    return rowsConflict(this.rows, this.rowAt(event), other, to);
  }

  /** Whether an event depends on a step, program order aside. */
  conflicts(event: number, step: Footprint): boolean {
    const { rows } = this;
    const at = this.rowAt(event);
    const from = rows[at + WORD]!;
    const to = from + rows[at + SIZE]!;
    const cls = rows[at + CLS]!;
    if (from < step.word + step.width && step.word < to && classesConflict(cls, step.cls)) return true;
    if (step.also !== 0 && cls !== READ && from <= step.also && step.also < to) return true;
    const also = rows[at + ALSO]!;
    return also !== 0 && changes(step, also);
  }

  kindOf(event: number): StepKind {
    return this.kinds[event]!;
  }

  /** Whether event `a` happened before event `b` (or is it). */
  happensBefore(a: number, b: number): boolean {
    const at = this.rowAt(a);
    return this.clocks[this.clockAt(b) + this.rows[at + PROC]!]! >= this.rows[at + INDEX]!;
  }

  /** Whether the event at `at` is the step that was just taken: a program must do the same under the same schedule. */
  matches(event: number, taken: TakenStep): boolean {
    const { rows } = this;
    const at = this.rowAt(event);
    return (
      rows[at + PROC] === taken.proc &&
      rows[at + WORD] === taken.word &&
      rows[at + SIZE] === taken.width &&
      this.kinds[event] === taken.kind &&
      rows[at + OLD] === taken.value
    );
  }

  /** Appends the step that was just taken, and finds the races it ends. */
  push(taken: TakenStep): void {
    const event = this.length;
    this.makeRoom(event);
    const { proc } = taken;
    const { rows, lastOf } = this;
    const at = this.rowAt(event);
    const previous = lastOf[proc]!;
    const index = previous < 0 ? 1 : rows[this.rowAt(previous) + INDEX]! + 1;
    rows[at + PROC] = proc;
    rows[at + CLS] = taken.cls;
    rows[at + WORD] = taken.word;
    rows[at + SIZE] = taken.width;
    rows[at + INDEX] = index;
    rows[at + OLD] = taken.value;
    rows[at + OLD_HI] = taken.valueHi;
    rows[at + OPERAND] = taken.operand;
    rows[at + OPERAND_HI] = taken.operandHi;
    rows[at + ALSO] = taken.also;
    rows[at + ALSO_VALUE] = taken.alsoValue;
    rows[at + STORE_SEQ] = taken.store === undefined ? -1 : taken.store.seq;
    rows[at + PREVIOUS] = previous;
    this.kinds[event] = taken.kind;
    this.basis = this.isWeak ? this.weakBasis(event, taken) : this.basisOfProc(proc);
    this.collect(proc, taken);
    if (this.latestCount > 0) this.findRaces(event, proc, taken);
    this.length = event + 1;
    lastOf[proc] = event;
    this.link(event);
    this.setClock(event, proc, index);
  }

  /** An event's clock: what came before by itself, and every depending access before it. */
  private setClock(event: number, proc: number, index: number): void {
    const { clocks, width, basis, latest, latestCount } = this;
    const clock = this.clockAt(event);
    for (let q = 0; q < width; q++) clocks[clock + q] = clocks[basis + q]!;
    for (let i = 0; i < latestCount; i++) this.join(clock, latest[i]!);
    clocks[clock + proc] = index;
  }

  /** Takes the last event away again. */
  pop(): void {
    const event = --this.length;
    const at = this.rowAt(event);
    this.lastOf[this.rows[at + PROC]!] = this.rows[at + PREVIOUS]!;
    this.unlink(event);
  }

  /** Races found since the last `takeRaces`. */
  get foundRaces(): readonly Race[] {
    return this.races;
  }

  /** Races found since the last call, those of CPUs that wait at the end included if it is the end. */
  takeRaces(atEnd: boolean): readonly Race[] {
    if (atEnd) this.findWaitingRaces();
    const found = this.races;
    this.races = [];
    return found;
  }

  /** Joins an event's clock into the one that begins at `clock`. */
  private join(clock: number, event: number): void {
    const { clocks, width } = this;
    const from = this.clockAt(event);
    for (let q = 0; q < width; q++) if (clocks[from + q]! > clocks[clock + q]!) clocks[clock + q] = clocks[from + q]!;
  }

  /** Where the clock of a proc's last event lies; before its first step nothing happened. */
  private basisOfProc(proc: number): number {
    const last = this.lastOf[proc]!;
    return last < 0 ? 0 : this.clockAt(last);
  }

  /** Works out what happened before an event by program order and by its store buffer; where that lies. */
  private weakBasis(event: number, taken: TakenStep): number {
    const { proc, store } = taken;
    const { clocks, width, execution, rows } = this;
    const basis = this.clockAt(event) - width;
    const own = this.basisOfProc(proc);
    for (let q = 0; q < width; q++) clocks[basis + q] = clocks[own + q]!;
    if (store !== undefined) {
      const cpu = execution.cpuOf(proc);
      const issued = this.eventOf(cpu, store.turn);
      if (issued >= 0) this.join(basis, issued);
      if (store.after > 0) {
        this.joinDrains(basis, cpu, (drain) => rows[this.rowAt(drain) + STORE_SEQ]! < store.after);
      }
      return basis;
    }
    const waited = waitsFor(taken.kind, execution.model);
    if (waited === 'all') this.joinDrains(basis, proc, () => true);
    else if (waited === 'own') {
      const end = taken.word + taken.width;
      this.joinDrains(basis, proc, (drain) => {
        const at = this.rowAt(drain);
        return rows[at + WORD]! < end && taken.word < rows[at + WORD]! + rows[at + SIZE]!;
      });
    }
    return basis;
  }

  /** The event that is a proc's step number `index`, from 1; -1: it is none. */
  private eventOf(proc: number, index: number): number {
    for (let f = this.lastOf[proc]!; f >= 0; f = this.get(f, PREVIOUS)) if (this.get(f, INDEX) === index) return f;
    return -1;
  }

  /** Joins the last stores of a CPU that went out, of those that `counts`. */
  private joinDrains(clock: number, cpu: number, counts: (event: number) => boolean): void {
    for (let q = this.execution.cpus; q < this.execution.procs; q++) {
      if (this.execution.cpuOf(q) !== cpu) continue;
      let last = this.lastOf[q]!;
      while (last >= 0 && !counts(last)) last = this.get(last, PREVIOUS);
      if (last >= 0) this.join(clock, last);
    }
  }

  /** Latest event of each other proc that a step depends on, by word chains and wide events; fills `latest`. */
  private collect(proc: number, step: PendingStep): void {
    this.latestCount = 0;
    if (step.width > CHAINED_WIDTH) {
      for (let f = this.length - 1; f >= 0; f--) if (this.conflicts(f, step)) this.consider(f, proc);
      return;
    }
    for (let w = step.word; w < step.word + step.width; w++) this.collectOnWord(w, proc, step.cls);
    if (step.also !== 0) this.collectOnWord(step.also, proc, READ);
    if (this.wide.length === 0) return;
    for (const f of this.wide) if (this.conflicts(f, step)) this.consider(f, proc);
  }

  private collectOnWord(word: number, proc: number, cls: number): void {
    const { rows } = this;
    for (let f = this.head[word]!; f >= 0; f = this.previousOn(f, word)) {
      const other = this.classOn(f, word);
      if (classesConflict(other, cls) && rows[this.rowAt(f) + PROC] !== proc) this.consider(f, proc);
      // Everything before a write on this word happened before that write.
      if (other === WRITE) return;
    }
  }

  private consider(f: number, proc: number): void {
    const { latest, rows } = this;
    const q = rows[this.rowAt(f) + PROC]!;
    if (q === proc) return;
    for (let i = 0; i < this.latestCount; i++) {
      const other = latest[i]!;
      if (rows[this.rowAt(other) + PROC] === q) {
        if (other < f) latest[i] = f;
        return;
      }
    }
    latest[this.latestCount++] = f;
  }

  private previousOn(event: number, word: number): number {
    const { rows } = this;
    const at = this.rowAt(event);
    if (word !== 0 && rows[at + ALSO] === word) return rows[at + BEFORE_ALSO]!;
    return rows[at + WORD] === word ? rows[at + BEFORE0]! : rows[at + BEFORE1]!;
  }

  /** The class that an event has on one of its words. */
  private classOn(event: number, word: number): number {
    const { rows } = this;
    const at = this.rowAt(event);
    return word !== 0 && rows[at + ALSO] === word ? READ : rows[at + CLS]!;
  }

  /** Races between the new step and the events it depends on directly. */
  private findRaces(event: number, proc: number, step: PendingStep): void {
    const { latest, latestCount } = this;
    for (let i = 0; i < latestCount; i++) {
      const f = latest[i]!;
      // Only what is not ordered through another of them is adjacent.
      if (this.isBasis(f) || this.isOrderedByOther(f)) continue;
      this.addRace(f, event, proc, step);
    }
  }

  /** Whether an event happened before the step by itself. */
  private isBasis(f: number): boolean {
    const at = this.rowAt(f);
    return this.clocks[this.basis + this.rows[at + PROC]!]! >= this.rows[at + INDEX]!;
  }

  /** Whether one of the latest conflicting events stands behind another of them. */
  private isOrderedByOther(f: number): boolean {
    const { latest, latestCount } = this;
    for (let i = 0; i < latestCount; i++) if (latest[i] !== f && this.happensBefore(f, latest[i]!)) return true;
    return false;
  }

  /** Adds the race of `f` and the step, or, where the step would have to wait before `f` as well, one further back. */
  private addRace(f: number, later: number, proc: number, step: PendingStep): void {
    const { execution } = this;
    // Stores of one CPU to overlapping words keep their order.
    if (proc >= execution.cpus && this.procOf(f) >= execution.cpus) {
      if (execution.cpuOf(proc) === execution.cpuOf(this.procOf(f))) return;
    }
    if (step.ready === undefined) {
      this.races.push({ earlier: f, later, proc, footprint: this.reversed(f, proc, step) });
      return;
    }
    for (let g = f; g >= 0; g = this.previousDependent(g, step)) {
      if (this.procOf(g) === proc || this.isBasis(g)) return;
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
    const size = this.get(g, SIZE);
    const word = this.get(g, WORD);
    if (size <= CHAINED_WIDTH && word <= step.word && step.word < word + size) {
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
    let value = now;
    for (let f = this.head[word]!; f >= g; f = this.previousOn(f, word)) {
      if (!this.happensBefore(g, f)) continue;
      const cls = this.classOn(f, word);
      if (cls === WRITE) value = this.get(f, OLD);
      else if (cls === ADD) value -= deltaOf(this.kindOf(f), this.get(f, OPERAND));
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
      const found = this.get(g, SIZE) <= CHAINED_WIDTH;
      const value = found ? this.valueWithout(g, word, step.value) : step.value;
      const overwrites = width === 2 && this.get(g, CLS) === WRITE && this.get(g, WORD) === word;
      const valueHi = overwrites ? this.get(g, OLD_HI) : step.valueHi;
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
      this.basis = this.basisOfProc(p);
      this.collect(p, pending);
      for (const f of this.latest.slice(0, this.latestCount)) this.addRace(f, -1, p, pending);
    }
  }

  /** Where the clock lies of what happened before the later step of a race by itself. */
  basisOf({ later, proc }: Race): number {
    if (later < 0) return this.basisOfProc(proc);
    if (this.isWeak) return this.clockAt(later) - this.width;
    const previous = this.get(later, PREVIOUS);
    return previous < 0 ? 0 : this.clockAt(previous);
  }

  /** Whether an event is in the clock that lies there. */
  isIn(clock: number, event: number): boolean {
    const at = this.rowAt(event);
    return this.clocks[clock + this.rows[at + PROC]!]! >= this.rows[at + INDEX]!;
  }

  /**
   * The events to repeat from before the earlier event in order to reverse a race: all later ones that do not depend on
   * the earlier one, without the later step itself. Fills `steps`, which has room for them; says how many.
   */
  reversal({ earlier, later }: Race, steps: Int32Array): number {
    const { clocks, length } = this;
    const q = this.procOf(earlier);
    const index = this.get(earlier, INDEX);
    let count = 0;
    for (let f = earlier + 1; f < length; f++) {
      if (f !== later && clocks[this.clockAt(f) + q]! < index) steps[count++] = f;
    }
    return count;
  }

  private link(event: number): void {
    const { rows, head } = this;
    const at = this.rowAt(event);
    const also = rows[at + ALSO]!;
    if (also !== 0) {
      rows[at + BEFORE_ALSO] = head[also]!;
      head[also] = event;
    }
    const width = rows[at + SIZE]!;
    if (width > CHAINED_WIDTH) {
      this.wide.push(event);
      return;
    }
    const word = rows[at + WORD]!;
    if (width > 0) {
      rows[at + BEFORE0] = head[word]!;
      head[word] = event;
    }
    if (width > 1) {
      rows[at + BEFORE1] = head[word + 1]!;
      head[word + 1] = event;
    }
  }

  private unlink(event: number): void {
    const { rows, head } = this;
    const at = this.rowAt(event);
    const also = rows[at + ALSO]!;
    if (also !== 0) head[also] = rows[at + BEFORE_ALSO]!;
    const width = rows[at + SIZE]!;
    if (width > CHAINED_WIDTH) {
      this.wide.pop();
      return;
    }
    const word = rows[at + WORD]!;
    if (width > 1) head[word + 1] = rows[at + BEFORE1]!;
    if (width > 0) head[word] = rows[at + BEFORE0]!;
  }
}
