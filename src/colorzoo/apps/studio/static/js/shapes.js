/**
 * Outlines and masks of a recipe: boxes around objects, and areas. Geometry and file format only.
 *
 * @typedef {[number, number]} Place  pixels of the photo
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 * @typedef {Box & {angle?: number}} Crop  as in the recipe: whole pixels of the photo, and the clockwise rotation about the center in degrees
 * @typedef {{left?: boolean, top?: boolean, right?: boolean, bottom?: boolean}} Grip  dragged sides of a box
 * @typedef {{width: number, height: number, runs: string}} AreaMask  run lengths of pixels outside and inside in turn, row by row
 * @typedef {{action: "color" | "lock" | "gray" | "only" | "thing", mask?: AreaMask, path?: Place[], color?: string,
 *   lightness?: "color", opacity?: number, feather?: number, hidden?: boolean, kept?: object, made?: {by: string, name?: string}}} Area  as in the recipe
 * @typedef {{width: number, height: number, bits: Uint8Array}} AreaBits
 */

import { clamp } from "./color.js";
import { damagedFile } from "./damage.js";
import { createCanvas } from "./dom.js";
import { maskOutline } from "./outlines.js";

const MAX_CORNERS = 200;
const MIN_SIDE = 2;
const GROWTH = 1.25;

const roundToTenth = (value) => Math.round(value * 10) / 10;

/** @param {Place[]} path @returns {Place[]} with the precision of a recipe */
export const roundedPath = (path) => path.map(([x, y]) => [roundToTenth(x), roundToTenth(y)]);

/** @param {Place[]} path @returns {Box} */
export function boundsOf(path) {
  const [xs, ys] = [0, 1].map((axis) => path.map((place) => place[axis]));
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

/** @param {Place} one @param {Place} other @returns {Box} in whole pixels, so that rounding cannot move a side outside the photo */
export const boxBetween = (one, other) => boundsOf([one, other].map(([x, y]) => /** @type {Place} */ ([Math.round(x), Math.round(y)])));

export const isLargeEnough = ({ width, height }) => width >= MIN_SIDE && height >= MIN_SIDE;

/** Simplify an outline: corners are at least `apart` from each other, and at most 200 remain. @param {Place[]} path @param {number} apart pixels of the photo @returns {Place[]} */
export function simplified(path, apart) {
  const kept = [path[0]];
  for (const place of path) if (distance(place, kept.at(-1)) >= apart) kept.push(place);
  if (kept.length > 3 && distance(kept[0], kept.at(-1)) < apart) kept.pop();
  return kept.length > MAX_CORNERS ? simplified(path, apart * GROWTH) : kept;
}

/** @param {Place} one @param {Place} other @returns {number} */
export const distance = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]);

/** @param {Box[]} boxes @param {Place} place @returns {number} index of the smallest box that contains the position, or -1 */
export function boxAt(boxes, [x, y]) {
  let best = -1;
  boxes.forEach((box, index) => {
    const around = x >= box.x && y >= box.y && x <= box.x + box.width && y <= box.y + box.height;
    if (around && (best < 0 || box.width * box.height < boxes[best].width * boxes[best].height)) best = index;
  });
  return best;
}

/** @returns {[boolean, boolean]} whether the low or high side is near; the inside of a small box remains draggable */
function heldSides(value, low, high, reach) {
  const [fromLow, fromHigh] = [Math.abs(value - low), Math.abs(value - high)];
  const near = value > low && value < high ? Math.min(reach, (high - low) / 4) : reach;
  return [fromLow <= near && fromLow <= fromHigh, fromHigh <= near && fromHigh < fromLow];
}

/** @param {Box} box @param {Place} place @param {number} reach pixels of the photo @returns {Grip | null} sides near the place */
export function gripAt(box, [x, y], reach) {
  const [right, bottom] = [box.x + box.width, box.y + box.height];
  if (x < box.x - reach || x > right + reach || y < box.y - reach || y > bottom + reach) return null;
  const [holdsLeft, holdsRight] = heldSides(x, box.x, right, reach);
  const [holdsTop, holdsBottom] = heldSides(y, box.y, bottom, reach);
  const grip = { left: holdsLeft, right: holdsRight, top: holdsTop, bottom: holdsBottom };
  return Object.values(grip).some(Boolean) ? grip : null;
}

/** @param {Box} box @param {Grip} grip @param {Place} place new place of the dragged sides @returns {Box} */
export function resized(box, grip, [x, y]) {
  const [left, top] = [grip.left ? x : box.x, grip.top ? y : box.y];
  const [right, bottom] = [grip.right ? x : box.x + box.width, grip.bottom ? y : box.y + box.height];
  return { ...box, ...boxBetween([left, top], [right, bottom]) };
}

export function movedBox(box, dx, dy, photo) {
  const [x, y] = [box.x + clamp(dx, -box.x, photo.width - box.x - box.width), box.y + clamp(dy, -box.y, photo.height - box.y - box.height)];
  return { ...box, ...boxBetween([x, y], [x + box.width, y + box.height]) };
}

/** @param {any} entry @param {number} index @returns {Box} @throws {Error} with a message for the user */
export function readBox(entry, index) {
  const ok = ["x", "y", "width", "height"].every((name) => Number.isFinite(entry?.[name]));
  if (!ok) throw damagedFile(`object box ${index + 1}`);
  return entry;
}

export const AREA_ACTIONS = ["color", "lock", "gray", "only", "thing"];
const OUTLINE_SIDE = 256; // pixels of the shorter side at which outlines are rasterized
const bitsCache = new WeakMap();
const imageCache = new WeakMap();

function decodeMask({ width, height, runs }) {
  const bits = new Uint8Array(width * height);
  let at = 0;
  runs.split(" ").forEach((run, index) => {
    const end = at + Number(run);
    if (index % 2) bits.fill(1, at, end);
    at = end;
  });
  return { width, height, bits };
}

function encodeMask({ width, height, bits }) {
  const runs = [];
  let [value, count] = [0, 0];
  for (const bit of bits) {
    if (bit !== value) {
      runs.push(count);
      [value, count] = [bit, 0];
    }
    count += 1;
  }
  runs.push(count);
  return { width, height, runs: runs.join(" ") };
}

/** @param {Place[]} path @param {number} size diameter in pixels of the photo @param {any} photo @param {any} like size of the mask @returns {AreaMask} */
export function strokeMask(path, size, photo, { width, height }) {
  const context = createCanvas(width, height).getContext("2d");
  Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: Math.max(1, (size * width) / photo.width) });
  traceStroke(context, path, (x, y) => [(x * width) / photo.width, (y * height) / photo.height]);
  context.stroke();
  return encodeMask({ width, height, bits: opaqueBits(context, width, height) });
}

/** Trace a brush stroke; a single place becomes a dot. @param {any} context @param {Place[]} path @param {(x: number, y: number) => Place} toStage */
export function traceStroke(context, path, toStage) {
  context.beginPath();
  for (const [x, y] of path) context.lineTo(...toStage(x, y));
  if (path.length === 1) context.lineTo(...toStage(path[0][0] + 0.01, path[0][1]));
}

function opaqueBits(context, width, height) {
  const { data } = context.getImageData(0, 0, width, height);
  return Uint8Array.from({ length: width * height }, (_, i) => (data[4 * i + 3] > 127 ? 1 : 0));
}

/** @param {{width: number, height: number}} photo @returns {{width: number, height: number}} size of a mask drawn in the pad */
export function drawnMaskSize(photo) {
  const scale = Math.min(1, OUTLINE_SIDE / Math.min(photo.width, photo.height));
  const [width, height] = [photo.width, photo.height].map((side) => Math.max(1, Math.round(side * scale)));
  return { width, height };
}

export const areaMask = (area, photo) => area.mask ?? encodeMask(areaBits(area, photo));

export const maskShare = ({ width, height, runs }) => runs.split(" ").reduce((sum, run, index) => sum + (index % 2) * Number(run), 0) / (width * height);

export const isEmptyMask = (mask) => !mask.runs.includes(" ");

export function combinedMasks(one, other, less) {
  const [mine, theirs] = [decodeMask(one), decodeMask(other)];
  const [across, down] = [theirs.width / mine.width, theirs.height / mine.height]; // sizes differ after the border was moved
  const bits = mine.bits.map((bit, index) => {
    const [x, y] = [index % mine.width, Math.floor(index / mine.width)];
    const there = theirs.bits[Math.floor((y + 0.5) * down) * theirs.width + Math.floor((x + 0.5) * across)];
    return less ? bit & (1 - there) : bit | there;
  });
  return encodeMask({ ...mine, bits });
}

/** @param {Area} area immutable, so that its bits are cached @param {{width: number, height: number}} photo @returns {AreaBits} */
function areaBits(area, photo) {
  let bits = bitsCache.get(area);
  if (!bits) {
    bits = area.mask ? decodeMask(area.mask) : pathBits(area.path, photo);
    bitsCache.set(area, bits);
  }
  return bits;
}

function pathBits(path, photo) {
  const { width, height } = drawnMaskSize(photo);
  const context = createCanvas(width, height).getContext("2d");
  context.beginPath();
  for (const [x, y] of path) context.lineTo((x * width) / photo.width, (y * height) / photo.height);
  context.fill("evenodd");
  return { width, height, bits: opaqueBits(context, width, height) };
}

/** @param {Area[]} areas @param {{width: number, height: number}} photo @param {Place} place @returns {number} index of the topmost area at the position, or -1 */
export function areaAt(areas, photo, [x, y]) {
  return areas.findLastIndex((area) => {
    const { width, height, bits } = areaBits(area, photo);
    const [column, row] = [Math.floor((x / photo.width) * width), Math.floor((y / photo.height) * height)];
    return column >= 0 && row >= 0 && column < width && row < height && bits[row * width + column] === 1;
  });
}

/** @param {Area} area @param {any} photo @returns {Place} inside of the area near its center of mass, for its label and its initial color */
export function areaCenter(area, photo) {
  const { width, height, bits } = areaBits(area, photo);
  let [sumX, sumY, count] = [0, 0, 0];
  bits.forEach((bit, index) => {
    if (!bit) return;
    sumX += index % width;
    sumY += Math.floor(index / width);
    count += 1;
  });
  const middle = count ? [sumX / count, sumY / count] : [width / 2, height / 2];
  let [best, least] = [middle, Infinity];
  bits.forEach((bit, index) => {
    const [x, y] = [index % width, Math.floor(index / width)];
    const away = (x - middle[0]) ** 2 + (y - middle[1]) ** 2;
    if (bit && away < least) [best, least] = [[x, y], away];
  });
  return [((best[0] + 0.5) / width) * photo.width, ((best[1] + 0.5) / height) * photo.height];
}

/** @param {Area} area @param {{width: number, height: number}} photo @returns {[number, number, number, number]} left, top, right and bottom of an area */
export function areaBounds(area, photo) {
  const { width, height, bits } = areaBits(area, photo);
  let [left, top, right, bottom] = [width, height, 0, 0];
  bits.forEach((bit, index) => {
    if (!bit) return;
    const [x, y] = [index % width, Math.floor(index / width)];
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
  });
  const [across, down] = [photo.width / width, photo.height / height];
  return right > left ? [left * across, top * down, right * across, bottom * down] : [0, 0, photo.width, photo.height];
}

export function areaLightness(area, photo) {
  const { width, height, bits } = areaBits(area, photo);
  const lightnesses = [];
  bits.forEach((bit, index) => {
    if (bit) lightnesses.push(photo.lightness.at(((index % width) + 0.5) / width, (Math.floor(index / width) + 0.5) / height));
  });
  return lightnesses.sort((one, other) => one - other)[lightnesses.length >> 1] ?? 50;
}

export const followsColor = (area) => area.lightness === "color";

/** @param {Area} area @param {any} photo @returns {{outline: Path2D, tint: HTMLCanvasElement}} outline in pixels of the canvas, which is scaled to the photo */
export function areaImage(area, photo) {
  let image = imageCache.get(area);
  if (!image) {
    const bits = areaBits(area, photo);
    const [left, top, right, bottom] = areaBounds(area, photo);
    const [across, down] = [bits.width / photo.width, bits.height / photo.height];
    image = { outline: maskOutline(bits, [Math.floor(left * across), Math.floor(top * down), Math.ceil(right * across), Math.ceil(bottom * down)]), tint: tintCanvas(bits) };
    imageCache.set(area, image);
  }
  return image;
}

/** Fill an area with a color. @param {CanvasRenderingContext2D} context @param {Area} area @param {any} photo @param {number} scale of the photo @param {string} color */
export function fillArea(context, area, photo, scale, color) {
  const { outline, tint } = areaImage(area, photo);
  context.save();
  context.scale((photo.width * scale) / tint.width, (photo.height * scale) / tint.height);
  context.fillStyle = color;
  context.fill(outline, "evenodd");
  context.restore();
}

const TINT = [26, 109, 255, 64]; // 25 % blue

function tintCanvas({ width, height, bits }) {
  const canvas = createCanvas(width, height);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < bits.length; i += 1) if (bits[i]) image.data.set(TINT, 4 * i);
  context.putImageData(image, 0, 0);
  return canvas;
}

/** @param {any} entry @param {number} index @returns {Area} @throws {Error} with a message for the user */
export function readArea(entry, index) {
  const { mask, path } = entry ?? {};
  const placed = Array.isArray(path) ? path.length >= 3 && path.every((at) => at.length === 2 && at.every(Number.isFinite)) : isMask(mask);
  if (!AREA_ACTIONS.includes(entry?.action) || !placed) throw damagedFile(`area ${index + 1}`);
  return entry;
}

function isMask(mask) {
  if (!Number.isInteger(mask?.width) || !Number.isInteger(mask?.height) || !/^[0-9 ]+$/.test(mask?.runs ?? "")) return false;
  const count = mask.runs.split(" ").reduce((sum, run) => sum + Number(run), 0);
  return mask.width > 0 && count === mask.width * mask.height && count <= 4096 * 4096;
}

/** Turn a place about the origin. @param {Place} place @param {number} degrees clockwise @returns {Place} */
export function turned([x, y], degrees) {
  if (!degrees) return [x, y];
  const [sine, cosine] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
  return [x * cosine - y * sine, x * sine + y * cosine];
}

/** Turn a place about the center of a box. @param {Box} box @param {Place} place @param {number} degrees clockwise @returns {Place} */
export function turnedPlace(box, [x, y], degrees) {
  if (!degrees) return [x, y];
  const [middle, center] = [box.x + box.width / 2, box.y + box.height / 2];
  const [right, below] = turned([x - middle, y - center], degrees);
  return [middle + right, center + below];
}

/** @param {Box} box @param {number} degrees clockwise @returns {Place[]} corners after the rotation, clockwise from the upper left corner */
export function turnedCorners(box, degrees) {
  const { x, y, width, height } = box;
  const corners = /** @type {Place[]} */ ([[x, y], [x + width, y], [x + width, y + height], [x, y + height]]);
  return corners.map((corner) => turnedPlace(box, corner, degrees));
}

/** Add a polygon to the current path. @param {Place[]} corners on the stage */
export function tracePolygon(context, corners) {
  corners.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
}

/** Stroke the current path several times. @param {[string, number][]} strokes colors and widths, from bottom to top */
export function strokePath(context, strokes) {
  for (const [style, width] of strokes) {
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
}
