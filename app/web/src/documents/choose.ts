// The file chooser, wherever it is opened from.

import { DEFAULT_COLLECTION } from "../collections/collections";
import { currentRoute } from "../lib/router";
import { mayDo, me } from "../shell/session";
import { filesOfInput } from "./files";
import { addUploads } from "./uploads";

export const FILE_INPUT_ID = "files";
export const FOLDER_INPUT_ID = "folder";

export function chooseFiles(): void {
  if (collectionHere() !== null) document.getElementById(FILE_INPUT_ID)?.click();
}

export function chooseFolder(): void {
  document.getElementById(FOLDER_INPUT_ID)?.click();
}

export function takeChosen(input: HTMLInputElement): void {
  const collection = collectionHere();
  if (input.files && collection !== null) addUploads(filesOfInput(input.files), collection);
  // the same file may be chosen again
  input.value = "";
}

/** Where new files go: into the collection that is looked at, else the default one, else the first that takes them. */
export function collectionHere(): string | null {
  const route = currentRoute();
  const here = route.name === "collection" || route.name === "documents" ? route.collection : null;
  const who = me.get();
  if (here !== null) return mayDo(who, "editor", here) ? here : null;
  const known = who?.collections?.map(({ name }) => name) ?? [];
  return [DEFAULT_COLLECTION, ...known].find((name) => mayDo(who, "editor", name)) ?? null;
}
