// Language and theme, as they are chosen outside of the menu.

import type { ReactNode } from "react";
import { chooseLanguage, LANGUAGES, type Language, language, useWords } from "../i18n/language";
import { useStore } from "../lib/store";

export const LANGUAGE_CHOICES = Object.entries(LANGUAGES) as [Language, string][];

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
