import { describe, expect, it } from "vitest";
import { chooseLanguage } from "../i18n/language";
import { giverText, labelKey, labelsOf, NAME_PATTERN } from "./labels";

const label = (name: string, text: string) => ({ name, label: text, by: "person" as const, chance: null });

describe("labels of documents", () => {
  it("are filtered by as the service spells them, whatever they hold", () => {
    expect(labelKey(label("topic", "a:b <i>"))).toBe("topic:a:b <i>");
  });

  it("are offered once each, in order, and the wanted one also where no document that is listed has it", () => {
    const items = [
      { labels: [label("topic", "Zoo"), label("kind", "letter")] },
      { labels: [label("topic", "art"), label("kind", "letter")] },
      { labels: [] },
    ];
    expect(labelsOf(items, null)).toEqual(["kind:letter", "topic:art", "topic:Zoo"]);
    expect(labelsOf(items, "topic:bees")).toEqual(["kind:letter", "topic:art", "topic:bees", "topic:Zoo"]);
    expect(labelsOf([], null)).toEqual([]);
  });

  it("say who gave them, and how sure a classifier was", () => {
    chooseLanguage("en");
    expect(giverText({ by: "person", chance: null })).toBe("given by a person");
    expect(giverText({ by: "classifier", chance: 0.934 })).toBe("given by a classifier, 93% sure");
    expect(giverText({ by: "classifier", chance: null })).toBe("given by a classifier");
  });

  it("have names that the service takes", () => {
    const pattern = new RegExp(`^(?:${NAME_PATTERN})$`, "v");
    expect(["topic", "a_1", "a".repeat(32)].every((name) => pattern.test(name))).toBe(true);
    expect(["", "Topic", "1a", "a-b", "a".repeat(33), "año"].some((name) => pattern.test(name))).toBe(false);
  });
});
