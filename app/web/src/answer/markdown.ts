// Markdown to a tree. Nothing becomes HTML: whatever the text holds, the tree is drawn as text.

import type { Nodes, Root } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmStrikethroughFromMarkdown } from "mdast-util-gfm-strikethrough";
import { gfmTableFromMarkdown } from "mdast-util-gfm-table";
import { mathFromMarkdown } from "mdast-util-math";
import { gfmStrikethrough } from "micromark-extension-gfm-strikethrough";
import { gfmTable } from "micromark-extension-gfm-table";
import { math } from "micromark-extension-math";

// One dollar is a price far more often than a formula.
const MATH = { singleDollarTextMath: false };

/** The tree, with the offsets of every part in `source`. */
export function parseMarkdown(source: string): Root {
  return fromMarkdown(dollarMaths(source), {
    extensions: [gfmTable(), gfmStrikethrough({ singleTilde: false }), math(MATH)],
    mdastExtensions: [gfmTableFromMarkdown(), gfmStrikethroughFromMarkdown(), mathFromMarkdown()],
  });
}

// Code is left alone; the rest are the two ways in which models write formulas.
const CODE_OR_MATHS = /```[\s\S]*?(?:```|$)|`[^`\n]*`|\\\(([^\n]+?)\\\)|\\\[([\s\S]+?)\\\]/g;

/** `\(x\)` and `\[x\]` with dollars in place of the brackets: as long as before, so offsets hold. */
function dollarMaths(source: string): string {
  return source.replace(CODE_OR_MATHS, (all, inline: string | undefined, block: string | undefined) => {
    const formula = inline ?? block;
    return formula === undefined ? all : `$$${formula}$$`;
  });
}

/** The words of a text without its marks, on one line. HTML in it is left out. */
export function plainWords(source: string): string {
  return wordsOf(fromMarkdown(source)).replace(/\s+/g, " ").trim();
}

function wordsOf(node: Nodes): string {
  if (node.type === "html") return "";
  if ("value" in node) return node.value;
  if (!("children" in node)) return node.type === "break" ? " " : "";
  const isInline = INLINE.has(node.type);
  return node.children.map(wordsOf).join(isInline ? "" : " ");
}

const INLINE: ReadonlySet<string> = new Set(["paragraph", "heading", "emphasis", "strong", "delete", "link"]);
