// Where the points of a map lie in a frame, which is nearest, and which colour a cluster has.

export interface Size {
  width: number;
  height: number;
}

interface Point {
  x: number;
  y: number;
}

const MARGIN_PX = 28;
// steps of the golden angle: neighbours in the list are never alike
const GOLDEN_ANGLE = 137.508;

/** A map's x and y go from 0 to 1, y upwards; a frame's from its top left corner, y downwards. */
export function placeIn(point: Point, size: Size): Point {
  return {
    x: MARGIN_PX + point.x * (size.width - 2 * MARGIN_PX),
    y: MARGIN_PX + (1 - point.y) * (size.height - 2 * MARGIN_PX),
  };
}

/** Index of the point nearest to a place in the frame, or null where none is within reach. */
export function nearest(points: readonly Point[], at: Point, size: Size, reachPx: number): number | null {
  let best: number | null = null;
  let bestSquare = reachPx ** 2;
  for (const [index, point] of points.entries()) {
    const { x, y } = placeIn(point, size);
    const square = (x - at.x) ** 2 + (y - at.y) ** 2;
    if (square <= bestSquare) {
      best = index;
      bestSquare = square;
    }
  }
  return best;
}

export function colourOf(cluster: number): string {
  return `hsl(${((18 + cluster * GOLDEN_ANGLE) % 360).toFixed(1)} 46% 52%)`;
}

interface Named extends Point {
  name: string;
}

const CHAR_PX = 6.6;
const LINE_PX = 24;
const PADDING_PX = 16;
// where a name may stand, as shares of its own size from the middle of its group: there, else above or below it, else aside
const OFFSETS = [
  [0, 0],
  [0, -1],
  [0, 1],
  [0, -2],
  [0, 2],
  [0.6, -1],
  [-0.6, -1],
  [0.6, 1],
  [-0.6, 1],
] as const;
// a name that covers more of a group than this would hide it
const MAX_COVERED = 0.34;

/** Names, the first ones first, each where it touches no other name and hides no other group; those that fit nowhere are left out. */
export function namesThatFit(
  names: readonly Named[],
  points: readonly (Point & { cluster: number })[],
  size: Size,
): Named[] {
  const sizes = new Map<number, number>();
  for (const { cluster } of points) sizes.set(cluster, (sizes.get(cluster) ?? 0) + 1);
  const placed: (Named & Size)[] = [];
  for (const [own, each] of names.entries()) {
    const width = each.name.length * CHAR_PX + PADDING_PX;
    if (!each.name || width > size.width) continue;
    for (const [across, down] of OFFSETS) {
      const label = { ...within(each, across * width, down * LINE_PX, width, size), name: each.name, width, height: LINE_PX };
      if (placed.some((other) => touch(label, other)) || hidesGroup(label, own, points, sizes)) continue;
      placed.push(label);
      break;
    }
  }
  return placed.map(({ name, x, y }) => ({ name, x, y }));
}

/** Moved by so much, and in from the edge, so that all of it can be read. */
function within(at: Point, across: number, down: number, width: number, size: Size): Point {
  const [halfWidth, halfHeight] = [width / 2 + 4, LINE_PX / 2 + 2];
  return {
    x: Math.min(Math.max(at.x + across, halfWidth), size.width - halfWidth),
    y: Math.min(Math.max(at.y + down, halfHeight), size.height - halfHeight),
  };
}

function touch(one: Point & Size, other: Point & Size): boolean {
  return Math.abs(other.x - one.x) < (other.width + one.width) / 2 && Math.abs(other.y - one.y) < LINE_PX;
}

function hidesGroup(
  label: Point & Size,
  own: number,
  points: readonly (Point & { cluster: number })[],
  sizes: ReadonlyMap<number, number>,
): boolean {
  const covered = new Map<number, number>();
  for (const { x, y, cluster } of points) {
    if (cluster === own || Math.abs(x - label.x) > label.width / 2 || Math.abs(y - label.y) > label.height / 2) continue;
    const count = (covered.get(cluster) ?? 0) + 1;
    if (count > MAX_COVERED * (sizes.get(cluster) ?? 0)) return true;
    covered.set(cluster, count);
  }
  return false;
}

/** Whether a point is inside the closed line through the corners. */
export function isInside(corners: readonly Point[], at: Point): boolean {
  let inside = false;
  for (const [index, corner] of corners.entries()) {
    const before = corners.at(index - 1) ?? corner;
    if (corner.y > at.y === before.y > at.y) continue;
    const crossing = corner.x + ((before.x - corner.x) * (at.y - corner.y)) / (before.y - corner.y);
    if (at.x < crossing) inside = !inside;
  }
  return inside;
}
