/** Draws painted areas and boxes over the photo, finished ones and the one that is being drawn. */

import { DARK, LIGHT, drawLabel } from "./ink.js";
import { classColor } from "./pixels.js";
import { className, isPicked, paintClass, shapesOf, usesShapes } from "./shapeedits.js";

const HANDLE = 7;

/** @param {CanvasRenderingContext2D} context @param {any} pad @param {(x: number, y: number) => [number, number]} toStage */
function drawShapes(context, pad, toStage) {
  if (usesShapes(pad, "area")) shapesOf(pad, "area").forEach((area, index) => drawArea(context, pad, area, index, toStage));
  if (usesShapes(pad, "box")) shapesOf(pad, "box").forEach((box, index) => drawBox(context, pad, box, index, toStage));
  if (pad.ui.shaping) drawShaping(context, pad, toStage);
}

function drawArea(context, pad, area, index, toStage) {
  const picked = isPicked(pad, "area", index);
  const corners = area.path.map(([x, y]) => toStage(x, y));
  const color = classColor(area.class);
  traceOutline(context, corners, true);
  if (picked || pad.ui.showClasses) fillOutline(context, color, pad.ui.showClasses ? 0.75 : 0.45);
  strokeOutline(context, [[DARK, picked ? 7 : 5], [LIGHT, picked ? 5 : 3.5], [color, picked ? 3 : 2]]);
  const [x, y] = corners.reduce((top, corner) => (corner[1] < top[1] ? corner : top));
  drawLabel(context, x - 8, y - 4, picked ? `${index + 1} · ${className(pad, area.class)}` : String(index + 1));
}

function drawBox(context, pad, { x, y, width, height }, index, toStage) {
  const picked = isPicked(pad, "box", index);
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

/** By keys, the cross is the corner that is not yet set. */
function drawShaping(context, pad, toStage) {
  const { shaping: { tool, path, keyed }, cross } = pad.ui;
  if (tool === "box") {
    const [[x0, y0], [x1, y1]] = [toStage(...path[0]), toStage(...(keyed && cross ? cross : path[1]))];
    traceOutline(context, [[x0, y0], [x1, y0], [x1, y1], [x0, y1]], true);
    strokeOutline(context, [[DARK, 4], [LIGHT, 2]]);
    return;
  }
  const color = classColor(paintClass(pad));
  traceOutline(context, [...path, ...(keyed && cross ? [cross] : [])].map(([x, y]) => toStage(x, y)), false);
  fillOutline(context, color, 0.45);
  strokeOutline(context, [[DARK, 5], [LIGHT, 3.5], [color, 2]]);
}

function traceOutline(context, corners, closed) {
  context.beginPath();
  for (const corner of corners) context.lineTo(...corner);
  if (closed) context.closePath();
}

function fillOutline(context, color, share) {
  context.globalAlpha = share;
  context.fillStyle = color;
  context.fill();
  context.globalAlpha = 1;
}

function strokeOutline(context, strokes) {
  context.lineJoin = "round";
  for (const [style, width] of strokes) {
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
}

export { drawShapes };
