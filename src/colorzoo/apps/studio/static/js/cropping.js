/**
 * Straighten and crop: the rectangle that the saved image keeps, and its options. The tool shows the whole photo; other tools show the crop.
 *
 * @typedef {import("./shapes.js").Place} Place
 * @typedef {import("./shapes.js").Crop} Crop
 * @typedef {{x: number, y: number, width: number, height: number, angle: number, room: [number, number]}} Sheet  the rectangle while it is
 *   dragged: its center and size, and the size from which turning shrinks it so that it stays in the photo
 */

import { clamp } from "./color.js";
import { damagedFile } from "./damage.js";
import { button, h, section, setText, show, t } from "./dom.js";
import { insideOf } from "./border.js";
import { gripAt, strokePath, tracePolygon, turned, turnedCorners } from "./shapes.js";
import { change } from "./state.js";

const LEAST_CROP = 8; // pixels
const MOST_TURNED = 45; // degrees
const CROP_SLACK = 1e-6; // tolerated rounding error of corners in pixels
const TURN_STEPS = 10; // steps per degree
const CROP_DIM = "rgba(12, 12, 12, .62)";
const CROP_LINES = { dark: "rgba(0, 0, 0, .75)", light: "rgba(255, 255, 255, .95)", grid: "rgba(255, 255, 255, .45)" };
const CROP_HANDLE = 7; // CSS pixels; larger for touch input
const [THIRDS, FINE_GRID] = [3, 9]; // grid lines per side; the fine grid is shown while the angle changes

/** @param {Sheet} sheet @param {Place} place from its center, along its sides @returns {Place} in the photo */
function fromSheet({ x, y, angle }, place) {
  const [right, below] = turned(place, angle);
  return [x + right, y + below];
}

/** @param {Sheet} sheet @param {Place} place in the photo @returns {Place} from its center, along its sides */
const toSheet = ({ x, y, angle }, [left, top]) => turned([left - x, top - y], -angle);

/** @param {Sheet} sheet @returns {Place[]} its corners in the photo, clockwise from its top left */
const sheetCorners = ({ x, y, width, height, angle }) => turnedCorners({ x: x - width / 2, y: y - height / 2, width, height }, angle);

const isSheetInside = (sheet, { width, height }) => sheetCorners(sheet).every(([x, y]) => (
  x >= -CROP_SLACK && y >= -CROP_SLACK && x <= width + CROP_SLACK && y <= height + CROP_SLACK
));

/** @param {Crop} crop @returns {Sheet} */
function sheetOf({ x, y, width, height, angle = 0 }) {
  return { x: x + width / 2, y: y + height / 2, width, height, angle, room: [width, height] };
}

/** @returns {Sheet} the whole photo */
const wholeSheet = ({ width, height }) => sheetOf({ x: 0, y: 0, width, height });

/** @returns {Sheet} visible rectangle: the crop in progress, the crop of the document, or the whole photo */
function shownSheet(pad) {
  const { ui, doc, photo } = pad;
  return ui.cropDrag ?? ui.cropping ?? (doc.crop ? sheetOf(doc.crop) : wholeSheet(photo));
}

/** @param {Sheet} sheet @param {{width: number, height: number}} photo @returns {Crop | null} in whole pixels within the photo; null for all of it */
function cropOf(sheet, photo) {
  const angle = Math.round(sheet.angle * TURN_STEPS) / TURN_STEPS;
  if (angle === 0) {
    const [left, right] = [-1, 1].map((side) => clamp(Math.round(sheet.x + (side * sheet.width) / 2), 0, photo.width));
    const [top, bottom] = [-1, 1].map((side) => clamp(Math.round(sheet.y + (side * sheet.height) / 2), 0, photo.height));
    const all = left === 0 && top === 0 && right === photo.width && bottom === photo.height;
    return all ? null : { x: left, y: top, width: right - left, height: bottom - top };
  }
  const placed = (width, height) => ({ x: Math.round(sheet.x - width / 2), y: Math.round(sheet.y - height / 2), width, height, angle });
  let crop = placed(Math.floor(sheet.width + CROP_SLACK), Math.floor(sheet.height + CROP_SLACK));
  while (!isSheetInside(sheetOf(crop), photo) && crop.width > LEAST_CROP && crop.height > LEAST_CROP) crop = placed(crop.width - 1, crop.height - 1);
  return crop;
}

/** @param {Sheet} sheet @param {number} angle degrees @returns {Sheet} rotated about its center, with the maximum size within the photo */
function turnedSheet(sheet, angle, { width, height }) {
  const [cosine, sine] = turned([1, 0], angle).map(Math.abs);
  const [across, down] = sheet.room;
  const [reachX, reachY] = [(across * cosine + down * sine) / 2, (across * sine + down * cosine) / 2];
  const share = Math.min(1, sheet.x / reachX, (width - sheet.x) / reachX, sheet.y / reachY, (height - sheet.y) / reachY);
  const rotated = { ...sheet, angle, width: across * share, height: down * share };
  return Math.min(rotated.width, rotated.height) < LEAST_CROP ? sheet : rotated;
}

function turnCrop(pad, angle) {
  pad.set({ cropping: turnedSheet(shownSheet(pad), clamp(Math.round(angle * TURN_STEPS) / TURN_STEPS, -MOST_TURNED, MOST_TURNED), pad.photo) });
}

export function stepCropAngle(pad, step) {
  turnCrop(pad, shownSheet(pad).angle + step / TURN_STEPS);
  pad.announce(t("Rotated by {n}°", { n: shownSheet(pad).angle }), true);
}

/** @param {Sheet} sheet @param {number} dx @param {number} dy pixels of the photo @returns {Sheet} moved as far as the photo allows */
function movedSheet(sheet, dx, dy, { width, height }) {
  const corners = sheetCorners(sheet);
  const [xs, ys] = [0, 1].map((axis) => corners.map((corner) => corner[axis]));
  const right = clamp(dx, -Math.min(...xs), width - Math.max(...xs));
  const below = clamp(dy, -Math.min(...ys), height - Math.max(...ys));
  return { ...sheet, x: sheet.x + right, y: sheet.y + below, room: [sheet.width, sheet.height] };
}

export const moveCrop = (pad, dx, dy) => pad.set({ cropping: movedSheet(shownSheet(pad), dx, dy, pad.photo) });

/** Set the crop rectangle to the detected border of the scan. */
function cropToBorder(pad) {
  pad.set({ cropping: sheetOf({ ...insideOf(pad), angle: 0 }) });
  pad.stageEl.focus({ preventScroll: true }); // so that Enter confirms the crop
}

/** @param {Sheet} sheet @param {[number, number, number, number]} sides left, top, right and bottom from its center @returns {Sheet} */
function sheetWithSides(sheet, [left, top, right, bottom]) {
  const [x, y] = fromSheet(sheet, [(left + right) / 2, (top + bottom) / 2]);
  return { ...sheet, x, y, width: right - left, height: bottom - top, room: [right - left, bottom - top] };
}

/** @param {Sheet} sheet @param {import("./shapes.js").Grip} grip @param {Place} place of the dragged sides, in the photo @returns {Sheet} resized as far as the photo allows */
function resizedSheet(sheet, grip, place, photo) {
  const [across, down] = toSheet(sheet, place);
  const [halfWidth, halfHeight] = [sheet.width / 2, sheet.height / 2];
  let sides = /** @type {[number, number, number, number]} */ ([-halfWidth, -halfHeight, halfWidth, halfHeight]);
  const targets = [Math.min(across, halfWidth - LEAST_CROP), Math.min(down, halfHeight - LEAST_CROP), Math.max(across, LEAST_CROP - halfWidth), Math.max(down, LEAST_CROP - halfHeight)];
  [grip.left, grip.top, grip.right, grip.bottom].forEach((held, side) => {
    if (held) sides = sideWithin(sheet, sides, side, targets[side], photo);
  });
  return sheetWithSides(sheet, sides);
}

/** Move one side as far as the photo allows. @param {Sheet} sheet @param {[number, number, number, number]} sides @param {number} side @param {number} target @returns {[number, number, number, number]} */
function sideWithin(sheet, sides, side, target, { width, height }) {
  const moved = /** @type {[number, number, number, number]} */ (sides.with(side, target));
  const [from, to] = [sides, moved].map((borders) => sheetCorners(sheetWithSides(sheet, borders)));
  const shares = from.flatMap((corner, index) => [width, height].map((most, axis) => {
    const [begin, end] = [corner[axis], to[index][axis]];
    if (end > most) return (most - begin) / (end - begin);
    return end < 0 ? begin / (begin - end) : 1;
  }));
  const share = clamp(Math.min(...shares), 0, 1);
  return /** @type {[number, number, number, number]} */ (sides.with(side, sides[side] + (target - sides[side]) * share));
}

/** @param {Place} one @param {Place} other in the photo @returns {Sheet | null} a new rectangle; null if it is too small */
function drawnSheet(one, other, photo) {
  const ends = [one, other].map(([x, y]) => [clamp(x, 0, photo.width), clamp(y, 0, photo.height)]);
  const [width, height] = [0, 1].map((axis) => Math.abs(ends[0][axis] - ends[1][axis]));
  if (Math.min(width, height) < LEAST_CROP) return null;
  return sheetOf({ x: Math.min(ends[0][0], ends[1][0]), y: Math.min(ends[0][1], ends[1][1]), width, height });
}

/** @param {Place} place @param {number} reach pixels of the photo @returns {import("./shapes.js").Grip | null} sides of the rectangle near a place */
export function cropGripAt(pad, place, reach) {
  const sheet = shownSheet(pad);
  return gripAt({ x: -sheet.width / 2, y: -sheet.height / 2, width: sheet.width, height: sheet.height }, toSheet(sheet, place), reach);
}

/**
 * Start a drag: near a side it resizes, inside it moves, outside it rotates the rectangle. If the rectangle is the
 * whole photo, a drag inside draws a new rectangle.
 * @param {any} drag @param {Place} place @param {number} reach pixels of the photo
 */
export function startCrop(pad, drag, place, reach) {
  const sheet = shownSheet(pad);
  const cropGrip = cropGripAt(pad, place, reach);
  const [across, down] = toSheet(sheet, place);
  const inside = Math.abs(across) <= sheet.width / 2 && Math.abs(down) <= sheet.height / 2;
  const inner = cropOf(sheet, pad.photo) === null ? "draw" : "move";
  change(drag, { cropSheet: sheet, cropGrip, cropHow: cropGrip ? "resize" : inside ? inner : "turn" });
}

/** @param {any} drag @param {Place} place */
export function dragCrop(pad, drag, place) {
  const { cropSheet: sheet, cropGrip, cropHow, began } = drag;
  const { photo } = pad;
  const direction = ([x, y]) => (Math.atan2(y - sheet.y, x - sheet.x) * 180) / Math.PI;
  const turns = () => {
    const by = ((direction(place) - direction(began) + 540) % 360) - 180;
    return turnedSheet(sheet, clamp(Math.round((sheet.angle + by) * TURN_STEPS) / TURN_STEPS, -MOST_TURNED, MOST_TURNED), photo);
  };
  const changes = {
    resize: () => resizedSheet(sheet, cropGrip, place, photo),
    move: () => movedSheet(sheet, place[0] - began[0], place[1] - began[1], photo),
    draw: () => drawnSheet(began, place, photo),
    turn: turns,
  };
  pad.set({ cropDrag: changes[cropHow]() });
}

export function endCrop(pad) {
  const { cropDrag } = pad.ui;
  if (cropDrag) pad.set({ cropping: cropDrag, cropDrag: null });
}

/** @param {Crop | null} crop @param {string} label */
function setCrop(pad, crop, label) {
  pad.set({ cropping: null, cropDrag: null });
  if (JSON.stringify(crop) !== JSON.stringify(pad.doc.crop ?? null)) pad.edit({ ...pad.doc, crop }, label);
  pad.announce(crop ? t("Cropped to {width} × {height} pixels", { ...crop }) : t("Crop reset"));
}

export function confirmCrop(pad) {
  if (pad.ui.cropping) setCrop(pad, cropOf(pad.ui.cropping, pad.photo), t("crop"));
}

/** Draw the rectangle of the crop with its handles; the rest of the photo is dimmed. @param {CanvasRenderingContext2D} context @param {any} pad @param {(x: number, y: number) => Place} toStage */
export function drawCrop(context, pad, toStage) {
  const { ui, photo } = pad;
  const sheet = shownSheet(pad);
  const corners = sheetCorners(sheet).map((corner) => toStage(...corner));
  context.save();
  context.beginPath();
  context.rect(...toStage(0, 0), photo.width * ui.view.scale, photo.height * ui.view.scale);
  tracePolygon(context, corners);
  context.fillStyle = CROP_DIM;
  context.fill("evenodd");
  drawCropLines(context, ui.drag?.cropHow === "turn" ? FINE_GRID : THIRDS, (across, down) => toStage(...fromSheet(sheet, [(across - 0.5) * sheet.width, (down - 0.5) * sheet.height])));
  context.beginPath();
  tracePolygon(context, corners);
  strokePath(context, [[CROP_LINES.dark, 4], [CROP_LINES.light, 2]]);
  drawCropHandles(context, corners);
  context.restore();
}

/** @param {number} parts of a side @param {(across: number, down: number) => Place} at by shares of width and height, on the stage */
function drawCropLines(context, parts, at) {
  context.beginPath();
  for (let line = 1; line < parts; line += 1) {
    context.moveTo(...at(line / parts, 0));
    context.lineTo(...at(line / parts, 1));
    context.moveTo(...at(0, line / parts));
    context.lineTo(...at(1, line / parts));
  }
  strokePath(context, [["rgba(0, 0, 0, .25)", 2.5], [CROP_LINES.grid, 1]]);
}

function drawCropHandles(context, corners) {
  corners.forEach(([x, y], index) => {
    const [nextX, nextY] = corners[(index + 1) % 4];
    for (const [left, top, radius] of [[x, y, CROP_HANDLE], [(x + nextX) / 2, (y + nextY) / 2, CROP_HANDLE - 2]]) {
      context.beginPath();
      context.arc(left, top, radius, 0, 7);
      strokePath(context, [[CROP_LINES.dark, 3]]);
      context.fillStyle = CROP_LINES.light;
      context.fill();
    }
  });
}

export function createCropOptions(pad, createSlider) {
  const words = h("p", { class: "cz-hint" }, t("Drag the sides to crop, drag outside to rotate."));
  const most = MOST_TURNED * TURN_STEPS;
  const angle = createSlider(t("Angle"), -most, most, (value) => turnCrop(pad, value / TURN_STEPS), t("Rotate the photo to straighten it"));
  const size = h("p", { class: "cz-hint", data: { role: "crop-size" } });
  const confirm = button({ icon: "check", text: t("Crop"), label: t("Apply the crop; the dimmed part is not exported"), key: "Enter", className: "cz-primary cz-small", onClick: () => pad.run("confirm-crop"), action: "confirm-crop" });
  const clear = button({ text: t("Reset crop"), label: t("Show the whole photo again, without rotation"), className: "cz-small", onClick: () => setCrop(pad, null, t("reset crop")), action: "clear-crop" });
  const border = button({ text: t("Crop to the scan border"), label: t("Cut off the film edges and paper margins of the scan"), className: "cz-small", onClick: () => cropToBorder(pad), action: "border-crop" });
  const el = section(t("Crop"), angle.el, confirm, clear, size, border, words);
  el.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || /** @type {HTMLElement} */ (event.target).matches("button")) return;
    event.preventDefault();
    pad.run("confirm-crop", event);
  });
  const update = () => {
    show(el, Boolean(pad.photo) && pad.ui.tool === "crop");
    if (el.hidden) return;
    const sheet = shownSheet(pad);
    const { width, height } = cropOf(sheet, pad.photo) ?? pad.photo;
    angle.update(Math.round(sheet.angle * TURN_STEPS), false, t("{n}°", { n: (Math.round(sheet.angle * TURN_STEPS) / TURN_STEPS).toFixed(1) }));
    setText(size, t("{width} × {height} pixels", { width, height }));
    show(border, insideOf(pad) !== null);
    confirm.disabled = !pad.ui.cropping;
    clear.disabled = !pad.ui.cropping && !pad.doc.crop;
  };
  return { el, update };
}

/** @param {any} value @returns {Crop | null} @throws {Error} with a message for the user */
export function readCrop(value) {
  if (value === undefined || value === null) return null;
  const ok = ["x", "y", "width", "height"].every((name) => Number.isInteger(value[name])) && Number.isFinite(value.angle ?? 0);
  if (!ok) throw damagedFile("the crop");
  return value;
}
