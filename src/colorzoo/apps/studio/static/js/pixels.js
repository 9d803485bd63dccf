/**
 * Images in the browser: decoding, reading single pixels, the lightness at a place.
 *
 * @typedef {{bitmap: ImageBitmap, width: number, height: number}} Layer
 */

import { clamp, rgbToLab } from "./color.js";
import { createCanvas } from "./dom.js";
import { lightnessAround } from "./surroundings.js";

const LIGHTNESS_OF_GRAY = Array.from({ length: 256 }, (_, level) => rgbToLab([level, level, level])[0]);

export async function decodeLayer(bytes, mime = "image/jpeg") {
  const bitmap = await createImageBitmap(new Blob([/** @type {any} */ (bytes)], { type: mime }));
  return { bitmap, width: bitmap.width, height: bitmap.height };
}

const CHECK = 8; // pixels of the preview

/** Create a checkerboard that covers the transparent parts of an image. @param {Layer} alpha its opacity as levels of gray */
export function checkerboard(alpha) {
  const cover = createCanvas(alpha.width, alpha.height);
  const context = cover.getContext("2d");
  context.drawImage(alpha.bitmap, 0, 0);
  const image = context.getImageData(0, 0, alpha.width, alpha.height);
  for (let i = 0; i < image.data.length; i += 4) {
    const [x, y] = [(i / 4) % alpha.width, Math.floor(i / 4 / alpha.width)];
    const level = (Math.floor(x / CHECK) + Math.floor(y / CHECK)) % 2 ? 204 : 255;
    image.data.set([level, level, level, 255 - image.data[i]], i);
  }
  context.putImageData(image, 0, 0);
  return cover;
}

export class LightnessMap {
  constructor(layer) {
    const context = createCanvas(layer.width, layer.height).getContext("2d", { willReadFrequently: true });
    context.drawImage(layer.bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, layer.width, layer.height);
    this.levels = new Uint8Array(layer.width * layer.height);
    for (let i = 0; i < this.levels.length; i += 1) this.levels[i] = data[4 * i + 1];
    this.width = layer.width;
    this.height = layer.height;
    /** @type {Map<number, number>} what `around` has found, by the index of the pixel */
    this.known = new Map();
  }

  at(u, v) {
    const [row, column] = this.#pixel(u, v);
    return LIGHTNESS_OF_GRAY[this.levels[row * this.width + column]];
  }

  around(u, v) {
    const [row, column] = this.#pixel(u, v);
    const place = row * this.width + column;
    if (!this.known.has(place)) {
      this.known.set(place, lightnessAround((index) => LIGHTNESS_OF_GRAY[this.levels[index]], [this.height, this.width], row, column));
    }
    return this.known.get(place);
  }

  #pixel(u, v) {
    return [clamp(Math.floor(v * this.height), 0, this.height - 1), clamp(Math.floor(u * this.width), 0, this.width - 1)];
  }
}

const probeCanvas = createCanvas(3, 3);

/** @param {Layer} layer @param {number} u @param {number} v @returns {[number, number, number]} mean of 3 x 3 pixels */
export function pixelAt(layer, u, v) {
  const context = probeCanvas.getContext("2d", { willReadFrequently: true });
  const x = clamp(Math.floor(u * layer.width) - 1, 0, Math.max(0, layer.width - 3));
  const y = clamp(Math.floor(v * layer.height) - 1, 0, Math.max(0, layer.height - 3));
  const [w, h] = [Math.min(3, layer.width), Math.min(3, layer.height)];
  context.drawImage(layer.bitmap, x, y, w, h, 0, 0, w, h);
  const { data } = context.getImageData(0, 0, w, h);
  const mean = (channel) => {
    let sum = 0;
    for (let i = channel; i < data.length; i += 4) sum += data[i];
    return sum / (w * h);
  };
  return [mean(0), mean(1), mean(2)];
}

export async function thumbnailOf(layer, side = 160) {
  const scale = Math.min(1, side / Math.max(layer.width, layer.height));
  const canvas = createCanvas(Math.max(1, Math.round(layer.width * scale)), Math.max(1, Math.round(layer.height * scale)));
  canvas.getContext("2d").drawImage(layer.bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
}

const CLASS_HUES = 24;

/** @param {number} number of a class @returns {string} a color that differs from those of adjacent numbers */
export function classColor(number) {
  const index = number % CLASS_HUES;
  return `hsl(${((index * 137.5) % 360).toFixed(0)} 65% ${index % 2 ? 62 : 46}%)`;
}

export function classCanvas(labels, width, height) {
  const canvas = createCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const palette = Array.from({ length: CLASS_HUES }, (_, index) => cssRgb(classColor(index)));
  for (let i = 0; i < labels.length; i += 1) image.data.set([...palette[labels[i] % CLASS_HUES], 120], 4 * i);
  context.putImageData(image, 0, 0);
  return canvas;
}

function cssRgb(color) {
  const context = probeCanvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}
