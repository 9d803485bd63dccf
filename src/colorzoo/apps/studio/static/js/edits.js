/** Edits of points, colors and regions; each edit is one undo step. */

import { abDistance, atLightness, clamp, hexToRgb, labHex, reduceChroma, rgbToAb, rgbToHex, rgbToLab } from "./color.js";
import { firstOpenRegion, pickRegion, requestSuggestions } from "./coloring.js";
import { changePoint, clampShift, hintNumber, isStroke, listedHints, nextId, pointRadius, roundedPoint, strokePoints, unavailableDab, withoutPoint } from "./document.js";
import { t } from "./dom.js";
import { beforeDivision, deleteDivision, flatColor, joinedPoints, regionOf } from "./drawing.js";
import { deleteCoat, pickedCoat } from "./paintlayers.js";
import { paintDistance } from "./paintstrokes.js";
import { pixelAt } from "./pixels.js";
import { changeReplacement, pickedReplacement } from "./replacing.js";
import { areaTarget, deleteArea, deleteBox, pickedArea, pickedBox, setAreaColor } from "./shapeedits.js";
import { change } from "./state.js";

const MAX_RECENT = 24;
const SAME_COLOR = 2;
const CHROMA_LOSS = 4; // units of chroma; a larger loss is reported
const TYPED_DIFFERENCE = 10; // CIE units between a typed and the shown color; a larger difference is reported

/**
 * Return the target of the color controls: all points of a color of the drawing, the selected point, area or regions, or the color of the next point.
 * @returns {{kind: "swatch" | "point" | "area" | "replacement" | "region" | "none", lightness: number, ab: [number, number], locked: boolean, free?: boolean}}
 */
export function colorTarget(pad) {
  const swatch = pad.doc.points.find(({ id }) => pad.ui.swatch?.includes(id));
  if (swatch) return { kind: "swatch", lightness: pad.lightnessOf(swatch), ab: swatch.ab, locked: false, free: true };
  const point = pad.selectedPoint();
  if (point) return { kind: "point", lightness: pad.lightnessOf(point), ab: point.ab, locked: Boolean(point.locked), free: pad.fills() };
  const area = areaTarget(pad);
  if (area) return { kind: "area", locked: false, ...area };
  const replaced = pickedReplacement(pad)?.replacement;
  if (replaced) return { kind: "replacement", lightness: rgbToLab(hexToRgb(replaced.old))[0], ab: rgbToAb(hexToRgb(replaced.new)), locked: false };
  const [first] = pad.ui.regionPick;
  if (first !== undefined) {
    const color = pad.doc.regions[first];
    const [lightness, a, b] = color ? rgbToLab(hexToRgb(color)) : [pad.ui.lightness, ...pad.ui.ab];
    return { kind: "region", lightness, ab: [a, b], locked: false };
  }
  return { kind: "none", lightness: pad.ui.lightness, ab: pad.ui.ab, locked: false, free: pad.fills() && pad.ui.tool !== "replace" };
}

/**
 * Set the color of the selected point, area or regions, or of the next point.
 * @param {[number, number]} ab @param {boolean} [done] false during a drag
 * @param {number} [lightness] used for regions and areas with their own lightness @param {string} [wanted] requested color that is outside sRGB at the lightness of the point
 */
export function setColor(pad, ab, done = true, lightness = colorTarget(pad).lightness, wanted = undefined) {
  const target = colorTarget(pad);
  if (target.locked) return pad.toast(t("This point is locked. Unlock it on the Layers tab to change its color."));
  if (target.kind === "none") {
    const paints = ["brush", "paint", "fill", "lasso", "enclosed"].includes(pad.ui.tool);
    pad.set({ ab, lightness, typed: null, ...(paints ? {} : { colorForNext: done }) }); // applies to the next point only; the check box applies to all new points
    if (done) pad.announce(paints ? t("The tool uses this color") : t("The next point uses this color"));
  } else if (target.kind === "swatch") {
    const hex = labHex(lightness, ab);
    change(pad.ui, { ab, lightness, typed: null });
    const points = pad.doc.points.map((point) => (pad.ui.swatch.includes(point.id) ? { ...point, ab, hex } : point));
    pad.applyChange({ ...pad.doc, points }, done, t("change color to {hex}", { hex }));
  } else if (target.kind === "area") setAreaColor(pad, labHex(lightness, ab), done);
  else if (target.kind === "replacement") changeReplacement(pad, { new: labHex(lightness, ab) }, done);
  else if (target.kind === "point") {
    const point = pad.selectedPoint();
    change(pad.ui, { ab, lightness, typed: null });
    const shade = target.free ? lightness : target.lightness;
    const patch = { ab: reduceChroma(shade, ab), hex: labHex(shade, ab), byHex: false, untouched: false, wanted };
    pad.applyChange(changePoint(pad.doc, point.id, patch), done, t("change color"), isFirstColor(point.id));
  } else {
    change(pad.ui, { ab, lightness, typed: null });
    const color = labHex(lightness, ab);
    const colored = Object.fromEntries(pad.ui.regionPick.map((index) => [index, color]));
    const skipped = pad.doc.skipped.filter((index) => !(index in colored));
    pad.applyChange({ ...pad.doc, regions: { ...pad.doc.regions, ...colored }, proposal: pad.ui.regions?.proposal ?? pad.doc.proposal, skipped }, done, t("change color"));
  }
  if (done) addRecentColor(pad, lightness, ab);
}

/** Swap the current color and the previous color. */
export function swapColor(pad) {
  const { lightness, ab } = colorTarget(pad);
  const { swapped } = pad.ui;
  pad.set({ swapped: { lightness, ab } });
  setColor(pad, swapped.ab, true, swapped.lightness);
}

export function takeSuggestion(pad, number) {
  const item = pad.ui.suggestions?.items[number];
  if (item && pad.selectedPoint()) useItem(pad, item);
}

/** Use a suggested color, with its own lightness if the target has a free lightness. @param {{ab: [number, number], color: string}} item */
export const useItem = (pad, item) => (colorTarget(pad).free ? setHex(pad, item.color) : setColor(pad, item.ab));

/** @param {number} id @returns {import("./document.js").Joins} whether the last undo step added this point without a color, so that adding and coloring are one step */
function isFirstColor(id) {
  const find = (doc) => doc.points.find((point) => point.id === id);
  return (last, before) => !find(last) && Boolean(find(before)?.untouched);
}

/** Set a color. Points and most areas do not change the lightness of the photo. @param {boolean} [typed] whether the user entered this exact color instead of picking a swatch */
export function setHex(pad, hex, typed = false) {
  const lab = rgbToLab(hexToRgb(hex));
  const [lightness, a, b] = lab;
  const target = colorTarget(pad);
  const fixed = ["point", "replacement", "area"].includes(target.kind) && !target.free;
  const ab = fixed ? atLightness(lab, target.lightness) : /** @type {[number, number]} */ ([a, b]);
  const difference = fixed ? Math.hypot(lightness - target.lightness, abDistance([a, b], ab)) : 0;
  // reduced chroma is natural for a point in shade; areas and replacements also cover bright pixels, so any loss is reported
  const loses = target.kind !== "point" && Math.hypot(a, b) - Math.hypot(...ab) > CHROMA_LOSS;
  const differs = (loses || (typed && difference > TYPED_DIFFERENCE)) && !target.locked;
  setColor(pad, ab, true, fixed ? target.lightness : lightness, differs ? hex : undefined);
  const isNext = target.kind === "none" || target.kind === "point"; // new points and strokes start with this color
  pad.set({ unavailableColor: differs && target.kind !== "point" ? { hex, of: targetName(pad) } : null, ...(isNext && typed && !target.locked ? { typed: hex } : {}) });
}

const targetName = (pad) => [pad.ui.selected, pad.ui.area, ...pad.ui.regionPick].join(" ");

/** @returns {{hex: string, kept: string, point?: import("./document.js").Point} | null} the requested color and the color used instead; a point or stroke stores the requested color until its color changes */
export function unavailableColor(pad) {
  const { lightness, ab } = colorTarget(pad);
  const { unavailableColor: found, tool, typed } = pad.ui;
  const selected = pad.selectedPoint();
  const drawn = tool === "brush" && typed ? pad.doc.points.findLast(({ wanted }) => wanted === typed) : undefined;
  const point = selected ? unavailableDab(pad.doc, selected) : drawn;
  if (point) return { hex: point.wanted, kept: point.hex, point };
  return found?.of === targetName(pad) ? { hex: found.hex, kept: labHex(lightness, ab) } : null;
}

function addRecentColor(pad, lightness, ab) {
  if (Math.hypot(...ab) < 1) return;
  const others = pad.ui.recent.filter((recent) => abDistance(recent.ab, ab) > SAME_COLOR);
  pad.set({ recent: [{ ab, hex: labHex(clamp(lightness, 35, 75), ab) }, ...others].slice(0, MAX_RECENT) });
  pad.saveSettings();
}

/** @returns {[number, number]} ab of the result at a position */
const shownAb = (pad, x, y) => pad.photo.result ? rgbToAb(pixelAt(pad.photo.result, x / pad.photo.width, y / pad.photo.height)) : [0, 0];

export function newPoint(pad, x, y) {
  const chosen = pad.ui.sticky || pad.ui.colorForNext;
  change(pad.ui, { colorForNext: false });
  if (chosen) return brushPoint(pad, x, y);
  const point = pointIn(pad, x, y, shownAb(pad, x, y));
  const hex = pad.fills() && pad.photo.result ? rgbToHex(pixelAt(pad.photo.result, x / pad.photo.width, y / pad.photo.height)) : point.hex;
  return { ...point, hex, untouched: true };
}

/** @param {number} x @param {number} y @returns {import("./document.js").Point} a point with the brush color; it stores a typed color that is outside sRGB at its lightness */
export function brushPoint(pad, x, y) {
  const { typed, lightness, ab } = pad.ui;
  if (pad.fills()) return { ...pointIn(pad, x, y, ab), hex: labHex(lightness, ab), ...(pad.doc.divisions.length ? { fields: { divisions: pad.doc.divisions.length } } : {}) };
  const chosen = typed ? rgbToLab(hexToRgb(typed)) : /** @type {[number, number, number]} */ ([lightness, ...ab]);
  const here = pad.lightnessAround(x, y);
  const point = pointIn(pad, x, y, atLightness(chosen, here));
  const difference = Math.hypot(chosen[0] - here, abDistance([chosen[1], chosen[2]], point.ab));
  return typed && difference > TYPED_DIFFERENCE ? { ...point, wanted: typed } : point;
}

/** @param {number} x @param {number} y @param {[number, number]} ab @returns {import("./document.js").Point} */
function pointIn(pad, x, y, ab) {
  const [left, top] = insidePhoto(pad, x, y);
  return roundedPoint({ id: nextId(pad.doc.points), x: left, y: top, size: pad.ui.size, ab, hex: labHex(pad.lightnessAround(left, top), ab), reach: pad.ui.reach });
}

/** @param {any} pad @param {number} x @param {number} y @returns {[number, number]} the nearest position inside the photo */
export const insidePhoto = (pad, x, y) => [clamp(x, 0, pad.photo.width), clamp(y, 0, pad.photo.height)];

export function addPointAt(pad, x, y) {
  const point = newPoint(pad, x, y);
  pad.set({ selected: point.id, regionPick: [], nextPlace: null, box: null, area: null });
  pad.edit({ ...pad.doc, points: [...pad.doc.points, point] }, t("add point"));
}

export function selectPoint(pad, id) {
  if (pad.ui.selected === id) return;
  pad.set({ selected: id, regionPick: id === null ? pad.ui.regionPick : [], suggestions: null, box: null, area: null });
  if (id === null) return;
  const point = pad.selectedPoint();
  change(pad.ui, { size: point.size });
  pad.announce(t(isStroke(pad.doc, point) ? "Stroke {n} selected" : "Point {n} selected", { n: hintNumber(pad.doc, point) }));
  requestSuggestions(pad);
}

export function movePoint(pad, id, x, y, done) {
  const point = pad.doc.points.find((candidate) => candidate.id === id);
  if (!point || point.locked) return;
  const [dx, dy] = clampShift(strokePoints(pad.doc, point), x - point.x, y - point.y, pad.photo);
  const [left, top] = [point.x + dx, point.y + dy];
  const ab = point.untouched ? shownAb(pad, left, top) : point.ab;
  const color = point.byHex || pad.fills() ? {} : { ab, hex: labHex(pad.lightnessAround(left, top), ab) };
  pad.applyChange(changePoint(pad.doc, id, { x: left, y: top, ...color }), done, t("move point"));
}

export function deletePoint(pad, id) {
  const index = pad.doc.points.findIndex((point) => point.id === id);
  if (index < 0) return;
  if (pad.doc.points[index].locked) return pad.toast(t("This point is locked. Unlock it on the Layers tab to delete it."));
  if (pad.ui.selected === id) pad.set({ selected: null, suggestions: null });
  pad.edit(withoutPoint(pad.doc, id), t("delete point"));
}

export function deleteSelected(pad) {
  if (pad.ui.selected !== null) deletePoint(pad, pad.ui.selected);
  else if (pad.ui.regionPick.length) {
    const regions = Object.fromEntries(Object.entries(pad.doc.regions).filter(([index]) => !pad.ui.regionPick.includes(Number(index))));
    pad.edit({ ...pad.doc, regions }, t("remove region color"));
  } else {
    const box = pickedBox(pad);
    const area = pickedArea(pad);
    const coat = pickedCoat(pad);
    if (box !== null) deleteBox(pad, box);
    else if (area) deleteArea(pad, area.index);
    else if (coat) deleteCoat(pad, coat.index);
    else if (pad.doc.divisions[pad.ui.division]) deleteDivision(pad, pad.ui.division);
  }
}

export function toggleFlag(pad, flag, id = pad.ui.selected) {
  const point = pad.doc.points.find((candidate) => candidate.id === id);
  if (!point) return;
  const names = { locked: [t("lock point"), t("unlock point")], muted: [t("turn point off"), t("turn point on")] };
  pad.edit(changePoint(pad.doc, id, { [flag]: !point[flag] }), names[flag][point[flag] ? 1 : 0]);
}

export function setSize(pad, size) {
  const next = clamp(Math.round(size), 1, 9);
  pad.set({ size: next });
  const point = pad.selectedPoint();
  if (point && !point.locked && point.size !== next) pad.edit(changePoint(pad.doc, point.id, { size: next, radius: undefined }), t("change point size"));
}

export function setReach(pad, reach, done) {
  const point = pad.selectedPoint();
  if (!point) pad.set({ reach });
  if (!point || point.locked) return;
  pad.applyChange(changePoint(pad.doc, point.id, { reach, untouched: false }), done, t("change spread"));
}

/** Set the default reach of a new point, which is smaller inside small objects. The point has no color yet, so this is not an undo step. */
export function startSmall(pad, id, reach) {
  const point = pad.doc.points.find((candidate) => candidate.id === id);
  if (!point?.untouched || point.reach !== "automatic" || pad.ui.reach !== "automatic" || pad.ui.drag) return;
  pad.amend(changePoint(pad.doc, id, { reach }));
}

export function setStrength(pad, strength, done) {
  const point = pad.selectedPoint();
  if (!point || point.locked) return;
  pad.applyChange(changePoint(pad.doc, point.id, { strength, untouched: false }), done, t("point opacity"));
}

export function keepGray(pad) {
  const { kind, lightness } = colorTarget(pad);
  setColor(pad, [0, 0], true, lightness);
  pad.announce(kind === "none" ? t("The next point stays gray") : t("This part stays gray"));
}

/** @param {number} x @param {number} y in the photo @param {number} slack CSS pixels @returns {number | null} id of the nearest point, or of a stroke at this position */
export function pointNear(pad, x, y, slack) {
  const nearest = { point: null, stroke: null };
  const least = { point: slack / pad.ui.view.scale, stroke: slack / pad.ui.view.scale };
  for (const hint of listedHints(pad.doc)) {
    const path = strokePoints(pad.doc, hint).map((dab) => /** @type {[number, number]} */ ([dab.x, dab.y]));
    const kind = path.length > 1 && !pad.fills() ? "stroke" : "point";
    const away = Math.min(...path.map((corner, index) => paintDistance([x, y], corner, kind === "stroke" ? path[index + 1] ?? corner : corner)));
    const distance = kind === "stroke" ? away - pointRadius(hint, pad.perNetworkPixel()) : away;
    if (distance <= least[kind]) [nearest[kind], least[kind]] = [hint.id, distance];
  }
  return nearest.point ?? nearest.stroke;
}

/** @param {number} x @param {number} y @returns {any} the document without the hints under the eraser */
export function erasedAt(pad, x, y) {
  const reach = (pad.ui.size / 2) * pad.perNetworkPixel();
  const near = (px, py, more) => Math.hypot(px - x, py - y) <= reach + more;
  const spare = (point) => point.locked || !near(point.x, point.y, pointRadius(point, pad.perNetworkPixel()));
  const points = pad.doc.points.filter(spare);
  const scribbles = pad.doc.scribbles.filter((stroke) => !stroke.path.some(([px, py]) => near(px, py, stroke.width / 2)));
  const same = points.length === pad.doc.points.length && scribbles.length === pad.doc.scribbles.length;
  return same ? pad.doc : { ...pad.doc, points, scribbles };
}

export function skipRegion(pad) {
  const pick = pad.ui.regionPick;
  if (!pick.length) return;
  const regions = Object.fromEntries(Object.entries(pad.doc.regions).filter(([index]) => !pick.includes(Number(index))));
  pad.edit({ ...pad.doc, regions, skipped: [...new Set([...pad.doc.skipped, ...pick])] }, t("skip region"));
  pickRegion(pad, firstOpenRegion(pad));
}

export function suggestedColor(pad) {
  const [first] = pad.ui.regionPick;
  return pad.ui.regions?.items.find(({ index }) => index === first)?.suggested ?? null;
}

export function acceptSuggested(pad) {
  const hex = suggestedColor(pad);
  if (!hex) return;
  setHex(pad, hex);
  pickRegion(pad, firstOpenRegion(pad));
}

/** @returns {string} color of the photo on display; in a drawing, the exact color of the region below the lines */
function colorAt(pad, x, y) {
  const original = pad.ui.hold || pad.ui.compare === "gray";
  const flat = pad.fills() && !original ? flatColor(pad, regionOf(pad, [x, y])) : null;
  const layer = original ? pad.photo.source : pad.photo.result ?? pad.photo.source;
  return rgbToHex(flat ?? pixelAt(layer, x / pad.photo.width, y / pad.photo.height));
}

export const pickColorAt = (pad, x, y) => useColor(pad, colorAt(pad, x, y));

/** Pick a color without leaving the tool. */
export function pickColorHere(pad, x, y) {
  const hex = colorAt(pad, x, y);
  setHex(pad, hex);
  pad.announce(t("Color {hex} picked", { hex }));
}

export function useColor(pad, hex) {
  setHex(pad, hex);
  pad.setTool(pad.ui.toolBefore ?? "point");
  pad.announce(t("Color {hex} picked", { hex }));
}

export function cyclePoint(pad, step) {
  const points = listedHints(pad.doc);
  if (!points.length) return;
  const index = points.findIndex((point) => point.id === pad.ui.selected);
  const point = points[(index + step + points.length + (index < 0 && step < 0 ? 1 : 0)) % points.length];
  selectPoint(pad, point.id);
  pad.revealPlace(point.x, point.y);
}

const CLOSING_GAP = 16; // CSS pixels between the ends of a closed loop
const MIN_LOOP = 60; // CSS pixels, smallest length of a loop
const CORNER_SPACING = 2; // CSS pixels between corners

/** Edit regions: a line splits the region that it crosses, and a closed loop becomes a region. @param {any} drag @param {[number, number]} place */
export function continueCut(pad, drag, place) {
  if (!drag.moved || !(pad.ui.regions || pad.fills())) return;
  const { path, width } = pad.ui.stroke ?? { path: [insidePhoto(pad, drag.began[0], drag.began[1])], width: pad.perNetworkPixel() };
  const [x, y] = path.at(-1);
  const far = Math.hypot(place[0] - x, place[1] - y) * pad.ui.view.scale >= CORNER_SPACING;
  change(pad.ui, { stroke: { path: far ? [...path, insidePhoto(pad, ...place)] : path, width } });
}

/** @param {boolean} [join] whether the line joins the regions that it crosses */
export function endCut(pad, join = false) {
  const { stroke } = pad.ui;
  change(pad.ui, { stroke: null });
  if (!stroke || stroke.path.length < 2) return;
  const path = stroke.path.map(([x, y]) => [Math.round(x * 10) / 10, Math.round(y * 10) / 10]);
  if (join) return pad.edit({ ...pad.doc, points: beforeDivision(pad.doc, joinedPoints(pad, path)), divisions: [...pad.doc.divisions, { path, join }] }, t("join regions"));
  const closed = isLoop(path, pad.ui.view.scale);
  const points = pad.fills() ? beforeDivision(pad.doc, pad.doc.points) : pad.doc.points;
  pad.edit({ ...pad.doc, points, divisions: [...pad.doc.divisions, closed ? { path, closed } : { path }] }, closed ? t("add region") : t("split region"));
}

function isLoop(path, scale) {
  const step = ([x, y], [u, v]) => Math.hypot(x - u, y - v) * scale;
  const length = path.slice(1).reduce((sum, place, index) => sum + step(place, path[index]), 0);
  return length > MIN_LOOP && step(path[0], path.at(-1)) < CLOSING_GAP;
}
