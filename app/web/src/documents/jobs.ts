// The work that makes documents searchable, followed until it ends. One question a second for all of
// it: a stream for each of a thousand files would take every connection that the browser has.

import { call } from "../api/client";
import { Problem } from "../api/problem";
import type { Job } from "../api/types";
import { Store } from "../lib/store";

const EVERY_MS = 1000;
const LOST_EVERY_MS = 4000;
// Jobs end in the order in which they were queued: those that may have ended are the oldest.
const MAX_ASKED_FOR = 4;

export const jobs = new Store<ReadonlyMap<string, Job>>(new Map());
const followed = new Set<string>();
let tellChanged: (documentId: string) => Promise<unknown> = () => Promise.resolve();

/** Called with the document whose job came to its end, or was cancelled or queued anew. */
export function whenJobChanged(callback: (documentId: string) => Promise<unknown>): void {
  tellChanged = callback;
}
let timer: ReturnType<typeof setTimeout> | null = null;

export function isOpenJob(state: string): boolean {
  return state === "queued" || state === "running";
}

export function followJob(id: string): void {
  followed.add(id);
  timer ??= setTimeout(() => void look(), 150);
}

/** Fetches one, for what it failed of. */
export async function fetchJob(id: string): Promise<void> {
  if (jobs.get().has(id)) return;
  try {
    keepJob(await call("get", "/v1/jobs/{job_id}", { params: { job_id: id } }));
  } catch {
    // the document went away meanwhile; the list says so by itself
  }
}

export async function retryJob(id: string, password?: string): Promise<void> {
  const job = await call("post", "/v1/jobs/{job_id}/retry", {
    params: { job_id: id },
    ...(password === undefined ? {} : { body: { password } }),
  });
  keepJob(job);
  followJob(id);
  await tellChanged(job.document_id);
}

export async function cancelJob(id: string): Promise<void> {
  const job = await call("delete", "/v1/jobs/{job_id}", { params: { job_id: id } });
  keepJob(job);
  followed.delete(id);
  await tellChanged(job.document_id);
}

async function look(): Promise<void> {
  timer = null;
  let delayMs = EVERY_MS;
  try {
    const running = (await call("get", "/v1/jobs", { query: { state: "running" } })).items;
    const seen = new Set(running.map((job) => job.id));
    const others = [...followed].filter((id) => !seen.has(id)).slice(0, MAX_ASKED_FOR);
    const asked = await Promise.all(others.map(getIfThere));
    for (const job of [...running, ...asked]) if (job && followed.has(job.id)) await take(job);
  } catch (error) {
    if (error instanceof Problem && error.status === 401) followed.clear();
    delayMs = LOST_EVERY_MS;
  }
  if (followed.size) timer ??= setTimeout(() => void look(), delayMs);
}

async function getIfThere(id: string): Promise<Job | null> {
  try {
    return await call("get", "/v1/jobs/{job_id}", { params: { job_id: id } });
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 404) throw error;
    // its document was deleted, and it with it
    followed.delete(id);
    return null;
  }
}

async function take(job: Job): Promise<void> {
  keepJob(job);
  if (isOpenJob(job.state)) return;
  followed.delete(job.id);
  await tellChanged(job.document_id);
}

function keepJob(job: Job): void {
  jobs.update((all) => new Map(all).set(job.id, job));
}
