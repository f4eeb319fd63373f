// What the lab is in: the plan that runs, its timeline, where on it the reader stands, and what is known of it. Panels
// show it; keys and buttons call it; whoever listens is told after each change.
//
// It knows no page: everything here runs in Node as well, where the tests and the command line are.
import { DEFENCES } from '../../kernel/defences.ts';
import { failureText } from '../../report/failure-text.ts';
import type { FailureText } from '../../report/failure-text.ts';
import { Timeline } from '../../report/timeline.ts';
import type { Moment, Outcome } from '../../report/timeline.ts';
import type { RecordedStep } from '../../explore/record.ts';
import { UsageError } from '../../machine/usage-error.ts';
import { entryPfn } from '../../machine/proc/walk.ts';
import { planOf, targetOf } from './plan.ts';
import type { Plan } from './plan.ts';

/**
 * `watch`: an execution is looked at; `schedule`: the reader is the scheduler; `explore`: the tree of schedules;
 * `predict`: values are hidden until the reader says what they will be.
 */
export type Mode = 'watch' | 'schedule' | 'explore' | 'predict';
export const MODES: readonly Mode[] = ['watch', 'schedule', 'explore', 'predict'];

/** One step as people read it. */
export interface StepView {
  readonly step: RecordedStep;
  /** What it is called; undefined: it matters to its own CPU only. */
  readonly text: string | undefined;
}

/** All that a link says: what to show, and where the reader is to stand. */
export interface Shown {
  readonly plan: Plan;
  /** The schedule; undefined: nobody has gone yet. */
  readonly token: string | undefined;
  readonly cursor: number;
  readonly mode: Mode;
  readonly title: string;
  /** The level of the campaign that is played; undefined: none. */
  readonly level: string | undefined;
}

/** A point that can be undone to: the schedule, and where the reader stood. */
interface Past {
  readonly token: string;
  readonly cursor: number;
}

/** Choices that can be undone. */
const MAX_PAST = 1000;

/** The state of the lab. */
export class Session {
  private current: Plan;
  private line: Timeline;
  private at = 0;
  private shownMode: Mode = 'watch';
  private label = '';
  private played: string | undefined = undefined;
  private readonly past: Past[] = [];
  private readonly listeners = new Set<() => void>();
  private told: FailureText | undefined = undefined;
  private named: readonly StepView[] | undefined = undefined;
  private mapped: ReadonlyMap<number, number> | undefined = undefined;

  /** Stands before the first step. */
  constructor(plan: Plan) {
    this.current = plan;
    this.line = new Timeline(targetOf(plan), plan.memoryModel);
  }

  /** Calls `listener` after each change; the function that is returned ends that. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  get plan(): Plan {
    return this.current;
  }

  get timeline(): Timeline {
    return this.line;
  }

  /** Where the reader stands: after so many steps. */
  get cursor(): number {
    return this.at;
  }

  get length(): number {
    return this.line.steps.length;
  }

  get mode(): Mode {
    return this.shownMode;
  }

  /** What a shared link calls this. */
  get title(): string {
    return this.label;
  }

  /** The level of the campaign that is played; undefined: none. */
  get level(): string | undefined {
    return this.played;
  }

  /** All that a link has to say to lead here. */
  get shown(): Shown {
    const { plan, cursor, mode, title, level } = this;
    return { plan, token: this.length === 0 ? undefined : this.token(), cursor, mode, title, level };
  }

  /** The machine where the reader stands. */
  get moment(): Moment {
    return this.line.after(this.at);
  }

  /** The step that led to where the reader stands; undefined at the beginning. */
  get step(): RecordedStep | undefined {
    return this.line.steps[this.at - 1];
  }

  /** Names of steps, consequences and all that reports say; worked out once for each timeline. */
  get text(): FailureText {
    this.told ??= failureText(this.line.target, this.line.replayed());
    return this.told;
  }

  /** All steps with their names; worked out once for each timeline. */
  get steps(): readonly StepView[] {
    if (this.named === undefined) {
      const { nameStep } = this.text;
      this.named = this.line.steps.map((step) => ({ step, text: nameStep(step) }));
    }
    return this.named;
  }

  /** Frames that an entry mapped at some time: after which step first. Worked out once for each timeline. */
  get firstMapped(): ReadonlyMap<number, number> {
    if (this.mapped === undefined) {
      const mapped = new Map<number, number>();
      const last = new Map<number, string>();
      for (let steps = 0; steps <= this.length; steps++) {
        for (const { address, pte } of this.line.after(steps).state.pages) {
          if (last.get(address) === pte) continue;
          last.set(address, pte);
          const pfn = entryPfn(BigInt(`0x${pte}`));
          if (!mapped.has(pfn)) mapped.set(pfn, steps);
        }
      }
      this.mapped = mapped;
    }
    return this.mapped;
  }

  /** How it came out; undefined as long as somebody can go on. */
  get outcome(): Outcome | undefined {
    return this.line.outcome;
  }

  /** The schedule up to where the reader stands, or the whole of it. */
  token(whole = true): string {
    return this.line.token(whole ? this.length : this.at);
  }

  /** Runs something else. Throws a UsageError and changes nothing for a plan that is not possible. */
  setPlan(plan: Partial<Plan> & Pick<Plan, 'scenario'>): void {
    const next = planOf(plan);
    const line = new Timeline(targetOf(next), next.memoryModel);
    this.current = next;
    this.line = line;
    this.at = 0;
    this.past.length = 0;
    this.changed(true);
  }

  /**
   * Shows something else altogether. Throws a UsageError and changes nothing if its schedule can't be followed, or has
   * no step for the cursor to stand at.
   */
  show({ plan, token, cursor, mode, title, level }: Shown): void {
    const next = planOf(plan);
    const line = new Timeline(targetOf(next), next.memoryModel);
    if (token !== undefined) line.follow(token);
    const { length } = line.steps;
    if (cursor > length) {
      throw new UsageError(`there is no step ${String(cursor)}: the schedule has ${String(length)} steps`);
    }
    this.current = next;
    this.line = line;
    this.past.length = 0;
    this.at = cursor;
    this.shownMode = mode;
    this.label = title;
    this.played = level;
    this.changed(true);
  }

  /** Takes a defence away or puts it back. */
  toggleDefence(name: string): void {
    const { without } = this.current;
    const off = without.includes(name) ? without.filter((other) => other !== name) : [...without, name];
    this.setPlan({ ...this.current, without: off });
  }

  /** Whether a defence is on. */
  hasDefence(name: string): boolean {
    return DEFENCES.some((defence) => defence.name === name) && !this.current.without.includes(name);
  }

  setMode(mode: Mode): void {
    this.shownMode = mode;
    this.changed(false);
  }

  setTitle(title: string): void {
    this.label = title;
    this.changed(false);
  }

  /** Stands after so many steps, as many as there are at most. */
  goTo(cursor: number): void {
    const next = Math.max(0, Math.min(this.length, Math.trunc(cursor)));
    if (next === this.at) return;
    this.at = next;
    this.changed(false);
  }

  /** Who can go where the reader stands. */
  get choices(): readonly string[] {
    return this.line.isOver && this.at === this.length ? [] : this.moment.canGo;
  }

  /**
   * Lets a CPU, or a store of one, go from where the reader stands; what came after is dropped, and can be had back by
   * `undo`. False: it can't go.
   */
  choose(name: string): boolean {
    if (!this.choices.includes(name)) return false;
    this.remember();
    this.line.backTo(this.at);
    this.line.take(name);
    this.at = this.length;
    this.changed(true);
    return true;
  }

  /** As `choose`, but one access only, seen by others or not. */
  chooseStep(name: string): boolean {
    if (!this.choices.includes(name)) return false;
    this.remember();
    this.line.backTo(this.at);
    this.line.takeSteps(name, 1);
    this.at = this.length;
    this.changed(true);
    return true;
  }

  /** Goes on from where the reader stands without preempting anybody, to the end; stays where it is. */
  runOn(): void {
    this.remember();
    this.line.backTo(this.at);
    this.line.runOn();
    this.changed(true);
  }

  /** Drops all that comes after where the reader stands. */
  fork(): void {
    if (this.at === this.length) return;
    this.remember();
    this.line.backTo(this.at);
    this.changed(true);
  }

  get canUndo(): boolean {
    return this.past.length > 0;
  }

  /** Takes the last choice back. */
  undo(): void {
    const before = this.past.pop();
    if (before === undefined) return;
    this.line.follow(before.token);
    this.at = Math.min(before.cursor, this.length);
    this.changed(true);
  }

  /**
   * Follows a token to its end and stands at its beginning, or after so many steps; what was there before can be had back
   * by `undo`. Throws a UsageError and changes nothing if it can't be followed.
   */
  load(token: string, cursor = 0): void {
    const line = new Timeline(targetOf(this.current), this.current.memoryModel);
    line.follow(token);
    this.remember();
    this.line = line;
    this.at = Math.max(0, Math.min(this.length, cursor));
    this.changed(true);
  }

  /** The first step from `from` on that satisfies `wanted`, going forward or back; undefined: there is none. */
  find(wanted: (view: StepView) => boolean, forward: boolean): number | undefined {
    const { steps } = this;
    const indices = forward
      ? [...steps.keys()].filter((i) => i + 1 > this.at)
      : [...steps.keys()].reverse().filter((i) => i + 1 < this.at);
    for (const i of indices) {
      const view = steps[i];
      if (view !== undefined && wanted(view)) return i + 1;
    }
    return undefined;
  }

  private remember(): void {
    this.past.push({ token: this.line.token(), cursor: this.at });
    if (this.past.length > MAX_PAST) this.past.shift();
  }

  private changed(line: boolean): void {
    if (line) {
      this.told = undefined;
      this.named = undefined;
      this.mapped = undefined;
    }
    for (const listener of this.listeners) listener();
  }
}
