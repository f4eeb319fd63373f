// Files that the lab opens: executions and explorations as JSON, and what stress sweeps found. A file comes from
// anywhere: nothing of it is believed before it has been looked at.
import * as v from 'valibot';
import { MEMORY_MODELS } from '../../explore/program.ts';
import { UsageError } from '../../machine/usage-error.ts';
import { RESULTS_KIND, RESULTS_VERSION } from '../../stress/results.ts';
import { planOf } from './plan.ts';
import type { Shown } from './session.ts';
import { MAX_TITLE } from './share.ts';

/** Largest file that is read, in bytes: far more than the longest execution. */
export const MAX_FILE: number = 64 * 1024 * 1024;
/** Schedules of one file that are offered, at most. */
const MAX_SCHEDULES = 100;
const VERSION = 1;
const FORMATS = ['pagerace-execution', 'pagerace-exploration'];
const ADVICE =
  "open what 'pagerace explore --json', 'pagerace replay --format json' or 'pagerace stress --json' wrote, for example failure.json";

/** A schedule in a file. */
export interface Openable {
  /** What it is, one line. */
  readonly label: string;
  readonly shown: Shown;
}

const context = v.object({
  scenario: v.string(),
  cpus: v.optional(v.number()),
  memoryModel: v.optional(v.picklist(MEMORY_MODELS)),
  without: v.optional(v.array(v.string())),
  locking: v.optional(v.string()),
  lock: v.optional(v.string()),
  message: v.optional(v.string()),
});
type Context = v.InferOutput<typeof context>;

const document = v.object({
  format: v.picklist(FORMATS),
  version: v.unknown(),
  context,
  token: v.optional(v.string()),
  failure: v.nullish(v.object({ token: v.string(), message: v.optional(v.string()) })),
});

const results = v.object({
  kind: v.literal(RESULTS_KIND),
  version: v.unknown(),
  points: v.array(
    v.object({
      workload: v.string(),
      locking: v.string(),
      without: v.array(v.string()),
      counterexample: v.optional(v.object({ scenario: v.string(), token: v.string(), message: v.string() })),
    }),
  ),
});

/** Refuses a file by its size in bytes, before it is read. Throws a UsageError. */
export function checkSize(name: string, size: number): void {
  if (size === 0) throw new UsageError(`${shortened(name)} is empty: ${ADVICE}.`);
  if (size <= MAX_FILE) return;
  throw new UsageError(
    `${shortened(name)} has ${String(Math.round(size / 1024 / 1024))} MiB, and at most ${String(MAX_FILE / 1024 / 1024)} are read: ${ADVICE}.`,
  );
}

/** The schedules in a file, at least one. Throws a UsageError for a file that is not ours, or has none. */
export function openables(name: string, text: string): Openable[] {
  const file = shortened(name);
  const found = schedulesIn(file, parsed(file, text)).slice(0, MAX_SCHEDULES);
  if (found.length > 0) return found;
  throw new UsageError(`${file} has no failure in it, so there is no schedule to show: ${ADVICE}.`);
}

function parsed(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`${file} is not JSON, or cut off: ${ADVICE}.`);
  }
}

function schedulesIn(file: string, value: unknown): Openable[] {
  // `why --json` writes one exploration for each defence.
  if (Array.isArray(value)) return value.slice(0, MAX_SCHEDULES).flatMap((item) => schedulesIn(file, item));
  if (isOurs(value, 'kind', [RESULTS_KIND])) {
    checkVersion(file, value, RESULTS_VERSION);
    return sweepSchedules(checked(file, results, value));
  }
  if (!isOurs(value, 'format', FORMATS)) throw new UsageError(`${file} is not a file of pagerace: ${ADVICE}.`);
  checkVersion(file, value, VERSION);
  const { token, failure, context: about } = checked(file, document, value);
  const schedule = token ?? failure?.token;
  if (schedule === undefined) return [];
  return [openable(file, about, schedule, about.message ?? failure?.message)];
}

function sweepSchedules({ points }: v.InferOutput<typeof results>): Openable[] {
  return points.flatMap(({ workload, locking, without, counterexample }) => {
    if (counterexample === undefined) return [];
    const { scenario, token, message } = counterexample;
    return [openable(workload, { scenario, locking, without }, token, message)];
  });
}

function openable(file: string, about: Context, token: string, message: string | undefined): Openable {
  const { scenario, cpus, memoryModel, without, locking, lock = 'qspinlock' } = about;
  if (lock !== 'qspinlock') {
    throw new UsageError(
      `${file} was made with --lock ${shortened(lock)}, and the lab shows qspinlock: leave --lock out.`,
    );
  }
  const plan = planOf({
    scenario,
    ...(cpus === undefined ? {} : { cpus }),
    ...(memoryModel === undefined ? {} : { memoryModel }),
    ...(without === undefined ? {} : { without }),
    ...(locking === undefined ? {} : { locking }),
  });
  const off = plan.without.length === 0 ? '' : ` without ${plan.without.join(', ')}`;
  const label = `${plan.scenario}${off}${message === undefined ? '' : `: ${message}`}`;
  const title = file.slice(0, MAX_TITLE);
  return { label, shown: { plan, token, cursor: 0, mode: 'watch', title, level: undefined } };
}

function isOurs(value: unknown, field: string, names: readonly string[]): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const said = (value as Readonly<Record<string, unknown>>)[field];
  return typeof said === 'string' && names.includes(said);
}

function checkVersion(file: string, { version }: Readonly<Record<string, unknown>>, known: number): void {
  if (version === known) return;
  throw new UsageError(
    `${file} has version ${shortened(String(version))}, and this page reads version ${String(known)}: open it with the pagerace that made it.`,
  );
}

function checked<Schema extends v.GenericSchema>(file: string, schema: Schema, value: unknown): v.InferOutput<Schema> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const place = v.getDotPath(result.issues[0]);
  throw new UsageError(
    `${file} is damaged: ${place === null ? 'it' : `its field ${place}`} is not what it should be; ${ADVICE}.`,
  );
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
