/** Colors to choose from: of things that many photos show, and palettes of one's own, which the browser keeps. */

import { colorName, hexToRgb, labHex, rgbToLab } from "./color.js";
import { button, h, setAttr, setText, show, syncList, t } from "./dom.js";
import { colorTarget, setHex } from "./edits.js";

const PRESETS = [
  ["Skin", ["#f3d2bd", "#e8b998", "#d29b77", "#b57b57", "#8d5a3b", "#5e3926"]],
  ["Hair", ["#e8cf9a", "#b98a4e", "#9c4a26", "#7a4e2d", "#4a3020", "#251b17", "#a8a29b"]],
  ["Lips and cheeks", ["#d98b85", "#c4675f", "#a8443f", "#e3a79b"]],
  ["Sky", ["#cfe3f2", "#9cc3e6", "#6aa3d8", "#3f78b5", "#f2c79b", "#b8c0c8"]],
  ["Water", ["#a9c7cf", "#6f9fae", "#3f7487", "#27495c", "#5f7d6b"]],
  ["Grass and leaves", ["#c2cf7a", "#8fae4b", "#5f8a3a", "#3e6a34", "#8a8a45", "#b5722c"]],
  ["Wood", ["#d8b483", "#b58550", "#8c5e34", "#6b4426", "#45291a", "#a39381"]],
  ["Brick", ["#c9785a", "#a8553b", "#8c4030", "#6e3028", "#b98b74"]],
  ["Stone", ["#dcd6c8", "#b9b2a4", "#958f86", "#706b66", "#8e8674", "#5a5a5e"]],
  ["Cloth", ["#24324f", "#5b6f8f", "#6d2431", "#3f5a45", "#c9b48a", "#7a5a7d"]],
];
const MOST_OWN = 24;
const MOST_COLORS = 48;

/** @typedef {{name: string, colors: string[], own: boolean}} Palette */

/** @param {any} pad @returns {Palette[]} */
function palettesOf(pad) {
  const presets = PRESETS.map(([name, colors]) => ({ name: t(name), colors, own: false }));
  const own = (pad.settings.palettes ?? []).filter(({ name, colors }) => typeof name === "string" && Array.isArray(colors));
  return [...presets, ...own.map((palette) => ({ ...palette, own: true }))];
}

/** @param {any} pad @param {Palette[]} palettes */
function keepOwn(pad, palettes) {
  const own = palettes.filter((palette) => palette.own).slice(-MOST_OWN);
  pad.setSetting("palettes", own.map(({ name, colors }) => ({ name, colors: colors.slice(-MOST_COLORS) })));
}

/** @param {any} pad @returns {{el: HTMLElement, update: () => void}} */
function createPalettes(pad) {
  const select = h("select", { class: "cz-input cz-select", "aria-label": t("Palette") });
  const row = h("div", { class: "cz-recent", role: "group", "aria-label": t("Colors of the palette") });
  const keep = button({ icon: "plus", text: t("Keep this color"), label: t("Keep this color in a palette of your own"), className: "cz-ghost cz-small", onClick: () => keepColor(pad, select) });
  const create = button({ text: t("New"), label: t("New palette"), className: "cz-ghost cz-small", onClick: () => addPalette(pad, select) });
  const remove = button({ icon: "trash", label: t("Delete this palette"), className: "cz-ghost cz-small", onClick: () => deletePalette(pad, select) });
  keep.dataset.action = "keep-color";
  create.dataset.action = "new-palette";
  const el = h("section", { class: "cz-section", "aria-label": t("Palette") }, h("h2", { class: "cz-heading" }, t("Palette")), select, row, h("div", { class: "cz-row" }, keep, create, remove));
  select.addEventListener("change", () => {
    pad.stageEl.focus({ preventScroll: true });
    pad.setSetting("palette", select.value);
  });
  const update = () => {
    const palettes = palettesOf(pad);
    syncList(select, palettes.length, () => h("option"), (option, index) => {
      setAttr(option, "value", palettes[index].name);
      setText(option, palettes[index].name);
    });
    const shown = palettes.find(({ name }) => name === pad.settings.palette) ?? palettes[0];
    select.value = shown.name;
    const { locked } = colorTarget(pad);
    syncList(row, shown.colors.length, () => h("button", { type: "button", class: "cz-swatch" }), (swatch, index) => fillSwatch(pad, swatch, shown, index, locked));
    show(remove, shown.own);
  };
  return { el, update };
}

function fillSwatch(pad, swatch, { name, colors }, index, locked) {
  const hex = colors[index];
  const [luma, a, b] = rgbToLab(hexToRgb(hex));
  const words = t("{name} {n}: {color}, {hex}", { name, n: index + 1, color: colorName(luma, [a, b]), hex });
  swatch.style.background = hex;
  setAttr(swatch, "aria-label", words);
  setAttr(swatch, "title", words);
  swatch.disabled = !pad.photo || locked;
  swatch.onclick = (event) => {
    pad.input = event.timeStamp;
    setHex(pad, hex);
    pad.input = null;
  };
}

/** The color of the controls goes into the shown palette if that is one's own, else into a new one. */
function keepColor(pad, select) {
  const { luma, ab } = colorTarget(pad);
  const hex = labHex(luma, ab);
  const palettes = palettesOf(pad);
  const shown = palettes.find(({ name, own }) => own && name === select.value);
  if (!shown) {
    keepNew(pad, palettes, [hex]);
    return;
  }
  if (!shown.colors.includes(hex)) shown.colors = [...shown.colors, hex];
  keepOwn(pad, palettes);
  pad.say(t("{hex} kept", { hex }));
}

function addPalette(pad) {
  keepNew(pad, palettesOf(pad), pad.ui.recent.map(({ hex }) => hex));
}

/** A new palette is named by its number; nobody needs to think of a name before a color is kept. */
function keepNew(pad, palettes, colors) {
  let number = 1;
  while (palettes.some(({ name }) => name === t("My colors {n}", { n: number }))) number += 1;
  const name = t("My colors {n}", { n: number });
  keepOwn(pad, [...palettes, { name, colors, own: true }]);
  pad.setSetting("palette", name);
  pad.say(t("{name} made", { name }));
}

function deletePalette(pad, select) {
  keepOwn(pad, palettesOf(pad).filter(({ name, own }) => !own || name !== select.value));
}

export { createPalettes };
