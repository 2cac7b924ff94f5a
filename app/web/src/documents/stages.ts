// Where a document is on its way, in words.

import type { Document, Job, JobState, Version } from "../api/types";
import { languageName, numberText, sizeText } from "../i18n/format";
import { count, type Key, translate } from "../i18n/language";

const STATES = {
  queued: "stateQueued",
  running: "stateRunning",
  searchable: "stateSearchable",
  failed: "stateFailed",
  cancelled: "stateCancelled",
} as const satisfies Record<JobState, Key>;
const STAGES = {
  parsing: "stageParsing",
  chunking: "stageChunking",
  embedding: "stageEmbedding",
  publishing: "stagePublishing",
} as const satisfies Record<NonNullable<Job["stage"]>, Key>;

export const JOB_STATES = Object.keys(STATES) as JobState[];

export function stateText(state: string): string {
  return state in STATES ? translate(STATES[state as JobState]) : state;
}

/** "Reading 12 of 300": the stage, and how far it is. */
export function stageText(job: Job | undefined, state: string): string {
  if (!job?.stage) return stateText(job?.state ?? state);
  const stage = translate(STAGES[job.stage]);
  if (!job.total) return stage;
  return translate("stageOf", { stage, done: numberText(job.done), total: numberText(job.total) });
}

/** "Version 2: 12 → 14 pages · 40 → 44 passages": what another upload of a document changed. */
export function changesOf(before: Version, after: Version): string {
  const what = [
    changed("changedPages", before.pages, after.pages, numberText),
    changed("changedPassages", before.chunks, after.chunks, numberText),
    changed("changedSize", before.bytes, after.bytes, sizeText),
  ].filter(Boolean);
  return translate("changed", { n: after.version, what: what.join(" · ") || translate("known") });
}

function changed(
  key: Key & ("changedPages" | "changedPassages" | "changedSize"),
  before: number | null,
  after: number | null,
  said: (value: number) => string,
): string | null {
  if (before === null || after === null || said(before) === said(after)) return null;
  return translate(key, { before: said(before), after: said(after) });
}

export function factsOf({ version }: Pick<Document, "version">): string {
  return [
    version.pages === null ? null : count("pages", version.pages),
    sizeText(version.bytes),
    version.language && languageName(version.language),
    version.chunks === null ? null : count("chunks", version.chunks),
  ]
    .filter(Boolean)
    .join(" · ");
}
