// The collections that this browser may see.

import { call, collect } from "../api/client";
import { messageOf } from "../api/problem";
import type { Collection } from "../api/types";
import { Store } from "../lib/store";

const MAX_LISTED = 1000;
export const DEFAULT_COLLECTION = "default";

interface Listed {
  state: "loading" | "ready" | "failed";
  items: readonly Collection[];
  message: string;
}

export const collections = new Store<Listed>({ state: "loading", items: [], message: "" });

export async function loadCollections(): Promise<void> {
  try {
    const items = await collect(() => call("get", "/v1/collections"), MAX_LISTED);
    collections.set({ state: "ready", items, message: "" });
  } catch (error) {
    collections.update((listed) => ({ ...listed, state: "failed", message: messageOf(error) }));
  }
}
