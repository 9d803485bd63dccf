/** Lightness, points and colors of images in RGBA. Maps are arrays (h, w) or (2, h, w); lightness is in [0, 100], ab in CIE units. */

import { XYZ_TO_RGB, atLightness, clamp, hexToRgb, rgbToLab } from "../js/color.js";

const RADIUS = 3; // of a point in pixels of the network
const GAMUT_STEPS = 7;
const LINEAR = Float32Array.from({ length: 256 }, (_, level) => (level <= 10 ? level / 3294.6 : ((level / 255 + 0.055) / 1.055) ** 2.4));
const LEVELS = Uint8ClampedArray.from({ length: 4097 }, (_, i) => 255 * (i <= 12 ? 12.92 * (i / 4096) : 1.055 * (i / 4096) ** (1 / 2.4) - 0.055));

const luminance = (data, at) => 0.2126 * LINEAR[data[at]] + 0.7152 * LINEAR[data[at + 1]] + 0.0722 * LINEAR[data[at + 2]];
const lightness = (y) => (y > 0.008856 ? 116 * Math.cbrt(y) - 16 : 903.3 * y);
const inverse = (t) => (t > 0.2068966 ? t ** 3 : (t - 16 / 116) / 7.787);

/** @param {ImageData} pixels @returns {Float32Array} (h, w) */
function lightnessOf({ data }) {
  return Float32Array.from({ length: data.length / 4 }, (_, i) => lightness(luminance(data, 4 * i)));
}

/**
 * Draw points as disks for the network; each pixel gets the color at its own lightness.
 * @param {{x: number, y: number, hex: string}[]} points x, y as fractions @param {Float32Array} light (h, w) @param {[number, number]} size h, w
 */
function drawPoints(points, light, [height, width]) {
  const [ab, mask] = [new Float32Array(2 * light.length), new Float32Array(light.length)];
  for (const { x, y, hex } of points) {
    const lab = rgbToLab(hexToRgb(hex));
    const [row, column] = [y * height - 0.5, x * width - 0.5];
    for (let v = Math.max(0, Math.ceil(row - RADIUS)); v <= Math.min(height - 1, row + RADIUS); v += 1) {
      for (let u = Math.max(0, Math.ceil(column - RADIUS)); u <= Math.min(width - 1, column + RADIUS); u += 1) {
        if (Math.hypot(v - row, u - column) > RADIUS) continue;
        const at = v * width + u;
        [ab[at], ab[light.length + at]] = atLightness(lab, light[at]);
        mask[at] = 1;
      }
    }
  }
  return { ab, mask };
}

/** Interpolation weights of a position between cell centers. @returns {[number, number, number]} both cells, and the share of the second */
function cellsAt(position, count, cells) {
  const at = clamp(((position + 0.5) * cells) / count - 0.5, 0, cells - 1);
  const first = Math.min(Math.floor(at), cells - 1);
  return [first, Math.min(first + 1, cells - 1), at - first];
}

/** Linear RGB of a color. @param {number[]} out @returns {boolean} whether sRGB can show it */
function toLinear(light, a, b, out) {
  const fy = (light + 16) / 116;
  const [x, y, z] = [inverse(fy + a / 500), inverse(fy), inverse(Math.max(0, fy - b / 200))];
  let fits = true;
  for (let c = 0; c < 3; c += 1) {
    out[c] = XYZ_TO_RGB[c][0] * x + XYZ_TO_RGB[c][1] * y + XYZ_TO_RGB[c][2] * z;
    fits &&= out[c] >= -1e-4 && out[c] <= 1.0001;
  }
  return fits;
}

/**
 * Color an image in place: the lightness stays, ab is interpolated, and colors outside of sRGB lose chroma.
 * @param {ImageData} pixels @param {Float32Array} ab (2, h, w) @param {[number, number]} size h, w @param {number} strength factor on ab
 */
function composeImage({ data, width, height }, ab, [rows, columns], strength) {
  const across = Array.from({ length: width }, (_, x) => cellsAt(x, width, columns));
  const rgb = [0, 0, 0];
  for (let y = 0, at = 0; y < height; y += 1) {
    const [top, bottom, down] = cellsAt(y, height, rows);
    for (let x = 0; x < width; x += 1, at += 4) {
      const [left, right, share] = across[x];
      const sample = (plane) => {
        const start = plane * rows * columns;
        const upper = ab[start + top * columns + left] * (1 - share) + ab[start + top * columns + right] * share;
        const lower = ab[start + bottom * columns + left] * (1 - share) + ab[start + bottom * columns + right] * share;
        return strength * (upper * (1 - down) + lower * down);
      };
      const [light, a, b] = [lightness(luminance(data, at)), sample(0), sample(1)];
      if (!toLinear(light, a, b, rgb)) {
        let [low, high] = [0, 1];
        for (let step = 0; step < GAMUT_STEPS; step += 1) {
          const middle = (low + high) / 2;
          if (toLinear(light, middle * a, middle * b, rgb)) low = middle;
          else high = middle;
        }
        toLinear(light, low * a, low * b, rgb);
      }
      for (let c = 0; c < 3; c += 1) data[at + c] = LEVELS[clamp(Math.round(4096 * rgb[c]), 0, 4096)];
    }
  }
}

export { composeImage, drawPoints, lightnessOf };
