// A report as JSON: the sweeps as they were read and checked, with all that was computed from them.
import type { StressPoint } from '../../stress/results.ts';
import type { FitOutcome, Series, SeriesPoint, StressReport, SweepFacts, Warning } from './analysis.ts';
import { allSeries } from './analysis.ts';

/** A point with what was computed of it. */
export type DocumentPoint = Omit<SeriesPoint, 'measured'> & StressPoint;

/** The JSON document. */
export interface ReportDocument {
  readonly kind: 'pagerace stress report';
  readonly version: 1;
  readonly sweeps: readonly SweepFacts[];
  readonly verdicts: StressReport['verdicts'];
  readonly series: readonly (Omit<Series, 'points' | 'fit'> & {
    readonly fit: FitOutcome;
    readonly points: readonly DocumentPoint[];
  })[];
  readonly losses: readonly {
    readonly series: string;
    readonly cpus: number;
    readonly lostPerMillion?: number;
    readonly beside?: { readonly label: string; readonly ratio: number };
  }[];
  readonly warnings: readonly Warning[];
  readonly benches: StressReport['benches'];
}

export function reportDocument(report: StressReport): ReportDocument {
  return {
    kind: 'pagerace stress report',
    version: 1,
    sweeps: report.sweeps,
    verdicts: report.verdicts,
    series: allSeries(report).map((series) => ({
      ...series,
      points: series.points.map(({ measured, ...computed }) => ({ ...computed, ...measured })),
    })),
    losses: report.losses.map(({ series, point, ...loss }) => ({
      series: series.id,
      cpus: point.measured.cpus,
      ...loss,
    })),
    warnings: report.warnings,
    benches: report.benches,
  };
}
