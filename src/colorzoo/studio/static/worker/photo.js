/** A photo in the worker: its file, and the small maps that every edit needs. */

import { lightnessAround } from "../js/surroundings.js";
import { RequestError } from "../steps/checks.js";
import { lightnessOf } from "./gamut.js";
import { Downsampler, fitSize, workingSize } from "./resample.js";

const ROUND = Uint32Array.from(primes(64), (prime) => fraction(Math.cbrt(prime)));
const START = Uint32Array.from(primes(8), (prime) => fraction(Math.sqrt(prime)));

function primes(count) {
  const found = [];
  for (let n = 2; found.length < count; n += 1) if (found.every((prime) => n % prime)) found.push(n);
  return found;
}

function fraction(value) {
  return Math.floor((value - Math.floor(value)) * 2 ** 32);
}

/** @param {Uint8Array} bytes @returns {Promise<string>} in hexadecimal digits */
async function sha256(bytes) {
  const subtle = globalThis.crypto?.subtle;
  const digest = subtle ? new Uint8Array(await subtle.digest("SHA-256", /** @type {any} */ (bytes))) : plainSha256(bytes);
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Compute SHA-256 without the browser, which offers it on secure pages only. @param {Uint8Array} bytes @returns {Uint8Array} */
function plainSha256(bytes) {
  const state = START.slice();
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 128;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);
  const words = new Uint32Array(64);
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i += 1) words[i] = view.getUint32(at + 4 * i);
    block(state, words);
  }
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((word, i) => out.setUint32(4 * i, word));
  return new Uint8Array(out.buffer);
}

const rotateRight = (word, by) => (word >>> by) | (word << (32 - by));

function block(state, words) {
  for (let i = 16; i < 64; i += 1) {
    const [old, near] = [words[i - 15], words[i - 2]];
    words[i] = words[i - 16] + (rotateRight(old, 7) ^ rotateRight(old, 18) ^ (old >>> 3)) + words[i - 7] + (rotateRight(near, 17) ^ rotateRight(near, 19) ^ (near >>> 10));
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i += 1) {
    const first = (h + (rotateRight(e, 6) ^ rotateRight(e, 11) ^ rotateRight(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[i] + words[i]) | 0;
    const second = ((rotateRight(a, 2) ^ rotateRight(a, 13) ^ rotateRight(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] += word));
}

const GRAY_SAMPLES = 1024;

/**
 * Decode a file to upright sRGB.
 * @param {Uint8Array} bytes @param {string} name @param {number} most pixels
 * @returns {Promise<{width: number, height: number, rgba: Uint8ClampedArray}>}
 */
async function decodePicture(bytes, name, most) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([/** @type {any} */ (bytes)]), { premultiplyAlpha: "none" });
  } catch {
    throw new RequestError("bad_picture", `${name} cannot be read by this browser; save it as PNG or JPEG first.`);
  }
  const { width, height } = bitmap;
  if (width * height > most) {
    bitmap.close();
    throw new RequestError("too_large", `${name} has ${width} x ${height} pixels; at most ${Math.floor(most / 1e6)} million can be opened here.`);
  }
  const context = createContext(width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, rgba: context.getImageData(0, 0, width, height).data };
}

function createContext(width, height) {
  return new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
}

/** @returns {boolean} whether at most one pixel in a thousand is colored */
function isGray({ width, height, rgba }) {
  const [down, across] = [height, width].map((length) => Math.max(1, Math.ceil(length / GRAY_SAMPLES)));
  let [colored, count] = [0, 0];
  for (let y = 0; y < height; y += down) {
    for (let x = 0; x < width; x += across, count += 1) {
      const at = 4 * (y * width + x);
      const [r, g, b] = [rgba[at], rgba[at + 1], rgba[at + 2]];
      if (Math.max(r, g, b) - Math.min(r, g, b) > 3) colored += 1;
    }
  }
  return colored <= 0.001 * count;
}

/** @param {{width: number, height: number, rgba: Uint8ClampedArray}} pixels @param {[number, number][]} sizes @returns {Float32Array[]} lightness at these sizes */
function lightnessAtSizes({ width, height, rgba }, sizes) {
  const shrinkers = sizes.map((size) => new Downsampler([height, width], size));
  const row = new Float32Array(width);
  for (let y = 0; y < height; y += 1) {
    lightnessOf(rgba, y * width, row);
    for (const shrinker of shrinkers) shrinker.take(y, row);
  }
  return shrinkers.map((shrinker) => shrinker.done());
}

/** An opened photo; full-size pixels are not kept but decoded again when they are needed. */
class Photo {
  /** @type {Uint8Array} */ bytes;
  /** @type {string} */ name;
  /** @type {string} */ sha256;
  /** @type {{pixels: number, view: number}} */ limits;
  /** @type {number} */ width;
  /** @type {number} */ height;
  /** @type {number} */ network;
  /** @type {Map<number, any>} */ networkLightnesses;
  /** @type {[number, number]} */ viewSize;
  /** @type {[number, number]} */ dragSize;
  /** @type {any} */ source;
  /** @type {any} */ view;
  /** @type {boolean} */ colored;

  /** @param {Uint8Array} bytes @param {string} name @param {{pixels: number, view: number}} limits @param {number} network shorter side */
  static async open(bytes, name, limits, network) {
    const pixels = await decodePicture(bytes, name, limits.pixels);
    const { width, height } = pixels;
    const photo = new Photo();
    Object.assign(photo, { bytes, name, width, height, limits, network, sha256: await sha256(bytes), networkLightnesses: new Map() });
    photo.viewSize = fitSize(height, width, limits.view);
    photo.dragSize = fitSize(height, width, Math.floor((limits.view * 3) / 8));
    const shapes = [photo.viewSize, photo.dragSize, ...[network, Math.floor(network / 2)].map((size) => workingSize(height, width, size))];
    const [view, drag, ...small] = lightnessAtSizes(pixels, shapes);
    Object.assign(photo, { view, drag });
    small.forEach((map, i) => photo.networkLightnesses.set(i ? Math.floor(network / 2) : network, { lightness: map, size: shapes[i + 2] }));
    photo.colored = !isGray(pixels);
    photo.source = await viewOf(pixels, photo.viewSize);
    return photo;
  }

  /** @returns {[number, number]} height and width */
  get size() {
    return [this.height, this.width];
  }

  /** @param {number} size shorter side @returns {Promise<{lightness: Float32Array, size: [number, number]}>} lightness for the network */
  async networkLightness(size) {
    if (!this.networkLightnesses.has(size)) {
      const shape = workingSize(this.height, this.width, size);
      const [lightness] = lightnessAtSizes(await this.pixels(), [shape]);
      this.networkLightnesses.set(size, { lightness, size: shape });
    }
    return this.networkLightnesses.get(size);
  }

  pixels() {
    return decodePicture(this.bytes, this.name, this.limits.pixels);
  }

  /** @param {number} x @param {number} y in pixels of the photo @returns {number} index of the pixel of the preview */
  viewIndex(x, y) {
    const [rows, columns] = this.viewSize;
    const row = Math.min(Math.max(Math.trunc((y * rows) / this.height), 0), rows - 1);
    return row * columns + Math.min(Math.max(Math.trunc((x * columns) / this.width), 0), columns - 1);
  }

  /** @returns {number} lightness of the preview around a place */
  lightnessAround(x, y) {
    const place = this.viewIndex(x, y);
    const columns = this.viewSize[1];
    return lightnessAround((index) => this.view[index], this.viewSize, Math.floor(place / columns), place % columns);
  }
}

async function viewOf({ width, height, rgba }, [rows, columns]) {
  const small = await createImageBitmap(new ImageData(rgba, width, height), { resizeWidth: columns, resizeHeight: rows, resizeQuality: "high" });
  const context = createContext(columns, rows);
  context.drawImage(small, 0, 0);
  small.close();
  return context.getImageData(0, 0, columns, rows).data;
}

/** @param {number} width @param {number} height @returns {{buffer: Uint8Array, rgba: Uint8ClampedArray}} an opaque picture for a message, and its pixels */
function rawPicture(width, height) {
  const buffer = new Uint8Array(8 + 4 * width * height).fill(255);
  const head = new DataView(buffer.buffer);
  head.setUint32(0, width, true);
  head.setUint32(4, height, true);
  return { buffer, rgba: new Uint8ClampedArray(buffer.buffer, 8) };
}

/** @param {Uint8ClampedArray} rgba @param {[number, number]} size @returns {Uint8Array} */
function encodeRaw(rgba, [height, width]) {
  const { buffer } = rawPicture(width, height);
  buffer.set(rgba, 8);
  return buffer;
}

const RAW_RGBA = "image/x-rgba";

export { Photo, RAW_RGBA, createContext, decodePicture, encodeRaw, isGray, rawPicture };
