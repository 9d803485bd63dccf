/** Changes to painted areas and boxes: each is one step of undo. */

import { t } from "./dom.js";
import { movedArea, movedBox } from "./shapes.js";

const LISTS = { area: "painted", box: "boxes" };
const KINDS = { area: "classes", box: "boxes" };

/** @param {any} pad @param {"area" | "box"} kind @returns {any[]} */
const shapesOf = (pad, kind) => pad.doc[LISTS[kind]] ?? [];

/** @param {any} pad @param {"area" | "box"} kind @returns {boolean} whether the model uses them */
const usesShapes = (pad, kind) => pad.accepts(KINDS[kind]);

/** @param {any} pad @returns {import("./shapes.js").ShapePick | null} what is selected, if it is still there */
function pickedShape(pad) {
  const { shape } = pad.ui;
  return shape && usesShapes(pad, shape.kind) && shape.index < shapesOf(pad, shape.kind).length ? shape : null;
}

/** @param {any} pad @param {"area" | "box"} kind @param {number} index @returns {boolean} */
function isPicked(pad, kind, index) {
  const shape = pickedShape(pad);
  return shape?.kind === kind && shape.index === index;
}

/** @param {any} pad @param {"area" | "box"} kind @param {number} index below 0: none */
function pickShape(pad, kind, index) {
  if (index < 0) {
    pad.set({ shape: null });
    return;
  }
  pad.set({ shape: { kind, index }, selected: null, regionPick: [], suggestions: null });
  pad.say(t("{name} selected", { name: shapeName(pad, kind, index) }));
}

/** @param {any} pad @param {"area" | "box"} kind @param {number} index @returns {string} as people read it */
function shapeName(pad, kind, index) {
  const n = index + 1;
  return kind === "box" ? t("Box {n}", { n }) : t("Area {n}, {name}", { n, name: className(pad, shapesOf(pad, kind)[index].class) });
}

function withShapes(pad, kind, list) {
  return { ...pad.doc, [LISTS[kind]]: list };
}

/** @param {any} pad @param {"area" | "box"} kind @param {any} shape */
function addShape(pad, kind, shape) {
  pad.edit(withShapes(pad, kind, [...shapesOf(pad, kind), shape]), { area: t("paint a class"), box: t("draw a box") }[kind]);
  pad.say(t("{name} drawn", { name: shapeName(pad, kind, shapesOf(pad, kind).length - 1) }));
}

/** Not yet a step of undo. @param {any} pad @param {"area" | "box"} kind @param {number} index @param {object} shape */
function previewShape(pad, kind, index, shape) {
  pad.preview(withShapes(pad, kind, shapesOf(pad, kind).with(index, shape)));
}

/** @param {any} pad @param {"area" | "box"} kind @param {number} index @param {object} shape @param {string} label */
function changeShape(pad, kind, index, shape, label) {
  pad.edit(withShapes(pad, kind, shapesOf(pad, kind).with(index, shape)), label);
}

/** @param {any} pad @param {"area" | "box"} kind @param {number} index */
function deleteShape(pad, kind, index) {
  const name = shapeName(pad, kind, index);
  pad.set({ shape: null });
  pad.edit(withShapes(pad, kind, shapesOf(pad, kind).toSpliced(index, 1)), { area: t("delete area"), box: t("delete box") }[kind]);
  pad.say(t("{name} deleted", { name }));
}

/** @param {any} pad what is selected @param {number} dx @param {number} dy pixels of the photo */
function moveShape(pad, dx, dy) {
  const { kind, index } = pickedShape(pad);
  const moved = { area: movedArea, box: movedBox }[kind];
  changeShape(pad, kind, index, moved(shapesOf(pad, kind)[index], dx, dy, pad.photo), { area: t("move area"), box: t("move box") }[kind]);
}

/** @param {any} pad @param {number} index of an area @param {number} number of its new class */
function setAreaClass(pad, index, number) {
  changeShape(pad, "area", index, { ...pad.doc.painted[index], class: number }, t("class of an area"));
}

/** @param {any} pad @returns {{id: number, name: string}[]} the classes of photo and reference, those with most pixels first */
function classesInView(pad) {
  const { items = [], reference } = pad.ui.classes ?? {};
  const named = new Map();
  for (const { id, name } of [...items, ...(reference?.items ?? [])]) named.set(id, name);
  return [...named].map(([id, name]) => ({ id, name }));
}

/** @param {any} pad @param {number} id @returns {string} classes that were learned without labels have only a number */
function className(pad, id) {
  const name = classesInView(pad).find((item) => item.id === id)?.name ?? String(id);
  return /^\d+$/.test(name) ? t("class {n}", { n: name }) : name;
}

/** @param {any} pad @returns {number[]} the classes that an area may get: those in view and those painted, by number */
function paintableClasses(pad) {
  const all = new Set([...classesInView(pad).map(({ id }) => id), ...pad.doc.painted.map((area) => area.class)]);
  return [...all].sort((one, other) => one - other);
}

/** @param {any} pad @returns {number | null} the class that the lasso paints; null while none is known */
function paintClass(pad) {
  const { paintClass: chosen, classes } = pad.ui;
  const known = paintableClasses(pad);
  if (known.includes(chosen)) return chosen;
  return classes?.reference?.items[0]?.id ?? known[0] ?? null;
}

/** A class was pointed at: for the selected area, and the ones to come. @param {any} pad @param {number} number */
function takeClass(pad, number) {
  const shape = pickedShape(pad);
  pad.set({ paintClass: number });
  if (shape?.kind === "area" && pad.doc.painted[shape.index].class !== number) setAreaClass(pad, shape.index, number);
  pad.say(t("{name} taken", { name: className(pad, number) }));
}

export {
  addShape, className, deleteShape, isPicked, moveShape, paintClass, paintableClasses, pickShape, pickedShape, previewShape, setAreaClass,
  shapeName, shapesOf, takeClass, usesShapes,
};
