/** Settings of a drawing, and the numbers of its regions. */

import { clamp, hexToRgb } from "./color.js";
import { currentRecipe, flatsOf } from "./recipe.js";
import { activePoints, strengthOf } from "./document.js";
import { t } from "./dom.js";
import { LightnessMap, decodeLayer } from "./pixels.js";
import { change } from "./state.js";

/** @typedef {import("./shapes.js").Place} Place */

const DEFAULTS = { gap: 4, specks: 0.02, palette: [], variant: 0, shading: false };

/** @returns {{gap: number, specks: number, palette: string[], variant: number, shading: boolean}} */
export const drawingSettings = (pad) => ({ ...DEFAULTS, ...pad.doc.drawing });

/** @returns {string} the settings of a document that change the regions of the drawing */
export const regionSizes = ({ drawing }) => `${drawing?.gap ?? DEFAULTS.gap} ${drawing?.specks ?? DEFAULTS.specks}`;

/** @param {Partial<ReturnType<typeof drawingSettings>>} patch @returns {any} the document with changed settings */
export const withDrawing = (pad, patch) => ({ ...pad.doc, drawing: { ...pad.doc.drawing, ...patch } });

/**
 * Regions of the drawing; null while they are requested.
 * @typedef {{divisions: any, sizes: string, runs: import("./regionlayers.js").Regions | null, ready: Promise<void>}} RegionMap
 */

/** Request the numbers of the regions if the regions have changed. */
export function updateRegionMap(pad) {
  if (!pad.fills() || !pad.photo || pad.ui.link !== "open") return;
  const { divisions } = pad.doc;
  const sizes = regionSizes(pad.doc);
  const { regionMap: last } = pad.ui;
  if (last?.divisions === divisions && last.sizes === sizes) return;
  const request = async () => {
    const reply = await pad.askQuietly({ type: "propose", recipe: currentRecipe(pad) });
    const runs = reply && (await readRegions(reply));
    if (pad.ui.regionMap === map) pad.set({ regionMap: runs && { ...map, runs } });
  };
  /** @type {RegionMap} */
  const map = { divisions, sizes, runs: null, ready: Promise.resolve() };
  change(pad.ui, { regionMap: map });
  map.ready = request();
}

/** @param {import("./client.js").Answer} reply @returns {Promise<import("./regionlayers.js").Regions>} */
async function readRegions({ message: { width, height, mime, inverted }, buffers: [packed, image] }) {
  const unpacked = new Blob([/** @type {any} */ (packed)]).stream().pipeThrough(new DecompressionStream("deflate"));
  const [runs, layer] = await Promise.all([new Response(unpacked).arrayBuffer(), decodeLayer(image, mime)]);
  const count = runs.byteLength / 8;
  const [starts, numbers] = [new Uint32Array(runs, 0, count), new Uint32Array(runs, 4 * count)];
  const { levels: lines, width: columns, height: rows } = new LightnessMap(layer);
  layer.bitmap.close();
  // the region at the center of each pixel of the preview, and the bounds of each region
  const labels = new Uint32Array(columns * rows);
  const bounds = new Int32Array(4 * (numbers.reduce((most, number) => Math.max(most, number), 0) + 1));
  for (let at = 0; at < bounds.length; at += 4) bounds.set([columns, rows, -1, -1], at);
  for (let row = 0, run = 0; row < rows; row += 1) {
    const first = Math.floor(((row + 0.5) * height) / rows) * width;
    for (let column = 0; column < columns; column += 1) {
      const pixel = first + Math.floor(((column + 0.5) * width) / columns);
      while (run + 1 < count && starts[run + 1] <= pixel) run += 1;
      const number = numbers[run];
      labels[row * columns + column] = number;
      const at = 4 * number;
      if (column < bounds[at]) bounds[at] = column;
      if (row < bounds[at + 1]) bounds[at + 1] = row;
      if (column > bounds[at + 2]) bounds[at + 2] = column;
      bounds[at + 3] = row;
    }
  }
  return { starts, numbers, width, height, labels, columns, rows, lines, inverted, bounds };
}

/** @param {any} pad @param {Place} place @returns {number | null} number of the region, or null before the regions are known */
export function regionOf(pad, [x, y]) {
  const { runs } = pad.ui.regionMap ?? {};
  if (!runs) return null;
  const { starts, numbers, width, height } = runs;
  const pixel = clamp(Math.floor(y), 0, height - 1) * width + clamp(Math.floor(x), 0, width - 1);
  let [low, high] = [0, starts.length]; // the run of the pixel is the last run that starts at or before the pixel
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= pixel) low = middle;
    else high = middle;
  }
  return numbers[low];
}

/** @param {any} pad @param {number | null} region @returns {[number, number, number] | null} exact color of a region: of its point, or in the result on display */
export function flatColor(pad, region) {
  const point = region === null ? undefined : activePoints(pad.doc).findLast(({ x, y }) => regionOf(pad, [x, y]) === region);
  if (point && strengthOf(point) === 1) return hexToRgb(point.hex);
  const flats = flatsOf.get(pad.photo.shownDoc);
  return flats && region !== null && 3 * region + 2 < flats.length ? [flats[3 * region], flats[3 * region + 1], flats[3 * region + 2]] : null;
}

const LEAST_CHANGE = 4; // of 255; smaller changes are not visible

/**
 * A result that the pad does not display yet, because it changes regions that no point sets.
 * @typedef {{doc: import("./document.js").Doc, layer: import("./pixels.js").Layer, flats: Uint8Array, exact: boolean, regions?: number[]}} Result
 */

/** @param {any} pad @param {Result} result @returns {number[]} regions without a point whose color differs from the result on display; empty after undo */
export function changedRegions(pad, { doc, flats }) {
  const { photo: { shownDoc }, ui: { regionMap } } = pad;
  const shown = flatsOf.get(shownDoc);
  const isSame = shownDoc && ["divisions", "model", "strength", "exemplar"].every((name) => doc[name] === shownDoc[name]) && JSON.stringify(doc.drawing) === JSON.stringify(shownDoc.drawing);
  if (!pad.fills() || flatsOf.has(doc) || !shown || !flats || !isSame || doc.drawing?.base_points || regionMap?.divisions !== doc.divisions || !regionMap.runs) return [];
  const isSet = new Set(activePoints(doc).concat(activePoints(shownDoc)).map(({ x, y }) => regionOf(pad, [x, y])));
  const count = Math.min(flats.length / 3, shown.length / 3, regionMap.runs.bounds.length / 4);
  const differs = (at) => [0, 1, 2].some((channel) => Math.abs(flats[at + channel] - shown[at + channel]) > LEAST_CHANGE);
  return Array.from({ length: count }, (_, region) => region).filter((region) => !isSet.has(region) && differs(3 * region));
}

/** @returns {Result | null} the result of the current document that waits for approval */
export const heldResult = (pad) => (pad.ui.held?.doc === pad.doc ? pad.ui.held : null);

/** Switch whether later fills also change other regions. Without, the model keeps receiving the points of the result on display. */
export function switchUpdates(pad) {
  const shown = heldResult(pad) ? pad.photo.shownDoc : pad.doc;
  const { base_points: base, ...settings } = pad.doc.drawing ?? {};
  const kept = Object.keys(settings).length ? settings : null;
  const drawing = base ? kept : { ...settings, base_points: currentRecipe(pad, shown).points ?? [] };
  const label = base ? t("update other regions") : t("keep other regions");
  pad.edit({ ...pad.doc, drawing }, label);
  pad.announce(base ? t("Other regions are updated") : t("Other regions keep their colors"));
}

/** Return the points without those of all regions on a line but the first region with points. @param {Place[]} path */
export function joinedPoints(pad, path) {
  const { points } = pad.doc;
  const corners = path.map((place) => place.map(Math.floor));
  const crossed = corners.flatMap(([x, y], index) => { // all pixels from the previous corner to this corner
    const [left, top] = corners[Math.max(index - 1, 0)];
    const count = Math.max(Math.abs(x - left), Math.abs(y - top), 1);
    return Array.from({ length: count + 1 }, (_, step) => regionOf(pad, [Math.round(left + (step * (x - left)) / count), Math.round(top + (step * (y - top)) / count)]));
  });
  const regions = points.map(({ x, y }) => regionOf(pad, [x, y]));
  const owner = crossed.find((region) => region !== null && regions.includes(region));
  return points.filter(({ locked }, index) => locked || regions[index] === owner || !crossed.includes(regions[index]));
}

/** Return points that store how many divisions exist, so that the parts of a later division keep their colors. @param {any} doc @param {any[]} points */
export const beforeDivision = (doc, points) => points.map((point) => (point.fields?.divisions === undefined ? { ...point, fields: { ...point.fields, divisions: doc.divisions.length } } : point));

const NEAR_CUT = 4; // preview pixels between a cut and the parts on both of its sides

/** Return whether a point still colors other parts of the region that it had when it was set. @param {any} pad @param {any} point @param {number} region region of the point */
export function hasOtherParts(pad, point, region) {
  const near = (NEAR_CUT * pad.photo.width) / (pad.ui.regionMap?.runs?.columns ?? pad.photo.width);
  const steps = [[0, 0], [near, 0], [-near, 0], [0, near], [0, -near]];
  return pad.doc.divisions.slice(point.fields?.divisions ?? 0).some(({ path, join }) => !join && path.some(([x, y]) => steps.some(([dx, dy]) => regionOf(pad, [x + dx, y + dy]) === region)));
}

/** Delete a split or join. If it makes regions with points one region, only the points of the first of these regions stay. @param {number} index */
export async function deleteDivision(pad, index) {
  const label = pad.doc.divisions[index].join ? t("delete join") : t("delete split");
  const before = new Map(pad.doc.points.map((point) => [point.id, regionOf(pad, [point.x, point.y])]));
  pad.set({ division: null });
  const earlier = ({ fields }) => (fields?.divisions > index ? { fields: { ...fields, divisions: fields.divisions - 1 } } : {});
  pad.edit({ ...pad.doc, points: pad.doc.points.map((point) => ({ ...point, ...earlier(point) })), divisions: pad.doc.divisions.toSpliced(index, 1) }, label);
  await pad.act(async (step) => {
    while (pad.ui.regionMap && !pad.ui.regionMap.runs) await step(pad.ui.regionMap.ready);
    const owners = new Map(); // the earlier region of the first point in each region
    const points = pad.doc.points.filter((point) => {
      const region = regionOf(pad, [point.x, point.y]);
      if (!before.has(point.id) || region === null) return true;
      if (!owners.has(region)) owners.set(region, before.get(point.id));
      return point.locked || owners.get(region) === before.get(point.id);
    });
    if (points.length < pad.doc.points.length) pad.edit({ ...pad.doc, points }, label, () => true);
  });
}
