/** Colors that are replaced everywhere: their tool, and their panel. */

import { rgbToAb, rgbToHex } from "./color.js";
import { button, clickOrTap, h, section, setAttr, setText, show, syncList, t } from "./dom.js";
import { pixelAt } from "./pixels.js";
import { LEAST_CHROMA } from "../steps/replacing.js";

const USUAL_HUES = { range: 20, fade: 20 }; // degrees
const MOST_HUES = 90;

/** @returns {{replacement: import("../steps/replacing.js").Replacement, index: number} | null} the selected one, while the tool is in use */
function pickedReplacement(pad) {
  const index = Math.min(pad.ui.replacing ?? Infinity, pad.doc.replacements.length - 1);
  return pad.ui.tool === "replace" && index >= 0 ? { replacement: pad.doc.replacements[index], index } : null;
}

/** Replace the color that the picture has at a place, in pixels of the photo; it stays the same until another one is chosen. */
function replaceColorAt(pad, [x, y]) {
  const { photo } = pad;
  if (!photo.result || x < 0 || y < 0 || x > photo.width || y > photo.height) return;
  const rgb = pixelAt(photo.result, x / photo.width, y / photo.height);
  if (Math.hypot(...rgbToAb(rgb)) < 1.1 * LEAST_CHROMA) {
    pad.toast(t("There is hardly any color here. Choose a place with the color to replace."));
    return;
  }
  const hex = rgbToHex(rgb);
  pad.set({ replacing: pad.doc.replacements.length });
  pad.edit({ ...pad.doc, replacements: [...pad.doc.replacements, { old: hex, new: hex, ...USUAL_HUES }] }, t("replace a color"));
  pad.announce(t("{hex} will be replaced. Choose the color in its place.", { hex }));
}

/** Change the selected replacement. @param {Partial<import("../steps/replacing.js").Replacement>} change @param {boolean} done false during a drag */
function changeReplacement(pad, change, done) {
  const picked = pickedReplacement(pad);
  if (!picked) return;
  const doc = { ...pad.doc, replacements: pad.doc.replacements.with(picked.index, { ...picked.replacement, ...change }) };
  // its first new color is one step with it: undone, no rule stays that changes nothing
  if (done) pad.edit(doc, t("replaced color"), (last, before) => !last.replacements[picked.index] && changesNothing(before.replacements[picked.index]));
  else pad.preview(doc);
}

const changesNothing = (replacement) => replacement?.old === replacement?.new;

function deleteReplacement(pad, index) {
  pad.set({ replacing: null });
  pad.edit({ ...pad.doc, replacements: pad.doc.replacements.toSpliced(index, 1) }, t("delete replaced color"));
}

/** @returns {import("./dom.js").Part} list of the replaced colors, and how far around its hue the selected one goes */
function createReplacePanel(pad, createSlider) {
  const words = h("p", { class: "cz-hint" });
  const rows = h("ol", { class: "cz-hints", "aria-label": t("Replaced colors") });
  const sliders = [["range", t("Range of hue")], ["fade", t("Soft edge")]].map(([name, label]) => ({ name, ...createSlider(label, 0, MOST_HUES, (value, done) => changeReplacement(pad, { [name]: value }, done)) }));
  const el = section(t("Replace a color everywhere"), words, rows, ...sliders.map((slider) => slider.el));
  const update = () => {
    const { replacements } = pad.doc;
    const picked = pickedReplacement(pad);
    show(el, Boolean(pad.photo) && (pad.ui.tool === "replace" || replacements.length > 0));
    setText(words, picked ? t("Choose the new color above; shades of it move along.") : clickOrTap("Click a color in the picture."));
    show(words, pad.ui.tool === "replace");
    syncList(rows, replacements.length, () => replacementRow(), (row, index) => fillReplacement(pad, row, index, picked));
    for (const slider of sliders) {
      show(slider.el, picked !== null);
      if (picked) slider.update(Math.round(picked.replacement[slider.name]), false, `${Math.round(picked.replacement[slider.name])}°`);
    }
  };
  return { el, update };
}

function replacementRow() {
  const main = h("button", { type: "button", class: "cz-hint-main" }, h("span", { class: "cz-swatch" }), h("span", { "aria-hidden": "true" }, "→"), h("span", { class: "cz-swatch" }), h("span", { class: "cz-hint-words" }, h("span"), h("small")));
  return h("li", { class: "cz-hint-row" }, main, button({ icon: "trash", label: "-", className: "cz-ghost cz-small", onClick: () => {} }));
}

function fillReplacement(pad, row, index, picked) {
  const [main, remove] = row.children;
  const [oldSwatch, , newSwatch, words] = main.children;
  const { old, new: wanted } = pad.doc.replacements[index];
  oldSwatch.style.background = old;
  newSwatch.style.background = wanted;
  setText(words.firstChild, wanted);
  setText(words.lastChild, t("for {old}", { old }));
  setAttr(main, "aria-label", t("Replacement {n}: {new} for {old}", { n: index + 1, new: wanted, old }));
  setAttr(main, "aria-pressed", String(picked?.index === index));
  main.onclick = () => {
    if (pad.ui.tool !== "replace") pad.setTool("replace");
    pad.set({ replacing: index });
  };
  setAttr(remove, "aria-label", t("Delete replacement {n}", { n: index + 1 }));
  setAttr(remove, "title", t("Delete replacement {n}", { n: index + 1 }));
  remove.onclick = () => deleteReplacement(pad, index);
}

export { changeReplacement, createReplacePanel, pickedReplacement, replaceColorAt };
