/**
 * Colors that are replaced everywhere: their tool, and their layers.
 *
 * @typedef {{old: string, new: string, range: number, fade: number, opacity?: number, hidden?: boolean}} Replacement
 *   range: degrees of hue around the old color that are replaced in full; fade: further degrees over which that fades
 */

import { rgbToAb, rgbToHex } from "./color.js";
import { OVERLAYS } from "./document.js";
import { h, show, t } from "./dom.js";
import { pixelAt } from "./pixels.js";
import { moved } from "./sorting.js";

const MOST_HUES = 90;
const LEAST_CHROMA = 4; // CIE units of a color that has a hue

/** @returns {{replacement: Replacement, index: number} | null} the selected replacement while the tool is in use */
export function pickedReplacement(pad) {
  const index = Math.min(pad.ui.replacing ?? Infinity, pad.doc.replacements.length - 1);
  return pad.ui.tool === "replace" && index >= 0 ? { replacement: pad.doc.replacements[index], index } : null;
}

/** Add a replacement of the color at a position; old and new color are equal until the user chooses a new color. */
export function replaceColorAt(pad, [x, y]) {
  const { photo } = pad;
  if (!photo.result || x < 0 || y < 0 || x > photo.width || y > photo.height) return;
  const rgb = pixelAt(photo.result, x / photo.width, y / photo.height);
  if (Math.hypot(...rgbToAb(rgb)) < 1.1 * LEAST_CHROMA) {
    pad.toast(t("This spot is nearly gray. Click a spot with the color that you want to replace."));
    return;
  }
  const hex = rgbToHex(rgb);
  pad.set({ replacing: pad.doc.replacements.length });
  pad.edit({ ...pad.doc, replacements: [...pad.doc.replacements, { old: hex, new: hex, ...OVERLAYS.replacements }] }, t("replace a color"));
  pad.announce(t("{hex} will be replaced. Choose the new color.", { hex }));
}

export function changeReplacement(pad, change, done) {
  const picked = pickedReplacement(pad);
  if (!picked) return;
  // adding the replacement and choosing its first color are one undo step, so that undo leaves no replacement without effect
  setReplacement(pad, picked.index, change, done, t("change replacement color"), (last, before) => !last.replacements[picked.index] && changesNothing(before.replacements[picked.index]));
}

function setReplacement(pad, index, change, done, label, joins) {
  const { replacements } = pad.doc;
  pad.applyChange({ ...pad.doc, replacements: replacements.with(index, { ...replacements[index], ...change }) }, done, label, joins);
}

const changesNothing = (replacement) => replacement?.old === replacement?.new;

function deleteReplacement(pad, index) {
  pad.set({ replacing: null });
  pad.edit({ ...pad.doc, replacements: pad.doc.replacements.toSpliced(index, 1) }, t("delete color replacement"));
}

export function createReplaceOptions(pad, createSlider) {
  const sliders = [
    ["range", t("Hue range"), t("Replace colors whose hue differs from the clicked color by at most this angle")], ["fade", t("Falloff"), t("Colors outside the hue range, up to this angle, are replaced partly, for a gradual transition")],
  ].map(([name, label, hint]) => ({ name, ...createSlider(label, 0, MOST_HUES, (value, done) => changeReplacement(pad, { [name]: value }, done), hint) }));
  const el = h("div", { class: "cz-section" }, ...sliders.map((slider) => slider.el));
  const update = () => {
    const picked = pickedReplacement(pad);
    show(el, picked !== null && pad.ui.tool === "replace");
    if (!picked) return;
    for (const slider of sliders) slider.update(Math.round(picked.replacement[slider.name]), false, `${Math.round(picked.replacement[slider.name])}°`);
  };
  return { el, update };
}

function layersOfReplacements(pad) {
  const { replacements } = pad.doc;
  const picked = pickedReplacement(pad);
  return replacements.map((replacement, index) => {
    const { old, new: wanted, hidden = false, opacity = 1, name: named } = replacement;
    const n = index + 1;
    const pick = (place) => {
      if (pad.ui.tool !== "replace") pad.setTool("replace", pad.ui.tab);
      pad.set({ replacing: place });
    };
    return {
      label: t("replacement {n}", { n }), name: t("Replacement {n}: {new} for {old}", { n, new: wanted, old }), title: t("Color replacement"), detail: t("{old} to {new}", { old, new: wanted }),
      swatches: [old, wanted], named, picked: picked?.index === index, hidden, opacity, edge: null,
      above: replacements.length - 1 - index, below: index,
      pick: () => pick(index),
      change: (patch, label, done) => setReplacement(pad, index, patch, done, label),
      move: (steps) => {
        pick(index + steps);
        pad.edit({ ...pad.doc, replacements: moved(replacements, index, index + steps) }, t("move a layer"));
      },
      remove: () => deleteReplacement(pad, index),
    };
  });
}

/** @type {import("./layers.js").LayerKind} */
export const REPLACEMENT_LAYERS = { list: "replacements", layersOf: layersOfReplacements };
