// A value that parts of the page share and are told of when it changes.

import { useSyncExternalStore } from "react";

export class Store<T> {
  #value: T;
  readonly #listeners = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  readonly get = (): T => this.#value;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of this.#listeners) listener();
  }

  update(change: (value: T) => T): void {
    this.set(change(this.#value));
  }
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

const SILENT = { subscribe: () => () => undefined, get: () => null };

/** As `useStore`, where there may be no store yet. */
export function useStoreIf<T>(store: Store<T> | null): T | null {
  return useSyncExternalStore<T | null>((store ?? SILENT).subscribe, (store ?? SILENT).get);
}
