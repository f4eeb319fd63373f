// Where the golden files are, and the rule that all text for people stands in 80 columns.
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

/** The golden file of a name; `extension` without its dot. */
export function golden(name: string, extension = 'txt'): string {
  return fileURLToPath(new URL(`../golden/${name}.${extension}`, import.meta.url));
}

/** Compares a text for people with its golden file. */
export async function expectGolden(text: string, name: string): Promise<void> {
  for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  await expect(`${text}\n`).toMatchFileSnapshot(golden(name));
}
