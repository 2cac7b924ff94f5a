// The keys, listed.

import type { ReactNode } from "react";
import { useWords } from "../i18n/language";
import { useStore } from "../lib/store";
import { Dialog } from "../ui/dialog";
import { closeOverlay, overlay } from "./overlays";
import { SHORTCUTS } from "./shortcuts";

const IS_MAC = typeof navigator !== "undefined" && /Mac|iP(ad|hone)/.test(navigator.userAgent);

export function Keys(): ReactNode {
  const t = useWords();
  const shown = useStore(overlay);
  const rows: [string[], string][] = [
    ...SHORTCUTS.map(({ key, hasModifier, label }): [string[], string] => [
      [...(hasModifier ? [IS_MAC ? "⌘" : "Ctrl"] : []), key === "Escape" ? "Esc" : key.toUpperCase()],
      t(label),
    ]),
    [["Enter"], t("keySend")],
    [["Shift", "Enter"], t("keyLine")],
  ];
  return (
    <Dialog isOpen={shown === "keys"} onClose={closeOverlay} title={t("keys")}>
      <dl className="keys">
        {rows.map(([keys, text]) => (
          <div key={text}>
            <dt>{text}</dt>
            <dd>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
