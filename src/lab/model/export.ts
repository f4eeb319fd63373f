// What is shown, for other programs and other people: in the formats of `pagerace replay`, as a picture, as one page.
import { contextOf } from '../../report/exploration-text.ts';
import { failureText } from '../../report/failure-text.ts';
import type { FailureText } from '../../report/failure-text.ts';
import { renderExecution } from '../../report/formats.ts';
import type { Format } from '../../report/formats.ts';
import { wrapText } from '../../report/text.ts';
import { lanesSvg } from './lanes-svg.ts';
import { replayCommand, targetOf } from './plan.ts';
import type { Plan } from './plan.ts';
import type { Session } from './session.ts';
import { encodeLink } from './share.ts';
import { singlePage } from './single-page.ts';
import type { PageParts } from './single-page.ts';

/** A way to save what is shown. */
export interface ExportFormat {
  readonly name: Format | 'svg' | 'html';
  /** What it is, for a list of choices. */
  readonly what: string;
  readonly extension: string;
  readonly type: string;
}

export const EXPORTS: readonly ExportFormat[] = [
  { name: 'table', what: 'text: the table of steps', extension: 'txt', type: 'text/plain' },
  { name: 'ftrace', what: 'ftrace text', extension: 'ftrace.txt', type: 'text/plain' },
  { name: 'chrome', what: 'Chrome trace, for Perfetto', extension: 'trace.json', type: 'application/json' },
  { name: 'json', what: 'JSON, which the lab opens again', extension: 'json', type: 'application/json' },
  { name: 'svg', what: 'SVG: a picture of the lanes', extension: 'svg', type: 'image/svg+xml' },
  { name: 'html', what: 'HTML: this lab as one file', extension: 'html', type: 'text/html' },
];

/** What of a built lab a page that is one file is made of. */
export type LabFiles = Pick<PageParts, 'script' | 'style' | 'sources'>;

/** What is shown, in a format; `files` are asked for only by what needs them. */
export async function exported(
  session: Session,
  name: ExportFormat['name'],
  files: () => Promise<LabFiles>,
): Promise<string> {
  switch (name) {
    case 'svg':
      return picture(session);
    case 'html':
      return pageOf(session, await files());
    default: {
      const { text, replay } = told(session);
      const { plan } = session;
      const asked = { name: plan.scenario, options: optionsOf(plan) };
      const message = session.outcome?.complaint?.message;
      const { timeline } = session;
      const states = Array.from({ length: session.length + 1 }, (_, steps) => timeline.after(steps).state);
      return `${renderExecution(name, text, { ...contextOf(asked, plan.memoryModel, message), replay }, states)}\n`;
    }
  }
}

/** One page with what is shown, standing where it stands. */
export function pageOf(session: Session, files: LabFiles): string {
  return singlePage({
    ...files,
    fragment: encodeLink(session.shown),
    title: session.title === '' ? `pagerace lab, ${nameOf(session)}` : session.title,
  });
}

/** A name for a file: what runs, and how it came out. */
export function fileName(session: Session, { extension }: ExportFormat): string {
  return `pagerace-${session.plan.scenario}-${verdictOf(session).replace(' ', '-')}.${extension}`;
}

/** What runs, and what came of it. */
function nameOf(session: Session): string {
  const { plan } = session;
  const without = plan.without.length === 0 ? '' : ` without ${plan.without.join(', ')}`;
  return `${plan.scenario}${without}: ${verdictOf(session)}`;
}

function verdictOf({ outcome }: Session): string {
  if (outcome === undefined) return 'under way';
  return outcome.complaint === undefined && outcome.findings.length === 0 ? 'held' : 'violated';
}

function told(session: Session): { text: FailureText; replay: string } {
  const { plan, timeline } = session;
  const replay = replayCommand(plan, session.token());
  return { text: failureText(targetOf(plan), timeline.replayed(), replay), replay };
}

function picture(session: Session): string {
  const { text, replay } = told(session);
  const { plan, title } = session;
  const complaint = session.outcome?.complaint;
  const consequences = session.outcome === undefined ? [] : (text.options.consequences ?? []);
  const about = [
    ...(title === '' ? [] : [nameOf(session)]),
    ...(consequences.length > 0 || complaint === undefined ? [] : wrapText(complaint.message)),
    ...consequences.flatMap(({ label, text: said }) => wrapText(said, label.padEnd(13), ' '.repeat(13))),
    ...wrapText(replay, 'replay'.padEnd(13), ' '.repeat(13)),
  ];
  return lanesSvg(text, plan.cpus, title === '' ? nameOf(session) : title, about);
}

function optionsOf({ cpus, locking, without }: Plan): { cpus: number; locking: string; without: readonly string[] } {
  return { cpus, locking, without };
}
