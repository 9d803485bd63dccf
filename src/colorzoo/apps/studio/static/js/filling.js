/** Fill regions of a drawing with a color. */

import { hexToRgb, labHex, rgbToHex, rgbToLab } from "./color.js";
import { currentRecipe } from "./coloring.js";
import { nextId, nextStroke } from "./document.js";
import { t } from "./dom.js";
import { flatColor, regionOf } from "./drawing.js";
import { brushPoint } from "./edits.js";
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
    const first = before.points.findIndex(isHere);
    const others = before.points.filter((other) => !isHere(other));
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
