// Builds the project and the lab once before the tests, which run the compiled files.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export function setup(): void {
  for (const what of ['build', 'lab']) {
    execFileSync(process.execPath, [fileURLToPath(new URL(`../../.build/${what}.mjs`, import.meta.url))], {
      stdio: 'inherit',
    });
  }
}
