/**
 * Paint of a recipe, a row of the picture at a time.
 *
 * @typedef {{path: [number, number][], color?: string, erase?: true, size: number, hardness: number, opacity: number, hidden?: boolean, layer?: number}} PaintStroke
 *   pixels of the photo; size is the diameter of the brush, hardness the share of its radius that has the full opacity;
 *   strokes of a layer that follow each other are laid as one coat, with the opacity of the first
 */

import { checkColor, checkLayer, checkNumber, checkPath, invalid } from "./checks.js";
import { CONSTANTS } from "./constants.js";
import { abAtLightness, shadedTableOf } from "./lightness.js";

/** Strokes of paint on a picture or on a smaller copy of it. */
class Painting {
  /** @param {PaintStroke[]} strokes @param {[number, number]} whole height and width of the photo @param {[number, number]} size of the copy @param {number} strength */
  constructor(strokes, whole, size, strength) {
    this.scale = [whole[0] / size[0], whole[1] / size[1]];
    this.strength = strength;
    this.coats = coatsOf(strokes).map((coat) => coatOf(coat, this.scale, size[1]));
    this.squared = new Float32Array(size[1]);
    this.bare = new Float32Array(size[1]);
  }

  /** Paint over a row. @param {number} y @param {Float32Array} lightness @param {Float32Array} a @param {Float32Array} b */
  addTo(y, lightness, a, b) {
    const below = this.coats.some(({ table }) => !table) ? [a.slice(), b.slice()] : [a, b];
    const place = (y + 0.5) * this.scale[0];
    for (const { brushes, opacity, table } of this.coats) {
      const there = brushes.filter(({ top, bottom }) => place >= top && place <= bottom);
      if (!there.length) continue;
      const first = Math.min(...there.map((brush) => brush.first));
      const last = Math.max(...there.map((brush) => brush.last));
      this.bare.fill(1, first, last + 1);
      for (const brush of there) this.#cover(brush, place);
      for (let x = first; x <= last; x += 1) {
        if (this.bare[x] === 1) continue;
        const share = opacity * (1 - this.bare[x]);
        const [wantedA, wantedB] = table ? abAtLightness(table, lightness[x]).map((value) => this.strength * value) : [below[0][x], below[1][x]];
        a[x] += share * (wantedA - a[x]);
        b[x] += share * (wantedB - b[x]);
      }
    }
  }

  /** Take from what is bare in a row what a brush covers. @param {ReturnType<typeof brushOf>} brush @param {number} place */
  #cover(brush, place) {
    this.#measure(brush, place);
    for (let x = brush.first; x <= brush.last; x += 1) {
      if (this.squared[x] >= brush.outer * brush.outer) continue;
      const near = Math.min(1, (brush.outer - Math.sqrt(this.squared[x])) / (brush.outer - brush.inner));
      this.bare[x] *= 1 - near * near * (3 - 2 * near);
    }
  }

  /** Measure the squared distance of pixels of a row from the path of a brush. */
  #measure({ path, outer, first, last }, place) {
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

/** @param {PaintStroke[]} strokes @returns {PaintStroke[][]} those that are laid as one: of a layer and a color, one after the other */
function coatsOf(strokes) {
  const coats = [];
  for (const stroke of strokes) {
    const [last] = coats.at(-1) ?? [];
    if (last && stroke.layer && last.layer === stroke.layer && last.color === stroke.color) coats.at(-1).push(stroke);
    else coats.push([stroke]);
  }
  return coats;
}

/** @param {PaintStroke[]} strokes @param {number[]} scale pixels of the photo in one of the copy, down and across @param {number} width of the copy */
function coatOf(strokes, scale, width) {
  const { color, opacity } = { ...CONSTANTS.painting, ...strokes[0] };
  return { brushes: strokes.map((stroke) => brushOf(stroke, scale, width)), opacity, table: color ? shadedTableOf(color) : null };
}

/** @param {PaintStroke} stroke @param {number[]} scale @param {number} width see coatOf */
function brushOf(stroke, scale, width) {
  const { path, size, hardness } = { ...CONSTANTS.painting, ...stroke };
  const pixel = Math.max(...scale);
  const radius = size / 2;
  const inner = Math.min(hardness * radius, radius - pixel / 2);
  const outer = Math.max(radius, inner + pixel); // a hard brush fades over one pixel
  const [xs, ys] = [0, 1].map((axis) => path.map((corner) => corner[axis]));
  return {
    path: path.length > 1 ? path : [path[0], path[0]], inner, outer,
    top: Math.min(...ys) - outer, bottom: Math.max(...ys) + outer,
    first: Math.max(0, Math.floor((Math.min(...xs) - outer) / scale[1] - 0.5)), last: Math.min(width - 1, Math.ceil((Math.max(...xs) + outer) / scale[1])),
  };
}

/** @param {any} stroke of a recipe @param {string} name in errors @throws {import("./checks.js").RequestError} */
function checkPaint(stroke, name) {
  checkPath(stroke.path, `${name}.path`, 1);
  if (Boolean(stroke.erase) === (stroke.color !== undefined)) throw invalid(`${name} needs either a color '#rrggbb' or "erase": true`);
  if (!stroke.erase) checkColor(stroke.color, `${name}.color`);
  if (stroke.size !== undefined) checkNumber(stroke.size, `${name}.size`, 0, Infinity);
  if (stroke.hardness !== undefined) checkNumber(stroke.hardness, `${name}.hardness`, 0, 1);
  checkLayer(stroke, name);
  if (stroke.layer !== undefined && !(Number.isInteger(stroke.layer) && stroke.layer > 0)) throw invalid(`${name}.layer must be a whole number from 1, got ${JSON.stringify(stroke.layer)}`);
}

export { Painting, checkPaint };
