import { describe, expect, it } from "vitest";
import { deeds } from "./deeds";
import { en } from "./en";
import { es } from "./es";
import { chooseLanguage, count, fill, translate } from "./language";
import { people } from "./people";
import { operations } from "./operations";
import { quality } from "./quality";

const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "").sort();

const VOCABULARIES: [string, Record<string, string>, Record<string, string>][] = [
  ["everywhere", en, es],
  ["people", people.en, people.es],
  ["deeds", deeds.en, deeds.es],
  ["operations", operations.en, operations.es],
  ["quality", quality.en, quality.es],
];

describe.each(VOCABULARIES)("the words of the page: %s", (_, english, spanish) => {
  it("take the same values in both languages", () => {
    const differing = Object.keys(english).filter((key) => names(spanish[key] ?? "").join() !== names(english[key] ?? "").join());
    expect(differing).toEqual([]);
  });

  it("are all said in both languages", () => {
    const same = Object.keys(english).filter((key) => spanish[key] === english[key] && /\p{L}{4}/u.test(english[key] ?? ""));
    // words that both languages happen to share
    expect(same).toEqual([]);
  });
});

describe("the words of the page", () => {
  it("count", () => {
    chooseLanguage("en");
    expect([count("pages", 1), count("pages", 1200)]).toEqual(["1 page", "1,200 pages"]);
    chooseLanguage("es");
    expect([count("pages", 1), count("pages", 7)]).toEqual(["1 página", "7 páginas"]);
    chooseLanguage("en");
  });

  it("put values in as text, whatever they hold", () => {
    expect(fill("Delete {name}", { name: "$& {n} <b>" })).toBe("Delete $& {n} <b>");
    expect(translate("page", { n: 3 })).toBe("page 3");
  });
});
