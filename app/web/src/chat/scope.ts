// What the next question is asked about: everything, a collection, or some documents.

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
  | { kind: "documents"; documents: readonly ScopedDocument[] };

// as many values as a condition of the service may have
export const MAX_DOCUMENTS = 200;
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
      return {
        filter: {
          field: "document",
          op: "in",
          value: chosen.documents.slice(0, MAX_DOCUMENTS).map(({ id }) => id),
        },
      };
  }
}
