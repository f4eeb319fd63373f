// Gets the kernel's sources for the page: from beside it, or, in a page that is one file, from within.
import { KernelSources } from './model/sources.ts';
import type { SourceTable } from './model/sources.ts';
import { PART_IDS } from './model/single-page.ts';

let loaded: Promise<KernelSources> | undefined;

/** The sources, loaded when they are first asked for. Rejects where they can't be had. */
export function loadSources(): Promise<KernelSources> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<KernelSources> {
  const inline = document.getElementById(PART_IDS.sources);
  if (inline !== null) {
    const offset = Number(document.getElementById(PART_IDS.script)?.dataset.line ?? '1') - 1;
    return new KernelSources(JSON.parse(inline.textContent) as SourceTable, offset);
  }
  const answer = await fetch(new URL(/* @vite-ignore */ 'sources.json', import.meta.url));
  if (!answer.ok) throw new Error(`the kernel's sources could not be loaded: ${String(answer.status)}`);
  return new KernelSources((await answer.json()) as SourceTable);
}
