// What is said of a program that can't be explored, since a schedule does not say what it does.

/** The program did not do the same when the same schedule was run again. */
export class NondeterminismError extends Error {
  /** `step`: index of the first step that was another one. */
  constructor(step: number) {
    super(
      `step ${String(step + 1)} was another one when the same schedule was run again: a program must take nothing from ` +
        'chance, time or what is not in its words',
    );
    this.name = 'NondeterminismError';
  }
}
