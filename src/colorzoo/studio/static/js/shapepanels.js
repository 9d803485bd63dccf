/** Panels of classes and of things: what is painted or boxed, as lists that work without a pointer. */

import { settingCheck } from "./chrome.js";
import { section } from "./colorpanel.js";
import { runCommand } from "./commands.js";
import { requestClasses } from "./coloring.js";
import { button, h, setAttr, setText, show, syncList, t } from "./dom.js";
import { flagButton } from "./modepanels.js";
import { classColor } from "./pixels.js";
import { followEdges } from "./zoneedits.js";
import {
  className, deleteShape, isPicked, paintClass, paintableClasses, pickShape, pickedShape, setAreaClass, shapeName, shapesOf, takeClass,
} from "./shapeedits.js";

/** @param {any} pad @returns {{el: HTMLElement, update: () => void}} */
function createClassesPanel(pad) {
  const find = button({ text: t("Show classes"), label: t("Show classes"), className: "cz-wide", onClick: () => toggleClasses(pad) });
  const table = h("div", { class: "cz-classes" });
  const painting = createPainting(pad);
  const el = section(t("Classes"), h("p", { class: "cz-hint" }, t("Colors travel only inside a class. Give a class of the photo another one of the reference.")), table, find, painting.el);
  const update = () => {
    const { classes, showClasses } = pad.ui;
    show(el, pad.accepts("classes"));
    find.disabled = !pad.photo;
    setText(find.firstElementChild, showClasses ? t("Hide classes") : t("Show classes"));
    const items = showClasses ? classes?.items ?? [] : [];
    syncList(table, items.length, () => classRow(pad), (row, index) => fillClass(pad, row, items[index], classes.reference?.items ?? items));
    painting.update();
  };
  return { el, update };
}

async function toggleClasses(pad) {
  if (!pad.ui.showClasses && !pad.ui.classes) await requestClasses(pad);
  pad.set({ showClasses: !pad.ui.showClasses });
}

function classRow(pad) {
  const select = h("select", { class: "cz-input cz-select" });
  select.addEventListener("change", () => {
    const classes = { ...pad.doc.classes };
    if (select.value === "") delete classes[select.dataset.from];
    else classes[select.dataset.from] = Number(select.value);
    pad.edit({ ...pad.doc, classes }, t("class"));
  });
  return h("label", { class: "cz-class" }, h("span", { class: "cz-dot" }), h("span", { class: "cz-class-name" }), select);
}

function fillClass(pad, row, item, targets) {
  const [dot, name, select] = row.children;
  dot.style.background = classColor(item.id);
  setText(name, `${className(pad, item.id)} · ${Math.round(item.share * 100)} %`);
  select.dataset.from = String(item.id);
  setAttr(select, "aria-label", t("Class of the reference for {name}", { name: className(pad, item.id) }));
  fillChoices(pad, select, targets.map(({ id }) => id), t("same class"));
  select.value = String(pad.doc.classes[item.id] ?? "");
}

/** @param {any} pad @param {HTMLElement} select @param {number[]} classes @param {string | null} [first] a choice before them */
function fillChoices(pad, select, classes, first = null) {
  const choices = [...(first === null ? [] : [["", first]]), ...classes.map((id) => [String(id), className(pad, id)])];
  syncList(select, choices.length, () => h("option"), (option, index) => {
    setAttr(option, "value", choices[index][0]);
    setText(option, choices[index][1]);
  });
}

/** With which class the lasso paints, and what it has painted. */
function createPainting(pad) {
  const take = button({ text: t("Paint a class"), label: t("Paint a class: draw around a thing"), key: "F", className: "cz-wide", onClick: (event) => runCommand(pad, "tool-lasso", event) });
  const dot = h("span", { class: "cz-dot" });
  const select = h("select", { class: "cz-input cz-select", "aria-label": t("Class that is painted") });
  const choice = h("label", { class: "cz-class" }, dot, h("span", { class: "cz-class-name" }, t("Paint with")), select);
  const words = h("p", { class: "cz-hint" });
  const rows = h("ol", { class: "cz-hints", "aria-label": t("Painted areas") });
  select.addEventListener("change", () => pad.set({ paintClass: Number(select.value) }));
  const update = () => {
    const painting = pad.ui.tool === "lasso";
    const number = paintClass(pad);
    show(take, !painting);
    take.disabled = !pad.photo;
    show(choice, painting && number !== null);
    show(words, painting);
    setText(words, pad.ui.exemplar ? t("Draw around a thing. Later areas cover earlier ones.") : t("Draw around a thing. It takes effect with a reference."));
    fillChoices(pad, select, paintableClasses(pad));
    select.value = String(number);
    dot.style.background = classColor(number ?? 0);
    syncList(rows, pad.doc.painted.length, () => areaRow(pad), (row, index) => fillArea(pad, row, index));
  };
  return { el: h("div", { class: "cz-painting" }, take, choice, words, rows), update };
}

function shapeRow(...more) {
  const main = h("button", { type: "button", class: "cz-hint-main" }, h("span", { class: "cz-hint-number" }), ...more);
  return { main, remove: button({ icon: "trash", label: "-", className: "cz-ghost cz-small", onClick: () => {} }) };
}

function fillShape(pad, { main, remove }, kind, index, [x, y]) {
  const name = shapeName(pad, kind, index);
  setText(main.firstElementChild, String(index + 1));
  setAttr(main, "aria-label", name);
  setAttr(main, "aria-pressed", String(isPicked(pad, kind, index)));
  main.onclick = () => {
    pickShape(pad, kind, index);
    pad.revealPlace(x, y);
  };
  flagButton(remove, false, null, ["trash", t("Delete {name}", { name })], () => deleteShape(pad, kind, index));
}

function areaRow(pad) {
  const { main, remove } = shapeRow(h("span", { class: "cz-dot" }));
  const select = h("select", { class: "cz-input cz-select" });
  select.addEventListener("change", () => setAreaClass(pad, Number(select.dataset.index), Number(select.value)));
  return h("li", { class: "cz-hint-row cz-area-row" }, main, select, remove);
}

function fillArea(pad, row, index) {
  const [main, select, remove] = row.children;
  const area = pad.doc.painted[index];
  fillShape(pad, { main, remove }, "area", index, area.path[0]);
  main.lastElementChild.style.background = classColor(area.class);
  select.dataset.index = String(index);
  setAttr(select, "aria-label", t("Class of area {n}", { n: index + 1 }));
  fillChoices(pad, select, paintableClasses(pad));
  select.value = String(area.class);
}

/** @param {any} pad @returns {{el: HTMLElement, update: () => void}} */
function createBoxesPanel(pad) {
  const words = h("p", { class: "cz-hint" });
  const rows = h("ol", { class: "cz-hints", "aria-label": t("Boxes") });
  const draw = button({ text: t("Draw a box"), label: t("Draw a box around a thing"), key: "U", className: "cz-wide", onClick: (event) => runCommand(pad, "tool-box", event) });
  const look = button({ text: t("Let the model look"), label: t("Let the model look for things"), className: "cz-wide", onClick: () => pad.edit({ ...pad.doc, boxes: null }, t("let the model look")) });
  const none = button({ text: t("There are none"), label: t("There are no things"), className: "cz-wide", onClick: () => pad.edit({ ...pad.doc, boxes: [] }, t("no things")) });
  const rectangles = settingCheck(pad, "rectangles", t("Keep the rectangle"));
  const el = section(t("Things"), words, rows, draw, rectangles.el, look, none);
  const update = () => {
    const { boxes } = pad.doc;
    const detects = Boolean(pad.model()?.detects);
    show(el, pad.accepts("boxes"));
    setText(words, boxWords(pad, detects));
    syncList(rows, shapesOf(pad, "box").length, () => boxRow(), (row, index) => fillBox(pad, row, index));
    show(draw, pad.ui.tool !== "box");
    rectangles.update();
    show(look, detects && boxes !== null);
    show(none, detects && boxes === null);
    for (const each of [draw, look, none]) each.disabled = !pad.photo;
  };
  return { el, update };
}

function boxWords(pad, detects) {
  const { boxes } = pad.doc;
  if (boxes === null && detects) return t("The model looks for the things by itself. Draw boxes to say where they are.");
  if (pickedShape(pad)?.kind === "box") return t("Drag a side or a corner to resize the box, its inside or the arrow keys to move it.");
  if (boxes?.length) return t("Each thing in a box is colored by itself as well. A box can follow the edges of what is in it.");
  return t("The model colors the photo as a whole. Draw a box around each thing: it follows the edges of what is in it, and the model colors that by itself as well.");
}

function boxRow() {
  const { main, remove } = shapeRow(h("span", { class: "cz-hint-words" }, h("span"), h("small")));
  const follow = button({ icon: "lasso", label: "-", className: "cz-ghost cz-small", onClick: () => {} });
  return h("li", { class: "cz-hint-row" }, main, follow, remove);
}

function fillBox(pad, row, index) {
  const [main, follow, remove] = row.children;
  const { x, y, width, height } = pad.doc.boxes[index];
  const size = `${Math.round(width)} × ${Math.round(height)}`;
  fillShape(pad, { main, remove }, "box", index, [x + width / 2, y + height / 2]);
  flagButton(follow, false, null, ["lasso", t("Let box {n} follow the edges of what is in it", { n: index + 1 })], () => followEdges(pad, index));
  setAttr(main, "aria-label", t("{name}, {size} pixels", { name: shapeName(pad, "box", index), size }));
  setText(main.lastElementChild.firstChild, t("Box"));
  setText(main.lastElementChild.lastChild, `${size} · x ${Math.round(x)}, y ${Math.round(y)}`);
}

export { createBoxesPanel, createClassesPanel };
