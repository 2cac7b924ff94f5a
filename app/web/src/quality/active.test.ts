import { describe, expect, it } from "vitest";
import { chooseLanguage } from "../i18n/language";
import { canGoBack, sinceText } from "./active";

const step = (by: string) => ({ by, created_at: "2026-11-28T12:00:00Z" });

describe("what is active", () => {
  it("says since when, and by whom where that is known", () => {
    chooseLanguage("en");
    expect(sinceText(undefined)).toBe("never changed here");
    expect(sinceText(step("Ana <b>"))).toMatch(/^since .*2026.*, by Ana <b>$/);
    expect(sinceText(step(""))).toMatch(/^since .*2026/);
    expect(sinceText(step(""))).not.toContain("by");
  });

  it("is taken back as often as something was chosen", () => {
    const chosen = (reference: string | null) => ({ reference, rolled_back: false });
    const back = (reference: string | null) => ({ reference, rolled_back: true });
    // as they happened; histories have the newest first
    const after = (...steps: Parameters<typeof canGoBack>[0][number][]): boolean => canGoBack(steps.reverse());
    expect(after()).toBe(false);
    expect(after(chosen(null))).toBe(false);
    expect(after(chosen("a"))).toBe(true);
    expect(after(chosen("a"), chosen(null))).toBe(true);
    expect(after(chosen("a"), back(null))).toBe(false);
    expect(after(chosen("a"), chosen("b"), back("a"))).toBe(true);
    expect(after(chosen("a"), chosen("b"), back("a"), back(null))).toBe(false);
    expect(after(chosen("a"), back(null), chosen("b"))).toBe(true);
    expect(after(chosen(null), chosen("a"), back(null))).toBe(false);
  });
});
