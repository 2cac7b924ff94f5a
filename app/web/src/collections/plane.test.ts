import { describe, expect, it } from "vitest";
import { colourOf, isInside, namesThatFit, nearest, placeIn } from "./plane";

const SIZE = { width: 456, height: 256 };
const POINTS = [
  { x: 0, y: 0 },
  { x: 1, y: 1 },
  { x: 0.5, y: 0.5 },
];

describe("the plane of a map", () => {
  it("has y upwards, and keeps its points inside the frame", () => {
    expect(placeIn({ x: 0, y: 0 }, SIZE)).toEqual({ x: 28, y: 228 });
    expect(placeIn({ x: 1, y: 1 }, SIZE)).toEqual({ x: 428, y: 28 });
  });

  it("finds the nearest point, within reach only", () => {
    expect(nearest(POINTS, { x: 30, y: 226 }, SIZE, 10)).toBe(0);
    expect(nearest(POINTS, { x: 228, y: 120 }, SIZE, 10)).toBe(2);
    expect(nearest(POINTS, { x: 120, y: 60 }, SIZE, 10)).toBeNull();
  });

  it("gives clusters that follow each other colours that differ", () => {
    expect(new Set(Array.from({ length: 30 }, (_, index) => colourOf(index))).size).toBe(30);
  });

  it("writes names that do not touch, the larger clusters' first, inside the frame", () => {
    const names = [
      { name: "leave · days", x: 100, y: 100 },
      { name: "days · off", x: 110, y: 110 },
      { name: "travel", x: 4, y: 200 },
      { name: "", x: 300, y: 50 },
    ];
    const placed = namesThatFit(names, [], SIZE);
    expect(placed.map(({ name }) => name)).toEqual(["leave · days", "days · off", "travel"]);
    expect(placed[0]).toMatchObject({ x: 100, y: 100 });
    expect(Math.abs((placed[1]?.y ?? 0) - 100)).toBeGreaterThanOrEqual(24);
    expect(placed[2]?.x).toBeGreaterThan(20);
  });

  it("hides no small group behind the name of a large one", () => {
    const small = [0, 1, 2].map((n) => ({ x: 205 + n, y: 102, cluster: 1 }));
    const large = Array.from({ length: 40 }, (_, n) => ({ x: 160 + 2 * n, y: 100, cluster: 0 }));
    const [name] = namesThatFit([{ name: "leave · days · holiday", x: 200, y: 100 }], [...large, ...small], SIZE);
    expect(Math.abs((name?.y ?? 102) - 102)).toBeGreaterThan(12);
    // where there is no other place, the group matters more
    const everywhere = Array.from({ length: 600 }, (_, n) => ({ x: 50 * (n % 10), y: 4 * Math.floor(n / 10), cluster: n + 1 }));
    expect(namesThatFit([{ name: "leave · days · holiday", x: 200, y: 100 }], everywhere, SIZE)).toEqual([]);
  });

  it("knows what a line that was drawn goes around, also where it is hollow", () => {
    const corners = [
      { x: 0, y: 0 },
      { x: 10, y: 0 },
      { x: 10, y: 10 },
      { x: 5, y: 2 },
      { x: 0, y: 10 },
    ];
    expect(isInside(corners, { x: 2, y: 2 })).toBe(true);
    expect(isInside(corners, { x: 5, y: 8 })).toBe(false);
    expect(isInside(corners, { x: 12, y: 5 })).toBe(false);
  });
});
