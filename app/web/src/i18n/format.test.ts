import { describe, expect, it } from "vitest";
import { sizeText } from "./format";

describe("a size", () => {
  it.each([
    [0, "0.1 kB"],
    [207_400, "207 kB"],
    [1_250_000, "1.3 MB"],
    [3e9, "3 GB"],
  ])("of %d bytes is short and does not break between lines", (bytes, text) => {
    expect(sizeText(bytes)).toBe(text.replace(" ", "\u00a0"));
  });
});
