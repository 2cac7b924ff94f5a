// Which language the page speaks, and its words. A string that one language lacks fails the types.

import { Store, useStore } from "../lib/store";
import { recall, remember } from "../lib/storage";
import { en } from "./en";
import { es } from "./es";

export const LANGUAGES = { en: "English", es: "Español" } as const;
export type Language = keyof typeof LANGUAGES;
type Strings = typeof en;
export type Key = keyof Strings;

type Names<S extends string> = S extends `${string}{${infer N}}${infer R}` ? N | Names<R> : never;
type Values<K extends Key> = Record<Names<Strings[K]>, string | number>;
type Given<K extends Key> = [Names<Strings[K]>] extends [never] ? [] : [values: Values<K>];

/** What has a form for one and a form for many. */
export type Counted = { [K in Key]: K extends `${infer B}_one` ? B : never }[Key];

const STRINGS: Record<Language, Record<Key, string>> = { en, es };

export const language = new Store<Language>(initialLanguage());

function initialLanguage(): Language {
  const names = Object.keys(LANGUAGES) as Language[];
  const wanted = [recall("local", "language"), ...wantedByBrowser()];
  return names.find((name) => name === wanted.find((each) => names.some((known) => known === each))) ?? "en";
}

function wantedByBrowser(): string[] {
  return typeof navigator === "undefined" ? [] : navigator.languages.map((name) => name.slice(0, 2));
}

export function chooseLanguage(name: Language): void {
  remember("local", "language", name);
  language.set(name);
}

export function translate<K extends Key>(key: K, ...[values]: Given<K>): string {
  return fill(STRINGS[language.get()][key], values ?? {});
}

/** "1 page", "7 pages". */
export function count(what: Counted, n: number): string {
  const name = language.get();
  const form = new Intl.PluralRules(name).select(n) === "one" ? "one" : "other";
  return fill(STRINGS[name][`${what}_${form}`], { n: new Intl.NumberFormat(name).format(n) });
}

export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name]));
}

/** The words of the language in use; the part that calls this is drawn anew when it changes. */
export function useWords(): typeof translate {
  useStore(language);
  return translate;
}
