/**
 * Where the picture lies on the stage: zoom, pan and coordinates.
 *
 * @typedef {{scale: number, x: number, y: number}} View  CSS pixels per photo pixel; photo point at the stage's center
 * @typedef {{width: number, height: number}} Size
 */

import { clamp } from "./color.js";

const MARGIN = 20;
const MOST_ZOOM = 32;

/** @param {Size} photo @param {Size} stage @returns {number} the scale at which all of the photo shows */
function fitScale(photo, stage) {
  const free = (length) => Math.max(40, length - 2 * MARGIN);
  return Math.min(free(stage.width) / photo.width, free(stage.height) / photo.height, 8);
}

/** @param {Size} photo @param {Size} stage @returns {View} */
function fitView(photo, stage) {
  return { scale: fitScale(photo, stage), x: photo.width / 2, y: photo.height / 2 };
}

/** @param {View} view @param {Size} stage @param {number} x @param {number} y @returns {[number, number]} on the stage */
function toStage(view, stage, x, y) {
  return [stage.width / 2 + (x - view.x) * view.scale, stage.height / 2 + (y - view.y) * view.scale];
}

/** @param {View} view @param {Size} stage @param {number} x @param {number} y @returns {[number, number]} in the photo */
function toPhoto(view, stage, x, y) {
  return [view.x + (x - stage.width / 2) / view.scale, view.y + (y - stage.height / 2) / view.scale];
}

/** Keep some of the photo on the stage and the zoom sensible. @returns {View} */
function limitView(view, photo, stage) {
  const least = Math.min(fitScale(photo, stage), 1) / 2;
  const scale = clamp(view.scale, least, MOST_ZOOM);
  return { scale, x: clamp(view.x, 0, photo.width), y: clamp(view.y, 0, photo.height) };
}

/**
 * Zoom so that the photo point under the cursor stays there.
 * @param {View} view @param {Size} photo @param {Size} stage @param {number} factor @param {[number, number]} at on the stage
 * @returns {View}
 */
function zoomAt(view, photo, stage, factor, at) {
  const [x, y] = toPhoto(view, stage, ...at);
  const { scale } = limitView({ ...view, scale: view.scale * factor }, photo, stage);
  const moved = { scale, x: x - (at[0] - stage.width / 2) / scale, y: y - (at[1] - stage.height / 2) / scale };
  return limitView(moved, photo, stage);
}

/** @returns {View} */
function panBy(view, photo, stage, dx, dy) {
  return limitView({ ...view, x: view.x - dx / view.scale, y: view.y - dy / view.scale }, photo, stage);
}

/** Move as little as needed for a photo point to be seen. @returns {View} */
function reveal(view, photo, stage, x, y) {
  const [left, top] = toStage(view, stage, x, y);
  const dx = clamp(left, 30, Math.max(30, stage.width - 30)) - left;
  const dy = clamp(top, 30, Math.max(30, stage.height - 30)) - top;
  return dx || dy ? panBy(view, photo, stage, dx, dy) : view;
}

export { fitView, limitView, panBy, reveal, toPhoto, toStage, zoomAt };
