/** Panels for the guidance of the model: model, hints, regions, reference, color statistics. */

import { colorName, rgbToHex } from "./color.js";
import { pickRegion, requestRegions } from "./coloring.js";
import { runCommand } from "./commands.js";
import { colorOfStroke, isStroke, listedHints, strengthOf, strokePoints, unavailableDab } from "./document.js";
import { button, clickOrTap, h, icon, section, setAttr, setText, show, syncList, t } from "./dom.js";
import { deletePoint, selectPoint, suggestedColor, toggleFlag, useColor } from "./edits.js";
import { attach, detach, takeDropped } from "./files.js";
import { modelCaption, modelGroups, modelInputs, isDrawingModel, modelOfKind, purposeOf, purposes } from "./models.js";
import { pixelAt } from "./pixels.js";
import { usesObjects } from "./shapeedits.js";
import { moved, sortRows } from "./sorting.js";
import { LONE_TOOLS } from "./tools.js";

/** Menu of the models: tiles for the purposes, and a list of all models. @param {(model: string) => void} select called with the name of a model */
function createModelMenu(pad, select) {
  const tiles = h("div", { class: "cz-purposes", role: "group", "aria-label": t("What the colors are based on") });
  const list = h("select", { class: "cz-input cz-select", "aria-label": t("Coloring model"), on: { change: () => select(list.value) } });
  const availability = h("p", { class: "cz-hint" });
  const help = t("Each entry lists what the model uses besides the photo, and the name of the model. “Custom” marks a model that was loaded from your own file.");
  const allModels = h("label", { class: "cz-field", title: help }, h("span", {}, t("All coloring models")), list);
  const el = h("div", { class: "cz-model-menu", hidden: true }, tiles, allModels, availability);
  const selectPurpose = (index) => select(purposes(pad)[index].model.name);
  const createPurpose = (index) => h("button", { type: "button", class: "cz-purpose", on: { click: () => selectPurpose(index) } }, h("b", {}), h("small", {}));
  const update = () => {
    const offered = purposes(pad);
    syncList(tiles, offered.length, createPurpose, (tile, index) => fillPurpose(pad, tile, offered[index]));
    const groups = modelGroups(pad);
    syncList(list, groups.length, () => h("optgroup"), (group, index) => fillGroup(group, groups[index]));
    if (list.value !== pad.doc.model) list.value = pad.doc.model;
    showText(availability, availabilityText(pad));
  };
  return { el, update };
}

/** Set the text of an element, and hide the element if the text is empty. */
function showText(el, text) {
  setText(el, text);
  show(el, text !== "");
}

export function createModelPanel(pad) {
  const preview = h("canvas", { class: "cz-model-image", width: 80, height: 80, "aria-hidden": "true" });
  const title = h("b", {});
  const use = h("small", {});
  const toggle = h("button", { type: "button", class: "cz-model", "aria-expanded": "false", on: { click: () => open(menu.el.hidden) } }, preview, h("span", {}, title, use), icon("down"));
  const menu = createModelMenu(pad, (model) => {
    pad.setModel(model);
    open(false);
    pad.stageEl.focus({ preventScroll: true }); // otherwise single keys would select models
  });
  const kinds = [
    { isDrawing: false, text: t("Photo"), label: t("Color the image as a photo") }, { isDrawing: true, text: t("Drawing"), label: t("Color the image as a drawing") },
  ].map(({ isDrawing, ...spec }) => {
    const use = () => isDrawingModel(pad, pad.doc.model) !== isDrawing && pad.setModel(modelOfKind(pad, isDrawing));
    return { isDrawing, el: button({ ...spec, className: "cz-segment", onClick: use, action: isDrawing ? "as-drawing" : "as-photo" }) };
  });
  const kind = h("div", { class: "cz-segments", role: "group", "aria-label": t("Kind of image") }, ...kinds.map((each) => each.el));
  const unusedHints = h("p", { class: "cz-hint cz-kept" });
  const open = (isOpen) => {
    show(menu.el, isOpen);
    setAttr(toggle, "aria-expanded", String(isOpen));
  };
  const el = h("section", { class: "cz-section cz-model-section", "aria-label": t("Coloring model") }, kind, toggle, menu.el, unusedHints);
  const update = () => {
    show(el, pad.session.models.length > 0);
    const purpose = purposeOf(pad);
    setText(title, purpose.title);
    setText(use, purpose.use);
    setAttr(toggle, "title", t("Choose how the photo is colored. The current coloring model is {name}.", { name: modelCaption(pad, pad.doc.model) }));
    drawResult(pad, preview);
    menu.update();
    show(kind, Boolean(pad.photo) && kinds.every(({ isDrawing }) => modelOfKind(pad, isDrawing)));
    for (const each of kinds) setAttr(each.el, "aria-pressed", String(isDrawingModel(pad, pad.doc.model) === each.isDrawing));
    showText(unusedHints, unusedHintsText(pad));
  };
  return { el, update };
}

/** Adjustments of a recipe: field, label and tooltip. @type {[string, string, string][]} */
const ADJUSTMENTS = [
  ["temperature", "Temperature", "Shift all colors toward blue or yellow"], ["tint", "Tint", "Shift all colors toward green or magenta"],
  ["vibrance", "Vibrance", "Change the saturation of muted colors more than that of vivid colors"],
  ["shadows", "Saturation in shadows", "Change the saturation of dark parts"], ["highlights", "Saturation in highlights", "Change the saturation of bright parts"],
];

/** Strength and adjustments of all colors. */
export function createAdjustmentsPanel(pad) {
  const setStrength = (value, done) => pad.applyChange({ ...pad.doc, strength: value / 100 }, done, t("saturation"));
  const strength = createSlider(t("Saturation"), 0, 150, setStrength, t("Saturation of all colors; 0 % is black and white"));
  const setAdjustment = (name, value, done, label) => {
    const { [name]: _, ...others } = pad.doc.finish ?? {};
    const finish = value ? { ...others, [name]: value } : others;
    pad.applyChange({ ...pad.doc, finish: Object.keys(finish).length ? finish : null }, done, t(label).toLowerCase());
  };
  const sliders = ADJUSTMENTS.map(([name, label, hint]) => createSlider(t(label), -100, 100, (value, done) => setAdjustment(name, value, done, label), t(hint)));
  const reset = button({
    text: t("Reset adjustments"), label: t("Set all sliders of this panel to their defaults"), className: "cz-wide",
    onClick: () => pad.edit({ ...pad.doc, finish: null, strength: 1 }, t("reset adjustments")),
  });
  const el = section(t("Adjust all colors"), ...[strength, ...sliders].map((slider) => slider.el), reset);
  for (const field of el.querySelectorAll(".cz-field")) field.classList.add("cz-inline");
  const update = () => {
    strength.update(Math.round(pad.doc.strength * 100), !pad.photo);
    sliders.forEach((slider, index) => {
      const value = Math.round(pad.doc.finish?.[ADJUSTMENTS[index][0]] ?? 0);
      slider.update(value, !pad.photo, value > 0 ? `+${value}` : String(value));
    });
    reset.disabled = !pad.doc.finish && pad.doc.strength === 1;
  };
  return { el, update };
}

function drawResult(pad, canvas) {
  const layer = pad.photo?.result ?? pad.photo?.gray;
  show(canvas, Boolean(layer));
  if (!layer || canvas.layer === layer) return;
  canvas.layer = layer;
  const side = Math.min(layer.width, layer.height);
  canvas.getContext("2d").drawImage(layer.bitmap, (layer.width - side) / 2, (layer.height - side) / 2, side, side, 0, 0, canvas.width, canvas.height);
}

function fillPurpose(pad, tile, { title, use, model }) {
  const [words, small] = tile.children;
  setText(words, title);
  setText(small, model.ready ? use : t("{size} MB to download", { size: Math.ceil((model.bytes ?? 0) / 1e6) }));
  setAttr(tile, "title", t("Color the photo with the model {name}", { name: model.caption }));
  setAttr(tile, "aria-pressed", String(model.name === pad.doc.model));
}

function fillGroup(group, { title, models }) {
  setAttr(group, "label", title);
  syncList(group, models.length, () => h("option"), (option, index) => {
    setAttr(option, "value", models[index].name);
    setText(option, modelLabel(models[index]));
    setAttr(option, "title", t("Technical name: {name}", { name: models[index].name }));
  });
}

function modelLabel(model) {
  const { caption, ready, bytes } = model;
  const words = t("{what} ({name})", { what: modelInputs(model), name: caption });
  return ready ? words : t("{what}, {size} MB to download", { what: words, size: Math.ceil((bytes ?? 0) / 1e6) });
}

function availabilityText(pad) {
  const model = pad.model();
  if (model?.usable === false) return t("The coloring model {name} is not available. Choose another coloring model.", { name: model.caption });
  if (model && !model.ready) return t("This model is downloaded when you first use it, which takes a while.");
  const count = pad.session.models.filter(({ usable }) => usable === false).length;
  return count ? t("{count} more coloring models are not available.", { count }) : "";
}

function unusedHintsText(pad) {
  const { doc } = pad;
  const counts = {
    points: doc.points.length, scribbles: doc.scribbles.length, regions: Object.keys(doc.regions).length,
    boxes: doc.boxes?.length ?? 0,
  };
  const objects = usesObjects(pad) ? 0 : doc.areas.filter(({ action }) => action === "thing").length;
  const names = { points: t("color points"), scribbles: t("edge strokes"), regions: t("regions of drawings"), boxes: t("object boxes") };
  const idle = Object.entries(counts).filter(([kind, count]) => count > 0 && !pad.accepts(kind));
  const words = idle.map(([kind, count]) => `${count} ${names[kind]}`);
  if (objects) words.push(t("{count} separately colored objects", { count: objects }));
  return words.length ? t("This coloring model does not use {words}.", { words: words.join(", ") }) : "";
}

/** @param {string} [hint] tooltip that says what the slider changes */
export function createSlider(label, min, max, onChange, hint) {
  const input = h("input", { type: "range", min, max, step: 1, "aria-label": label });
  const output = h("output", { class: "cz-value" });
  const el = h("label", { class: "cz-field", title: hint }, h("span", {}, label), output, input);
  input.addEventListener("input", () => onChange(Number(input.value), false));
  input.addEventListener("change", () => onChange(Number(input.value), true));
  const update = (value, disabled, text = `${value} %`) => {
    if (Number(input.value) !== value) input.value = String(value);
    setText(output, text);
    setAttr(input, "aria-valuetext", text);
    input.disabled = disabled;
  };
  return { el, update };
}

export function createHintsPanel(pad) {
  const rows = h("ol", { class: "cz-hints" });
  const empty = h("p", { class: "cz-hint" });
  const el = section(t("Points and strokes"), rows, empty);
  sortRows(rows, (from, to) => {
    const hints = listedHints(pad.doc);
    const last = Math.max(0, Math.min(to, hints.length - 1));
    if (from >= hints.length || last === from) return from; // edge strokes have no order
    pad.edit({ ...pad.doc, points: moved(hints, from, last).flatMap((hint) => strokePoints(pad.doc, hint)) }, t(last < from ? "move point up in the list" : "move point down in the list"));
    return last;
  });
  const update = () => {
    const { scribbles } = pad.doc;
    const points = listedHints(pad.doc);
    const draws = pad.ui.tool !== "area" && !LONE_TOOLS.includes(pad.ui.tool) && (pad.accepts("points") || pad.accepts("scribbles"));
    show(el, draws || points.length + scribbles.length > 0);
    syncList(rows, points.length + scribbles.length, () => hintRow(), (row, index) => fillHint(pad, row, index));
    show(empty, points.length + scribbles.length === 0);
    setText(empty, pad.accepts("points") ? clickOrTap("Click the photo where a color is wrong to add a color point.") : t("Draw along edges where colors bleed to stop the bleeding."));
  };
  return { el, update };
}

function hintRow() {
  const small = (name) => button({ icon: name, label: "-", className: "cz-ghost cz-small", onClick: () => {} });
  const main = h("button", { type: "button", class: "cz-hint-main" }, h("span", { class: "cz-hint-number" }), h("span", { class: "cz-swatch" }), h("span", { class: "cz-hint-words" }, h("span"), h("small")));
  return h("li", { class: "cz-hint-row" }, main, small("eye"), small("unlock"), small("trash"));
}

function fillHint(pad, row, index) {
  const { scribbles } = pad.doc;
  const points = listedHints(pad.doc);
  const [main, mute, lock, remove] = row.children;
  const [number, swatch, words] = main.children;
  const point = points[index];
  setText(number, String(index + 1));
  show(lock, Boolean(point));
  if (!point) return fillScribble(pad, { main, swatch, words, mute, remove }, index - points.length, scribbles);
  const n = index + 1;
  const colored = colorOfStroke(pad.doc, point);
  const { ab, hex } = colored;
  const name = colorName(pad.lightnessOf(colored), ab);
  swatch.style.background = hex;
  const drawn = isStroke(pad.doc, point);
  swatch.classList.remove("cz-swatch-line");
  setText(words.firstChild, drawn ? t("Stroke: {name}", { name }) : name);
  setText(words.lastChild, hintDetail({ ...point, hex, wanted: unavailableDab(pad.doc, point)?.wanted }));
  setAttr(main, "aria-label", t(drawn ? "Stroke {n}: {name}, {hex}" : "Point {n}: {name}, {hex}", { n, name, hex }));
  setAttr(main, "aria-pressed", String(point.id === pad.ui.selected));
  row.classList.toggle("cz-muted", Boolean(point.muted));
  main.onclick = () => {
    selectPoint(pad, point.id);
    pad.revealPlace(point.x, point.y);
  };
  flagButton(mute, point.muted, ["eyeoff", t("Turn on point {n}", { n })], ["eye", t("Turn off point {n} without deleting it", { n })], () => toggleFlag(pad, "muted", point.id));
  flagButton(lock, point.locked, ["lock", t("Unlock point {n}", { n })], ["unlock", t("Lock point {n} against changes", { n })], () => toggleFlag(pad, "locked", point.id));
  flagButton(remove, false, null, ["trash", t("Delete point {n}", { n })], () => deletePoint(pad, point.id));
  return undefined;
}

function hintDetail(point) {
  const strength = strengthOf(point);
  const marks = [
    point.untouched ? t("no color chosen") : null,
    point.wanted ? t("{hex} is not available at this brightness", { hex: point.wanted }) : null,
    strength < 1 ? t("opacity {share} %", { share: Math.round(100 * strength) }) : null,
    point.locked ? t("locked") : null,
    point.muted ? t("off") : null,
  ];
  return [point.hex, ...marks.filter(Boolean)].join(" · ");
}

export function flagButton(el, on, whenOn, whenOff, run) {
  const [name, label] = on ? whenOn : whenOff;
  if (el.dataset.icon !== name) el.replaceChildren(icon(name));
  el.dataset.icon = name;
  setAttr(el, "aria-label", label);
  setAttr(el, "title", label);
  el.onclick = run;
}

function fillScribble(pad, { main, swatch, words, mute, remove }, index, scribbles) {
  show(mute, false);
  swatch.style.background = "";
  swatch.classList.add("cz-swatch-line");
  setText(words.firstChild, t("Edge stroke"));
  setText(words.lastChild, "");
  setAttr(main, "aria-label", t("Edge stroke {n}", { n: index + 1 }));
  setAttr(main, "aria-pressed", null);
  const [x, y] = scribbles[index].path[0];
  main.onclick = () => pad.revealPlace(x, y);
  const erase = () => pad.edit({ ...pad.doc, scribbles: pad.doc.scribbles.filter((_, other) => other !== index) }, t("delete edge stroke"));
  flagButton(remove, false, null, ["trash", t("Delete edge stroke {n}", { n: index + 1 })], erase);
}

export function createRegionsPanel(pad) {
  const ask = button({ text: t("Find regions"), label: t("Find the regions of the drawing again"), className: "cz-wide", onClick: () => requestRegions(pad) });
  const skip = button({
    text: t("Skip"), label: t("Leave the automatic color in this region and select the next region"), key: "S", className: "cz-wide",
    onClick: (event) => runCommand(pad, "skip", event),
  });
  const swatch = h("span", { class: "cz-swatch" });
  const use = h("button", { type: "button", class: "cz-btn cz-wide", on: { click: (event) => runCommand(pad, "accept", event) } }, swatch, h("span"));
  const list = h("div", { class: "cz-regions", role: "group", "aria-label": t("Regions, most important first") });
  const words = h("p", { class: "cz-hint" });
  const el = section(t("Regions"), words, list, use, h("div", { class: "cz-row" }, ask, skip));
  const pick = (position, event) => pickRegion(pad, pad.ui.regions.items[position].index, event.shiftKey || event.ctrlKey);
  const make = (position) => h("button", { type: "button", class: "cz-region", on: { click: (event) => pick(position, event) } });
  const update = () => {
    const items = pad.ui.regions?.items ?? [];
    show(el, pad.accepts("regions"));
    setText(words, items.length ? t("Choose a color for the selected region, or skip the region. Shift-click to select several regions. Draw a line across a region to split it, or draw a closed line to add a region.") : t("Find the regions of the drawing to color them one by one."));
    syncList(list, items.length, make, (tile, position) => fillRegion(pad, tile, items[position], position + 1));
    const hex = suggestedColor(pad);
    show(use, hex !== null);
    swatch.style.background = hex ?? "";
    setText(use.lastChild, t("Use the suggested color, {hex}", { hex: hex ?? "" }));
    skip.disabled = pad.ui.regionPick.length === 0;
    ask.disabled = !pad.photo;
  };
  return { el, update };
}

function fillRegion(pad, tile, { index }, number) {
  const color = pad.doc.regions[index];
  const skipped = pad.doc.skipped.includes(index);
  setText(tile, String(number));
  tile.style.background = color ?? "";
  tile.classList.toggle("cz-region-colored", Boolean(color));
  tile.classList.toggle("cz-region-skipped", skipped);
  setAttr(tile, "aria-pressed", String(pad.ui.regionPick.includes(index)));
  setAttr(tile, "aria-label", t("Region {number}: {what}", { number, what: color ?? (skipped ? t("skipped") : t("no color yet")) }));
}

function createImageSlot(pad, slot, words) {
  const choose = h("button", { type: "button", class: "cz-drop", on: { click: () => attach(pad, slot) } }, icon("photo"), h("span", {}, words));
  const canvas = h("canvas", { class: "cz-reference", role: "img" });
  const name = h("span", { class: "cz-file" });
  const remove = button({ icon: "trash", label: t("Remove this image"), className: "cz-ghost cz-small", onClick: () => detach(pad, slot) });
  const shown = h("figure", { class: "cz-figure" }, canvas, h("figcaption", {}, name, remove));
  const el = h("div", { class: "cz-drop-zone", data: { slot } }, choose, shown);
  el.addEventListener("dragover", (event) => event.preventDefault());
  el.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    pad.set({ dropping: false });
    takeDropped(pad, event.dataTransfer, slot);
  });
  const update = (image) => {
    show(choose, !image);
    show(shown, Boolean(image));
    choose.disabled = !pad.photo;
    if (!image) return;
    setText(name, image.name);
    setAttr(canvas, "aria-label", t(slot === "exemplar" ? "Reference image {name}" : "Image with the palette, {name}", { name: image.name }));
    drawReference(pad, canvas, image, slot);
  };
  return { el, canvas, update };
}

function drawReference(pad, canvas, image, slot) {
  const { layer } = image;
  if (canvas.width !== layer.width) Object.assign(canvas, { width: layer.width, height: layer.height });
  const context = canvas.getContext("2d");
  context.drawImage(layer.bitmap, 0, 0);
  if (slot !== "exemplar") return;
  const { classes, showClasses, matched } = pad.ui;
  if (showClasses && classes?.reference) context.drawImage(classes.reference.paint, 0, 0, layer.width, layer.height);
  if (!matched) return;
  const [x, y] = [(matched[0] / image.width) * layer.width, (matched[1] / image.height) * layer.height];
  for (const [style, width] of [["#000", 6], ["#fff", 3]]) {
    context.beginPath();
    context.arc(x, y, layer.width / 24, 0, 7);
    Object.assign(context, { lineWidth: width, strokeStyle: style });
    context.stroke();
  }
}

export function createReferencePanel(pad) {
  const slot = createImageSlot(pad, "exemplar", t("Drop a color image here, or choose one, to use its colors in the photo"));
  const hint = h("p", { class: "cz-hint" });
  const again = button({ text: t("Choose the reference image"), className: "cz-wide", onClick: () => attach(pad, "exemplar") });
  const setInfluence = (value, done) => {
    const { exemplar } = pad.doc;
    const kept = { ...exemplar.kept, alpha: value / 100 };
    pad.applyChange({ ...pad.doc, exemplar: { ...exemplar, kept } }, done, t("influence of the reference image"));
  };
  const alpha = createSlider(t("Influence"), 0, 100, setInfluence, t("How strongly the reference image changes the automatic colors"));
  const el = section(t("Reference image"), slot.el, alpha.el, hint, again);
  slot.canvas.addEventListener("click", (event) => {
    const { exemplar, tool } = pad.ui;
    if (exemplar && tool === "dropper") useColor(pad, rgbToHex(pixelAt(exemplar.layer, ...canvasPlace(slot.canvas, event))));
  });
  const update = () => {
    const { exemplar } = pad.ui;
    const missing = pad.doc.exemplar && !exemplar;
    show(el, pad.accepts("exemplar") || Boolean(exemplar));
    slot.update(exemplar);
    show(again, Boolean(missing));
    show(alpha.el, Boolean(exemplar && pad.doc.exemplar) && pad.accepts("exemplar"));
    alpha.update(Math.round(100 * (pad.doc.exemplar?.kept?.alpha ?? 1)), false);
    const count = 1 + (pad.doc.exemplar?.kept?.more?.length ?? 0);
    const words = [
      missing ? t("These edits use the reference image {name}. Choose this image again.", { name: pad.doc.exemplar.name }) : exemplar ? referenceHint(pad) : "",
      count > 1 ? t("The drawing pad uses only the first of {count} reference images.", { count }) : "",
    ];
    showText(hint, words.join(" ").trim());
  };
  return { el, update };
}

function referenceHint(pad) {
  const words = [
    pad.accepts("exemplar") ? t("Move the pointer over the photo: a ring marks the part of the reference image from which the color comes.") : t("This coloring model does not use a reference image."),
    pad.tools().some(({ id }) => id === "dropper") ? t("The eyedropper can also pick colors from this image.") : "",
  ];
  return words.join(" ").trim();
}

/** Convert a click to a position in the image, which is centered in its canvas. @returns {[number, number]} shares of width and height */
function canvasPlace(canvas, event) {
  const scale = Math.min(canvas.clientWidth / canvas.width, canvas.clientHeight / canvas.height);
  const share = (offset, room, side) => (offset - (room - side * scale) / 2) / (side * scale);
  return [share(event.offsetX, canvas.clientWidth, canvas.width), share(event.offsetY, canvas.clientHeight, canvas.height)];
}

export function createStatisticsPanel(pad) {
  const slot = createImageSlot(pad, "statistics", t("Drop a color image here, or choose one, to give the photo a similar palette"));
  const slider = createSlider(t("Saturation"), 0, 100, (value, done) => {
    pad.preview({ ...pad.doc, statistics: { ...pad.doc.statistics, saturation: value / 100 } });
    if (done) pad.commit(t("saturation"));
  }, t("Saturation of the photo; moving the slider replaces the automatic saturation"));
  const auto = button({ text: t("Use automatic saturation"), label: t("Let the coloring model choose the saturation"), className: "cz-wide", onClick: () => resetSaturation(pad) });
  const el = section(t("Match the palette of another image"), slot.el, slider.el, auto);
  const update = () => {
    const { statistics } = pad.doc;
    show(el, pad.accepts("statistics"));
    slot.update(pad.ui.statistics?.histogram === statistics?.histogram ? pad.ui.statistics : null); // undo may have changed it
    slider.update(Math.round((statistics?.saturation ?? 0.3) * 100), !pad.photo);
    auto.disabled = statistics?.saturation === undefined;
  };
  return { el, update };
}

function resetSaturation(pad) {
  const { saturation: _, ...rest } = pad.doc.statistics ?? {};
  pad.edit({ ...pad.doc, statistics: Object.keys(rest).length ? rest : null }, t("saturation"));
}

/** Fields of kinds of guidance without a tool, such as text; their values are in `doc.extra`. */
export function createKindsPanel(pad) {
  const fields = new Map();
  const el = section(t("Other guidance"));
  const update = () => {
    for (const kind of pad.session.kinds) if (!fields.has(kind.name)) fields.set(kind.name, createKindField(pad, kind));
    const accepted = pad.session.kinds.filter(({ name }) => pad.accepts(name)).map(({ name }) => fields.get(name));
    if (el.children.length !== 1 + accepted.length || accepted.some((field, index) => el.children[1 + index] !== field.el)) {
      el.replaceChildren(el.firstElementChild, ...accepted.map((field) => field.el));
    }
    for (const field of accepted) field.update();
    show(el, accepted.length > 0);
  };
  return { el, update };
}

function createKindField(pad, { name, widget, title, choices }) {
  const words = title || name.replaceAll("_", " ");
  const label = words.charAt(0).toUpperCase() + words.slice(1);
  const options = ["", ...choices].map((choice) => h("option", { value: choice }, choice));
  const attributes = { class: "cz-input", "aria-label": label, data: { kind: name } };
  const input = widget === "choice" ? h("select", attributes, ...options) : h("input", { ...attributes, type: widget === "image" ? "file" : widget, accept: widget === "image" ? "image/*" : null });
  input.addEventListener("change", async () => {
    const { [name]: _, ...others } = pad.doc.extra;
    const text = widget === "image" ? await dataUrl(input.files[0]) : input.value.trim();
    const value = widget === "number" ? Number(text) : text;
    pad.edit({ ...pad.doc, extra: text === "" ? others : { ...others, [name]: value } }, t("change {name}", { name: words }));
  });
  const chips = h("span", { class: "cz-chips" });
  const update = () => {
    input.disabled = !pad.photo;
    const read = name === "text" && pad.doc.extra.text ? pad.photo?.words ?? [] : [];
    syncList(chips, read.length, () => h("span", { class: "cz-chip" }), (chip, index) => fillChip(chip, read[index]));
    const value = String(pad.doc.extra[name] ?? "");
    if (widget !== "image" && document.activeElement !== input && input.value !== value) input.value = value;
    if (widget === "image" && value === "") input.value = "";
  };
  return { el: h("label", { class: "cz-field" }, h("span", {}, label), input, chips), update };
}

/** Show a word of a text, and the reason why it has no effect, if any. @param {HTMLElement} chip @param {[string, string]} entry word and reason */
function fillChip(chip, entry) {
  const [word, reason] = entry;
  setText(chip, word);
  chip.classList.toggle("cz-unused", reason !== "");
  setAttr(chip, "title", reason ? t("“{word}” has no effect: {reason}", { word, reason: t(reason) }) : t("“{word}” is used", { word }));
}

/** Read a file as a `data:` URL; no file gives an empty text. @param {File | undefined} file @returns {Promise<string>} */
const dataUrl = (file) => (file ? new Promise((done, fail) => {
  const reader = new FileReader();
  reader.onload = () => done(String(reader.result));
  reader.onerror = () => fail(reader.error);
  reader.readAsDataURL(file);
}) : Promise.resolve(""));
