/** Colors that are replaced by their hue, above the answer of the network. */

import { hexToRgb, rgbToLab } from "../js/color.js";
import { CONSTANTS } from "./constants.js";

const DEGREE = Math.PI / 180;

const smoothShare = (share) => share * share * (3 - 2 * share);

/** Replacement of colors by hue. */
class Replacing {
  /** @param {{old: string, new: string, range?: number, fade?: number}[]} replacements @param {import("../worker/resample.js").Upsampler | null} locked where colors stay */
  constructor(replacements, locked) {
    this.locked = locked;
    const { gray, gray_share, most_chroma, ...usual } = CONSTANTS.replacing;
    this.steps = replacements.map((replacement) => {
      const { old, new: wanted, range, fade } = { ...usual, ...replacement };
      const [[, a, b], [, newA, newB]] = [old, wanted].map((hex) => rgbToLab(hexToRgb(hex)));
      const chroma = Math.hypot(a, b);
      const factor = Math.min(Math.hypot(newA, newB) / chroma, most_chroma);
      const turn = Math.atan2(newB, newA) - Math.atan2(b, a);
      return { a: a / chroma, b: b / chroma, range, fade: Math.max(fade, 1e-3), full: Math.min(gray, gray_share * chroma), cosine: factor * Math.cos(turn), sine: factor * Math.sin(turn) };
    });
  }

  /** Replace colors in a row. @param {number} y @param {Float32Array} _lightness @param {Float32Array} a @param {Float32Array} b */
  addTo(y, _lightness, a, b) {
    const before = this.locked && [a.slice(), b.slice()];
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
    if (!before) return;
    const held = new Float32Array(a.length);
    this.locked.row(0, y, held);
    [a, b].forEach((row, c) => held.forEach((share, x) => (row[x] += Math.min(Math.max(share, 0), 1) * (before[c][x] - row[x]))));
  }
}

export { Replacing };
