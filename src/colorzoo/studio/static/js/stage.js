/** Draws the stage: the photo in its layers on one canvas, hints and cursors on a second one above it. */

import { drawBand } from "./bands.js";
import { labHex } from "./color.js";
import { pointRadius } from "./document.js";
import { DARK, LIGHT, drawLabel } from "./ink.js";
import { drawRegions } from "./regionmarks.js";
import { drawShapes } from "./shapemarks.js";
import { hintNumber, hintObject, isStroke, strokeMates } from "./strokes.js";
import { toPhoto, toStage } from "./view.js";
import { drawZones } from "./zonemarks.js";

const CRISP_FROM = 6;
const [FRESH, FADED] = [0.6, 0.12]; // edge scribbles before and after their answer

/**
 * The parts of the stage in which the photo is seen; beside each other while comparing side by side.
 * @param {any} pad @returns {{left: number, width: number, height: number, layer: "result" | "before"}[]}
 */
function panes(pad) {
  const { stage, compare } = pad.ui;
  if (compare !== "side") return [{ left: 0, ...stage, layer: "result" }];
  const width = Math.floor(stage.width / 2);
  return [
    { left: 0, width, height: stage.height, layer: "before" },
    { left: width, width: stage.width - width, height: stage.height, layer: "result" },
  ];
}

/** @param {any} pad @returns {{width: number, height: number}} the size that zooming and fitting work with */
function paneSize(pad) {
  const { width, height } = panes(pad)[0];
  return { width, height };
}

/** @param {any} pad @param {number} x @param {number} y on the stage @returns {[number, number]} in the photo */
function stageToPhoto(pad, x, y) {
  const all = panes(pad);
  const pane = all.findLast((candidate) => x >= candidate.left) ?? all[0];
  return toPhoto(pad.ui.view, pane, x - pane.left, y);
}

/** @param {any} pad @param {number} x @param {number} y in the photo @returns {[number, number]} on the stage, where work is done */
function photoToStage(pad, x, y) {
  const pane = panes(pad).at(-1);
  const [left, top] = toStage(pad.ui.view, pane, x, y);
  return [left + pane.left, top];
}

function sizeCanvas(canvas, stage) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(stage.width * ratio), Math.round(stage.height * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, stage.width, stage.height);
  return context;
}

/** @param {any} pad @param {HTMLCanvasElement} canvas */
function drawPhoto(pad, canvas) {
  const { ui, photo } = pad;
  const context = sizeCanvas(canvas, ui.stage);
  if (!photo || !ui.view) return;
  context.imageSmoothingEnabled = ui.view.scale < CRISP_FROM;
  context.imageSmoothingQuality = "high";
  const before = ui.compare === "split" && !ui.hold;
  for (const pane of panes(pad)) {
    const layer = pane.layer === "before" || ui.hold || ui.compare === "gray" ? beforeLayer(pad) : photo.result ?? photo.gray;
    drawLayer(context, pad, layer, pane, 0, pane.width);
    if (before) drawLayer(context, pad, beforeLayer(pad), pane, 0, pane.width * ui.split);
  }
}

/** @returns {import("./pixels.js").Layer} what the result is compared with */
function beforeLayer(pad) {
  return pad.ui.before === "source" && pad.photo.source ? pad.photo.source : pad.photo.gray;
}

function drawLayer(context, pad, layer, pane, from, to) {
  const { photo, ui } = pad;
  const [x, y] = toStage(ui.view, pane, 0, 0);
  context.save();
  context.beginPath();
  context.rect(pane.left + from, 0, to - from, pane.height);
  context.clip();
  context.drawImage(layer.bitmap, pane.left + x, y, photo.width * ui.view.scale, photo.height * ui.view.scale);
  context.restore();
}

/** @param {any} pad @param {HTMLCanvasElement} canvas */
function drawMarks(pad, canvas) {
  const { ui, photo } = pad;
  const context = sizeCanvas(canvas, ui.stage);
  if (!photo || !ui.view) return;
  const pane = panes(pad).at(-1);
  context.save();
  context.beginPath();
  context.rect(pane.left, 0, pane.width, pane.height);
  context.clip();
  const quiet = ui.hold || ui.compare === "gray";
  if (!quiet || ui.tool === "region") drawMap(context, pad, pane);
  if (!quiet) {
    drawExtent(context, pad, pane);
    drawZones(context, pad, (x, y) => photoToStage(pad, x, y));
    drawShapes(context, pad, (x, y) => photoToStage(pad, x, y));
    drawBand(context, pad, (x, y) => photoToStage(pad, x, y));
    for (const stroke of pad.doc.scribbles) drawStroke(context, pad, stroke, ui.answered?.has(stroke) ? FADED : FRESH);
    if (ui.stroke) drawStroke(context, pad, ui.stroke, FRESH);
    for (const point of pad.doc.points) drawHint(context, pad, point);
  }
  context.restore();
  drawCursors(context, pad);
}

/** Where the color of the selected point goes. */
function drawExtent(context, pad, pane) {
  const { photo, ui } = pad;
  if (!ui.extent?.layer) return;
  const [x, y] = toStage(ui.view, pane, 0, 0);
  context.drawImage(ui.extent.layer.bitmap, pane.left + x, y, photo.width * ui.view.scale, photo.height * ui.view.scale);
}

/** Outlines of regions, or classes, stretched over the photo. */
function drawMap(context, pad, pane) {
  const { photo, ui } = pad;
  drawRegions(context, pad, (x, y) => photoToStage(pad, x, y));
  const map = ui.showClasses ? ui.classes?.paint : null;
  if (!map) return;
  const [x, y] = toStage(ui.view, pane, 0, 0);
  context.save();
  context.imageSmoothingEnabled = true;
  context.shadowColor = "rgba(0, 0, 0, .9)";
  context.shadowBlur = 2;
  context.drawImage(map, pane.left + x, y, photo.width * ui.view.scale, photo.height * ui.view.scale);
  context.restore();
}

/** A point, or the stroke that it is the first of. */
function drawHint(context, pad, point) {
  if (!isStroke(pad.doc, point)) drawPoint(context, pad, point);
  else if (hintObject(pad.doc, point) === point) drawBrushStroke(context, pad, point);
}

/** A row of points as one line in their color. */
function drawBrushStroke(context, pad, first) {
  const mates = strokeMates(pad.doc, first);
  const selected = mates.some(({ id }) => id === pad.ui.selected);
  const width = Math.max(4, 2 * pointRadius(first, pad.perNetworkPixel()) * pad.ui.view.scale);
  const corners = mates.map(({ x, y }) => photoToStage(pad, x, y));
  context.save();
  context.globalAlpha = first.muted ? 0.45 : 0.9;
  Object.assign(context, { lineCap: "round", lineJoin: "round" });
  for (const [style, grow] of [[DARK, selected ? 6 : 3], [LIGHT, selected ? 4 : 1.5], [labHex(pad.lumaAt(first.x, first.y), first.ab), 0]]) {
    context.beginPath();
    for (const corner of corners) context.lineTo(...corner);
    context.lineWidth = width + grow;
    context.strokeStyle = style;
    context.stroke();
  }
  context.restore();
  if (selected || first.locked) drawLabel(context, corners[0][0] + width, corners[0][1] - width, `${hintNumber(pad.doc, first)}${first.locked ? " ●" : ""}`);
}

function drawStroke(context, pad, stroke, alpha) {
  const width = Math.max(2, stroke.width * pad.ui.view.scale);
  context.save();
  context.globalAlpha = alpha;
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const [color, thickness] of [[DARK, width + 2], ["rgba(255, 255, 255, .9)", Math.max(1.5, width - 2)]]) {
    context.beginPath();
    for (const [x, y] of stroke.path) context.lineTo(...photoToStage(pad, x, y));
    if (stroke.path.length === 1) context.lineTo(...photoToStage(pad, stroke.path[0][0] + 0.01, stroke.path[0][1]));
    context.lineWidth = thickness;
    context.strokeStyle = color;
    context.stroke();
  }
  context.restore();
}

function drawPoint(context, pad, point) {
  const selected = point.id === pad.ui.selected;
  const [x, y] = photoToStage(pad, point.x, point.y);
  const reach = pointRadius(point, pad.perNetworkPixel()) * pad.ui.view.scale;
  if (selected || reach > 12) drawPatch(context, x, y, reach, selected);
  const radius = selected ? 9 : 6.5;
  context.globalAlpha = point.muted ? 0.55 : 1;
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fillStyle = labHex(pad.lumaAt(point.x, point.y), point.ab);
  context.fill();
  context.setLineDash(point.muted ? [3, 3] : []);
  for (const [style, width, grow] of [[DARK, 1.5, 2], [LIGHT, 2, 0.4]]) {
    context.beginPath();
    context.arc(x, y, radius + grow, 0, 7);
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
  if (selected || point.locked) drawLabel(context, x + radius + 3, y - radius - 3.5, `${hintNumber(pad.doc, point)}${point.locked ? " ●" : ""}`);
}

function drawPatch(context, x, y, reach, selected) {
  for (const [style, offset] of [[DARK, 1], [LIGHT, 0]]) {
    context.lineWidth = 1;
    context.globalAlpha = selected ? 0.95 : 0.4;
    context.strokeStyle = style;
    context.strokeRect(x - reach - offset, y - reach - offset, 2 * (reach + offset), 2 * (reach + offset));
  }
  context.globalAlpha = 1;
}

function drawCursors(context, pad) {
  const { ui } = pad;
  if (ui.cross) drawCross(context, pad, ui.cross);
  if (ui.wanted) drawWanted(context, pad, ui.wanted);
  const sized = ["point", "brush", "eraser", "edge"].includes(ui.tool);
  if (!ui.cursor || !sized || ui.panning || ui.drag) return;
  const [x, y] = photoToStage(pad, ...ui.cursor);
  drawPatch(context, x, y, (ui.size / 2) * pad.perNetworkPixel() * ui.view.scale, true);
}

function drawCross(context, pad, place) {
  const [x, y] = photoToStage(pad, ...place);
  for (const [style, width] of [[DARK, 3.5], [LIGHT, 1.5]]) {
    context.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(x + 5 * dx, y + 5 * dy);
      context.lineTo(x + 18 * dx, y + 18 * dy);
    }
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
}

/** Where the model asks for the next color: rings, and words for it in the status. */
function drawWanted(context, pad, place) {
  const [x, y] = photoToStage(pad, ...place);
  for (const radius of [14, 22]) {
    for (const [style, width] of [[DARK, 4], [LIGHT, 2]]) {
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.lineWidth = width;
      context.strokeStyle = style;
      context.stroke();
    }
  }
}

export { drawMarks, drawPhoto, paneSize, photoToStage, stageToPhoto };
