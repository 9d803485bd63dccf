/** Paint of a recipe, a row of the picture at a time. */

import { CONSTANTS } from "./constants.js";
import { abAtLightness, shadedTableOf } from "./lightness.js";

/** Strokes of paint on a picture or on a smaller copy of it. */
class Painting {
  /** @param {import("../js/paintstrokes.js").PaintStroke[]} strokes @param {[number, number]} whole height and width of the photo @param {[number, number]} size of the copy @param {number} strength */
  constructor(strokes, whole, size, strength) {
    this.scale = [whole[0] / size[0], whole[1] / size[1]];
    this.strength = strength;
    this.brushes = strokes.map((stroke) => brushOf(stroke, Math.max(...this.scale)));
    this.squared = new Float32Array(size[1]);
  }

  /** Paint over a row. @param {number} y @param {Float32Array} lightness @param {Float32Array} a @param {Float32Array} b */
  addTo(y, lightness, a, b) {
    const below = this.brushes.some(({ table }) => !table) ? [a.slice(), b.slice()] : [a, b];
    const place = (y + 0.5) * this.scale[0];
    for (const brush of this.brushes) {
      if (place < brush.top || place > brush.bottom) continue;
      const first = Math.max(0, Math.floor(brush.left / this.scale[1] - 0.5));
      const last = Math.min(a.length - 1, Math.ceil(brush.right / this.scale[1]));
      this.#measure(brush, place, first, last);
      for (let x = first; x <= last; x += 1) {
        if (this.squared[x] >= brush.outer * brush.outer) continue;
        const near = Math.min(1, (brush.outer - Math.sqrt(this.squared[x])) / (brush.outer - brush.inner));
        const share = brush.opacity * near * near * (3 - 2 * near);
        const [wantedA, wantedB] = brush.table ? abAtLightness(brush.table, lightness[x]).map((value) => this.strength * value) : [below[0][x], below[1][x]];
        a[x] += share * (wantedA - a[x]);
        b[x] += share * (wantedB - b[x]);
      }
    }
  }

  /** Measure the squared distance of pixels of a row from the path of a brush. */
  #measure({ path, outer }, place, first, last) {
    const { squared } = this;
    squared.fill(Infinity, first, last + 1);
    for (let i = 0; i + 1 < path.length; i += 1) {
      const [[x0, y0], [x1, y1]] = [path[i], path[i + 1]];
      if (place < Math.min(y0, y1) - outer || place > Math.max(y0, y1) + outer) continue;
      const [dx, dy, below] = [x1 - x0, y1 - y0, place - y0];
      const length = dx * dx + dy * dy;
      for (let x = first; x <= last; x += 1) {
        const right = (x + 0.5) * this.scale[1] - x0;
        const along = length > 0 ? Math.min(Math.max((right * dx + below * dy) / length, 0), 1) : 0;
        const found = (right - along * dx) ** 2 + (below - along * dy) ** 2;
        if (found < squared[x]) squared[x] = found;
      }
    }
  }
}

/** @param {import("../js/paintstrokes.js").PaintStroke} stroke @param {number} pixel pixels of the photo in one of the copy */
function brushOf(stroke, pixel) {
  const { path, color, size, hardness, opacity } = { ...CONSTANTS.painting, ...stroke };
  const radius = size / 2;
  const inner = Math.min(hardness * radius, radius - pixel / 2);
  const outer = Math.max(radius, inner + pixel); // a hard brush fades over one pixel
  const [xs, ys] = [0, 1].map((axis) => path.map((corner) => corner[axis]));
  return {
    path: path.length > 1 ? path : [path[0], path[0]], inner, outer, opacity, table: color ? shadedTableOf(color) : null,
    left: Math.min(...xs) - outer, right: Math.max(...xs) + outer, top: Math.min(...ys) - outer, bottom: Math.max(...ys) + outer,
  };
}

export { Painting };
