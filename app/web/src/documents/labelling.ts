// Say what documents are, or take it back.

import { call } from "../api/client";
import type { Label } from "../api/types";
import { refreshDocument } from "./list";

/** Labels one document after the other; what was done when one is refused stays. */
export async function labelDocuments(ids: readonly string[], { name, label }: Pick<Label, "name" | "label">): Promise<void> {
  for (const id of ids) {
    const params = { document_id: id, name };
    await call("put", "/v1/documents/{document_id}/labels/{name}", { params, body: { label } });
    await refreshDocument(id);
  }
}

export async function removeLabel(id: string, name: string): Promise<void> {
  const params = { document_id: id, name };
  await call("delete", "/v1/documents/{document_id}/labels/{name}", { params });
  await refreshDocument(id);
}
