/** Checks of the entries of a recipe, as in colorzoo.guidance.fields. */

import { turnedCorners } from "../js/shapes.js";

const MAX_REACH = 10;
const LEAST_CROP = 8; // pixels
const MOST_TURNED = 45; // degrees
const CROP_SLACK = 1e-6; // pixels that rounding may put a corner outside

/** An error of a request, with a message for the user. */
class RequestError extends Error {
  /** @param {string} code of the protocol @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {string} message without its last period @returns {RequestError} */
const invalid = (message) => new RequestError("bad_recipe", `${message}.`);

/** @param {any} value @param {string} name of the field in errors @param {number} low @param {number} high */
function checkNumber(value, name, low, high) {
  if (typeof value !== "number" || !Number.isFinite(value) || value < low || value > high) throw invalid(`${name} must be a number from ${low} to ${high}, got ${JSON.stringify(value)}`);
}

/** @param {any} value @param {string} name of the field in errors */
function checkColor(value, name) {
  if (typeof value !== "string" || !/^#[0-9a-f]{6}$/i.test(value)) throw invalid(`${name} must be '#rrggbb', got ${JSON.stringify(value)}`);
}

/** @param {any} path @param {string} name of the field in errors @param {number} least corners */
function checkPath(path, name, least) {
  if (!Array.isArray(path) || !path.length) throw invalid(`${name} must be a list of places`);
  if (path.length < least) throw invalid(`${name} needs at least ${least} corners, got ${path.length}`);
  for (const corner of path) for (const axis of [0, 1]) checkNumber(corner?.[axis], name, -Infinity, Infinity);
}

/** @param {any} reach of a color @param {string} name of the field in errors */
function checkReach(reach, name) {
  if (reach !== undefined && reach !== null && !["automatic", "everywhere"].includes(reach)) checkNumber(reach, name, 0, MAX_REACH);
}

/** Check the fields of a layer: its opacity, and whether it is hidden. @param {any} layer @param {string} name in errors */
function checkLayer({ opacity, hidden }, name) {
  if (opacity !== undefined) checkNumber(opacity, `${name}.opacity`, 0, 1);
  if (![undefined, true, false].includes(hidden)) throw invalid(`${name}.hidden must be true or false, got ${JSON.stringify(hidden)}`);
}

/** @param {any} crop of a recipe @param {{width: number, height: number}} size of the photo */
function checkCrop(crop, { width, height }) {
  if (typeof crop !== "object" || Array.isArray(crop)) throw invalid(`recipe.crop must be an object, got ${JSON.stringify(crop)}`);
  for (const name of ["x", "y", "width", "height"]) {
    checkNumber(crop[name], `recipe.crop.${name}`, ["x", "y"].includes(name) ? -1e9 : LEAST_CROP, 1e9);
    if (!Number.isInteger(crop[name])) throw invalid(`recipe.crop.${name} must be a whole number of pixels, got ${crop[name]}`);
  }
  if (crop.angle !== undefined) checkNumber(crop.angle, "recipe.crop.angle", -MOST_TURNED, MOST_TURNED);
  const inside = turnedCorners(crop, crop.angle ?? 0).every(([x, y]) => x >= -CROP_SLACK && x <= width + CROP_SLACK && y >= -CROP_SLACK && y <= height + CROP_SLACK);
  if (!inside) throw invalid(`recipe.crop must lie within the picture (${width} x ${height} pixels); make it smaller or move it inside`);
}

export { CROP_SLACK, LEAST_CROP, MOST_TURNED, RequestError, checkColor, checkCrop, checkLayer, checkNumber, checkPath, checkReach, invalid };
