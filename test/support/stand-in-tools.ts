// Stand-ins for compilers and other tools of the path: shell scripts in a folder that is the whole path for a while.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';

/** Runs `body` in a scratch folder where only the tools of `scripts` are in the path; shell alone, by absolute paths. */
export async function withTools<T>(
  scripts: Readonly<Record<string, string>>,
  body: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'pagerace-tools-'));
  try {
    for (const [name, script] of Object.entries(scripts)) writeScript(join(folder, name), script);
    vi.stubEnv('PATH', folder);
    return await body(join(folder, 'scratch'));
  } finally {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeScript(path: string, script: string): void {
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

/** A compiler whose programs, named by its last argument, do what `script` does. */
export function compilerOf(script: string): string {
  return [
    'for last; do :; done',
    '[ "$last" = --version ] && exit 0',
    `printf '%s\\n' '#!/bin/sh' '${script}' > "$last"`,
    '/bin/chmod +x "$last"',
  ].join('\n');
}
