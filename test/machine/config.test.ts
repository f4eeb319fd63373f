// What a machine can't be: each a sentence that says what it can.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { boot } from '../../src/machine/boot.ts';
import type { MachineConfig } from '../../src/machine/config.ts';
import { UsageError } from '../../src/machine/usage-error.ts';

const MIB = 1024 * 1024;

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('a configuration that is not possible', () => {
  const cases: [config: Partial<MachineConfig>, says: RegExp][] = [
    [{ cpus: 0 }, /CPUs 0 .* 1 to 64/],
    [{ cpus: 1000 }, /CPUs 1000 .* 1 to 64/],
    [{ cpus: 1.5 }, /CPUs 1.5 .* 1 to 64/],
    [{ memory: MIB - 1 }, /1M to 2G/],
    [{ memory: 4096 * MIB }, /1M to 2G/],
    [{ memory: NaN }, /1M to 2G/],
    [{ basePfn: -1 }, /base frame number -1/],
    [{ basePfn: 0x7fffffff }, /base frame number 2147483647/],
    [{ memcgLimits: [-1] }, /memory limit -1/],
    [{ maxVmas: 1 }, /VMAs 1 /],
    [{ without: ['plt'] }, /Defence 'plt' is not known.*for example ptl/],
    [{ failAlloc: { sites: ['pta'] } }, /Allocation site 'pta' is not known.*for example pte/],
  ];
  it.each(cases)('%o', (config, says) => {
    expect(() => boot(config)).toThrow(UsageError);
    expect(() => boot(config)).toThrow(says);
  });

  it('more memory than the computer has', () => {
    const refuse = function (): never {
      throw new RangeError('WebAssembly.Memory(): could not allocate memory');
    };
    vi.stubGlobal('WebAssembly', { ...WebAssembly, Memory: refuse });
    expect(() => boot({ memory: 2048 * MIB })).toThrow(/^Memory of 2147483648 bytes can't be had.*for example/);
  });
});

it('the smallest and the largest numbers of everything boot', () => {
  for (const config of [
    { cpus: 1, memory: MIB, basePfn: 0, maxVmas: 16 },
    { cpus: 64, memory: 8 * MIB, basePfn: 0x7fffffff - 2048 },
  ])
    expect(boot(config).alive).toBe(true);
});
