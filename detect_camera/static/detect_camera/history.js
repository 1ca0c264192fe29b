/** How many objects of each class there were, second by second, as a small chart. */

const SECONDS = 60;

export class CountHistory {
  constructor() {
    /** @type {Map<number, number[]>} by class id, the newest last; each the most of its second */
    this.counts = new Map();
    this.second = -1;
  }

  /**
   * @param {number} now_ms
   * @param {Map<number, number>} counts of the frame, by class id
   */
  add(now_ms, counts) {
    const second = Math.floor(now_ms / 1000);
    const passed = this.second < 0 ? 0 : Math.min(SECONDS, second - this.second);
    this.second = second;
    for (const classId of counts.keys()) {
      if (!this.counts.has(classId)) this.counts.set(classId, Array(SECONDS).fill(0));
    }
    for (const [classId, values] of this.counts) {
      values.push(...Array(passed).fill(0));
      values.splice(0, values.length - SECONDS);
      values[SECONDS - 1] = Math.max(values[SECONDS - 1], counts.get(classId) ?? 0);
      if (values.every((value) => value === 0)) this.counts.delete(classId);
    }
  }
}

/**
 * One line for each class over the last minute.
 * @param {CanvasRenderingContext2D} ctx
 * @param {CountHistory} history
 * @param {{width: number, height: number, colourOf: (classId: number) => string}} options
 */
export function drawHistory(ctx, history, { width, height, colourOf }) {
  ctx.clearRect(0, 0, width, height);
  const most = Math.max(1, ...[...history.counts.values()].flat());
  ctx.lineWidth = 2;
  ctx.lineJoin = "round";
  for (const [classId, values] of history.counts) {
    ctx.strokeStyle = colourOf(classId);
    ctx.beginPath();
    values.forEach((value, index) => {
      const x = (index / (SECONDS - 1)) * width;
      ctx.lineTo(x, height - 2 - (value / most) * (height - 4));
    });
    ctx.stroke();
  }
}
