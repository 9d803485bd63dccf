/** Changes to the work: each is one step of undo. */

import { abDistance, atLightness, clamp, hexToRgb, labHex, reduceChroma, rgbToAb, rgbToHex, rgbToLab } from "./color.js";
import { firstOpenRegion, pickRegion, requestSuggestions } from "./coloring.js";
import { changePoint, nextId, pointRadius, withoutPoint } from "./document.js";
import { t } from "./dom.js";
import { pixelAt } from "./pixels.js";
import { deleteShape, pickedShape } from "./shapeedits.js";
import { hintNumber, hintObject, hintObjects, isStroke, strokeMates, strokeWay } from "./strokes.js";
import { deleteZone, pickedZone, setZoneColor, zoneTarget } from "./zoneedits.js";

const RECENT = 12;
const SAME_COLOR = 2;
const PALER = 4; // units of chroma that are missed

/**
 * What the color controls act on.
 * @param {any} pad @returns {{kind: "point" | "zone" | "region" | "none", luma: number, ab: [number, number], locked: boolean, free?: boolean}}
 */
function colorTarget(pad) {
  const point = pad.selectedPoint();
  if (point) return { kind: "point", luma: pad.lumaAt(point.x, point.y), ab: point.ab, locked: Boolean(point.locked) };
  const zone = zoneTarget(pad);
  if (zone) return { kind: "zone", locked: false, ...zone };
  const [first] = pad.ui.regionPick;
  if (first !== undefined) {
    const color = pad.doc.regions[first];
    const [luma, a, b] = color ? rgbToLab(hexToRgb(color)) : [pad.ui.luma, ...pad.ui.ab];
    return { kind: "region", luma, ab: [a, b], locked: false };
  }
  return { kind: "none", luma: pad.ui.luma, ab: pad.ui.ab, locked: false };
}

/**
 * Give a color to the selected point or regions, else to the brush.
 * @param {any} pad @param {[number, number]} ab @param {boolean} [done] false while it is still being dragged
 * @param {number} [luma] only regions have a lightness of their own
 */
function setColor(pad, ab, done = true, luma = colorTarget(pad).luma) {
  const target = colorTarget(pad);
  pad.ui.unshown = null;
  if (target.locked) {
    pad.toast(t("This point is locked. Unlock it (L) to change its color."));
    return;
  }
  if (target.kind === "none") {
    pad.set({ ab, luma, once: done }); // the next point alone takes it: the box for all points is the user's
    if (done) pad.say(t("The next point takes this color"));
  } else if (target.kind === "zone") setZoneColor(pad, labHex(luma, ab), done);
  else if (target.kind === "point") {
    const point = pad.selectedPoint();
    Object.assign(pad.ui, { ab, luma });
    changeTo(pad, changePoint(pad.doc, point.id, { ab: reduceChroma(target.luma, ab), hex: labHex(target.luma, ab) }), done, t("color"));
  } else {
    Object.assign(pad.ui, { ab, luma });
    const color = labHex(luma, ab);
    const colored = Object.fromEntries(pad.ui.regionPick.map((index) => [index, color]));
    const skipped = pad.doc.skipped.filter((index) => !(index in colored));
    changeTo(pad, { ...pad.doc, regions: { ...pad.doc.regions, ...colored }, proposal: pad.ui.regions?.proposal ?? pad.doc.proposal, skipped }, done, t("color"));
  }
  if (done) remember(pad, luma, ab);
}

/**
 * Show a changed document; once done it is a step of undo, and the full result is asked for without a small one before it.
 * @param {any} pad @param {import("./document.js").Doc} doc @param {boolean} done @param {string} label
 */
function changeTo(pad, doc, done, label) {
  if (done) pad.edit(doc, label);
  else pad.preview(doc);
}

/** @param {any} pad @param {string} hex any lightness: that of the photo stays, except for regions */
function setHex(pad, hex) {
  const [luma, a, b] = rgbToLab(hexToRgb(hex));
  const target = colorTarget(pad);
  const fixed = target.kind === "point" || (target.kind === "zone" && !target.free);
  const ab = fixed ? atLightness([luma, a, b], target.luma) : [a, b];
  setColor(pad, ab, true, fixed ? target.luma : luma);
  const paler = Math.hypot(a, b) - Math.hypot(...ab) > PALER && !target.locked;
  pad.set({ unshown: paler ? { hex, kept: labHex(target.luma, ab) } : null });
}

function remember(pad, luma, ab) {
  if (Math.hypot(...ab) < 1) return;
  const others = pad.ui.recent.filter((recent) => abDistance(recent.ab, ab) > SAME_COLOR);
  pad.set({ recent: [{ ab, hex: labHex(clamp(luma, 35, 75), ab) }, ...others].slice(0, RECENT) });
  pad.saveSettings();
}

/** @param {any} pad @param {number} x @param {number} y @returns {[number, number]} the color that a new point begins with */
function firstColor(pad, x, y) {
  const chosen = pad.ui.sticky || pad.ui.once;
  pad.ui.once = false;
  if (chosen) return pad.paintAb(x, y);
  if (!pad.photo.result) return [0, 0];
  return rgbToAb(pixelAt(pad.photo.result, x / pad.photo.width, y / pad.photo.height));
}

/** @param {any} pad @param {number} x @param {number} y @returns {import("./document.js").Point} */
function newPoint(pad, x, y, ab = firstColor(pad, x, y)) {
  const [left, top] = insidePhoto(pad, x, y);
  return { id: nextId(pad.doc.points), x: left, y: top, size: pad.ui.size, ab, hex: labHex(pad.lumaAt(left, top), ab), reach: pad.ui.reach };
}

/** @param {any} pad @returns {[number, number]} */
function insidePhoto(pad, x, y) {
  return [clamp(x, 0, pad.photo.width), clamp(y, 0, pad.photo.height)];
}

/** @param {any} pad @param {number} x @param {number} y */
function addPointAt(pad, x, y) {
  const point = newPoint(pad, x, y);
  pad.ui.selected = point.id;
  pad.set({ regionPick: [], wanted: null, shape: null, zone: null });
  pad.edit({ ...pad.doc, points: [...pad.doc.points, point] }, t("add point"));
}

/** @param {any} pad @param {number | null} id */
function selectPoint(pad, id) {
  if (pad.ui.selected === id) return;
  pad.set({ selected: id, regionPick: id === null ? pad.ui.regionPick : [], suggestions: null, shape: null, zone: null, unshown: null });
  if (id === null) return;
  const point = pad.selectedPoint();
  pad.ui.size = point.size;
  pad.say(t(isStroke(pad.doc, point) ? "Stroke {n} selected" : "Point {n} selected", { n: hintNumber(pad.doc, point) }));
  requestSuggestions(pad);
}

/** @param {any} pad @param {number} id @param {number} x @param {number} y @param {boolean} done */
function movePoint(pad, id, x, y, done) {
  const point = pad.doc.points.find((candidate) => candidate.id === id);
  if (!point || point.locked) return;
  const [dx, dy] = strokeWay(strokeMates(pad.doc, point), x - point.x, y - point.y, pad.photo);
  const [left, top] = [point.x + dx, point.y + dy];
  changeTo(pad, changePoint(pad.doc, id, { x: left, y: top, hex: labHex(pad.lumaAt(left, top), point.ab) }), done, t("move point"));
}

/** @param {any} pad @param {number} id */
function deletePoint(pad, id) {
  const index = pad.doc.points.findIndex((point) => point.id === id);
  if (index < 0) return;
  if (pad.doc.points[index].locked) {
    pad.toast(t("This point is locked. Unlock it (L) to delete it."));
    return;
  }
  if (pad.ui.selected === id) pad.set({ selected: null, suggestions: null });
  pad.edit(withoutPoint(pad.doc, id), t("delete point"));
}

/** Delete what is selected. @param {any} pad */
function deleteSelected(pad) {
  if (pad.ui.selected !== null) deletePoint(pad, pad.ui.selected);
  else if (pad.ui.regionPick.length) {
    const regions = Object.fromEntries(Object.entries(pad.doc.regions).filter(([index]) => !pad.ui.regionPick.includes(Number(index))));
    pad.edit({ ...pad.doc, regions }, t("clear region"));
  } else {
    const shape = pickedShape(pad);
    const zone = pickedZone(pad);
    if (shape) deleteShape(pad, shape.kind, shape.index);
    else if (zone) deleteZone(pad, zone.index);
  }
}

/** @param {any} pad @param {"locked" | "muted"} flag @param {number | null} [id] */
function toggleFlag(pad, flag, id = pad.ui.selected) {
  const point = pad.doc.points.find((candidate) => candidate.id === id);
  if (!point) return;
  const names = { locked: [t("lock point"), t("unlock point")], muted: [t("mute point"), t("unmute point")] };
  pad.edit(changePoint(pad.doc, id, { [flag]: !point[flag] }), names[flag][point[flag] ? 1 : 0]);
}

/** @param {any} pad @param {number} size 1 to 9, pixels of the network */
function setSize(pad, size) {
  const next = clamp(Math.round(size), 1, 9);
  pad.set({ size: next });
  const point = pad.selectedPoint();
  if (point && !point.locked && point.size !== next) pad.edit(changePoint(pad.doc, point.id, { size: next, radius: undefined }), t("point size"));
}

/** How far the color of the selected point goes, and those of the next ones. @param {any} pad @param {import("./document.js").Reach} reach @param {boolean} done */
function setReach(pad, reach, done) {
  const point = pad.selectedPoint();
  if (point?.locked) return;
  pad.set({ reach });
  if (!point) return;
  changeTo(pad, changePoint(pad.doc, point.id, { reach }), done, t("point’s reach"));
}

/** Gray for the selected point or regions, or for the next one. @param {any} pad */
function keepGray(pad) {
  const { kind, luma } = colorTarget(pad);
  setColor(pad, [0, 0], true, luma);
  pad.say(kind === "none" ? t("The next point keeps gray") : t("Keeps gray"));
}

/** @param {any} pad @param {number} x @param {number} y in the photo @param {number} slack on the stage @returns {number | null} */
function pointNear(pad, x, y, slack) {
  const reach = slack / pad.ui.view.scale;
  let best = null;
  let least = reach;
  for (const point of pad.doc.points) {
    const distance = Math.hypot(point.x - x, point.y - y);
    if (distance <= least) [best, least] = [hintObject(pad.doc, point).id, distance];
  }
  return best;
}

/** @param {any} pad @param {number} x @param {number} y @returns {any} the document without hints below the eraser */
function erasedAt(pad, x, y) {
  const reach = (pad.ui.size / 2) * pad.perNetworkPixel();
  const near = (px, py, more) => Math.hypot(px - x, py - y) <= reach + more;
  const spare = (point) => point.locked || !near(point.x, point.y, pointRadius(point, pad.perNetworkPixel()));
  const points = pad.doc.points.filter(spare);
  const scribbles = pad.doc.scribbles.filter((stroke) => !stroke.path.some(([px, py]) => near(px, py, stroke.width / 2)));
  const same = points.length === pad.doc.points.length && scribbles.length === pad.doc.scribbles.length;
  return same ? pad.doc : { ...pad.doc, points, scribbles };
}

/** Go on to the next region without a color. @param {any} pad */
function skipRegion(pad) {
  const pick = pad.ui.regionPick;
  if (!pick.length) return;
  const regions = Object.fromEntries(Object.entries(pad.doc.regions).filter(([index]) => !pick.includes(Number(index))));
  pad.edit({ ...pad.doc, regions, skipped: [...new Set([...pad.doc.skipped, ...pick])] }, t("skip region"));
  pickRegion(pad, firstOpenRegion(pad));
}

/** @param {any} pad @returns {string | null} the color that the picked region has in the result so far */
function suggestedColor(pad) {
  const [first] = pad.ui.regionPick;
  return pad.ui.regions?.items.find(({ index }) => index === first)?.suggested ?? null;
}

/** Take the suggested color for the picked region and go on to the next one. @param {any} pad */
function acceptSuggested(pad) {
  const hex = suggestedColor(pad);
  if (!hex) return;
  setHex(pad, hex);
  pickRegion(pad, firstOpenRegion(pad));
}

/** @param {any} pad @param {number} x @param {number} y in the photo: take the color that is seen there */
async function pickColorAt(pad, x, y) {
  const shown = pad.ui.hold || pad.ui.compare === "gray";
  const layer = shown ? pad.photo.source : pad.photo.result ?? pad.photo.source;
  takeColor(pad, rgbToHex(pixelAt(layer, x / pad.photo.width, y / pad.photo.height)));
}

/** @param {any} pad @param {string} hex from the eyedropper */
function takeColor(pad, hex) {
  setHex(pad, hex);
  pad.setTool(pad.ui.toolBefore ?? "point");
  pad.say(t("Color {hex} taken", { hex }));
}

/** @param {any} pad @param {number} step to the next or the last point */
function cyclePoint(pad, step) {
  const points = hintObjects(pad.doc);
  if (!points.length) return;
  const index = points.findIndex((point) => point.id === pad.ui.selected);
  const point = points[(index + step + points.length + (index < 0 && step < 0 ? 1 : 0)) % points.length];
  selectPoint(pad, point.id);
  pad.revealPlace(point.x, point.y);
}

export {
  acceptSuggested, addPointAt, colorTarget, cyclePoint, deletePoint, deleteSelected, erasedAt, insidePhoto, keepGray, movePoint, newPoint,
  pickColorAt, pointNear, selectPoint, setColor, setHex, setReach, setSize, skipRegion, suggestedColor, takeColor, toggleFlag,
};
