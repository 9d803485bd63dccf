/**
 * The part of the finished picture that a crop keeps, upright, as in colorzoo.inference.steps.cropping.
 *
 * @typedef {import("../js/shapes.js").Crop} Crop
 * @typedef {{width: number, height: number, rgba: Uint8ClampedArray}} Pixels
 */

import { clamp } from "../js/color.js";
import { turnedPlace } from "../js/shapes.js";
import { cubic } from "../worker/resample.js";
import { CONSTANTS } from "./constants.js";

const TAPS = [-1, 0, 1, 2]; // pixels beside a place, along each axis

/** @param {Pixels} pixels @param {Crop} crop @returns {Pixels} its pixels as they are, or sampled once by bicubic interpolation if it is turned */
function cropped(pixels, crop) {
  const { width, height } = crop;
  const rgba = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y += 1) {
    if (crop.angle) sampleRow(pixels, crop, y, rgba);
    else rgba.set(pixels.rgba.subarray(4 * ((crop.y + y) * pixels.width + crop.x), 4 * ((crop.y + y) * pixels.width + crop.x + width)), 4 * y * width);
  }
  return { width, height, rgba };
}

/** @param {Pixels} pixels @param {Crop} crop @param {number} row of the result @param {Uint8ClampedArray} out the result; it rounds and clips */
function sampleRow(pixels, crop, row, out) {
  const { bicubic } = CONSTANTS.full_size;
  const sums = [0, 0, 0, 0];
  for (let column = 0; column < crop.width; column += 1) {
    const [x, y] = turnedPlace(crop, [crop.x + column + 0.5, crop.y + row + 0.5], crop.angle);
    const [left, top] = [Math.floor(x - 0.5), Math.floor(y - 0.5)];
    sums.fill(0);
    for (const down of TAPS) {
      const start = clamp(top + down, 0, pixels.height - 1) * pixels.width;
      const share = cubic(y - 0.5 - top - down, bicubic);
      for (const across of TAPS) {
        const from = 4 * (start + clamp(left + across, 0, pixels.width - 1));
        const weight = share * cubic(x - 0.5 - left - across, bicubic);
        for (let c = 0; c < 4; c += 1) sums[c] += weight * pixels.rgba[from + c];
      }
    }
    out.set(sums, 4 * (row * crop.width + column));
  }
}

export { cropped };
