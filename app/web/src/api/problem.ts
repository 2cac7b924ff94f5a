// What goes wrong when the service is asked: its own problems, and no answer at all.

import { sentenceCase } from "../lib/text";
import { translate } from "../i18n/language";

export class Problem extends Error {
  readonly status: number;
  readonly code: string;

  /** `status` is 0 where nobody answered. */
  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/** Whether the same request may succeed once the line or the service is back. */
export function isLost(error: unknown): boolean {
  return error instanceof Problem && (error.status === 0 || error.status === 502 || error.status === 504);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** What a person is told. */
export function messageOf(error: unknown): string {
  return error instanceof Problem ? sentenceCase(error.message) : translate("unknownError");
}

export function problemOf(status: number, body: string): Problem {
  let told: unknown = null;
  try {
    told = JSON.parse(body);
  } catch {
    // not ours: a proxy answered
  }
  const { code, detail } = (told ?? {}) as { code?: unknown; detail?: unknown };
  return new Problem(
    status,
    typeof code === "string" ? code : "unknown",
    typeof detail === "string" ? detail : translate("unknownError"),
  );
}
