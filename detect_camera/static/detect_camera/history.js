/** The number of objects of each class over the last minute, drawn as a line chart. */

const SECONDS = 60;

export class CountHistory {
  constructor() {
    /**
     * The highest count within each second, by class id, the newest last.
     * @type {Map<number, number[]>}
     */
    this.counts = new Map();
    this.second = -1;
  }

  /**
   * @param {number} nowMs
   * @param {Map<number, number>} counts of the frame, by class id
   */
  add(nowMs, counts) {
    const second = Math.floor(nowMs / 1000);
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

const MARGIN = 4;

/**
 * Draw one line for each class, with the highest count and the time span at the axes.
 * @param {CanvasRenderingContext2D} ctx
 * @param {CountHistory} history
 * @param {object} options
 * @param {number} options.width
 * @param {number} options.height
 * @param {(classId: number) => string} options.colourOf
 * @param {string} options.ink the colour of axes and labels
 * @param {string} options.font
 * @param {string} options.past the label at the left end
 * @param {string} options.now the label at the right end
 */
export function drawHistory(ctx, history, { width, height, colourOf, ink, font, past, now }) {
  ctx.clearRect(0, 0, width, height);
  const most = Math.max(1, ...[...history.counts.values()].flat());
  ctx.font = font;
  ctx.fillStyle = ctx.strokeStyle = ink;
  const letters = ctx.measureText(String(most));
  const lineHeight = letters.actualBoundingBoxAscent + letters.actualBoundingBoxDescent;
  const left = letters.width + 2 * MARGIN;
  const right = width - 1;
  const top = lineHeight / 2 + 1;
  const bottom = height - lineHeight - 2 * MARGIN;

  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  ctx.fillText(String(most), left - MARGIN, top);
  ctx.fillText("0", left - MARGIN, bottom);
  ctx.textBaseline = "bottom";
  ctx.fillText(now, right, height);
  ctx.textAlign = "left";
  ctx.fillText(past, left, height);
  ctx.lineWidth = 1;
  ctx.globalAlpha = 0.4;
  for (const y of [top, bottom]) {
    ctx.beginPath();
    ctx.moveTo(left, Math.round(y) + 0.5);
    ctx.lineTo(right, Math.round(y) + 0.5);
    ctx.stroke();
  }
  ctx.globalAlpha = 1;

  ctx.lineWidth = 2;
  ctx.lineJoin = "round";
  for (const [classId, values] of history.counts) {
    ctx.strokeStyle = colourOf(classId);
    ctx.beginPath();
    values.forEach((value, index) => {
      const x = left + (index / (SECONDS - 1)) * (right - left);
      ctx.lineTo(x, bottom - (value / most) * (bottom - top));
    });
    ctx.stroke();
  }
}
