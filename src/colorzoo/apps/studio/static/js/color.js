/**
 * CIE Lab and sRGB (D65), the sRGB gamut, and names of colors for screen readers. The results agree with colorzoo.color.
 *
 * @typedef {[number, number, number]} Triple
 * @typedef {[number, number]} Ab
 */

export const XYZ_TO_RGB = [
  [3.0799803023, -1.5371515163, -0.542821308],
  [-0.9212477523, 1.8759900015, 0.0452473395],
  [0.0528904611, -0.2040413384, 1.151232012],
];
const RGB_TO_XYZ = invert3(XYZ_TO_RGB);
// Oklab keeps the hue when chroma is reduced
const TO_CONES = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
];
const TO_OKLAB = [
  [0.210454255, 0.793617785, -0.0040720468],
  [1.9779984951, -2.428592205, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.808675766],
];
const FROM_CONES = invert3(TO_CONES);
const FROM_OKLAB = invert3(TO_OKLAB);
const TOLERANCE = 1e-4;
const GAMUT_STEPS = 14;
const RAISED = 2.2; // times the chroma: no color of this lightness has a negative channel
const RAISING_STEPS = 20;
const MAX_FACTOR = 4; // maximum factor on the chroma of a color of equal lightness, because dark colors have low chroma

/** @param {number[][]} m @returns {number[][]} the inverse of a 3 x 3 matrix */
function invert3(m) {
  const [[a, b, c], [d, e, f], [g, h, i]] = m;
  const det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [(e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det],
    [(f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det],
    [(d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det],
  ];
}

const multiply = (matrix, v) => matrix.map((row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
const fromCone = (t) => (t > 0.2068966 ? t ** 3 : (t - 16 / 116) / 7.787);
const toCone = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
const encode = (v) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);
const decode = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
export const clamp = (v, low, high) => Math.min(high, Math.max(low, v));

/** @param {Triple} lab @returns {Triple} linear RGB, outside of [0, 1] if not in sRGB */
function labToLinear([lightness, a, b]) {
  const fy = (lightness + 16) / 116;
  const x = fromCone(fy + a / 500);
  const y = fromCone(fy);
  const z = fromCone(Math.max(0, fy - b / 200));
  return multiply(XYZ_TO_RGB, [x, y, z]);
}

/** @param {Triple} linear RGB @returns {Triple} */
function linearToLab(linear) {
  const [fx, fy, fz] = multiply(RGB_TO_XYZ, linear).map((share) => toCone(Math.max(0, share)));
  return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)];
}

/** @param {Triple} rgb levels from 0 to 255 @returns {Triple} */
export function rgbToLab(rgb) {
  const [r, g, b] = rgb.map((level) => decode(level / 255));
  return linearToLab([r, g, b]);
}

const CODES = Uint8ClampedArray.from({ length: 4097 }, (_, i) => Math.round(255 * encode(i / 4096)));

/**
 * Draw the ab plane at a lightness; colors outside of sRGB are clipped by channel.
 * @param {number} lightness @param {number} range of a and b @param {number} side @returns {Uint8ClampedArray} RGBA, a to the right, b up
 */
export function planePixels(lightness, range, side) {
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  const fy = (lightness + 16) / 116;
  const y = fromCone(fy);
  const unit = (2 * range) / side;
  let at = 0;
  for (let row = 0; row < side; row += 1) {
    const z = fromCone(Math.max(0, fy - (range - (row + 0.5) * unit) / 200));
    for (let column = 0; column < side; column += 1, at += 4) {
      const x = fromCone(fy + ((column + 0.5) * unit - range) / 500);
      for (let c = 0; c < 3; c += 1) {
        const [ofX, ofY, ofZ] = XYZ_TO_RGB[c];
        pixels[at + c] = CODES[Math.min(4096, Math.max(0, (ofX * x + ofY * y + ofZ * z) * 4096)) | 0];
      }
    }
  }
  return pixels;
}

const toOklab = (linear) => multiply(TO_OKLAB, multiply(TO_CONES, linear).map(Math.cbrt));
const luminanceOf = (linear) => multiply(RGB_TO_XYZ, linear)[1];
const inSrgb = (linear, tolerance) => linear.every((v) => v >= -tolerance && v <= 1 + tolerance);

/** @param {Triple} linear @returns {Ab} */
function linearToAb(linear) {
  const [, a, b] = linearToLab(linear);
  return [a, b];
}

/**
 * Find the color of the largest chroma that fits, at constant hue (Oklab) and luminance.
 * @param {Triple} linear color with the hue @param {number} y luminance @param {(linear: Triple) => boolean} fits @param {number} end largest chroma as a multiple of the color's @returns {Ab}
 */
function farthestAb(linear, y, fits, end) {
  const gray = toOklab([y, y, y]);
  const color = toOklab(linear);
  const at = (share) => {
    const roots = multiply(FROM_OKLAB, gray.map((v, i) => v + share * (color[i] - v)));
    const rgb = multiply(FROM_CONES, roots.map((v) => v ** 3));
    const factor = y / Math.max(1e-9, luminanceOf(rgb));
    return rgb.map((v) => v * factor);
  };
  let low = 0;
  let high = end;
  for (let step = 0; step < GAMUT_STEPS; step += 1) {
    const middle = (low + high) / 2;
    if (fits(at(middle))) low = middle;
    else high = middle;
  }
  return linearToAb(at(low));
}

const luminance = (lightness) => fromCone((lightness + 16) / 116);

/** @param {Ab} ab @returns {Triple} linear RGB of the color at the lowest lightness without negative channels */
function withoutNegativeChannels([a, b]) {
  let low = 0;
  let high = RAISED * Math.hypot(a, b);
  for (let step = 0; step < RAISING_STEPS; step += 1) {
    const middle = (low + high) / 2;
    if (Math.min(...labToLinear([middle, a, b])) >= 0) high = middle;
    else low = middle;
  }
  return labToLinear([high, a, b]);
}

/** Reduce the chroma until the color is in sRGB. @param {number} lightness @param {Ab} ab @returns {Ab} */
export function reduceChroma(lightness, ab) {
  const linear = labToLinear([lightness, ...ab]);
  if (inSrgb(linear, TOLERANCE)) return ab;
  if (lightness < 0 || lightness > 100) return [0, 0];
  const y = luminance(lightness);
  const fits = (candidate) => inSrgb(candidate, TOLERANCE / 2);
  if (Math.min(...linear) >= -TOLERANCE) return farthestAb(linear, y, fits, 1);
  const raised = withoutNegativeChannels(ab);
  const [red, green, blue] = raised.map((v) => (v * y) / Math.max(1e-12, luminanceOf(raised)));
  return fits([red, green, blue]) ? linearToAb([red, green, blue]) : farthestAb([red, green, blue], y, fits, 1);
}

/** Move a color to another lightness; hue and, as far as sRGB allows, chroma stay. @param {Triple} lab @param {number} lightness @returns {Ab} */
export function atLightness([own, a, b], lightness) {
  const linear = labToLinear([own, a, b]);
  const y = luminance(clamp(lightness, 0, 100));
  const factor = y / Math.max(1e-6, luminanceOf(linear));
  const chroma = Math.hypot(a, b);
  const fits = (candidate) => inSrgb(candidate, TOLERANCE) && Math.hypot(...linearToAb(candidate)) <= chroma;
  const [r, g, blue] = linear.map((v) => v * factor);
  return farthestAb([r, g, blue], y, fits, MAX_FACTOR);
}

/** @param {Triple} lab @returns {Triple} levels from 0 to 255, brought into sRGB */
function labToRgb([lightness, a, b]) {
  const [x, y] = reduceChroma(lightness, [a, b]);
  const [r, g, blue] = labToLinear([lightness, x, y]).map((v) => Math.round(255 * encode(clamp(v, 0, 1))));
  return [r, g, blue];
}

/** @param {Triple} rgb @returns {string} #rrggbb */
export const rgbToHex = (rgb) => `#${rgb.map((v) => clamp(Math.round(v), 0, 255).toString(16).padStart(2, "0")).join("")}`;

/** @param {number} lightness @param {Ab} ab @returns {string} #rrggbb */
export const labHex = (lightness, ab) => rgbToHex(labToRgb([lightness, ...ab]));

/** Parse a color: #rgb, #rrggbb with or without #, "192, 64, 32", "rgb(192 64 32)". @param {string} text @returns {Triple | null} */
export function parseColor(text) {
  const word = text.trim().toLowerCase();
  const hex = /^#?([0-9a-f]{3}|[0-9a-f]{6})$/.exec(word);
  if (hex) {
    const digits = hex[1].length === 3 ? [...hex[1]].map((d) => d + d).join("") : hex[1];
    const [r, g, b] = [0, 2, 4].map((i) => parseInt(digits.slice(i, i + 2), 16));
    return [r, g, b];
  }
  const numbers = /^(?:rgb\()?\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})\s*\)?$/.exec(word);
  if (!numbers) return null;
  const [r, g, b] = numbers.slice(1).map(Number);
  return Math.max(r, g, b) <= 255 ? [r, g, b] : null;
}

/** @param {string} hex #rrggbb @returns {Triple} */
export const hexToRgb = (hex) => parseColor(hex) ?? [128, 128, 128];

/** @param {Triple} rgb @returns {Ab} */
export function rgbToAb(rgb) {
  const [, a, b] = rgbToLab(rgb);
  return [a, b];
}

/** @param {Ab} one @param {Ab} other @returns {number} distance in CIE units */
export const abDistance = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]);

/** @type {[number, string][]} */
const HUES = [
  [15, "pink"], [45, "red"], [68, "orange"], [86, "amber"], [112, "yellow"], [165, "green"], [205, "teal"],
  [262, "sky blue"], [311, "blue"], [322, "violet"], [342, "magenta"], [361, "pink"],
];
const GRAYS = { // names of colors with low chroma, by hue; other hues are warm gray
  green: "green-gray", teal: "green-gray", "sky blue": "blue-gray", blue: "blue-gray", violet: "violet-gray", magenta: "violet-gray",
  pink: "rose-gray",
};

/** Describe a color for users who cannot see it. @param {number} lightness @param {Ab} ab @returns {string} such as "dark muted blue" */
export function colorName(lightness, ab) {
  const chroma = Math.hypot(...ab);
  const tone = lightness < 30 ? "dark " : lightness > 75 ? "light " : "";
  if (chroma < 6) return lightness < 12 ? "black" : lightness > 95 ? "white" : `${tone}gray`;
  const angle = ((Math.atan2(ab[1], ab[0]) * 180) / Math.PI + 360) % 360;
  const hue = HUES.find(([limit]) => angle < limit)[1];
  if (chroma < 12) return `${tone}${GRAYS[hue] ?? "warm gray"}`;
  const isRed = hue === "red" && angle < 36 && chroma >= 20; // such as lips, but not wood or brick
  const warm = !isRed && ["orange", "amber", "red"].includes(hue);
  if (warm && lightness >= 60 && chroma < 36) return lightness > 75 ? "light beige" : "beige";
  if (warm && lightness < 55 && chroma < 50) return `${tone}brown`;
  if (hue === "amber" && lightness < 72) return "ochre";
  if (hue === "yellow" && lightness < 72) return `${tone}${chroma < 22 ? "muted " : ""}olive`;
  if (hue === "yellow" && chroma < 30) return "cream";
  if (hue === "red" && lightness >= 65) return "salmon";
  if (hue === "pink" && lightness < 45) return "wine red";
  if (hue === "blue" && lightness < 25) return "navy";
  return `${tone}${chroma < 22 ? "muted " : chroma > 62 ? "vivid " : ""}${hue}`;
}
