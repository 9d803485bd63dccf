/**
 * How much chroma sRGB shows: colorzoo.color.chroma_limit and colorzoo.color.gamut, one color at a time.
 *
 * At constant luminance and hue all colors lie on the curve of the Oklab directions (1, s cos h, s sin h). A table says in which
 * bracket of s each cell of lightness and hue leaves sRGB; within it the curve is nearly straight.
 */

import { FROM_CONES, FROM_OKLAB, TO_CONES, TO_OKLAB, XYZ_TO_RGB, clamp, linearToLab } from "../js/color.js";
import { LUMINANCE, luminanceOfLuma, uncone } from "./light.js";

const LUMAS = 128;
const TURNS = 1024;
const MOST_S = 1;
const PRECISION = 1e-4;
const MARGIN_S = 2e-3;
const DARKEST = 1e-2;
const BEYOND = 4;
const LEAST = 1e-3;
const TINY = 1e-12;
const INSIDE = 1e-4; // linear RGB; the cube's own faces count as inside
const LUMINANCE_OF_CONES = [0, 1, 2].map((i) => LUMINANCE[0] * FROM_CONES[0][i] + LUMINANCE[1] * FROM_CONES[1][i] + LUMINANCE[2] * FROM_CONES[2][i]);

/** Write into `out` the linear sRGB of a luminance at a share of chroma. */
function onCurve(p, q, r, s, luminance, out) {
  const [x, y, z] = [1 + s * p, 1 + s * q, 1 + s * r];
  const [l, m, n] = [x * x * x, y * y * y, z * z * z];
  const scale = luminance / Math.max(LUMINANCE_OF_CONES[0] * l + LUMINANCE_OF_CONES[1] * m + LUMINANCE_OF_CONES[2] * n, 1e-9);
  for (let c = 0; c < 3; c += 1) out[c] = (FROM_CONES[c][0] * l + FROM_CONES[c][1] * m + FROM_CONES[c][2] * n) * scale;
}

const slope = (row, cosine, sine) => FROM_OKLAB[row][1] * cosine + FROM_OKLAB[row][2] * sine;

const corner = [0, 0, 0];

/** @returns {number} the greatest s that sRGB shows, by bisection */
function greatest(luminance, cosine, sine) {
  const [p, q, r] = [slope(0, cosine, sine), slope(1, cosine, sine), slope(2, cosine, sine)];
  let found = 0;
  for (let step = MOST_S / 2; step > PRECISION; step /= 2) {
    onCurve(p, q, r, found + step, luminance, corner);
    const [red, green, blue] = corner;
    if (red >= 0 && green >= 0 && blue >= 0 && red <= 1 && green <= 1 && blue <= 1) found += step;
  }
  return found;
}

let brackets = null;

/** @returns {{low: Float32Array, high: Float32Array}} made on first use */
function bracketTable() {
  if (brackets) return brackets;
  const corners = new Float32Array((LUMAS + 1) * (TURNS + 1));
  for (let row = 0; row <= LUMAS; row += 1) {
    const luminance = luminanceOfLuma(Math.max((100 * row) / LUMAS, DARKEST));
    for (let column = 0; column <= TURNS; column += 1) {
      const hue = -Math.PI + (2 * Math.PI * column) / TURNS;
      corners[row * (TURNS + 1) + column] = greatest(luminance, Math.cos(hue), Math.sin(hue));
    }
  }
  const [low, high] = [new Float32Array(LUMAS * TURNS), new Float32Array(LUMAS * TURNS)];
  for (let row = 0; row < LUMAS; row += 1) {
    for (let column = 0; column < TURNS; column += 1) {
      const at = row * (TURNS + 1) + column;
      const [one, two, three, four] = [corners[at], corners[at + 1], corners[at + TURNS + 1], corners[at + TURNS + 2]];
      low[row * TURNS + column] = Math.max(Math.min(one, two, three, four) - MARGIN_S, 0);
      high[row * TURNS + column] = Math.max(one, two, three, four) + MARGIN_S;
    }
  }
  brackets = { low, high };
  return brackets;
}

function meeting(inner, outer, tolerance) {
  let nearest = Infinity;
  for (let c = 0; c < 3; c += 1) {
    const way = outer[c] - inner[c] + TINY;
    nearest = Math.min(nearest, Math.max((1 + tolerance - inner[c]) / way, (-tolerance - inner[c]) / way));
  }
  return clamp(nearest, LEAST, BEYOND);
}

const innerColor = [0, 0, 0];
const outerColor = [0, 0, 0];

/** Take as much chroma as a color needs to fit into sRGB. @param {number[]} linear changed in place @param {number} asked its L */
function fitChroma(linear, asked) {
  const tolerance = INSIDE / 2;
  const luma = clamp(asked, 0, 100);
  const luminance = luminanceOfLuma(luma);
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
  const row = Math.min((luma * LUMAS / 100) | 0, LUMAS - 1);
  const turn = clamp((Math.atan2(b, a) * (TURNS / (2 * Math.PI)) + TURNS / 2) | 0, 0, TURNS - 1);
  const table = bracketTable();
  const low = table.low[row * TURNS + turn];
  const high = table.high[row * TURNS + turn];
  onCurve(p, q, r, low, luminance, innerColor);
  onCurve(p, q, r, high, luminance, outerColor);
  onCurve(p, q, r, low + meeting(innerColor, outerColor, tolerance) * (high - low), luminance, outerColor);
  const share = meeting(innerColor, outerColor, tolerance);
  for (let c = 0; c < 3; c += 1) linear[c] = clamp(innerColor[c] + share * (outerColor[c] - innerColor[c]), -tolerance, 1 + tolerance);
}

const fits = (linear) => Math.min(linear[0], linear[1], linear[2]) >= -INSIDE && Math.max(linear[0], linear[1], linear[2]) <= 1 + INSIDE;

/** @param {number} luma @param {number} a @param {number} b @param {number[]} out linear sRGB, not limited */
function linearOf(luma, a, b, out) {
  const fy = (luma + 16) / 116;
  const x = uncone(fy + a / 500);
  const y = uncone(fy);
  const z = uncone(Math.max(fy - b / 200, 0));
  for (let c = 0; c < 3; c += 1) out[c] = XYZ_TO_RGB[c][0] * x + XYZ_TO_RGB[c][1] * y + XYZ_TO_RGB[c][2] * z;
}

/** @param {number} luma @param {number} a @param {number} b @param {number[]} out linear sRGB that fits */
function linearInGamut(luma, a, b, out) {
  linearOf(luma, a, b, out);
  if (!fits(out)) fitChroma(out, luma);
}

/** @param {number} luma @param {[number, number]} ab @returns {[number, number]} what sRGB shows of it; unchanged where it fits */
function reducedChroma(luma, ab) {
  const linear = [0, 0, 0];
  linearOf(luma, ...ab, linear);
  if (fits(linear)) return ab;
  if (luma < 0 || luma > 100) return [0, 0];
  fitChroma(linear, luma);
  const [, a, b] = linearToLab(linear);
  return [a, b];
}

export { bracketTable, linearInGamut, reducedChroma };
