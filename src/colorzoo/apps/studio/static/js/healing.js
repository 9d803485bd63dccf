/**
 * The healing brush: what it covers is filled from around before the photo is colored. Its strokes, and its panel.
 *
 * @typedef {import("./document.js").Stroke} Stroke
 * @typedef {import("./shapes.js").Place} Place
 */

import { clamp } from "./color.js";
import { button, h, section, show, t } from "./dom.js";
import { finishedPaint, paintDistance } from "./paintstrokes.js";
import { traceStroke } from "./shapes.js";
import { change } from "./state.js";

const USUAL_HEALING = 0.02; // default width, as a fraction of the shorter side of the photo
const HEALING_RANGE = [2, 0.2]; // minimum in pixels, maximum as a fraction of the shorter side
const HEALING_STEPS = 100;
const HEALING_STEP = 1.15;
const HEALING_APART = 1.5; // CSS pixels between corners of a stroke
const HEALING_TINT = "rgba(255, 96, 64, .5)";
const HEALING_LINE = 2; // CSS pixels; thin, so that the healed pixels are visible

const widestHealing = ({ width, height }) => Math.max(HEALING_RANGE[0] + 1, HEALING_RANGE[1] * Math.min(width, height));

export function healingWidth(pad) {
  const { width, height } = pad.photo;
  return clamp(pad.ui.healingWidth ?? USUAL_HEALING * Math.min(width, height), HEALING_RANGE[0], widestHealing(pad.photo));
}

export const stepHealingWidth = (pad, step) => pad.set({ healingWidth: healingWidth(pad) * HEALING_STEP ** step });

/** @param {Place} place */
export const startHealing = (pad, place) => pad.set({ healing: { path: [place], width: Math.round(healingWidth(pad) * 10) / 10 } });

export function continueHealing(pad, place) {
  const { healing } = pad.ui;
  if (!healing) return;
  const [x, y] = healing.path.at(-1);
  if (Math.hypot(place[0] - x, place[1] - y) * pad.ui.view.scale < HEALING_APART) return;
  change(pad.ui, { healing: { ...healing, path: [...healing.path, place] } });
}

export function endHealing(pad) {
  const { healing } = pad.ui;
  change(pad.ui, { healing: null });
  if (!healing) return;
  const { path } = finishedPaint(/** @type {any} */ ({ path: healing.path, size: healing.width }));
  pad.edit({ ...pad.doc, healing: [...pad.doc.healing, { path, width: healing.width }] }, t("heal"));
}

/** @param {Place} place @param {number} slack pixels of the photo @returns {number} index of the last stroke there, or -1 */
function healingAt(pad, place, slack = 0) {
  return pad.doc.healing.findLastIndex(({ path, width }) => (
    path.some((corner, index) => paintDistance(place, corner, path[index + 1] ?? corner) <= width / 2 + slack)
  ));
}

/** Remove the healing stroke at a position. @param {Place} place @param {number} slack pixels of the photo */
export function eraseHealing(pad, place, slack) {
  const index = healingAt(pad, place, slack);
  if (index < 0) return;
  pad.edit({ ...pad.doc, healing: pad.doc.healing.toSpliced(index, 1) }, t("undo healing"));
  pad.announce(t("Healing undone here"));
}

/** Mark strokes that the preview does not contain yet, and the center line of the stroke below the pointer. @param {CanvasRenderingContext2D} context @param {(x: number, y: number) => Place} toStage */
export function drawHealing(context, pad, toStage) {
  const { healing, healed, cursor, tool, drag, view } = pad.ui;
  const fresh = [...pad.doc.healing.filter((stroke) => !healed.includes(stroke)), ...(healing ? [healing] : [])];
  const near = tool === "heal" && cursor && !drag ? pad.doc.healing[healingAt(pad, cursor)] : null;
  context.save();
  Object.assign(context, { lineCap: "round", lineJoin: "round", strokeStyle: HEALING_TINT });
  for (const stroke of near && !fresh.includes(near) ? [...fresh, near] : fresh) {
    const { path, width } = stroke;
    context.lineWidth = stroke === near ? HEALING_LINE : Math.max(HEALING_LINE, width * view.scale);
    traceStroke(context, path, toStage);
    context.stroke();
  }
  context.restore();
}

export function createHealingOptions(pad, createSlider) {
  const range = () => Math.log(widestHealing(pad.photo) / HEALING_RANGE[0]);
  const size = createSlider(t("Size"), 0, HEALING_STEPS, (value) => pad.set({ healingWidth: HEALING_RANGE[0] * Math.exp((range() * value) / HEALING_STEPS) }));
  const words = h("p", { class: "cz-hint" }, t("Paint over dust or scratches to remove them. Right-click or long-press a stroke to undo it."));
  const clear = button({ text: t("Undo all healing"), label: t("Remove all strokes of the healing brush"), className: "cz-small", onClick: () => pad.edit({ ...pad.doc, healing: [] }, t("undo all healing")) });
  const el = section(t("Healing"), size.el, clear, words);
  const update = () => {
    show(el, Boolean(pad.photo) && pad.ui.tool === "heal");
    if (el.hidden) return;
    const width = healingWidth(pad);
    size.update(Math.round((HEALING_STEPS * Math.log(width / HEALING_RANGE[0])) / range()), false, t("{n} pixels", { n: Math.round(width) }));
    show(clear, pad.doc.healing.length > 0);
  };
  return { el, update };
}
