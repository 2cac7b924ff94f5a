// Which language the page speaks, and its words. A string that one language lacks fails the types.

import { Store, useStore } from "../lib/store";
import { recall, remember } from "../lib/storage";
import { en } from "./en";
import { es } from "./es";

export const LANGUAGES = { en: "English", es: "Español" } as const;
export type Language = keyof typeof LANGUAGES;
type Strings = Record<string, string>;
type Names<S extends string> = S extends `${string}{${infer N}}${infer R}` ? N | Names<R> : never;
type Given<S extends string> = [Names<S>] extends [never] ? [] : [values: Record<Names<S>, string | number>];
/** What has a form for one and a form for many. */
type CountedIn<S> = { [K in keyof S]: K extends `${infer B}_one` ? B : never }[keyof S];

export interface Vocabulary<S extends Strings> {
  readonly en: S;
  readonly es: Record<keyof S, string>;
  /** In the language in use, with its values filled in. */
  translate: <K extends keyof S & string>(key: K, ...given: Given<S[K]>) => string;
  /** "1 page", "7 pages". */
  count: (what: CountedIn<S>, n: number) => string;
  /** `translate`; the part that calls this is drawn anew when the language changes. */
  useWords: () => Vocabulary<S>["translate"];
}

export const language = new Store<Language>(initialLanguage());

function initialLanguage(): Language {
  const names = Object.keys(LANGUAGES) as Language[];
  const wanted = [recall("local", "language"), ...wantedByBrowser()];
  return names.find((name) => name === wanted.find((each) => names.some((known) => known === each))) ?? "en";
}

function wantedByBrowser(): string[] {
  return typeof navigator === "undefined" ? [] : navigator.languages.map((name) => name.slice(0, 2));
}

/** The language in use as it is written where the reader is, such as British English. */
export function locale(): string {
  const name = language.get();
  const known = typeof navigator === "undefined" ? [] : navigator.languages;
  return known.find((each) => each.slice(0, 2) === name) ?? name;
}

export function chooseLanguage(name: Language): void {
  remember("local", "language", name);
  language.set(name);
}

/** The words of a part of the page; those of a part that is loaded late come with it. */
export function vocabulary<const S extends Strings>(words: S, translated: Record<keyof S, string>): Vocabulary<S> {
  const strings: Record<Language, Record<string, string>> = { en: words, es: translated };
  const translate: Vocabulary<S>["translate"] = (key, ...[values]) =>
    fill(strings[language.get()][key] ?? key, values ?? {});
  const count = (what: string, n: number): string => {
    const name = language.get();
    const form = new Intl.PluralRules(name).select(n) === "one" ? "one" : "other";
    return fill(strings[name][`${what}_${form}`] ?? what, { n: new Intl.NumberFormat(locale()).format(n) });
  };
  const useWords = (): typeof translate => {
    useStore(language);
    return translate;
  };
  return { en: words, es: translated, translate, count, useWords };
}

export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name]));
}

export const { translate, count, useWords } = vocabulary(en, es);
export type Key = keyof typeof en;
