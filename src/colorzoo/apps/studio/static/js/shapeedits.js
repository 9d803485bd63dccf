/** Edits of boxes and areas; each edit is one undo step. */

import { atLightness, clamp, hexToRgb, labHex, rgbToAb, rgbToLab } from "./color.js";
import { currentRecipe } from "./recipe.js";
import { withoutPoint } from "./document.js";
import { t } from "./dom.js";
import { pixelAt } from "./pixels.js";
import { areaAt, areaCenter, areaLightness, areaMask, combinedMasks, drawnMaskSize, followsColor, isEmptyMask, maskShare, movedBox, strokeMask } from "./shapes.js";

export const boxesOf = (pad) => pad.doc.boxes ?? [];

/** @returns {number | null} index of the selected box */
export function pickedBox(pad) {
  const { box } = pad.ui;
  return box !== null && pad.accepts("boxes") && box < boxesOf(pad).length ? box : null;
}

export function pickBox(pad, index) {
  if (index < 0) return pad.set({ box: null });
  pad.set({ box: index, selected: null, regionPick: [], suggestions: null });
  pad.announce(t("{name} selected", { name: boxName(index) }));
}

export const boxName = (index) => t("Box {n}", { n: index + 1 });

export function addBox(pad, box) {
  pad.edit({ ...pad.doc, boxes: [...boxesOf(pad), box] }, t("draw a box"));
  pickBox(pad, pad.doc.boxes.length - 1);
}

export const previewBox = (pad, index, box) => pad.preview({ ...pad.doc, boxes: pad.doc.boxes.with(index, box) });

export function deleteBox(pad, index) {
  pad.set({ box: null });
  pad.edit({ ...pad.doc, boxes: pad.doc.boxes.toSpliced(index, 1) }, t("delete box"));
  pad.announce(t("{name} deleted", { name: boxName(index) }));
}

export function moveBox(pad, dx, dy) {
  const index = pickedBox(pad);
  pad.edit({ ...pad.doc, boxes: pad.doc.boxes.with(index, movedBox(pad.doc.boxes[index], dx, dy, pad.photo)) }, t("move box"));
}

/** @param {number} id @returns {string} classes learned without labels have only a number */
export function className(pad, id) {
  const { items = [], reference } = pad.ui.classes ?? {};
  const name = [...items, ...(reference?.items ?? [])].find((item) => item.id === id)?.name ?? String(id);
  return /^\d+$/.test(name) ? t("object type {n}", { n: name }) : name;
}

export const SELECTION_SIZES = [0.4, 0.5, 0.6, 0.8, 1, 1.25, 1.6, 2];

/** @returns {{area: import("./shapes.js").Area, index: number} | null} the selected area, if it still exists */
export function pickedArea(pad) {
  const index = pad.ui.area;
  const area = index === null ? null : pad.doc.areas[index];
  return area ? { area, index } : null;
}

export function pickArea(pad, index) {
  if (index < 0) return pad.set({ area: null });
  pad.set({ area: index, selected: null, box: null, regionPick: [], suggestions: null, selection: null, judging: false });
  pad.announce(t("{name} selected", { name: areaName(pad, index) }));
}

export const areaName = (pad, index) => t("Area {n}: {what}", { n: index + 1, what: actionText(pad.doc.areas[index]) });

function actionText({ action, color }) {
  return { color: t("color {color}", { color }), lock: t("protected from changes"), gray: t("kept gray"), only: t("edits limited to this area"), thing: t("separately colored object") }[action];
}

/**
 * Select the object at a place or in an outline, until an action is chosen for it.
 * @param {{at?: [number, number], path?: [number, number][], exact?: boolean}} where pixels of the photo; exact takes the path as it was drawn
 * @param {"new" | "more" | "less"} [how] more and less change the selection or the selected area @param {number} [size] one of {@link SELECTION_SIZES}, for a place
 * @returns {Promise<boolean>} whether there is a selection now
 */
export async function selectObject(pad, where, how = "new", size = 1) {
  const { photo } = pad;
  const before = how === "new" ? null : pad.ui.selection;
  const picked = how === "new" || before ? null : pickedArea(pad);
  pad.set({ area: picked?.index ?? null, selected: null, box: null, suggestions: null });
  const outer = how === "new" && where.at && size === 1 ? selectionAround(pad, where.at) : null;
  const place = where.at ? { x: where.at[0], y: where.at[1], visible: visibleShare(pad) } : where;
  let object = null;
  for (let step = SELECTION_SIZES.indexOf(size); step >= 0; step -= 1) {
    const reply = await pad.ask({ type: "select", recipe: currentRecipe(pad), ...place, size: SELECTION_SIZES[step] });
    if (!reply) return false;
    object = reply.message.mask;
    size = SELECTION_SIZES[step];
    if (!outer || maskShare(object) < SAME_OBJECT * maskShare(outer)) break; // a second click inside selects a part
  }
  if (picked) {
    await changeBorder(pad, picked, combinedMasks(areaMask(picked.area, photo), object, how === "less"));
    return false;
  }
  const mask = before ? combinedMasks(before.mask, object, how === "less") : object;
  const made = before ? { by: "several" } : { by: where.at ? "click" : "outline", ...where, size };
  pad.set({ selection: { mask, made } });
  pad.announce(t("Object selected. Choose an action."));
  return true;
}

const SAME_OBJECT = 0.9; // ratio of pixel counts above which a new selection is the same object

/** @returns {import("./shapes.js").AreaMask | null} the selection, if it covers a place */
function selectionAround(pad, place) {
  const { selection } = pad.ui;
  return selection && areaAt([selection], pad.photo, place) === 0 ? selection.mask : null;
}

function visibleShare(pad) {
  const { view, stage } = pad.ui;
  const { width, height } = pad.photo;
  return Math.min(1, (Math.min(width, stage.width / view.scale) * Math.min(height, stage.height / view.scale)) / (width * height));
}

/** @param {[number, number][]} path @param {number} size diameter of the brush in pixels of the photo @param {boolean} less subtract */
export async function brushArea(pad, path, size, less) {
  const { selection } = pad.ui;
  const picked = selection ? null : pickedArea(pad);
  const before = selection?.mask ?? (picked && areaMask(picked.area, pad.photo));
  if (!before && less) return;
  const drawn = strokeMask(path, size, pad.photo, before ?? drawnMaskSize(pad.photo));
  const mask = before ? combinedMasks(before, drawn, less) : drawn;
  if (!picked) {
    pad.set({ selection: isEmptyMask(mask) ? null : { mask, made: { by: before ? "several" : "brush" } }, selected: null, box: null, suggestions: null });
    return;
  }
  await changeBorder(pad, picked, mask);
}

async function changeBorder(pad, { area, index }, mask) {
  if (isEmptyMask(mask)) return pad.toast(t("This would leave the area empty. Delete the area instead."));
  const { path: _, ...rest } = area;
  const { action, color } = area;
  const changed = await areaWithAction(pad, { ...rest, mask, made: { by: "several" } }, action, color ? { color, ...(rest.lightness ? { lightness: rest.lightness } : {}) } : {});
  if (changed && pad.doc.areas[index] === area) changeArea(pad, index, changed, t("change area outline"));
}

export async function resizeSelection(pad, step) {
  const { by: _by, size, ...where } = pad.ui.selection?.made ?? {};
  if (!size) return false;
  const index = clamp(SELECTION_SIZES.indexOf(size) + step, 0, SELECTION_SIZES.length - 1);
  return selectObject(pad, where, "new", SELECTION_SIZES[index]);
}

/** Select the exact drawn outline, or the object inside the outline. */
export async function keepOutline(pad) {
  const { path, exact } = pad.ui.selection?.made ?? {};
  return path ? selectObject(pad, exact ? { path } : { path, exact: true }) : false;
}

export async function addArea(pad, action, more = {}) {
  const { selection } = pad.ui;
  if (!selection) return;
  const area = await areaWithAction(pad, selection, action, more);
  if (!area) return;
  if (pad.ui.selection === selection) pad.set({ selection: null });
  pad.edit({ ...pad.doc, areas: [...pad.doc.areas, area] }, t("add area"));
  pickArea(pad, pad.doc.areas.length - 1);
}

/** @param {import("./shapes.js").Box} box @returns {Promise<object | null>} an area with the action "thing" for the object in a box */
async function objectInBox(pad, box) {
  const [right, bottom] = [box.x + box.width, box.y + box.height];
  const path = [[box.x, box.y], [right, box.y], [right, bottom], [box.x, bottom]];
  const reply = await pad.ask({ type: "select", recipe: currentRecipe(pad), path, size: 1 });
  return reply && { mask: reply.message.mask, made: { by: "box" }, action: "thing" };
}

function addObject(pad, boxes, area, label) {
  pad.edit({ ...pad.doc, boxes, areas: [...pad.doc.areas, area] }, label);
  pickArea(pad, pad.doc.areas.length - 1);
}

export async function addObjectInBox(pad, box) {
  pad.announce(t("Finding the outline of the object in the box."));
  const area = await objectInBox(pad, box);
  if (area) addObject(pad, pad.doc.boxes ?? [], area, t("color as a separate object"));
}

/** Return whether the model uses areas with the action "thing". */
export const usesObjects = (pad) => pad.accepts("boxes") || pad.accepts("scribbles");

/** @param {any} place with its mask or path @param {string} action @param {object} [more] @returns {Promise<any>} null after an error */
async function areaWithAction(pad, place, action, more = {}) {
  const { color: _, lightness: __, kept: ___, action: ____, ...rest } = place;
  const bare = { ...rest, action };
  if (action === "color") return { ...bare, color: initialAreaColor(pad, bare), ...more };
  if (action === "gray" || action === "thing") return bare;
  const reply = await pad.ask({ type: "keep", recipe: currentRecipe(pad), area: bare });
  return reply && { ...bare, kept: reply.message.kept };
}

/** Return the current color at a position, or the color for new points if the user set it. */
function initialAreaColor(pad, area) {
  const [x, y] = areaCenter(area, pad.photo);
  const lightness = areaLightness(area, pad.photo);
  const ab = pad.ui.sticky || !pad.photo.result ? pad.ui.ab : rgbToAb(pixelAt(pad.photo.result, x / pad.photo.width, y / pad.photo.height));
  return labHex(lightness, ab);
}

export function changeArea(pad, index, area, label, done = true) {
  pad.applyChange({ ...pad.doc, areas: pad.doc.areas.with(index, area) }, done, label);
}

export async function setAreaAction(pad, index, action) {
  const area = pad.doc.areas[index];
  const changed = await areaWithAction(pad, area, action, area.color ? { color: area.color } : {});
  if (changed && pad.doc.areas[index] === area) changeArea(pad, index, changed, t("change area effect"));
}

export function setAreaColor(pad, color, done) {
  const { area, index } = pickedArea(pad);
  pad.set({ judging: true });
  changeArea(pad, index, { ...area, color }, t("change color"), done);
}

export function setAreaLightness(pad, follows) {
  const { area, index } = pickedArea(pad);
  const { lightness: _, ...rest } = area;
  changeArea(pad, index, follows ? { ...rest, lightness: "color" } : rest, t("change area brightness"));
}

/** Change the lightness so that an unavailable color is shown, in the selected area or in a new area around a point. */
export async function followColorThere(pad, color, point = pad.selectedPoint()) {
  const picked = pickedArea(pad);
  const wanted = { color, lightness: "color" };
  pad.set({ unavailableColor: null });
  if (picked) return changeArea(pad, picked.index, { ...picked.area, ...wanted }, t("change area brightness"));
  if (!point || !(await selectObject(pad, { at: [point.x, point.y] }))) return;
  const area = { ...pad.ui.selection, action: "color", ...wanted };
  pad.set({ selection: null });
  pad.edit({ ...withoutPoint(pad.doc, point.id), areas: [...pad.doc.areas, area] }, t("change area brightness"));
  pickArea(pad, pad.doc.areas.length - 1);
}

export function deleteArea(pad, index) {
  const name = areaName(pad, index);
  pad.set({ area: null });
  pad.edit({ ...pad.doc, areas: pad.doc.areas.toSpliced(index, 1) }, t("delete area"));
  pad.announce(t("{name} deleted", { name }));
}

/** Return the color of the selected area for the color controls. @returns {{lightness: number, ab: [number, number], free: boolean} | null} */
export function areaTarget(pad) {
  const { area } = pickedArea(pad) ?? {};
  if (area?.action !== "color") return null;
  const lab = rgbToLab(hexToRgb(area.color));
  if (followsColor(area)) return { lightness: lab[0], ab: [lab[1], lab[2]], free: true };
  const lightness = areaLightness(area, pad.photo);
  return { lightness, ab: atLightness(lab, lightness), free: false };
}
