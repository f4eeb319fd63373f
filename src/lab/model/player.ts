// How the reader moves along a timeline: playing, its speed, two markers, whether single accesses are told, and what
// could not be done.
import { Quiz } from './predict.ts';
import type { Question } from './predict.ts';
import type { Session, StepView } from './session.ts';
import { viewOf } from './view.ts';

/** Named steps a second. */
export const SPEEDS: readonly number[] = [0.5, 1, 2, 4, 8];
/** How much shorter a step without a name is shown. */
const QUIET_FACTOR = 10;

export type Marker = 'A' | 'B';

/** Plays a session. */
export class Player {
  readonly quiz: Quiz = new Quiz();
  /** See SPEEDS. */
  private pace = 2;
  private running = false;
  private single = false;
  private told = '';
  private readonly marked = new Map<Marker, number>();
  private readonly listeners = new Set<() => void>();
  private readonly session: Session;

  constructor(session: Session) {
    this.session = session;
    session.onChange(() => {
      this.told = '';
    });
  }

  /** Calls `listener` after each change; the function that is returned ends that. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  get playing(): boolean {
    return this.running && this.session.cursor < this.session.length;
  }

  get speed(): number {
    return this.pace;
  }

  set speed(speed: number) {
    this.pace = speed;
    this.changed();
  }

  /** Whether steps that others can't see are told and taken one by one. */
  get singles(): boolean {
    return this.single;
  }

  set singles(singles: boolean) {
    this.single = singles;
    this.changed();
  }

  /** Why what was asked for last can't be done; empty: it was done. */
  get notice(): string {
    return this.told;
  }

  tell(notice: string): void {
    this.told = notice;
    this.changed();
  }

  /** Plays, from the beginning if all has been played, or pauses. */
  toggle(): void {
    this.running = !this.playing;
    if (this.running && this.session.cursor === this.session.length) this.session.goTo(0);
    this.changed();
  }

  pause(): void {
    if (!this.running) return;
    this.running = false;
    this.changed();
  }

  /** Goes one step on; pauses at the end. */
  tick(): void {
    if (!this.playing) return;
    this.session.goTo(this.session.cursor + 1);
    if (this.session.cursor === this.session.length) this.pause();
  }

  /** Milliseconds until the step that comes next. */
  delay(next: StepView | undefined): number {
    const delay = 1000 / this.pace;
    return next?.text === undefined ? delay / QUIET_FACTOR : delay;
  }

  /** What the reader is to say next; undefined where nothing is hidden. */
  get question(): Question | undefined {
    const { session } = this;
    if (session.mode !== 'predict') return undefined;
    return this.quiz.next(session.text, viewOf(session).questions, session.cursor);
  }

  /** Says what a step will do, and shows what it did. True: that was right. */
  answer(question: Question, option: number): boolean {
    this.running = false;
    const isRight = this.quiz.answer(this.session.text, question, option);
    this.session.goTo(question.index + 1);
    this.changed();
    return isRight;
  }

  /** Where a marker stands; undefined: nowhere on this timeline. */
  marker(name: Marker): number | undefined {
    const at = this.marked.get(name);
    return at === undefined || at > this.session.length ? undefined : at;
  }

  /** Puts a marker where the reader stands, or takes it away from there. */
  mark(name: Marker): void {
    if (this.marked.get(name) === this.session.cursor) this.marked.delete(name);
    else this.marked.set(name, this.session.cursor);
    this.changed();
  }

  /** Steps between the markers; undefined unless both stand. */
  get between(): number | undefined {
    const a = this.marker('A');
    const b = this.marker('B');
    return a === undefined || b === undefined ? undefined : Math.abs(b - a);
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}
