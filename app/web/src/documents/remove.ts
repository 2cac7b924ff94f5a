// Deleting with a moment to change one's mind: only after it does the service delete, for good. Whoever
// asks in that moment has made up their mind: what was deleted is gone before the question is asked.

import { call } from "../api/client";
import { messageOf, Problem } from "../api/problem";
import type { Document } from "../api/types";
import { loadCollections } from "../collections/collections";
import { forgetDocument } from "../evidence/documents";
import { translate } from "../i18n/language";
import { notify } from "../ui/toasts";
import { forgetDocumentRow, leaving, refreshDocument } from "./list";

export const UNDO_MS = 6000;
interface Waiting {
  timer: ReturnType<typeof setTimeout>;
  dismiss: () => void;
}
const waiting = new Map<string, Waiting>();

// whoever closes the page meant it
if (typeof addEventListener !== "undefined") {
  addEventListener("pagehide", () => {
    for (const id of [...waiting.keys()]) void deleteNow(id, { keepalive: true });
  });
}

export function deleteDocument({ id, name }: Pick<Document, "id" | "name">): void {
  if (waiting.has(id)) return;
  leaving.update((ids) => new Set(ids).add(id));
  const dismiss = notify(translate("deleting", { name }), {
    action: { label: translate("undo"), run: () => keepDocument(id) },
    stays: true,
  });
  const timer = setTimeout(() => {
    void deleteNow(id, {}).then((isGone) => isGone && notify(translate("deleted", { name })));
  }, UNDO_MS);
  waiting.set(id, { timer, dismiss });
}

/** Deletes at once what waits for its moment to pass. Raises nothing: what was refused is told. */
export async function finishDeletions(): Promise<void> {
  await Promise.all([...waiting.keys()].map((id) => deleteNow(id, {})));
}

function keepDocument(id: string): void {
  endWaiting(id);
  stay(id);
}

function endWaiting(id: string): void {
  const found = waiting.get(id);
  clearTimeout(found?.timer);
  found?.dismiss();
  waiting.delete(id);
}

async function deleteNow(id: string, options: { keepalive?: boolean }): Promise<boolean> {
  endWaiting(id);
  try {
    await call("delete", "/v1/documents/{document_id}", { params: { document_id: id }, ...options });
  } catch (error) {
    if (!(error instanceof Problem && error.status === 404)) {
      notify(messageOf(error), { isBad: true });
      stay(id);
      void refreshDocument(id);
      return false;
    }
  }
  forgetDocument(id);
  forgetDocumentRow(id);
  stay(id);
  void loadCollections();
  return true;
}

function stay(id: string): void {
  leaving.update((ids) => new Set([...ids].filter((each) => each !== id)));
}
