// Short notes at the edge of the page, with an action where there is one; read aloud politely.

import type { ReactNode } from "react";
import { useWords } from "../i18n/language";
import { Store, useStore } from "../lib/store";
import { Button, IconButton } from "./button";

export interface Toast {
  id: number;
  text: string;
  isBad: boolean;
  action: { label: string; run: () => void } | null;
}

const SHOWN_MS = 6000;
const toasts = new Store<readonly Toast[]>([]);
let lastId = 0;

function dismiss(id: number): void {
  toasts.update((shown) => shown.filter((toast) => toast.id !== id));
}

/** Shows a note; returns what takes it away. It goes by itself unless it is an error. */
export function notify(
  text: string,
  { isBad = false, action = null, stays = isBad }: { isBad?: boolean; action?: Toast["action"]; stays?: boolean } = {},
): () => void {
  const id = ++lastId;
  const end = (): void => dismiss(id);
  toasts.update((shown) => [...shown.slice(-3), { id, text, isBad, action }]);
  if (!stays) setTimeout(end, SHOWN_MS);
  return end;
}

export function Toasts(): ReactNode {
  const t = useWords();
  const shown = useStore(toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={toast.isBad ? "toast bad" : "toast"}>
          <span>{toast.text}</span>
          {toast.action && (
            <Button
              kind="quiet"
              onClick={() => {
                toast.action?.run();
                dismiss(toast.id);
              }}
            >
              {toast.action.label}
            </Button>
          )}
          <IconButton icon="close" label={t("dismiss")} size={16} onClick={() => dismiss(toast.id)} />
        </div>
      ))}
    </div>
  );
}
