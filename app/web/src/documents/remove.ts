// Deleting with a moment to change one's mind: only after it does the service delete, for good.

import { call } from "../api/client";
import { messageOf, Problem } from "../api/problem";
import type { Document } from "../api/types";
import { loadCollections } from "../collections/collections";
import { forgetDocument } from "../evidence/documents";
import { translate } from "../i18n/language";
import { notify } from "../ui/toasts";
import { forgetDocumentRow, leaving, refreshDocument } from "./list";

export const UNDO_MS = 6000;
const waiting = new Map<string, ReturnType<typeof setTimeout>>();

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
    dismiss();
    void deleteNow(id, {}).then((isGone) => isGone && notify(translate("deleted", { name })));
  }, UNDO_MS);
  waiting.set(id, timer);
}

function keepDocument(id: string): void {
  clearTimeout(waiting.get(id));
  waiting.delete(id);
  stay(id);
}

async function deleteNow(id: string, options: { keepalive?: boolean }): Promise<boolean> {
  clearTimeout(waiting.get(id));
  waiting.delete(id);
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
