import { describe, expect, it } from "vitest";
import { SHORTCUTS, shortcutOf } from "./shortcuts";

const press = (key: string, modifiers: { ctrlKey?: boolean; metaKey?: boolean; altKey?: boolean } = {}) => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...modifiers,
});

describe("keys", () => {
  it("open the palette with either modifier, also while somebody types", () => {
    expect(shortcutOf(press("k", { ctrlKey: true }), true)?.label).toBe("keyPalette");
    expect(shortcutOf(press("K", { metaKey: true }), false)?.label).toBe("keyPalette");
  });

  it("without a modifier are text while somebody types", () => {
    expect(shortcutOf(press("n"), true)).toBeUndefined();
    expect(shortcutOf(press("n"), false)?.label).toBe("keyNewChat");
  });

  it("with other modifiers belong to the browser", () => {
    expect(shortcutOf(press("n", { ctrlKey: true }), false)).toBeUndefined();
    expect(shortcutOf(press("n", { altKey: true }), false)).toBeUndefined();
  });

  it("are each given once", () => {
    const names = SHORTCUTS.map(({ key, hasModifier }) => `${hasModifier} ${key}`);
    expect(new Set(names).size).toBe(names.length);
  });
});
