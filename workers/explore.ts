// One share of a search: does the jobs it is given, one after another, each knowing nothing of the others.
import { doJobTask } from '../src/explore/job-task.ts';
import type { JobAnswer, JobTask } from '../src/explore/job-task.ts';

/** The Piscina task. */
export default async function exploreJob(task: JobTask): Promise<JobAnswer> {
  return await doJobTask(task);
}
