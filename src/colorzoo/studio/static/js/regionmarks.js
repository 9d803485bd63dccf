/** Regions of a drawing over it: hairlines between them, which can be hidden, and a number at those that are asked for. */

import { firstOpenRegion } from "./coloring.js";
import { centeredText, outlinedText } from "./ink.js";

/**
 * Lines between the areas of a label map, in its pixels.
 * @param {{labels: Uint16Array, width: number, height: number}} map @param {number[]} picked
 * @returns {{thin: Path2D, bold: Path2D}} bold: around those that are picked
 */
function regionLines({ labels, width, height }, picked) {
  const lines = { thin: new Path2D(), bold: new Path2D() };
  const part = (one, other, x, y, dx, dy) => {
    if (one === other) return;
    const line = picked.includes(one) || picked.includes(other) ? lines.bold : lines.thin;
    line.moveTo(x, y);
    line.lineTo(x + dx, y + dy);
  };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const here = labels[y * width + x];
      if (x + 1 < width) part(here, labels[y * width + x + 1], x + 1, y, 0, 1);
      if (y + 1 < height) part(here, labels[(y + 1) * width + x], x, y + 1, 1, 0);
    }
  }
  return lines;
}

/** @param {CanvasRenderingContext2D} context @param {any} pad @param {(x: number, y: number) => [number, number]} at place on the stage */
function drawRegions(context, pad, at) {
  const { regions, regionPick } = pad.ui;
  if (!regions) return;
  regions.lines ??= regionLines(regions, regionPick);
  if (pad.settings.outlines !== false) drawLines(context, pad, at);
  const asked = firstOpenRegion(pad);
  regions.items.forEach((item, order) => {
    if (regionPick.includes(item.index) || item.index === asked) drawNumber(context, pad, item, order + 1, at);
  });
}

function drawLines(context, pad, at) {
  const { regions } = pad.ui;
  const [left, top] = at(0, 0);
  const [right, bottom] = at(pad.photo.width, pad.photo.height);
  const scale = (right - left) / regions.width;
  context.save();
  context.translate(left, top);
  context.scale(scale, (bottom - top) / regions.height);
  for (const [path, style, width] of [
    [regions.lines.thin, "rgba(255, 255, 255, .5)", 2], [regions.lines.thin, "rgba(0, 0, 0, .55)", 0.8], [regions.lines.bold, "#fff", 3.5],
    [regions.lines.bold, "#1a6dff", 1.8],
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
  const wanted = pad.ui.regionPick.includes(item.index);
  context.font = "600 12px system-ui, sans-serif";
  const width = Math.max(22, context.measureText(String(number)).width + 12);
  context.beginPath();
  context.roundRect(x - width / 2, y - 11, width, 22, 11);
  context.fillStyle = color ?? (wanted ? "#fff" : "rgba(20, 20, 20, .8)");
  context.fill();
  context.lineWidth = wanted ? 3 : 1.5;
  context.strokeStyle = wanted ? "#1a6dff" : "#fff";
  context.stroke();
  if (color || !wanted) outlinedText(context, String(number), x, y);
  else {
    context.fillStyle = "#111";
    centeredText(context, String(number), x, y);
  }
}

export { drawRegions };
