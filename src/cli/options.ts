// Values of flags: numbers, sizes, addresses, lists of names. What can't be used is a UsageError.
import { UsageError } from '../machine/usage-error.ts';

/** A whole number, decimal or 0x. */
export function parseWhole(flag: string, example: string): (text: string) => number {
  return (text) => {
    const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(value)) {
      throw new UsageError(
        `${flag} '${text}' is not a whole number: use digits, or 0x and hexadecimal digits, for example ${flag} ${example}.`,
      );
    }
    return value;
  };
}

/** A size in bytes: digits with K, M or G. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMG]?)$/i.exec(text);
  const unit = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[(match?.[2] ?? '').toUpperCase()] ?? 1;
  if (match === null) {
    throw new UsageError(`Size '${text}' is not a size: use digits with K, M or G, for example --memory 256M.`);
  }
  return Math.floor(Number(match[1]) * unit);
}

/** Names with commas between them. */
export function parseNames(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** `probability=0.1,interval=100,times=5,sites=folio+pte`: fault injection in the allocator. */
export function parseFailAlloc(text: string): {
  probability?: number;
  interval?: number;
  times?: number;
  sites?: string[];
} {
  const parsed: { probability?: number; interval?: number; times?: number; sites?: string[] } = {};
  for (const part of parseNames(text)) {
    const [key = '', value = ''] = part.split('=');
    const number = Number(value);
    if (key === 'probability' && number >= 0 && number <= 1 && value !== '') parsed.probability = number;
    else if ((key === 'interval' || key === 'times') && Number.isInteger(number) && number >= 0 && value !== '')
      parsed[key] = number;
    else if (key === 'sites' && value !== '') parsed.sites = value.split('+');
    else {
      throw new UsageError(
        `--fail-alloc '${part}' is not understood: use probability=0..1, interval=N, times=N or sites=folio+pte, for example --fail-alloc interval=100.`,
      );
    }
  }
  return parsed;
}
