// Files on their way to the service, a few at a time, and what became of each.

import { isAbort, messageOf, Problem } from "../api/problem";
import type { Version } from "../api/types";
import { uploadFile } from "../api/upload";
import { Store } from "../lib/store";
import type { NamedFile } from "./files";
import { followJob } from "./jobs";
import { refreshDocument } from "./list";

export type UploadState = "waiting" | "sending" | "accepted" | "known" | "failed";

export interface UploadEntry {
  key: number;
  name: string;
  collection: string;
  file: File;
  state: UploadState;
  done: number;
  total: number;
  error: string | null;
  jobId: string | null;
  documentId: string | null;
  /** Of a document that was here already, the version that this one takes the place of. */
  before: Version | null;
}

// A browser keeps six connections to a host; questions and events need theirs.
const MAX_SENDING = 2;
const MAX_NAME_CHARS = 255;

export const uploads = new Store<readonly UploadEntry[]>([]);
const controls = new Map<number, AbortController>();
let lastKey = 0;

export function addUploads(files: readonly NamedFile[], collection: string): void {
  const entries = files.map(({ file, path }) => ({
    key: ++lastKey,
    // the end of a long path says more than its beginning
    name: path.slice(-MAX_NAME_CHARS),
    collection,
    file,
    state: "waiting" as const,
    done: 0,
    total: file.size,
    error: null,
    jobId: null,
    documentId: null,
    before: null,
  }));
  uploads.update((all) => [...all, ...entries]);
  sendNext();
}

/** Stops one that is not accepted yet, or takes away one that has ended. */
export function dropUpload(key: number): void {
  controls.get(key)?.abort();
  uploads.update((all) => all.filter((entry) => entry.key !== key));
}

export function retryUpload(key: number): void {
  change(key, { state: "waiting", error: null, done: 0 });
  sendNext();
}

/** Takes away all that need nobody's attention. */
export function clearEnded(): void {
  uploads.update((all) => all.filter((entry) => entry.state === "waiting" || entry.state === "sending"));
}

function sendNext(): void {
  const all = uploads.get();
  const numSending = all.filter((entry) => entry.state === "sending").length;
  const next = all.filter((entry) => entry.state === "waiting").slice(0, MAX_SENDING - numSending);
  for (const entry of next) {
    change(entry.key, { state: "sending" });
    void sendOne(entry).finally(sendNext);
  }
}

async function sendOne({ key, file, name, collection }: UploadEntry): Promise<void> {
  const control = new AbortController();
  controls.set(key, control);
  try {
    const accepted = await uploadFile(file, name, {
      collection,
      signal: control.signal,
      onProgress: (done, total) => change(key, { done, total }),
    });
    const state = accepted.deduplicated || accepted.skipped ? "known" : "accepted";
    change(key, { state, jobId: accepted.job_id, documentId: accepted.document_id });
    if (state === "accepted") followJob(accepted.job_id);
    const item = await refreshDocument(accepted.document_id);
    // while the new one is on its way, the old one is still searched
    if (item && item.version.version < accepted.version) change(key, { before: item.version });
  } catch (error) {
    if (isAbort(error)) uploads.update((all) => all.filter((entry) => entry.key !== key));
    else change(key, { state: "failed", error: messageOf(error) });
    // signed out: the files that wait would all fail alike
    if (error instanceof Problem && error.status === 401) failWaiting(messageOf(error));
  } finally {
    controls.delete(key);
  }
}

function failWaiting(error: string): void {
  uploads.update((all) => all.map((entry) => (entry.state === "waiting" ? { ...entry, state: "failed", error } : entry)));
}

function change(key: number, with_: Partial<UploadEntry>): void {
  uploads.update((all) => all.map((entry) => (entry.key === key ? { ...entry, ...with_ } : entry)));
}
