// The file chooser, wherever it is opened from.

import { DEFAULT_COLLECTION } from "../collections/collections";
import { currentRoute } from "../lib/router";
import { filesOfInput } from "./files";
import { addUploads } from "./uploads";

export const FILE_INPUT_ID = "files";
export const FOLDER_INPUT_ID = "folder";

export function chooseFiles(): void {
  document.getElementById(FILE_INPUT_ID)?.click();
}

export function chooseFolder(): void {
  document.getElementById(FOLDER_INPUT_ID)?.click();
}

export function takeChosen(input: HTMLInputElement): void {
  if (input.files) addUploads(filesOfInput(input.files), collectionHere());
  // the same file may be chosen again
  input.value = "";
}

/** Where new files go: into the collection that is looked at. */
export function collectionHere(): string {
  const route = currentRoute();
  if (route.name === "collection") return route.collection;
  return route.name === "documents" ? (route.collection ?? DEFAULT_COLLECTION) : DEFAULT_COLLECTION;
}
