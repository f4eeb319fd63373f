// A stepped class as a plain one for real threads, from the same source: its yields erased as the build erases those of
// the kernel, its accesses done by Atomics. A worker loads it from a data: URL.
import { readFileSync } from 'node:fs';
import type { ClassModule } from '../../src/testing/index.ts';
import { erased } from './erased.ts';

const accesses = new URL('./direct-accesses.mjs', import.meta.url).href;

/** The class `name` of a TypeScript file, to be made of a memory and a thread's number. */
export function directClass(file: URL, name: string): ClassModule {
  const { code } = erased({ 'stepped.ts': readFileSync(file, 'utf8') }, { inlines: false });
  const found = code
    .replace(/(?<=from ["'])[./]*\/src\/explore\/index\.js/, accesses)
    .replace(/(?<=from ["'])fast-check/, import.meta.resolve('fast-check'));
  const direct = `export class Direct extends ${name} {
    constructor(memory, thread) {
      super({ id: thread, words: new Int32Array(memory) });
    }
  }`;
  const text = encodeURIComponent(`${found}\n${direct}`);
  return { url: `data:text/javascript,${text}`, export: 'Direct' };
}
