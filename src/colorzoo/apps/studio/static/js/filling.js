/** Fill regions of a drawing with a color. */

import { hexToRgb, labHex, rgbToHex, rgbToLab } from "./color.js";
import { currentRecipe } from "./recipe.js";
import { nextId, nextStroke } from "./document.js";
import { createCanvas, t } from "./dom.js";
import { beforeDivision, flatColor, hasOtherParts, regionOf } from "./drawing.js";
import { brushPoint, insidePhoto } from "./edits.js";
import { boundsOf, distance, isLargeEnough, roundedPath, simplified, tracePolygon } from "./shapes.js";
import { change, readOnly } from "./state.js";

/** @typedef {import("./shapes.js").Place} Place */

/**
 * Return a document with a point at each place. The point replaces the other points of its region and takes the
 * place of the first in the list, because similar regions copy the earliest point.
 * @param {any} doc @param {Place[]} places @param {number} stroke @param {object} [color] fields of the points
 */
function filled(pad, doc, places, stroke, color = {}) {
  return places.reduce((before, [x, y]) => {
    const point = { ...brushPoint(pad, x, y), ...color, id: nextId(before.points), stroke };
    const region = regionOf(pad, [point.x, point.y]);
    const isHere = (other) => region !== null && regionOf(pad, [other.x, other.y]) === region;
    if (before.points.some((other) => other.locked && isHere(other))) return before;
    const isReplaced = (other) => isHere(other) && !hasOtherParts(pad, other, region);
    const first = before.points.findIndex(isReplaced);
    const others = before.points.filter((other) => !isReplaced(other));
    return { ...before, points: others.toSpliced(first < 0 ? others.length : first, 0, point) };
  }, doc);
}

const STEP = 2; // CSS pixels between two positions of a drag

/** Fill the regions between the last and this position of a drag. @param {any} drag @param {Place} place */
export function fillTo(pad, drag, place) {
  const [x, y] = drag.last ?? place;
  const count = Math.max(1, Math.ceil((Math.hypot(place[0] - x, place[1] - y) * pad.ui.view.scale) / STEP));
  const path = Array.from({ length: count }, (_, index) => /** @type {Place} */ ([x + ((index + 1) * (place[0] - x)) / count, y + ((index + 1) * (place[1] - y)) / count]));
  if (pad.ui.regionMap && !pad.ui.regionMap.runs) {
    change(drag, { last: place, waiting: [...(drag.waiting ?? []), ...path] });
    return;
  }
  let { region } = drag;
  const entered = path.filter((at) => {
    const [here, before] = [regionOf(pad, at), region];
    region = here;
    return here === null ? count === 1 && !drag.last : here !== before;
  });
  const stroke = drag.stroke ?? nextStroke(pad.doc);
  change(drag, { last: place, region, stroke });
  if (!entered.length) return;
  pad.hold(filled(pad, pad.doc, entered, stroke)); // visible without a preview of the server
  pad.queue.requestEarly();
  pad.changed();
}

/** Finish a drag. If the regions were not known, fill them when they are known. @param {any} drag */
export async function endFill(pad, drag) {
  const { waiting = [], ...rest } = drag;
  const work = {};
  pad.beginWork(work);
  await pad.act(async (step) => {
    while (waiting.length && pad.ui.regionMap && !pad.ui.regionMap.runs) await step(pad.ui.regionMap.ready);
    const again = readOnly({ ...rest, last: undefined });
    for (const place of waiting) fillTo(pad, again, place);
    pad.commit(t("fill {hex}", { hex: labHex(pad.ui.lightness, pad.ui.ab) }));
  });
  pad.endWork(work);
  if (rest.last) offerSimilar(pad, rest.last);
}

const CORNER_SPACING = 2; // CSS pixels between corners of an outline
const LEAST_ENCLOSED = 0.98; // of a region that an outline encloses
const MOST_POINTS = 2048; // of a recipe

/** Add a corner to the outline of a lasso. @param {Place} place */
export function continueLasso(pad, place) {
  const { outline } = pad.ui;
  const corner = insidePhoto(pad, ...place);
  if (!outline) change(pad.ui, { outline: [corner] });
  else if (distance(corner, outline.at(-1)) * pad.ui.view.scale >= CORNER_SPACING) change(pad.ui, { outline: [...outline, corner] });
}

/** Fill the inside of the drawn outline, or all regions that it encloses. @param {boolean} fillsRegions */
export async function endLasso(pad, fillsRegions) {
  const { outline } = pad.ui;
  change(pad.ui, { outline: null });
  const path = outline && roundedPath(simplified(outline, CORNER_SPACING / pad.ui.view.scale));
  if (!(path?.length >= 3) || !isLargeEnough(boundsOf(path))) return;
  const work = {};
  pad.beginWork(work);
  await pad.act(async (step) => {
    while (pad.ui.regionMap && !pad.ui.regionMap.runs) await step(pad.ui.regionMap.ready);
    if (!pad.ui.regionMap?.runs) return;
    if (fillsRegions) fillEnclosed(pad, path);
    else fillOutline(pad, path);
  });
  pad.endWork(work);
}

/**
 * Return the parts of all regions inside and outside of an outline: their pixels in the preview, and the middle of their longest row.
 * @param {Place[]} path @returns {Map<number, {counts: [number, number], places: [Place | null, Place | null]}>} by the number of the region; outside, inside
 */
function partsOfRegions(pad, path) {
  const { labels, columns, rows } = pad.ui.regionMap.runs;
  const { width, height } = pad.photo;
  const context = createCanvas(columns, rows).getContext("2d", { willReadFrequently: true });
  context.beginPath();
  tracePolygon(context, path.map(([x, y]) => [(x * columns) / width, (y * rows) / height]));
  context.fill();
  const alpha = context.getImageData(0, 0, columns, rows).data;
  const isInside = (pixel) => Number(alpha[4 * pixel + 3] > 127);
  const parts = new Map();
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0, start = 0; column < columns; column += 1) {
      const pixel = row * columns + column;
      const isEnd = column + 1 === columns || labels[pixel + 1] !== labels[pixel] || isInside(pixel + 1) !== isInside(pixel);
      if (!isEnd) continue;
      if (!parts.has(labels[pixel])) parts.set(labels[pixel], { counts: [0, 0], places: [null, null], longest: [0, 0] });
      const part = parts.get(labels[pixel]);
      const [side, length] = [isInside(pixel), column - start + 1];
      const place = /** @type {Place} */ ([((start + length / 2) * width) / columns, ((row + 0.5) * height) / rows]);
      part.counts[side] += length;
      if (length > part.longest[side] && regionOf(pad, place) === labels[pixel]) [part.longest[side], part.places[side]] = [length, place];
      start = column + 1;
    }
  }
  return parts;
}

/** Fill all regions inside an outline. @param {Place[]} path */
function fillEnclosed(pad, path) {
  const isEnclosed = ({ counts: [outside, inside] }) => inside >= LEAST_ENCLOSED * (outside + inside);
  const places = [...partsOfRegions(pad, path).values()].filter(isEnclosed).flatMap(({ places: [, place] }) => (place ? [place] : []));
  if (!places.length) return pad.toast(t("The outline encloses no whole region. Draw it around regions."));
  if (places.length + pad.doc.points.length > MOST_POINTS) return pad.toast(t("The outline encloses too many regions. Draw a smaller outline."), "error");
  pad.edit(filled(pad, pad.doc, places, nextStroke(pad.doc)), t("fill {n} enclosed regions", { n: places.length }));
  pad.announce(t("{n} regions filled", { n: places.length }));
}

/** Make the inside of an outline a region, and fill it. Other regions keep their points outside the outline. @param {Place[]} path */
function fillOutline(pad, path) {
  const parts = partsOfRegions(pad, path);
  const { columns, rows } = pad.ui.regionMap.runs;
  const { width, height } = pad.photo;
  const context = createCanvas(columns, rows).getContext("2d", { willReadFrequently: true });
  context.beginPath();
  tracePolygon(context, path.map(([x, y]) => [(x * columns) / width, (y * rows) / height]));
  const isInside = ({ x, y }) => context.isPointInPath((x * columns) / width, (y * rows) / height);
  if (pad.doc.points.some((point) => point.locked && isInside(point))) return pad.toast(t("The outline contains a locked region. Unlock it first."));
  const points = pad.doc.points.flatMap((point) => {
    if (!isInside(point)) return [point];
    const [place] = parts.get(regionOf(pad, [point.x, point.y]))?.places ?? [null];
    return place ? [{ ...point, x: place[0], y: place[1] }] : [];
  });
  const inside = [...parts.values()].filter(({ places: [, place] }) => place).sort((one, other) => other.counts[1] - one.counts[1]);
  if (!inside.length) return;
  const [x, y] = inside[0].places[1];
  const point = { ...brushPoint(pad, x, y), id: nextId(points), stroke: nextStroke(pad.doc) };
  pad.edit({ ...pad.doc, points: [...beforeDivision(pad.doc, points), { ...point, fields: { divisions: pad.doc.divisions.length + 1 } }], divisions: [...pad.doc.divisions, { path, closed: true }] }, t("lasso fill {hex}", { hex: point.hex }));
}

const OFFER_AFTER = 600; // ms without another edit

/** Show the regions that are similar to a filled region, unless another edit follows. @param {Place} place */
function offerSimilar(pad, place) {
  const { doc } = pad;
  setTimeout(async () => {
    if (pad.doc !== doc || !pad.fills() || pad.ui.link !== "open") return;
    const reply = await pad.askQuietly({ type: "same", recipe: currentRecipe(pad), x: place[0], y: place[1] });
    if (!reply || pad.doc !== doc) return;
    const { places: [, ...places], color } = reply.message;
    if (places.length) pad.set({ similar: { doc, places, color } });
  }, OFFER_AFTER);
}

/** @returns {{places: Place[], color: string} | null} similar regions that are offered after a fill */
export const similarRegions = (pad) => (pad.ui.similar?.doc === pad.doc && pad.ui.tool === "fill" ? pad.ui.similar : null);

/** Give the similar regions the color of the filled region. */
export function fillSimilar(pad) {
  const { places, color } = similarRegions(pad);
  const [, a, b] = rgbToLab(hexToRgb(color));
  pad.edit(filled(pad, pad.doc, places, nextStroke(pad.doc), { hex: color, ab: [a, b] }), t("fill {n} similar regions", { n: places.length }));
  pad.announce(t("{n} more regions have this color", { n: places.length }));
}

/** Lock the color of the region under the pointer, or unlock it. A region without a point gets a point of its current color. */
export function lockRegion(pad) {
  const place = pad.ui.cross ?? pad.ui.cursor;
  const region = place ? regionOf(pad, place) : null;
  if (region === null) return;
  const isHere = ({ x, y }) => regionOf(pad, [x, y]) === region;
  const here = pad.doc.points.filter(isHere);
  const locked = !here.length || here.some((point) => !point.locked);
  const color = flatColor(pad, region);
  let points = pad.doc.points.map((point) => (isHere(point) ? { ...point, locked } : point));
  if (!here.length) {
    if (!color) return;
    const [, a, b] = rgbToLab(color);
    const [x, y] = place;
    points = [...points, { ...brushPoint(pad, x, y), ab: [a, b], hex: rgbToHex(color), locked, untouched: false }];
  }
  pad.edit({ ...pad.doc, points }, locked ? t("lock region") : t("unlock region"));
  pad.announce(locked ? t("This region keeps its color") : t("This region is unlocked"));
}

/** Give similar regions the color of the region at a position. @param {Place} place */
export async function spreadColor(pad, place) {
  const reply = await pad.ask({ type: "same", recipe: currentRecipe(pad), x: place[0], y: place[1] });
  if (!reply) return;
  const { places, color } = reply.message;
  if (places.length === 1) return pad.toast(t("No similar region without a point was found."));
  const [, a, b] = rgbToLab(hexToRgb(color));
  pad.edit(filled(pad, pad.doc, places, nextStroke(pad.doc), { hex: color, ab: [a, b] }), t("same color"));
  pad.announce(t("{n} more regions have this color", { n: places.length - 1 }));
}
