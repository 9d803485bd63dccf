/** Draws areas over the photo: the picked one and what is being selected in full, the others by a thin line while they matter. */

import { DARK, LIGHT, drawLabel } from "./ink.js";
import { pickedZone } from "./zoneedits.js";
import { zoneCenter, zonePicture } from "./zones.js";

const FAINT = 0.55;

/** @param {CanvasRenderingContext2D} context @param {any} pad @param {(x: number, y: number) => [number, number]} toStage */
function drawZones(context, pad, toStage) {
  const { ui, doc } = pad;
  const picked = pickedZone(pad);
  const held = ui.tool === "area";
  doc.areas.forEach((zone, index) => {
    const strong = picked?.index === index;
    if (!strong && !held) return;
    drawZone(context, pad, zone, toStage, strong ? 1 : FAINT, false);
    drawLabel(context, ...toStage(...zoneCenter(zone, pad.photo)), String(index + 1));
  });
  if (ui.pending) drawZone(context, pad, ui.pending, toStage, 1, true);
  if (ui.zonePath) drawZonePath(context, ui.zonePath, toStage);
}

function drawZone(context, pad, zone, toStage, alpha, tinted) {
  const { outline, tint } = zonePicture(zone, pad.photo);
  const [left, top] = toStage(0, 0);
  const [right, bottom] = toStage(pad.photo.width, pad.photo.height);
  const place = [left, top, right - left, bottom - top];
  context.save();
  if (tinted) context.drawImage(tint, ...place);
  context.globalAlpha = alpha;
  context.shadowColor = DARK;
  context.shadowBlur = 3;
  context.drawImage(outline, ...place);
  context.restore();
}

function drawZonePath(context, path, toStage) {
  context.beginPath();
  for (const place of path) context.lineTo(...toStage(...place));
  for (const [style, width] of [[DARK, 4], [LIGHT, 2]]) {
    context.lineWidth = width;
    context.strokeStyle = style;
    context.stroke();
  }
}

export { drawZones };
