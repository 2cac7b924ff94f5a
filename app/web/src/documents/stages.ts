// Where a document is on its way, in words.

import type { Document, Job, JobState } from "../api/types";
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
