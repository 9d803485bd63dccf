/**
 * The reach of points: how far their colors go. The cost of a place is that of the cheapest path from the point, on which crossing edges of
 * the lightness is expensive; a model may also say how alike two places are.
 *
 * @typedef {{cost: Float64Array, owner: Int32Array, grid: [number, number]}} Paths
 *   cost of the cheapest path to each cell, number of the point that it comes from, and height and width of the grid
 * @typedef {{map: Float32Array, size: [number, number]}} Likeness  of all places to points, in [0, 1]
 * @typedef {{weight: Float32Array, nearest: Int32Array, homes: Int32Array}} Extent
 *   (h, w) each: share of the points' colors, number of the point that a place belongs to, and of the one that covers it or -1
 */

import { CONSTANTS } from "./constants.js";
import { numbersOf } from "./rasterize.js";
import { bilinear, nearest, pooled, roundEven } from "../worker/resample.js";

/** @param {Float32Array} lightness (h, w) @param {[number, number]} size @returns {{grid: [number, number], costs: Float32Array}} cost of crossing each cell */
function stepCosts(lightness, size) {
  const scale = Math.min(1, CONSTANTS.reach.grid / Math.min(...size));
  const grid = /** @type {[number, number]} */ (size.map((length) => Math.max(1, roundEven(length * scale))));
  return { grid, costs: edgeCosts(pooled(lightness, size, grid), grid) };
}

/**
 * @param {ReturnType<typeof stepCosts>} found @param {import("./rasterize.js").Hint[]} hints @param {[number, number]} whole height and width of the photo
 * @returns {Paths}
 */
function findPaths({ grid, costs }, hints, whole) {
  return { ...search(costs, numbersOf(hints, whole, grid), grid), grid };
}

/** @param {import("./rasterize.js").Hint[]} hints @returns {import("./rasterize.js").Hint[][]} points of the same reach */
function byReach(hints) {
  const groups = new Map();
  for (const hint of hints) groups.set(hint.reach, [...(groups.get(hint.reach) ?? []), hint]);
  return [...groups.values()];
}

/**
 * @param {import("./rasterize.js").Hint[]} hints @param {Paths[]} paths for each group of `byReach` @param {(Likeness | null)[]} likeness for each
 * @param {[number, number]} whole @param {[number, number]} size @returns {Extent}
 */
function limitExtent(hints, paths, likeness, whole, size) {
  const { grid } = paths[0];
  const [weight, owner] = [new Float32Array(grid[0] * grid[1]), new Int32Array(grid[0] * grid[1])];
  byReach(hints).forEach((group, k) => {
    const numbers = group.map((hint) => hints.indexOf(hint));
    fade(paths[k].cost, onGrid(likeness[k], grid), group[0].reach).forEach((share, i) => {
      if (share <= weight[i]) return;
      owner[i] = numbers[paths[k].owner[i]];
      weight[i] = share;
    });
  });
  return { weight: bilinear(weight, grid, size), nearest: nearest(owner, grid, size), homes: numbersOf(hints, whole, size) };
}

const isLimited = ({ reach }) => reach !== "everywhere";

/** @param {import("./rasterize.js").Hint} hint @returns {boolean} whether its reach is at most that of a small thing */
const isSmall = ({ reach }) => typeof reach === "number" && reach <= CONSTANTS.reach.probed;

/** Restrict the reach of points to the places that no other point is nearer to. @param {Extent} extent @param {Paths[]} own @param {Paths[]} others @param {[number, number]} size @returns {Extent} */
function keepNearer(extent, own, others, size) {
  const least = (paths, i) => Math.min(...paths.map(({ cost }) => cost[i]));
  const kept = bilinear(Float32Array.from(own[0].cost, (_, i) => Number(least(own, i) <= least(others, i))), own[0].grid, size);
  return { ...extent, weight: extent.weight.map((weight, i) => weight * kept[i]) };
}

/** @param {Likeness | null} likeness @param {[number, number]} grid @returns {Float32Array | null} */
function onGrid(likeness, grid) {
  return likeness && bilinear(likeness.map, likeness.size, grid);
}

/** @param {Float64Array} costs @param {Float32Array | null} alike @param {import("../js/document.js").Reach} reach @returns {Float32Array} share of a color that is left */
function fade(costs, alike, reach) {
  const factor = typeof reach === "number" ? reach : 1;
  if (factor === 0) return new Float32Array(costs.length);
  const { unlike, border, steepness, border_alike, steepness_alike } = CONSTANTS.reach;
  const [end, steep] = alike ? [factor * border_alike, steepness_alike] : [factor * border, steepness];
  return Float32Array.from(costs, (cost, i) => {
    if (cost === 0) return 1;
    const distance = Math.sqrt(cost) + (alike ? unlike * (1 - alike[i]) : 0);
    return 1 / (1 + Math.exp(Math.min(Math.max((distance / end - 1) * steep, -60), 60)));
  });
}

/** @param {Paths} paths from a point @param {Float32Array | null} alike @param {number} count @returns {number[]} factors of the automatic reach, each of which covers as many times more as the last */
function evenReaches({ cost }, alike, count) {
  const factors = spaced(CONSTANTS.reach.largest, CONSTANTS.reach.factors);
  const areas = coveredShares(cost, alike, factors).map(Math.log);
  const step = (areas.at(-1) - areas[0]) / (count - 1);
  return Array.from({ length: count }, (_, index) => rounded(Math.min(Math.exp(interpolated(areas[0] + index * step, areas, factors.map(Math.log))), CONSTANTS.reach.largest)));
}

/** @param {Paths} paths from a place @param {Float32Array} alike @returns {import("../js/document.js").Reach} to begin with: a small one in a small thing */
function startingReach({ cost, grid }, alike) {
  const { probed, factors: count, small, begin } = CONSTANTS.reach;
  const factors = spaced(probed, Math.floor(count / 2));
  const shares = coveredShares(cost, alike, factors);
  if (shares.at(-1) >= small || !isEnclosed(cost, grid)) return "automatic";
  return rounded(Math.exp(interpolated(Math.log(begin), shares.map(Math.log), factors.map(Math.log))));
}

/** @returns {boolean} whether borders separate a point from most of what lies around it */
function isEnclosed(costs, [height, width]) {
  const { ring, enclosed, gap } = CONSTANTS.reach;
  const homes = Array.from(costs.keys()).filter((cell) => costs[cell] === 0);
  const middle = (of) => homes.reduce((sum, cell) => sum + of(cell), 0) / homes.length;
  const [row, column] = [middle((cell) => Math.floor(cell / width)), middle((cell) => cell % width)];
  const around = [];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) if (Math.abs(Math.hypot(y - row, x - column) - ring) < 1) around.push(Math.sqrt(costs[y * width + x]));
  }
  around.sort((one, other) => one - other);
  const place = gap * (around.length - 1);
  const low = around[Math.floor(place)];
  return around.length > 0 && low + (place % 1) * (around[Math.ceil(place)] - low) > enclosed;
}

function coveredShares(cost, alike, factors) {
  return factors.map((factor) => fade(cost, alike, factor).reduce((sum, share) => sum + share, 0) / cost.length);
}

/** @returns {number[]} factors of the same ratio */
function spaced(most, count) {
  const { least } = CONSTANTS.reach;
  return Array.from({ length: count }, (_, index) => least * (most / least) ** (index / (count - 1)));
}

/** @returns {number} value at a place between increasing ones, beyond them that of the end */
function interpolated(place, places, values) {
  const below = Math.min(Math.max(places.findLastIndex((each) => each <= place), 0), places.length - 2);
  const share = Math.min(Math.max((place - places[below]) / (places[below + 1] - places[below] || 1), 0), 1);
  return values[below] + share * (values[below + 1] - values[below]);
}

const rounded = (value) => Math.round(1000 * value) / 1000;

/** @returns {Float32Array} cost of each cell: the slope of the lightness relative to that of its surroundings */
function edgeCosts(lightness, grid) {
  const calm = median5(lightness, grid);
  const slopes = slopesOf(calm, grid);
  const around = blurred(slopes, grid, CONSTANTS.reach.calm);
  return slopes.map((slope, i) => slope / (1 + around[i]) + CONSTANTS.reach.step);
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

export { byReach, evenReaches, findPaths, isLimited, isSmall, keepNearer, limitExtent, onGrid, startingReach, stepCosts };
