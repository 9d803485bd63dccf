/** A photo in the worker: its file as it came, and the small maps that every edit needs. */

import { sha256 } from "./hash.js";
import { lumaOf } from "./light.js";
import { Shrinker, fitSize, workingSize } from "./resample.js";

const GRAY_SAMPLES = 1024;

/** Something to be told in one line. */
class Trouble extends Error {
  /** @param {string} code of the protocol @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/**
 * Decode a file: upright, in sRGB.
 * @param {Uint8Array} bytes @param {string} name @param {number} most pixels
 * @returns {Promise<{width: number, height: number, rgba: Uint8ClampedArray}>}
 */
async function decodePicture(bytes, name, most) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([bytes]), { premultiplyAlpha: "none" });
  } catch {
    throw new Trouble("bad_picture", `${name} cannot be read by this browser; save it as PNG or JPEG first.`);
  }
  const { width, height } = bitmap;
  if (width * height > most) {
    bitmap.close();
    throw new Trouble("too_large", `${name} has ${width} x ${height} pixels; at most ${Math.floor(most / 1e6)} million can be opened here.`);
  }
  const context = contextOf(width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { width, height, rgba: context.getImageData(0, 0, width, height).data };
}

function contextOf(width, height) {
  return new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
}

/** @returns {boolean} whether all but one pixel in a thousand have channels near each other */
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
function lumaAtSizes({ width, height, rgba }, sizes) {
  const shrinkers = sizes.map((size) => new Shrinker([height, width], size));
  const row = new Float32Array(width);
  for (let y = 0; y < height; y += 1) {
    lumaOf(rgba, y * width, row);
    for (const shrinker of shrinkers) shrinker.take(y, row);
  }
  return shrinkers.map((shrinker) => shrinker.done());
}

/** An opened photo; pixels at full size are not kept but decoded again where they are needed. */
class Photo {
  /** @param {Uint8Array} bytes @param {string} name @param {{pixels: number, view: number}} limits @param {number} network shorter side */
  static async open(bytes, name, limits, network) {
    const pixels = await decodePicture(bytes, name, limits.pixels);
    const { width, height } = pixels;
    const photo = new Photo();
    Object.assign(photo, { bytes, name, width, height, limits, network, sha256: await sha256(bytes), seen: new Map() });
    photo.viewSize = fitSize(height, width, limits.view);
    photo.dragSize = fitSize(height, width, Math.floor((limits.view * 3) / 8));
    const shapes = [photo.viewSize, photo.dragSize, ...[network, Math.floor(network / 2)].map((size) => workingSize(height, width, size))];
    const [view, drag, ...small] = lumaAtSizes(pixels, shapes);
    Object.assign(photo, { view, drag });
    small.forEach((map, i) => photo.seen.set(i ? Math.floor(network / 2) : network, { luma: map, size: shapes[i + 2] }));
    photo.colored = !isGray(pixels);
    photo.source = await viewOf(pixels, photo.viewSize);
    return photo;
  }

  /** @returns {[number, number]} height and width */
  get size() {
    return [this.height, this.width];
  }

  /** @param {number} size shorter side @returns {Promise<{luma: Float32Array, size: [number, number]}>} what a network sees of it */
  async seenAt(size) {
    if (!this.seen.has(size)) {
      const shape = workingSize(this.height, this.width, size);
      const [luma] = lumaAtSizes(await this.pixels(), [shape]);
      this.seen.set(size, { luma, size: shape });
    }
    return this.seen.get(size);
  }

  pixels() {
    return decodePicture(this.bytes, this.name, this.limits.pixels);
  }

  /** @param {number} x @param {number} y in its pixels @returns {number} pixel of the view there */
  viewIndex(x, y) {
    const [rows, columns] = this.viewSize;
    const row = Math.min(Math.max(Math.trunc((y * rows) / this.height), 0), rows - 1);
    return row * columns + Math.min(Math.max(Math.trunc((x * columns) / this.width), 0), columns - 1);
  }

  /** @returns {number} lightness there, as the view shows it */
  lumaAt(x, y) {
    return this.view[this.viewIndex(x, y)];
  }
}

async function viewOf({ width, height, rgba }, [rows, columns]) {
  const small = await createImageBitmap(new ImageData(rgba, width, height), { resizeWidth: columns, resizeHeight: rows, resizeQuality: "high" });
  const context = contextOf(columns, rows);
  context.drawImage(small, 0, 0);
  small.close();
  return context.getImageData(0, 0, columns, rows).data;
}

/** @param {number} width @param {number} height @returns {{buffer: Uint8Array, rgba: Uint8ClampedArray}} a message's picture and its pixels, opaque */
function plainPicture(width, height) {
  const buffer = new Uint8Array(8 + 4 * width * height).fill(255);
  const head = new DataView(buffer.buffer);
  head.setUint32(0, width, true);
  head.setUint32(4, height, true);
  return { buffer, rgba: new Uint8ClampedArray(buffer.buffer, 8) };
}

/** @param {Uint8ClampedArray} rgba @param {[number, number]} size @returns {Uint8Array} */
function asMessage(rgba, [height, width]) {
  const { buffer } = plainPicture(width, height);
  buffer.set(rgba, 8);
  return buffer;
}

const PLAIN = "image/x-rgba";

export { PLAIN, Photo, Trouble, asMessage, contextOf, decodePicture, isGray, plainPicture };
