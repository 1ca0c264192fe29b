/** Lines and zones on a picture: pure functions on their points. */

/** @typedef {[x: number, y: number]} Point from the top left corner, in the unit of the picture's size */
/** @typedef {{width: number, height: number}} Size */
/**
 * A line from its first to its second point, or a zone with at least three corners.
 * @typedef {{kind: "line" | "zone", points: Point[]}} Region
 */
/** @typedef {{lines: number[][], zones: number[][]}} FlatRegions x and y of all points, in turn */

export const MOST_REGIONS = 10;
export const MOST_POINTS = 20;
const FEWEST_CORNERS = 3;
// Of the picture's sides: the least distance of a line's points, so that they stay apart when rounded.
const SHORTEST = 1 / 600;

/**
 * A line or a zone in the middle of the picture, beside those that were put there before.
 * @param {Region["kind"]} kind
 * @param {Size} size of the picture
 * @param {number} before how many of this kind there are
 * @returns {Region}
 */
export function newRegion(kind, { width, height }, before) {
  const shift = ((before % MOST_REGIONS) * width) / 40;
  const middle = width / 2 + shift;
  if (kind === "line") {
    return { kind, points: [[middle, height * 0.2], [middle, height * 0.8]] };
  }
  return rectangle([middle - width / 6, height / 3], [middle + width / 6, (height * 2) / 3]);
}

/**
 * What a drag from one point to another draws instead of a region.
 * @param {Region} before
 * @param {Point} from
 * @param {Point} to
 * @param {Size} size of the picture
 * @returns {Region} a line, or a zone with four corners; the one before if the points are the same
 */
export function drawnRegion(before, from, to, size) {
  const { kind } = before;
  if (areSame([from, to], size)) return before;
  return kind === "line" ? { kind, points: [from, to] } : rectangle(from, to);
}

/**
 * @param {Point[]} points two of them
 * @param {Size} size of the picture
 */
function areSame([[x1, y1], [x2, y2]], { width, height }) {
  return Math.abs(x2 - x1) < SHORTEST * width && Math.abs(y2 - y1) < SHORTEST * height;
}

/**
 * @param {Point} one
 * @param {Point} other the corner diagonally across
 * @returns {Region}
 */
function rectangle([x1, y1], [x2, y2]) {
  return { kind: "zone", points: [[x1, y1], [x2, y1], [x2, y2], [x1, y2]] };
}

/**
 * @param {Point} point
 * @param {Size} size of the picture
 * @returns {Point} the nearest one within the picture
 */
export function within([x, y], { width, height }) {
  return [Math.max(0, Math.min(x, width)), Math.max(0, Math.min(y, height))];
}

/**
 * Move one point, or all of them by the same distance, as far as the picture reaches.
 * @param {Region} region
 * @param {number | null} index of the point; null for all
 * @param {Point} by the distance
 * @param {Size} size of the picture
 * @returns {Region} the same one if the points of a line would be the same
 */
export function moved(region, index, [dx, dy], size) {
  const { kind, points } = region;
  if (index !== null) {
    /** @type {(point: Point) => Point} */
    const shifted = ([x, y]) => within([x + dx, y + dy], size);
    const others = points.map((point, at) => (at === index ? shifted(point) : point));
    return kind === "line" && areSame(others, size) ? region : { kind, points: others };
  }
  const stepX = shiftWithin(points.map(([x]) => x), dx, size.width);
  const stepY = shiftWithin(points.map(([, y]) => y), dy, size.height);
  return { kind, points: points.map(([x, y]) => [x + stepX, y + stepY]) };
}

/**
 * @param {number[]} places
 * @param {number} step
 * @param {number} end
 * @returns {number} the part of `step` that keeps all places between 0 and `end`
 */
function shiftWithin(places, step, end) {
  return Math.max(-Math.min(...places), Math.min(step, end - Math.max(...places)));
}

/**
 * Add a corner to a zone, halfway to the next one.
 * @param {Region} region
 * @param {number} index of the corner before it
 * @returns {Region} the same one if it is a line or has no room for more corners
 */
export function withCorner(region, index) {
  const { kind, points } = region;
  if (kind === "line" || points.length >= MOST_POINTS) return region;
  const [x1, y1] = points[index];
  const [x2, y2] = points[(index + 1) % points.length];
  /** @type {Point} */
  const middle = [(x1 + x2) / 2, (y1 + y2) / 2];
  return { kind, points: [...points.slice(0, index + 1), middle, ...points.slice(index + 1)] };
}

/**
 * Remove a point.
 * @param {Region} region
 * @param {number} index
 * @returns {Region | null} null if a region of this kind needs all of its points
 */
export function withoutPoint({ kind, points }, index) {
  if (kind === "line" || points.length <= FEWEST_CORNERS) return null;
  return { kind, points: points.filter((_, at) => at !== index) };
}

/**
 * Swap the two directions of a line.
 * @param {Region} line
 * @returns {Region}
 */
export function turned({ kind, points }) {
  return { kind, points: [...points].reverse() };
}

/**
 * The arrow from the middle of a line to the side where objects come in: the right one, seen from
 * its first to its second point.
 * @param {Point[]} points of the line, in pixels of the screen
 * @param {number} length
 * @returns {[Point, Point]} both ends
 */
export function arrowIn([[x1, y1], [x2, y2]], length) {
  const distance = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  return [
    [x, y],
    [x - ((y2 - y1) / distance) * length, y + ((x2 - x1) / distance) * length],
  ];
}

/**
 * Regions as the server takes them.
 * @param {Region[]} regions
 * @param {number} digits how many decimals are kept
 * @returns {FlatRegions}
 */
export function flat(regions, digits) {
  /** @param {Region["kind"]} kind */
  const ofKind = (kind) =>
    regions
      .filter((region) => region.kind === kind)
      .map(({ points }) => points.flat().map((value) => Number(value.toFixed(digits))));
  return { lines: ofKind("line"), zones: ofKind("zone") };
}

/**
 * @param {FlatRegions} regions
 * @returns {Region[]} lines first
 */
export function unflat({ lines, zones }) {
  /**
   * @param {Region["kind"]} kind
   * @param {number[]} values
   * @returns {Region}
   */
  const region = (kind, values) => ({
    kind,
    points: values.flatMap((x, index) => (index % 2 ? [] : [/** @type {Point} */ ([x, values[index + 1]])])),
  });
  return [
    ...lines.map((values) => region("line", values)),
    ...zones.map((values) => region("zone", values)),
  ];
}
