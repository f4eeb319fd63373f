// The error of a property that a race broke. What it says takes a search and a replay, so it is made when it is asked
// for: fast-check throws one for every smaller program on its way, and shows the last.
import { counted } from '../check/finding.ts';
import { replayTarget } from '../explore/target.ts';
import { failureText } from '../report/failure-text.ts';
import { renderExecution } from '../report/formats.ts';
import type { Consequence } from '../report/interleaving-text.ts';
import { kernelWatches } from '../report/kernel-columns.ts';
import { wrapText } from '../report/text.ts';
import { caseLiteral, pageCount, programLines } from './operation-text.ts';
import type { Sighting } from '../stress/case-rounds.ts';
import { caseTarget } from './race-case.ts';
import type { CaseOptions, RaceCase } from './race-case.ts';
import type { RaceBody } from './race-end.ts';
import { smallestFailure } from './smallest-failure.ts';
import type { FoundFailure } from './smallest-failure.ts';

/** What is known of a failure. */
export interface RaceFailureFacts {
  readonly race: RaceCase;
  /** A schedule that breaks it; undefined: none was found. */
  readonly found: FoundFailure | undefined;
  readonly options: CaseOptions;
  readonly body: RaceBody | undefined;
  /** Where threads showed it first. */
  readonly sighting?: Sighting | undefined;
  /** Schedules that were tried where none was found. */
  readonly tried?: number;
}

/**
 * A case that fails under some schedule. Its message says all there is to say; test runners, which print what else an
 * error has, find nothing: it keeps thousands of steps.
 */
export class RaceFailure extends Error {
  readonly #facts: RaceFailureFacts;
  #smallest: FoundFailure | undefined = undefined;
  #text: string | undefined = undefined;

  constructor(facts: RaceFailureFacts) {
    super();
    const { found } = facts;
    // Not the execution that it would be recorded from: of a program that shrinks, runners may keep every error.
    this.#facts = { ...facts, found: found === undefined ? undefined : withoutRecord(found) };
    Object.defineProperty(this, 'name', { value: 'RaceFailure', configurable: true, writable: true });
    const frames = (this.stack ?? '').split('\n').slice(1).join('\n');
    // Errors have both as properties of their own, which accessors of the class would be hidden by.
    Object.defineProperty(this, 'message', { get: () => this.#told(), configurable: true });
    Object.defineProperty(this, 'stack', { get: () => `${this.name}: ${this.#told()}\n${frames}`, configurable: true });
  }

  /** The programs and their machine. */
  get race(): RaceCase {
    return this.#facts.race;
  }

  /** Where threads showed it first. */
  get sighting(): Sighting | undefined {
    return this.#facts.sighting;
  }

  /** The smallest schedule that breaks the case; undefined: none was found. */
  get failure(): FoundFailure | undefined {
    const { found, race, options, body } = this.#facts;
    if (found === undefined) return undefined;
    this.#smallest ??= smallestFailure(race, found, options, body);
    return this.#smallest;
  }

  /** What vitest sends to where it prints: the accessors above are not among it. */
  toJSON(): { readonly name: string; readonly message: string } {
    return { name: this.name, message: this.message };
  }

  #told(): string {
    this.#text ??= raceText(this.#facts, this.failure);
    return this.#text;
  }
}

function withoutRecord({ token, steps, preemptions, judge, message }: FoundFailure): FoundFailure {
  return { token, steps, preemptions, judge, message };
}

/** The whole failure in at most 80 columns: what broke, the programs, the steps, and the lines that keep it. */
function raceText(facts: RaceFailureFacts, failure: FoundFailure | undefined): string {
  const { race, options, sighting } = facts;
  const seen = sighting === undefined ? [] : sightingLines(sighting, facts, failure);
  if (failure === undefined) return [...seen, '', ...programLines(race)].join('\n');
  const lines = [
    ...wrapText(`${failure.judge}: ${failure.message}`),
    ...seen,
    '',
    `The smallest failure found: ${sizeText(race, failure)}`,
    ...programLines(race),
    '',
    tableOf(race, failure, options),
    '',
    'To keep it:',
    '',
    ...keepingLines(race, failure, options),
  ];
  return lines.join('\n');
}

function sizeText({ programs }: RaceCase, { preemptions }: FoundFailure): string {
  const parts = [
    counted(programs.length, 'CPU'),
    counted(pageCount(programs), 'page'),
    counted(programs.flat().length, 'operation'),
    counted(preemptions, 'preemption'),
  ];
  return parts.join(', ');
}

function sightingLines(sighting: Sighting, facts: RaceFailureFacts, failure: FoundFailure | undefined): string[] {
  const { round, rounds, finding } = sighting;
  const which =
    round === undefined ? `in one of ${String(rounds)} rounds` : `in round ${String(round)} of ${String(rounds)}`;
  const explained =
    failure === undefined
      ? `no schedule that explains it was found among ${String(facts.tried ?? 0)}`
      : `explained by ${failure.token}`;
  return wrapText(`Seen on threads ${which} (${finding.judge}: ${finding.message}), ${explained}`);
}

/** The steps and what came of them. */
function tableOf(race: RaceCase, failure: FoundFailure, options: CaseOptions): string {
  const target = caseTarget(race);
  const { memoryModel = 'sc' } = options;
  const replayed = replayTarget(target, failure.token, { memoryModel }, kernelWatches(target.spec));
  const text = failureText(target, replayed);
  const consequences: readonly Consequence[] =
    failure.judge === 'body'
      ? [{ label: 'body', text: failure.message.split('\n')[0] ?? '' }]
      : (text.options.consequences ?? []);
  const told = { ...text, options: { ...text.options, consequences, colour: false } };
  return renderExecution('table', told, { scenario: target.name, memoryModel });
}

/** What to paste into a test. */
function keepingLines(race: RaceCase, { token, judge }: FoundFailure, { memoryModel }: CaseOptions): string[] {
  const [first = '', ...rest] = caseLiteral(race);
  const options = [
    ...(memoryModel === undefined || memoryModel === 'sc' ? [] : [`memoryModel: '${memoryModel}'`]),
    ...(judge === 'body' ? ['body'] : []),
  ];
  const given = options.length === 0 ? '' : `, { ${options.join(', ')} }`;
  return [
    `const found: RaceCase = ${first}`,
    ...rest.map((line, i) => (i === rest.length - 1 ? `${line};` : line)),
    '// Once it is mended, it is tried first in every run:',
    'fc.assert(property, { examples: [[found]] });',
    '// Until then:',
    `expect(found).toReplay('${token}', '${judge}'${given});`,
  ];
}
