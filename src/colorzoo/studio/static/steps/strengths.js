/** The strength of points: the share of their effect. */

import { CONSTANTS } from "./constants.js";
import { blend } from "./points.js";

/**
 * Give the points of a strength below 1 their share.
 * @param {Float32Array} strong (2, h, w) with all points in full @param {Float32Array} without the weak ones @param {Float32Array} lightness (h, w)
 * @param {import("./reach.js").Extent} extent of the weak points @param {[number, number]} size @param {number[]} strengths of each of them @returns {Float32Array}
 */
function weakenPoints(strong, without, lightness, extent, size, strengths) {
  const share = pointStrength(lightness, strengths, extent, size);
  return strong.map((value, at) => without[at] + share[at % share.length] * (value - without[at]));
}

/** @returns {Float32Array} strength (h, w) of the point that each place belongs to; between two points they turn into each other on even surfaces */
function pointStrength(lightness, strengths, { nearest }, size) {
  const found = Float32Array.from(nearest, (number) => strengths[number]);
  if (strengths.every((strength) => strength === strengths[0])) return found;
  const [count, twice] = [found.length, new Float32Array(2 * found.length)];
  twice.set(found);
  blend(twice, () => 0, new Float32Array(count), lightness, new Float32Array(count).fill(CONSTANTS.points.blend * Math.min(...size)), size);
  return twice.subarray(0, count);
}

export { weakenPoints };
