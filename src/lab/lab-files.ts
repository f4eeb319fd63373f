// The page's own script, style and sources as text: from beside it, or, in a page that is one file, from within.
import type { LabFiles } from './model/export.ts';
import { PART_IDS } from './model/single-page.ts';

/** All three. Rejects where one can't be had: a page that was opened from a disk may not read what lies beside it. */
export async function ownFiles(): Promise<LabFiles> {
  const [script, style, sources] = await Promise.all([
    textOf(PART_IDS.script, 'lab.js'),
    textOf(PART_IDS.style, 'lab.css'),
    textOf(PART_IDS.sources, 'sources.json'),
  ]);
  return { script, style, sources };
}

async function textOf(id: string, name: string): Promise<string> {
  const inline = document.getElementById(id);
  if (inline !== null) return inline.textContent;
  const answer = await fetch(new URL(/* @vite-ignore */ name, import.meta.url));
  if (!answer.ok) throw new Error(`${name} could not be loaded: ${String(answer.status)}`);
  return answer.text();
}
