/** The brush that paints color: its settings, its strokes while they are drawn, and its panel. */

import { clamp, labHex } from "./color.js";
import { button, checkbox, createCanvas, h, section, setAttr, setText, show, t } from "./dom.js";
import { BLENDS, blendOf, finishedPaint } from "./paintstrokes.js";
import { traceStroke } from "./shapes.js";
import { change } from "./state.js";

const USUAL_BRUSH = 0.06; // default size, as a fraction of the shorter side of the photo
const BRUSH_RANGE = [2, 0.6]; // minimum in pixels, maximum as a fraction of the shorter side
const BRUSH_STEPS = 100;
const BRUSH_STEP = 1.15;
const EDGE_REACH = 0.4; // reach of a stroke that stops at edges, as in recipes
const PAINT_APART = 1.5; // CSS pixels between corners of a stroke

const shorterSide = ({ width, height }) => Math.min(width, height);

export function brushSize(pad) {
  const side = shorterSide(pad.photo);
  return clamp(pad.ui.brush.size ?? USUAL_BRUSH * side, BRUSH_RANGE[0], Math.max(BRUSH_RANGE[0] + 1, BRUSH_RANGE[1] * side));
}

/** @param {Partial<{size: number, hardness: number, opacity: number, erases: boolean, keeps: boolean, shades: boolean, closed: boolean, blend: import("./paintstrokes.js").Blend}>} change */
export const changeBrush = (pad, change) => pad.set({ brush: { ...pad.ui.brush, ...change } });

export const stepBrush = (pad, step) => changeBrush(pad, { size: brushSize(pad) * BRUSH_STEP ** step });

/** @returns {boolean} whether the brush changes the shading of a drawing instead of the paint */
const shades = (pad) => pad.fills() && pad.ui.brush.shades;

/** @param {[number, number]} place @param {boolean} erases */
export function startPaint(pad, place, erases) {
  const { hardness, opacity, keeps, blend: chosen, closed } = pad.ui.brush;
  const blend = shades(pad) ? "multiply" : chosen;
  const layer = blend === "multiply" ? { blend } : {};
  const how = { ...(blend === "color" ? {} : { blend }), ...(keeps && !(closed && pad.fills()) ? { reach: EDGE_REACH } : {}) };
  const kind = erases || pad.ui.brush.erases ? { erase: true, ...layer } : { color: labHex(pad.ui.lightness, pad.ui.ab), ...how };
  const what = closed && pad.fills() ? { ...kind, closed } : kind;
  const tenth = (value) => Math.round(value * 10) / 10;
  change(pad.ui, { painting: { path: [place], ...what, size: tenth(brushSize(pad)), hardness, opacity } });
  pad.redraw();
}

/** @param {[number, number]} place */
export function continuePaint(pad, place) {
  const { painting } = pad.ui;
  if (!painting) return;
  const [x, y] = painting.path.at(-1);
  if (Math.hypot(place[0] - x, place[1] - y) * pad.ui.view.scale < PAINT_APART) return;
  change(pad.ui, { painting: { ...painting, path: [...painting.path, place] } });
  pad.redraw();
}

export function endPaint(pad) {
  const { painting } = pad.ui;
  change(pad.ui, { painting: null, coat: null });
  if (!painting) return;
  const stroke = finishedPaint(painting);
  change(pad.ui, { freshPaint: [...pad.ui.freshPaint, stroke] });
  const isShading = blendOf(stroke) === "multiply";
  const label = stroke.erase ? (isShading ? t("erase shading") : t("erase paint")) : isShading ? t("shading") : t("paint stroke");
  pad.edit({ ...pad.doc, paint: [...pad.doc.paint, stroke] }, label);
}

/** Draw the strokes that the preview does not contain yet. @param {CanvasRenderingContext2D} context with the image @param {(x: number, y: number) => [number, number]} toStage */
export function drawFreshPaint(context, pad, toStage) {
  const { painting, freshPaint } = pad.ui;
  const strokes = [...freshPaint.filter((stroke) => pad.doc.paint.includes(stroke)), ...(painting ? [painting] : [])];
  for (const stroke of strokes) drawPaint(context, pad, stroke, toStage);
}

/** @param {CanvasRenderingContext2D} context with the image @param {(x: number, y: number) => [number, number]} toStage */
function drawPaint(context, pad, stroke, toStage) {
  if (stroke.erase && blendOf(stroke) === "multiply") return; // visible when the server responds
  const { stage, view } = pad.ui;
  const radius = (stroke.size / 2) * view.scale;
  const fade = radius * (1 - stroke.hardness);
  const layer = createCanvas(Math.max(1, Math.ceil(stage.width)), Math.max(1, Math.ceil(stage.height)));
  const drawn = layer.getContext("2d");
  drawn.filter = fade > 1 ? `blur(${fade / 3}px)` : "none";
  Object.assign(drawn, { lineCap: "round", lineJoin: "round", lineWidth: Math.max(1, 2 * radius - fade), strokeStyle: stroke.color ?? "#808080" });
  traceStroke(drawn, stroke.path, toStage);
  drawn.stroke();
  if (stroke.closed) {
    drawn.fillStyle = drawn.strokeStyle;
    drawn.fill();
  }
  const isOnPaper = pad.fills() && Boolean(stroke.color) && blendOf(stroke) === "color";
  if (isOnPaper) { // the lines of the drawing cover the paint
    const [[left, top], [right, bottom]] = [toStage(0, 0), toStage(pad.photo.width, pad.photo.height)];
    drawn.filter = "none";
    drawn.globalCompositeOperation = "multiply";
    drawn.drawImage(pad.photo.gray.bitmap, left, top, right - left, bottom - top);
    drawn.filter = fade > 1 ? `blur(${fade / 3}px)` : "none";
    drawn.globalCompositeOperation = "destination-in";
    const mask = createCanvas(layer.width, layer.height).getContext("2d");
    Object.assign(mask, { filter: drawn.filter, lineCap: "round", lineJoin: "round", lineWidth: drawn.lineWidth });
    traceStroke(mask, stroke.path, toStage);
    mask.stroke();
    if (stroke.closed) mask.fill();
    drawn.filter = "none";
    drawn.drawImage(mask.canvas, 0, 0);
  }
  context.save();
  context.globalAlpha = stroke.opacity;
  context.globalCompositeOperation = isOnPaper ? "source-over" : blendOf(stroke);
  context.drawImage(layer, 0, 0);
  context.restore();
}

function createBrushSize(pad, createSlider) {
  const range = () => Math.log((BRUSH_RANGE[1] * shorterSide(pad.photo)) / BRUSH_RANGE[0]);
  const slider = createSlider(t("Size"), 0, BRUSH_STEPS, (value) => changeBrush(pad, { size: BRUSH_RANGE[0] * Math.exp((range() * value) / BRUSH_STEPS) }));
  const update = () => slider.update(Math.round((BRUSH_STEPS * Math.log(brushSize(pad) / BRUSH_RANGE[0])) / range()), false, t("{n} pixels", { n: Math.round(brushSize(pad)) }));
  return { el: slider.el, update };
}

const AREA_BRUSHES = [
  [null, "Object", "Select an object: click it or draw around it"], ["more", "Add", "Brush over parts to add them to the selection"],
  ["less", "Subtract", "Brush over parts to remove them from the selection"],
];

export function createAreaBrush(pad, createSlider) {
  const choose = (how) => () => pad.set({ areaBrush: how, outline: null });
  const choices = AREA_BRUSHES.map(([how, text, label]) => ({ how, el: button({ text: t(text), label: t(label), className: "cz-segment", onClick: choose(how) }) }));
  const size = createBrushSize(pad, createSlider);
  const words = h("p", { class: "cz-hint" });
  const el = section(t("Selection"), h("div", { class: "cz-segments", role: "group", "aria-label": t("Selection mode") }, ...choices.map((choice) => choice.el)), size.el, words);
  const update = () => {
    const { areaBrush, tool } = pad.ui;
    show(el, Boolean(pad.photo) && tool === "area");
    if (el.hidden) return;
    for (const { how, el: choice } of choices) setAttr(choice, "aria-pressed", String(how === areaBrush));
    for (const part of [size.el, words]) show(part, areaBrush !== null);
    size.update();
    setText(words, areaBrush === "less" ? t("Brush over parts to remove them from the selection. Hold Ctrl to add.") : t("Brush over parts to add them to the selection. Hold Ctrl to subtract."));
  };
  return { el, update };
}

export const BLEND_NAMES = { color: "Color", hue: "Hue", saturation: "Saturation", multiply: "Shading" };

/** @param {(blend: import("./paintstrokes.js").Blend) => void} use @returns {{el: HTMLElement, update: (blend: string) => void}} choice of what paint replaces */
export function createBlendChoice(use) {
  const names = BLENDS.map((blend) => h("option", { value: blend }, t(BLEND_NAMES[blend])));
  const select = h("select", { class: "cz-input cz-select", "aria-label": t("Blend mode"), on: { change: () => use(/** @type {any} */ (select.value)) } }, ...names);
  const el = h("label", { class: "cz-field", title: t("What the paint replaces: hue and saturation (Color), only the hue, or only the saturation") }, h("span", {}, t("Blend mode")), h("span"), select);
  return {
    el,
    update: (blend) => {
      if (select.value !== blend) select.value = blend;
    },
  };
}

export function createPaintOptions(pad, createSlider) {
  const choice = (erases, isShading, text, label) => ({ erases, isShading, el: button({ text, label, className: "cz-segment", onClick: () => changeBrush(pad, { erases, shades: isShading }) }) });
  const choices = [
    choice(false, false, t("Paint"), t("Paint with the color of the brush")),
    choice(true, false, t("Erase paint"), t("Erase paint with the brush")),
    choice(false, true, t("Shade"), t("Darken colors by the color of the brush, on the layer Shading (multiply)")),
    choice(true, true, t("Erase shading"), t("Erase shading with the brush; the paint stays")),
  ];
  const closes = checkbox(t("Fill outline"), (checked) => changeBrush(pad, { closed: checked }), t("Lasso: a stroke also fills its inside"));
  const segments = h("div", { class: "cz-segments", role: "group", "aria-label": t("Brush mode") }, ...choices.map(({ el }) => el));
  const size = createBrushSize(pad, createSlider);
  const hardness = createSlider(t("Hardness"), 0, 100, (value) => changeBrush(pad, { hardness: value / 100 }), t("Hardness of the brush edge"));
  const opacity = createSlider(t("Opacity"), 1, 100, (value) => changeBrush(pad, { opacity: value / 100 }), t("Opacity of new paint strokes"));
  const el = section(t("Paint brush"), segments, closes.el, size.el, hardness.el, opacity.el);
  const update = () => {
    show(el, Boolean(pad.photo) && pad.ui.tool === "paint");
    if (el.hidden) return;
    const { brush } = pad.ui;
    for (const { el: segment, erases, isShading } of choices) {
      show(segment, pad.fills() || !isShading);
      setAttr(segment, "aria-pressed", String(erases === brush.erases && isShading === shades(pad)));
    }
    show(closes.el, pad.fills());
    closes.box.checked = brush.closed;
    size.update();
    hardness.update(Math.round(100 * brush.hardness), false);
    opacity.update(Math.round(100 * brush.opacity), false);
  };
  return { el, update };
}

export function createPaintPanel(pad) {
  const { el: keeps, box } = checkbox(t("Stop at edges"), (checked) => changeBrush(pad, { keeps: checked }));
  keeps.title = t("Paint only the object under the center of the brush");
  const blend = createBlendChoice((value) => changeBrush(pad, { blend: value }));
  const words = h("p", { class: "cz-hint" });
  const clear = button({ text: t("Remove all paint"), label: t("Delete all paint layers"), className: "cz-wide", onClick: () => pad.edit({ ...pad.doc, paint: [] }, t("remove all paint")) });
  const el = section(t("Paint brush"), blend.el, keeps, words, clear);
  const update = () => {
    show(el, Boolean(pad.photo) && pad.ui.tool === "paint");
    if (el.hidden) return;
    const { brush } = pad.ui;
    box.checked = brush.keeps;
    show(keeps, !brush.erases && !(brush.closed && pad.fills()));
    show(blend.el, !brush.erases && !shades(pad));
    blend.update(brush.blend);
    const shading = brush.erases ? t("The brush erases shading. The paint stays.") : t("The color multiplies the colors below, above all paint and below the lines. Hold Ctrl to erase shading.");
    setText(words, shades(pad) ? shading : brush.erases ? t("The brush erases paint. The colors below the paint appear again.") : t("The color appears exactly where you paint. Hold Ctrl to erase paint."));
    show(clear, pad.doc.paint.length > 0);
  };
  return { el, update };
}
