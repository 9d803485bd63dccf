/** Joins upsampled ab with the lightness of the photo row by row, with exact colors at the points. */

import { linearInGamut, toLevel } from "../worker/gamut.js";
import { Upsampler } from "../worker/resample.js";
import { CONSTANTS } from "./constants.js";
import { distanceOutside } from "./point_corrections.js";

/** Add a correction to a row of a and of b. */
function addCorrection(pin, y, a, b) {
  const margin = CONSTANTS.full_size.cut * pin.reach;
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
  /** @param {Float32Array} ab (2, h, w) @param {[number, number]} from @param {[number, number]} size @param {any[]} corrections @param {import("./overlays.js").Overlay[]} overlays @param {import("./area_masks.js").ShiftedRows} lightness */
  constructor(ab, from, size, corrections, overlays, lightness) {
    this.lightness = lightness;
    this.overlays = overlays;
    this.enlarged = new Upsampler(ab, from, size);
    this.corrections = corrections;
    this.a = new Float32Array(size[1]);
    this.b = new Float32Array(size[1]);
    this.linear = [0, 0, 0];
  }

  /** @param {number} y @param {Float32Array} own lightness of the photo in that row @returns {[Float32Array, Float32Array, Float32Array]} Lab of the row */
  labRow(y, own) {
    const lightness = this.lightness.row(y, own);
    this.enlarged.row(0, y, this.a);
    this.enlarged.row(1, y, this.b);
    for (const each of this.corrections) addCorrection(each, y, this.a, this.b);
    for (const overlay of this.overlays) overlay.addTo(y, lightness, this.a, this.b);
    return [lightness, this.a, this.b];
  }

  /** @param {number} y @param {Float32Array} own lightness of the photo in that row @param {Uint8Array | Uint8ClampedArray} out @param {number} at index of its first byte @param {number} step bytes per pixel */
  write(y, own, out, at, step) {
    const [lightness, a, b] = this.labRow(y, own);
    const { linear } = this;
    for (let x = 0, to = at; x < a.length; x += 1, to += step) {
      linearInGamut(lightness[x], a[x], b[x], linear);
      out[to] = toLevel(linear[0]);
      out[to + 1] = toLevel(linear[1]);
      out[to + 2] = toLevel(linear[2]);
    }
  }
}

export { Joiner };
