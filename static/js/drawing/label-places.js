/** Places the labels of boxes; `ml_core/pictures/label_places.py` implements the same rule. */

/** @typedef {import("./boxes.js").Box} Box */
/** @typedef {{x: number, y: number}} Place the top left corner of a label */
/**
 * All values and label widths are integers, so that no gap is too narrow by a rounding error.
 * @typedef {object} Room
 * @property {number} width of the picture
 * @property {number} height of the picture
 * @property {number} labelHeight of every label
 * @property {number} gap between two labels side by side
 */

/**
 * Place labels so that none overlap, in the given order: above the box, else inside at the top,
 * else below it (below before inside if the label would hide most of the box), else moved
 * horizontally along these rows or rows further inside, as long as it touches its box.
 * @param {{box: Box, width: number}[]} labels sorted by score, highest first
 * @param {Room} room
 * @returns {(Place | null)[]} null for a label without a free place
 */
export function labelPlaces(labels, room) {
  const taken = new TakenPlaces(room);
  return labels.map(({ box, width }) => {
    const place = freePlace(box, width, room, taken);
    if (place) taken.add(place, width);
    return place;
  });
}

/**
 * @param {Box} box
 * @param {number} width of the label
 * @param {Room} room
 * @param {TakenPlaces} taken
 * @returns {Place | null}
 */
function freePlace(box, width, room, taken) {
  const { labelHeight } = room;
  const [xMin, yMin, xMax, yMax] = [
    Math.floor(box[0]),
    Math.ceil(box[1]),
    Math.floor(box[2]),
    Math.floor(box[3]),
  ];
  const mostRight = Math.max(0, room.width - width);
  const start = Math.max(0, Math.min(xMin, mostRight));
  const top = Math.max(0, Math.min(yMin, room.height - labelHeight));
  const above = yMin >= labelHeight ? [yMin - labelHeight] : [];
  const below = yMax + labelHeight <= room.height ? [yMax] : [];
  const isSmall = yMax - yMin < 2 * labelHeight;
  const rows = isSmall ? [...above, ...below, top] : [...above, top, ...below];
  for (const y of rows) {
    if (!taken.blocker(start, y, width)) return { x: start, y };
  }

  for (let y = top + labelHeight; y + labelHeight <= yMax; y += labelHeight) rows.push(y);
  const first = Math.max(0, xMin - width);
  const last = Math.min(xMax, mostRight);
  for (const y of rows) {
    for (const step of /** @type {const} */ ([1, -1])) {
      const x = taken.freeX(start, y, width, { step, first, last });
      if (x !== null) return { x, y };
    }
  }
  return null;
}

class TakenPlaces {
  /** @param {Room} room */
  constructor({ labelHeight, gap }) {
    this.labelHeight = labelHeight;
    this.gap = gap;
    /**
     * By the row of the top edge. Overlapping labels are in the same or in adjacent rows.
     * @type {Map<number, {left: number, right: number, y: number}[]>}
     */
    this.rows = new Map();
  }

  /**
   * @param {Place} place
   * @param {number} width
   */
  add({ x, y }, width) {
    const row = Math.floor(y / this.labelHeight);
    if (!this.rows.has(row)) this.rows.set(row, []);
    this.rows.get(row)?.push({ left: x, right: x + width, y });
  }

  /**
   * The first label that one at this position would overlap, or leave too small a gap to.
   * @param {number} x
   * @param {number} y
   * @param {number} width
   */
  blocker(x, y, width) {
    const right = x + width;
    const middle = Math.floor(y / this.labelHeight);
    for (let row = middle - 1; row <= middle + 1; row += 1) {
      for (const other of this.rows.get(row) ?? []) {
        const isNear = Math.abs(other.y - y) < this.labelHeight;
        if (isNear && x < other.right + this.gap && other.left < right + this.gap) return other;
      }
    }
    return null;
  }

  /**
   * The first free position to the right (step 1) or to the left (step -1).
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {{step: 1 | -1, first: number, last: number}} way
   * @returns {number | null}
   */
  freeX(x, y, width, { step, first, last }) {
    while (x >= first && x <= last) {
      const other = this.blocker(x, y, width);
      if (!other) return x;
      x = step > 0 ? other.right + this.gap : other.left - this.gap - width;
    }
    return null;
  }
}
