/** The area tool: a click selects the thing there, a drag around a thing selects it, by pointer or by the cross. */

import { insidePhoto } from "./edits.js";
import { boundsOf, distance, isLarge, roundedPath, thinned } from "./shapes.js";
import { deleteZone, selectZone } from "./zoneedits.js";
import { zoneAt } from "./zones.js";

const ZONE_APART = 2; // CSS pixels between the corners of an outline

const zoneGap = (pad) => ZONE_APART / pad.ui.view.scale;

/** Shift adds to what is selected, Ctrl or Command takes away. @param {any} event @returns {"new" | "more" | "less"} */
function zoneMode({ shiftKey, ctrlKey, metaKey }) {
  if (shiftKey) return "more";
  return ctrlKey || metaKey ? "less" : "new";
}

/** @param {any} pad @param {any} at @param {[number, number]} place @param {any} drag */
function startZone(pad, at, place, drag) {
  pad.ui.zonePath = [insidePhoto(pad, ...place)];
  drag.how = zoneMode(at.event);
}

/** @param {any} pad @param {[number, number]} place */
function continueZone(pad, place) {
  const corner = insidePhoto(pad, ...place);
  if (pad.ui.zonePath && distance(corner, pad.ui.zonePath.at(-1)) >= zoneGap(pad)) pad.ui.zonePath.push(corner);
}

/** @param {any} pad @param {any} drag @param {[number, number]} place */
function endZone(pad, drag, place) {
  const path = pad.ui.zonePath;
  pad.ui.zonePath = null;
  const outline = path && thinned(path, zoneGap(pad));
  if (drag.moved && outline?.length >= 3 && isLarge(boundsOf(path))) selectZone(pad, { path: roundedPath(outline) }, drag.how);
  else if (!drag.moved) selectZone(pad, { at: roundedPath([insidePhoto(pad, ...place)])[0] }, drag.how);
}

/** @param {any} pad @param {[number, number]} place */
function eraseZone(pad, place) {
  const index = zoneAt(pad.doc.areas, pad.photo, place);
  if (pad.ui.pending) pad.set({ pending: null });
  else if (index >= 0) deleteZone(pad, index);
}

/** Enter at the cross; then the panel's first button has the focus. @param {any} pad */
async function selectAtCross(pad) {
  const at = roundedPath([pad.ui.cross])[0];
  pad.set({ cross: null });
  if (await selectZone(pad, { at })) pad.root.querySelector("[data-zone-action]")?.focus();
}

export { continueZone, endZone, eraseZone, selectAtCross, startZone };
