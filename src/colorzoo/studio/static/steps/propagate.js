/**
 * Propagation of colors to neighbors of similar lightness: colorzoo.guidance.propagate. The sparse linear system is solved directly, as a band
 * matrix.
 */

import { CONSTANTS } from "./constants.js";

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
  const { variance_share, least_variance, least_weight } = CONSTANTS.propagate;
  const spreadHere = 2 * Math.max(variance_share * windowVariance(lightness, size, y, x), least_variance);
  let least = Infinity;
  for (let k = 0; k < 9; k += 1) {
    const [v, u] = [y + Math.floor(k / 3) - 1, x + (k % 3) - 1];
    const outside = k === 4 || v < 0 || u < 0 || v >= height || u >= width;
    out[k] = outside ? -1 : (lightness[at] - lightness[v * width + u]) ** 2 / spreadHere;
    if (!outside) least = Math.min(least, out[k]);
  }
  let sum = 0;
  for (let k = 0; k < 9; k += 1) {
    out[k] = out[k] < 0 ? 0 : Math.max(Math.exp(least - out[k]), least_weight);
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

export { propagate };
