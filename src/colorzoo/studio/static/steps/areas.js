/** Areas of recipes in the answers of a model: colored and locked. */

import { hexToRgb, rgbToLab } from "../js/color.js";
import { lockedShare } from "./area_masks.js";
import { CONSTANTS } from "./constants.js";
import { abAtLightness, tableOf } from "./lightness.js";
import { coveredPixels, displayedAb, numbersOf } from "./rasterize.js";
import { reducedChroma } from "../worker/gamut.js";

/**
 * @typedef {import("./area_masks.js").DrawnArea} DrawnArea
 * @typedef {import("./rasterize.js").Hint} Hint
 */

/**
 * Draw seeds of the colors of areas as points for the network, with the points that count there.
 * @param {DrawnArea[]} drawn @param {Float32Array} lightness (h, w) @param {[number, number]} size @param {Hint[]} hints of full strength @param {[number, number]} whole
 * @returns {import("./points.js").Points}
 */
function plantSeeds(drawn, lightness, size, hints, whole) {
  const [height, width] = size;
  const inside = pointsInside(hints, drawn, size, whole);
  const kept = hints.filter((hint) => hint.reach === "everywhere" || inside.includes(hint));
  const numbers = numbersOf(kept, whole, size);
  const [chosen, mask] = [Array.from(numbers, (number) => kept[number] ?? null), Float32Array.from(numbers, (number) => Number(number >= 0))];
  drawn.forEach(({ area, share }, number) => {
    const later = drawn.slice(number + 1);
    const free = share.map((value, i) => later.reduce((left, other) => left * (1 - other.share[i]), value));
    for (const [top, bottom, left, right] of seedsOf(free, mask, [height, width])) {
      for (let y = top; y < Math.min(bottom, height); y += 1) {
        for (let x = left; x < Math.min(right, width); x += 1) [chosen[y * width + x], mask[y * width + x]] = [/** @type {Hint} */ ({ color: area.color, ab: null }), 1];
      }
    }
  });
  const ab = new Float32Array(2 * lightness.length);
  chosen.forEach((hint, i) => {
    if (hint) [ab[i], ab[lightness.length + i]] = hint.ab ? reducedChroma(lightness[i], hint.ab) : displayedAb(hint, lightness[i]);
  });
  return { ab, mask };
}

/**
 * Fill areas with their colors, later ones over earlier ones.
 * @param {Float32Array} ab (2, h, w) @param {Float32Array} lightness (h, w) @param {DrawnArea[]} drawn @param {Float32Array | null} seeded answer of the network to `plantSeeds`
 * @param {import("./reach.js").Extent | null} extent of the points inside, which take precedence @param {number[]} strengths of these
 * @returns {{ab: Float32Array, shift: import("./area_masks.js").Shift}}
 */
function fillAreas(ab, lightness, drawn, seeded, extent, strengths) {
  const count = lightness.length;
  const shift = shiftOf(drawn, lightness);
  const shown = lightness.map((value, i) => shift.reduce((sum, { share, units }) => sum + units * share[i], value)).map((value) => Math.min(Math.max(value, 0), 100));
  const free = lightness.map((_, i) => {
    if (!extent) return 1;
    const home = extent.homes[i];
    return 1 - (home >= 0 ? strengths[home] : extent.weight[i] * strengths[extent.nearest[i]]);
  });
  const out = ab.slice();
  for (const { area, share } of drawn) {
    const table = tableOf(area.color);
    const fill = seeded && area.lightness !== "color" ? CONSTANTS.areas.fill : 1;
    const opacity = opacityOf(area);
    for (let i = 0; i < count; i += 1) {
      if (share[i] === 0) continue;
      abAtLightness(table, shown[i]).forEach((value, c) => {
        const at = c * count + i;
        const inside = fill === 1 ? value : fill * value + (1 - fill) * seeded[at];
        out[at] += opacity * share[i] * free[i] * (inside - out[at]);
      });
    }
  }
  return { ab: out, shift };
}

/**
 * Keep the colors of areas: gray, as they were recorded, or as the model gives them without hints.
 * @param {Float32Array} ab (2, h, w) @param {DrawnArea[]} drawn all that keep their colors @param {(Float32Array | null)[]} recorded ab of each, or null
 * @param {Float32Array | null} own answer of the model without hints @param {number} strength of the recipe @returns {{ab: Float32Array, locked: Float32Array}}
 */
function lockAreas(ab, drawn, recorded, own, strength) {
  const [out, count] = [ab.slice(), ab.length / 2];
  const locked = new Float32Array(count);
  const keep = (map, opacity, colors, factor) => {
    const share = map.map((value) => opacity * value);
    for (let i = 0; i < count; i += 1) {
      for (const at of [i, count + i]) out[at] += share[i] * ((colors ? factor * colors[at] : 0) - out[at]);
      locked[i] = Math.max(locked[i], share[i]);
    }
  };
  const keepAs = (share, opacity, number) => keep(share, opacity, recorded[number] ?? own, recorded[number] ? 1 : strength);
  drawn.forEach(({ area, share }) => area.action === "gray" && keep(share, opacityOf(area), null, 1));
  const only = Array.from(drawn.keys()).filter((number) => drawn[number].area.action === "only");
  const last = only.filter((number) => recorded[number]).at(-1) ?? only.at(-1);
  if (only.length) keepAs(lockedShare(only.map((number) => drawn[number]), "only"), Math.max(...only.map((number) => opacityOf(drawn[number].area))), last);
  drawn.forEach((each, number) => each.area.action === "lock" && keepAs(lockedShare([each], "lock"), opacityOf(each.area), number));
  return { ab: out, locked };
}

const opacityOf = ({ opacity = 1 }) => opacity;

/** @returns {(import("./area_masks.js").Shift[number] & {share: Float32Array})[]} the median of an area becomes the lightness of its color */
function shiftOf(drawn, lightness) {
  return drawn.flatMap(({ area, maps, share }) => {
    const inside = lightness.filter((_, i) => share[i] > 0.5).sort();
    if (area.lightness !== "color" || !inside.length) return [];
    return [{ maps, share, units: opacityOf(area) * (rgbToLab(hexToRgb(area.color))[0] - inside[(inside.length - 1) >> 1]) }];
  });
}

/** @returns {Hint[]} the points that lie in one of the areas */
function pointsInside(hints, drawn, [height, width], whole) {
  return hints.filter(({ x, y }) => {
    const [row] = coveredPixels(y, 0, height / whole[0], height);
    const [column] = coveredPixels(x, 0, width / whole[1], width);
    return drawn.some(({ share }) => share[row * width + column] > 0.5);
  });
}

/** @returns {number[][]} squares (rows from and to, columns from and to) inside an area, far from its border, from points and from each other */
function seedsOf(share, taken, [height, width]) {
  const { seeds, seed_radius, apart, least_room } = CONSTANTS.areas;
  const [tall, wide] = [height + 2, width + 2];
  const padded = new Uint8Array(tall * wide);
  share.forEach((value, i) => (padded[(Math.floor(i / width) + 1) * wide + (i % width) + 1] = Number(value > 0.5)));
  const room = distances(padded, [tall, wide]);
  const roomAt = (i) => room[(Math.floor(i / width) + 1) * wide + (i % width) + 1];
  const away = taken.some((each) => each > 0) ? distances(Uint8Array.from(taken, (each) => Number(each === 0)), [height, width]) : new Float32Array(share.length).fill(Infinity);
  const found = [];
  while (found.length < seeds) {
    let [best, most] = [0, -Infinity];
    for (let i = 0; i < share.length; i += 1) {
      const score = Math.min(roomAt(i), apart * away[i]);
      if (score > most) [best, most] = [i, score];
    }
    if (most < least_room) break;
    const [row, column] = [Math.floor(best / width), best % width];
    const side = Math.min(seed_radius, Math.trunc(roomAt(best)) - 1);
    found.push([Math.max(row - side, 0), row + side + 1, Math.max(column - side, 0), column + side + 1]);
    for (let i = 0; i < share.length; i += 1) away[i] = Math.min(away[i], Math.hypot(Math.floor(i / width) - row, (i % width) - column));
  }
  return found;
}

const DISTANCE_UNIT = 2 ** 16; // of a distance
const LENGTHS = [1, 1.4, 2.1969].map((length) => Math.round(length * DISTANCE_UNIT)); // to a neighbor, diagonally, and as a knight
const BEFORE = [[-2, -1, 2], [-2, 1, 2], [-1, -2, 2], [-1, -1, 1], [-1, 0, 0], [-1, 1, 1], [-1, 2, 2], [0, -1, 0]];

/** @returns {Float32Array} distance of each pixel from the nearest 0, by chamfers of 5 x 5 pixels as in OpenCV */
function distances(inside, [height, width]) {
  const far = 2 ** 30;
  const found = Float64Array.from(inside, (value) => (value ? far : 0));
  for (const way of [1, -1]) {
    for (let k = 0; k < found.length; k += 1) {
      const i = way > 0 ? k : found.length - 1 - k;
      const [y, x] = [Math.floor(i / width), i % width];
      for (const [dy, dx, step] of BEFORE) {
        const [v, u] = [y + way * dy, x + way * dx];
        if (v >= 0 && v < height && u >= 0 && u < width) found[i] = Math.min(found[i], found[v * width + u] + LENGTHS[step]);
      }
    }
  }
  return Float32Array.from(found, (value) => value / DISTANCE_UNIT);
}

export { fillAreas, lockAreas, plantSeeds, pointsInside };
