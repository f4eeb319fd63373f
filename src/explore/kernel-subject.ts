// The kernel as something the explorer can drive: a booted machine, one program per CPU, and the machine's own judges.
//
// A copy of the machine is judged, so that whoever looks at an execution that has ended finds it as it ended; ends that
// are alike are judged once.
import { wordsAccessed } from '../check/accessed-words.ts';
import { eventsOf, judge } from '../check/verdict.ts';
import type { Verdict } from '../check/verdict.ts';
import { Observations } from '../kernel/observations.ts';
import { run_explored } from '../kernel/program.ts';
import type { Op } from '../kernel/program.ts';
import type { Steps } from '../kernel/memory.ts';
import { boot } from '../machine/boot.ts';
import type { Machine } from '../machine/boot.ts';
import { steppedRules } from '../machine/design.ts';
import { ExploredCpu, Hash, KernelImage } from './kernel-image.ts';
import { KernelNames } from './kernel-names.ts';
import { bringUp, setUp, takeDown } from './kernel-setup.ts';
import type { KernelSpec } from './kernel-setup.ts';
import type { Complaint, Subject } from './subject.ts';

/** Ends whose verdicts are kept. */
const MAX_KNOWN_ENDS = 20_000;

/** Runs programs on one machine, set back before each execution. */
export class KernelSubject implements Subject {
  readonly name: string;
  readonly everyStep = false;
  readonly cpus: readonly ExploredCpu[];
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly machine: Machine;
  /** What each CPU's program has observed in this execution. */
  readonly observations: readonly Observations[];
  /** The program of each CPU. */
  readonly programs: readonly (readonly Op[])[];
  private readonly spec: KernelSpec;
  private readonly image: KernelImage;
  private readonly setupHistory: Float64Array;
  /** User words that programs touch: what they hold in the end is read once more. */
  private readonly touched: readonly number[];
  private readonly isMonitored: boolean;
  private readonly known = new Map<string, Verdict>();
  private judged: Machine | undefined = undefined;
  private names: KernelNames | undefined = undefined;

  constructor(spec: KernelSpec) {
    this.spec = spec;
    this.programs = spec.programs;
    this.name = spec.name;
    const { machine, history } = setUp(spec);
    bringUp(machine);
    this.machine = machine;
    this.words = machine.words;
    this.setupHistory = history;
    this.image = new KernelImage(machine.words, machine.layout);
    const rules = steppedRules(machine.design);
    this.cpus = spec.programs.map((_, id) => new ExploredCpu(machine.memory, id, this.image.dirty, rules));
    this.observations = spec.programs.map((ops) => new Observations(ops.length, true));
    this.isMonitored = [spec.setup, ...spec.programs].some((ops) => ops.some(({ op }) => op === 'uffd_register'));
    this.touched = touchedWords([...spec.setup, ...spec.programs.flat()]);
  }

  restart(): readonly Steps<unknown>[] {
    this.image.restore();
    return this.spec.programs.map((ops, id) => {
      const cpu = this.cpus[id]!;
      const seen = this.observations[id]!;
      cpu.reset();
      forget(seen);
      return run_explored(cpu, ops, seen);
    });
  }

  /** A digest of the end: equal for all orders of steps that commute. */
  endDigest(): string {
    const hash = new Hash();
    for (const seen of this.observations) {
      for (let i = 0; i < seen.values.length; i++) {
        hash.addNumber(seen.values[i]!);
        hash.add(seen.faults[i]!, seen.signals[i]!);
      }
    }
    return this.image.digest() + hash.text();
  }

  /** What all judges say about the end of the execution: at rest, user memory, and what is left after exit. */
  verdict(): Verdict {
    const hash = new Hash();
    for (const seen of this.observations) {
      for (const part of seen.recorded()) hash.addNumber(part);
    }
    const key = this.endDigest() + hash.text();
    let verdict = this.known.get(key);
    if (verdict === undefined) {
      verdict = this.judgeCopy();
      if (this.known.size >= MAX_KNOWN_ENDS) this.known.clear();
      this.known.set(key, verdict);
    }
    return verdict;
  }

  /** The finding that says most to a user: lost memory before anything that only the kernel suffers. */
  judge(): Complaint | undefined {
    const { findings } = this.verdict();
    const first = findings.find((finding) => finding.judge === 'I13') ?? findings[0];
    return first === undefined ? undefined : { judge: first.judge, message: first.message };
  }

  nameOf(word: number): string {
    this.names ??= new KernelNames(this.machine);
    return this.names.nameOf(word);
  }

  private judgeCopy(): Verdict {
    this.judged ??= boot(this.machine.config);
    const machine = this.judged;
    machine.words.set(this.words);
    const outcome = { cpus: [], steps: 0, deadlock: [], unfinished: false };
    const histories = [{ cpu: 0, history: this.setupHistory }, ...this.observations.map(historyOf)];
    try {
      takeDown(machine);
      const loads = this.touched.map((addr): Op => ({ op: 'load', addr }));
      // A monitor that is gone leaves nobody waiting, so that what it has not filled can be read.
      const close: Op[] = this.isMonitored ? [{ op: 'uffd_close' }] : [];
      const reads = machine.processes.flatMap((process): Op[] => [{ op: 'as', process }, ...close, ...loads]);
      histories.push({ cpu: 0, history: machine.runHere(reads, 0, true).history });
      return judge(machine, outcome, { events: eventsOf(histories), exit: true });
    } catch (error) {
      // A machine that was broken on purpose may break those who end its process, too.
      const message = error instanceof Error ? error.message : String(error);
      const findings = [{ judge: 'died', message: `the process could not be ended: ${message}`, details: [] }];
      return { kind: 'violated', findings, bounds: 'one execution' };
    }
  }
}

function forget(seen: Observations): void {
  seen.events = 0;
  seen.total_faults = 0;
  seen.min_flt = 0;
  seen.maj_flt = 0;
  seen.minor_faults.fill(0);
  seen.values.fill(0);
  seen.faults.fill(0);
  seen.signals.fill(0);
}

function historyOf(seen: Observations, cpu: number): { cpu: number; history: Float64Array } {
  return { cpu, history: seen.recorded() };
}

/** Words that programs touch, and where mremap may have taken them. */
function touchedWords(ops: readonly Op[]): number[] {
  const words = new Set(wordsAccessed(ops));
  for (const op of ops) {
    if (op.op !== 'mremap' || op.new_addr === undefined) continue;
    for (const word of words) {
      if (word >= op.addr && word < op.addr + op.old_length) words.add(word - op.addr + op.new_addr);
    }
  }
  return [...words].sort((a, b) => a - b);
}
