// Texts and bytes of documents that were looked at, the last few of them kept.

import { addressOf, call, send } from "../api/client";
import type { DocumentText } from "../api/types";

const MAX_KEPT = 6;

class Kept<T> {
  readonly #load: (documentId: string, version: number) => Promise<T>;
  readonly #held = new Map<string, Promise<T>>();

  constructor(load: (documentId: string, version: number) => Promise<T>) {
    this.#load = load;
  }

  get(documentId: string, version: number): Promise<T> {
    const key = `${documentId}@${version}`;
    const found = this.#held.get(key) ?? this.#load(documentId, version);
    // the newest last, so that the first is the one to go
    this.#held.delete(key);
    this.#held.set(key, found);
    found.catch(() => this.#held.delete(key));
    const [oldest] = this.#held.keys();
    if (this.#held.size > MAX_KEPT && oldest !== undefined) this.#held.delete(oldest);
    return found;
  }

  forget(documentId: string): void {
    for (const key of [...this.#held.keys()]) if (key.startsWith(`${documentId}@`)) this.#held.delete(key);
  }
}

const texts = new Kept<DocumentText>((documentId, version) =>
  call("get", "/v1/documents/{document_id}/text", { params: { document_id: documentId }, query: { version } }),
);
const contents = new Kept<ArrayBuffer>(async (documentId, version) =>
  (await send(contentAddress(documentId, version))).arrayBuffer(),
);

export function contentAddress(documentId: string, version: number): string {
  return addressOf("/v1/documents/{document_id}/content", { document_id: documentId }, { version });
}

export const textOf = (documentId: string, version: number): Promise<DocumentText> => texts.get(documentId, version);
export const contentOf = (documentId: string, version: number): Promise<ArrayBuffer> => contents.get(documentId, version);

/** A deleted document's words are nowhere, here included. */
export function forgetDocument(documentId: string): void {
  texts.forget(documentId);
  contents.forget(documentId);
}
