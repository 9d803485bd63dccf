/**
 * Draws regions, boxes and areas over the photo.
 *
 * @typedef {(x: number, y: number) => [number, number]} ToStage  from pixels of the photo
 */

import { firstOpenRegion } from "./coloring.js";
import { insideOf } from "./border.js";
import { regionLines } from "./outlines.js";
import { brushSize } from "./painting.js";
import { boxesOf, pickedArea, pickedBox } from "./shapeedits.js";
import { areaCenter, areaImage, strokePath, tracePolygon, traceStroke, turnedCorners } from "./shapes.js";

export const DARK = "rgba(0, 0, 0, .75)";
export const LIGHT = "rgba(255, 255, 255, .95)";

export function drawBorder(context, pad, toStage) {
  const inside = insideOf(pad);
  if (!inside) return;
  const corners = turnedCorners(inside, 0).map(([x, y]) => toStage(x, y));
  const held = pad.ui.tool === "border" || pad.ui.draggedBorder !== null;
  context.save();
  if (held) {
    context.beginPath();
    context.rect(...toStage(0, 0), pad.photo.width * pad.ui.view.scale, pad.photo.height * pad.ui.view.scale);
    tracePolygon(context, corners);
    context.fillStyle = "rgba(20, 20, 20, .45)";
    context.fill("evenodd");
  }
  context.beginPath();
  tracePolygon(context, corners);
  context.setLineDash(held ? [] : [6, 4]);
  strokePath(context, held ? [[DARK, 4], [LIGHT, 2]] : [[DARK, 2.5], [LIGHT, 1.2]]);
  context.setLineDash([]);
  if (held) corners.forEach(([x, y], index) => {
    drawHandle(context, x, y);
    const [nextX, nextY] = corners[(index + 1) % corners.length];
    drawHandle(context, (x + nextX) / 2, (y + nextY) / 2);
  });
  context.restore();
}

function centeredText(context, text, x, y) {
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, x, y + 0.5);
}

function outlinedText(context, text, x, y) {
  Object.assign(context, { textAlign: "center", textBaseline: "middle", lineWidth: 3, strokeStyle: "rgba(0, 0, 0, .7)", fillStyle: "#fff" });
  context.strokeText(text, x, y + 0.5);
  context.fillText(text, x, y + 0.5);
}

export function drawLabel(context, left, middle, text) {
  context.font = "600 11px system-ui, sans-serif";
  const width = context.measureText(text).width + 10;
  context.fillStyle = "rgba(20, 20, 20, .85)";
  context.beginPath();
  context.roundRect(left, middle - 8.5, width, 17, 8);
  context.fill();
  context.fillStyle = "#fff";
  centeredText(context, text, left + width / 2, middle);
}

export function drawRegions(context, pad, at) {
  const { regions, regionPick } = pad.ui;
  if (!regions) return;
  drawLines(context, pad, linesOf(regions, regionPick), at);
  const next = firstOpenRegion(pad);
  regions.items.forEach((item, order) => {
    if (regionPick.includes(item.index) || item.index === next) drawNumber(context, pad, item, order + 1, at);
  });
}

/** Cache of the last outlines of each label map. @type {WeakMap<Uint16Array, {picked: number[], lines: ReturnType<typeof regionLines>}>} */
const linesCache = new WeakMap();

function linesOf(regions, picked) {
  const last = linesCache.get(regions.labels);
  if (last?.picked === picked) return last.lines;
  const lines = regionLines(regions, picked);
  linesCache.set(regions.labels, { picked, lines });
  return lines;
}

function drawLines(context, pad, lines, at) {
  const { regions } = pad.ui;
  const [left, top] = at(0, 0);
  const [right, bottom] = at(pad.photo.width, pad.photo.height);
  const scale = (right - left) / regions.width;
  context.save();
  context.translate(left, top);
  context.scale(scale, (bottom - top) / regions.height);
  context.beginPath();
  context.rect(0, 0, regions.width, regions.height);
  context.clip();
  context.lineCap = "round";
  for (const [path, style, width] of [
    [lines.thin, "rgba(255, 255, 255, .6)", 2.5], [lines.thin, "rgba(0, 0, 0, .6)", 1], [lines.bold, "#fff", 4.5],
    [lines.bold, "#1a6dff", 2.5],
  ]) {
    context.strokeStyle = style;
    context.lineWidth = width / scale;
    context.stroke(path);
  }
  context.restore();
}

function drawNumber(context, pad, item, number, at) {
  const [x, y] = at(item.x, item.y);
  const color = pad.doc.regions[item.index];
  const isPicked = pad.ui.regionPick.includes(item.index);
  context.font = "600 12px system-ui, sans-serif";
  const width = Math.max(22, context.measureText(String(number)).width + 12);
  context.beginPath();
  context.roundRect(x - width / 2, y - 11, width, 22, 11);
  context.fillStyle = color ?? (isPicked ? "#fff" : "rgba(20, 20, 20, .8)");
  context.fill();
  context.lineWidth = isPicked ? 3 : 1.5;
  context.strokeStyle = isPicked ? "#1a6dff" : "#fff";
  context.stroke();
  if (color || !isPicked) outlinedText(context, String(number), x, y);
  else {
    context.fillStyle = "#111";
    centeredText(context, String(number), x, y);
  }
}

const HANDLE = 7;

export function drawShapes(context, pad, toStage) {
  if (pad.accepts("boxes")) boxesOf(pad).forEach((box, index) => drawBox(context, pad, box, index, toStage));
  if (pad.ui.shaping) drawShaping(context, pad, toStage);
}

function drawBox(context, pad, { x, y, width, height }, index, toStage) {
  const picked = pickedBox(pad) === index;
  const [left, top] = toStage(x, y);
  const [right, bottom] = toStage(x + width, y + height);
  traceOutline(context, [[left, top], [right, top], [right, bottom], [left, bottom]], true);
  strokeOutline(context, picked ? [[DARK, 5], [LIGHT, 3]] : [[DARK, 3.5], [LIGHT, 1.5]]);
  if (picked) for (const at of [[left, top], [right, top], [right, bottom], [left, bottom]]) drawHandle(context, ...at);
  drawLabel(context, left + 6, top + 15, String(index + 1));
}

function drawHandle(context, x, y) {
  context.fillStyle = DARK;
  context.fillRect(x - HANDLE / 2 - 1, y - HANDLE / 2 - 1, HANDLE + 2, HANDLE + 2);
  context.fillStyle = LIGHT;
  context.fillRect(x - HANDLE / 2, y - HANDLE / 2, HANDLE, HANDLE);
}

function drawShaping(context, pad, toStage) {
  const { shaping: { corners, keyed }, cross } = pad.ui;
  const [[x0, y0], [x1, y1]] = [toStage(...corners[0]), toStage(...(keyed && cross ? cross : corners[1]))];
  traceOutline(context, [[x0, y0], [x1, y0], [x1, y1], [x0, y1]], true);
  strokeOutline(context, [[DARK, 4], [LIGHT, 2]]);
}

/** @param {CanvasRenderingContext2D} context @param {[number, number][]} corners @param {boolean} closed */
function traceOutline(context, corners, closed) {
  context.beginPath();
  for (const corner of corners) context.lineTo(...corner);
  if (closed) context.closePath();
}

function strokeOutline(context, strokes) {
  context.lineJoin = "round";
  strokePath(context, strokes);
}

const FAINT = 0.55;

export function drawAreas(context, pad, toStage) {
  const { ui, doc } = pad;
  const picked = pickedArea(pad);
  const active = ui.tool === "area";
  doc.areas.forEach((area, index) => {
    const strong = picked?.index === index;
    if (ui.hidesMarks || (strong ? ui.judging : !active || area.hidden)) return;
    drawArea(context, pad, area, toStage, strong ? 1 : FAINT, false);
    drawLabel(context, ...toStage(...areaCenter(area, pad.photo)), String(index + 1));
  });
  if (ui.selection && !ui.hidesMarks) drawArea(context, pad, ui.selection, toStage, 1, true);
  if (ui.outline) {
    traceOutline(context, ui.outline.map(([x, y]) => toStage(x, y)), false);
    strokePath(context, [[DARK, 4], [LIGHT, 2]]);
  }
  if (ui.areaStroke) drawAreaStroke(context, pad, toStage);
}

/** Draw the stroke of the brush that changes an area. @param {CanvasRenderingContext2D} context @param {any} pad @param {ToStage} toStage */
function drawAreaStroke(context, pad, toStage) {
  const { path, less } = pad.ui.areaStroke;
  context.save();
  Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: brushSize(pad) * pad.ui.view.scale, globalAlpha: 0.5, strokeStyle: less ? "#202020" : "#1a6dff" });
  traceStroke(context, path, toStage);
  context.stroke();
  context.restore();
}

const ANTS = { length: 6, speed: 0.02 }; // CSS pixels, and CSS pixels per ms

function drawArea(context, pad, area, toStage, alpha, selected) {
  const { outline, tint } = areaImage(area, pad.photo);
  const [left, top] = toStage(0, 0);
  const { scale } = pad.ui.view;
  const across = (pad.photo.width * scale) / tint.width;
  context.save();
  if (selected) context.drawImage(tint, left, top, pad.photo.width * scale, pad.photo.height * scale);
  context.globalAlpha = alpha;
  context.translate(left, top);
  context.scale(across, (pad.photo.height * scale) / tint.height);
  for (const [style, width, dash] of /** @type {[string, number, boolean][]} */ ([[DARK, selected ? 1.8 : 3, false], [LIGHT, selected ? 1.8 : 1.5, selected]])) {
    Object.assign(context, { strokeStyle: style, lineWidth: width / across, lineDashOffset: (-performance.now() * ANTS.speed) / across });
    context.setLineDash(dash ? [ANTS.length / across, ANTS.length / across] : []);
    context.stroke(outline);
  }
  context.restore();
}
