// Versions of templates: all that there are, and in order.

import { call, collect } from "../api/client";
import type { Prompt } from "../api/types";
import { quality as words } from "../i18n/quality";

const MAX_LISTED = 2000;

export function fetchPrompts(signal: AbortSignal): Promise<Prompt[]> {
  return collect((cursor) => call("get", "/v1/prompts", { query: { cursor: cursor ?? null }, signal }), MAX_LISTED);
}

/** By name in the order in which names come, each with its newest version first. */
export function versionsByName(prompts: readonly Prompt[]): (readonly [name: string, versions: readonly Prompt[]])[] {
  const found = new Map<string, Prompt[]>();
  for (const each of prompts) found.set(each.name, [...(found.get(each.name) ?? []), each]);
  return [...found].map(([name, versions]) => [name, versions.sort((a, b) => b.version - a.version)] as const);
}

const STYLES = { quote: "styleQuote", draft: "styleDraft", read: "styleRead" } as const satisfies Record<NonNullable<Prompt["style"]>, string>;

/** How answers are written with a prompt or an adapter. */
export function styleText(style: Prompt["style"]): string {
  return words.translate(style === null ? "styleSetting" : STYLES[style]);
}
