/** Histogram and saturation of a reference picture: colorzoo.guidance.color_statistics. */

import { rgbToLab } from "../js/color.js";
import { shrink } from "./resample.js";

const SIDE = 256;
const CELL = 4;

/** @param {Uint8ClampedArray} rgba @param {[number, number]} whole @param {[number, number][]} centers of the 313 bins @returns {{saturation: number, histogram: number[]}} */
function statisticsOf(rgba, whole, centers) {
  const count = whole[0] * whole[1];
  const planes = [0, 1, 2].map((c) => {
    const plane = new Float32Array(count);
    for (let i = 0; i < count; i += 1) plane[i] = rgba[4 * i + c] / 255;
    return shrink(plane, whole, [SIDE, SIDE], 1);
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

export { statisticsOf };
