// What documents are labelled as, in words, and which labels there are to filter by.

import type { Document, Label } from "../api/types";
import { percentText } from "../i18n/format";
import { translate } from "../i18n/language";

/** What the service takes for a name of labels, as HTML writes it; the same is in ingestion/labels.py. */
export const NAME_PATTERN = "[a-z][a-z0-9_]{0,31}";
export const MAX_LABEL_CHARS = 64;

/** As documents are filtered by it. */
export function labelKey({ name, label }: Pick<Label, "name" | "label">): string {
  return `${name}:${label}`;
}

/** Who gave it: a person, or a classifier that was so sure. */
export function giverText({ by, chance }: Pick<Label, "by" | "chance">): string {
  if (by === "person") return translate("labelByPerson");
  return chance === null ? translate("labelByClassifier") : translate("labelByClassifierSure", { share: percentText(chance) });
}

/** The labels that these documents have, each once and in order; the wanted one is always there. */
export function labelsOf(items: readonly Pick<Document, "labels">[], wanted: string | null): string[] {
  const keys = new Set(items.flatMap((item) => item.labels.map(labelKey)));
  if (wanted !== null) keys.add(wanted);
  return [...keys].sort((one, other) => one.localeCompare(other));
}
