/** Asking for colors: the result, suggestions, and what the model knows of the photo. */

import { isForgotten } from "./client.js";
import { pointRadius, reachOf, toRecipe } from "./document.js";
import { t } from "./dom.js";
import { classCanvas, decodeLayer } from "./pixels.js";

const SUGGESTIONS = 9;

/**
 * The recipe of the current work. A model that colors things and cannot look for them would refuse where nobody has said: it is
 * told that there are none.
 * @param {any} pad @returns {Record<string, any>}
 */
function currentRecipe(pad) {
  const { photo } = pad;
  const whole = pad.accepts("boxes") && !pad.model().detects;
  return toRecipe({ ...pad.doc, boxes: pad.doc.boxes ?? (whole ? [] : null) }, { ...photo.image, perNetworkPixel: pad.perNetworkPixel() });
}

/** @param {any} pad @returns {{x: number, y: number, count: number, exclude: number | null} | null} for the selected point */
function suggestionPlace(pad) {
  const point = pad.selectedPoint();
  if (!point) return null;
  const active = pad.doc.points.filter((candidate) => !candidate.muted);
  const index = active.indexOf(point);
  return { x: point.x, y: point.y, count: SUGGESTIONS, exclude: index < 0 ? null : index };
}

/** @param {string} name @param {number} id @param {object} [more] @param {number} [startTime] */
function mark(name, id, more = {}, startTime) {
  performance.mark(name, { detail: { id, ...more }, ...(startTime === undefined ? {} : { startTime }) });
}

/** @param {any} pad @param {"drag" | "final" | "full"} quality @returns {Promise<void>} */
async function requestColor(pad, quality) {
  if (!pad.photo || pad.ui.link !== "open") return;
  const { photo } = pad;
  const place = quality === "final" ? suggestionPlace(pad) : null;
  const active = pad.doc.points.filter((point) => !point.muted).map((point) => point.id);
  const message = { type: "color", recipe: currentRecipe(pad), quality, ...(place ? { suggest: place } : {}) };
  const { id, answer } = pad.client.send(message);
  pad.lastColor = id;
  if (pad.input !== null) mark("pad:input", id, {}, pad.input);
  mark("pad:sent", id, { quality });
  pad.input = null;
  if (place) pad.expectSuggestions(id, pad.ui.selected);
  pad.computing.add(id);
  pad.changed();
  try {
    const reply = await answer;
    pad.ui.failure = null;
    if (reply && pad.photo === photo && id > photo.shown) await showColored(pad, photo, id, active, reply);
  } catch (error) {
    failed(pad, error, quality);
  } finally {
    pad.computing.delete(id);
    pad.changed();
  }
}

/** What was asked for before the pointer was let go is wanted: nothing more to send. @param {any} pad */
function foreseen(pad) {
  if (pad.input !== null) mark("pad:input", pad.lastColor, {}, pad.input);
  pad.input = null;
}

function failed(pad, error, quality) {
  if (error.code === "offline") return; // the reconnection asks again
  if (isForgotten(error)) {
    pad.resync();
    return;
  }
  if (quality !== "final") return;
  pad.ui.failure = error.message;
  pad.say(error.message);
}

async function showColored(pad, photo, id, active, { message, buffers }) {
  mark("pad:received", id, { timing: message.timing, quality: message.quality });
  photo.shown = id;
  const layer = await decodeLayer(buffers[0], message.mime);
  mark("pad:decoded", id);
  if (pad.photo !== photo || photo.shown !== id) {
    layer.bitmap.close();
    return;
  }
  photo.result?.bitmap.close();
  photo.result = layer;
  photo.exact = message.quality === "full";
  pad.ui.pointInfo = Object.fromEntries(active.map((pointId, index) => [pointId, message.points?.[index]]));
  pad.ui.distribution = message.distribution ?? false;
  pad.ui.notes = message.notes ?? [];
  pad.ui.timing = message.timing ?? null;
  pad.paintNext(() => mark("pad:painted", id));
  if (message.quality === "final") {
    pad.ui.answered = new Set(pad.doc.scribbles);
    refreshSuggested(pad, photo);
    pad.say(t("Colors updated"), true);
    pad.queue.rest();
  }
}

/** Ask for suggestions alone, after another point was selected. @param {any} pad */
async function requestSuggestions(pad) {
  const place = suggestionPlace(pad);
  if (!place || pad.ui.link !== "open") return;
  const { id, answer } = pad.client.send({ type: "suggest", recipe: currentRecipe(pad), ...place });
  pad.expectSuggestions(id, pad.ui.selected);
  await answer.catch(() => null);
}

/** Show where the color of the selected point goes, before it does. @param {any} pad */
async function requestExtent(pad) {
  const point = pad.selectedPoint();
  if (!point || pad.ui.link !== "open") return;
  const reach = reachOf(point);
  const message = { type: "extent", x: point.x, y: point.y, radius: pointRadius(point, pad.perNetworkPixel()), reach };
  const reply = await pad.client.ask(message).catch(() => null);
  if (!reply || !pad.ui.extent) return; // it was let go meanwhile
  const layer = await decodeLayer(reply.buffers[0], "image/png");
  if (pad.ui.extent) pad.set({ extent: { layer } });
}

/** The place whose color the model knows least. @param {any} pad @returns {Promise<void>} */
async function requestNext(pad) {
  const reply = await pad.ask({ type: "next", recipe: currentRecipe(pad) });
  if (!reply) return;
  const { x, y } = reply.message;
  if (x === null || x === undefined) {
    pad.toast(t("This model cannot tell where a color would help most."));
    return;
  }
  pad.set({ wanted: [x, y], cross: [x, y], selected: null });
  pad.revealPlace(x, y);
  pad.say(t("A color helps most here. Press Enter to add a point."));
}

/** @param {any} pad the regions that the model asks for, in its order */
async function requestRegions(pad) {
  const asked = pad.doc.divisions;
  const reply = await pad.ask({ type: "propose", recipe: currentRecipe(pad) });
  if (!reply) return;
  const { message, buffers } = reply;
  const labels = labelsOf(buffers[0]);
  const { items, width, height, proposal } = message;
  pad.set({ regions: { items, labels, width, height, proposal, divisions: asked, lines: null } });
  pickRegion(pad, firstOpenRegion(pad));
}

/** Regions follow the result and what is drawn into them: their suggested colors change with every answer. */
async function refreshSuggested(pad, photo) {
  if (!pad.ui.regions || !pad.accepts("regions")) return;
  const asked = pad.doc.divisions;
  const reply = await pad.client.ask({ type: "propose", recipe: currentRecipe(pad) }).catch(() => null);
  const { regions } = pad.ui;
  if (!reply || !regions || pad.photo !== photo || reply.message.proposal !== regions.proposal) return;
  const same = asked === regions.divisions;
  pad.set({ regions: { ...regions, items: reply.message.items, divisions: asked, ...(same ? {} : { labels: labelsOf(reply.buffers[0]), lines: null }) } });
}

const labelsOf = (bytes) => new Uint16Array(bytes.slice().buffer);

/** @param {any} pad @returns {number | null} the first region that has neither a color nor been skipped */
function firstOpenRegion(pad) {
  const open = pad.ui.regions?.items.find(({ index }) => !(index in pad.doc.regions) && !pad.doc.skipped.includes(index));
  return open ? open.index : null;
}

/** @param {any} pad @param {number | null} index @param {boolean} [more] add to what is picked */
function pickRegion(pad, index, more = false) {
  const { regions, regionPick } = pad.ui;
  if (!regions) return;
  const group = index === null ? [] : (pad.doc.merged.find((joined) => joined.includes(index)) ?? [index]);
  let pick = group;
  if (more) pick = regionPick.includes(index) ? regionPick.filter((other) => !group.includes(other)) : [...regionPick, ...group];
  pad.set({ regionPick: pick, selected: null, shape: null, regions: { ...regions, lines: null } });
}

/**
 * @param {{labels: Uint16Array, width: number, height: number}} map @param {number} u @param {number} v shares of width and height
 * @returns {number | null} null outside
 */
function labelAt({ labels, width, height }, u, v) {
  const [column, row] = [Math.floor(u * width), Math.floor(v * height)];
  return column < 0 || row < 0 || column >= width || row >= height ? null : labels[row * width + column];
}

/** @param {any} pad @param {number} x @param {number} y in the photo @returns {number | null} */
function regionAt(pad, x, y) {
  const { regions } = pad.ui;
  if (!regions) return null;
  const label = labelAt(regions, x / pad.photo.width, y / pad.photo.height);
  return regions.items.some(({ index }) => index === label) ? label : null;
}

/** @param {any} pad the classes of photo and reference */
async function requestClasses(pad) {
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

/** Ask for the classes where they are used and not known, or are those of another model. @param {any} pad */
function wantClasses(pad) {
  const { ui, doc } = pad;
  if (ui.classes && ui.classes.model !== doc.model) pad.set({ classes: null });
  const used = ui.tool === "lasso" || ui.showClasses || doc.painted.length > 0;
  if (used && !ui.classes && pad.accepts("classes") && pad.photo && ui.link === "open") requestClasses(pad);
}

/** What in the reference colored this place. @param {any} pad @param {number} x @param {number} y */
async function requestMatch(pad, x, y) {
  if (!pad.ui.exemplar || pad.ui.link !== "open") return;
  const reply = await pad.client.ask({ type: "match", recipe: currentRecipe(pad), x, y }).catch(() => null);
  if (reply) pad.set({ matched: reply.message.x === null ? null : [reply.message.x, reply.message.y] });
}

export {
  currentRecipe, firstOpenRegion, foreseen, labelAt, pickRegion, regionAt, requestClasses, requestColor, requestExtent, requestMatch, requestNext,
  requestRegions, requestSuggestions, wantClasses,
};
