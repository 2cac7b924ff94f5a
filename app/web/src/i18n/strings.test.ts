import { describe, expect, it } from "vitest";
import { en } from "./en";
import { es } from "./es";
import { chooseLanguage, count, fill, type Key, translate } from "./language";

const names = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "").sort();

describe("the words of the page", () => {
  it.each(Object.keys(en) as Key[])("take the same values in both languages: %s", (key) => {
    expect(names(es[key])).toEqual(names(en[key]));
  });

  it("are all said in both languages", () => {
    const same = (Object.keys(en) as Key[]).filter((key) => es[key] === en[key] && /\p{L}{4}/u.test(en[key]));
    // words that both languages happen to share
    expect(same).toEqual([]);
  });

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
