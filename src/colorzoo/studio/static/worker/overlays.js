/** What changes colors at full size, above the answer of the network, as in colorzoo.inference.overlays. */

import { hexToRgb, rgbToLab } from "../js/color.js";
import { Painting } from "./paint.js";

/** @typedef {{addTo: (y: number, lightness: Float32Array, a: Float32Array, b: Float32Array) => void}} Overlay  changes a row in place */

const [FULL_HUE, FULL_HUE_SHARE] = [10, 0.5]; // chroma below which a hue says less: CIE units, and share of the old color's
const MOST_CHROMA_FACTOR = 8;
const [HUE_RANGE, HUE_FADE] = [20, 20]; // degrees, of replacements that name none
const DEGREE = Math.PI / 180;

const smoothShare = (share) => share * share * (3 - 2 * share);

/** Replacement of colors by hue. */
class Replacing {
  /** @param {{old: string, new: string, range?: number, fade?: number}[]} replacements */
  constructor(replacements) {
    this.steps = replacements.map(({ old, new: wanted, range = HUE_RANGE, fade = HUE_FADE }) => {
      const [[, a, b], [, newA, newB]] = [old, wanted].map((hex) => rgbToLab(hexToRgb(hex)));
      const chroma = Math.hypot(a, b);
      const factor = Math.min(Math.hypot(newA, newB) / chroma, MOST_CHROMA_FACTOR);
      const turn = Math.atan2(newB, newA) - Math.atan2(b, a);
      return { a: a / chroma, b: b / chroma, range, fade: Math.max(fade, 1e-3), full: Math.min(FULL_HUE, FULL_HUE_SHARE * chroma), cosine: factor * Math.cos(turn), sine: factor * Math.sin(turn) };
    });
  }

  /** Replace colors in a row. @param {number} _y @param {Float32Array} _lightness @param {Float32Array} a @param {Float32Array} b */
  addTo(_y, _lightness, a, b) {
    for (const step of this.steps) {
      for (let x = 0; x < a.length; x += 1) {
        const angle = Math.abs(Math.atan2(step.a * b[x] - step.b * a[x], step.a * a[x] + step.b * b[x])) / DEGREE;
        const near = Math.min(Math.max((step.range + step.fade - angle) / step.fade, 0), 1);
        const share = smoothShare(near) * smoothShare(Math.min(Math.hypot(a[x], b[x]) / step.full, 1));
        if (share === 0) continue;
        const [u, v] = [a[x], b[x]];
        a[x] += share * (step.cosine * u - step.sine * v - u);
        b[x] += share * (step.sine * u + step.cosine * v - v);
      }
    }
  }
}

/**
 * @param {any} recipe @param {[number, number]} whole height and width of the photo @param {[number, number]} size of the result @param {number} strength
 * @returns {Overlay[]} the lowest first
 */
function overlaysOf({ replacements = [], paint = [] }, whole, size, strength) {
  return [...(replacements.length ? [new Replacing(replacements)] : []), ...(paint.length ? [new Painting(paint, whole, size, strength)] : [])];
}

export { overlaysOf };
