/** Draws the photo on one canvas, and hints and cursors on a second canvas above the first. */

import { labHex } from "./color.js";
import { t } from "./dom.js";
import { colorOfStroke, hintNumber, isStroke, listedHint, pointRadius, strokePoints } from "./document.js";
import { drawCrop } from "./cropping.js";
import { drawHealing, healingWidth } from "./healing.js";
import { DARK, LIGHT, drawAreas, drawBorder, drawLabel, drawRegions, drawShapes } from "./overlays.js";
import { brushSize, drawFreshPaint } from "./painting.js";
import { freshFills, litRegions } from "./regionlayers.js";
import { strokePath, tracePolygon, traceStroke, turnedCorners, turnedPlace } from "./shapes.js";
import { toPhoto, toStage } from "./view.js";

/** Tools with a brush or point size from 1 to 9. */
const SIZED_TOOLS = ["point", "brush", "eraser", "edge"];

/** Return whether the tool has a brush or point size. In a drawing, a point fills its region and has no size. */
export const isSized = (pad) => (pad.fills() ? pad.ui.tool === "eraser" : SIZED_TOOLS.includes(pad.ui.tool));

/** Strokes of an outline that is visible on any color. @type {[style: string, width: number, grow: number][]} */
const RING = [[DARK, 1.5, 2], [LIGHT, 2, 0.4]];
const CRISP_FROM = 6;
const EDGE_OPACITY = 0.3; // opacity of edge strokes

/**
 * Return the parts of the stage that show the photo: one, or two for the comparison side by side.
 * @returns {{left: number, width: number, height: number, layer: "result" | "before"}[]}
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

export function paneSize(pad) {
  const { width, height } = panes(pad)[0];
  return { width, height };
}

/** Rotation of the photo on the stage in degrees, so that a straightened crop is upright. */
export const viewTurn = (pad) => (pad.ui.tool === "crop" ? 0 : -(pad.doc.crop?.angle ?? 0));

const turnedInPane = ({ left, width, height }, place, degrees) => turnedPlace({ x: left, y: 0, width, height }, place, degrees);

/** @param {number} x @param {number} y on the stage @returns {[number, number]} on the stage, before the rotation of the photo */
export function beforeTurn(pad, x, y) {
  const all = panes(pad);
  return turnedInPane(all.findLast(({ left }) => x >= left) ?? all[0], [x, y], -viewTurn(pad));
}

/** @param {number} x @param {number} y on the stage @returns {[number, number]} in the photo */
export function stageToPhoto(pad, x, y) {
  const all = panes(pad);
  const pane = all.findLast(({ left }) => x >= left) ?? all[0];
  const [left, top] = beforeTurn(pad, x, y);
  return toPhoto(pad.ui.view, pane, left - pane.left, top);
}

/** @param {number} x @param {number} y in the photo @returns {[number, number]} on the stage, in the part with the result */
export const photoToStage = (pad, x, y) => turnedInPane(panes(pad).at(-1), photoBeforeTurn(pad, x, y), viewTurn(pad));

/** @param {number} x @param {number} y in the photo @returns {[number, number]} position on the rotated canvas */
function photoBeforeTurn(pad, x, y) {
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

export function drawPhoto(pad, canvas) {
  const { ui, photo } = pad;
  const context = sizeCanvas(canvas, ui.stage);
  if (!photo || !ui.view) return;
  context.imageSmoothingEnabled = ui.view.scale < CRISP_FROM;
  context.imageSmoothingQuality = "high";
  const before = ui.compare === "split" && !ui.hold;
  for (const pane of panes(pad)) {
    const layer = pane.layer === "before" || ui.hold || ui.compare === "gray" ? photo.gray : photo.result ?? photo.gray;
    drawLayer(context, pad, layer, pane, pane.width);
    if (layer === photo.result) {
      const fills = freshFills(pad);
      if (fills) drawLayer(context, pad, fills, pane, pane.width);
      paintOver(context, pad, pane);
    }
    if (before) drawLayer(context, pad, photo.gray, pane, pane.width * ui.split);
  }
}

/** Draw the photo, or its colors, in a part of the stage. @param {CanvasRenderingContext2D} context @param {any} pad @param {import("./pixels.js").Layer | import("./regionlayers.js").RegionLayer} layer @param {ReturnType<typeof panes>[number]} pane @param {number} width */
function drawLayer(context, pad, layer, pane, width) {
  const { photo, ui } = pad;
  const [x, y] = toStage(ui.view, pane, 0, 0);
  context.save();
  context.beginPath();
  context.rect(pane.left, 0, width, pane.height);
  context.clip();
  turnAndCrop(context, pad, pane);
  const place = /** @type {const} */ ([pane.left + x, y, photo.width * ui.view.scale, photo.height * ui.view.scale]);
  context.drawImage(layer.bitmap, ...("box" in layer ? partOf(place, layer.box) : place));
  if (photo.cover) context.drawImage(photo.cover, ...place);
  context.restore();
}

/** @param {readonly [number, number, number, number]} place left, top, width and height of the photo @param {readonly [number, number, number, number]} box part of the photo as fractions @returns {[number, number, number, number]} */
const partOf = ([x, y, width, height], [left, top, across, down]) => [x + left * width, y + top * height, across * width, down * height];

/** Rotate the canvas like the photo, and clip it to the crop. */
function turnAndCrop(context, pad, pane) {
  const { crop } = pad.doc;
  if (!crop || pad.ui.tool === "crop") return;
  const [middle, center] = [pane.left + pane.width / 2, pane.height / 2];
  context.translate(middle, center);
  context.rotate((viewTurn(pad) * Math.PI) / 180);
  context.translate(-middle, -center);
  context.beginPath();
  tracePolygon(context, turnedCorners(crop, crop.angle ?? 0).map(([x, y]) => {
    const [left, top] = toStage(pad.ui.view, pane, x, y);
    return /** @type {[number, number]} */ ([left + pane.left, top]);
  }));
  context.clip();
}

function paintOver(context, pad, pane) {
  context.save();
  context.beginPath();
  const [left, top] = photoBeforeTurn(pad, 0, 0);
  context.rect(pane.left, 0, pane.width, pane.height);
  context.clip();
  turnAndCrop(context, pad, pane);
  context.beginPath();
  context.rect(left, top, pad.photo.width * pad.ui.view.scale, pad.photo.height * pad.ui.view.scale);
  context.clip();
  drawFreshPaint(context, pad, (x, y) => photoBeforeTurn(pad, x, y));
  context.restore();
}

const MARKLESS = ["paint", "heal", "crop"]; // tools that hide marks over the result

export function drawMarks(pad, canvas) {
  const { ui, photo } = pad;
  const context = sizeCanvas(canvas, ui.stage);
  if (!photo || !ui.view) return;
  const pane = panes(pad).at(-1);
  context.save();
  context.beginPath();
  context.rect(pane.left, 0, pane.width, pane.height);
  context.clip();
  context.save();
  turnAndCrop(context, pad, pane);
  const at = (x, y) => photoBeforeTurn(pad, x, y);
  const quiet = ui.hold || ui.compare === "gray";
  if (ui.tool === "crop") drawCrop(context, pad, at);
  else if (!quiet || ui.tool === "region") drawMap(context, pad, pane);
  if (!quiet && ui.tool !== "crop") drawHints(context, pad, pane, at);
  if (ui.stroke) drawStroke(context, pad, ui.stroke, 0.6);
  drawCursors(context, pad);
  context.restore();
  context.restore();
  drawPaneNames(context, pad);
}

function drawHints(context, pad, pane, at) {
  const { ui, doc } = pad;
  const bare = ui.hidesMarks || MARKLESS.includes(ui.tool);
  drawExtent(context, pad, pane);
  if (!bare || ui.tool === "border") drawBorder(context, pad, at);
  drawHealing(context, pad, at);
  if (!MARKLESS.includes(ui.tool)) drawAreas(context, pad, at);
  if (bare) return;
  drawShapes(context, pad, at);
  for (const stroke of doc.scribbles) drawStroke(context, pad, stroke, EDGE_OPACITY);
  const division = doc.divisions[ui.division];
  if (division) drawStroke(context, pad, { path: division.path, width: pad.perNetworkPixel() }, 0.6);
  for (const point of doc.points) drawHint(context, pad, point);
}

/** Label the two images of a comparison. */
function drawPaneNames(context, pad) {
  const { compare, split, stage } = pad.ui;
  const [before, after] = [t("Before"), t("After")];
  if (compare === "split") {
    const width = context.measureText(before).width;
    drawLabel(context, split * stage.width - width - 26, 24, before);
    drawLabel(context, split * stage.width + 12, 24, after);
  } else if (compare === "side") panes(pad).forEach(({ left, width }, index) => drawLabel(context, left + width / 2 - 22, 24, [before, after][index]));
}

function drawExtent(context, pad, pane) {
  const { photo, ui } = pad;
  if (!ui.extent?.layer) return;
  const [x, y] = toStage(ui.view, pane, 0, 0);
  const place = /** @type {const} */ ([pane.left + x, y, photo.width * ui.view.scale, photo.height * ui.view.scale]);
  const veil = new OffscreenCanvas(Math.max(1, Math.ceil(ui.stage.width)), Math.max(1, Math.ceil(ui.stage.height)));
  const outside = veil.getContext("2d");
  outside.fillStyle = outside.createPattern(stripes(), "repeat");
  outside.fillRect(...place);
  outside.globalCompositeOperation = "destination-out";
  for (let times = 0; times < 3; times += 1) outside.drawImage(ui.extent.layer.bitmap, ...place); // the overlay itself is translucent
  context.drawImage(veil, 0, 0, veil.width, veil.height);
}

function stripes() {
  const tile = new OffscreenCanvas(12, 12);
  const context = tile.getContext("2d");
  context.fillStyle = "rgba(30, 30, 30, .62)";
  context.fillRect(0, 0, 12, 12);
  context.strokeStyle = "rgba(255, 255, 255, .3)";
  context.lineWidth = 2;
  for (const shift of [-12, 0, 12]) {
    context.moveTo(shift - 2, 14);
    context.lineTo(shift + 14, -2);
  }
  context.stroke();
  return tile;
}

function drawMap(context, pad, pane) {
  const { photo, ui } = pad;
  drawRegions(context, pad, (x, y) => photoBeforeTurn(pad, x, y));
  const map = ui.showClasses ? ui.classes?.paint : null;
  const [x, y] = toStage(ui.view, pane, 0, 0);
  for (const { bitmap, box } of litRegions(pad)) context.drawImage(bitmap, ...partOf([pane.left + x, y, photo.width * ui.view.scale, photo.height * ui.view.scale], box));
  if (!map) return;
  context.save();
  context.imageSmoothingEnabled = true;
  context.shadowColor = "rgba(0, 0, 0, .9)";
  context.shadowBlur = 2;
  context.drawImage(map, pane.left + x, y, photo.width * ui.view.scale, photo.height * ui.view.scale);
  context.restore();
}

function drawHint(context, pad, point) {
  const isDrawing = pad.model()?.input === "sketch"; // the points of a stroke fill single regions
  if (isDrawing || !isStroke(pad.doc, point)) drawPoint(context, pad, point);
  else if (listedHint(pad.doc, point) === point) drawBrushStroke(context, pad, point);
}

function drawBrushStroke(context, pad, first) {
  const points = strokePoints(pad.doc, first);
  const selected = points.some(({ id }) => id === pad.ui.selected);
  const width = Math.max(4, 2 * pointRadius(first, pad.perNetworkPixel()) * pad.ui.view.scale);
  const corners = points.map(({ x, y }) => photoBeforeTurn(pad, x, y));
  context.save();
  context.globalAlpha = first.muted ? 0.45 : 0.9;
  Object.assign(context, { lineCap: "round", lineJoin: "round" });
  context.beginPath();
  for (const corner of corners) context.lineTo(...corner);
  const { hex: color } = colorOfStroke(pad.doc, first);
  strokePath(context, [[DARK, width + (selected ? 6 : 3)], [LIGHT, width + (selected ? 4 : 1.5)], [color, width]]);
  context.restore();
  if (selected || first.locked) drawLabel(context, corners[0][0] + width, corners[0][1] - width, `${hintNumber(pad.doc, first)}${first.locked ? " ●" : ""}`);
}

function drawStroke(context, pad, stroke, alpha) {
  const width = Math.max(2, stroke.width * pad.ui.view.scale);
  context.save();
  context.globalAlpha = alpha;
  Object.assign(context, { lineCap: "round", lineJoin: "round" });
  traceStroke(context, stroke.path, (x, y) => photoBeforeTurn(pad, x, y));
  strokePath(context, [[DARK, width + 2], ["rgba(255, 255, 255, .9)", Math.max(1.5, width - 2)]]);
  context.restore();
}

function drawPoint(context, pad, point) {
  const selected = point.id === pad.ui.selected;
  const [x, y] = photoBeforeTurn(pad, point.x, point.y);
  const reach = pointRadius(point, pad.perNetworkPixel()) * pad.ui.view.scale;
  if (!pad.fills() && (selected || reach > 12)) drawPatch(context, x, y, reach, selected);
  const radius = selected ? 9 : isStroke(pad.doc, point) ? 4 : 6.5;
  context.globalAlpha = point.muted ? 0.55 : 1;
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fillStyle = labHex(pad.lightnessOf(point), point.ab);
  context.fill();
  context.setLineDash(point.muted || point.untouched ? [3, 3] : []);
  for (const [style, width, grow] of RING) {
    context.beginPath();
    context.arc(x, y, radius + grow, 0, 7);
    strokePath(context, [[style, width]]);
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
  const marks = `${point.locked ? " ●" : ""}${point.wanted && !pad.fills() ? " ≠" : ""}`; // ≠: the requested color is not available
  const isLabeled = marks && strokePoints(pad.doc, point).find(({ locked, wanted }) => locked || wanted) === point; // one label for each stroke
  if (selected || isLabeled) drawLabel(context, x + radius + 3, y - radius - 3.5, `${hintNumber(pad.doc, point)}${marks}`);
}

function drawPatch(context, x, y, reach, selected) {
  for (const [style, offset] of /** @type {[string, number][]} */ ([[DARK, 1], [LIGHT, 0]])) {
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
  if (ui.nextPlace) drawNextPlace(context, pad, ui.nextPlace);
  const brushes = ui.tool === "paint" || ui.tool === "heal" || (ui.tool === "area" && ui.areaBrush !== null);
  if (brushes && ui.cursor && !ui.panning) drawBrush(context, pad);
  if (ui.tool === "fill" && ui.cursor && !ui.panning) drawFillColor(context, pad, ui.cursor);
  if (!ui.cursor || !isSized(pad) || ui.panning || ui.drag) return;
  const [x, y] = photoBeforeTurn(pad, ui.cursor[0], ui.cursor[1]);
  drawPatch(context, x, y, (ui.size / 2) * pad.perNetworkPixel() * ui.view.scale, true);
}

/** Draw the color of the fill tool beside the pointer, as a square, because points are circles. @param {CanvasRenderingContext2D} context @param {any} pad @param {import("./shapes.js").Place} place */
function drawFillColor(context, pad, place) {
  const [x, y] = photoBeforeTurn(pad, ...place);
  context.beginPath();
  context.roundRect(x + 10, y + 10, 16, 16, 3);
  context.fillStyle = labHex(pad.ui.lightness, pad.ui.ab);
  context.fill();
  strokePath(context, [[DARK, 3.5], [LIGHT, 2]]);
}

function drawBrush(context, pad) {
  const { cursor } = pad.ui;
  const [x, y] = photoBeforeTurn(pad, cursor[0], cursor[1]);
  const radius = ((pad.ui.tool === "heal" ? healingWidth(pad) : brushSize(pad)) / 2) * pad.ui.view.scale;
  for (const share of pad.ui.tool === "paint" ? [1, pad.ui.brush.hardness] : [1]) {
    context.beginPath();
    context.arc(x, y, Math.max(1, radius * share), 0, 7);
    context.globalAlpha = share === 1 ? 1 : 0.5;
    strokePath(context, [[DARK, 2.5], [LIGHT, 1]]);
  }
  context.globalAlpha = 1;
}

/** @param {import("./shapes.js").Place} place */
function drawCross(context, pad, place) {
  const [x, y] = photoBeforeTurn(pad, ...place);
  context.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    context.moveTo(x + 5 * dx, y + 5 * dy);
    context.lineTo(x + 18 * dx, y + 18 * dy);
  }
  strokePath(context, [[DARK, 3.5], [LIGHT, 1.5]]);
}

/** Draw rings around the suggested spot. @param {CanvasRenderingContext2D} context @param {any} pad @param {import("./shapes.js").Place} place */
function drawNextPlace(context, pad, place) {
  const [x, y] = photoBeforeTurn(pad, ...place);
  for (const radius of [14, 22]) {
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    strokePath(context, [[DARK, 4], [LIGHT, 2]]);
  }
  drawLabel(context, x + 30 > pad.ui.stage.width - 160 ? x - 180 : x + 30, y, t("Suggested point"));
}
