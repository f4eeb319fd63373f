// What results say of where they were measured: the computer, and the version of pagerace.
import { availableParallelism, cpus as hostCpus, platform, release, totalmem } from 'node:os';
import { readFileSync } from 'node:fs';
import type { StressHost } from './results.ts';

/** The computer that this runs on. */
export function host(): StressHost {
  return {
    processor: hostCpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    platform: platform(),
    release: release(),
    node: process.version,
  };
}

/** The version in package.json. */
export function ownVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
