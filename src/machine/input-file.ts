// A file that somebody names on the command line, read whole; every way in which that can fail is one sentence.
import { readFile, stat } from 'node:fs/promises';
import { UsageError } from './usage-error.ts';

/** What a command reads, as its complaints say it. */
export interface InputKind {
  /** With its article: `a recording`. */
  readonly what: string;
  /** The end of a sentence: `for example sweep.json`. */
  readonly example: string;
  /** Larger files are refused before they are read. A whole number of MiB. */
  readonly maxBytes: number;
  /** What to do about one that is too large: `record a shorter run`. */
  readonly smaller: string;
}

/** Why a file can't be read, in words. */
const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  ENAMETOOLONG: 'does not exist',
  EACCES: 'may not be read by you',
  EPERM: 'may not be read by you',
};

/** The complaint about an input that is too large. */
export function tooLarge(name: string, kind: InputKind): UsageError {
  return new UsageError(
    `${name} is larger than ${String(kind.maxBytes / 2 ** 20)} MiB: ${kind.smaller}, ${kind.example}.`,
  );
}

/** What is in a file. Throws a UsageError where it is none, can't be read, or is too large. */
export async function readInputFile(path: string, kind: InputKind): Promise<Buffer> {
  try {
    const info = await stat(path);
    if (!info.isFile()) throw new UsageError(`${path} is not a file: give the path of ${kind.what}, ${kind.example}.`);
    if (info.size > kind.maxBytes) throw tooLarge(path, kind);
    return await readFile(path);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const why = READ_ERRORS[code] ?? `can't be read (${code})`;
    throw new UsageError(`${path} ${why}: give the path of ${kind.what}, ${kind.example}.`);
  }
}
