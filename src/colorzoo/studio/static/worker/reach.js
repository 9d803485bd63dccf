/**
 * Reach of points by the structure of the picture: colorzoo.inference.points. The cost of a pixel is that of the cheapest path from the
 * point, on which crossing edges of the lightness is expensive.
 */

import { reducedChroma } from "./gamut.js";
import { pointNumbers } from "./points.js";
import { bilinear, nearest, pooled, roundEven } from "./resample.js";

const GRID = 128;
const STEP = 0.05;
const SURROUNDINGS = 8;
const BORDER = 4.2;
const STEEPNESS = 14;
const LEAST_REACH = 0.05;
const LARGEST_REACH = 10;
const COMPARED_REACHES = 60;
const SMALL_REACH = 0.5;
const FILL = 0.5;
const BLEND = 12 / 256;
const BLEND_SMALL = 0.3;
const BLEND_EDGE = 20;
const LEAST_BLEND = 0.5;
const BLEND_ROUNDS = 2;

/**
 * @param {Float32Array} lightness (h, w) @param {import("./points.js").Hint[]} hints with a limited reach @param {[number, number]} whole @param {[number, number]} size
 * @returns {{weight: Float32Array, owner: Int32Array, homes: Int32Array}} (h, w) each
 */
function findExtent(lightness, hints, whole, size) {
  const { grid, costs } = costsOf(lightness, size);
  const [weight, owner] = [new Float32Array(costs.length), new Int32Array(costs.length)];
  for (const reach of new Set(hints.map((hint) => hint.reach))) {
    const found = search(costs, pointNumbers(hints, (hint) => hint.reach === reach, whole, grid), grid);
    for (let i = 0; i < costs.length; i += 1) {
      const part = fadeOut(found.cost[i], reach);
      if (part > weight[i]) {
        owner[i] = found.owner[i];
        weight[i] = part;
      }
    }
  }
  return { weight: bilinear(weight, grid, size), owner: nearest(owner, grid, size), homes: pointNumbers(hints, () => true, whole, size) };
}

/** @param {import("./points.js").Hint} hint @returns {boolean} whether its reach is at most that of a small thing */
const isSmall = ({ reach }) => typeof reach === "number" && reach <= SMALL_REACH;

/**
 * Restrict the reach of points to the places that no other point is nearer to.
 * @param {ReturnType<typeof findExtent>} extent @param {Float32Array} lightness (h, w) @param {import("./points.js").Hint[]} own @param {import("./points.js").Hint[]} others
 * @param {[number, number]} whole @param {[number, number]} size
 */
function keepNearer(extent, lightness, own, others, whole, size) {
  const { grid, costs } = costsOf(lightness, size);
  const [near, other] = [own, others].map((hints) => search(costs, pointNumbers(hints, () => true, whole, grid), grid).cost);
  const kept = bilinear(Float32Array.from(near, (cost, i) => Number(cost <= other[i])), grid, size);
  return { ...extent, weight: extent.weight.map((weight, i) => weight * kept[i]) };
}

/**
 * @param {Float32Array} lightness (h, w) @param {import("./points.js").Hint} hint @param {[number, number]} whole @param {[number, number]} size @param {number} count
 * @returns {number[]} factors of the automatic reach, each of which covers as many times more as the last
 */
function evenReaches(lightness, hint, whole, size, count) {
  const { grid, costs } = costsOf(lightness, size);
  const { cost } = search(costs, pointNumbers([hint], () => true, whole, grid), grid);
  const ratio = Math.log(LARGEST_REACH / LEAST_REACH) / (COMPARED_REACHES - 1);
  const factors = Array.from({ length: COMPARED_REACHES }, (_, index) => Math.log(LEAST_REACH) + index * ratio);
  const areas = factors.map((factor) => Math.log(cost.reduce((sum, each) => sum + fadeOut(each, Math.exp(factor)), 0)));
  const step = (areas.at(-1) - areas[0]) / (count - 1);
  return Array.from({ length: count }, (_, index) => {
    const wanted = areas[0] + index * step;
    const above = Math.min(Math.max(areas.findIndex((area) => area >= wanted), 1), COMPARED_REACHES - 1);
    const share = Math.min(Math.max((wanted - areas[above - 1]) / (areas[above] - areas[above - 1] || 1), 0), 1);
    return Math.round(1000 * Math.min(Math.exp(factors[above - 1] + share * ratio), LARGEST_REACH)) / 1000;
  });
}

const costCache = new WeakMap(); // by the lightness, which exists as long as its photo is open

/** @returns {{grid: [number, number], costs: Float32Array}} grid of the search and cost of each cell */
function costsOf(lightness, size) {
  if (!costCache.has(lightness)) {
    const scale = Math.min(1, GRID / Math.min(...size));
    const grid = /** @type {[number, number]} */ (size.map((length) => Math.max(1, roundEven(length * scale))));
    costCache.set(lightness, { grid, costs: edgeCosts(pooled(lightness, size, grid), grid) });
  }
  return costCache.get(lightness);
}

function fadeOut(cost, reach) {
  const border = BORDER * (typeof reach === "number" ? reach : 1);
  if (border === 0) return 0;
  if (cost === 0) return 1;
  return 1 / (1 + Math.exp(Math.min(Math.max((Math.sqrt(cost) / border - 1) * STEEPNESS, -60), 60)));
}

/** @returns {Float32Array} cost of each cell: the slope of the lightness relative to that of its surroundings */
function edgeCosts(lightness, grid) {
  const calm = median5(lightness, grid);
  const slopes = slopesOf(calm, grid);
  const around = blurred(slopes, grid, SURROUNDINGS);
  return slopes.map((slope, i) => slope / (1 + around[i]) + STEP);
}

/** @returns {number} index reflected at the border */
function mirror(place, length) {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const at = ((place % period) + period) % period;
  return at < length ? at : period - at;
}

function median5(map, [height, width]) {
  const [out, window] = [new Float32Array(map.length), new Float32Array(25)];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      for (let k = 0; k < 25; k += 1) {
        const row = Math.min(Math.max(y + Math.floor(k / 5) - 2, 0), height - 1);
        window[k] = map[row * width + Math.min(Math.max(x + (k % 5) - 2, 0), width - 1)];
      }
      window.sort();
      out[y * width + x] = window[12];
    }
  }
  return out;
}

function slopesOf(map, [height, width]) {
  const out = new Float32Array(map.length);
  for (let y = 0; y < height; y += 1) {
    const rows = [-1, 0, 1].map((step) => mirror(y + step, height) * width);
    for (let x = 0; x < width; x += 1) {
      const [left, right] = [mirror(x - 1, width), mirror(x + 1, width)];
      const across = map[rows[0] + right] - map[rows[0] + left] + 2 * (map[rows[1] + right] - map[rows[1] + left]) + map[rows[2] + right] - map[rows[2] + left];
      const down = map[rows[2] + left] - map[rows[0] + left] + 2 * (map[rows[2] + x] - map[rows[0] + x]) + map[rows[2] + right] - map[rows[0] + right];
      out[y * width + x] = Math.hypot(across, down) / 8;
    }
  }
  return out;
}

function blurred(map, [height, width], deviation) {
  const half = Math.floor(Math.round(deviation * 8 + 1) / 2);
  const kernel = Float64Array.from({ length: 2 * half + 1 }, (_, i) => Math.exp(-((i - half) ** 2) / (2 * deviation ** 2)));
  const sum = kernel.reduce((total, weight) => total + weight, 0);
  const along = (source, length, at) => {
    let total = 0;
    for (let k = -half; k <= half; k += 1) total += kernel[k + half] * source(mirror(at + k, length));
    return total / sum;
  };
  const across = new Float32Array(map.length);
  for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) across[y * width + x] = along((u) => map[y * width + u], width, x);
  const out = new Float32Array(map.length);
  for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) out[y * width + x] = along((v) => across[v * width + x], height, y);
  return out;
}

/** Priority queue with the smallest cost first. */
class Heap {
  constructor() {
    this.costs = [];
    this.cells = [];
  }

  push(cost, cell) {
    const { costs, cells } = this;
    let at = costs.length;
    for (; at > 0; ) {
      const above = (at - 1) >> 1;
      if (costs[above] <= cost) break;
      [costs[at], cells[at]] = [costs[above], cells[above]];
      at = above;
    }
    [costs[at], cells[at]] = [cost, cell];
  }

  pop() {
    const { costs, cells } = this;
    const first = [costs[0], cells[0]];
    const [cost, cell] = [costs.pop(), cells.pop()];
    if (!costs.length) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= costs.length) break;
      if (below + 1 < costs.length && costs[below + 1] < costs[below]) below += 1;
      if (costs[below] >= cost) break;
      [costs[at], cells[at]] = [costs[below], cells[below]];
      at = below;
    }
    [costs[at], cells[at]] = [cost, cell];
    return first;
  }
}

/** @returns {{cost: Float64Array, owner: Int32Array}} cost of the cheapest path from a seed to each cell, and number of that seed */
function search(costs, seeds, [height, width]) {
  const cost = new Float64Array(costs.length).fill(Infinity);
  const owner = Int32Array.from(seeds);
  const heap = new Heap();
  seeds.forEach((number, cell) => {
    if (number < 0) return;
    cost[cell] = 0;
    heap.push(0, cell);
  });
  while (heap.costs.length) {
    const [here, cell] = heap.pop();
    if (here > cost[cell]) continue;
    const [y, x] = [Math.floor(cell / width), cell % width];
    for (let k = 0; k < 9; k += 1) {
      const [v, u] = [y + Math.floor(k / 3) - 1, x + (k % 3) - 1];
      if (k === 4 || v < 0 || u < 0 || v >= height || u >= width) continue;
      const other = v * width + u;
      const there = here + 0.5 * (costs[cell] + costs[other]) * (v !== y && u !== x ? Math.SQRT2 : 1);
      if (there >= cost[other]) continue;
      cost[other] = there;
      owner[other] = owner[cell];
      heap.push(there, other);
    }
  }
  return { cost, owner };
}

/**
 * Limit the effect of points to their reach; inside, the color is more even than the network's, and on even surfaces it fades.
 * @param {Float32Array} ab (2, h, w) with all points @param {Float32Array} base without those of limited reach @param {Float32Array} lightness (h, w)
 * @param {import("./points.js").Drawn} points all @param {ReturnType<typeof findExtent>} extent @param {[number, number]} size @returns {Float32Array}
 */
function limitReach(ab, base, lightness, points, extent, size) {
  const count = points.mask.length;
  const { wanted, made } = meansOfPoints(ab, base, extent);
  const out = new Float32Array(2 * count);
  for (let i = 0; i < count; i += 1) {
    const own = extent.owner[i];
    const change = [ab[i] - base[i], ab[count + i] - base[count + i]];
    const here = [made[0][own], made[1][own]];
    const share = (change[0] * here[0] + change[1] * here[1]) / (here[0] ** 2 + here[1] ** 2 + 1);
    const weight = extent.weight[i];
    const fill = FILL * weight * Math.sqrt(Math.min(Math.max(share, 0), 1));
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

/**
 * @param {Float32Array} lightness (h, w) @param {import("./points.js").Hint[]} hints @param {ReturnType<typeof findExtent>} extent @param {[number, number]} size
 * @returns {Float32Array} strength (h, w) of the point that each place belongs to; between two points they turn into each other on even surfaces
 */
function pointStrength(lightness, hints, { owner }, size) {
  const found = Float32Array.from(owner, (number) => hints[number].strength);
  if (hints.every(({ strength }) => strength === hints[0].strength)) return found;
  const twice = new Float32Array(2 * found.length);
  twice.set(found);
  blend(twice, () => 0, new Float32Array(found.length), lightness, new Float32Array(found.length).fill(BLEND * Math.min(...size)), size);
  return twice.subarray(0, found.length);
}

/** @returns {Float32Array} how far a change spreads at each place in pixels: less around a small thing */
function blendWidths({ owner, weight }, size) {
  const areas = new Float64Array(owner.reduce((most, number) => Math.max(most, number), 0) + 1);
  owner.forEach((number, i) => (areas[number] += weight[i]));
  return Float32Array.from(owner, (number) => Math.min(Math.max(BLEND_SMALL * Math.sqrt(areas[number]), LEAST_BLEND), BLEND * Math.min(...size)));
}

/** Smooth a change over even surfaces, in place, by the recursive filter of Gastal and Oliveira; that at points stays. */
function blend(change, given, mask, lightness, widths, [height, width]) {
  const [right, down] = [resistance(lightness, widths, 1), resistance(lightness, widths, width)];
  for (let round = 0; round < BLEND_ROUNDS; round += 1) {
    const scale = Math.sqrt((2 * (4 ** BLEND_ROUNDS - 1)) / 3) / 2 ** (BLEND_ROUNDS - round - 1);
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
  return lightness.map((value, i) => (i + offset < lightness.length ? Math.abs(lightness[i + offset] - value) / BLEND_EDGE + 2 / (widths[i] + widths[i + offset]) : 0));
}

/** Pass values along a line of `length` pixels, there and back. */
function passAlong(map, shares, start, offset, length) {
  const last = start + (length - 1) * offset;
  for (let i = start + offset; i <= last; i += offset) map[i] += shares[i - offset] * (map[i - offset] - map[i]);
  for (let i = last - offset; i >= start; i -= offset) map[i] += shares[i] * (map[i + offset] - map[i]);
}

/** Return mean color and mean change of the pixels of each point. */
function meansOfPoints(ab, base, { owner, homes }) {
  const count = homes.length;
  const points = owner.reduce((most, number) => Math.max(most, number), homes.reduce((most, number) => Math.max(most, number), 0)) + 1;
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

export { evenReaches, findExtent, isSmall, keepNearer, limitReach, pointStrength };
