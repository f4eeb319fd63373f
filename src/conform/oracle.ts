// The running kernel as an oracle: compiles oracle.c on first use, keeps it in a cache, and asks it about programs.
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { About, Run } from './observation.ts';
import { programLines } from './program.ts';
import type { Program } from './program.ts';

/** Beside the compiled files and beside the sources alike: the package has both. */
const SOURCE = fileURLToPath(new URL('../../../src/conform/oracle.c', import.meta.url));
const COMPILER_LIMIT_MS = 60_000;
/** One answer may take so long: a process of the oracle that hangs is given up earlier. */
const ANSWER_LIMIT_MS = 60_000;

/** Thrown where there is no kernel to ask: the sentence says why. */
export class NoOracle extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NoOracle';
  }
}

const CFLAGS: readonly string[] = ['-O1', '-static', '-no-pie', '-pthread', '-Wall', '-Wextra'];

/** How the oracle is compiled, where not as usual. */
export interface BuildOptions {
  readonly compiler?: string;
  /** Where compiled oracles are kept. */
  readonly folder?: string;
  readonly platform?: NodeJS.Platform;
}

/** A folder of this user's own: what lies there is run. */
const cacheFolder = (): string => join(tmpdir(), `pagerace-oracle-${userInfo().username}`);

/** Path of the compiled oracle, compiled first if need be. Throws NoOracle where that can't be done. */
export function buildOracle(options: BuildOptions = {}): string {
  const { compiler = 'cc', folder = cacheFolder(), platform = process.platform } = options;
  if (platform !== 'linux' || process.arch !== 'x64') {
    throw new NoOracle(
      `There is no kernel to compare with: this is ${platform} on ${process.arch}, not Linux on x86-64.`,
    );
  }
  const source = readFileSync(SOURCE);
  const hash = createHash('sha256').update(source).update(CFLAGS.join(' ')).digest('hex').slice(0, 16);
  const program = join(folder, `oracle-${hash}`);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Built aside and renamed, so that nobody runs a half of it.
  const fresh = `${program}.${String(process.pid)}`;
  const built = spawnSync(compiler, [...CFLAGS, '-o', fresh, SOURCE], { encoding: 'utf8', timeout: COMPILER_LIMIT_MS });
  if (built.error !== undefined) {
    throw new NoOracle(
      `The oracle can't be compiled: there is no C compiler '${compiler}'; install one, for example gcc.`,
    );
  }
  if (built.status !== 0) {
    rmSync(fresh, { force: true });
    const [line = ''] = built.stderr.split('\n').filter((text) => text.includes('error'));
    throw new NoOracle(`The oracle can't be compiled here: ${line.trim()}`);
  }
  renameSync(fresh, program);
  return program;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** An oracle's answer to one program. */
type Answer = { id: number } & (Run | { failed: string });

/** A running oracle. */
export class Oracle {
  readonly about: About;
  private readonly child: Child;
  private readonly answers: AsyncIterator<string>;
  private stderr = '';
  private asked = 0;

  private constructor(child: Child, answers: AsyncIterator<string>, about: About) {
    this.child = child;
    this.answers = answers;
    this.about = about;
    child.stderr.on('data', (text: Buffer) => {
      this.stderr += text.toString();
    });
    // What it could not be told shows in its silence.
    child.stdin.on('error', () => undefined);
  }

  /** Starts one. Throws NoOracle where there can be none. */
  static async start(): Promise<Oracle> {
    const child = spawn(buildOracle(), { stdio: ['pipe', 'pipe', 'pipe'] });
    const answers = createInterface({ input: child.stdout, crlfDelay: Infinity })[Symbol.asyncIterator]();
    const first = await answers.next();
    if (first.done === true) throw new NoOracle('The oracle does not start here.');
    return new Oracle(child, answers, JSON.parse(first.value) as About);
  }

  /** Runs programs, each in a process of its own. A program that could not be run to its end is undefined. */
  async ask(programs: readonly Program[]): Promise<(Run | undefined)[]> {
    const first = this.asked;
    this.asked += programs.length;
    this.child.stdin.write(programs.map((program, i) => programLines(first + i, program)).join(''));
    const runs: (Run | undefined)[] = [];
    for (let i = 0; i < programs.length; i++) {
      const answer = JSON.parse(await this.line()) as Answer;
      if (answer.id !== first + i)
        throw new Error(`Oracle.ask: answer ${String(answer.id)} to program ${String(first + i)}`);
      runs.push('failed' in answer ? undefined : answer);
    }
    return runs;
  }

  private async line(): Promise<string> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), ANSWER_LIMIT_MS);
    const next = await this.answers.next();
    clearTimeout(timer);
    if (next.done === true) throw new Error(`the oracle has ended without an answer: ${this.stderr.trim()}`);
    return next.value;
  }

  /** Ends it. */
  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('close', resolve));
    this.child.stdin.end();
    await ended;
  }
}
