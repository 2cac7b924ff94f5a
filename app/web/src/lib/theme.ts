// Light, dark, or what the system says.

import { Store } from "./store";
import { recall, remember } from "./storage";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const theme = new Store<Theme>(initialTheme());

function initialTheme(): Theme {
  const chosen = recall("local", "theme");
  return THEMES.find((name) => name === chosen) ?? "system";
}

export function chooseTheme(name: Theme): void {
  remember("local", "theme", name === "system" ? null : name);
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  theme.set(name);
}
