/**
 * Hints with an outline: areas painted with a class, and boxes around things. Geometry and the form in a recipe; drawing and
 * pointers are elsewhere.
 *
 * @typedef {[number, number]} Place  pixels of the photo
 * @typedef {{class: number, path: Place[]}} Area  later ones cover earlier ones
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 * @typedef {{kind: "area" | "box", index: number}} ShapePick
 * @typedef {{left?: boolean, top?: boolean, right?: boolean, bottom?: boolean}} Grip  sides of a box that are held
 */

import { clamp } from "./color.js";

const MOST_CORNERS = 200;
const LEAST_SIDE = 2;
const GROWTH = 1.25;

const tenth = (value) => Math.round(value * 10) / 10;

/** @param {Place[]} path @returns {Place[]} as exact as a recipe needs it */
const roundedPath = (path) => path.map(([x, y]) => [tenth(x), tenth(y)]);

/** @param {Place[]} path @returns {Box} */
function boundsOf(path) {
  const [xs, ys] = [0, 1].map((axis) => path.map((place) => place[axis]));
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { x, y, width: Math.max(...xs) - x, height: Math.max(...ys) - y };
}

/** @param {Place} one @param {Place} other @returns {Box} of whole pixels, so that no rounding puts a side outside the photo */
const boxBetween = (one, other) => boundsOf([one, other].map((place) => place.map(Math.round)));

/** @param {Box} box @returns {boolean} whether anyone could have meant it */
const isLarge = ({ width, height }) => width >= LEAST_SIDE && height >= LEAST_SIDE;

/**
 * The outline with few corners: as many as are `apart`, and never more than a recipe should hold.
 * @param {Place[]} path @param {number} apart pixels of the photo @returns {Place[]}
 */
function thinned(path, apart) {
  const kept = [path[0]];
  for (const place of path) if (distance(place, kept.at(-1)) >= apart) kept.push(place);
  if (kept.length > 3 && distance(kept[0], kept.at(-1)) < apart) kept.pop();
  return kept.length > MOST_CORNERS ? thinned(path, apart * GROWTH) : kept;
}

/** @param {Place} one @param {Place} other @returns {number} */
const distance = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]);

/** @param {Place[]} path @param {Place} place @returns {boolean} by crossings, as the areas are filled */
function encloses(path, [x, y]) {
  let inside = false;
  path.forEach(([x1, y1], index) => {
    const [x0, y0] = path.at(index - 1);
    if (y1 > y !== y0 > y && x < x1 + ((y - y1) / (y0 - y1)) * (x0 - x1)) inside = !inside;
  });
  return inside;
}

/** @param {Area[]} areas @param {Place} place @returns {number} the topmost one there, or -1 */
const areaAt = (areas, place) => areas.findLastIndex(({ path }) => encloses(path, place));

/** @param {Box[]} boxes @param {Place} place @returns {number} the smallest one around it, or -1 */
function boxAt(boxes, [x, y]) {
  let best = -1;
  boxes.forEach((box, index) => {
    const around = x >= box.x && y >= box.y && x <= box.x + box.width && y <= box.y + box.height;
    if (around && (best < 0 || box.width * box.height < boxes[best].width * boxes[best].height)) best = index;
  });
  return best;
}

/** @returns {[boolean, boolean]} whether the low or the high side is held; inside a small box there is room to move it */
function heldSides(value, low, high, reach) {
  const [fromLow, fromHigh] = [Math.abs(value - low), Math.abs(value - high)];
  const near = value > low && value < high ? Math.min(reach, (high - low) / 4) : reach;
  return [fromLow <= near && fromLow <= fromHigh, fromHigh <= near && fromHigh < fromLow];
}

/** @param {Box} box @param {Place} place @param {number} reach pixels of the photo @returns {Grip | null} the sides that lie there */
function gripAt(box, [x, y], reach) {
  const [right, bottom] = [box.x + box.width, box.y + box.height];
  if (x < box.x - reach || x > right + reach || y < box.y - reach || y > bottom + reach) return null;
  const [holdsLeft, holdsRight] = heldSides(x, box.x, right, reach);
  const [holdsTop, holdsBottom] = heldSides(y, box.y, bottom, reach);
  const grip = { left: holdsLeft, right: holdsRight, top: holdsTop, bottom: holdsBottom };
  return Object.values(grip).some(Boolean) ? grip : null;
}

/** @param {Box} box @param {Grip} grip @param {Place} place where the held sides go @returns {Box} */
function resized(box, grip, [x, y]) {
  const from = [grip.left ? x : box.x, grip.top ? y : box.y];
  const to = [grip.right ? x : box.x + box.width, grip.bottom ? y : box.y + box.height];
  return { ...box, ...boxBetween(from, to) };
}

/** As far inside the photo as asked for. @returns {[number, number]} the way that is left */
function allowed({ x, y, width, height }, dx, dy, photo) {
  return [clamp(dx, -x, photo.width - x - width), clamp(dy, -y, photo.height - y - height)];
}

/** @param {Box} box @param {number} dx @param {number} dy @param {{width: number, height: number}} photo @returns {Box} */
function movedBox(box, dx, dy, photo) {
  const [right, down] = allowed(box, dx, dy, photo);
  const [x, y] = [box.x + right, box.y + down];
  return { ...box, ...boxBetween([x, y], [x + box.width, y + box.height]) };
}

/** @param {Area} area @param {number} dx @param {number} dy @param {{width: number, height: number}} photo @returns {Area} */
function movedArea(area, dx, dy, photo) {
  const [right, down] = allowed(boundsOf(area.path), dx, dy, photo);
  return { ...area, path: roundedPath(area.path.map(([x, y]) => [x + right, y + down])) };
}

/** @param {any} entry @param {number} index @returns {Area} @throws {Error} a message for people */
function readArea(entry, index) {
  const { path } = entry ?? {};
  const ok = Number.isInteger(entry?.class) && Array.isArray(path) && path.length >= 3 && path.every((at) => at.length === 2 && at.every(Number.isFinite));
  if (!ok) throw new Error(`Painted area ${index + 1} of this recipe needs a class and a path of at least three [x, y] pairs.`);
  return entry;
}

/** @param {any} entry @param {number} index @returns {Box} @throws {Error} a message for people */
function readBox(entry, index) {
  const ok = ["x", "y", "width", "height"].every((name) => Number.isFinite(entry?.[name]));
  if (!ok) throw new Error(`Box ${index + 1} of this recipe needs x, y, width and height.`);
  return entry;
}

export {
  areaAt, boundsOf, boxAt, boxBetween, distance, gripAt, isLarge, movedArea, movedBox, readArea, readBox, resized, roundedPath, thinned,
};
