// The collections that this browser may see.

import { call } from "../api/client";
import { messageOf } from "../api/problem";
import type { Collection } from "../api/types";
import { Store } from "../lib/store";

export const DEFAULT_COLLECTION = "default";

interface Listed {
  state: "loading" | "ready" | "failed";
  items: readonly Collection[];
  message: string;
}

export const collections = new Store<Listed>({ state: "loading", items: [], message: "" });

export async function loadCollections(): Promise<void> {
  try {
    const { items } = await call("get", "/v1/collections");
    collections.set({ state: "ready", items, message: "" });
  } catch (error) {
    collections.update((listed) => ({ ...listed, state: "failed", message: messageOf(error) }));
  }
}
