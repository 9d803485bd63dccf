/** Correction of points at full size, where a network's small map is too coarse for them. */

import { reducedChroma } from "../worker/gamut.js";
import { Upsampler } from "../worker/resample.js";
import { CONSTANTS } from "./constants.js";
import { coveredPixels, displayedAb } from "./rasterize.js";

const distanceOutside = (place, first, last) => Math.max(first - place, place - last, 0);

/**
 * Compute what to add to an upsampled prediction so that its points have their colors.
 * @param {import("./rasterize.js").Hint[]} given points in pixels of the result; those of a strength below 1 are left to the prediction @param {Float32Array} ab (2, h, w) @param {[number, number]} from h and w
 * @param {[number, number]} size of the result @param {(y: number, x: number) => number} lightnessAt @param {number} strength
 * @param {Float32Array | null} [locked] (h, w), where the prediction must not change
 * @returns {{rows: number[], columns: number[], reach: number, ab: number[]}[]}
 */
function correctPoints(given, ab, from, size, lightnessAt, strength, locked = null) {
  const { most_points, reach, apart: parted, narrowest } = CONSTANTS.point_corrections;
  const hints = given.filter((hint) => hint.strength === 1);
  if (!hints.length || hints.length > most_points) return [];
  const places = hints.map((hint) => ({
    hint, rows: coveredPixels(hint.y, hint.radius, 1, size[0]), columns: coveredPixels(hint.x, hint.radius, 1, size[1]),
    y: Math.min(Math.trunc(hint.y), size[0] - 1), x: Math.min(Math.trunc(hint.x), size[1] - 1),
  }));
  const away = (one, other) => distanceOutside(one.y, ...other.rows) ** 2 + distanceOutside(one.x, ...other.columns) ** 2;
  const rooms = places.map((each) => roomOf(each, locked, from, size));
  const kept = places.map((one, i) => ({ ...one, room: rooms[i] })).filter((one, i) => rooms[i] > 0 && !places.some((other, j) => j > i && away(one, other) === 0));
  const apart = kept.map((one) => kept.map((other) => away(one, other)));
  const widest = reach * Math.max(size[0] / from[0], size[1] / from[1]);
  const reaches = kept.map((_, j) => {
    const nearest = Math.sqrt(Math.min(...apart.map((row) => row[j] || Infinity)));
    return Math.min(Math.max(nearest / parted, narrowest), widest, Math.max(kept[j].room / CONSTANTS.full_size.cut, narrowest));
  });
  const enlarged = new Upsampler(ab, from, size);
  const missing = kept.map(({ hint, y, x }) => {
    const lightness = lightnessAt(y, x);
    const [a, b] = displayedAb(hint, lightness);
    const target = reducedChroma(lightness, [a * strength, b * strength]);
    return enlarged.pixel(y, x).map((value, c) => target[c] - value);
  });
  const amounts = solveAmounts(apart.map((row) => row.map((squared, j) => Math.exp((-0.5 * squared) / reaches[j] ** 2))), missing);
  return kept.map(({ rows, columns }, i) => ({ rows, columns, reach: reaches[i], ab: amounts[i] }));
}

/** @returns {number} distance in pixels from a rectangle to the locked cells; 0 if they meet */
function roomOf({ rows, columns }, locked, from, size) {
  const [tall, wide] = [size[0] / from[0], size[1] / from[1]];
  return (locked ?? new Float32Array(0)).reduce((least, share, cell) => {
    if (share <= 0) return least;
    const [top, left] = [Math.floor(cell / from[1]) * tall, (cell % from[1]) * wide];
    const down = Math.max(top - (rows[1] + 1), rows[0] - (top + tall), 0);
    return Math.min(least, Math.hypot(down, Math.max(left - (columns[1] + 1), columns[0] - (left + wide), 0)));
  }, Infinity);
}

/** Solve for the amounts of the corrections by Gauss-Seidel iterations. */
function solveAmounts(weights, missing) {
  const amounts = missing.map(() => [0, 0]);
  for (let round = 0; round < CONSTANTS.point_corrections.rounds; round += 1) {
    missing.forEach((wanted, i) => {
      for (let c = 0; c < 2; c += 1) {
        let sum = 0;
        for (let j = 0; j < amounts.length; j += 1) sum += weights[i][j] * amounts[j][c];
        amounts[i][c] += wanted[c] - sum;
      }
    });
  }
  return amounts;
}

export { correctPoints, distanceOutside };
