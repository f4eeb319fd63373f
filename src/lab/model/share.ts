// The lab's state as the fragment of a URL, and back: `#v=1&scenario=first-touch&cpus=2&…&s=0:4,1:6.k3x7q&at=9`.
//
// A link says all that the page shows, so that whoever opens it sees the same. It is read strictly: what this version
// does not know is refused in one sentence, never guessed at.
import { parseToken } from '../../explore/token.ts';
import { UsageError, indexOfName, nearest } from '../../machine/usage-error.ts';
import { levelNamed } from './levels.ts';
import { planOf } from './plan.ts';
import type { Plan } from './plan.ts';
import { MODES } from './session.ts';
import type { Mode, Shown } from './session.ts';

/** Version of links: of what their fields mean. */
export const LINK_VERSION = 1;
/** Longest title, in UTF-16 units. */
export const MAX_TITLE = 200;
/** Longest fragment that is read, in characters. */
const MAX_FRAGMENT = 500_000;
/** Most digits of a number in a link. */
const MAX_DIGITS = 9;

const EXAMPLE = '#v=1&scenario=first-touch';
const PLAN_FIELDS = ['cpus', 'locking', 'without', 'model'];
const FIELDS: readonly string[] = ['v', 'scenario', ...PLAN_FIELDS, 's', 'at', 'mode', 'title', 'level'];

/** The fragment for what is shown, without its `#`. Titles that are too long are cut. */
export function encodeLink({ plan, token, cursor, mode, title, level }: Shown): string {
  const fields: [name: string, value: string][] = [
    ['v', String(LINK_VERSION)],
    ['scenario', plan.scenario],
    ['cpus', String(plan.cpus)],
    ['locking', plan.locking],
    ['without', plan.without.join(',')],
    ['model', plan.memoryModel],
    ['s', token ?? ''],
    ['at', cursor === 0 ? '' : String(cursor)],
    ['mode', mode],
    ['title', title.slice(0, MAX_TITLE)],
    ['level', level ?? ''],
  ];
  return fields
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}=${escaped(value)}`)
    .join('&');
}

/**
 * What a fragment says to show, with or without its `#`; undefined: it says nothing. Throws a UsageError that says what
 * is wrong, and what would be right.
 */
export function decodeLink(fragment: string): Shown | undefined {
  const text = fragment.replace(/^#/, '');
  if (text === '') return undefined;
  const fields = fieldsOf(text);
  checkVersion(fields.get('v'));
  checkNames(fields);
  if (fields.size === 1) return undefined;
  const level = fields.has('level') ? levelNamed(fields.get('level') ?? '') : undefined;
  const token = fields.get('s');
  if (token !== undefined) parseToken(token);
  return {
    plan: planIn(fields, level?.plan),
    token,
    cursor: numberIn(fields, 'at') ?? 0,
    mode: modeIn(fields) ?? level?.mode ?? 'watch',
    title: titleIn(fields),
    level: level?.id,
  };
}

/** Percent-encoded, but for what is safe and reads better as it is; also what mail programs cut off links. */
function escaped(value: string): string {
  return encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd'))
    .replace(/[!'()*~]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/%3A/g, ':')
    .replace(/%2C/g, ',');
}

function unescaped(name: string, value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new UsageError(`The link is damaged: its field '${name}' can't be decoded; copy the link once more.`);
  }
}

function fieldsOf(text: string): Map<string, string> {
  if (text.length > MAX_FRAGMENT) {
    throw new UsageError(
      `The link is longer than ${String(MAX_FRAGMENT)} characters, and none of the lab's is, for example ${EXAMPLE}.`,
    );
  }
  const fields = new Map<string, string>();
  for (const part of text.split('&')) {
    const [, name, value = ''] = /^([^=]*)=(.*)$/s.exec(part) ?? [];
    if (name === undefined) {
      throw new UsageError(`The link is damaged: '${shortened(part)}' is not field=value, as in ${EXAMPLE}.`);
    }
    if (fields.has(name)) {
      throw new UsageError(`The link has the field '${shortened(name)}' twice: give it once, as in ${EXAMPLE}.`);
    }
    fields.set(name, unescaped(shortened(name), value));
  }
  return fields;
}

function checkVersion(version: string | undefined): void {
  if (version === String(LINK_VERSION)) return;
  throw new UsageError(
    version === undefined
      ? `The link has no version: links of the lab begin with #v=${String(LINK_VERSION)}, for example ${EXAMPLE}.`
      : `The link has version '${shortened(version)}', and this page reads version ${String(LINK_VERSION)}: open it with the pagerace that made it.`,
  );
}

function checkNames(fields: ReadonlyMap<string, string>): void {
  for (const [name, value] of fields) {
    if (!FIELDS.includes(name)) {
      throw new UsageError(
        `The link has a field '${shortened(name)}' that this page does not know: fields are ${FIELDS.join(', ')}; did you mean '${nearest(shortened(name), FIELDS)}'?`,
      );
    }
    if (value === '') throw new UsageError(`The link's field '${name}' is empty: give it a value or leave it out.`);
  }
}

function planIn(fields: ReadonlyMap<string, string>, given: Plan | undefined): Plan {
  const scenario = fields.get('scenario');
  if (scenario === undefined) {
    const stray = PLAN_FIELDS.find((name) => fields.has(name));
    if (stray === undefined && given !== undefined) return given;
    throw new UsageError(
      `The link has no scenario${stray === undefined ? '' : ` for its field '${stray}'`}: say which, for example ${EXAMPLE}.`,
    );
  }
  const cpus = numberIn(fields, 'cpus');
  const locking = fields.get('locking');
  const without = fields.get('without')?.split(',');
  const memoryModel = fields.get('model') as Plan['memoryModel'] | undefined;
  return planOf({
    scenario,
    ...(cpus === undefined ? {} : { cpus }),
    ...(locking === undefined ? {} : { locking }),
    ...(without === undefined ? {} : { without }),
    // Checked there, as all of it is.
    ...(memoryModel === undefined ? {} : { memoryModel }),
  });
}

function numberIn(fields: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = fields.get(name);
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text) && text.length <= MAX_DIGITS) return Number(text);
  throw new UsageError(
    `The link's field '${name}' is '${shortened(text)}', and must be a whole number, for example ${name}=2.`,
  );
}

function modeIn(fields: ReadonlyMap<string, string>): Mode | undefined {
  const text = fields.get('mode');
  return text === undefined ? undefined : MODES[indexOfName('Mode', shortened(text), MODES)];
}

function titleIn(fields: ReadonlyMap<string, string>): string {
  const title = fields.get('title') ?? '';
  if (title.length <= MAX_TITLE) return title;
  throw new UsageError(
    `The link's title has ${String(title.length)} characters: it may have ${String(MAX_TITLE)}; cut it.`,
  );
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
