/** Asking for colors: the result, suggestions, and what the model knows of the photo. */

import { toRecipe } from "./document.js";
import { t } from "./dom.js";
import { classCanvas, decodeLayer, outlineCanvas } from "./pixels.js";

const SUGGESTIONS = 9;

/** @param {any} pad @returns {Record<string, any>} the recipe of the current work */
function currentRecipe(pad) {
  const { photo } = pad;
  return toRecipe(pad.doc, { ...photo.image, perNetworkPixel: pad.perNetworkPixel() });
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

function failed(pad, error, quality) {
  if (error.code === "offline") return; // the reconnection asks again
  if (error.code === "expired" || error.code === "no_photo") {
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
  const reply = await pad.ask({ type: "propose", recipe: currentRecipe(pad) });
  if (!reply) return;
  const { message, buffers } = reply;
  const labels = labelsOf(buffers[0]);
  const { items, width, height, proposal } = message;
  pad.set({ regions: { items, labels, width, height, proposal, outline: null } });
  pickRegion(pad, firstOpenRegion(pad));
}

/** Regions without a color follow the result: their suggested colors change with every answer. */
async function refreshSuggested(pad, photo) {
  if (!pad.ui.regions || !pad.accepts("regions")) return;
  const reply = await pad.client.ask({ type: "propose", recipe: currentRecipe(pad) }).catch(() => null);
  const { regions } = pad.ui;
  if (!reply || !regions || pad.photo !== photo || reply.message.proposal !== regions.proposal) return;
  pad.set({ regions: { ...regions, items: reply.message.items } });
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
  let pick = index === null ? [] : [index];
  if (more && index !== null) pick = regionPick.includes(index) ? regionPick.filter((other) => other !== index) : [...regionPick, index];
  const outline = outlineCanvas(regions.labels, regions.width, regions.height, (label) => pick.includes(label));
  pad.set({ regionPick: pick, selected: null, regions: { ...regions, outline } });
}

/** @param {any} pad @param {number} x @param {number} y in the photo @returns {number | null} */
function regionAt(pad, x, y) {
  const { regions } = pad.ui;
  if (!regions) return null;
  const column = Math.floor((x / pad.photo.width) * regions.width);
  const row = Math.floor((y / pad.photo.height) * regions.height);
  if (column < 0 || row < 0 || column >= regions.width || row >= regions.height) return null;
  const label = regions.labels[row * regions.width + column];
  return regions.items.some(({ index }) => index === label) ? label : null;
}

/** @param {any} pad the classes of photo and reference */
async function requestClasses(pad) {
  const reply = await pad.ask({ type: "classes", recipe: currentRecipe(pad) });
  if (!reply) return;
  const { message, buffers } = reply;
  const { reference } = message;
  pad.set({
    classes: {
      items: message.items,
      paint: classCanvas(labelsOf(buffers[0]), message.width, message.height),
      reference: reference && { ...reference, paint: classCanvas(labelsOf(buffers[1]), reference.width, reference.height) },
    },
  });
}

/** What in the reference colored this place. @param {any} pad @param {number} x @param {number} y */
async function requestMatch(pad, x, y) {
  if (!pad.ui.exemplar || pad.ui.link !== "open") return;
  const reply = await pad.client.ask({ type: "match", recipe: currentRecipe(pad), x, y }).catch(() => null);
  if (reply) pad.set({ matched: reply.message.x === null ? null : [reply.message.x, reply.message.y] });
}

export {
  currentRecipe, firstOpenRegion, pickRegion, regionAt, requestClasses, requestColor, requestMatch, requestNext,
  requestRegions, requestSuggestions,
};
