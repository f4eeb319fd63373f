// What is wrong with an execution that has just ended: the program's own checks, exceptions, deadlock, livelock.
import type { Execution } from './execution.ts';
import type { Complaint } from './subject.ts';

/** Who waits for what where nobody can go. */
export function waitingCpus(
  execution: Execution,
): { cpu: number; word: number; lockClass: number; holder: number | undefined }[] {
  const waiting = [];
  for (let cpu = 0; cpu < execution.cpus; cpu++) {
    if (!execution.isAlive(cpu)) continue;
    const step = execution.pending(cpu);
    if (step.kind === 'idle' || execution.isEnabled(cpu)) continue;
    waiting.push({ cpu, word: step.word, lockClass: step.lock_class, holder: holderOf(execution, cpu) });
  }
  return waiting;
}

/** The CPU that holds the lock a CPU waits for: from the lock's holder word, or, in a program, from the lock itself. */
function holderOf(execution: Execution, cpu: number): number | undefined {
  const step = execution.pending(cpu);
  const word = step.holder !== 0 ? step.holder : step.kind === 'lock' ? step.word : -1;
  const holder = word < 0 ? 0 : execution.words[word]!;
  return holder > 0 && holder <= execution.cpus ? holder - 1 : undefined;
}

function deadlockSentence(execution: Execution): string {
  const { subject } = execution;
  const parts = waitingCpus(execution).map(({ cpu, word, holder }) => {
    const { kind } = execution.pending(cpu);
    const what = kind === 'wait' ? `waits for ${subject.nameOf(word)}` : `waits to take ${subject.nameOf(word)}`;
    return `CPU ${String(cpu)} ${what}${holder === undefined ? '' : `, held by CPU ${String(holder)}`}`;
  });
  return `nobody can go on: ${parts.join('; ')}`;
}

/** The first thing that is wrong with the end of an execution; undefined if nothing is. */
export function complaintOf(execution: Execution): Complaint | undefined {
  const { errors } = execution;
  const livelock = execution.overran;
  if (livelock) {
    const cpus: string[] = [];
    for (let cpu = 0; cpu < execution.cpus; cpu++) {
      if (execution.isAlive(cpu) && execution.isEnabled(cpu)) cpus.push(`CPU ${String(cpu)}`);
    }
    const who = cpus.length > 0 ? cpus.join(', ') : errors.map(({ cpu }) => `CPU ${String(cpu)}`).join(', ');
    return {
      judge: 'livelock',
      message: `${who} went on without an end: the execution took its bound of ${execution.maxSteps.toLocaleString('en')} steps`,
    };
  }
  const [error] = errors;
  if (error !== undefined) return { judge: 'exception', message: `CPU ${String(error.cpu)}: ${error.message}` };
  if (!execution.isOver()) return { judge: 'deadlock', message: deadlockSentence(execution) };
  return execution.subject.judge(execution.end());
}
