/**
 * Strokes of paint, which stay where they are drawn, and replaced colors: geometry and file format only.
 *
 * @typedef {{path: [number, number][], color?: string, erase?: true, size: number, hardness: number, opacity: number}} PaintStroke
 *   pixels of the photo; size is the diameter of the brush, hardness the share of its radius that has the full opacity
 */

const THIN = 0.03; // of the diameter of the brush, by which a simplified path may miss the drawn one

/** @param {any} entry @param {number} index @returns {PaintStroke} @throws {Error} with a message for the user */
function readPaint(entry, index) {
  const { path, color, erase } = entry ?? {};
  const placed = Array.isArray(path) && path.length > 0 && path.every((at) => at?.length === 2 && at.every(Number.isFinite));
  const colored = /^#[0-9a-f]{6}$/i.test(color ?? "");
  if (!placed || colored === Boolean(erase)) throw new Error(`Stroke of paint ${index + 1} of this recipe needs a path of [x, y] pairs, and a color such as #c04020 or "erase": true.`);
  return { size: 20, hardness: 0.5, opacity: 1, ...entry };
}

/** @param {PaintStroke} stroke as drawn @returns {PaintStroke} with as few corners as its shape needs, in the precision of a recipe */
function finishedPaint({ path, ...rest }) {
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
function paintDistance([x, y], [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const length = dx * dx + dy * dy;
  const along = length ? Math.min(Math.max(((x - x0) * dx + (y - y0) * dy) / length, 0), 1) : 0;
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}

const LEAST_CHROMA = 4; // CIE units, of a color that has a hue

/**
 * @typedef {{old: string, new: string, range: number, fade: number}} Replacement  a color that is replaced everywhere: degrees of hue around it
 *   that are replaced in full, and further ones over which that fades
 */

/** @param {any} entry @param {number} index @returns {Replacement} @throws {Error} with a message for the user */
function readReplacement(entry, index) {
  const ok = ["old", "new"].every((name) => /^#[0-9a-f]{6}$/i.test(entry?.[name] ?? ""));
  if (!ok) throw new Error(`Replacement ${index + 1} of this recipe needs the colors "old" and "new" such as #c04020.`);
  return { range: 20, fade: 20, ...entry };
}

export { LEAST_CHROMA, finishedPaint, readPaint, readReplacement };
