// What the next question is asked about: everything, a collection, some documents, or some passages.

import type { AnswerRequest } from "../api/types";
import { Store } from "../lib/store";

export interface ScopedDocument {
  id: string;
  /** Null where only the id is known, as on a map. */
  name: string | null;
}

export type Scope =
  | { kind: "everything" }
  | { kind: "collection"; name: string }
  | { kind: "documents"; documents: readonly ScopedDocument[] }
  | { kind: "passages"; ids: readonly string[] };

// as many values as a condition of the service may have, and as many conditions
const MAX_VALUES = 200;
const MAX_CONDITIONS = 60;
export const MAX_PASSAGES = MAX_VALUES * MAX_CONDITIONS;
export const EVERYTHING: Scope = { kind: "everything" };
export const scope = new Store<Scope>(EVERYTHING);

/** The same for the service. */
export function narrowing(chosen: Scope): Pick<AnswerRequest, "collections" | "filter"> {
  switch (chosen.kind) {
    case "everything":
      return {};
    case "collection":
      return { collections: [chosen.name] };
    case "documents":
      return { filter: anyOf("document", chosen.documents.map(({ id }) => id)) };
    case "passages":
      return { filter: anyOf("passage", chosen.ids) };
  }
}

function anyOf(field: "document" | "passage", ids: readonly string[]): NonNullable<AnswerRequest["filter"]> {
  const parts = [];
  for (let at = 0; at < Math.min(ids.length, MAX_PASSAGES); at += MAX_VALUES) {
    parts.push({ field, op: "in", value: ids.slice(at, at + MAX_VALUES) });
  }
  return parts.length === 1 && parts[0] ? parts[0] : { or: parts };
}
