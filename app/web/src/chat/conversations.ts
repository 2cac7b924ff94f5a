// The conversations of this browser: list, rename, delete, find.

import { call, collect } from "../api/client";
import { messageOf } from "../api/problem";
import type { Conversation } from "../api/types";
import { Store } from "../lib/store";
import { holding } from "../lib/text";

const MAX_LISTED = 1000;

interface Listed {
  state: "loading" | "ready" | "failed";
  items: readonly Conversation[];
  message: string;
}

export const conversations = new Store<Listed>({ state: "loading", items: [], message: "" });

export async function loadConversations(): Promise<void> {
  try {
    const items = await collect(
      (cursor) => call("get", "/v1/conversations", { query: { cursor: cursor ?? null } }),
      MAX_LISTED,
    );
    conversations.set({ state: "ready", items: newestFirst(items), message: "" });
  } catch (error) {
    conversations.update((listed) => ({ ...listed, state: "failed", message: messageOf(error) }));
  }
}

export async function beginConversation(): Promise<Conversation> {
  const made = await call("post", "/v1/conversations");
  keep(made);
  return made;
}

export async function renameConversation(id: string, title: string): Promise<void> {
  keep(await call("patch", "/v1/conversations/{conversation_id}", { params: { conversation_id: id }, body: { title } }));
}

export async function deleteConversation(id: string): Promise<void> {
  await call("delete", "/v1/conversations/{conversation_id}", { params: { conversation_id: id } });
  conversations.update((listed) => ({ ...listed, items: listed.items.filter((each) => each.id !== id) }));
}

/** Takes over what is newly known of one. */
export function keep({ id, title, created_at, updated_at }: Conversation): void {
  conversations.update((listed) => ({
    ...listed,
    items: newestFirst([{ id, title, created_at, updated_at }, ...listed.items.filter((each) => each.id !== id)]),
  }));
}

function newestFirst(items: readonly Conversation[]): Conversation[] {
  return [...items].sort((a, b) => b.updated_at.localeCompare(a.updated_at));
}

export type Age = "today" | "yesterday" | "thisWeek" | "earlier";

/** Those whose title holds every word that is looked for, in groups by age. */
export function grouped(
  items: readonly Conversation[],
  wanted: string,
  now: Date,
): (readonly [Age, Conversation[]])[] {
  const isWanted = holding(wanted);
  const groups = new Map<Age, Conversation[]>();
  for (const item of items) {
    // one that nobody has asked in has nothing to come back to
    if (item.title === null || !isWanted(item.title)) continue;
    const age = ageOf(new Date(item.updated_at), now);
    groups.set(age, [...(groups.get(age) ?? []), item]);
  }
  return [...groups];
}

function ageOf(moment: Date, now: Date): Age {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  const days = (midnight.getTime() - moment.getTime()) / 86_400_000;
  if (days <= 0) return "today";
  if (days <= 1) return "yesterday";
  return days <= 7 ? "thisWeek" : "earlier";
}
