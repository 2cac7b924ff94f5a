// Evaluation runs in words, and how far an open one is.

import type { Evaluation } from "../api/types";
import { quality } from "../i18n/quality";

const STATES = {
  queued: "stateQueued",
  running: "stateRunning",
  done: "stateDone",
  failed: "stateFailed",
  cancelled: "stateCancelled",
} as const satisfies Record<Evaluation["state"], string>;
const MARKS = { queued: "plain", running: "warn", done: "good", failed: "bad", cancelled: "plain" } as const;

export function isOpenRun({ state }: Pick<Evaluation, "state">): boolean {
  return state === "queued" || state === "running";
}

export function runState({ state, stage, done, total }: Evaluation): string {
  if (state !== "running" || stage === null) return quality.translate(STATES[state]);
  return quality.translate(stage === "writing" ? "stageWriting" : "stageAsking", { done, total });
}

export function runMark({ state }: Evaluation): (typeof MARKS)[Evaluation["state"]] {
  return MARKS[state];
}

export function runName({ name, source }: Evaluation): string {
  return name ?? quality.translate(source);
}

/** What is on the report of a run that a page shows: as `cimiento eval run` writes it. */
export interface ReportCase {
  line: number;
  question: string;
  answerable: boolean;
  answers: readonly string[];
  gold_quote: string;
  stage: string;
  status: string;
  answer: string;
  confidence: number;
  withdrawn: boolean;
}
