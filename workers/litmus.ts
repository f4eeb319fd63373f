// One thread of a litmus test: meets the others at a barrier before each instance, runs its operations, and writes its
// registers down. Thread 0 counts what came out after each round, and sets the instances back.
import { Barrier } from '../src/stress/barrier.ts';
import { INSTANCES, MAX_REGISTERS, litmusLayout } from '../src/stress/litmus.ts';
import type { LitmusSeen, LitmusTask } from '../src/stress/litmus.ts';

/** Time over its limit that a thread waits for another one. */
const LATE_MS = 5000;

/** The operations of a thread as numbers: code, word, value, register. */
const CODES = { read: 0, write: 1, fence: 2, exchange: 3, add: 4 };
/** In the place of a register: none. */
const NO_REGISTER = -1;

function encode(task: LitmusTask): Int32Array {
  return Int32Array.from(
    task.ops.flatMap((op) => {
      if (op.op === 'fence') return [CODES.fence, 0, 0, NO_REGISTER];
      if (op.op === 'read' || op.op === 'add') return [CODES[op.op], op.word, 0, op.register];
      if (op.op === 'exchange') return [CODES.exchange, op.word, op.value, NO_REGISTER];
      return [CODES.write, op.word, op.value, op.register ?? NO_REGISTER];
    }),
  );
}

/** Runs `code` on the instance whose words are `stride` apart from `at`. */
function runInstance(
  shared: Int32Array,
  code: Int32Array,
  at: number,
  stride: number,
  registers: Int32Array,
  plain: boolean,
  fence: number,
): void {
  for (let i = 0; i < code.length; i += 4) {
    const word = at + (code[i + 1] ?? 0) * stride;
    const register = code[i + 3] ?? 0;
    const value = (code[i + 2] ?? 0) + (register === NO_REGISTER ? 0 : (registers[register] ?? 0));
    switch (code[i]) {
      case CODES.read:
        registers[register] = plain ? (shared[word] ?? 0) : Atomics.load(shared, word);
        break;
      case CODES.write:
        if (plain) shared[word] = value;
        else Atomics.store(shared, word, value);
        break;
      case CODES.fence:
        Atomics.add(shared, fence, 0);
        break;
      case CODES.exchange:
        Atomics.exchange(shared, word, value);
        break;
      default:
        registers[register] = Atomics.add(shared, word, 1);
    }
  }
}

/** The Piscina task. */
export default function runThread(task: LitmusTask): LitmusSeen {
  const { memory, thread, threads, words, accesses } = task;
  const shared = new Int32Array(memory);
  const code = encode(task);
  const own = new Int32Array(MAX_REGISTERS);
  const outcomes = new Map<string, number>();
  const started = performance.now();
  const deadline = started + task.seconds * 1000 + LATE_MS;
  const stride = litmusLayout.word(threads, words, 0, 1) - litmusLayout.word(threads, words, 0, 0);
  const mine = litmusLayout.arrived(thread);
  const barrier = new Barrier(shared, litmusLayout, thread, threads, deadline);

  const runRound = (): boolean => {
    for (let instance = 0; instance < INSTANCES; instance++) {
      if (!barrier.wait()) return false;
      const at = litmusLayout.word(threads, words, instance, 0);
      // The thread's own line, which it has just written, is where its barriers cost others least.
      runInstance(shared, code, at, stride, own, accesses === 'plain', mine);
      shared.set(own, litmusLayout.registers(threads, thread, instance));
    }
    return barrier.wait();
  };

  const count = (): void => {
    for (let instance = 0; instance < INSTANCES; instance++) {
      const values: number[] = [];
      task.registers.forEach((length, other) => {
        const at = litmusLayout.registers(threads, other, instance);
        values.push(...shared.subarray(at, at + length));
      });
      for (let word = 0; word < words; word++) {
        const at = litmusLayout.word(threads, words, instance, word);
        values.push(shared[at] ?? 0);
        shared[at] = 0;
      }
      const key = values.join();
      outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
    }
  };

  for (let round = 0; round < task.rounds; round++) {
    if (!runRound()) break;
    if (thread === 0) {
      count();
      // Before the barrier that starts the next round: all see it there, or none does.
      if (performance.now() - started > task.seconds * 1000) Atomics.store(shared, litmusLayout.stop, 1);
    }
    if (!barrier.wait() || Atomics.load(shared, litmusLayout.stop) !== 0) break;
  }
  return { outcomes, late: barrier.late };
}
