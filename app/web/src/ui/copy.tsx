// Copies a text, and says that it did. Browsers have a clipboard on https and on localhost only.

import { type ReactNode, useEffect, useState } from "react";
import { translate, useWords } from "../i18n/language";
import { Button } from "./button";
import { notify } from "./toasts";

const SHOWN_MS = 2000;

export function CopyButton({ text }: { text: string }): ReactNode {
  const t = useWords();
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);
  if (!canCopy()) return null;
  const copy = async (): Promise<void> => setCopied(await copyText(text));
  return (
    <Button kind="quiet" className="small" icon={isCopied ? "check" : "copy"} onClick={copy}>
      {isCopied ? t("copied") : t("copy")}
    </Button>
  );
}

function canCopy(): boolean {
  return typeof navigator !== "undefined" && "clipboard" in navigator;
}

async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    notify(translate("notCopied"), { isBad: true });
    return false;
  }
}
