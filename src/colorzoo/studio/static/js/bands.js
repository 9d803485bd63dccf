/** What an edge scribble changed: the photo without it, shown in the band around it. */

import { currentRecipe } from "./coloring.js";
import { decodeLayer } from "./pixels.js";

const BAND = 6; // widths of the scribble

/** Show or hide the colors without one scribble in its band. @param {any} pad @param {number} index */
async function toggleBand(pad, index) {
  const { band } = pad.ui;
  const stroke = pad.doc.scribbles[index];
  if (band?.stroke === stroke) {
    pad.set({ band: null });
    return;
  }
  const recipe = currentRecipe(pad);
  const message = { type: "color", recipe: { ...recipe, scribbles: recipe.scribbles.toSpliced(index, 1) }, quality: "final" };
  const reply = await pad.ask(message);
  if (!reply || !pad.doc.scribbles.includes(stroke)) return;
  pad.set({ band: { stroke, layer: await decodeLayer(reply.buffers[0], reply.message.mime) } });
}

/** @param {CanvasRenderingContext2D} context @param {any} pad @param {(x: number, y: number) => [number, number]} toStage */
function drawBand(context, pad, toStage) {
  const { band, view } = pad.ui;
  if (!band || !pad.doc.scribbles.includes(band.stroke)) return;
  const [left, top] = toStage(0, 0);
  const [right, bottom] = toStage(pad.photo.width, pad.photo.height);
  const canvas = new OffscreenCanvas(Math.max(1, Math.ceil(pad.ui.stage.width)), Math.max(1, Math.ceil(pad.ui.stage.height)));
  const inside = canvas.getContext("2d");
  Object.assign(inside, { lineWidth: Math.max(24, BAND * band.stroke.width * view.scale), lineCap: "round", lineJoin: "round" });
  inside.beginPath();
  for (const [x, y] of band.stroke.path) inside.lineTo(...toStage(x, y));
  if (band.stroke.path.length === 1) inside.lineTo(...toStage(band.stroke.path[0][0] + 0.01, band.stroke.path[0][1]));
  inside.stroke();
  inside.globalCompositeOperation = "source-in";
  inside.drawImage(band.layer.bitmap, left, top, right - left, bottom - top);
  context.drawImage(canvas, 0, 0, canvas.width, canvas.height);
}

export { drawBand, toggleBand };
