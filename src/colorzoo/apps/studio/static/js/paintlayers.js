/** Paint strokes as layers: consecutive strokes of one color form a layer, here called coat. */

import { h, show, t } from "./dom.js";
import { BLEND_NAMES, createBlendChoice } from "./painting.js";
import { blendOf } from "./paintstrokes.js";
import { moved } from "./sorting.js";
import { traceStroke } from "./shapes.js";

/**
 * @typedef {import("./paintstrokes.js").PaintStroke} PaintStroke
 * @typedef {{first: number, strokes: PaintStroke[]}} Coat  number of its first stroke
 */

function coatsIn(paint) {
  /** @type {Coat[]} */
  const coats = [];
  paint.forEach((stroke, first) => {
    const last = coats.at(-1)?.strokes[0];
    if (last && belongTogether(last, stroke)) coats.at(-1).strokes.push(stroke);
    else coats.push({ first, strokes: [stroke] });
  });
  return coats;
}

function belongTogether(one, other) {
  if (one.color !== other.color || one.layer !== other.layer || blendOf(one) !== blendOf(other)) return false;
  return one.layer !== undefined || (one.opacity === other.opacity && Boolean(one.hidden) === Boolean(other.hidden));
}

/** @param {PaintStroke[]} paint @param {PaintStroke[]} strokes of a coat @returns {PaintStroke[]} the same with the number of a layer, so that they stay one coat */
function numbered(paint, strokes) {
  const layer = strokes[0].layer ?? paint.reduce((most, { layer: used = 0 }) => Math.max(most, used), 0) + 1;
  return strokes.map((stroke) => ({ ...stroke, layer }));
}

function withCoat(paint, index, patch) {
  const { first, strokes } = coatsIn(paint)[index];
  const kept = "hidden" in patch ? strokes : numbered(paint, strokes); // within a layer, the opacities of overlapping strokes do not add up
  return paint.toSpliced(first, strokes.length, ...kept.map((stroke) => ({ ...stroke, ...patch })));
}

/** @param {PaintStroke[]} paint @param {number} index of a coat @param {number} to its new index @returns {PaintStroke[]} */
function withMovedCoat(paint, index, to) {
  let separate = paint;
  for (let i = Math.min(index, to); i <= Math.max(index, to); i += 1) separate = withCoat(separate, i, {}); // otherwise adjacent coats of one color would merge
  return moved(coatsIn(separate), index, to).flatMap(({ strokes }) => strokes);
}

/** @returns {{coat: Coat, index: number} | null} the selected coat, if it still exists and nothing else is selected */
export function pickedCoat(pad) {
  const { coat: index, area, selected, tool } = pad.ui;
  const coat = index === null || area !== null || selected !== null || tool === "replace" ? null : coatsIn(pad.doc.paint)[index];
  return coat ? { coat, index } : null;
}

function pickCoat(pad, index) {
  if (pad.ui.tool === "replace") pad.setTool("paint", pad.ui.tab);
  pad.set({ coat: index, area: null, selected: null, box: null, regionPick: [], suggestions: null });
  pad.announce(t("Paint {n} selected", { n: index + 1 }));
}

export function deleteCoat(pad, index) {
  const { first, strokes } = coatsIn(pad.doc.paint)[index];
  pad.set({ coat: null });
  pad.edit({ ...pad.doc, paint: pad.doc.paint.toSpliced(first, strokes.length) }, t("delete paint"));
  pad.announce(t("Paint {n} deleted", { n: index + 1 }));
}

function layersOfPaint(pad) {
  const coats = coatsIn(pad.doc.paint);
  const picked = pickedCoat(pad)?.index;
  return coats.map(({ strokes }, index) => ({
    ...describeCoat(strokes, index + 1),
    source: strokes[0],
    draw: (context, scale) => strokes.forEach((stroke) => drawPaintThumbnail(context, stroke, scale)),
    picked: picked === index,
    above: coats.length - 1 - index,
    below: index,
    pick: () => pickCoat(pad, index),
    change: (patch, label, done) => pad.applyChange({ ...pad.doc, paint: withCoat(pad.doc.paint, index, patch) }, done, label),
    move: (steps) => {
      pad.set({ coat: index + steps });
      pad.edit({ ...pad.doc, paint: withMovedCoat(pad.doc.paint, index, index + steps) }, t("move a layer"));
    },
    remove: () => deleteCoat(pad, index),
  }));
}

/** @param {any[]} strokes of a coat @param {number} n number of the coat, from 1 @returns texts and settings of the layer */
function describeCoat(strokes, n) {
  const [{ color = null, hidden = false, opacity, hardness, name: named }] = strokes;
  const count = strokes.length > 1 ? t("{count} strokes", { count: strokes.length }) : t("1 stroke");
  const blend = blendOf(strokes[0]);
  const blendName = color && blend !== "color" && blend !== "multiply" ? t(BLEND_NAMES[blend]) : null;
  const softness = Math.round(100 * (1 - hardness));
  return {
    label: t("paint {n}", { n }),
    name: blend === "multiply" ? (color ? t("Shading {n}: {color}, {count}", { n, color, count }) : t("Shading {n}: erased shading, {count}", { n, count })) : color ? t("Paint {n}: {color}, {count}", { n, color, count }) : t("Paint {n}: erased paint, {count}", { n, count }),
    title: blend === "multiply" ? (color ? t("Shading") : t("Erased shading")) : color ? t("Paint") : t("Erased paint"),
    detail: [color, blendName, count].filter(Boolean).join(" · "),
    swatches: [color],
    named,
    hidden,
    opacity,
    edge: { value: softness, most: 100, text: t("{n} %", { n: softness }), patch: (value) => ({ hardness: 1 - value / 100 }) },
  };
}

function drawPaintThumbnail(context, { path, size, color = "#fff" }, scale) {
  Object.assign(context, { lineCap: "round", lineJoin: "round", lineWidth: Math.max(2, size * scale), strokeStyle: color });
  traceStroke(context, path, (x, y) => [x * scale, y * scale]);
  context.stroke();
}

function createPaintDetails(pad) {
  const blend = createBlendChoice((value) => {
    const { index } = pickedCoat(pad);
    pad.edit({ ...pad.doc, paint: withCoat(pad.doc.paint, index, { blend: value === "color" ? undefined : value }) }, t("change blend mode"));
  });
  const el = h("div", { class: "cz-layer-kind" }, blend.el);
  const update = () => {
    const [stroke] = pickedCoat(pad)?.coat.strokes ?? [];
    show(el, Boolean(stroke?.color) && blendOf(stroke) !== "multiply");
    if (stroke) blend.update(blendOf(stroke));
  };
  return { el, update };
}

/** @type {import("./layers.js").LayerKind} */
export const PAINT_LAYERS = { list: "paint", layersOf: layersOfPaint, createDetails: createPaintDetails };
