// Cases: programs that once showed a difference, kept in files and replayed ever after.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { UsageError } from '../machine/usage-error.ts';
import type { Failure } from './campaign.ts';
import { KINDS } from './program.ts';
import type { Operation, Program } from './program.ts';

/** A case as it stands in its file. */
export interface Case {
  /** What it showed, in a sentence. */
  what: string;
  program: Program;
}

const operation = v.looseObject({ op: v.picklist(KINDS as readonly [string, ...string[]]) });
const operations = v.pipe(
  v.array(operation),
  v.transform((list) => list as unknown as Operation[]),
);
const schema = v.object({
  what: v.string(),
  program: v.object({
    before: operations,
    threads: v.array(operations),
    shares: v.exactOptional(v.boolean()),
    after: operations,
  }),
});

/** A case of a file. Throws a UsageError for what is none. */
export function readCase(path: string): Case {
  let text: unknown;
  try {
    text = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`Case '${path}' can't be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
  const parsed = v.safeParse(schema, text);
  if (parsed.success) return parsed.output;
  throw new UsageError(
    `Case '${path}' is not one: use what 'pagerace conform --save <folder>' writes, for example {"what": "…", "program": {"before": [], "threads": [], "after": []}}.`,
  );
}

/** All cases of a folder, by their files' names. */
export function casesIn(folder: string): { name: string; kept: Case }[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => ({ name, kept: readCase(join(folder, name)) }));
}

/** Keeps a failure as a case. Returns the file's path; the same program has the same name. */
export function saveCase(folder: string, { program, differences }: Failure): string {
  const [first] = differences;
  const what = `${first?.name ?? ''}: Linux ${first?.linux ?? 'has none'}, simulated ${first?.simulated ?? 'has none'}`;
  const kept: Case = { what, program };
  const hash = createHash('sha256').update(JSON.stringify(program)).digest('hex').slice(0, 8);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${hash}.json`);
  writeFileSync(path, `${JSON.stringify(kept, null, 2)}\n`);
  return path;
}
