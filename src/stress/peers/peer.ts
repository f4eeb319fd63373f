// Other explorers, built on this machine and run on the same programs: what they are asked, and what they answer.
import { spawn, spawnSync } from 'node:child_process';

/** Programs of the registry that other explorers are given in their own languages. */
export const PEER_PROGRAMS = [
  'lost-update',
  'page-fault',
  'page-fault-no-recheck',
  'page-fault-no-lock',
  'mutex',
  'xadd',
] as const;
export type PeerProgram = (typeof PEER_PROGRAMS)[number];

/** A program's name as languages write names. */
export const identifier = (program: PeerProgram): string => program.replaceAll('-', '_');

/** What a search came to. Peers are made to go on after a violation, as our search is when it is measured. */
export interface PeerFound {
  /** How many there are of what it counts; where it did not end, how many it had come to, undefined if it did not say. */
  readonly count: number | undefined;
  /** Steps from state to state, for those that count states. */
  readonly transitions?: number;
  readonly violated: boolean;
  /** Of the search alone, without generating and compiling it, by a clock that ticks every `tick` seconds. */
  readonly seconds: number;
  readonly tick: number;
  /** Whether it came to the end of what there is in the time that it had. */
  readonly ended: boolean;
}

/** One search of one program by another explorer. */
export interface PeerResult extends PeerFound {
  /** The tool and its way to search. */
  readonly peer: string;
  readonly program: PeerProgram;
  readonly size: number;
  /** A state is visited once, however many executions lead to it. */
  readonly counted: 'states' | 'executions';
}

/** A peer that is compiled and runs one program at a time. */
export interface BuiltPeer {
  readonly name: string;
  /** A result for each of its ways to search; none where it was not built for this program or size. */
  run(program: PeerProgram, size: number): Promise<readonly PeerResult[]>;
}

/** A peer that cannot be had here, and why, in one line. */
export interface MissingPeer {
  readonly name: string;
  readonly missing: string;
}

export type Peer = BuiltPeer | MissingPeer;

export interface PeerOptions {
  /** Where to build it: nothing else lies there. */
  readonly folder: string;
  readonly programs: readonly PeerProgram[];
  readonly sizes: readonly number[];
  /** Seconds for one search, after which it is given up. */
  readonly limit: number;
}

/** What a command printed, standard error included. `status` is undefined where it had to be killed. */
export interface Ran {
  readonly output: string;
  readonly status: number | undefined;
}

export interface RunOptions {
  /** Seconds until it is killed. */
  readonly limit: number;
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a command to its end or to the limit. Rejects where it cannot be started at all. */
export async function run(command: string, args: readonly string[], { limit, cwd, env }: RunOptions): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, LC_ALL: 'C', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limit * 1000,
      killSignal: 'SIGKILL',
    });
    let output = '';
    const more = (text: Buffer): void => {
      output += text.toString();
    };
    child.stdout.on('data', more);
    child.stderr.on('data', more);
    child.once('error', reject);
    child.once('close', (status) => {
      resolve({ output, status: status ?? undefined });
    });
  });
}

/** Whether a command is to be found here. */
export function isInstalled(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined;
}

/** No step of a build takes as long as this, in seconds. */
const BUILD_LIMIT = 120;

/** Runs a step of a build in a folder. Throws with the first error that it printed where it fails. */
export async function runBuildStep(cwd: string, command: string, args: readonly string[]): Promise<void> {
  const { output, status } = await run(command, args, { limit: BUILD_LIMIT, cwd });
  if (status === 0) return;
  const lines = output.split('\n');
  const said = lines.find((line) => /error/i.test(line)) ?? lines[0] ?? '';
  const end = status === undefined ? `does not end in ${String(BUILD_LIMIT)} s` : `exits with ${String(status)}`;
  throw new Error(`${command} ${end}: ${said.trim()}`);
}

/** A peer whose build failed. */
export function unbuilt(name: string, error: unknown): MissingPeer {
  return { name, missing: `cannot be built here: ${error instanceof Error ? error.message : String(error)}` };
}
