// The languages and themes to choose from, and the choice of a language outside of the menu.

import type { ReactNode } from "react";
import { chooseLanguage, type Key, LANGUAGES, type Language, language, useWords } from "../i18n/language";
import { useStore } from "../lib/store";
import type { Theme } from "../lib/theme";

export const LANGUAGE_CHOICES = Object.entries(LANGUAGES) as [Language, string][];
export const THEME_NAMES = { system: "themeSystem", light: "themeLight", dark: "themeDark" } as const satisfies Record<Theme, Key>;

export function LanguageChoice(): ReactNode {
  const t = useWords();
  const chosen = useStore(language);
  return (
    <div className="language-choice" role="group" aria-label={t("language")}>
      {LANGUAGE_CHOICES.map(([name, label]) => (
        <button key={name} type="button" lang={name} aria-pressed={name === chosen} onClick={() => chooseLanguage(name)}>
          {label}
        </button>
      ))}
    </div>
  );
}
