/** Changes to areas: select a thing, give it an action, change or delete it. Each change is one step of undo. */

import { atLightness, clamp, hexToRgb, labHex, rgbToAb, rgbToLab } from "./color.js";
import { currentRecipe } from "./coloring.js";
import { withoutPoint } from "./document.js";
import { t } from "./dom.js";
import { pixelAt } from "./pixels.js";
import { combinedMasks, followsColor, zoneCenter, zoneLuma } from "./zones.js";

const ZONE_SIZES = [0.4, 0.6, 0.8, 1, 1.25, 1.6, 2];

/** @param {any} pad @returns {{zone: import("./zones.js").Zone, index: number} | null} what is picked, if it is still there */
function pickedZone(pad) {
  const index = pad.ui.zone;
  const zone = index === null ? null : pad.doc.areas[index];
  return zone ? { zone, index } : null;
}

/** @param {any} pad @param {number} index below 0: none */
function pickZone(pad, index) {
  if (index < 0) {
    pad.set({ zone: null });
    return;
  }
  pad.set({ zone: index, selected: null, shape: null, regionPick: [], suggestions: null, pending: null, unshown: null });
  pad.say(t("{name} selected", { name: zoneName(pad, index) }));
}

/** @param {any} pad @param {number} index @returns {string} as people read it */
function zoneName(pad, index) {
  return t("Area {n}: {what}", { n: index + 1, what: zoneWhat(pad.doc.areas[index]) });
}

/** @param {import("./zones.js").Zone} zone @returns {string} what becomes of it */
function zoneWhat({ action, color }) {
  return { color: t("color {color}", { color }), lock: t("locked"), gray: t("gray"), only: t("only this changes"), thing: t("a thing of its own") }[action];
}

/**
 * Look for the thing at a place, or in an outline; it is marked until something becomes of it.
 * @param {any} pad @param {{at?: [number, number], path?: [number, number][]}} where pixels of the photo
 * @param {"new" | "more" | "less"} [how] @param {number} [size] of {@link ZONE_SIZES}, for a place
 */
async function selectZone(pad, where, how = "new", size = 1) {
  const { photo } = pad;
  const before = how === "new" ? null : pad.ui.pending;
  pad.set({ zone: null, selected: null, shape: null, suggestions: null });
  const reply = await pad.ask({ type: "select", recipe: currentRecipe(pad), ...(where.at ? { x: where.at[0], y: where.at[1] } : { path: where.path }), size });
  if (!reply || pad.photo !== photo) return false;
  const found = reply.message.mask;
  const mask = before ? combinedMasks(before.mask, found, how === "less") : found;
  const made = before ? { by: "several" } : { by: where.at ? "click" : "outline", ...(where.at ? { at: where.at, size } : {}) };
  pad.set({ pending: { mask, made } });
  pad.say(t("Thing selected. Choose what becomes of it."));
  return true;
}

/** Select more or less of what was clicked. @param {any} pad @param {number} step @returns {Promise<boolean>} */
async function resizePending(pad, step) {
  const { made } = pad.ui.pending ?? {};
  if (!made?.at) return false;
  const index = clamp(ZONE_SIZES.indexOf(made.size) + step, 0, ZONE_SIZES.length - 1);
  return selectZone(pad, { at: made.at }, "new", ZONE_SIZES[index]);
}

/** Make an area of what is selected. @param {any} pad @param {import("./zones.js").Zone["action"]} action @param {object} [more] */
async function addZone(pad, action, more = {}) {
  const { pending } = pad.ui;
  if (!pending) return;
  const zone = await zoneWith(pad, pending, action, more);
  if (!zone) return;
  pad.set({ pending: null });
  pad.edit({ ...pad.doc, areas: [...pad.doc.areas, zone] }, t("add area"));
  pickZone(pad, pad.doc.areas.length - 1);
}

/** @param {any} pad @param {import("./shapes.js").Box} box @returns {Promise<object | null>} the area of what is in it, as a thing */
async function thingIn(pad, box) {
  const { photo } = pad;
  const [right, bottom] = [box.x + box.width, box.y + box.height];
  const path = [[box.x, box.y], [right, box.y], [right, bottom], [box.x, bottom]];
  const reply = await pad.ask({ type: "select", recipe: currentRecipe(pad), path, size: 1 });
  return reply && pad.photo === photo ? { mask: reply.message.mask, made: { by: "box" }, action: "thing" } : null;
}

/** @param {any} pad @param {import("./shapes.js").Box[]} boxes those that stay @param {object} zone @param {string} label */
function addThing(pad, boxes, zone, label) {
  pad.edit({ ...pad.doc, boxes, areas: [...pad.doc.areas, zone] }, label);
  pickZone(pad, pad.doc.areas.length - 1);
}

/** Let a box follow the edges of what is in it: an area takes its place. @param {any} pad @param {number} index */
async function followEdges(pad, index) {
  const box = pad.doc.boxes[index];
  const zone = await thingIn(pad, box);
  if (zone && pad.doc.boxes?.[index] === box) addThing(pad, pad.doc.boxes.toSpliced(index, 1), zone, t("follow the edges"));
}

/** Add the thing around which a box was drawn; the box does not stay. @param {any} pad @param {import("./shapes.js").Box} box */
async function addThingIn(pad, box) {
  pad.say(t("Following the edges of what is in the box."));
  const zone = await thingIn(pad, box);
  if (zone) addThing(pad, pad.doc.boxes ?? [], zone, t("draw around a thing"));
}

/** Whether the model does anything with areas that are things. @param {any} pad @returns {boolean} */
const usesThings = (pad) => pad.accepts("boxes") || pad.accepts("scribbles");

/** @param {any} pad @param {object} place its mask or path @param {string} action @param {object} [more] @returns {Promise<any>} null where that failed */
async function zoneWith(pad, place, action, more = {}) {
  const { color: _, lightness: __, kept: ___, action: ____, ...rest } = place;
  const bare = { ...rest, action };
  if (action === "color") return { ...bare, color: firstZoneColor(pad, bare), ...more };
  if (action === "gray" || action === "thing") return bare;
  const reply = await pad.ask({ type: "keep", recipe: currentRecipe(pad), area: bare });
  return reply && { ...bare, kept: reply.message.kept };
}

/** The color that the place has, so that nothing jumps; or the one that new points take. */
function firstZoneColor(pad, zone) {
  const [x, y] = zoneCenter(zone, pad.photo);
  const luma = zoneLuma(zone, pad.photo);
  const ab = pad.ui.sticky || !pad.photo.result ? pad.ui.ab : rgbToAb(pixelAt(pad.photo.result, x / pad.photo.width, y / pad.photo.height));
  return labHex(luma, ab);
}

/** @param {any} pad @param {number} index @param {object} zone @param {string} label @param {boolean} [done] */
function changeZone(pad, index, zone, label, done = true) {
  const doc = { ...pad.doc, areas: pad.doc.areas.with(index, zone) };
  if (done) pad.edit(doc, label);
  else pad.preview(doc);
}

/** @param {any} pad @param {number} index @param {string} action */
async function setZoneAction(pad, index, action) {
  const zone = pad.doc.areas[index];
  const changed = await zoneWith(pad, zone, action, zone.color ? { color: zone.color } : {});
  if (changed && pad.doc.areas[index] === zone) changeZone(pad, index, changed, t("area’s action"));
}

/** @param {any} pad @param {string} color @param {boolean} done */
function setZoneColor(pad, color, done) {
  const { zone, index } = pickedZone(pad);
  changeZone(pad, index, { ...zone, color }, t("color"), done);
}

/** @param {any} pad @param {boolean} follows */
function setZoneLightness(pad, follows) {
  const { zone, index } = pickedZone(pad);
  const { lightness: _, ...rest } = zone;
  changeZone(pad, index, follows ? { ...rest, lightness: "color" } : rest, t("area’s lightness"));
}

/**
 * Let the photo's lightness give way to a color that it cannot show: in the picked area, or in that of the selected point.
 * @param {any} pad @param {string} color
 */
async function giveLightness(pad, color) {
  const picked = pickedZone(pad);
  const wanted = { color, lightness: "color" };
  pad.set({ unshown: null });
  if (picked) {
    changeZone(pad, picked.index, { ...picked.zone, ...wanted }, t("area’s lightness"));
    return;
  }
  const point = pad.selectedPoint();
  if (!point || !(await selectZone(pad, { at: [point.x, point.y] }))) return;
  const zone = { ...pad.ui.pending, action: "color", ...wanted };
  pad.set({ pending: null });
  pad.edit({ ...withoutPoint(pad.doc, point.id), areas: [...pad.doc.areas, zone] }, t("area’s lightness"));
  pickZone(pad, pad.doc.areas.length - 1);
}

/** @param {any} pad @param {number} index */
function deleteZone(pad, index) {
  const name = zoneName(pad, index);
  pad.set({ zone: null });
  pad.edit({ ...pad.doc, areas: pad.doc.areas.toSpliced(index, 1) }, t("delete area"));
  pad.say(t("{name} deleted", { name }));
}

/** What the color controls show of the picked area. @param {any} pad @returns {{luma: number, ab: [number, number], free: boolean} | null} */
function zoneTarget(pad) {
  const { zone } = pickedZone(pad) ?? {};
  if (zone?.action !== "color") return null;
  const lab = rgbToLab(hexToRgb(zone.color));
  if (followsColor(zone)) return { luma: lab[0], ab: [lab[1], lab[2]], free: true };
  const luma = zoneLuma(zone, pad.photo);
  return { luma, ab: atLightness(lab, luma), free: false };
}

export {
  ZONE_SIZES, addThingIn, addZone, deleteZone, followEdges, giveLightness, pickZone, pickedZone, resizePending, selectZone, setZoneAction, setZoneColor, setZoneLightness, usesThings,
  zoneName, zoneTarget,
};
