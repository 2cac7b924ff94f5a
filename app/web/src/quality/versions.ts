// Versions of templates, in order.

import type { Prompt } from "../api/types";

/** By name in the order in which names come, each with its newest version first. */
export function versionsByName(prompts: readonly Prompt[]): (readonly [name: string, versions: readonly Prompt[]])[] {
  const found = new Map<string, Prompt[]>();
  for (const each of prompts) found.set(each.name, [...(found.get(each.name) ?? []), each]);
  return [...found].map(([name, versions]) => [name, versions.sort((a, b) => b.version - a.version)] as const);
}
