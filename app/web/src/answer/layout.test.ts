import type { Nodes, Root } from "mdast";
import { describe, expect, it } from "vitest";
import type { Sentence } from "../api/types";
import { Layout, offsetsOf } from "./layout";
import { parseMarkdown, plainWords } from "./markdown";

/** Sentences by their words, so that a test says what it means. */
function sentences(source: string, ...parts: [words: string, citations: number[]][]): Sentence[] {
  return parts.map(([words, citations]) => {
    const at = source.indexOf(words);
    const start = Array.from(source.slice(0, at)).length;
    return { start, end: start + Array.from(words).length, support: citations.length ? 1 : 0, citations };
  });
}

/** The answer with its marks written into it: [n] after a sentence, {…} around what has no source. */
function marked(source: string, given: Sentence[]): string {
  const tree = parseMarkdown(source);
  const layout = new Layout(source, tree, given);
  const name = (ends: number[]): string => ends.map((index) => `[${given[index]?.citations.join(",") ?? ""}]`).join("");
  const draw = (node: Nodes): string => {
    if (node.type === "text") {
      return layout
        .cut(node, node.value)
        .map((piece) => (piece.isUnsupported ? `{${piece.text}}` : piece.text) + name(piece.ends))
        .join("");
    }
    if ("value" in node) return node.value + name(layout.whole(node).ends);
    return "children" in node ? (node.children as Nodes[]).map(draw).join("") : "";
  };
  return draw(tree satisfies Root);
}

describe("sources stand after the sentence that rests on them", () => {
  it("in plain text", () => {
    const source = "The pool opens at nine. Dogs stay out.";
    expect(marked(source, sentences(source, ["The pool opens at nine.", [1]], ["Dogs stay out.", [2, 3]]))).toBe(
      "The pool opens at nine.[1] Dogs stay out.[2,3]",
    );
  });

  it("also when it ends inside emphasis, a list or a table", () => {
    const bold = "The pool opens **at nine.** Dogs stay out.";
    expect(marked(bold, sentences(bold, ["The pool opens **at nine.**", [1]], ["Dogs stay out.", []]))).toBe(
      "The pool opens at nine.[1] {Dogs stay out.}[]",
    );
    const list = "- nine o'clock\n- ten o'clock";
    expect(marked(list, sentences(list, ["- nine o'clock", [1]], ["- ten o'clock", [2]]))).toBe(
      "nine o'clock[1]ten o'clock[2]",
    );
    const table = "| a | b |\n|---|---|\n| 1 | 2 |";
    expect(marked(table, sentences(table, [table, [4]]))).toBe("ab12[4]");
  });

  it("after characters outside the basic plane, which count once", () => {
    const source = "😀😀 opens. Then 😀 closes.";
    expect(marked(source, sentences(source, ["😀😀 opens.", [1]], ["Then 😀 closes.", [2]]))).toBe(
      "😀😀 opens.[1] Then 😀 closes.[2]",
    );
  });

  it("after escapes and entities, which are longer where they are written", () => {
    const source = "R&amp;D costs 5\\*2 euros. Really.";
    expect(marked(source, sentences(source, ["R&amp;D costs 5\\*2 euros.", [1]], ["Really.", [2]]))).toBe(
      "R&D costs 5*2 euros.[1] Really.[2]",
    );
  });

  it("after code and formulas that end it", () => {
    const source = "Run `make`. It is $$x^2$$";
    expect(marked(source, sentences(source, ["Run `make`.", [1]], ["It is $$x^2$$", [2]]))).toBe(
      "Run make.[1] It is x^2[2]",
    );
  });
});

describe("offsets of what is shown", () => {
  it("are those of the source where nothing is escaped", () => {
    expect(offsetsOf("abc", 5, "abc")).toEqual([5, 6, 7]);
  });

  it("skip what is not shown", () => {
    expect(offsetsOf("a\\*b", 0, "a*b")).toEqual([0, 2, 3]);
    expect(offsetsOf("&lt;b", 2, "<b")).toEqual([2, 6]);
  });
});

describe("Markdown", () => {
  it("is read aloud without its marks, and without the tags in it", () => {
    const source = "# Title\n\n* a **bold** [link](https://x.example) <abbr title=\"y\">SNI</abbr>\n* next";
    expect(plainWords(source)).toBe("Title a bold link SNI next");
  });

  it("takes a price for a price and a formula for a formula", () => {
    const types = (source: string): string[] => {
      const [first] = parseMarkdown(source).children;
      return first && "children" in first ? first.children.map((child) => child.type) : [first?.type ?? ""];
    };
    expect(types("between $5 and $10")).toEqual(["text"]);
    expect(types("where \\(x^2\\) grows")).toEqual(["text", "inlineMath", "text"]);
    expect(types("`\\(x\\)`")).toEqual(["inlineCode"]);
  });
});
