// The documents that match what is looked for, page after page as far as the list is scrolled.

import { call } from "../api/client";
import { messageOf, Problem } from "../api/problem";
import type { Document, DocumentQuery } from "../api/types";
import { Store } from "../lib/store";
import { fetchJob, followJob, isOpenJob, whenJobChanged } from "./jobs";
import { labelKey } from "./labels";

const FILTERS = ["collection", "state", "q", "label"] as const;
export type Wanted = Pick<DocumentQuery, (typeof FILTERS)[number]>;

interface Listed {
  wanted: Wanted;
  items: readonly Document[];
  cursor: string | null;
  state: "loading" | "ready" | "failed";
  message: string;
}

const NOTHING: Listed = { wanted: {}, items: [], cursor: null, state: "loading", message: "" };
export const documents = new Store<Listed>(NOTHING);

/** Documents that were deleted here but not yet at the service: they are not shown. */
export const leaving = new Store<ReadonlySet<string>>(new Set());

export async function lookFor(wanted: Wanted): Promise<void> {
  documents.update((listed) => ({ ...(sameWanted(listed.wanted, wanted) ? listed : NOTHING), wanted }));
  await fetchPage(null);
}

let isFetching = false;

export async function fetchMore(): Promise<void> {
  const { cursor } = documents.get();
  if (cursor === null || isFetching) return;
  isFetching = true;
  try {
    await fetchPage(cursor);
  } finally {
    isFetching = false;
  }
}

async function fetchPage(cursor: string | null): Promise<void> {
  const { wanted } = documents.get();
  try {
    const page = await call("get", "/v1/documents", { query: { ...wanted, cursor } });
    // an older question's answer
    if (!sameWanted(documents.get().wanted, wanted)) return;
    documents.update((listed) => ({
      ...listed,
      items: cursor === null ? page.items : merged(listed.items, page.items),
      cursor: page.next_cursor ?? null,
      state: "ready",
    }));
    for (const item of page.items) attend(item);
  } catch (error) {
    documents.update((listed) => ({ ...listed, state: "failed", message: messageOf(error) }));
  }
}

/** Takes over what is newly known of a document, and returns it; null where it is gone. */
export async function refreshDocument(id: string): Promise<Document | null> {
  try {
    const item = await call("get", "/v1/documents/{document_id}", { params: { document_id: id } });
    documents.update((listed) => ({ ...listed, items: withItem(listed, item) }));
    attend(item);
    return item;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) forgetDocumentRow(id);
    return null;
  }
}

whenJobChanged(refreshDocument);

export function forgetDocumentRow(id: string): void {
  documents.update((listed) => ({ ...listed, items: listed.items.filter((item) => item.id !== id) }));
}

function attend(item: Document): void {
  if (item.state === "failed") void fetchJob(item.newest.job_id);
  if (isOpenJob(item.state)) followJob(item.newest.job_id);
}

/** In its place where it is listed; at the top where it is new and may be among what is looked for. */
function withItem(listed: Listed, item: Document): readonly Document[] {
  const { items, wanted } = listed;
  if (items.some((each) => each.id === item.id)) return items.map((each) => (each.id === item.id ? item : each));
  const isWanted =
    (!wanted.collection || wanted.collection === item.collection) &&
    (!wanted.state || wanted.state === item.state) &&
    (!wanted.label || item.labels.some((each) => labelKey(each) === wanted.label)) &&
    (!wanted.q || item.name.toLowerCase().includes(wanted.q.toLowerCase()));
  return isWanted ? [item, ...items] : items;
}

function merged(items: readonly Document[], more: readonly Document[]): Document[] {
  const known = new Set(items.map((item) => item.id));
  return [...items, ...more.filter((item) => !known.has(item.id))];
}

function sameWanted(one: Wanted, other: Wanted): boolean {
  return FILTERS.every((each) => (one[each] ?? "") === (other[each] ?? ""));
}
