/** Joins upsampled ab with the lightness of the photo row by row, with exact colors at the points: colorzoo.inference.full_size. */

import { linearInGamut, reducedChroma, toLevel } from "./gamut.js";
import { coveredPixels, displayedAb } from "./points.js";
import { Upsampler } from "./resample.js";

const MAX_PINS = 2048;
const REACH = 1.5;
const APART = 2.5;
const PIN_ROUNDS = 4;
const CUT = 3.5;

const distanceOutside = (place, first, last) => Math.max(first - place, place - last, 0);

/**
 * Compute the corrections that give the points their exact colors in the upsampled prediction.
 * @param {import("./points.js").Hint[]} given points in pixels of the result; those of a strength below 1 are left to the prediction @param {Float32Array} ab (2, h, w) @param {[number, number]} from h and w
 * @param {[number, number]} size of the result @param {(y: number, x: number) => number} lightnessAt @param {number} strength
 * @returns {{rows: number[], columns: number[], reach: number, ab: number[]}[]}
 */
function fitPins(given, ab, from, size, lightnessAt, strength) {
  const hints = given.filter((hint) => hint.strength === 1);
  if (!hints.length || hints.length > MAX_PINS) return [];
  const places = hints.map((hint) => ({
    hint, rows: coveredPixels(hint.y, hint.radius, 1, size[0]), columns: coveredPixels(hint.x, hint.radius, 1, size[1]),
    y: Math.min(Math.trunc(hint.y), size[0] - 1), x: Math.min(Math.trunc(hint.x), size[1] - 1),
  }));
  const away = (one, other) => distanceOutside(one.y, ...other.rows) ** 2 + distanceOutside(one.x, ...other.columns) ** 2;
  const kept = places.filter((one, i) => !places.some((other, j) => j > i && away(one, other) === 0));
  const apart = kept.map((one) => kept.map((other) => away(one, other)));
  const widest = REACH * Math.max(size[0] / from[0], size[1] / from[1]);
  const reaches = kept.map((_, j) => {
    const nearest = Math.sqrt(Math.min(...apart.map((row) => row[j] || Infinity)));
    return Math.min(Math.max(nearest / APART, 0.3), widest);
  });
  const enlarged = new Upsampler(ab, from, size);
  const missing = kept.map(({ hint, y, x }) => {
    const lightness = lightnessAt(y, x);
    const [a, b] = displayedAb(hint, lightness);
    const target = reducedChroma(lightness, [a * strength, b * strength]);
    return enlarged.pixel(y, x).map((value, c) => target[c] - value);
  });
  const amounts = solvePins(apart.map((row) => row.map((squared, j) => Math.exp((-0.5 * squared) / reaches[j] ** 2))), missing);
  return kept.map(({ rows, columns }, i) => ({ rows, columns, reach: reaches[i], ab: amounts[i] }));
}

/** Solve for the amounts of the pins by Gauss-Seidel iterations. */
function solvePins(weights, missing) {
  const amounts = missing.map(() => [0, 0]);
  for (let round = 0; round < PIN_ROUNDS; round += 1) {
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

/** Add a pin to a row of a and of b. */
function addPin(pin, y, a, b) {
  const margin = CUT * pin.reach;
  if (y < Math.trunc(pin.rows[0] - margin) || y > Math.trunc(pin.rows[1] + margin)) return;
  const down = Math.exp(-0.5 * (distanceOutside(y, ...pin.rows) / pin.reach) ** 2);
  const right = Math.min(Math.trunc(pin.columns[1] + margin) + 1, a.length);
  for (let x = Math.max(Math.trunc(pin.columns[0] - margin), 0); x < right; x += 1) {
    const share = down * Math.exp(-0.5 * (distanceOutside(x, ...pin.columns) / pin.reach) ** 2);
    a[x] += share * pin.ab[0];
    b[x] += share * pin.ab[1];
  }
}

/** Computes rows of a colored picture. */
class Joiner {
  /** @param {Float32Array} ab (2, h, w) @param {[number, number]} from @param {[number, number]} size @param {any[]} pins @param {import("./overlays.js").Overlay[]} [overlays] */
  constructor(ab, from, size, pins, overlays = []) {
    this.overlays = overlays;
    this.enlarged = new Upsampler(ab, from, size);
    this.pins = pins;
    this.a = new Float32Array(size[1]);
    this.b = new Float32Array(size[1]);
    this.linear = [0, 0, 0];
  }

  /** @param {number} y @param {Float32Array} lightness of that row @returns {[Float32Array, Float32Array]} a and b of the row */
  abRow(y, lightness) {
    this.enlarged.row(0, y, this.a);
    this.enlarged.row(1, y, this.b);
    for (const pin of this.pins) addPin(pin, y, this.a, this.b);
    for (const overlay of this.overlays) overlay.addTo(y, lightness, this.a, this.b);
    return [this.a, this.b];
  }

  /** @param {number} y @param {Float32Array} lightness of that row @param {Uint8Array | Uint8ClampedArray} out @param {number} at index of its first byte @param {number} step bytes per pixel */
  write(y, lightness, out, at, step) {
    const [a, b] = this.abRow(y, lightness);
    const { linear } = this;
    for (let x = 0, to = at; x < a.length; x += 1, to += step) {
      linearInGamut(lightness[x], a[x], b[x], linear);
      out[to] = toLevel(linear[0]);
      out[to + 1] = toLevel(linear[1]);
      out[to + 2] = toLevel(linear[2]);
    }
  }
}

export { Joiner, fitPins };
