// A soak: rounds of one point for as long as one likes, told once a minute, that can be stopped and gone on with.
//
// What is kept is totals, so that an hour takes as little memory as a minute. The first violation ends it.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { lockingIdentity } from '../machine/design.ts';
import { UsageError } from '../machine/usage-error.ts';
import { LOST_RACES, PointRun, nothingMeasured } from './point.ts';
import type { Measured, PointSpec } from './point.ts';
import type { StressFinding } from './results.ts';

const SOAK_KIND = 'pagerace soak';
const SOAK_VERSION = 1;
const ROUND_SECONDS = 1;
const WARM_UP_SECONDS = 0.5;

/** A soak so far. */
export interface SoakTotals {
  /** Seconds that rounds ran for, how many there were, and the faults they took. */
  seconds: number;
  rounds: number;
  faults: number;
  lostRaces: Record<string, number>;
  verdict: Measured['verdict'];
  findings: StressFinding[];
}

interface SoakFile extends SoakTotals {
  readonly kind: string;
  readonly version: number;
  /** What is soaked: another soak's file is refused. */
  readonly point: string;
}

/** How a soak is done. */
export interface SoakOptions {
  /** Seconds of rounds in all, those of earlier parts included. */
  readonly seconds: number;
  /** File to go on from, if it is there, and to keep the totals in. */
  readonly keep: string | undefined;
  /** Ends it after the round under way. */
  readonly signal: AbortSignal;
  /** Told about once a minute, and at the end. */
  onMinute(totals: SoakTotals): void;
  /** How often that is, in milliseconds. */
  readonly everyMs: number;
}

/** What a soak is of, in one line. */
export function pointText({ work, cpus, locking, lock, without, pages }: PointSpec): string {
  const off = without.length === 0 ? 'every defence on' : `without ${[...without].sort().join(',')}`;
  return `${work.name}, ${String(cpus)} CPUs, ${String(pages)} pages, ${lockingIdentity(locking)}, ${lock}, ${off}`;
}

function nothing(): SoakTotals {
  const lostRaces = Object.fromEntries(Object.keys(LOST_RACES).map((name) => [name, 0]));
  return { seconds: 0, rounds: 0, faults: 0, lostRaces, verdict: 'held', findings: [] };
}

/** The totals of an earlier part. Throws a UsageError for a file of something else. */
function load(path: string, point: string): SoakTotals {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return nothing();
    throw new UsageError(`${path} can't be read: give a file that --keep wrote, or a new name, for example soak.json.`);
  }
  const kept = parse(text);
  if (kept?.kind !== SOAK_KIND || kept.version !== SOAK_VERSION) {
    throw new UsageError(
      `${path} is no soak of this version: give a file that --keep wrote, or a new name, for example soak.json.`,
    );
  }
  if (kept.point !== point) {
    throw new UsageError(
      `${path} is a soak of ${kept.point}, not of ${point}: give the options it was begun with, or a new name.`,
    );
  }
  const { seconds, rounds, faults, lostRaces, verdict, findings } = kept;
  return { seconds, rounds, faults, lostRaces, verdict, findings };
}

function parse(text: string): SoakFile | undefined {
  try {
    return JSON.parse(text) as SoakFile;
  } catch {
    return undefined;
  }
}

function save(path: string, point: string, totals: SoakTotals): void {
  const kept: SoakFile = { kind: SOAK_KIND, version: SOAK_VERSION, point, ...totals };
  // Aside, then renamed: whoever is stopped in between loses nothing.
  writeFileSync(`${path}.new`, `${JSON.stringify(kept)}\n`);
  renameSync(`${path}.new`, path);
}

/** Adds what was measured since, and forgets it. */
function add(totals: SoakTotals, measured: Measured): void {
  for (const round of measured.rounds) {
    totals.seconds += round.seconds;
    totals.rounds += 1;
    totals.faults += round.faults;
  }
  for (const [name, times] of Object.entries(measured.lostRaces))
    totals.lostRaces[name] = (totals.lostRaces[name] ?? 0) + times;
  if (totals.verdict === 'held') totals.verdict = measured.verdict;
  totals.findings.push(...measured.findings.map((finding) => ({ ...finding, round: totals.rounds - 1 })));
}

/** Soaks a point. Throws a UsageError for a kept file of something else. */
export async function soak(point: PointSpec, options: SoakOptions): Promise<SoakTotals> {
  const { keep, signal, everyMs } = options;
  const name = pointText(point);
  const totals = keep === undefined ? nothing() : load(keep, name);
  let told = performance.now();
  if (totals.seconds < options.seconds && totals.verdict === 'held') {
    const measured = nothingMeasured(point.cpus);
    const run = new PointRun(point, measured);
    await run.warmUp(WARM_UP_SECONDS);
    const goesOn = (): boolean => !signal.aborted && totals.seconds < options.seconds && totals.verdict === 'held';
    while (goesOn()) {
      await run.round(ROUND_SECONDS);
      add(totals, measured);
      forget(measured);
      if (performance.now() - told < everyMs) continue;
      told = performance.now();
      options.onMinute(totals);
      if (keep !== undefined) save(keep, name, totals);
    }
    run.end();
    add(totals, measured);
  }
  options.onMinute(totals);
  if (keep !== undefined) save(keep, name, totals);
  return totals;
}

/** Only what rounds are sized by is kept from one to the next. */
function forget(measured: Measured): void {
  measured.rounds.length = 0;
  measured.findings.length = 0;
  for (const name of Object.keys(measured.lostRaces)) measured.lostRaces[name] = 0;
}
