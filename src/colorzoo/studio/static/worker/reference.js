/** A reference picture as the network's input, and its color statistics. */

import { rgbToLab } from "../js/color.js";
import { Downsampler, workingSize } from "./resample.js";

/**
 * Resize a reference for the network, as colorzoo.inference.references.as_reference.
 * @param {Uint8ClampedArray} rgba @param {[number, number]} whole height and width @param {number} size shorter side for the network
 * @returns {{data: Float32Array, dims: number[]}} (1, 3, h, w) in [0, 1]
 */
function referenceOf(rgba, whole, size) {
  const shape = workingSize(...whole, size);
  const count = shape[0] * shape[1];
  const data = new Float32Array(3 * count);
  for (let c = 0; c < 3; c += 1) data.set(shrunk(rgba, whole, c, shape), c * count);
  return { data, dims: [1, 3, ...shape] };
}

/** @returns {Float32Array} a channel in [0, 1] at a smaller size */
function shrunk(rgba, whole, channel, size) {
  const [shrinker, row] = [new Downsampler(whole, size, 0, 1), new Float32Array(whole[1])];
  for (let y = 0, at = channel; y < whole[0]; y += 1) {
    for (let x = 0; x < whole[1]; x += 1, at += 4) row[x] = rgba[at] / 255;
    shrinker.take(y, row);
  }
  return shrinker.done();
}

const SIDE = 256;
const CELL = 4;

/**
 * Compute histogram and saturation of a picture, as colorzoo.guidance.color_statistics.
 * @param {Uint8ClampedArray} rgba @param {[number, number]} whole @param {[number, number][]} centers of the 313 bins
 * @returns {{saturation: number, histogram: number[]}}
 */
function statisticsOf(rgba, whole, centers) {
  const planes = [0, 1, 2].map((c) => shrunk(rgba, whole, c, [SIDE, SIDE]));
  let saturation = 0;
  const [a, b] = [new Float64Array((SIDE / CELL) ** 2), new Float64Array((SIDE / CELL) ** 2)];
  for (let i = 0; i < SIDE * SIDE; i += 1) {
    const rgb = planes.map((plane) => plane[i]);
    const high = Math.max(...rgb);
    saturation += (high - Math.min(...rgb)) / Math.max(high, 1e-8);
    const cell = Math.floor(i / SIDE / CELL) * (SIDE / CELL) + Math.floor((i % SIDE) / CELL);
    const lab = rgbToLab(/** @type {any} */ (rgb.map((value) => 255 * value)));
    a[cell] += lab[1] / CELL ** 2;
    b[cell] += lab[2] / CELL ** 2;
  }
  const histogram = centers.map(() => 0);
  a.forEach((value, cell) => (histogram[nearestBin(value, b[cell], centers)] += 1 / a.length));
  return { saturation: Number((saturation / SIDE ** 2).toFixed(4)), histogram: histogram.map((share) => Number(share.toFixed(6))) };
}

function nearestBin(a, b, centers) {
  let [best, least] = [0, Infinity];
  centers.forEach(([c, d], bin) => {
    const distance = (a - c) ** 2 + (b - d) ** 2;
    if (distance < least) [best, least] = [bin, distance];
  });
  return best;
}

export { referenceOf, statisticsOf };
