/**
 * Points of a recipe: drawn as maps at the network's size (colorzoo.guidance.rasterize), and applied exactly to a prediction
 * (colorzoo.inference.points). Corrections at the points are spread over a grid of cells up to edges of the lightness; the sparse
 * linear system is solved directly, as a band matrix.
 *
 * @typedef {{x: number, y: number, radius: number, color: string, ab: [number, number] | null, reach: import("../js/document.js").Reach, strength: number}} Hint
 * @typedef {{ab: Float32Array, mask: Float32Array, chosen: Int32Array}} Drawn  (2, h, w), (h, w), number of the point at each pixel or -1
 */

import { atLightness, clamp, hexToRgb, rgbToLab } from "../js/color.js";
import { defaultReach } from "../js/document.js";
import { reducedChroma } from "./gamut.js";
import { bilinear, pooled } from "./resample.js";

/** @returns {[number, number]} first and last pixel of an axis that a patch covers: pixels with centers in it, or the one that contains it */
function coveredPixels(center, radius, scale, length) {
  const home = clamp(Math.floor(center * scale), 0, length - 1);
  const reach = Math.min(radius, (length + 1) / scale);
  let first = Math.ceil((center - reach) * scale - 0.5 - 1e-6);
  let last = Math.floor((center + reach) * scale - 0.5 + 1e-6);
  if (last < first) [first, last] = [home, home];
  return [clamp(first, 0, length - 1), clamp(last, 0, length - 1)];
}

/** @param {any} recipe @returns {Hint[]} */
function hintsOf(recipe) {
  const usual = defaultReach(recipe);
  return (recipe.points ?? []).map(({ x, y, radius = 3, color = "#808080", ab = null, reach, strength }) => ({ x, y, radius, color, ab, reach: reach ?? usual, strength: strength ?? 1 }));
}

/**
 * @param {Hint[]} hints @param {(hint: Hint, number: number) => boolean} wanted @param {[number, number]} whole height and width of the photo
 * @param {[number, number]} size @returns {Int32Array} number of the last wanted point that covers a pixel, or -1
 */
function pointNumbers(hints, wanted, whole, size) {
  const map = new Int32Array(size[0] * size[1]).fill(-1);
  hints.forEach((hint, number) => {
    if (!wanted(hint, number)) return;
    const [top, bottom] = coveredPixels(hint.y, hint.radius, size[0] / whole[0], size[0]);
    const [left, right] = coveredPixels(hint.x, hint.radius, size[1] / whole[1], size[1]);
    for (let row = top; row <= bottom; row += 1) map.fill(number, row * size[1] + left, row * size[1] + right + 1);
  });
  return map;
}

/** @param {Hint} hint @returns {[number, number]} in CIE units */
const pointAb = (hint) => hint.ab ?? /** @type {[number, number]} */ (rgbToLab(hexToRgb(hint.color)).slice(1));

/** @param {Hint} hint @param {number} lightness of the photo @returns {[number, number]} color of a point at a lightness; an explicit ab is unchanged */
function displayedAb(hint, lightness) {
  return hint.ab ?? atLightness(rgbToLab(hexToRgb(hint.color)), lightness);
}

/**
 * Draw points with the colors that sRGB shows at the lightness of their pixels.
 * @param {Hint[]} hints @param {[number, number]} whole @param {[number, number]} size @param {Float32Array} lightness (h, w)
 * @param {(hint: Hint) => boolean} [wanted] @returns {Drawn | null} null without points
 */
function drawHints(hints, whole, size, lightness, wanted = () => true) {
  const chosen = pointNumbers(hints, wanted, whole, size);
  const count = chosen.length;
  const [ab, mask] = [new Float32Array(2 * count), new Float32Array(count)];
  let any = false;
  for (let i = 0; i < count; i += 1) {
    if (chosen[i] < 0) continue;
    const hint = hints[chosen[i]];
    [ab[i], ab[count + i]] = hint.ab ? reducedChroma(lightness[i], hint.ab) : displayedAb(hint, lightness[i]);
    mask[i] = 1;
    any = true;
  }
  return any ? { ab, mask, chosen } : null;
}

/** @param {Hint[]} hints @param {[number, number]} whole @param {[number, number]} view heights and widths @returns {Hint[]} in pixels of the view */
function scaledHints(hints, whole, view) {
  const [y, x] = [view[0] / whole[0], view[1] / whole[1]];
  return hints.map((hint) => ({ ...hint, x: hint.x * x, y: hint.y * y, radius: (hint.radius * (x + y)) / 2 }));
}

const GRID_CELLS = 64;
const FADE = 12;
const VARIANCE_SHARE = 0.3;
const MIN_VARIANCE = 0.01;
const MIN_WEIGHT = 1e-6;

/**
 * Change a prediction so that the points have exactly their colors.
 * @param {Float32Array} ab (2, h, w) @param {Float32Array} lightness (h, w) @param {Drawn} points @param {[number, number]} size
 * @returns {Float32Array} (2, h, w)
 */
function applyPoints(ab, lightness, points, size) {
  const [height, width] = size;
  const cell = Math.max(1, Math.floor(Math.min(height, width) / GRID_CELLS));
  /** @type {[number, number]} */
  const cells = [Math.ceil(height / cell), Math.ceil(width / cell)];
  const fields = spreadCorrections(ab, lightness, points, size, cells);
  const count = height * width;
  const exact = new Float32Array(2 * count);
  fields.forEach((field, channel) => {
    const smooth = bilinear(field, cells, size);
    for (let i = 0, at = channel * count; i < count; i += 1, at += 1) exact[at] = points.mask[i] > 0 ? points.ab[at] : ab[at] + smooth[i];
  });
  return exact;
}

function spreadCorrections(ab, lightness, points, size, cells) {
  const count = size[0] * size[1];
  const share = pooled(points.mask, size, cells);
  const missing = [0, 1].map((channel) => {
    const off = channel * count;
    const sums = pooled(points.mask.map((given, i) => given * (points.ab[off + i] - ab[off + i])), size, cells);
    return sums.map((sum, i) => sum / Math.max(share[i], 1e-6));
  });
  return propagate(pooled(lightness, size, cells), missing, share, cells, 0.4 / FADE ** 2);
}

/**
 * Propagate given values; each other pixel becomes the weighted mean of its neighbors.
 * @param {ArrayLike<number>} lightness (h, w) @param {ArrayLike<number>[]} values maps @param {ArrayLike<number>} given above 0 at given pixels
 * @param {[number, number]} size @param {number} fade @returns {Float64Array[]}
 */
function propagate(lightness, values, given, [height, width], fade) {
  const along = height <= width; // numbered along the shorter side, so that the band is narrow
  const count = height * width;
  const order = Int32Array.from({ length: count }, (_, i) => (along ? (i % height) * width + Math.floor(i / height) : i));
  const number = new Int32Array(count).fill(-1);
  let free = 0;
  for (const pixel of order) {
    if (given[pixel] > 0) continue;
    number[pixel] = free;
    free += 1;
  }
  const fields = values.map((map) => Float64Array.from(map, (value, i) => (given[i] > 0 ? value : 0)));
  if (!free || free === count) return fields;
  const system = bandSystem(lightness, fields, number, free, [height, width], fade);
  const solved = solveBand(system);
  fields.forEach((field, k) => number.forEach((at, pixel) => at >= 0 && (field[pixel] = solved[k][at])));
  return fields;
}

function bandSystem(lightness, fields, number, free, [height, width], fade) {
  const half = Math.min(height, width) + 1;
  const row = 2 * half + 1;
  const band = new Float64Array(free * row);
  const right = fields.map(() => new Float64Array(free));
  const weights = new Float64Array(9);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const here = number[y * width + x];
      if (here < 0) continue;
      band[here * row + half] = 1 + fade;
      affinities(lightness, [height, width], y, x, weights);
      for (let k = 0; k < 9; k += 1) {
        if (!weights[k]) continue;
        const other = (y + Math.floor(k / 3) - 1) * width + x + (k % 3) - 1;
        if (number[other] >= 0) band[here * row + half + number[other] - here] -= weights[k];
        else fields.forEach((field, i) => (right[i][here] += weights[k] * field[other]));
      }
    }
  }
  return { band, right, free, half };
}

/** Write the weights of the eight neighbors of a pixel, with the sum 1, into `out`. */
function affinities(lightness, size, y, x, out) {
  const [height, width] = size;
  const at = y * width + x;
  const spreadHere = 2 * Math.max(VARIANCE_SHARE * windowVariance(lightness, size, y, x), MIN_VARIANCE);
  let least = Infinity;
  for (let k = 0; k < 9; k += 1) {
    const [v, u] = [y + Math.floor(k / 3) - 1, x + (k % 3) - 1];
    const outside = k === 4 || v < 0 || u < 0 || v >= height || u >= width;
    out[k] = outside ? -1 : (lightness[at] - lightness[v * width + u]) ** 2 / spreadHere;
    if (!outside) least = Math.min(least, out[k]);
  }
  let sum = 0;
  for (let k = 0; k < 9; k += 1) {
    out[k] = out[k] < 0 ? 0 : Math.max(Math.exp(least - out[k]), MIN_WEIGHT);
    sum += out[k];
  }
  for (let k = 0; k < 9; k += 1) out[k] /= sum;
}

function windowVariance(lightness, [height, width], y, x) {
  let sum = 0;
  let squares = 0;
  const middle = lightness[y * width + x];
  for (let v = y - 1; v <= y + 1; v += 1) {
    const row = Math.min(Math.max(v, 0), height - 1) * width;
    for (let u = x - 1; u <= x + 1; u += 1) {
      const away = lightness[row + Math.min(Math.max(u, 0), width - 1)] - middle;
      sum += away;
      squares += away * away;
    }
  }
  return squares / 9 - (sum / 9) ** 2;
}

/** Solve by Gaussian elimination; the matrix is diagonally dominant, so that no pivoting is necessary. */
function solveBand({ band, right, free, half }) {
  const row = 2 * half + 1;
  for (let k = 0; k < free; k += 1) {
    const pivot = k * row + half;
    const last = Math.min(free - 1, k + half);
    for (let i = k + 1; i <= last; i += 1) {
      const at = i * row + half + k - i;
      if (band[at] === 0) continue;
      const factor = band[at] / band[pivot];
      for (let j = 1; j <= last - k; j += 1) band[at + j] -= factor * band[pivot + j];
      for (const side of right) side[i] -= factor * side[k];
    }
  }
  for (const side of right) {
    for (let k = free - 1; k >= 0; k -= 1) {
      const pivot = k * row + half;
      let sum = side[k];
      for (let j = 1; j <= half && k + j < free; j += 1) sum -= band[pivot + j] * side[k + j];
      side[k] = sum / band[pivot];
    }
  }
  return right;
}

export { applyPoints, coveredPixels, displayedAb, drawHints, hintsOf, pointAb, pointNumbers, scaledHints };
