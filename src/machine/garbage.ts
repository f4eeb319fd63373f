// Gives the memory of machines back that nobody refers to any more.
//
// It lies outside the JavaScript heap, so the collector does not feel its weight: a thread whose heap looks small may
// keep gigabytes alive, an idle one for ever, and a machine's memory is free only once every thread has let go of it.
// So each thread adds up the memory that it was given and collects when that is much.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Two machines of the default size; a collection costs a few milliseconds. */
const COLLECT_BYTES: number = 512 * 1024 * 1024;

let given = 0;
let collect: (() => void) | undefined;

/**
 * To be called once a thread has attached to a machine with so many bytes, and not before: compiled code lives only as
 * long as there are objects of the kinds that it was compiled for, such as a Cpu.
 */
export function makeRoom(bytes: number): void {
  given += bytes;
  if (given < COLLECT_BYTES) return;
  given = bytes;
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
