/** What all marks on the stage share: strokes that show on dark and light pictures, and text. */

const DARK = "rgba(0, 0, 0, .75)";
const LIGHT = "rgba(255, 255, 255, .95)";

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} x @param {number} y its middle */
function centeredText(context, text, x, y) {
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, x, y + 0.5);
}

/** @param {CanvasRenderingContext2D} context @param {string} text @param {number} x @param {number} y its middle */
function outlinedText(context, text, x, y) {
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineWidth = 3;
  context.strokeStyle = "rgba(0, 0, 0, .7)";
  context.strokeText(text, x, y + 0.5);
  context.fillStyle = "#fff";
  context.fillText(text, x, y + 0.5);
}

/** Text on a dark plate. @param {CanvasRenderingContext2D} context @param {number} left @param {number} middle @param {string} text */
function drawLabel(context, left, middle, text) {
  context.font = "600 11px system-ui, sans-serif";
  const width = context.measureText(text).width + 10;
  context.fillStyle = "rgba(20, 20, 20, .85)";
  context.beginPath();
  context.roundRect(left, middle - 8.5, width, 17, 8);
  context.fill();
  context.fillStyle = "#fff";
  centeredText(context, text, left + width / 2, middle);
}

export { DARK, LIGHT, centeredText, drawLabel, outlinedText };
