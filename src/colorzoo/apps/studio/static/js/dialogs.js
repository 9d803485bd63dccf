/** Dialogs for export and help, and short messages (toasts) over the image. */

import { COMMANDS, keyLabel, suitsModel } from "./commands.js";
import { button, h, icon, setAttr, setText, show, t } from "./dom.js";
import { exportImage } from "./files.js";
import { isDrawingModel } from "./models.js";

/** Formats of the export: value, name, description, and another description for drawings. */
const FORMATS = [
  ["png", "PNG", "Lossless; 16 bits if the image has 16 bits"],
  ["jpeg", "JPEG", "Small; for sharing"],
  ["tiff", "TIFF", "Lossless; for print and archives"],
  ["webp", "WebP", "Small; for the web"],
  ["layer", "PNG, colors only", "Transparent layer to place over the gray photo in another program", "Transparent layer to place over the drawing in another program"],
  ["ora", "OpenRaster", "Gray photo and colors as layers, for Krita, GIMP and others", "Flat colors, shading, paint and lines as layers, for Krita, GIMP and others"],
  ["psd", "PSD", "Gray photo and colors as layers, for Photoshop and others", "Flat colors, shading, paint and lines as layers, for Photoshop and others"],
];

function createDialog(title, ...children) {
  const heading = h("h2", {}, title);
  const close = button({ icon: "close", label: t("Close"), className: "cz-ghost", onClick: () => el.close() });
  const el = /** @type {HTMLDialogElement} */ (h("dialog", { class: "cz-dialog", "aria-label": title }, h("div", { class: "cz-dialog-head" }, heading, close), ...children));
  el.addEventListener("click", (event) => event.target === el && el.close());
  return el;
}

function createHelp(pad) {
  const parts = h("div", { class: "cz-help" });
  const prepare = () => {
    const groups = new Map();
    const listed = COMMANDS.filter((command) => !command.hidden && command.keys.length && suitsModel(pad, command));
    for (const command of listed) groups.set(command.group, [...(groups.get(command.group) ?? []), command]);
    parts.replaceChildren(...[...groups].map(([group, commands]) => h("section", {}, h("h3", {}, t(group)), h("dl", { class: "cz-keys" }, ...commands.flatMap(keyRow)))));
  };
  const touch = helpText(t("Touch"), t("Tap to add or select, drag to move, press and hold to delete. Pinch to zoom and drag with two fingers to move the view. Tap with two fingers to undo, with three fingers to redo."));
  const mouse = helpText(t("Mouse"), t("Scroll to zoom. Scroll with Shift to move the view, with Alt to resize the brush or selection. Right-click to delete."));
  return { el: createDialog(t("Help"), touch, mouse, parts), prepare };
}

const helpText = (title, text) => h("section", { class: "cz-help-text" }, h("h3", {}, title), h("p", { class: "cz-hint" }, text));

function keyRow({ keys, label }) {
  const shown = keys.length > 3 ? [keys[0], keys.at(-1)] : keys.slice(0, 2);
  const caps = shown.flatMap((key, index) => [index ? (keys.length > 3 ? " – " : " ") : "", h("kbd", {}, keyLabel(key))]);
  return [h("dt", {}, ...caps), h("dd", {}, t(label))];
}

function createFormatChoice(pad) {
  const radios = FORMATS.map(([value, name], index) => {
    const input = h("input", { type: "radio", name: "cz-format", value, checked: index === 0 });
    return h("label", { class: "cz-format" }, input, h("span", {}, h("b", {}, name), h("small")));
  });
  const el = h("div", { class: "cz-formats", role: "radiogroup", "aria-label": t("Format") }, ...radios);
  const prepare = () => FORMATS.forEach(([, , description, ofDrawing], index) => setText(radios[index].querySelector("small"), t((isDrawingModel(pad, pad.doc.model) && ofDrawing) || description)));
  return { el, prepare, value: () => /** @type {HTMLInputElement} */ (el.querySelector("input:checked")).value };
}

function createNumberField(label, max) {
  const input = h("input", { class: "cz-input", type: "number", min: 1, max });
  return { input, el: h("label", { class: "cz-field" }, h("span", {}, label), input), value: () => Number(input.value) || undefined };
}

/** @param {{format: string, side?: number, dpi?: number}} options side: maximum longer side in pixels @returns {string} size of the exported image, and whether it stays transparent */
function exportDescription(pad, options) {
  const { format, side, dpi } = options;
  const size = pad.doc.crop ?? pad.photo;
  const longest = Math.max(size.width, size.height);
  const scale = Math.min(1, (side ?? longest) / longest);
  const [width, height] = [size.width, size.height].map((length) => Math.max(1, Math.round(length * scale)));
  const centimeters = (pixels) => (2.54 * pixels / dpi).toFixed(1);
  const sentences = [t("{width} × {height} pixels.", { width, height })];
  if (dpi) sentences.push(t("Prints at {width} × {height} cm.", { width: centimeters(width), height: centimeters(height) }));
  const isTransparent = Boolean(pad.photo.cover);
  if (isTransparent && format === "jpeg") sentences.push(t("JPEG does not support transparency, so transparent parts become opaque."));
  else if (isTransparent && format !== "ora" && format !== "psd") sentences.push(t("Transparent parts stay transparent."));
  return sentences.join(" ");
}

function createExport(pad) {
  const format = createFormatChoice(pad);
  const quality = h("input", { type: "range", min: 50, max: 100, value: 95, "aria-label": t("Quality") });
  const qualityValue = h("output", { class: "cz-value" }, "95");
  const qualityField = h("label", { class: "cz-field" }, h("span", {}, t("Quality")), qualityValue, quality);
  const side = createNumberField(t("Long edge in pixels"));
  const dpi = createNumberField(t("Print resolution in dpi"), 9999);
  setAttr(dpi.input, "placeholder", t("Original"));
  const description = h("p", { class: "cz-hint" });
  const submit = button({ icon: "export", text: t("Export"), label: t("Export the image"), className: "cz-primary cz-wide", onClick: () => {}, action: "export-now" });
  submit.autofocus = true;
  const el = createDialog(t("Export"), format.el, qualityField, side.el, dpi.el, description, submit);
  const refresh = () => {
    format.prepare();
    const { width, height } = pad.doc.crop ?? pad.photo;
    const hasDpi = ["png", "jpeg", "tiff"].includes(format.value());
    show(qualityField, ["jpeg", "webp"].includes(format.value()));
    setText(qualityValue, quality.value);
    show(dpi.el, hasDpi);
    setAttr(side.input, "placeholder", Math.max(width, height));
    setText(description, exportDescription(pad, { format: format.value(), side: side.value(), dpi: hasDpi ? dpi.value() : undefined }));
    submit.disabled = el.querySelector("input:invalid") !== null;
  };
  el.addEventListener("input", refresh);
  submit.addEventListener("click", () => {
    el.close();
    exportImage(pad, { format: format.value(), quality: Number(quality.value), side: side.value(), dpi: dpi.value() });
  });
  return { el, prepare: refresh };
}

/** Dialog about edits that the browser could not save. */
function createLeaving(pad) {
  const words = h("p", { class: "cz-hint" });
  const choice = (text, value, className) => button({ text, className: `cz-wide ${className}`, onClick: () => el.close(value), action: `leave-${value || "cancel"}` });
  const choices = [choice(t("Save edits and continue"), "save", "cz-primary"), choice(t("Discard edits"), "discard", "cz-ghost"), choice(t("Cancel"), "", "cz-ghost")];
  const el = createDialog(t("Unsaved edits"), words, ...choices);
  /** @type {Promise<string> | null} */
  let answer = null;
  const ask = () => {
    setText(words, t("Your edits of {name} are not saved in this browser. Save them in a file, or discard them.", { name: pad.photo.name }));
    el.returnValue = "";
    el.showModal();
    return new Promise((resolve) => el.addEventListener("close", () => {
      answer = null;
      resolve(el.returnValue);
    }, { once: true }));
  };
  return { el, ask: () => (answer ??= ask()) };
}

export function createDialogs(pad) {
  const help = createHelp(pad);
  const exporting = createExport(pad);
  const leaving = createLeaving(pad);
  return {
    els: [help.el, exporting.el, leaving.el],
    /** @returns {Promise<string>} "save", "discard", or "" to stay */
    askToLeave: leaving.ask,
    help: () => {
      if (help.el.open) return help.el.close();
      help.prepare();
      help.el.showModal();
    },
    exportImage: () => {
      exporting.prepare();
      exporting.el.showModal();
    },
  };
}

const DURATION = { info: 6000, error: 12_000 }; // ms
const MAX_TOASTS = 3;

/** @typedef {{label: string, run: () => void}} Action */

export function createToasts() {
  const el = h("div", { class: "cz-toasts" });
  const add = (text, kind = "info", action = null) => {
    for (const old of [...el.children]) if (old.querySelector("p").textContent === text) old.remove(); // a repeated message replaces the older message
    while (el.children.length >= MAX_TOASTS) el.firstElementChild.remove();
    const toast = createToast(text, kind, action);
    el.append(toast);
    removeAfter(toast, DURATION[kind] * (action ? 2 : 1));
  };
  return { el, add, clear: () => el.replaceChildren() };
}

function createToast(text, kind, action) {
  const close = () => toast.remove();
  const act = action && button({ text: action.label, label: action.label, className: "cz-small cz-ghost", onClick: () => { close(); action.run(); } });
  const toast = h("div", { class: "cz-toast", role: kind === "error" ? "alert" : "status", data: { kind } },
    kind === "error" ? icon("warn") : null, h("p", {}, text), act, button({ icon: "close", label: t("Close"), className: "cz-small cz-ghost", onClick: close }));
  return toast;
}

/** Remove a toast after a while; hover and focus prolong it. */
function removeAfter(toast, time) {
  setTimeout(() => {
    if (toast.matches(":hover, :focus-within")) removeAfter(toast, time);
    else toast.remove();
  }, time);
}
