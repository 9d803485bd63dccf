/**
 * Colors that are replaced by their hue, above the answer of the network.
 *
 * @typedef {{old: string, new: string, range: number, fade: number, opacity?: number, hidden?: boolean}} Replacement  a color that is replaced everywhere: degrees of hue around it
 *   that are replaced in full, and further ones over which that fades
 */

import { hexToRgb, rgbToAb, rgbToLab } from "../js/color.js";
import { checkColor, checkLayer, checkNumber, invalid } from "./checks.js";
import { CONSTANTS } from "./constants.js";

const DEGREE = Math.PI / 180;
const LEAST_CHROMA = 4; // CIE units, of a color that has a hue

const smoothShare = (share) => share * share * (3 - 2 * share);

/** Replacement of colors by hue. */
class Replacing {
  /** @param {Partial<Replacement>[]} replacements @param {import("../worker/resample.js").Upsampler | null} locked where colors stay */
  constructor(replacements, locked) {
    this.locked = locked;
    const { gray, gray_share, most_chroma, ...usual } = CONSTANTS.replacing;
    this.steps = replacements.map((replacement) => {
      const { old, new: wanted, range, fade, opacity = 1 } = { ...usual, ...replacement };
      const [[, a, b], [, newA, newB]] = [old, wanted].map((hex) => rgbToLab(hexToRgb(hex)));
      const chroma = Math.hypot(a, b);
      const factor = Math.min(Math.hypot(newA, newB) / chroma, most_chroma);
      const turn = Math.atan2(newB, newA) - Math.atan2(b, a);
      return { a: a / chroma, b: b / chroma, range, opacity, fade: Math.max(fade, 1e-3), full: Math.min(gray, gray_share * chroma), chroma, factor, cosine: Math.cos(turn), sine: Math.sin(turn) };
    });
  }

  /** Replace colors in a row. @param {number} y @param {Float32Array} _lightness @param {Float32Array} a @param {Float32Array} b */
  addTo(y, _lightness, a, b) {
    const before = this.locked && [a.slice(), b.slice()];
    for (const step of this.steps) {
      for (let x = 0; x < a.length; x += 1) {
        const angle = Math.abs(Math.atan2(step.a * b[x] - step.b * a[x], step.a * a[x] + step.b * b[x])) / DEGREE;
        const near = Math.min(Math.max((step.range + step.fade - angle) / step.fade, 0), 1);
        const [u, v] = [a[x], b[x]];
        const chroma = Math.hypot(u, v);
        const share = step.opacity * smoothShare(near) * smoothShare(Math.min(chroma / step.full, 1));
        if (share === 0) continue;
        // a color more vivid than the old one gains as much as that does, as many times would be glaring
        const factor = Math.min(step.factor, 1) + (Math.max(step.factor - 1, 0) * step.chroma) / Math.max(chroma, step.chroma);
        a[x] += share * (factor * (step.cosine * u - step.sine * v) - u);
        b[x] += share * (factor * (step.sine * u + step.cosine * v) - v);
      }
    }
    if (!before) return;
    const held = new Float32Array(a.length);
    this.locked.row(0, y, held);
    [a, b].forEach((row, c) => held.forEach((share, x) => (row[x] += Math.min(Math.max(share, 0), 1) * (before[c][x] - row[x]))));
  }
}

/** @param {any} replacement of a recipe @param {string} name in errors @throws {import("./checks.js").RequestError} */
function checkReplacement(replacement, name) {
  for (const which of ["old", "new"]) checkColor(replacement[which], `${name}.${which}`);
  if (Math.hypot(...rgbToAb(hexToRgb(replacement.old))) < LEAST_CHROMA) throw invalid(`${name}.old ${replacement.old} is gray; a color to replace is found by its hue`);
  checkLayer(replacement, name);
  for (const angle of ["range", "fade"]) if (replacement[angle] !== undefined) checkNumber(replacement[angle], `${name}.${angle}`, 0, 180);
}

export { LEAST_CHROMA, Replacing, checkReplacement };
