// Keeps the page's address the link to what it shows, and shows what the address says when somebody changes it.
import { UsageError } from '../machine/usage-error.ts';
import { planOf } from './model/plan.ts';
import { Session } from './model/session.ts';
import { decodeLink, encodeLink } from './model/share.ts';
import { PART_IDS } from './model/single-page.ts';

/** Browsers refuse addresses that change more often than some hundred times in half a minute. */
const SETTLE_MS = 350;

/** What the page begins with. */
export interface Beginning {
  readonly session: Session;
  /** What was wrong with the link; undefined: nothing. */
  readonly problem: string | undefined;
}

/** The session that the page's address asks for, or else the saved page itself, or else the first example. */
export function beginning(): Beginning {
  const session = new Session(planOf({ scenario: 'first-touch', without: ['pte_recheck'] }));
  const fragment = location.hash === '' ? (document.getElementById(PART_IDS.start)?.textContent ?? '') : location.hash;
  const problem = show(session, fragment);
  if (problem !== undefined || (session.length === 0 && session.level === undefined && fragment === '')) {
    session.runOn();
  }
  return { session, problem };
}

/** The link to what is shown, whole. */
export function linkTo(session: Session): string {
  return `${location.href.split('#')[0] ?? ''}#${encodeLink(session.shown)}`;
}

/** Tells the page that something from outside could not be used: one sentence. */
export function tellProblem(text: string): void {
  window.dispatchEvent(new CustomEvent('lab:problem', { detail: text }));
}

/** Writes the address after each change, and follows it when it is changed by hand; the function returned ends both. */
export function followAddress(session: Session): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = (): void => {
    clearTimeout(timer);
    timer = undefined;
    try {
      history.replaceState(null, '', `#${encodeLink(session.shown)}`);
    } catch {
      // A page that may not change its address still has the button that copies the link.
    }
  };
  const read = (): void => {
    const problem = show(session, location.hash);
    if (problem !== undefined) tellProblem(problem);
  };
  const end = session.onChange(() => {
    timer ??= setTimeout(write, SETTLE_MS);
  });
  window.addEventListener('hashchange', read);
  window.addEventListener('pagehide', write);
  return () => {
    clearTimeout(timer);
    end();
    window.removeEventListener('hashchange', read);
    window.removeEventListener('pagehide', write);
  };
}

/** Shows what a fragment says; what is wrong with it, if something is. Nothing changes then. */
function show(session: Session, fragment: string): string | undefined {
  try {
    const shown = decodeLink(fragment.trim());
    if (shown !== undefined) session.show(shown);
    return undefined;
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}
