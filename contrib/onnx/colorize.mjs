// Colorize an image with an ONNX file of a colorzoo release, in Node.js 20 or later.
//   npm install onnxruntime-node       (or onnxruntime-web; in a browser, read the pixels from a canvas)
//   node colorize.mjs colorzoo2026.onnx old.ppm new.ppm
// The program reads and writes PPM files (P6, 8 bits): magick old.jpg old.ppm
import { readFile, writeFile } from "node:fs/promises";

const ort = await import("onnxruntime-node").catch(() => import("onnxruntime-web"));
const SHORTER_SIDE = 256; // of the network input
const Y = [0.2126729, 0.7151522, 0.072175];
const WHITE = [0.95047, 1, 1.08883]; // D65
const TO_RGB = [[3.2404542, -1.5371385, -0.4985314], [-0.969266, 1.8760108, 0.041556], [0.0556434, -0.2040259, 1.0572252]];

const clip = (value) => Math.min(1, Math.max(0, value));
const decode = (value) => (value > 0.04045 ? ((value + 0.055) / 1.055) ** 2.4 : value / 12.92);
const encode = (value) => (value > 0.0031308 ? 1.055 * value ** (1 / 2.4) - 0.055 : 12.92 * value);
const dot = (row, values) => row[0] * values[0] + row[1] * values[1] + row[2] * values[2];

function lightness(rgb) { // L in [0, 100] of sRGB in [0, 1]
  const y = dot(Y, rgb.map(decode));
  return 116 * (y > 0.008856 ? Math.cbrt(y) : 7.787 * y + 16 / 116) - 16;
}

function labToRgb(l, a, b) {
  const y = (l + 16) / 116;
  const xyz = [y + a / 500, y, y - b / 200].map(
    (root, i) => WHITE[i] * (root > 0.206893 ? root ** 3 : (root - 16 / 116) / 7.787));
  return TO_RGB.map((row) => encode(clip(dot(row, xyz))));
}

function shrink(plane, width, height, w, h) { // mean of the pixels that each new pixel covers
  const out = new Float32Array(w * h);
  for (let i = 0; i < h; i++) for (let j = 0; j < w; j++) {
    // the first pixel is rounded as in the box filter of Pillow
    const top = Math.round((i * height) / h), bottom = Math.max(top + 1, Math.round(((i + 1) * height) / h));
    const left = Math.round((j * width) / w), right = Math.max(left + 1, Math.round(((j + 1) * width) / w));
    let sum = 0;
    for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += plane[y * width + x];
    out[i * w + j] = sum / ((bottom - top) * (right - left));
  }
  return out;
}

function sample(plane, w, h, x, y, width, height) { // bilinear interpolation
  const u = Math.min(w - 1, Math.max(0, ((x + 0.5) * w) / width - 0.5));
  const v = Math.min(h - 1, Math.max(0, ((y + 0.5) * h) / height - 0.5));
  const x0 = Math.floor(u), y0 = Math.floor(v), x1 = Math.min(w - 1, x0 + 1), y1 = Math.min(h - 1, y0 + 1);
  const top = plane[y0 * w + x0] * (1 - u + x0) + plane[y0 * w + x1] * (u - x0);
  const bottom = plane[y1 * w + x0] * (1 - u + x0) + plane[y1 * w + x1] * (u - x0);
  return top * (1 - v + y0) + bottom * (v - y0);
}

const [model, source, target] = process.argv.slice(2);
if (!target) throw new Error("usage: node colorize.mjs MODEL.onnx OLD.ppm NEW.ppm");
const file = await readFile(source);
const header = /^P6\s(?:#.*\n)*(\d+)\s+(\d+)\s+255\s/.exec(file.subarray(0, 200).toString("latin1"));
if (!header) throw new Error(`${source} is not a PPM file (P6, 8 bits)`);
const [width, height] = [Number(header[1]), Number(header[2])];
const pixels = file.subarray(header[0].length);
const count = width * height;

const session = await ort.InferenceSession.create(new Uint8Array(await readFile(model)));
const isDrawing = session.outputNames[0] === "rgb";
const full = new Float32Array(count);
for (let i = 0; i < count; i++) {
  const rgb = [pixels[3 * i] / 255, pixels[3 * i + 1] / 255, pixels[3 * i + 2] / 255];
  full[i] = isDrawing ? dot(Y, rgb) : lightness(rgb); // drawings: brightness in [0, 1]
}
const scale = Math.min(1, SHORTER_SIDE / Math.min(width, height));
const w = Math.max(1, Math.round(width * scale)), h = Math.max(1, Math.round(height * scale));
const networkInput = shrink(full, width, height, w, h);

// missing guidance, such as no color points: zeros, or a saturation of -1
const feeds = {};
for (const each of session.inputMetadata) {
  const shape = each.shape.map((known, i) => (typeof known === "number" && known > 0 ? known : [1, 1, h, w][i]));
  const size = shape.reduce((product, side) => product * side);
  const missing = new Float32Array(size).fill(each.name === "statistics_saturation" ? -1 : 0);
  feeds[each.name] = new ort.Tensor("float32", each.name === "lightness" ? networkInput : missing, shape);
}
const colors = (await session.run(feeds))[session.outputNames[0]].data;
const plane = (channel) => colors.subarray(channel * w * h, (channel + 1) * w * h);

const result = Buffer.alloc(3 * count);
for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
  const i = y * width + x;
  const at = (values) => sample(values, w, h, x, y, width, height);
  // the lines of a drawing have the full resolution, the colors between them do not
  const rgb = isDrawing
    ? [0, 1, 2].map((channel) => (at(plane(channel)) * full[i]) / Math.max(at(networkInput), 0.1))
    : labToRgb(full[i], at(plane(0)), at(plane(1)));
  for (let channel = 0; channel < 3; channel++) result[3 * i + channel] = Math.round(255 * clip(rgb[channel]));
}
await writeFile(target, Buffer.concat([Buffer.from(`P6\n${width} ${height}\n255\n`), result]));
