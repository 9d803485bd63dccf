/** Brush strokes: points with the same number are one object, in the picture, in the list and for every edit. */

/** @param {import("./document.js").Doc} doc @param {import("./document.js").Point} point @returns {import("./document.js").Point[]} all points of its stroke, or itself */
function strokeMates(doc, point) {
  return point.stroke ? doc.points.filter(({ stroke }) => stroke === point.stroke) : [point];
}

/** @param {import("./document.js").Doc} doc @returns {import("./document.js").Point[]} one for each object of the list: points, and the first of each stroke */
function hintObjects(doc) {
  const seen = new Set();
  return doc.points.filter(({ stroke }) => !stroke || (!seen.has(stroke) && seen.add(stroke)));
}

/** @param {import("./document.js").Doc} doc @param {import("./document.js").Point} point @returns {import("./document.js").Point} that stands for it in the list */
const hintObject = (doc, point) => strokeMates(doc, point)[0];

/** @param {import("./document.js").Doc} doc @param {import("./document.js").Point} point @returns {number} its place in the list, from 1 */
const hintNumber = (doc, point) => hintObjects(doc).indexOf(hintObject(doc, point)) + 1;

/** @param {import("./document.js").Doc} doc @param {import("./document.js").Point} point @returns {boolean} whether it is one of several of a stroke */
const isStroke = (doc, point) => strokeMates(doc, point).length > 1;

/** @param {import("./document.js").Doc} doc @returns {number} a number that no stroke has */
const nextStroke = (doc) => doc.points.reduce((most, { stroke }) => Math.max(most, stroke ?? 0), 0) + 1;

/**
 * How far a point with its stroke may go, and all stay in the photo.
 * @param {import("./document.js").Point[]} mates @param {number} dx @param {number} dy @param {{width: number, height: number}} photo @returns {[number, number]}
 */
function strokeWay(mates, dx, dy, { width, height }) {
  const within = (way, places, most) => Math.min(Math.max(way, -Math.min(...places)), most - Math.max(...places));
  return [within(dx, mates.map(({ x }) => x), width), within(dy, mates.map(({ y }) => y), height)];
}

export { hintNumber, hintObject, hintObjects, isStroke, nextStroke, strokeMates, strokeWay };
