/** Stored levels, linear light and lightness, as colorzoo.color.levels and colorzoo.color.linear have them. */

const LUMINANCE = [0.212671, 0.71516, 0.072169];
const CUBIC_FROM = 0.2068966;
const LEAST_CUBE = CUBIC_FROM ** 3;
const SLOPE = 1 / 7.787; // of the straight part below
const STEPS = 2 ** 18; // of linear light

const toLinear = (value) => (value > 0.04045 ? ((value + 0.055) / 1.055) ** 2.4 : value / 12.92);
const cone = (share) => {
  const cubic = Math.max(share, LEAST_CUBE);
  return Math.cbrt(cubic) + (share - cubic) / SLOPE;
};
const uncone = (value) => {
  const cubic = Math.max(value, CUBIC_FROM);
  return cubic * cubic * cubic + (value - cubic) * SLOPE; // a power takes several times as long
};

const LUMINANCE_OF = LUMINANCE.map((weight) => Float32Array.from({ length: 256 }, (_, level) => Math.fround(toLinear(level / 255)) * Math.fround(weight)));

/** @param {Uint8Array | Uint8ClampedArray} rgba @param {number} first pixel @param {Float32Array} out its lightness, as many pixels as it has room for */
function lumaOf(rgba, first, out) {
  const [reds, greens, blues] = LUMINANCE_OF;
  for (let i = 0, at = 4 * first; i < out.length; i += 1, at += 4) {
    out[i] = 116 * cone(reds[rgba[at]] + greens[rgba[at + 1]] + blues[rgba[at + 2]]) - 16;
  }
}

/** @param {number} luma in [0, 100] @returns {number} Y in [0, 1] */
const luminanceOfLuma = (luma) => uncone((luma + 16) / 116);

function levelsTable() {
  const table = new Uint8Array(STEPS + 1);
  let level = 0;
  let border = Math.round(toLinear(0.5 / 255) * STEPS);
  for (let i = 0; i <= STEPS; i += 1) {
    while (level < 255 && i >= border) {
      level += 1;
      border = Math.round(toLinear((level + 0.5) / 255) * STEPS);
    }
    table[i] = level;
  }
  return table;
}

const LEVELS = levelsTable();

/** @param {number} linear @returns {number} level of 8 bits; what lies outside [0, 1] is clipped */
const levelOf = (linear) => LEVELS[linear <= 0 ? 0 : linear >= 1 ? STEPS : (linear * STEPS) | 0];

export { LUMINANCE, levelOf, lumaOf, luminanceOfLuma, uncone };
