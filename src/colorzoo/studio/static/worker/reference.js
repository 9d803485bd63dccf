/** A reference picture as the network's input, and its color statistics. */

import { rgbToLab } from "../js/color.js";
import { downsample, workingSize } from "./resample.js";

const LARGE = 2 ** 22; // pixels; larger pictures are averaged first

/**
 * Resize a reference for the network, as colorzoo.inference.references.as_reference.
 * @param {Uint8ClampedArray} rgba @param {[number, number]} whole height and width @param {number} size shorter side for the network
 * @returns {{data: Float32Array, dims: number[]}} (1, 3, h, w) in [0, 1]
 */
function referenceOf(rgba, whole, size) {
  const shape = workingSize(...whole, size);
  const fewer = Math.min(...whole.map((length, i) => Math.floor(length / (2 * shape[i]))));
  const cell = whole[0] * whole[1] > LARGE ? Math.max(fewer, 1) : 1;
  const count = shape[0] * shape[1];
  const data = new Float32Array(3 * count);
  for (let c = 0; c < 3; c += 1) data.set(downsample(...averaged(rgba, whole, c, cell), shape, 1), c * count);
  return { data, dims: [1, 3, ...shape] };
}

/** @returns {[Float32Array, [number, number]]} a channel averaged over cells, and its height and width */
function averaged(rgba, whole, channel, cell) {
  const [rows, columns] = whole.map((length) => Math.floor(length / cell));
  const out = new Float32Array(rows * columns);
  for (let y = 0; y < rows * cell; y += 1) {
    const to = Math.floor(y / cell) * columns;
    for (let x = 0, at = 4 * y * whole[1] + channel; x < columns * cell; x += 1, at += 4) out[to + Math.floor(x / cell)] += rgba[at] / (255 * cell * cell);
  }
  return [out, [rows, columns]];
}

const SIDE = 256;
const CELL = 4;

/**
 * Compute histogram and saturation of a picture, as colorzoo.guidance.color_statistics.
 * @param {Uint8ClampedArray} rgba @param {[number, number]} whole @param {[number, number][]} centers of the 313 bins
 * @returns {{saturation: number, histogram: number[]}}
 */
function statisticsOf(rgba, whole, centers) {
  const count = whole[0] * whole[1];
  const planes = [0, 1, 2].map((c) => {
    const plane = new Float32Array(count);
    for (let i = 0; i < count; i += 1) plane[i] = rgba[4 * i + c] / 255;
    return downsample(plane, whole, [SIDE, SIDE], 1);
  });
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
