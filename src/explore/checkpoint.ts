// A search in a file, so that it can be interrupted and gone on with: the same search, or none.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { UsageError } from '../machine/usage-error.ts';
import type { SavedFindings } from './findings.ts';
import type { SavedFrontier } from './frontier.ts';
import { TOKEN_VERSION } from './token.ts';

const FORMAT = 'pagerace-search';

/** A search between two jobs. */
export interface Checkpoint {
  /** What is explored, under what options: a search goes on under the same alone. */
  readonly search: string;
  readonly frontier: SavedFrontier;
  readonly findings: SavedFindings;
  readonly procs: readonly string[];
  readonly shared: readonly number[];
}

/** Writes a checkpoint, whole or not at all. */
export function saveCheckpoint(file: string, checkpoint: Checkpoint): void {
  const aside = `${file}.${String(process.pid)}.new`;
  writeFileSync(aside, JSON.stringify({ format: FORMAT, version: TOKEN_VERSION, ...checkpoint }));
  renameSync(aside, file);
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new UsageError(
      `checkpoint ${file} can't be read (${code ?? 'unknown error'}): give a file, for example search.json`,
    );
  }
}

/** Reads the checkpoint of this very search; undefined if there is no such file yet. */
export function loadCheckpoint(file: string, search: string): Checkpoint | undefined {
  const text = textOf(file);
  if (text === undefined) return undefined;
  let data: Partial<Checkpoint> & { format?: string; version?: number };
  try {
    data = JSON.parse(text) as typeof data;
  } catch {
    throw new UsageError(`${file} is no checkpoint of a search: it is not JSON; give a file that --resume has written`);
  }
  const { frontier, findings } = data;
  if (data.format !== FORMAT || data.version !== TOKEN_VERSION || frontier === undefined || findings === undefined) {
    throw new UsageError(
      `${file} is no checkpoint of a search by this version; give a file that --resume has written, or a new name`,
    );
  }
  if (data.search !== search) {
    throw new UsageError(
      `${file} is the checkpoint of another search (${data.search ?? '?'}), not of this one (${search}): give the same options, or another file`,
    );
  }
  return { search, frontier, findings, procs: data.procs ?? [], shared: data.shared ?? [] };
}
