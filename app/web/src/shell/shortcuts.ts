// Keys that work everywhere. Those without a modifier are left alone while somebody types.

import { useEffect } from "react";
import type { Key } from "../i18n/language";
import { chooseFiles } from "../documents/choose";
import { closeEvidence, openEvidence } from "../evidence/evidence";
import { NEW_CHAT, navigate } from "../lib/router";
import { overlay } from "./overlays";

export interface Shortcut {
  /** As `KeyboardEvent.key` has it; with a modifier it is Control, or Command on a Mac. */
  key: string;
  hasModifier: boolean;
  label: Key & ("keyPalette" | "keyKeys" | "keyAsk" | "keyNewChat" | "keyDocuments" | "keyCollections" | "keyUpload" | "keyEvidence");
  run: () => void;
}

export const SHORTCUTS: readonly Shortcut[] = [
  { key: "k", hasModifier: true, label: "keyPalette", run: () => overlay.set("palette") },
  { key: "?", hasModifier: false, label: "keyKeys", run: () => overlay.set("keys") },
  { key: "/", hasModifier: false, label: "keyAsk", run: toQuestion },
  { key: "n", hasModifier: false, label: "keyNewChat", run: () => navigate(NEW_CHAT) },
  { key: "d", hasModifier: false, label: "keyDocuments", run: () => navigate({ name: "documents", collection: null }) },
  { key: "c", hasModifier: false, label: "keyCollections", run: () => navigate({ name: "collections" }) },
  { key: "u", hasModifier: false, label: "keyUpload", run: chooseFiles },
  { key: "Escape", hasModifier: false, label: "keyEvidence", run: closeEvidence },
];

export function useShortcuts(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const found = shortcutOf(event, isTyping(event.target));
      if (!found || event.defaultPrevented || overlay.get() !== "none" || hasDialog()) return;
      if (found.key === "Escape" && openEvidence.get() === null) return;
      event.preventDefault();
      found.run();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}

type Pressed = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">;

export function shortcutOf({ key, ctrlKey, metaKey, altKey }: Pressed, typing: boolean): Shortcut | undefined {
  const hasModifier = ctrlKey || metaKey;
  if (altKey || (typing && !hasModifier && key !== "Escape")) return undefined;
  return SHORTCUTS.find((each) => each.key === (hasModifier ? key.toLowerCase() : key) && each.hasModifier === hasModifier);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable);
}

function hasDialog(): boolean {
  return document.querySelector("[role=dialog], [role=menu]") !== null;
}

function toQuestion(): void {
  const box = document.getElementById("question");
  if (box) box.focus();
  else navigate(NEW_CHAT);
}
