// What lies over the page: the palette of commands, the list of keys, the sidebar on a narrow screen.

import { Store } from "../lib/store";

export const overlay = new Store<"none" | "palette" | "keys" | "sidebar">("none");

export const closeOverlay = (): void => overlay.set("none");
