/**
 * Paint of a recipe, a row of the picture at a time.
 *
 * @typedef {"color" | "hue" | "saturation"} Blend
 * @typedef {{path: [number, number][], color?: string, erase?: true, size: number, hardness: number, opacity: number, blend?: Blend, reach?: import("../js/document.js").Reach, hidden?: boolean, layer?: number}} PaintStroke
 *   pixels of the photo; size is the diameter of the brush, hardness the share of its radius that has the full opacity;
 *   blend: what the color replaces; a stroke with a limited reach ends at edges; strokes of a layer that follow each other are laid as one coat, with the opacity of the first
 * @typedef {ReturnType<typeof brushOf> & {reach: import("../worker/resample.js").Upsampler | null}} Brush
 */

import { checkColor, checkLayer, checkNumber, checkPath, checkReach, invalid } from "./checks.js";
import { CONSTANTS } from "./constants.js";
import { abAtLightness, shadedTableOf } from "./lightness.js";

const BLENDS = ["color", "hue", "saturation"];

/** @param {Partial<PaintStroke>} stroke @returns {Blend} */
const blendOf = ({ blend = "color" }) => blend;

/** Strokes of paint on a picture or on a smaller copy of it. */
class Painting {
  /** @param {PaintStroke[]} strokes @param {import("./overlays.js").Onto} onto */
  constructor(strokes, { whole, size, strength, reaches }) {
    this.scale = [whole[0] / size[0], whole[1] / size[1]];
    this.strength = strength;
    this.coats = coatsOf(strokes).map((coat) => coatOf(coat, this.scale, size[1], (stroke) => reaches[strokes.indexOf(stroke)] ?? null));
    this.squared = new Float32Array(size[1]);
    this.bare = new Float32Array(size[1]);
    this.within = new Float32Array(size[1]);
  }

  /** Paint over a row. @param {number} y @param {Float32Array} lightness @param {Float32Array} a @param {Float32Array} b */
  addTo(y, lightness, a, b) {
    const below = this.coats.some(({ table }) => !table) ? [a.slice(), b.slice()] : [a, b];
    const place = (y + 0.5) * this.scale[0];
    for (const { brushes, opacity, blend, table } of this.coats) {
      const there = brushes.filter(({ top, bottom }) => place >= top && place <= bottom);
      if (!there.length) continue;
      const first = Math.min(...there.map((brush) => brush.first));
      const last = Math.max(...there.map((brush) => brush.last));
      this.bare.fill(1, first, last + 1);
      for (const brush of there) {
        brush.reach?.row(0, y, this.within);
        this.#cover(brush, place);
      }
      for (let x = first; x <= last; x += 1) {
        if (this.bare[x] === 1) continue;
        const share = opacity * (1 - this.bare[x]);
        const [wantedA, wantedB] = table ? blended(blend, abAtLightness(table, lightness[x]).map((value) => this.strength * value), [a[x], b[x]]) : [below[0][x], below[1][x]];
        a[x] += share * (wantedA - a[x]);
        b[x] += share * (wantedB - b[x]);
      }
    }
  }

  /** Take from what is bare in a row what a brush covers. @param {Brush} brush @param {number} place */
  #cover(brush, place) {
    this.#measure(brush, place);
    for (let x = brush.first; x <= brush.last; x += 1) {
      if (this.squared[x] >= brush.outer * brush.outer) continue;
      const near = Math.min(1, (brush.outer - Math.sqrt(this.squared[x])) / (brush.outer - brush.inner));
      const within = brush.reach ? Math.min(Math.max(this.within[x], 0), 1) : 1;
      this.bare[x] *= 1 - near * near * (3 - 2 * near) * within;
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

/** @param {Blend} blend @param {number[]} painted ab @param {number[]} below ab @returns {number[]} ab of paint over other colors, as the blend modes of the W3C give it */
function blended(blend, painted, below) {
  if (blend === "color") return painted;
  const [hued, other] = blend === "hue" ? [painted, below] : [below, painted];
  const scale = Math.hypot(...other) / Math.max(Math.hypot(...hued), CONSTANTS.painting.least_chroma);
  return hued.map((value) => scale * value);
}

/** @param {PaintStroke[]} strokes @returns {PaintStroke[][]} those that are laid as one: of a layer, a color and a blend, one after the other */
function coatsOf(strokes) {
  const coats = [];
  for (const stroke of strokes) {
    const [last] = coats.at(-1) ?? [];
    if (last && stroke.layer && last.layer === stroke.layer && last.color === stroke.color && blendOf(last) === blendOf(stroke)) coats.at(-1).push(stroke);
    else coats.push([stroke]);
  }
  return coats;
}

/**
 * @param {PaintStroke[]} strokes @param {number[]} scale pixels of the photo in one of the copy, down and across @param {number} width of the copy
 * @param {(stroke: PaintStroke) => import("../worker/resample.js").Upsampler | null} reachOf
 */
function coatOf(strokes, scale, width, reachOf) {
  const { color, opacity } = { ...CONSTANTS.painting.stroke, ...strokes[0] };
  return { brushes: strokes.map((stroke) => ({ ...brushOf(stroke, scale, width), reach: reachOf(stroke) })), opacity, blend: blendOf(strokes[0]), table: color ? shadedTableOf(color) : null };
}

/** @param {PaintStroke} stroke @param {number[]} scale @param {number} width see coatOf */
function brushOf(stroke, scale, width) {
  const { path, size, hardness } = { ...CONSTANTS.painting.stroke, ...stroke };
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

/**
 * Return evenly spaced places along a stroke, from which its reach is searched.
 * @param {PaintStroke} stroke @returns {import("./rasterize.js").Hint[]}
 */
function placesAlong(stroke) {
  const { size, path: corners } = { ...CONSTANTS.painting.stroke, ...stroke };
  const path = corners.length > 1 ? corners : [corners[0], corners[0]];
  const ends = [0];
  for (let i = 1; i < path.length; i += 1) ends.push(ends[i - 1] + Math.hypot(path[i][0] - path[i - 1][0], path[i][1] - path[i - 1][1]));
  const { places, apart, core } = CONSTANTS.painting;
  const steps = Math.min(places - 1, Math.floor(ends.at(-1) / Math.max(apart * size, 1)));
  return Array.from({ length: steps + 1 }, (_, step) => {
    const at = steps ? (ends.at(-1) * step) / steps : 0;
    const last = Math.max(0, Math.min(ends.findLastIndex((end) => end <= at), path.length - 2));
    const share = ends[last + 1] > ends[last] ? (at - ends[last]) / (ends[last + 1] - ends[last]) : 0;
    const [x, y] = [0, 1].map((axis) => path[last][axis] + share * (path[last + 1][axis] - path[last][axis]));
    return { x, y, radius: core * size, color: "#808080", ab: null, reach: stroke.reach, strength: 1 };
  });
}

/** @param {any} stroke of a recipe @param {string} name in errors @throws {import("./checks.js").RequestError} */
function checkPaint(stroke, name) {
  checkPath(stroke.path, `${name}.path`, 1);
  if (Boolean(stroke.erase) === (stroke.color !== undefined)) throw invalid(`${name} needs either a color '#rrggbb' or "erase": true`);
  if (!stroke.erase) checkColor(stroke.color, `${name}.color`);
  if (stroke.size !== undefined) checkNumber(stroke.size, `${name}.size`, 0, Infinity);
  if (stroke.hardness !== undefined) checkNumber(stroke.hardness, `${name}.hardness`, 0, 1);
  if (!BLENDS.includes(blendOf(stroke))) throw invalid(`${name}.blend must be one of ${BLENDS.join(", ")}, got ${JSON.stringify(stroke.blend)}`);
  checkReach(stroke.reach, `${name}.reach`);
  checkLayer(stroke, name);
  if (stroke.layer !== undefined && !(Number.isInteger(stroke.layer) && stroke.layer > 0)) throw invalid(`${name}.layer must be a whole number from 1, got ${JSON.stringify(stroke.layer)}`);
}

export { BLENDS, Painting, blendOf, checkPaint, placesAlong };
