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

/** Those of the names, the first ones first, that stand beside each other without touching. */
export function namesThatFit(names: readonly Named[], size: Size): Named[] {
  const placed: (Named & Size)[] = [];
  for (const each of names) {
    const width = each.name.length * CHAR_PX + 16;
    if (!each.name || width > size.width) continue;
    // a name at the edge is moved in, so that all of it can be read
    const x = Math.min(Math.max(each.x, width / 2 + 4), size.width - width / 2 - 4);
    const touches = placed.some(
      (other) => Math.abs(other.x - x) < (other.width + width) / 2 && Math.abs(other.y - each.y) < LINE_PX,
    );
    if (!touches) placed.push({ ...each, x, width, height: LINE_PX });
  }
  return placed.map(({ name, x, y }) => ({ name, x, y }));
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
