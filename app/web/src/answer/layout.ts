// Where the sentences of an answer lie in its Markdown tree: which words are unsupported, and after
// which word the numbers of the sources stand.

import type { Nodes, Root } from "mdast";
import type { Sentence } from "../api/types";
import { unitOffsets } from "../lib/text";

/** A run of text that belongs to one sentence, or to none. */
export interface Piece {
  text: string;
  isUnsupported: boolean;
  /** Sentences that end here, by index: their sources are named after this piece. */
  ends: number[];
}

interface Span {
  start: number;
  end: number;
  hasSource: boolean;
}

const LEAVES: ReadonlySet<string> = new Set(["text", "inlineCode", "code", "inlineMath", "math", "html", "image"]);

export class Layout {
  readonly #source: string;
  readonly #spans: Span[];
  /** Of each leaf, the sentences of which it holds the last word. */
  readonly #ends = new Map<Nodes, number[]>();

  constructor(source: string, tree: Root, sentences: readonly Sentence[]) {
    this.#source = source;
    const unit = unitOffsets(source);
    this.#spans = sentences.map((sentence) => {
      const words = source.slice(unit(sentence.start), unit(sentence.end));
      // spaces between sentences belong to one of them: a source stands after its last word
      const start = unit(sentence.start) + words.length - words.trimStart().length;
      return { start, end: start + words.trim().length, hasSource: sentence.citations.length > 0 };
    });
    const leaves = leavesOf(tree);
    for (const [index, span] of this.#spans.entries()) {
      const last = leaves.findLast((leaf) => startOf(leaf) < span.end && endOf(leaf) > span.start);
      if (last) this.#ends.set(last, [...(this.#ends.get(last) ?? []), index]);
    }
  }

  /** The text of a leaf, cut where sentences begin and end. */
  cut(leaf: Nodes, value: string): Piece[] {
    const offsets = offsetsOf(this.#source.slice(startOf(leaf), endOf(leaf)), startOf(leaf), value);
    const ends = this.#ends.get(leaf) ?? [];
    const cuts = new Set([0, value.length]);
    for (const span of this.#spans) {
      for (const offset of [span.start, span.end]) {
        const at = offsets.findIndex((each) => each >= offset);
        if (at > 0) cuts.add(at);
      }
    }
    const places = [...cuts].sort((a, b) => a - b);
    return places.slice(1).map((to, index) => {
      const from = places[index] ?? 0;
      const isLast = to === value.length;
      return {
        text: value.slice(from, to),
        isUnsupported: this.#isUnsupported(offsets[from] ?? startOf(leaf)),
        ends: ends.filter((each) => this.#endsAt(each, offsets, from, to, isLast)),
      };
    });
  }

  /** As `cut`, for a leaf that stays in one piece. */
  whole(leaf: Nodes): Omit<Piece, "text"> {
    return { isUnsupported: this.#isUnsupported(startOf(leaf)), ends: this.#ends.get(leaf) ?? [] };
  }

  #isUnsupported(offset: number): boolean {
    const span = this.#spans.find((each) => each.start <= offset && offset < each.end);
    return span !== undefined && !span.hasSource;
  }

  #endsAt(index: number, offsets: number[], from: number, to: number, isLast: boolean): boolean {
    const end = this.#spans[index]?.end ?? 0;
    const next = offsets[to] ?? Infinity;
    return (offsets[from] ?? 0) < end && (isLast || end <= next);
  }
}

function leavesOf(node: Nodes): Nodes[] {
  if (LEAVES.has(node.type)) return [node];
  return "children" in node ? node.children.flatMap(leavesOf) : [];
}

function startOf(node: Nodes): number {
  return node.position?.start.offset ?? 0;
}

function endOf(node: Nodes): number {
  return node.position?.end.offset ?? 0;
}

/** For each unit of what is shown, where it stands in the source: escapes and entities are longer there. */
export function offsetsOf(written: string, start: number, value: string): number[] {
  if (written.length === value.length) return Array.from({ length: value.length }, (_, at) => start + at);
  const offsets: number[] = [];
  let at = 0;
  for (const unit of value) {
    const found = written.indexOf(unit, at);
    const entity = /^&[#\w]+;/.exec(written.slice(at))?.[0];
    if (entity) {
      offsets.push(start + at);
      at += entity.length;
    } else {
      at = found < 0 ? at : found;
      offsets.push(start + Math.min(at, written.length));
      at += unit.length;
    }
    // a character of two units counts twice
    for (let extra = 1; extra < unit.length; extra += 1) offsets.push(offsets.at(-1) ?? start);
  }
  return offsets;
}
