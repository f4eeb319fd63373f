// `pagerace lab`: the page in which a race is walked through step by step, served here or written to a folder.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { MemoryModel } from '../explore/program.ts';
import { planOf } from '../lab/model/plan.ts';
import { Session } from '../lab/model/session.ts';
import { encodeLink } from '../lab/model/share.ts';
import { isLoopback, labFolder, serveLab, writeSite } from '../lab/serve.ts';
import { UsageError } from '../machine/usage-error.ts';
import { readToken } from '../report/execution-json.ts';
import { parseNames, parseWhole } from './options.ts';
import { parseModel } from './target-options.ts';

const MAX_PORT = 65_535;

interface Flags {
  readonly scenario?: string;
  readonly cpus?: number;
  readonly locking?: string;
  readonly without?: string[];
  readonly memoryModel?: MemoryModel;
  readonly port: number;
  readonly host: string;
  readonly open?: true;
  readonly out?: string;
}

function parsePort(text: string): number {
  const port = parseWhole('--port', '8080')(text);
  if (port <= MAX_PORT) return port;
  throw new UsageError(`--port ${text} is not possible: use 0 to ${String(MAX_PORT)}, for example --port 8080.`);
}

/** The fragment of what was asked for; empty: nothing was. Throws a UsageError for a schedule that can't be followed. */
function fragmentFor(given: string | undefined, all: Flags): string {
  const file = given !== undefined && existsSync(given) ? readToken(readFileSync(given, 'utf8'), given) : undefined;
  const flags = { ...(file?.context as Partial<Flags> | undefined), ...all };
  const token = file?.token ?? given;
  const { scenario, cpus, locking, without, memoryModel } = flags;
  if (scenario === undefined) {
    const option = Object.entries({ cpus, locking, without, memoryModel }).find(([, value]) => value !== undefined);
    if (token === undefined && option === undefined) return '';
    const what =
      token === undefined ? `--${option?.[0] ?? ''} needs a scenario` : `The token ${token} needs its scenario`;
    throw new UsageError(`${what}: give --scenario, for example pagerace lab --scenario first-touch.`);
  }
  const plan = planOf({
    scenario,
    ...(cpus === undefined ? {} : { cpus }),
    ...(locking === undefined ? {} : { locking }),
    ...(without === undefined ? {} : { without }),
    ...(memoryModel === undefined ? {} : { memoryModel }),
  });
  const session = new Session(plan);
  session.show({ ...session.shown, token, mode: token === undefined ? 'schedule' : 'watch' });
  return `#${encodeLink(session.shown)}`;
}

/** Asks the desktop to open a URL. Where there is none the URL has been printed, and that is enough. */
function openInBrowser(url: string): void {
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', url]
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '""', url.replace(/&/g, '^&')]
        : ['xdg-open', url];
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}

/** Resolves at Ctrl-C. */
async function interrupted(): Promise<void> {
  await new Promise<void>((done) => {
    const end = (): void => {
      process.removeListener('SIGINT', end);
      process.removeListener('SIGTERM', end);
      done();
    };
    process.once('SIGINT', end);
    process.once('SIGTERM', end);
  });
}

async function serve(fragment: string, { host, port, open }: Flags): Promise<void> {
  const served = await serveLab(labFolder(), host, port);
  if (!isLoopback(host)) {
    process.stderr.write(
      `warning: with --host ${host} other machines can open the page; browsers give them no shared memory over http, so it runs there without real threads\n`,
    );
  }
  const url = `${served.url}${fragment}`;
  process.stdout.write(`${url}\n`);
  process.stderr.write('Ctrl-C ends it\n');
  if (open === true) openInBrowser(url);
  await interrupted();
  await served.end();
}

export function labCommand(): Command {
  return new Command('lab')
    .description('a race in the browser, step by step: you choose who runs')
    .argument('[token]', 'a schedule token, or a file that explore --json wrote')
    .option('--scenario <name>', 'the scenario to show, or that the token is of')
    .option('--cpus <n>', 'CPUs; default: the fewest that the scenario needs', parseWhole('--cpus', '2'))
    .option('--memory-model <model>', 'sc, tso or pso; default: what the scenario needs', parseModel)
    .option('--without <defences>', 'defences to take away, with commas', parseNames)
    .option('--locking <design>', 'split, mm, cmpxchg or none')
    .option('--port <n>', 'port to serve it at; 0: a free one', parsePort, 0)
    .option('--host <address>', 'address to serve it at', '127.0.0.1')
    .option('--open', 'open it in the browser')
    .addOption(
      new Option('--out <folder>', 'write it to a folder for a web server, and serve nothing').conflicts([
        'port',
        'host',
        'open',
      ]),
    )
    .action(async (token: string | undefined, flags: Flags) => {
      const fragment = fragmentFor(token, flags);
      if (flags.out === undefined) {
        await serve(fragment, flags);
        return;
      }
      writeSite(labFolder(), flags.out);
      process.stderr.write(`wrote ${flags.out}\n`);
      if (fragment !== '') process.stdout.write(`index.html${fragment}\n`);
    });
}
