/**
 * Points at the network's size: drawn, given exactly, and limited to their reach.
 *
 * @typedef {{ab: Float32Array, mask: Float32Array}} Points  (2, h, w), (h, w)
 * @typedef {import("./reach.js").Extent} Extent
 */

import { reducedChroma } from "../worker/gamut.js";
import { bilinear, pooled } from "../worker/resample.js";
import { CONSTANTS } from "./constants.js";
import { propagate } from "./propagate.js";
import { displayedAb, numbersOf } from "./rasterize.js";

/**
 * Draw points with the colors that sRGB shows at the lightness of their pixels.
 * @param {Float32Array} lightness (h, w) @param {[number, number]} size @param {import("./rasterize.js").Hint[]} hints @param {[number, number]} whole @returns {Points}
 */
function drawPoints(lightness, size, hints, whole) {
  const count = lightness.length;
  const [ab, mask] = [new Float32Array(2 * count), new Float32Array(count)];
  numbersOf(hints, whole, size).forEach((number, i) => {
    if (number < 0) return;
    const hint = hints[number];
    [ab[i], ab[count + i]] = hint.ab ? reducedChroma(lightness[i], hint.ab) : displayedAb(hint, lightness[i]);
    mask[i] = 1;
  });
  return { ab, mask };
}

/** Change a prediction so that the points have exactly their colors. @param {Float32Array} ab (2, h, w) @param {Points} points @param {Float32Array} lightness (h, w) @param {[number, number]} size @returns {Float32Array} */
function enforcePoints(ab, points, lightness, size) {
  const [height, width] = size;
  const cell = Math.max(1, Math.floor(Math.min(height, width) / CONSTANTS.points.most_cells));
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
  return propagate(pooled(lightness, size, cells), missing, share, cells, 0.4 / CONSTANTS.points.fade ** 2);
}

/**
 * Limit the effect of points to their reach; inside, the color is more even than the network's, and on even surfaces it fades.
 * @param {Float32Array} ab (2, h, w) with all points @param {Float32Array} base without those of limited reach @param {Float32Array} lightness (h, w)
 * @param {Points} points all @param {Extent} extent @param {[number, number]} size @returns {Float32Array}
 */
function limitReach(ab, base, lightness, points, extent, size) {
  const count = points.mask.length;
  const { wanted, made } = meansOfPoints(ab, base, extent);
  const out = new Float32Array(2 * count);
  for (let i = 0; i < count; i += 1) {
    const own = extent.nearest[i];
    const change = [ab[i] - base[i], ab[count + i] - base[count + i]];
    const here = [made[0][own], made[1][own]];
    const share = (change[0] * here[0] + change[1] * here[1]) / (here[0] ** 2 + here[1] ** 2 + 1);
    const weight = extent.weight[i];
    const fill = CONSTANTS.points.fill * weight * Math.sqrt(Math.min(Math.max(share, 0), 1));
    for (let c = 0; c < 2; c += 1) {
      const at = c * count + i;
      out[at] = weight * ((1 - fill) * change[c] + fill * (wanted[c][own] - base[at]));
    }
    // only what sRGB shows at a place blends with its neighbors
    const shown = reducedChroma(lightness[i], [base[i] + out[i], base[count + i] + out[count + i]]);
    const before = reducedChroma(lightness[i], [base[i], base[count + i]]);
    for (let c = 0; c < 2; c += 1) out[c * count + i] = shown[c] - before[c];
  }
  blend(out, (at) => points.ab[at] - base[at], points.mask, lightness, blendWidths(extent, size), size);
  return out.map((change, at) => (points.mask[at % count] > 0 ? points.ab[at] : base[at] + change));
}

/** @returns {Float32Array} how far a change spreads at each place in pixels: less around a small thing */
function blendWidths({ nearest, weight }, size) {
  const { blend: spread, blend_small, least_blend } = CONSTANTS.points;
  const areas = new Float64Array(nearest.reduce((most, number) => Math.max(most, number), 0) + 1);
  nearest.forEach((number, i) => (areas[number] += weight[i]));
  return Float32Array.from(nearest, (number) => Math.min(Math.max(blend_small * Math.sqrt(areas[number]), least_blend), spread * Math.min(...size)));
}

/** Smooth a change over even surfaces, in place, by the recursive filter of Gastal and Oliveira; that at points stays. */
function blend(change, given, mask, lightness, widths, [height, width]) {
  const rounds = CONSTANTS.points.blend_rounds;
  const [right, down] = [resistance(lightness, widths, 1), resistance(lightness, widths, width)];
  for (let round = 0; round < rounds; round += 1) {
    const scale = Math.sqrt((2 * (4 ** rounds - 1)) / 3) / 2 ** (rounds - round - 1);
    const [across, along] = [right, down].map((steps) => steps.map((step) => Math.exp(-scale * step)));
    for (let c = 0; c < 2; c += 1) {
      const map = change.subarray(c * mask.length, (c + 1) * mask.length);
      mask.forEach((held, i) => held > 0 && (map[i] = given(c * mask.length + i)));
      for (let y = 0; y < height; y += 1) passAlong(map, across, y * width, 1, width);
      for (let x = 0; x < width; x += 1) passAlong(map, along, x, width, height);
    }
  }
}

/** @returns {Float32Array} how much the step from each pixel to the one `offset` later stops a change */
function resistance(lightness, widths, offset) {
  return lightness.map((value, i) => (i + offset < lightness.length ? Math.abs(lightness[i + offset] - value) / CONSTANTS.points.blend_edge + 2 / (widths[i] + widths[i + offset]) : 0));
}

/** Pass values along a line of `length` pixels, there and back. */
function passAlong(map, shares, start, offset, length) {
  const last = start + (length - 1) * offset;
  for (let i = start + offset; i <= last; i += offset) map[i] += shares[i - offset] * (map[i - offset] - map[i]);
  for (let i = last - offset; i >= start; i -= offset) map[i] += shares[i] * (map[i + offset] - map[i]);
}

/** Return mean color and mean change of the pixels of each point. */
function meansOfPoints(ab, base, { nearest, homes }) {
  const count = homes.length;
  const points = nearest.reduce((most, number) => Math.max(most, number), homes.reduce((most, number) => Math.max(most, number), 0)) + 1;
  const [pixels, wanted, made] = [new Float64Array(points), [new Float64Array(points), new Float64Array(points)], [new Float64Array(points), new Float64Array(points)]];
  homes.forEach((number, i) => {
    if (number < 0) return;
    pixels[number] += 1;
    for (let c = 0; c < 2; c += 1) {
      wanted[c][number] += ab[c * count + i];
      made[c][number] += ab[c * count + i] - base[c * count + i];
    }
  });
  for (const sums of [...wanted, ...made]) sums.forEach((sum, number) => (sums[number] = sum / Math.max(pixels[number], 1)));
  return { wanted, made };
}

export { blend, drawPoints, enforcePoints, limitReach };
