import { describe, expect, it } from "vitest";
import type { Conversation } from "../api/types";
import { grouped } from "./conversations";

const NOW = new Date(2026, 10, 27, 12);
const at = (title: string | null, day: number, hour: number): Conversation => {
  const moment = new Date(2026, 10, day, hour).toISOString();
  return { id: `${title}`, title, created_at: moment, updated_at: moment };
};

describe("the list of conversations", () => {
  const items = [at("Días de vacaciones", 27, 0), at("Pool hours", 26, 23), at("Parking", 21, 1), at("Rent", 1, 1)];

  it("is grouped by age", () => {
    const ages = grouped(items, "", NOW).map(([age, found]) => [age, found.map((each) => each.title)]);
    expect(ages).toEqual([
      ["today", ["Días de vacaciones"]],
      ["yesterday", ["Pool hours"]],
      ["thisWeek", ["Parking"]],
      ["earlier", ["Rent"]],
    ]);
  });

  it("is found by words in any order, whatever their accents and case", () => {
    expect(grouped(items, "VACACIONES dias", NOW)).toEqual([["today", [items[0]]]]);
    expect(grouped(items, "nothing", NOW)).toEqual([]);
  });

  it("leaves out those in which nobody has asked", () => {
    expect(grouped([at(null, 27, 1)], "", NOW)).toEqual([]);
  });
});
