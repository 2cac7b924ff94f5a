// Labels as chips. A classifier's is told from a person's by its line and its chance, not by colour.

import type { ReactNode } from "react";
import type { Label } from "../api/types";
import { percentText } from "../i18n/format";
import { useWords } from "../i18n/language";
import { IconButton } from "../ui/button";
import { giverText } from "./labels";

interface Props {
  labels: readonly Label[];
  /** Takes one away; none where nobody may. */
  onRemove?: (label: Label) => void;
}

export function LabelChips({ labels, onRemove }: Props): ReactNode {
  const t = useWords();
  if (labels.length === 0) return null;
  return (
    <ul className="label-chips" aria-label={t("labels")}>
      {labels.map((each) => (
        <li key={each.name} className={`label-chip ${each.by}`} title={giverText(each)}>
          <span className="label-name">{each.name}</span> <bdi>{each.label}</bdi>
          {each.chance !== null && <span aria-hidden="true"> {percentText(each.chance)}</span>}
          <span className="visually-hidden">, {giverText(each)}</span>
          {onRemove && (
            <IconButton
              icon="close"
              size={12}
              label={t("removeLabel", { name: each.name, label: each.label })}
              onClick={() => onRemove(each)}
            />
          )}
        </li>
      ))}
    </ul>
  );
}
