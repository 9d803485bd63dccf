/** The ab plane at a lightness, with the sRGB gamut, the current color and the suggestions. */

import { colorName, labHex, planePixels, reduceChroma } from "./color.js";
import { createCanvas, h, oncePerFrame, setAttr, t } from "./dom.js";

const RESOLUTION = 96;
const EDGE_STEPS = 144;
const FINE = 2;
const COARSE = 10;

/** @param {number} lightness @returns {{outline: [number, number][], range: number}} border of the gamut and range of a square around it */
function gamutOutline(lightness) {
  const outline = [];
  for (let step = 0; step < EDGE_STEPS; step += 1) {
    const angle = (2 * Math.PI * step) / EDGE_STEPS;
    outline.push(reduceChroma(lightness, [150 * Math.cos(angle), 150 * Math.sin(angle)]));
  }
  const reach = Math.max(...outline.flat().map(Math.abs), 18);
  return { outline, range: reach * 1.06 };
}

function paintPlane(lightness, range) {
  const canvas = createCanvas(RESOLUTION, RESOLUTION);
  const context = canvas.getContext("2d");
  context.putImageData(new ImageData(/** @type {any} */ (planePixels(lightness, range, RESOLUTION)), RESOLUTION, RESOLUTION), 0, 0);
  return canvas;
}

/**
 * @param {{onPick: (ab: [number, number], done: boolean) => void}} actions
 * @returns {{el: HTMLElement, update: (state: PlaneState) => void}}
 *
 * @typedef {{lightness: number, ab: [number, number], suggestions: {ab: [number, number], share: number}[], enabled: boolean}} PlaneState
 */
export function createGamut({ onPick }) {
  const canvas = /** @type {HTMLCanvasElement} */ (h("canvas", {
    class: "cz-gamut-canvas", tabindex: "0", role: "slider", "aria-roledescription": t("color field"),
    "aria-label": t("Hue and saturation of the color"), "aria-valuemin": "0", "aria-valuemax": "150",
  }));
  const el = h("div", { class: "cz-gamut" }, canvas);
  const plot = { canvas, state: null, plane: null, key: NaN, outline: [], range: 100 };
  const redraw = oncePerFrame(() => drawPlot(plot));
  const pick = (requested, done) => onPick(reduceChroma(plot.state.lightness, requested), done);
  listenToPointer(plot, pick);
  listenToKeys(plot, pick);
  new ResizeObserver(redraw).observe(canvas);
  const update = (state) => {
    plot.state = state;
    describe(canvas, state);
    redraw();
  };
  return { el, update };
}

function describe(canvas, { lightness, ab, enabled }) {
  const words = `${colorName(lightness, ab)}, ${labHex(lightness, ab)}, a ${Math.round(ab[0])}, b ${Math.round(ab[1])}`;
  setAttr(canvas, "aria-valuenow", Math.round(Math.hypot(...ab)));
  setAttr(canvas, "aria-valuetext", words);
  setAttr(canvas, "aria-disabled", enabled ? false : "true");
}

function listenToPointer(plot, pick) {
  const { canvas } = plot;
  const ask = (event, done) => {
    if (!plot.state?.enabled) return;
    const box = canvas.getBoundingClientRect();
    const a = ((event.clientX - box.left) / box.width) * 2 * plot.range - plot.range;
    const b = plot.range - ((event.clientY - box.top) / box.height) * 2 * plot.range;
    pick([a, b], done);
  };
  let last = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    last = event;
    ask(event, false);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    last = event;
    ask(event, false);
  });
  for (const type of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(type, () => {
      if (last) ask(last, true);
      last = null;
    });
  }
}

function listenToKeys(plot, pick) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  plot.canvas.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    if (!step || !plot.state?.enabled || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const size = event.shiftKey ? COARSE : FINE;
    pick([plot.state.ab[0] + step[0] * size, plot.state.ab[1] + step[1] * size], true);
  });
}

function drawPlot(plot) {
  const { canvas, state } = plot;
  const ratio = window.devicePixelRatio || 1;
  const side = Math.round(canvas.clientWidth * ratio);
  if (!state || !side) return;
  if (canvas.width !== side || canvas.height !== side) Object.assign(canvas, { width: side, height: side });
  const key = Math.round(state.lightness);
  if (key !== plot.key) {
    const lightness = Math.min(99, Math.max(1, key));
    Object.assign(plot, gamutOutline(lightness), { key });
    plot.plane = paintPlane(lightness, plot.range);
  }
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, side, side);
  const at = ([a, b]) => [((a + plot.range) / (2 * plot.range)) * side, ((plot.range - b) / (2 * plot.range)) * side];
  drawPlane(context, plot, at, side);
  drawPlaneMarks(context, plot, at, ratio);
}

function drawPlane(context, plot, at, side) {
  context.save();
  context.beginPath();
  for (const corner of plot.outline) context.lineTo(...at(corner));
  context.closePath();
  context.globalAlpha = plot.state.enabled ? 1 : 0.35;
  context.save();
  context.clip();
  context.imageSmoothingQuality = "high";
  context.drawImage(plot.plane, 0, 0, side, side);
  context.restore();
  context.restore();
}

function drawPlaneMarks(context, plot, at, ratio) {
  const { state } = plot;
  for (const { ab, share } of state.suggestions) {
    ring(context, at(ab), (2 + 4 * Math.sqrt(share)) * ratio, ratio, "rgba(0,0,0,.55)", "rgba(255,255,255,.9)");
  }
  const [x, y] = at(state.ab);
  context.fillStyle = labHex(state.lightness, state.ab);
  context.beginPath();
  context.arc(x, y, 8 * ratio, 0, 7);
  context.fill();
  ring(context, [x, y], 8 * ratio, ratio * 1.6, "rgba(0,0,0,.8)", "#fff");
}

function ring(context, [x, y], radius, width, outer, inner) {
  for (const [color, grow] of [[outer, width], [inner, 0]]) {
    context.beginPath();
    context.arc(x, y, radius + grow, 0, 7);
    context.lineWidth = width;
    context.strokeStyle = color;
    context.stroke();
  }
}
