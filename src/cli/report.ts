// `pagerace report`: what sweeps and benches have measured, as a page, as text, as CSV or as JSON.
import { realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { UsageError } from '../machine/usage-error.ts';
import { REPORT_FORMATS, stressReport } from '../report/stress/formats.ts';
import type { ReportFormat } from '../report/stress/formats.ts';

const DEFAULT_PAGE = 'report.html';
/** Names standard output, as it names standard input among the results. */
const STANDARD = '-';

interface Flags {
  readonly format?: ReportFormat;
  readonly out?: string;
  readonly json?: true;
}

/** The file that a path leads to; undefined where there is none. */
function fileAt(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Where the report goes: results that were measured are never written over, nor is what is no file. */
function checkOut(out: string, inputs: readonly string[]): string {
  const file = fileAt(out);
  if (file === undefined) return out;
  if (inputs.some((input) => fileAt(input) === file)) {
    throw new UsageError(`--out '${out}' is one of the results: give another file, for example --out ${DEFAULT_PAGE}.`);
  }
  if (!statSync(file).isFile()) {
    throw new UsageError(
      `--out '${out}' is not a file: give a file, or - for standard output, for example --out ${DEFAULT_PAGE}.`,
    );
  }
  return file;
}

/** Writes a file, whole or not at all. */
function writeWhole(path: string, text: string): void {
  const aside = `${path}.${String(process.pid)}.new`;
  try {
    writeFileSync(aside, text);
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `--out '${path}' can't be written (${code}): give a file in a folder that you may write to, for example --out ${DEFAULT_PAGE}.`,
    );
  }
}

export function reportCommand(): Command {
  return new Command('report')
    .description(
      'what stress sweeps and benches measured: a page with verdicts, charts and commands; or text, CSV, JSON',
    )
    .argument('<results...>', "files of 'pagerace stress --out' or 'pagerace bench --json'; - for standard input")
    .addOption(new Option('--format <name>', 'html (if none is given), text, csv or json').choices(REPORT_FORMATS))
    .addOption(new Option('--json', 'as --format json').conflicts('format'))
    .option('--out <file>', `file to write; - for standard output (html: ${DEFAULT_PAGE}, others: -)`)
    .action(async (paths: string[], flags: Flags) => {
      const format = flags.json === true ? 'json' : (flags.format ?? 'html');
      const out = flags.out ?? (format === 'html' ? DEFAULT_PAGE : STANDARD);
      const file = out === STANDARD ? undefined : checkOut(out, paths);
      const text = await stressReport(paths, format);
      if (file === undefined) {
        process.stdout.write(text);
        return;
      }
      writeWhole(file, text);
      process.stderr.write(`wrote ${out}\n`);
    });
}
