/** From the points of a recipe to maps at the network's size: colorzoo.guidance.rasterize and colorzoo.inference.guide. */

import { atLightness, clamp, hexToRgb, rgbToLab } from "../js/color.js";
import { reducedChroma } from "./chroma.js";

/**
 * @typedef {{x: number, y: number, radius: number, color: string, ab: [number, number] | null, reach: import("../js/document.js").Reach}} Hint
 * @typedef {{ab: Float32Array, mask: Float32Array, chosen: Int32Array}} Drawn  (2, h, w), (h, w), and the number of the hint at each pixel, -1 where none is
 */

/** @returns {[number, number]} first and last pixel of an axis that a patch covers: those with centers in it, or the one it lies in */
function covered(center, radius, scale, length) {
  const home = clamp(Math.floor(center * scale), 0, length - 1);
  const reach = Math.min(radius, (length + 1) / scale);
  let first = Math.ceil((center - reach) * scale - 0.5 - 1e-6);
  let last = Math.floor((center + reach) * scale - 0.5 + 1e-6);
  if (last < first) [first, last] = [home, home];
  return [clamp(first, 0, length - 1), clamp(last, 0, length - 1)];
}

/** @param {any} recipe @returns {Hint[]} */
function hintsOf(recipe) {
  return (recipe.points ?? []).map(({ x, y, radius = 3, color = "#808080", ab = null, reach }) => ({ x, y, radius, color, ab, reach: reach ?? "everywhere" }));
}

/**
 * @param {Hint[]} hints @param {(hint: Hint, number: number) => boolean} wanted @param {[number, number]} whole height and width of the photo
 * @param {[number, number]} size @returns {Int32Array} the number of the last wanted hint that covers a pixel, -1 where none does
 */
function numbered(hints, wanted, whole, size) {
  const map = new Int32Array(size[0] * size[1]).fill(-1);
  hints.forEach((hint, number) => {
    if (!wanted(hint, number)) return;
    const [top, bottom] = covered(hint.y, hint.radius, size[0] / whole[0], size[0]);
    const [left, right] = covered(hint.x, hint.radius, size[1] / whole[1], size[1]);
    for (let row = top; row <= bottom; row += 1) map.fill(number, row * size[1] + left, row * size[1] + right + 1);
  });
  return map;
}

/** @param {Hint} hint @returns {[number, number]} in CIE units */
const abOfHint = (hint) => hint.ab ?? /** @type {[number, number]} */ (rgbToLab(hexToRgb(hint.color)).slice(1));

/** @param {Hint} hint @param {number} luma of the photo @returns {[number, number]} what the hint asks for there, an exact ab as it stands */
function askedAb(hint, luma) {
  return hint.ab ?? atLightness(rgbToLab(hexToRgb(hint.color)), luma);
}

/**
 * Draw hints, each brought to the lightness of its pixels as far as sRGB shows it.
 * @param {Hint[]} hints @param {[number, number]} whole @param {[number, number]} size @param {Float32Array} luma (h, w)
 * @param {(hint: Hint) => boolean} [wanted] @returns {Drawn | null} null where none is drawn
 */
function drawHints(hints, whole, size, luma, wanted = () => true) {
  const chosen = numbered(hints, wanted, whole, size);
  const count = chosen.length;
  const [ab, mask] = [new Float32Array(2 * count), new Float32Array(count)];
  let any = false;
  for (let i = 0; i < count; i += 1) {
    if (chosen[i] < 0) continue;
    const hint = hints[chosen[i]];
    [ab[i], ab[count + i]] = hint.ab ? reducedChroma(luma[i], hint.ab) : askedAb(hint, luma[i]);
    mask[i] = 1;
    any = true;
  }
  return any ? { ab, mask, chosen } : null;
}

/** @param {Hint[]} hints @param {[number, number]} whole @param {[number, number]} view heights and widths @returns {Hint[]} in pixels of a view */
function scaledHints(hints, whole, view) {
  const [y, x] = [view[0] / whole[0], view[1] / whole[1]];
  return hints.map((hint) => ({ ...hint, x: hint.x * x, y: hint.y * y, radius: (hint.radius * (x + y)) / 2 }));
}

export { abOfHint, askedAb, covered, drawHints, hintsOf, numbered, scaledHints };
