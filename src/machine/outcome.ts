// How one CPU's program ended, and what it observed: plain data, the same from threads and from the stepped driver.
import type { Observations } from '../kernel/observations.ts';
import type { CpuOutcome } from './gang.ts';

/** What goes back to whoever runs the gang. */
export function outcomeOf(cpu: number, status: CpuOutcome['status'], seen: Observations): CpuOutcome {
  return {
    cpu,
    status,
    values: seen.values,
    faults: seen.faults,
    minorFaults: seen.minor_faults,
    signals: seen.signals,
    totalFaults: seen.total_faults,
    minFlt: seen.min_flt,
    majFlt: seen.maj_flt,
    history: seen.recorded().slice(),
  };
}
