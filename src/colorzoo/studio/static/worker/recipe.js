/** Checks of a recipe before it is loaded, as in colorzoo.guidance.recipe. */

import { AREA_ACTIONS } from "../js/shapes.js";
import { checkColor, checkCrop, checkLayer, checkNumber, checkPath, checkReach, invalid } from "../steps/checks.js";
import { OVERLAYS } from "../steps/overlays.js";

const VERSION = 2;
const MAX_AB = 150;
const MAX_STRENGTH = 1.5;
const BINS = 313;
const MAX_SIDE = 4096; // pixels of a mask
const FIELDS = ["version", "image", "model", "strength", "points", "scribbles", "regions", "boxes", "proposal", "exemplar", "classes", "statistics", "areas", "divisions", "frame", "crop", "healing", ...Object.keys(OVERLAYS)];

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function items(holder, name, prefix, check) {
  const list = holder[name] ?? [];
  if (!Array.isArray(list)) throw invalid(`${prefix}.${name} must be a list, got ${typeof list}`);
  list.forEach((item, i) => {
    if (!isObject(item)) throw invalid(`${prefix}.${name}[${i}] must be an object, got ${JSON.stringify(item)}`);
    check(item, `${prefix}.${name}[${i}]`);
  });
}

function place(x, y, name, { width, height }) {
  checkNumber(x, `${name}.x`, -Infinity, Infinity);
  checkNumber(y, `${name}.y`, -Infinity, Infinity);
  if (x < 0 || y < 0 || x > width || y > height) throw invalid(`${name} at (${x}, ${y}) lies outside the picture (${width} x ${height} pixels)`);
}

function checkPoint(point, name, size) {
  place(point.x, point.y, name, size);
  if (point.radius !== undefined) checkNumber(point.radius, `${name}.radius`, 0, Infinity);
  if (point.ab !== undefined && point.ab !== null) {
    if (!Array.isArray(point.ab) || point.ab.length !== 2) throw invalid(`${name}.ab must be a list of 2 numbers, got ${JSON.stringify(point.ab)}`);
    for (const value of point.ab) checkNumber(value, `${name}.ab`, -MAX_AB, MAX_AB);
  }
  if (point.color !== undefined || !point.ab) checkColor(point.color, `${name}.color`);
  if (point.strength !== undefined && point.strength !== null) checkNumber(point.strength, `${name}.strength`, 0, 1);
  checkReach(point.reach, `${name}.reach`);
}

function checkArea(area, name) {
  const { action, path, mask, color, feather } = area;
  checkLayer(area, name);
  if (feather !== undefined) checkNumber(feather, `${name}.feather`, 0, Infinity);
  if (!AREA_ACTIONS.includes(action)) throw invalid(`${name}.action must be one of ${AREA_ACTIONS.join(", ")}, got ${JSON.stringify(action)}`);
  if ((action === "color") !== (color !== undefined)) throw invalid(`${name}.color '#rrggbb' is required if and only if action is 'color'`);
  if (color !== undefined) checkColor(color, `${name}.color`);
  if (isObject(mask) === Array.isArray(path)) throw invalid(`${name} needs either a path or a mask`);
  if (path) {
    checkPath(path, `${name}.path`, 3);
    return;
  }
  const runs = typeof mask.runs === "string" && /^[0-9 ]+$/.test(mask.runs) ? mask.runs.split(" ").reduce((sum, run) => sum + Number(run), 0) : -1;
  for (const side of ["width", "height"]) checkNumber(mask[side], `${name}.mask.${side}`, 1, MAX_SIDE);
  if (runs !== mask.width * mask.height) throw invalid(`${name}.mask.runs must add up to ${mask.width} x ${mask.height}`);
}

function checkStatistics(statistics) {
  if (!isObject(statistics)) throw invalid(`recipe.statistics must be an object, got ${JSON.stringify(statistics)}`);
  const { saturation, histogram } = statistics;
  if (saturation !== undefined && saturation !== null) checkNumber(saturation, "recipe.statistics.saturation", 0, 1);
  if (histogram === undefined || histogram === null) return;
  if (!Array.isArray(histogram) || histogram.length !== BINS) throw invalid(`recipe.statistics.histogram must be a list of ${BINS} numbers`);
  for (const share of histogram) checkNumber(share, "recipe.statistics.histogram", 0, 1e9);
  if (!histogram.some((share) => share > 0)) throw invalid("recipe.statistics.histogram must have a share above 0");
}

/**
 * @param {any} recipe @param {{width: number, height: number, sha256: string} | null} photo that is open
 * @returns {string[]} notes for the user
 * @throws {RequestError} the recipe is invalid or does not fit the photo
 */
function checkRecipe(recipe, photo) {
  if (!isObject(recipe)) throw invalid("recipe must be an object");
  if (!Number.isInteger(recipe.version ?? VERSION) || (recipe.version ?? VERSION) < 1) throw invalid(`recipe.version must be a whole number from 1, got ${JSON.stringify(recipe.version)}`);
  if ((recipe.version ?? VERSION) > VERSION) throw invalid(`recipe.version ${recipe.version} comes from a newer colorzoo; this one reads up to ${VERSION}`);
  const image = recipe.image ?? {};
  const size = { width: image.width ?? photo?.width ?? Infinity, height: image.height ?? photo?.height ?? Infinity };
  if (photo && (size.width !== photo.width || size.height !== photo.height)) {
    throw invalid(`recipe is for a picture of ${size.width} x ${size.height} pixels, but this one has ${photo.width} x ${photo.height}; coordinates are pixels of the original picture`);
  }
  if (recipe.strength !== undefined) checkNumber(recipe.strength, "recipe.strength", 0, MAX_STRENGTH);
  items(recipe, "points", "recipe", (point, name) => checkPoint(point, name, size));
  items(recipe, "scribbles", "recipe", (stroke, name) => {
    if (!Array.isArray(stroke.path)) throw invalid(`${name}.path must be a list of places`);
    for (const corner of stroke.path) place(corner?.[0], corner?.[1], name, size);
  });
  items(recipe, "areas", "recipe", checkArea);
  if (recipe.crop !== undefined && recipe.crop !== null) checkCrop(recipe.crop, size);
  items(recipe, "healing", "recipe", ({ path, width }, name) => {
    checkPath(path, `${name}.path`, 1);
    if (width !== undefined) checkNumber(width, `${name}.width`, 0, Infinity);
  });
  for (const [name, { check }] of Object.entries(OVERLAYS)) items(recipe, name, "recipe", check);
  items(recipe, "regions", "recipe", (region, name) => checkColor(region.color, `${name}.color`));
  items(recipe, "boxes", "recipe", (box, name) => place(box.x, box.y, name, size));
  if (recipe.statistics !== undefined && recipe.statistics !== null) checkStatistics(recipe.statistics);
  const notes = Object.keys(recipe).filter((name) => !FIELDS.includes(name)).map((name) => `the recipe's entry '${name}' is not known here; it is kept`);
  if (Array.isArray(recipe.frame)) notes.push("this page colors the whole picture; the recipe's frame is not used");
  if (photo && image.sha256 && image.sha256 !== photo.sha256) notes.push("the recipe was made for another picture file");
  return notes;
}

export { checkRecipe };
