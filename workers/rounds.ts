// One thread of rounds of method calls: sets the object back with the others at a barrier, staggers, makes its calls,
// and writes down what they returned and when.
import { Barrier } from '../src/stress/barrier.ts';
import { AccessDelays } from '../src/stress/delays.ts';
import { roundsLayout } from '../src/stress/rounds.ts';
import type { MethodCall, RoundsSeen, RoundsTask } from '../src/stress/rounds.ts';

/** Time that a thread waits for another at a barrier: whoever started the rounds looks for stuck calls much earlier. */
const LATE_MS = 600_000;
/** Most looks at memory that a thread staggers by; usually it is few, sometimes none. */
const STAGGERS = [0, 0, 4, 16, 64, 256] as const;

type Target = Record<string, (...args: readonly unknown[]) => unknown>;
type TargetClass = new (memory: SharedArrayBuffer, thread: number) => Target;

/** In every other round, of so many accesses by Atomics one is delayed: some bugs need one delay, some need several. */
const DELAYED = [2, 4, 8, 16] as const;

/** A source of small random numbers. */
function xorshift(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

async function classOf({ target }: RoundsTask): Promise<TargetClass | string> {
  let module: Record<string, unknown>;
  try {
    module = (await import(target.url)) as Record<string, unknown>;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return `the module ${shortened(target.url)} can't be loaded: ${message.replaceAll(target.url, shortened(target.url))}`;
  }
  const exported = module[target.export];
  if (typeof exported === 'function') return exported as TargetClass;
  return `the module ${shortened(target.url)} exports no class '${target.export}': it exports ${Object.keys(module).join(', ')}`;
}

/** A data: URL is the whole module. */
function shortened(url: string): string {
  return url.length > 100 ? `${url.slice(0, 100)}…` : url;
}

/** The Piscina task. */
export default async function runThread(task: RoundsTask): Promise<RoundsSeen> {
  const times = new Int32Array(2 * task.rounds * task.calls.length);
  const random = xorshift((task.seed + 1) * 0x9e3779b1 + task.thread * 0x85ebca6b);
  const delays = new AccessDelays(random);
  // Before the module is loaded, which may keep functions of Atomics under names of its own.
  delays.install();
  try {
    const found = await classOf(task);
    if (typeof found !== 'string') return new RoundsThread(task, found, times, random, delays).run();
    Atomics.store(new Int32Array(task.control), roundsLayout.stop, 1);
    return { rounds: 0, results: [], times, threw: undefined, mistake: found };
  } finally {
    delays.remove();
  }
}

class RoundsThread {
  private readonly task: RoundsTask;
  private readonly Class: TargetClass;
  private readonly words: Int32Array;
  private readonly control: Int32Array;
  private readonly barrier: Barrier;
  private readonly random: (below: number) => number;
  private readonly delays: AccessDelays;
  private readonly progress: number;
  private readonly results: unknown[] = [];
  private readonly times: Int32Array;
  private threw: RoundsSeen['threw'] = undefined;
  private mistake: string | undefined = undefined;
  private stamped = 0;
  private begun = 0;

  constructor(
    task: RoundsTask,
    targetClass: TargetClass,
    times: Int32Array,
    random: (below: number) => number,
    delays: AccessDelays,
  ) {
    const { thread, threads, memory, control } = task;
    this.task = task;
    this.Class = targetClass;
    this.words = new Int32Array(memory);
    this.control = new Int32Array(control);
    this.barrier = new Barrier(this.control, roundsLayout, thread, threads, performance.now() + LATE_MS);
    this.random = random;
    this.delays = delays;
    this.progress = roundsLayout.progress(thread);
    this.times = times;
  }

  run(): RoundsSeen {
    let rounds = 0;
    while (rounds < this.task.rounds && this.runRound(rounds)) rounds += 1;
    const { times, threw } = this;
    const mistake = this.mistake ?? this.unsendable();
    return { rounds, results: mistake === undefined ? this.results : [], times, threw, mistake };
  }

  /** Why results can't be sent to the thread that checks them. */
  private unsendable(): string | undefined {
    try {
      structuredClone(this.results);
      return undefined;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return `a result of the class ${this.Class.name} can't be sent to another thread (${message}): return numbers, strings, arrays and plain objects`;
    }
  }

  /** False where somebody stopped, or a call failed. */
  private runRound(round: number): boolean {
    const { task, barrier, control } = this;
    const { thread, calls } = task;
    if (!barrier.wait()) return false;
    const object = thread === 0 ? this.setUp(round) : undefined;
    if (!barrier.wait()) return false;
    const oneIn = round % 2 === 0 ? 0 : (DELAYED[this.random(DELAYED.length)] ?? 0);
    let at: number | undefined;
    try {
      const target = object ?? new this.Class(task.memory, thread);
      for (const [i, call] of calls.entries()) {
        at = i;
        this.stagger();
        this.makeTimed(target, call, oneIn);
      }
    } catch (error) {
      this.delays.oneIn = 0;
      this.fail(round, at, error);
    }
    return Atomics.load(control, roundsLayout.stop) === 0;
  }

  /** Thread 0 sets the memory back and makes the first calls; the others wait. */
  private setUp(round: number): Target | undefined {
    const { task, words, control } = this;
    words.fill(0);
    words.set(task.target.init);
    Atomics.store(control, roundsLayout.clock, 0);
    let at: number | undefined;
    try {
      const target = new this.Class(task.memory, 0);
      for (const [i, call] of task.first.entries()) {
        at = i - task.first.length;
        this.results.push(this.make(target, call));
      }
      return target;
    } catch (error) {
      this.fail(round, at, error);
      return undefined;
    }
  }

  private fail(round: number, call: number | undefined, error: unknown): void {
    this.threw ??= { round, call, message: error instanceof Error ? error.message : String(error) };
    Atomics.store(this.control, roundsLayout.stop, 1);
  }

  private stagger(): void {
    const most = STAGGERS[this.random(STAGGERS.length)] ?? 0;
    for (let looks = most === 0 ? 0 : this.random(most); looks > 0; looks--) Atomics.load(this.control, this.progress);
  }

  private makeTimed(target: Target, call: MethodCall, oneIn: number): void {
    const { control, times, delays } = this;
    const invoked = Atomics.add(control, roundsLayout.clock, 1);
    delays.oneIn = oneIn;
    const result = this.make(target, call);
    delays.oneIn = 0;
    const returned = Atomics.add(control, roundsLayout.clock, 1);
    times[this.stamped] = invoked;
    times[this.stamped + 1] = returned;
    this.stamped += 2;
    this.results.push(result);
  }

  private make(target: Target, { method, args }: MethodCall): unknown {
    const { control, progress } = this;
    if (typeof target[method] !== 'function') {
      this.mistake = `the class ${this.Class.name} has no method ${method}, which its operations name: give it, or leave it out there`;
      throw new Error(this.mistake);
    }
    Atomics.store(control, progress, (this.begun += 1));
    const result = target[method](...args);
    Atomics.store(control, progress, (this.begun += 1));
    return result;
  }
}
