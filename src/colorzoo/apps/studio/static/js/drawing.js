/** Settings of a drawing, and the numbers of its regions. */

import { currentRecipe, labelAt, labelsOf } from "./coloring.js";
import { change } from "./state.js";

/** @typedef {import("./shapes.js").Place} Place */

const DEFAULTS = { gap: 4, palette: [], variant: 0, shading: false };

/** @returns {{gap: number, palette: string[], variant: number, shading: boolean}} */
export const drawingSettings = (pad) => ({ ...DEFAULTS, ...pad.doc.drawing });

/** @param {Partial<ReturnType<typeof drawingSettings>>} patch @returns {any} the document with changed settings */
export const withDrawing = (pad, patch) => ({ ...pad.doc, drawing: { ...pad.doc.drawing, ...patch } });

/** Request the numbers of the regions if the regions have changed. */
export async function updateRegionMap(pad) {
  if (!pad.fills() || !pad.photo || pad.ui.link !== "open") return;
  const { divisions } = pad.doc;
  const { gap } = drawingSettings(pad);
  const { regionMap: last } = pad.ui;
  if (last?.divisions === divisions && last.gap === gap) return;
  const map = { divisions, gap, labels: null };
  change(pad.ui, { regionMap: map });
  const reply = await pad.askQuietly({ type: "propose", recipe: currentRecipe(pad) });
  if (pad.ui.regionMap !== map) return;
  const { width, height } = reply?.message ?? {};
  change(pad.ui, { regionMap: reply && { ...map, labels: labelsOf(reply.buffers[0]), width, height } });
}

/** @param {any} pad @param {Place} place @returns {number | null} number of the region, or null outside of the photo and before the regions are known */
export function regionOf(pad, [x, y]) {
  const { regionMap } = pad.ui;
  return regionMap?.labels ? labelAt(regionMap, x / pad.photo.width, y / pad.photo.height) : null;
}

/** Return the points without those of all regions on a line but the first region with points. @param {Place[]} path */
export function joinedPoints(pad, path) {
  const { points } = pad.doc;
  const crossed = path.map((place) => regionOf(pad, place));
  const regions = points.map(({ x, y }) => regionOf(pad, [x, y]));
  const owner = crossed.find((region) => region !== null && regions.includes(region));
  return points.filter(({ locked }, index) => locked || regions[index] === owner || !crossed.includes(regions[index]));
}
