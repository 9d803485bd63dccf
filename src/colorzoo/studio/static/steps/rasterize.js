/**
 * Points of a recipe on maps of any size: colorzoo.guidance.rasterize.
 *
 * @typedef {{x: number, y: number, radius: number, color: string, ab: [number, number] | null, reach: import("../js/document.js").Reach, strength: number}} Hint
 */

import { atLightness, clamp, hexToRgb, rgbToLab } from "../js/color.js";
import { defaultReach } from "../js/document.js";

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

/** @param {Hint[]} hints @param {[number, number]} whole height and width of the photo @param {[number, number]} size @returns {Int32Array} number of the last point that covers a pixel, or -1 */
function numbersOf(hints, whole, size) {
  const map = new Int32Array(size[0] * size[1]).fill(-1);
  hints.forEach((hint, number) => {
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

/** @param {Hint[]} hints @param {[number, number]} whole @param {[number, number]} view heights and widths @returns {Hint[]} in pixels of the view */
function scaledHints(hints, whole, view) {
  const [y, x] = [view[0] / whole[0], view[1] / whole[1]];
  return hints.map((hint) => ({ ...hint, x: hint.x * x, y: hint.y * y, radius: (hint.radius * (x + y)) / 2 }));
}

export { coveredPixels, displayedAb, hintsOf, numbersOf, pointAb, scaledHints };
