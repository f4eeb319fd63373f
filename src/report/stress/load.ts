// Reads results files, standard input among them: sweeps, and benches.
import { RESULTS_KIND } from '../../stress/results.ts';
import type { StressResults } from '../../stress/results.ts';
import { readInputFile, tooLarge } from '../../machine/input-file.ts';
import type { InputKind } from '../../machine/input-file.ts';
import { UsageError } from '../../machine/usage-error.ts';
import { checkBench, isBench } from './bench-schema.ts';
import type { BenchFaults } from './bench-schema.ts';
import { parseJson, printable } from './fields.ts';
import { checkResults } from './schema.ts';

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

/** One file's bench. */
export interface NamedBench {
  readonly file: string;
  readonly results: BenchFaults;
}

/** What was read, in the order of the files. */
export interface Loaded {
  readonly sweeps: readonly NamedResults[];
  readonly benches: readonly NamedBench[];
}

function refuseTwins(read: readonly (NamedResults | NamedBench)[]): void {
  const files = new Map<string, string>();
  for (const { file, results } of read) {
    const content = JSON.stringify(results);
    const other = files.get(content);
    if (other !== undefined) {
      throw new UsageError(
        `${file} has the same results as ${other}: give each once, for example pagerace report ${other}.`,
      );
    }
    files.set(content, file);
  }
}

/** The results in all files. Throws a UsageError for whatever is wrong with one of them. */
export async function loadResults(paths: readonly string[]): Promise<Loaded> {
  const sweeps: NamedResults[] = [];
  const benches: NamedBench[] = [];
  for (const [i, path] of paths.entries()) {
    const stdin = path === STANDARD_INPUT;
    if (stdin && paths.indexOf(path) < i) {
      throw new UsageError("Standard input can be read once: give '-' once, for example pagerace report - sweep.json.");
    }
    const bytes = stdin ? await standardInput() : await readInputFile(path, RESULTS);
    const named = stdin ? 'Standard input' : path;
    const file = stdin ? 'standard input' : printable(path);
    const document = parseJson(bytes.toString('utf8'), named);
    if (isBench(document)) benches.push({ file, results: checkBench(document, named) });
    else sweeps.push({ file, results: checkResults(document, named) });
  }
  refuseTwins([...sweeps, ...benches]);
  return { sweeps, benches };
}
