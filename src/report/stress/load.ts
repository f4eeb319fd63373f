// Reads results files, standard input among them, and puts the sweeps in them side by side.
import { RESULTS_KIND } from '../../stress/results.ts';
import type { StressResults } from '../../stress/results.ts';
import { readInputFile, tooLarge } from '../../machine/input-file.ts';
import type { InputKind } from '../../machine/input-file.ts';
import { UsageError } from '../../machine/usage-error.ts';
import { parseResults, printable } from './schema.ts';

/** Names standard input on the command line. */
export const STANDARD_INPUT = '-';

const RESULTS: InputKind = {
  what: `a file with '${RESULTS_KIND}'`,
  example: 'for example sweep.json',
  maxBytes: 64 * 1024 * 1024,
  smaller: 'sweep over fewer points at a time',
};

/** One file's sweep, and the name it was given by. */
export interface NamedResults {
  readonly file: string;
  readonly results: StressResults;
}

async function standardInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    const part = chunk as Buffer;
    bytes += part.length;
    if (bytes > RESULTS.maxBytes) throw tooLarge('Standard input', RESULTS);
    chunks.push(part);
  }
  return Buffer.concat(chunks);
}

function refuseTwins(read: readonly NamedResults[]): void {
  const files = new Map<string, string>();
  for (const { file, results } of read) {
    const content = JSON.stringify(results);
    const other = files.get(content);
    if (other !== undefined) {
      throw new UsageError(
        `${file} has the same sweep as ${other}: give each once, for example pagerace report ${other}.`,
      );
    }
    files.set(content, file);
  }
}

/** The sweeps of all files, in their order. Throws a UsageError for whatever is wrong with one of them. */
export async function loadResults(paths: readonly string[]): Promise<NamedResults[]> {
  const read: NamedResults[] = [];
  for (const path of paths) {
    const stdin = path === STANDARD_INPUT;
    if (stdin && read.some(({ file }) => file === 'standard input')) {
      throw new UsageError("Standard input can be read once: give '-' once, for example pagerace report - sweep.json.");
    }
    const bytes = stdin ? await standardInput() : await readInputFile(path, RESULTS);
    const results = parseResults(bytes.toString('utf8'), stdin ? 'Standard input' : path);
    read.push({ file: stdin ? 'standard input' : printable(path), results });
  }
  refuseTwins(read);
  return read;
}
