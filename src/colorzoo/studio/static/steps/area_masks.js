/**
 * Areas of a recipe as maps at the network's size: soft masks, shifts of lightness, and locked colors. The edges of a soft mask follow the
 * picture: the mask is fitted by the lightness window by window (a guided filter).
 *
 * @typedef {import("../js/shapes.js").Area & {kept?: {png: string, low: number[], step: number[]}}} Area
 * @typedef {{area: Area, maps: Float32Array, share: Float32Array}} DrawnArea  soft mask slope * lightness + offset as maps (2, h, w), and its shares (h, w)
 * @typedef {{maps: Float32Array, units: number}[]} Shift  soft masks, and the units of lightness to add there
 */

import { decodeMask } from "../js/shapes.js";
import { Upsampler, areaMeans, bilinear } from "../worker/resample.js";
import { CONSTANTS } from "./constants.js";

/** @param {Float32Array} lightness (h, w) @param {[number, number]} size @param {Area[]} areas @param {[number, number]} whole height and width of the photo @returns {DrawnArea[]} */
function drawAreas(lightness, size, areas, whole) {
  return areas.map((area) => {
    const shareOf = (maps) => lightness.map((value, i) => settled(maps[i] * value + maps[lightness.length + i]));
    const fitted = fitMatte(areaMap(area, whole, size), lightness, size);
    const cells = area.feather > 0 ? Math.max(1, Math.round((area.feather * size[1]) / whole[1])) : 0;
    const maps = cells ? featheredMaps(shareOf(fitted), cells, size) : fitted;
    return { area, maps, share: shareOf(maps) };
  });
}

/** @param {Area} area @param {[number, number]} whole @param {[number, number]} size @returns {Float32Array} share (h, w) of each cell that belongs to it */
function areaMap(area, whole, size) {
  const { mask, path } = area;
  if (!mask) return polygonMap(path, whole, size);
  const { width, height, bits } = decodeMask(mask);
  const [inside, from] = [Float32Array.from(bits), /** @type {[number, number]} */ ([height, width])];
  return size[0] < height && size[1] < width ? areaMeans(inside, from, size) : bilinear(inside, from, size);
}

/** @returns {Float32Array} share (h, w) of each cell inside an outline in pixels of the photo, by the scan lines of Pillow */
function polygonMap(path, whole, [height, width]) {
  const { supersampling: fine } = CONSTANTS.area_masks;
  const [tall, wide] = [height * fine, width * fine];
  const corners = path.map(([x, y]) => [Math.trunc((x * wide) / whole[1] - 0.5), Math.trunc((y * tall) / whole[0] - 0.5)]);
  const edges = corners.map(([x, y], i) => {
    const [u, v] = corners[(i + 1) % corners.length];
    return { x, y, slope: v === y ? 0 : (u - x) / (v - y), top: Math.min(y, v), bottom: Math.max(y, v), ends: [Math.min(x, u), Math.max(x, u)] };
  });
  const lowest = Math.max(...edges.map(({ bottom }) => bottom));
  const out = new Float32Array(height * width);
  for (let row = 0; row < tall; row += 1) {
    const covered = new Uint8Array(wide);
    const crossings = [];
    for (const { x, y, slope, top, bottom, ends } of edges) {
      if (row < top || row > bottom) continue;
      if (top === bottom) covered.fill(1, Math.max(ends[0], 0), Math.max(ends[1] + 1, 0));
      else crossings.push(...new Array(row === bottom && row < lowest ? 2 : 1).fill(x + (row - y) * slope));
    }
    crossings.sort((one, other) => one - other);
    for (let i = 1; i < crossings.length; i += 2) covered.fill(1, Math.max(Math.floor(crossings[i - 1] + 0.5), 0), Math.max(Math.ceil(crossings[i] - 0.5) + 1, 0));
    for (let x = 0; x < wide; x += 1) out[Math.floor(row / fine) * width + Math.floor(x / fine)] += covered[x] / fine ** 2;
  }
  return out;
}

/** @returns {Float32Array} a mask (h, w) fitted to nearby edges of a lightness: slope and offset (2, h, w) */
function fitMatte(inside, lightness, size) {
  const { least_radius, radius, slack } = CONSTANTS.area_masks;
  const half = Math.max(least_radius, Math.round(radius * Math.min(...size)));
  const mean = (of) => windowMeans(Float64Array.from(lightness, (_, i) => of(i)), half, size);
  const [center, level] = [mean((i) => lightness[i]), mean((i) => inside[i])];
  const [squares, products] = [mean((i) => lightness[i] ** 2), mean((i) => lightness[i] * inside[i])];
  const slope = center.map((value, i) => (products[i] - value * level[i]) / (squares[i] - value * value + slack));
  const offset = level.map((value, i) => value - slope[i] * center[i]);
  const out = new Float32Array(2 * lightness.length);
  [slope, offset].forEach((map, k) => out.set(windowMeans(map, half, size), k * lightness.length));
  return out;
}

/** @returns {Float32Array} the maps of a mask that fades over so many cells to both sides of the border of another one, and no longer follows the photo */
function featheredMaps(share, cells, size) {
  const out = new Float32Array(2 * share.length);
  const once = windowMeans(share, Math.floor(cells / 2), size);
  out.set(windowMeans(once, cells - Math.floor(cells / 2), size), share.length);
  return out;
}

/** @returns {Float64Array} means of windows of `half` pixels to each side; the picture is reflected at its border */
function windowMeans(map, half, [height, width]) {
  const reflected = (at, length) => {
    const place = ((at % (2 * length)) + 2 * length) % (2 * length);
    return place < length ? place : 2 * length - 1 - place;
  };
  const along = (source, length, lines, index) => {
    const out = new Float64Array(source.length);
    for (let line = 0; line < lines; line += 1) {
      let sum = 0;
      for (let k = -half; k <= half; k += 1) sum += source[index(line, reflected(k, length))];
      for (let at = 0; at < length; at += 1) {
        out[index(line, at)] = sum / (2 * half + 1);
        sum += source[index(line, reflected(at + half + 1, length))] - source[index(line, reflected(at - half, length))];
      }
    }
    return out;
  };
  const across = along(map, width, height, (y, x) => y * width + x);
  return along(across, height, width, (x, y) => y * width + x);
}

/** @returns {number} a share in [0, 1]; one within rounding of an end becomes that end */
function settled(share) {
  const { nearly } = CONSTANTS.area_masks;
  return Math.min(Math.max((share - nearly) / (1 - 2 * nearly), 0), 1);
}

/** @param {DrawnArea[]} drawn @param {string} action @returns {Float32Array} share (h, w) that areas lock: inside for `lock`, outside for `only` */
function lockedShare(drawn, action) {
  return drawn[0].share.map((_, i) => {
    const union = Math.max(...drawn.map(({ share }) => share[i]));
    return Math.min(2 * (action === "lock" ? union : 1 - union), 1); // a pixel that is locked by half is locked in full
  });
}

/** Shifts the lightness of a larger picture row by row. */
class ShiftedRows {
  /** @param {Shift} shift @param {[number, number]} from @param {[number, number]} size */
  constructor(shift, from, size) {
    this.parts = shift.map(({ maps, units }) => ({ enlarged: new Upsampler(maps, from, size), units }));
    this.slope = new Float32Array(size[1]);
    this.offset = new Float32Array(size[1]);
  }

  /** @param {number} y @param {Float32Array} lightness of the row @returns {Float32Array} */
  row(y, lightness) {
    if (!this.parts.length) return lightness;
    const shifted = lightness.slice();
    for (const { enlarged, units } of this.parts) {
      enlarged.row(0, y, this.slope);
      enlarged.row(1, y, this.offset);
      for (let x = 0; x < shifted.length; x += 1) shifted[x] += units * settled(this.slope[x] * lightness[x] + this.offset[x]);
    }
    return shifted.map((value) => Math.min(Math.max(value, 0), 100));
  }

  /** @param {number} y @param {number} x @param {number} lightness of the pixel @returns {number} */
  pixel(y, x, lightness) {
    const sum = this.parts.reduce((total, { enlarged, units }) => {
      const [slope, offset] = enlarged.pixel(y, x);
      return total + units * settled(slope * lightness + offset);
    }, lightness);
    return this.parts.length ? Math.min(Math.max(sum, 0), 100) : lightness;
  }
}

export { ShiftedRows, drawAreas, lockedShare };
