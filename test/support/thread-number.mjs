// A Piscina task that says which thread it runs on, once `together` of them run.
import { threadId } from 'node:worker_threads';

export default function threadNumber({ arrived, together }) {
  const words = new Int32Array(arrived);
  Atomics.add(words, 0, 1);
  Atomics.notify(words, 0);
  for (let there = Atomics.load(words, 0); there < together; there = Atomics.load(words, 0)) {
    if (Atomics.wait(words, 0, there, 10_000) === 'timed-out') throw new Error(`${there} of ${together} came`);
  }
  return threadId;
}
