// The smallest schedule that breaks a case, and the whole failure as one text.
import { complaintOf } from '../explore/complaint.ts';
import { Execution } from '../explore/execution.ts';
import { exploreSubject } from '../explore/explore.ts';
import type { Failure } from '../explore/explore.ts';
import { failureOf, withoutPreemptions } from '../explore/shrink.ts';
import { follow, parseToken } from '../explore/token.ts';
import { CaseSubject } from './race-case.ts';
import type { CaseOptions, RaceCase } from './race-case.ts';
import type { RaceBody } from './race-end.ts';

/** A schedule that breaks a case. */
export type FoundFailure = Pick<Failure, 'token' | 'steps' | 'preemptions' | 'judge' | 'message'>;

/** Schedules that the search for the smallest failure may take, and what may come after the first as small as it. */
const MAX_EXECUTIONS = 1000;
/** Judges of whole executions complain of executions that end well: leaving out turns does not tell. */
const OF_WHOLE_EXECUTIONS: readonly string[] = ['data-race', 'lock-order'];

/**
 * The smallest failure of a case that can be found near a found one: fewest preemptions, then fewest steps. Where the
 * search takes too long, turns of the found schedule are left out as long as it fails.
 */
export function smallestFailure(
  race: RaceCase,
  found: FoundFailure,
  options: CaseOptions = {},
  body?: RaceBody,
): FoundFailure {
  const { memoryModel = 'sc', judges } = options;
  const subject = new CaseSubject(race, body, memoryModel);
  const given = { memoryModel, ...(judges === undefined ? {} : { judges }) };
  const { failure } = exploreSubject(
    subject,
    { ...given, strategy: 'bounded', preemptions: found.preemptions, executions: MAX_EXECUTIONS },
    subject.about,
  );
  if (failure !== undefined) return failure;
  if (OF_WHOLE_EXECUTIONS.includes(found.judge)) return found;
  const execution = new Execution(subject, memoryModel);
  const schedule = parseToken(found.token);
  follow(execution, schedule);
  const failing = failureOf(execution, complaintOf(execution));
  if (failing === undefined) return found;
  const small = withoutPreemptions(execution, failing, complaintOf);
  const suffix = schedule.fingerprint === undefined ? '' : `.${schedule.fingerprint}`;
  return { ...small, token: `${small.token}${suffix}` };
}
