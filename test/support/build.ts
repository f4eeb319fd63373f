// Builds the project once before the tests, which run the compiled files.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export function setup(): void {
  execFileSync(process.execPath, [fileURLToPath(new URL('../../.build/build.mjs', import.meta.url))], {
    stdio: 'inherit',
  });
}
