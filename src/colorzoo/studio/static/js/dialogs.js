/** Windows over the pad: export, and the sheet of shortcuts. */

import { COMMANDS, keyLabel } from "./commands.js";
import { button, h, setText, show, t } from "./dom.js";
import { exportPicture } from "./files.js";

const FORMATS = [
  ["png", "PNG", "Exact; 16 bits where the photo has them"],
  ["jpeg", "JPEG", "Small; for sharing"],
  ["tiff", "TIFF", "Exact; for print and archives"],
  ["webp", "WebP", "Small; for the web"],
  ["layer", "PNG of the colors alone", "Transparent; laid over the gray photo it gives the result"],
  ["ora", "OpenRaster, in layers", "Photo and colors as layers, for Krita, GIMP and others"],
];

function createDialog(title, ...children) {
  const heading = h("h2", {}, title);
  const close = button({ icon: "close", label: t("Close"), className: "cz-ghost", onClick: () => el.close() });
  const el = /** @type {HTMLDialogElement} */ (h("dialog", { class: "cz-dialog", "aria-label": title }, h("div", { class: "cz-dialog-head" }, heading, close), ...children));
  el.addEventListener("click", (event) => event.target === el && el.close());
  return el;
}

function createHelp() {
  const groups = Map.groupBy ? Map.groupBy(COMMANDS.filter(visible), ({ group }) => group) : groupCommands();
  const parts = [...groups].map(([group, commands]) => h("section", {}, h("h3", {}, t(group)), h("dl", { class: "cz-keys" }, ...commands.flatMap(keyRow))));
  const more = h("p", { class: "cz-hint" }, t("Touch: tap adds or selects, drag moves, long press deletes, two fingers zoom and pan, a tap with two fingers undoes, with three redoes. With the mouse: the wheel zooms, Shift and wheel pans, the right button deletes."));
  return createDialog(t("Keyboard shortcuts"), h("div", { class: "cz-help" }, ...parts), more);
}

const visible = (command) => !command.hidden && command.keys.length > 0;

function groupCommands() {
  const groups = new Map();
  for (const command of COMMANDS.filter(visible)) groups.set(command.group, [...(groups.get(command.group) ?? []), command]);
  return groups;
}

function keyRow({ keys, label }) {
  const shown = keys.length > 3 ? [keys[0], keys.at(-1)] : keys.slice(0, 2);
  const caps = shown.flatMap((key, index) => [index ? (keys.length > 3 ? " – " : " ") : "", h("kbd", {}, keyLabel(key))]);
  return [h("dt", {}, ...caps), h("dd", {}, t(label))];
}

function createExport(pad) {
  const radios = FORMATS.map(([value, name, words], index) => {
    const input = h("input", { type: "radio", name: "cz-format", value, checked: index === 0 });
    return h("label", { class: "cz-format" }, input, h("span", {}, h("b", {}, name), h("small", {}, t(words))));
  });
  const quality = h("input", { type: "range", min: 50, max: 100, value: 95, "aria-label": t("Quality") });
  const value = h("output", { class: "cz-value" }, "95");
  const field = h("label", { class: "cz-field" }, h("span", {}, t("Quality")), value, quality);
  const size = h("p", { class: "cz-hint" });
  const go = button({ icon: "export", text: t("Export"), label: t("Export the picture"), className: "cz-primary cz-wide", onClick: () => {} });
  go.dataset.action = "export-now";
  go.autofocus = true;
  const format = () => el.querySelector("input[type=radio]:checked").value;
  const el = createDialog(t("Export"), h("div", { class: "cz-formats", role: "radiogroup", "aria-label": t("Format") }, ...radios), field, size, go);
  const refresh = () => {
    show(field, ["jpeg", "webp"].includes(format()));
    setText(value, quality.value);
  };
  el.addEventListener("input", refresh);
  go.addEventListener("click", () => {
    el.close();
    exportPicture(pad, { format: format(), quality: Number(quality.value) });
  });
  const prepare = () => {
    const { formats } = pad.limits;
    FORMATS.forEach(([value], index) => show(radios[index], !formats || formats.includes(value)));
    refresh();
    const { width, height } = pad.photo;
    setText(size, t("{width} × {height} pixels, the size of the photo. Its lightness, transparency and data are kept.", { width, height }));
  };
  return { el, prepare };
}

/** @param {any} pad @returns {{els: HTMLElement[], help: () => void, exportPicture: () => void}} */
function createDialogs(pad) {
  const help = createHelp();
  const exporting = createExport(pad);
  return {
    els: [help, exporting.el],
    help: () => (help.open ? help.close() : help.showModal()),
    exportPicture: () => {
      exporting.prepare();
      exporting.el.showModal();
    },
  };
}

export { createDialogs };
