/** Panels of classes and boxes, and the bar of a selection. */

import { requestClasses } from "./coloring.js";
import { runCommand } from "./commands.js";
import { button, h, section, setAttr, setText, show, syncList, t } from "./dom.js";
import { settingCheck } from "./layout.js";
import { flagButton } from "./panels.js";
import { classColor } from "./pixels.js";
import {
  SELECTION_SIZES, addArea, boxName, boxesOf, className, deleteBox, keepOutline, pickBox, pickedBox, resizeSelection, usesObjects,
} from "./shapeedits.js";
import { AREA_ACTIONS, areaBounds } from "./shapes.js";
import { photoToStage } from "./stage.js";

export function createClassesPanel(pad) {
  const find = button({ text: t("Show object types"), label: t("Show or hide colored overlays for object types, such as sky, on both images"), className: "cz-wide", onClick: () => toggleClasses(pad) });
  const table = h("div", { class: "cz-classes" });
  const el = section(t("Object types"), h("p", { class: "cz-hint" }, t("Each type of object, such as sky, takes its colors from the same type in the reference image. For each type, you can choose another type.")), table, find);
  const update = () => {
    const { classes, showClasses } = pad.ui;
    show(el, pad.accepts("classes"));
    find.disabled = !pad.photo;
    setText(find.firstElementChild, showClasses ? t("Hide object types") : t("Show object types"));
    const items = showClasses ? classes?.items ?? [] : [];
    syncList(table, items.length, () => classRow(pad), (row, index) => fillClass(pad, row, items[index], classes.reference?.items ?? items));
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
    pad.edit({ ...pad.doc, classes }, t("change object type"));
  });
  return h("label", { class: "cz-class" }, h("span", { class: "cz-dot" }), h("span", { class: "cz-class-name" }), select);
}

function fillClass(pad, row, item, targets) {
  const [dot, name, select] = row.children;
  dot.style.background = classColor(item.id);
  setText(name, `${className(pad, item.id)} · ${Math.round(item.share * 100)} %`);
  select.dataset.from = String(item.id);
  setAttr(select, "aria-label", t("Object type in the reference image that colors {name}", { name: className(pad, item.id) }));
  const choices = [["", t("same type")], ...targets.map(({ id }) => [String(id), className(pad, id)])];
  syncList(select, choices.length, () => h("option"), (option, index) => {
    setAttr(option, "value", choices[index][0]);
    setText(option, choices[index][1]);
  });
  select.value = String(pad.doc.classes[item.id] ?? "");
}

export function createBoxesPanel(pad) {
  const words = h("p", { class: "cz-hint" });
  const rows = h("ol", { class: "cz-hints", "aria-label": t("Boxes") });
  const draw = button({ text: t("Draw a box"), label: t("Draw a box around an object"), key: "U", className: "cz-wide", onClick: (event) => runCommand(pad, "tool-box", event) });
  const look = button({ text: t("Detect objects"), label: t("Detect objects automatically instead of using your boxes"), className: "cz-wide", onClick: () => pad.edit({ ...pad.doc, boxes: null }, t("detect objects")) });
  const none = button({ text: t("Color as a whole"), label: t("Color the photo as a whole, without separate objects"), className: "cz-wide", onClick: () => pad.edit({ ...pad.doc, boxes: [] }, t("color as a whole")) });
  const rectangles = settingCheck(pad, "rectangles", t("Keep as a rectangle, without finding the outline"), t("Color the whole box separately instead of the outlined object in it"));
  const el = section(t("Objects"), words, rows, draw, rectangles.el, look, none);
  const update = () => {
    const { boxes } = pad.doc;
    const detects = Boolean(pad.model()?.detects);
    show(el, pad.accepts("boxes"));
    setText(words, boxesHint(pad, detects));
    syncList(rows, boxesOf(pad).length, () => boxRow(), (row, index) => fillBox(pad, row, index));
    show(draw, pad.ui.tool !== "box");
    rectangles.update();
    show(look, detects && boxes !== null);
    show(none, detects && boxes === null);
    for (const control of [draw, look, none]) control.disabled = !pad.photo;
  };
  return { el, update };
}

function boxesHint(pad, detects) {
  const { boxes } = pad.doc;
  if (boxes === null && detects) return t("Objects are detected automatically. Draw boxes to mark them yourself.");
  if (pickedBox(pad) !== null) return t("Drag a side or corner to resize the box. Drag its inside or use the arrow keys to move the box.");
  if (boxes?.length) return t("Objects in boxes are colored separately.");
  return t("The photo is colored as a whole. Draw a box around an object to find its outline and color it separately.");
}

function boxRow() {
  const words = h("span", { class: "cz-hint-words" }, h("span"), h("small"));
  const main = h("button", { type: "button", class: "cz-hint-main" }, h("span", { class: "cz-hint-number" }), words);
  return h("li", { class: "cz-hint-row" }, main, button({ icon: "trash", label: "-", className: "cz-ghost cz-small", onClick: () => {} }));
}

function fillBox(pad, row, index) {
  const [main, remove] = row.children;
  const { x, y, width, height } = pad.doc.boxes[index];
  const size = `${Math.round(width)} × ${Math.round(height)}`;
  const name = boxName(index);
  setText(main.firstElementChild, String(index + 1));
  setAttr(main, "aria-label", t("{name}, {size} pixels", { name, size }));
  setAttr(main, "aria-pressed", String(pickedBox(pad) === index));
  main.onclick = () => {
    pickBox(pad, index);
    pad.revealPlace(x + width / 2, y + height / 2);
  };
  flagButton(remove, false, null, ["trash", t("Delete {name}", { name })], () => deleteBox(pad, index));
  setText(main.lastElementChild.firstChild, t("Box"));
  setText(main.lastElementChild.lastChild, `${size} · x ${Math.round(x)}, y ${Math.round(y)}`);
}

/** Actions of a selection, with their icons. @type {Record<string, [label: string, icon: string]>} */
const ACTION_LABELS = {
  color: ["Fill with a color", "paint"], lock: ["Protect from changes", "lock"], gray: ["Leave gray", "gray"], only: ["Limit edits to this area", "limit"], thing: ["Color as a separate object", "box"],
};

/** The bar beside a selection: what to do with it, and its size. */
export function createSelectionBar(pad) {
  const iconButton = (name, label, onClick, more = {}) => button({ icon: name, label, className: "cz-ghost cz-small", onClick, ...more });
  const actions = AREA_ACTIONS.map((action) => {
    const [label, name] = ACTION_LABELS[action];
    const use = () => addArea(pad, action);
    const made = action === "color" ? button({ icon: name, text: t(label), label: t(label), className: "cz-primary cz-small", onClick: use }) : iconButton(name, t(label), use);
    made.dataset.areaAction = action;
    return made;
  });
  const less = iconButton("minus", t("Smaller selection"), () => resizeSelection(pad, -1), { key: "[" });
  const more = iconButton("plus", t("Larger selection"), () => resizeSelection(pad, 1), { key: "]" });
  const keep = iconButton("lasso", t("Use my exact outline, without fitting it to the object"), () => keepOutline(pad));
  const forget = iconButton("close", t("Deselect"), () => pad.set({ selection: null }), { key: "Esc" });
  const el = h("div", { class: "cz-select-bar", role: "toolbar", "aria-label": t("Actions for the selection") }, ...actions, less, more, keep, forget);
  const thing = actions[AREA_ACTIONS.indexOf("thing")];
  const update = () => {
    const { selection, stage, drag, hold } = pad.ui;
    show(el, Boolean(selection && pad.photo) && !drag && !hold);
    if (el.hidden) return;
    const { made } = selection;
    show(keep, Boolean(made.path));
    setAttr(keep, "aria-pressed", String(Boolean(made.exact)));
    for (const resize of [less, more]) show(resize, Boolean(made.size));
    show(thing, usesObjects(pad));
    setAttr(thing, "title", [thing.ariaLabel, objectText(pad)].join(". "));
    less.disabled = made.size === SELECTION_SIZES[0];
    more.disabled = made.size === SELECTION_SIZES.at(-1);
    const [left, top, right, bottom] = areaBounds(selection, pad.photo);
    const corners = [[left, top], [right, top], [right, bottom], [left, bottom]].map(([x, y]) => photoToStage(pad, x, y));
    const [middle, below] = [corners.reduce((sum, [x]) => sum + x, 0) / 4, Math.max(...corners.map(([, y]) => y))];
    const most = Math.max(8, stage.width - el.offsetWidth - 8);
    el.style.left = `${Math.min(Math.max(8, middle - el.offsetWidth / 2), most)}px`;
    el.style.top = `${Math.min(Math.max(8, below + 10), stage.height - el.offsetHeight - 64)}px`;
  };
  return { el, update };
}

function objectText(pad) {
  const words = { boxes: t("The coloring model colors this object separately from the rest of the photo."), scribbles: t("Colors do not bleed across the outline of the object.") };
  return Object.keys(words).filter((kind) => pad.accepts(kind)).map((kind) => words[kind]).join(" ");
}
