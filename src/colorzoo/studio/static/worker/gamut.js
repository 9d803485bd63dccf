/**
 * Levels, linear light, lightness and the sRGB gamut: colorzoo.color.levels, colorzoo.color.lab, colorzoo.color.gamut.
 *
 * At constant luminance and hue, all colors are on the curve of the Oklab directions (1, s cos h, s sin h). A table contains for each cell
 * of lightness and hue an interval of s in which the curve leaves sRGB; within it the curve is nearly straight.
 */

import { FROM_CONES, FROM_OKLAB, TO_CONES, TO_OKLAB, XYZ_TO_RGB, clamp, linearToLab } from "../js/color.js";

const LUMINANCE = [0.212671, 0.71516, 0.072169];
const CUBIC_FROM = 0.2068966;
const CUBIC_CUBE = CUBIC_FROM ** 3;
const SLOPE = 1 / 7.787; // of the linear part near black
const STEPS = 2 ** 18; // of linear light

const toLinear = (value) => (value > 0.04045 ? ((value + 0.055) / 1.055) ** 2.4 : value / 12.92);
const labF = (share) => {
  const cubic = Math.max(share, CUBIC_CUBE);
  return Math.cbrt(cubic) + (share - cubic) / SLOPE;
};
const inverseLabF = (value) => {
  const cubic = Math.max(value, CUBIC_FROM);
  return cubic * cubic * cubic + (value - cubic) * SLOPE; // a power takes several times as long
};

const LUMINANCE_OF = LUMINANCE.map((weight) => Float32Array.from({ length: 256 }, (_, level) => Math.fround(toLinear(level / 255)) * Math.fround(weight)));

/** @param {Uint8Array | Uint8ClampedArray} rgba @param {number} first pixel @param {Float32Array} out lightness of the pixels from there */
function lightnessOf(rgba, first, out) {
  const [reds, greens, blues] = LUMINANCE_OF;
  for (let i = 0, at = 4 * first; i < out.length; i += 1, at += 4) {
    out[i] = 116 * labF(reds[rgba[at]] + greens[rgba[at + 1]] + blues[rgba[at + 2]]) - 16;
  }
}

/** @param {number} lightness in [0, 100] @returns {number} Y in [0, 1] */
const luminanceOfLightness = (lightness) => inverseLabF((lightness + 16) / 116);

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

/** @param {number} linear @returns {number} 8-bit level, clipped */
const toLevel = (linear) => LEVELS[linear <= 0 ? 0 : linear >= 1 ? STEPS : (linear * STEPS) | 0];

const LIGHTNESS_CELLS = 128;
const HUE_CELLS = 1024;
const MAX_S = 1;
const PRECISION = 1e-4;
const MARGIN_S = 2e-3;
const MIN_LIGHTNESS = 1e-2;
const MAX_SHARE = 4;
const MIN_SHARE = 1e-3;
const TINY = 1e-12;
const GAMUT_TOLERANCE = 1e-4; // in linear RGB
const LUMINANCE_OF_CONES = [0, 1, 2].map((i) => LUMINANCE[0] * FROM_CONES[0][i] + LUMINANCE[1] * FROM_CONES[1][i] + LUMINANCE[2] * FROM_CONES[2][i]);

/** Write the linear sRGB of a luminance and a chroma s into `out`. */
function onCurve(p, q, r, s, luminance, out) {
  const [x, y, z] = [1 + s * p, 1 + s * q, 1 + s * r];
  const [l, m, n] = [x * x * x, y * y * y, z * z * z];
  const scale = luminance / Math.max(LUMINANCE_OF_CONES[0] * l + LUMINANCE_OF_CONES[1] * m + LUMINANCE_OF_CONES[2] * n, 1e-9);
  for (let c = 0; c < 3; c += 1) out[c] = (FROM_CONES[c][0] * l + FROM_CONES[c][1] * m + FROM_CONES[c][2] * n) * scale;
}

const slope = (row, cosine, sine) => FROM_OKLAB[row][1] * cosine + FROM_OKLAB[row][2] * sine;

const corner = [0, 0, 0];

/** @returns {number} the largest s in sRGB, by bisection */
function largestShare(luminance, cosine, sine) {
  const [p, q, r] = [slope(0, cosine, sine), slope(1, cosine, sine), slope(2, cosine, sine)];
  let found = 0;
  for (let step = MAX_S / 2; step > PRECISION; step /= 2) {
    onCurve(p, q, r, found + step, luminance, corner);
    const [red, green, blue] = corner;
    if (red >= 0 && green >= 0 && blue >= 0 && red <= 1 && green <= 1 && blue <= 1) found += step;
  }
  return found;
}

let brackets = null;

/** @returns {{low: Float32Array, high: Float32Array}} computed on first use */
function bracketTable() {
  if (brackets) return brackets;
  const corners = new Float32Array((LIGHTNESS_CELLS + 1) * (HUE_CELLS + 1));
  for (let row = 0; row <= LIGHTNESS_CELLS; row += 1) {
    const luminance = luminanceOfLightness(Math.max((100 * row) / LIGHTNESS_CELLS, MIN_LIGHTNESS));
    for (let column = 0; column <= HUE_CELLS; column += 1) {
      const hue = -Math.PI + (2 * Math.PI * column) / HUE_CELLS;
      corners[row * (HUE_CELLS + 1) + column] = largestShare(luminance, Math.cos(hue), Math.sin(hue));
    }
  }
  const [low, high] = [new Float32Array(LIGHTNESS_CELLS * HUE_CELLS), new Float32Array(LIGHTNESS_CELLS * HUE_CELLS)];
  for (let row = 0; row < LIGHTNESS_CELLS; row += 1) {
    for (let column = 0; column < HUE_CELLS; column += 1) {
      const at = row * (HUE_CELLS + 1) + column;
      const [one, two, three, four] = [corners[at], corners[at + 1], corners[at + HUE_CELLS + 1], corners[at + HUE_CELLS + 2]];
      low[row * HUE_CELLS + column] = Math.max(Math.min(one, two, three, four) - MARGIN_S, 0);
      high[row * HUE_CELLS + column] = Math.max(one, two, three, four) + MARGIN_S;
    }
  }
  brackets = { low, high };
  return brackets;
}

function crossingShare(inner, outer, tolerance) {
  let nearest = Infinity;
  for (let c = 0; c < 3; c += 1) {
    const way = outer[c] - inner[c] + TINY;
    nearest = Math.min(nearest, Math.max((1 + tolerance - inner[c]) / way, (-tolerance - inner[c]) / way));
  }
  return clamp(nearest, MIN_SHARE, MAX_SHARE);
}

const innerColor = [0, 0, 0];
const outerColor = [0, 0, 0];

/** Reduce the chroma of a color to fit into sRGB. @param {number[]} linear changed in place @param {number} lightness of the color */
function fitChroma(linear, lightness) {
  const tolerance = GAMUT_TOLERANCE / 2;
  const possible = clamp(lightness, 0, 100);
  const luminance = luminanceOfLightness(possible);
  let [a, b] = [0, 0];
  for (let row = 0; row < 3; row += 1) {
    const share = TO_CONES[row][0] * linear[0] + TO_CONES[row][1] * linear[1] + TO_CONES[row][2] * linear[2];
    const root = Math.cbrt(share);
    a += TO_OKLAB[1][row] * root;
    b += TO_OKLAB[2][row] * root;
  }
  const inverse = 1 / Math.sqrt(Math.max(a * a + b * b, TINY));
  const [cosine, sine] = [a * inverse, b * inverse];
  const [p, q, r] = [slope(0, cosine, sine), slope(1, cosine, sine), slope(2, cosine, sine)];
  const row = Math.min((possible * LIGHTNESS_CELLS / 100) | 0, LIGHTNESS_CELLS - 1);
  const turn = clamp((Math.atan2(b, a) * (HUE_CELLS / (2 * Math.PI)) + HUE_CELLS / 2) | 0, 0, HUE_CELLS - 1);
  const table = bracketTable();
  const low = table.low[row * HUE_CELLS + turn];
  const high = table.high[row * HUE_CELLS + turn];
  onCurve(p, q, r, low, luminance, innerColor);
  onCurve(p, q, r, high, luminance, outerColor);
  onCurve(p, q, r, low + crossingShare(innerColor, outerColor, tolerance) * (high - low), luminance, outerColor);
  const share = crossingShare(innerColor, outerColor, tolerance);
  for (let c = 0; c < 3; c += 1) linear[c] = clamp(innerColor[c] + share * (outerColor[c] - innerColor[c]), -tolerance, 1 + tolerance);
}

const fits = (linear) => Math.min(linear[0], linear[1], linear[2]) >= -GAMUT_TOLERANCE && Math.max(linear[0], linear[1], linear[2]) <= 1 + GAMUT_TOLERANCE;

/** @param {number} lightness @param {number} a @param {number} b @param {number[]} out linear sRGB, maybe outside of the gamut */
function linearOf(lightness, a, b, out) {
  const fy = (lightness + 16) / 116;
  const x = inverseLabF(fy + a / 500);
  const y = inverseLabF(fy);
  const z = inverseLabF(Math.max(fy - b / 200, 0));
  for (let c = 0; c < 3; c += 1) out[c] = XYZ_TO_RGB[c][0] * x + XYZ_TO_RGB[c][1] * y + XYZ_TO_RGB[c][2] * z;
}

/** @param {number} lightness @param {number} a @param {number} b @param {number[]} out linear sRGB inside of the gamut */
function linearInGamut(lightness, a, b, out) {
  linearOf(lightness, a, b, out);
  if (!fits(out)) fitChroma(out, lightness);
}

/** @param {number} lightness @param {[number, number]} ab @returns {[number, number]} inside of sRGB; unchanged if it is already */
function reducedChroma(lightness, ab) {
  /** @type {[number, number, number]} */
  const linear = [0, 0, 0];
  linearOf(lightness, ...ab, linear);
  if (fits(linear)) return ab;
  if (lightness < 0 || lightness > 100) return [0, 0];
  fitChroma(linear, lightness);
  const [, a, b] = linearToLab(linear);
  return [a, b];
}

export { bracketTable, linearInGamut, lightnessOf, reducedChroma, toLevel };
