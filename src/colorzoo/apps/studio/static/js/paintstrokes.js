/**
 * Strokes of paint as they are drawn.
 *
 * @typedef {"color" | "hue" | "saturation" | "multiply"} Blend  what the color replaces; strokes that multiply are the shading of a drawing
 * @typedef {{path: [number, number][], color?: string, erase?: true, size: number, hardness: number, opacity: number, blend?: Blend, closed?: boolean, reach?: import("./document.js").Reach, hidden?: boolean, layer?: number}} PaintStroke
 *   pixels of the photo; size is the diameter of the brush, hardness the share of its radius that has the full opacity;
 *   a closed stroke also covers its inside; a stroke with a limited reach ends at edges; consecutive strokes of a layer are one coat, with the opacity of the first
 */

export const BLENDS = ["color", "hue", "saturation"];

/** @param {Partial<PaintStroke>} stroke @returns {Blend} */
export const blendOf = ({ blend = "color" }) => blend;

const THIN = 0.03; // of the diameter of the brush, by which a simplified path may miss the drawn one

/** @param {PaintStroke} stroke as drawn @returns {PaintStroke} with as few corners as its shape needs, in the precision of a recipe */
export function finishedPaint({ path, ...rest }) {
  const kept = path.map((_, index) => index === 0 || index === path.length - 1);
  const parts = [[0, path.length - 1]];
  while (parts.length) {
    const [first, last] = parts.pop();
    let [most, farthest] = [Math.max(0.1, THIN * rest.size), -1];
    for (let i = first + 1; i < last; i += 1) {
      const away = paintDistance(path[i], path[first], path[last]);
      if (away > most) [most, farthest] = [away, i];
    }
    if (farthest < 0) continue;
    kept[farthest] = true;
    parts.push([first, farthest], [farthest, last]);
  }
  const tenth = (value) => Math.round(value * 10) / 10;
  return { path: path.filter((_, index) => kept[index]).map(([x, y]) => [tenth(x), tenth(y)]), ...rest };
}

/** @returns {number} distance of a place from a line */
export function paintDistance([x, y], [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = dx * dx + dy * dy;
  const along = length ? Math.min(Math.max(((x - x0) * dx + (y - y0) * dy) / length, 0), 1) : 0;
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}
