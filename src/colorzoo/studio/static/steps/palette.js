/** Suggested colors of a place, and the place where a color would help most: colorzoo.inference.palette. */

import { rgbToHex } from "../js/color.js";
import { linearInGamut, reducedChroma, toLevel } from "../worker/gamut.js";
import { CONSTANTS } from "./constants.js";

/**
 * @typedef {{logits: Float32Array, size: [number, number], stride: number, centers: [number, number][], shown: number[]}} Distribution
 *   (Q, h, w), network pixels per cell, colors of the bins, and numbers of the bins in sRGB
 */

/** @param {Float32Array} logits @param {number} cell @param {number} cells @param {number[]} bins @param {number} sharpness @returns {Float64Array} shares */
function sharesOfCell(logits, cell, cells, bins, sharpness) {
  let most = -Infinity;
  for (const bin of bins) most = Math.max(most, logits[bin * cells + cell]);
  const shares = Float64Array.from(bins, (bin) => Math.exp(sharpness * (logits[bin * cells + cell] - most)));
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
}

/** @param {ArrayLike<number>} shares @returns {number} in nats */
function entropyOf(shares) {
  let sum = 0;
  for (let i = 0; i < shares.length; i += 1) if (shares[i] > 0) sum -= shares[i] * Math.log(shares[i]);
  return sum;
}

const cellsOf = ({ size }) => size[0] * size[1];

/** @param {Distribution} found @returns {boolean} whether its model is trained */
function isTrained(found) {
  const bins = found.centers.map((_, bin) => bin);
  let sum = 0;
  for (let cell = 0; cell < cellsOf(found); cell += 1) sum += entropyOf(sharesOfCell(found.logits, cell, cellsOf(found), bins, 1));
  return sum / cellsOf(found) <= CONSTANTS.palette.untrained * Math.log(bins.length);
}

/** @param {Distribution} found @param {number} x @param {number} y pixels of the network @returns {Float64Array} shares of the shown bins */
function sharesAtPlace(found, x, y) {
  const row = Math.min(Math.max(Math.trunc(y / found.stride), 0), found.size[0] - 1);
  const column = Math.min(Math.max(Math.trunc(x / found.stride), 0), found.size[1] - 1);
  return sharesOfCell(found.logits, row * found.size[1] + column, cellsOf(found), found.shown, CONSTANTS.palette.sharpness);
}

/**
 * @param {Float64Array} shares of the shown bins @param {[number, number][]} centers of them @param {number} lightness @param {number} count
 * @param {number[][]} draws random numbers in [0, 1) for the k-means starts @returns {{ab: [number, number], color: string, share: number}[]} most likely first
 */
function suggestColors(shares, centers, lightness, count, draws) {
  const most = shares.reduce((top, share) => Math.max(top, share), 0);
  const kept = [...shares.keys()].filter((bin) => shares[bin] > CONSTANTS.palette.negligible * most);
  const sum = kept.reduce((total, bin) => total + shares[bin], 0);
  const { means, masses } = weightedClusters(kept.map((bin) => centers[bin]), kept.map((bin) => shares[bin] / sum), count, draws);
  return means.map((mean, i) => {
    const ab = reducedChroma(lightness, /** @type {any} */ (mean));
    const linear = [0, 0, 0];
    linearInGamut(lightness, ...ab, linear);
    return { ab, color: rgbToHex(/** @type {any} */ (linear.map(toLevel))), share: masses[i] };
  });
}

/** Weighted k-means from several starts; returns the best result, heaviest cluster first. */
function weightedClusters(points, weights, wanted, draws) {
  const count = Math.min(wanted, points.length);
  const starts = Array.from({ length: CONSTANTS.palette.starts }, (_, seed) => spreadStart(points, weights, count, draws[seed - 1]));
  for (let round = 0; round < CONSTANTS.palette.rounds; round += 1) {
    const moved = starts.map((means) => moveMeans(points, weights, means));
    if (Math.max(...moved.map(({ way }) => way)) < CONSTANTS.palette.settled) break;
  }
  const costs = starts.map((means) => points.reduce((sum, point, i) => sum + weights[i] * nearestMean(point, means)[1], 0));
  const means = starts[costs.indexOf(Math.min(...costs))];
  const masses = massesOf(points, weights, /** @type {any} */ (means).before);
  const order = means.map((_, i) => i).sort((one, other) => masses[other] - masses[one] || one - other);
  return { means: order.map((i) => means[i]), masses: order.map((i) => masses[i]) };
}

/** @returns {[number, number]} number of the nearest mean, and the squared distance without the point's own square */
function nearestMean([a, b], means) {
  let [best, least] = [0, Infinity];
  for (let i = 0; i < means.length; i += 1) {
    const [c, d] = means[i];
    const distance = c * c + d * d - 2 * (a * c + b * d);
    if (distance < least) [best, least] = [i, distance];
  }
  return [best, least];
}

function massesOf(points, weights, means) {
  const masses = means.map(() => 0);
  points.forEach((point, i) => (masses[nearestMean(point, means)[0]] += weights[i]));
  return masses;
}

/** Move means to the centers of their points, in place; the property `before` keeps their old places. */
function moveMeans(points, weights, means) {
  const sums = means.map(() => [0, 0, 0]);
  points.forEach((point, i) => {
    const sum = sums[nearestMean(point, means)[0]];
    sum[0] += weights[i];
    sum[1] += weights[i] * point[0];
    sum[2] += weights[i] * point[1];
  });
  means.before = [...means];
  let way = 0;
  sums.forEach(([mass, a, b], i) => {
    const moved = mass > 0 ? [a / Math.max(mass, 1e-12), b / Math.max(mass, 1e-12)] : means[i];
    way = Math.max(way, Math.abs(moved[0] - means[i][0]), Math.abs(moved[1] - means[i][1]));
    means[i] = moved;
  });
  return { way };
}

/** Choose initial means: heavy points far from each other; without random numbers, the heaviest each time. */
function spreadStart(points, weights, count, draws) {
  const square = (point, other) => (point[0] - other[0]) ** 2 + (point[1] - other[1]) ** 2;
  const chosen = [weights.indexOf(Math.max(...weights))];
  let distance = points.map((point) => square(point, points[chosen[0]]));
  let drawn = 0;
  while (chosen.length < count) {
    const shares = distance.map((far, i) => weights[i] * far);
    const total = shares.reduce((sum, share) => sum + share, 0);
    if (!draws || total <= 0) chosen.push(shares.indexOf(Math.max(...shares)));
    else {
      chosen.push(draw(shares, total, draws[drawn]));
      drawn += 1;
    }
    const last = points[chosen.at(-1)];
    distance = distance.map((far, i) => Math.min(far, square(points[i], last)));
  }
  return chosen.map((i) => [...points[i]]);
}

function draw(shares, total, number) {
  let sum = 0;
  const wanted = number * total;
  for (let i = 0; i < shares.length; i += 1) {
    sum += shares[i];
    if (sum > wanted) return i;
  }
  return shares.length - 1;
}

/**
 * @param {Distribution} found @param {[number, number][]} taken places of points, x and y in pixels of the network
 * @returns {[number, number]} center of the most uncertain neighborhood
 */
function nextPoint(found, taken) {
  const [height, width] = found.size;
  const entropy = Float64Array.from({ length: height * width }, (_, cell) => entropyOf(sharesOfCell(found.logits, cell, height * width, found.shown, CONSTANTS.palette.sharpness)));
  const half = Math.max(2, Math.floor(Math.min(height, width) / CONSTANTS.palette.around));
  const around = boxSums(entropy, height, width, half);
  const smooth = boxSums(entropy, height, width, 2).map(({ sum, count }, cell) => (sum / count) * (around[cell].sum / (2 * half + 1) ** 2));
  for (const [x, y] of taken) {
    const [row, column] = [Math.trunc(y / found.stride), Math.trunc(x / found.stride)];
    for (let v = Math.max(0, row - CONSTANTS.palette.taken_radius); v <= Math.min(height - 1, row + CONSTANTS.palette.taken_radius); v += 1) {
      for (let u = Math.max(0, column - CONSTANTS.palette.taken_radius); u <= Math.min(width - 1, column + CONSTANTS.palette.taken_radius); u += 1) smooth[v * width + u] = -1;
    }
  }
  const best = smooth.reduce((top, value, cell) => (value > smooth[top] ? cell : top), 0);
  return [((best % width) + 0.5) * found.stride, (Math.floor(best / width) + 0.5) * found.stride];
}

/** @returns {{sum: number, count: number}[]} of the cells in a window around each, `half` cells to each side */
function boxSums(map, height, width, half) {
  return Array.from(map, (_, cell) => {
    const [y, x] = [Math.floor(cell / width), cell % width];
    let [sum, count] = [0, 0];
    for (let v = Math.max(0, y - half); v <= Math.min(height - 1, y + half); v += 1) {
      for (let u = Math.max(0, x - half); u <= Math.min(width - 1, x + half); u += 1) {
        sum += map[v * width + u];
        count += 1;
      }
    }
    return { sum, count };
  });
}

export { entropyOf, isTrained, nextPoint, sharesAtPlace, suggestColors };
