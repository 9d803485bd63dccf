/** A reference picture as a network sees it: colorzoo.inference.references.as_reference. */

import { shrink, workingSize } from "./resample.js";

const LARGE = 2 ** 22; // pixels; whole ones are averaged first

/**
 * @param {Uint8ClampedArray} rgba @param {[number, number]} whole height and width @param {number} size shorter side for the network
 * @returns {{data: Float32Array, dims: number[]}} (1, 3, h, w) in [0, 1]
 */
function referenceOf(rgba, whole, size) {
  const shape = workingSize(...whole, size);
  const fewer = Math.min(...whole.map((length, i) => Math.floor(length / (2 * shape[i]))));
  const cell = whole[0] * whole[1] > LARGE ? Math.max(fewer, 1) : 1;
  const count = shape[0] * shape[1];
  const data = new Float32Array(3 * count);
  for (let c = 0; c < 3; c += 1) data.set(shrink(...averaged(rgba, whole, c, cell), shape, 1), c * count);
  return { data, dims: [1, 3, ...shape] };
}

/** @returns {[Float32Array, [number, number]]} a channel with each cell the mean of its pixels, and its height and width */
function averaged(rgba, whole, channel, cell) {
  const [rows, columns] = whole.map((length) => Math.floor(length / cell));
  const out = new Float32Array(rows * columns);
  for (let y = 0; y < rows * cell; y += 1) {
    const to = Math.floor(y / cell) * columns;
    for (let x = 0, at = 4 * y * whole[1] + channel; x < columns * cell; x += 1, at += 4) out[to + Math.floor(x / cell)] += rgba[at] / (255 * cell * cell);
  }
  return [out, [rows, columns]];
}

export { referenceOf };
