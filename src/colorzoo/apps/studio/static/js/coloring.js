/** Requests for the colored image, suggestions, regions, classes and matches of the current document. */

import { isExpired } from "./client.js";
import { activePoints, pointRadius, reachOf } from "./document.js";
import { t } from "./dom.js";
import { changedRegions, heldResult } from "./drawing.js";
import { classCanvas, decodeLayer } from "./pixels.js";
import { currentRecipe, flatsOf } from "./recipe.js";
import { change } from "./state.js";

const SUGGESTIONS = 9;

/** @returns {{x: number, y: number, count: number, exclude: number | null} | null} fields of a request for suggestions at the selected point */
function suggestionPlace(pad) {
  const point = pad.selectedPoint();
  if (!point) return null;
  const index = activePoints(pad.doc).indexOf(point);
  return { x: point.x, y: point.y, count: SUGGESTIONS, exclude: index < 0 ? null : index };
}

function markTime(name, id, more = {}, startTime) {
  performance.mark(name, { detail: { id, ...more }, ...(startTime === undefined ? {} : { startTime }) });
}

/** @param {boolean} [early] whether the drag may continue; the server cancels such a request when a newer request arrives */
export async function requestColor(pad, quality, early = false) {
  if (!pad.photo || pad.ui.link !== "open") return;
  const { photo } = pad;
  const place = quality === "final" ? suggestionPlace(pad) : null;
  const { doc } = pad;
  const message = { type: "color", recipe: currentRecipe(pad), quality, ...(early ? { early } : {}), ...(place ? { suggest: place } : {}) };
  const { id, answer } = pad.client.send(message);
  change(pad.session, { lastColor: id });
  markInput(pad);
  markTime("pad:sent", id, { quality });
  if (place) pad.expectSuggestions(id, pad.ui.selected);
  pad.beginWork(id);
  await pad.act(async (step) => {
    const reply = await step(answer);
    change(pad.ui, { failure: null });
    if (reply && id > photo.shown) await showColored(pad, photo, id, doc, reply);
  }, (error) => handleFailure(pad, error, quality));
  pad.endWork(id);
}

export function markInput(pad) {
  const { input, lastColor } = pad.session;
  if (input !== null) markTime("pad:input", lastColor, {}, input);
  change(pad.session, { input: null });
}

/** Use the image that was requested before the end of the drag as the final image. */
function handleFailure(pad, error, quality) {
  if (error.code === "offline") return; // the request is repeated after the reconnection
  if (isExpired(error)) return pad.restoreAndColor();
  if (quality !== "final") return;
  change(pad.ui, { failure: error.message });
  pad.announce(error.message);
}

async function showColored(pad, photo, id, doc, { message, buffers }) {
  markTime("pad:received", id, { timing: message.timing, quality: message.quality });
  change(photo, { shown: id, words: message.words ?? [] });
  const layer = await decodeLayer(buffers[0], message.mime);
  markTime("pad:decoded", id);
  if (pad.photo !== photo || photo.shown !== id) return layer.bitmap.close();
  const result = { doc, layer, flats: buffers[1], exact: message.quality === "full" };
  pad.ui.held?.layer.bitmap.close();
  const regions = pad.settings.holdsChanges ? changedRegions(pad, result) : [];
  change(pad.ui, { held: regions.length ? { ...result, regions } : null });
  if (regions.length) pad.announce(t("{n} other regions would change", { n: regions.length }), true);
  else showResult(pad, result);
  pad.afterNextDraw(() => markTime("pad:painted", id));
  if (message.quality === "final" && !regions.length) {
    refreshSuggested(pad);
    pad.announce(t("Colors updated"), true);
    pad.queue.requestFullLater();
  }
}

/** @param {any} pad @param {import("./drawing.js").Result} result */
function showResult(pad, { doc, layer, flats, exact }) {
  const { photo } = pad;
  photo.result?.bitmap.close();
  change(pad.session, { colored: true });
  change(photo, { result: layer, exact, shownDoc: doc });
  if (flats) flatsOf.set(doc, flats);
  change(pad.ui, {
    freshPaint: pad.ui.freshPaint.filter((stroke) => !doc.paint.includes(stroke)),
    healed: doc.healing,
  });
}

/** Display the result that waits for approval, if there is one. */
export function showHeldResult(pad) {
  const held = heldResult(pad);
  if (!held) return;
  change(pad.ui, { held: null });
  showResult(pad, held);
  pad.announce(t("Colors updated"));
  pad.changed();
  pad.queue.requestFullLater();
}

export async function requestSuggestions(pad) {
  const place = suggestionPlace(pad);
  if (!place || pad.ui.link !== "open") return;
  const { id, answer } = pad.client.send({ type: "suggest", recipe: currentRecipe(pad), ...place });
  pad.expectSuggestions(id, pad.ui.selected);
  await answer.catch(() => null);
}

export async function requestExtent(pad) {
  const point = pad.selectedPoint();
  if (!point || pad.ui.link !== "open") return;
  const reach = reachOf(point);
  const place = { x: point.x, y: point.y, radius: pointRadius(point, pad.perNetworkPixel()) };
  const message = { type: "extent", ...place, reach, recipe: currentRecipe(pad) };
  await pad.act(async (step) => {
    const reply = await step(pad.client.ask(message));
    if (!reply) return;
    if (pad.ui.selected === point.id) pad.set({ reachSteps: { id: point.id, steps: reply.message.steps ?? [] } });
    if (!pad.ui.extent) return; // the slider was released
    const layer = await step(decodeLayer(reply.buffers[0], "image/png"));
    if (pad.ui.extent) pad.set({ extent: { layer } });
  }, () => {});
}

export async function requestNext(pad) {
  const reply = await pad.ask({ type: "next", recipe: currentRecipe(pad) });
  if (!reply || pad.ui.opening) return;
  const { x, y } = reply.message;
  if (x === null || x === undefined) return pad.toast(t("This coloring model cannot suggest where to add a point."));
  pad.set({ nextPlace: [x, y], cross: [x, y], selected: null });
  pad.revealPlace(x, y);
  pad.announce(pad.fills() ? t("The color of this region changes the drawing most. Press Enter to add a point.") : t("Colors are most uncertain here. Press Enter to add a point."));
}

export async function requestRegions(pad) {
  const { divisions, model } = pad.doc;
  const reply = await pad.ask({ type: "propose", recipe: currentRecipe(pad) });
  if (!reply) return;
  const { message, buffers } = reply;
  const labels = labelsOf(buffers[0]);
  const { items, width, height, proposal } = message;
  pad.set({ regions: { items, labels, width, height, proposal, divisions, model } });
  pickRegion(pad, firstOpenRegion(pad));
}

async function refreshSuggested(pad) {
  if (!pad.ui.regions || !pad.accepts("regions")) return;
  const { divisions } = pad.doc;
  const reply = await pad.askQuietly({ type: "propose", recipe: currentRecipe(pad) });
  const { regions } = pad.ui;
  if (!reply || !regions || reply.message.proposal !== regions.proposal) return;
  const same = divisions === regions.divisions;
  pad.set({ regions: { ...regions, items: reply.message.items, divisions, ...(same ? {} : { labels: labelsOf(reply.buffers[0]) }) } });
}

export const labelsOf = (bytes) => new Uint16Array(bytes.slice().buffer);

export function firstOpenRegion(pad) {
  const open = pad.ui.regions?.items.find(({ index }) => !(index in pad.doc.regions) && !pad.doc.skipped.includes(index));
  return open ? open.index : null;
}

/** @param {number | null} index @param {boolean} [more] add to or remove from the selected regions */
export function pickRegion(pad, index, more = false) {
  const { regions, regionPick } = pad.ui;
  if (!regions) return;
  const group = index === null ? [] : [index];
  let pick = group;
  if (more) pick = regionPick.includes(index) ? regionPick.filter((other) => !group.includes(other)) : [...regionPick, ...group];
  pad.set({ regionPick: pick, selected: null, box: null });
}

/** @param {{labels: Uint16Array, width: number, height: number}} map @param {number} u @param {number} v shares of width and height @returns {number | null} null outside */
export function labelAt({ labels, width, height }, u, v) {
  const [column, row] = [Math.floor(u * width), Math.floor(v * height)];
  return column < 0 || row < 0 || column >= width || row >= height ? null : labels[row * width + column];
}

export function regionAt(pad, x, y) {
  const { regions } = pad.ui;
  if (!regions) return null;
  const label = labelAt(regions, x / pad.photo.width, y / pad.photo.height);
  return regions.items.some(({ index }) => index === label) ? label : null;
}

export async function requestClasses(pad) {
  const { model } = pad.doc;
  const reply = await pad.ask({ type: "classes", recipe: currentRecipe(pad) });
  if (!reply) return;
  const { message, buffers } = reply;
  const { reference } = message;
  pad.set({ classes: { ...classMap(message, buffers[0]), model, reference: reference && classMap(reference, buffers[1]) } });
}

function classMap({ items, width, height }, bytes) {
  const labels = labelsOf(bytes);
  return { items, width, height, labels, paint: classCanvas(labels, width, height) };
}

export function updateClasses(pad) {
  const { ui, doc } = pad;
  if (ui.classes && ui.classes.model !== doc.model) pad.set({ classes: null });
  if (ui.showClasses && !ui.classes && pad.accepts("classes") && pad.photo && ui.link === "open") requestClasses(pad);
}

export async function requestMatch(pad, x, y) {
  if (!pad.ui.exemplar || pad.ui.link !== "open") return;
  const reply = await pad.askQuietly({ type: "match", recipe: currentRecipe(pad), x, y });
  if (reply) pad.set({ matched: reply.message.x === null ? null : [reply.message.x, reply.message.y] });
}
