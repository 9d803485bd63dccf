/** Sizes and resampling, as in torch.nn.functional.interpolate and colorzoo.inference.full_size. */

import { clamp } from "../js/color.js";
import { CONSTANTS } from "../steps/constants.js";

/** @param {number} value @returns {number} rounded to the nearest integer, halves to even, as in Python */
function roundEven(value) {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 ? low + 1 : low;
}

/** @param {number} height @param {number} width @param {number} size shorter side @returns {[number, number]} height and width for the network */
function workingSize(height, width, size) {
  const scale = Math.min(1, size / Math.min(height, width), (CONSTANTS.full_size.longest * size) / Math.max(height, width));
  return [Math.max(1, roundEven(height * scale)), Math.max(1, roundEven(width * scale))];
}

/** @param {number} height @param {number} width @param {number} side longer side at most @returns {[number, number]} */
function fitSize(height, width, side) {
  const scale = Math.min(1, side / Math.max(height, width));
  return [Math.max(1, roundEven(height * scale)), Math.max(1, roundEven(width * scale))];
}

/** @param {number} distance in pixels @param {number} a slope of the kernel at 1 @returns {number} weight of bicubic interpolation */
function cubic(distance, a) {
  const d = Math.abs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

/**
 * Antialiased bicubic weights along one axis.
 * @param {number} source @param {number} target @returns {{first: number, weights: Float64Array}[]} per target pixel
 */
function shrinkWeights(source, target) {
  const scale = source / target;
  const wide = Math.max(scale, 1);
  return Array.from({ length: target }, (_, i) => {
    const center = scale * (i + 0.5);
    const first = Math.max(Math.trunc(center - 2 * wide + 0.5), 0);
    const last = Math.min(Math.trunc(center + 2 * wide + 0.5), source);
    const weights = Float64Array.from({ length: last - first }, (__, j) => cubic((j + first - center + 0.5) / wide, CONSTANTS.full_size.antialiased));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** Downsamples a map that is passed row by row. */
class Downsampler {
  /** @param {[number, number]} whole height and width @param {[number, number]} size @param {number} low @param {number} high limits of the result */
  constructor(whole, size, low = 0, high = 100) {
    this.whole = whole;
    this.size = size;
    this.low = low;
    this.high = high;
    this.across = whole[1] === size[1] ? null : shrinkWeights(whole[1], size[1]);
    this.down = whole[0] === size[0] ? null : shrinkWeights(whole[0], size[0]);
    this.out = new Float32Array(size[0] * size[1]);
    this.firsts = this.down?.map(({ first }) => first);
    this.open = 0;
  }

  take(y, row) {
    const [height, width] = this.size;
    const narrow = this.across ? this.#narrow(row) : row;
    if (!this.down) {
      this.out.set(narrow, y * width);
      return;
    }
    while (this.open < height && this.firsts[this.open] + this.down[this.open].weights.length <= y) this.open += 1;
    for (let i = this.open; i < height && this.firsts[i] <= y; i += 1) {
      const weight = this.down[i].weights[y - this.firsts[i]];
      if (weight) for (let x = 0, at = i * width; x < width; x += 1, at += 1) this.out[at] += weight * narrow[x];
    }
  }

  #narrow(row) {
    const narrow = new Float32Array(this.size[1]);
    for (let x = 0; x < narrow.length; x += 1) {
      const { first, weights } = this.across[x];
      let sum = 0;
      for (let j = 0; j < weights.length; j += 1) sum += weights[j] * row[first + j];
      narrow[x] = sum;
    }
    return narrow;
  }

  /** @returns {Float32Array} the map */
  done() {
    if (this.across || this.down) for (let i = 0; i < this.out.length; i += 1) this.out[i] = clamp(this.out[i], this.low, this.high);
    return this.out;
  }
}

/** @returns {{at: Int32Array, weights: Float32Array}} four source pixels and weights per target pixel; pixels at the border are repeated */
function enlargeWeights(source, target) {
  const [at, weights] = [new Int32Array(4 * target), new Float32Array(4 * target)];
  for (let i = 0; i < target; i += 1) {
    const position = ((i + 0.5) * source) / target - 0.5;
    const base = Math.floor(position);
    for (let k = 0; k < 4; k += 1) {
      at[4 * i + k] = clamp(base + k - 1, 0, source - 1);
      weights[4 * i + k] = cubic(position - base - k + 1, CONSTANTS.full_size.bicubic);
    }
  }
  return { at, weights };
}

/** Upsamples maps by bicubic interpolation, row by row. */
class Upsampler {
  /** @param {Float32Array} maps (channels, h, w) @param {[number, number]} from h and w @param {[number, number]} size */
  constructor(maps, from, size) {
    this.maps = maps;
    this.from = from;
    this.size = size;
    this.channels = maps.length / (from[0] * from[1]);
    this.down = enlargeWeights(from[0], size[0]);
    this.across = enlargeWeights(from[1], size[1]);
    this.narrow = new Float32Array(from[1]);
  }

  /** @param {number} channel @param {number} y @param {Float32Array} out a row of the result */
  row(channel, y, out) {
    const [h, w] = this.from;
    const base = channel * h * w;
    const { narrow, maps } = this;
    const [d, e] = [this.down.at, this.down.weights];
    const rows = [0, 1, 2, 3].map((k) => base + d[4 * y + k] * w);
    for (let x = 0; x < w; x += 1) narrow[x] = e[4 * y] * maps[rows[0] + x] + e[4 * y + 1] * maps[rows[1] + x] + e[4 * y + 2] * maps[rows[2] + x] + e[4 * y + 3] * maps[rows[3] + x];
    const { at, weights } = this.across;
    for (let x = 0, k = 0; x < out.length; x += 1, k += 4) {
      out[x] = weights[k] * narrow[at[k]] + weights[k + 1] * narrow[at[k + 1]] + weights[k + 2] * narrow[at[k + 2]] + weights[k + 3] * narrow[at[k + 3]];
    }
  }

  /** @param {number} y @param {number} x @returns {number[]} all channels of a pixel of the result */
  pixel(y, x) {
    const [h, w] = this.from;
    const { down, across } = this;
    return Array.from({ length: this.channels }, (_, channel) => {
      let sum = 0;
      for (let i = 4 * y; i < 4 * y + 4; i += 1) {
        for (let j = 4 * x; j < 4 * x + 4; j += 1) sum += down.weights[i] * across.weights[j] * this.maps[channel * h * w + down.at[i] * w + across.at[j]];
      }
      return sum;
    });
  }
}

/** @param {Float32Array} map @param {[number, number]} whole @param {[number, number]} cells @returns {Float32Array} means of cells */
function pooled(map, whole, cells) {
  const out = new Float32Array(cells[0] * cells[1]);
  const spans = whole.map((length, axis) => Array.from({ length: cells[axis] }, (_, i) => [Math.floor((i * length) / cells[axis]), Math.ceil(((i + 1) * length) / cells[axis])]));
  spans[0].forEach(([top, bottom], i) => spans[1].forEach(([left, right], j) => {
    let sum = 0;
    for (let y = top; y < bottom; y += 1) for (let x = left; x < right; x += 1) sum += map[y * whole[1] + x];
    out[i * cells[1] + j] = sum / ((bottom - top) * (right - left));
  }));
  return out;
}

/**
 * Resample a map by weights of places along each axis.
 * @param {Float32Array} map @param {[number, number]} from @param {[number, number]} size
 * @param {(center: number, scale: number, place: number) => number} weightOf a place, given the center of a pixel and the places in one @returns {Float32Array}
 */
function weighted(map, from, size, weightOf) {
  const [rows, columns] = from.map((length, axis) => Array.from({ length: size[axis] }, (_, i) => {
    const scale = length / size[axis];
    const weights = Array.from({ length }, (__, place) => [place, weightOf((i + 0.5) * scale, scale, place + 0.5)]).filter(([, weight]) => weight > 0);
    const sum = weights.reduce((total, [, weight]) => total + weight, 0);
    return weights.map(([place, weight]) => [place, weight / sum]);
  }));
  return Float32Array.from({ length: size[0] * size[1] }, (_, i) => {
    let sum = 0;
    for (const [y, tall] of rows[Math.floor(i / size[1])]) for (const [x, wide] of columns[i % size[1]]) sum += tall * wide * map[y * from[1] + x];
    return sum;
  });
}

/** @param {Float32Array} map @param {[number, number]} from @param {[number, number]} size smaller @returns {Float32Array} means of the places that a pixel covers, in part or whole */
const areaMeans = (map, from, size) => weighted(map, from, size, (center, scale, place) => Math.min(place + 0.5, center + scale / 2) - Math.max(place - 0.5, center - scale / 2));

/** @param {Float32Array} map @param {[number, number]} from @param {[number, number]} size @returns {Float32Array} bilinear interpolation, antialiased where it shrinks */
function antialiased(map, from, size) {
  if (from[0] === size[0] && from[1] === size[1]) return map;
  return weighted(map, from, size, (center, scale, place) => 1 - Math.abs(place - center) / Math.max(scale, 1));
}

/** @param {Float32Array | Float64Array} map @param {[number, number]} from @param {[number, number]} size @returns {Float32Array} bilinear interpolation */
function bilinear(map, from, size) {
  const axis = (source, target) => Array.from({ length: target }, (_, i) => {
    const place = Math.max(((i + 0.5) * source) / target - 0.5, 0);
    const low = Math.min(Math.floor(place), source - 1);
    return [low, Math.min(low + 1, source - 1), place - low];
  });
  const columns = axis(from[1], size[1]);
  const out = new Float32Array(size[0] * size[1]);
  axis(from[0], size[0]).forEach(([top, bottom, v], i) => {
    const [above, below] = [top * from[1], bottom * from[1]];
    for (let j = 0; j < size[1]; j += 1) {
      const [left, right, u] = columns[j];
      out[i * size[1] + j] = (1 - v) * ((1 - u) * map[above + left] + u * map[above + right]) + v * ((1 - u) * map[below + left] + u * map[below + right]);
    }
  });
  return out;
}

/** @param {ArrayLike<number>} map @param {[number, number]} from @param {[number, number]} size @returns {Int32Array} nearest neighbors */
function nearest(map, from, size) {
  const out = new Int32Array(size[0] * size[1]);
  for (let i = 0; i < size[0]; i += 1) {
    const row = Math.floor((i * from[0]) / size[0]) * from[1];
    for (let j = 0; j < size[1]; j += 1) out[i * size[1] + j] = map[row + Math.floor((j * from[1]) / size[1])];
  }
  return out;
}

export { Downsampler, Upsampler, antialiased, areaMeans, bilinear, cubic, fitSize, nearest, pooled, roundEven, workingSize };
