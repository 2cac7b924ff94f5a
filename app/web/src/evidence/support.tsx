// How much of a sentence its source holds: bars and words, never colour alone.

import type { ReactNode } from "react";
import { percentText } from "../i18n/format";
import { type Key, useWords } from "../i18n/language";

const LEVELS = [
  { from: 0.85, bars: 3, name: "strong" },
  { from: 0.5, bars: 2, name: "fair" },
  { from: 0, bars: 1, name: "weak" },
] as const;

export type Level = (typeof LEVELS)[number]["name"];
const LABELS = { strong: "supportStrong", fair: "supportFair", weak: "supportWeak" } as const satisfies Record<Level, Key>;

export function levelOf(support: number): (typeof LEVELS)[number] {
  return LEVELS.find((level) => support >= level.from) ?? LEVELS[2];
}

export function labelOf(support: number): (typeof LABELS)[Level] {
  return LABELS[levelOf(support).name];
}

export function Support({ value }: { value: number }): ReactNode {
  const t = useWords();
  const { bars } = levelOf(value);
  return (
    <span className="support" title={t("supportHint")}>
      <svg className="bars" viewBox="0 0 14 12" width="14" height="12" aria-hidden="true">
        {[1, 2, 3].map((bar) => (
          <rect
            key={bar}
            className={bar <= bars ? "full" : "hollow"}
            x={(bar - 1) * 5 + 0.5}
            y={12 - bar * 3.5}
            width="3"
            height={bar * 3.5 - 0.5}
          />
        ))}
      </svg>
      {t(labelOf(value))} · {percentText(value)}
    </span>
  );
}
