/** The color panel: gamut, numbers, suggestions, recent colors. */

import { abDistance, colorName, labHex, labToRgb, parseColor, rgbToHex } from "./color.js";
import { requestExtent } from "./coloring.js";
import { runCommand } from "./commands.js";
import { reachOf } from "./document.js";
import { button, h, icon, setAttr, setText, show, syncList, t } from "./dom.js";
import { colorTarget, setColor, setHex, setReach } from "./edits.js";
import { createGamut } from "./gamut.js";
import { createPalettes } from "./palettes.js";
import { hintNumber, isStroke } from "./strokes.js";
import { giveLightness } from "./zoneedits.js";

const SAME = 1.5;

/** @param {string} title @param {...Node} children @returns {HTMLElement} */
function section(title, ...children) {
  const heading = h("h2", { class: "cz-heading" }, title);
  return h("section", { class: "cz-section", "aria-label": title }, heading, ...children);
}

/** @param {any} pad @returns {{el: HTMLElement, update: () => void}} */
function createColorPanel(pad) {
  const gamut = createGamut({ onPick: (ab, _asked, done) => setColor(pad, ab, done) });
  const numbers = createNumbers(pad);
  const luma = createLuma(pad);
  const reach = createReach(pad);
  const sticky = createSticky(pad);
  const unshown = createUnshown(pad);
  const title = h("h2", { class: "cz-heading" }, t("Color"));
  const color = h("section", { class: "cz-section", "aria-label": t("Color") }, title, gamut.el, luma.el, numbers.el, unshown.el, reach.el, sticky.el);
  const suggestions = createSuggestions(pad);
  const recent = createRecent(pad);
  const palettes = createPalettes(pad);
  const el = h("div", { class: "cz-color" }, color, suggestions.el, recent.el, palettes.el);
  const update = () => {
    const target = colorTarget(pad);
    const items = target.kind === "point" ? pad.ui.suggestions?.items ?? [] : [];
    show(el, pad.accepts("points") || pad.accepts("regions") || target.kind === "zone");
    setText(title, titleOf(pad, target));
    gamut.update({ luma: target.luma, ab: target.ab, suggestions: items, enabled: Boolean(pad.photo) && !target.locked });
    luma.update(target);
    numbers.update(target);
    unshown.update();
    reach.update(target);
    sticky.update(target);
    suggestions.update(target);
    recent.update();
    palettes.update();
  };
  return { el, update };
}

function titleOf(pad, target) {
  const point = pad.selectedPoint();
  if (target.kind === "point") return t(isStroke(pad.doc, point) ? "Color of stroke {n}" : "Color of point {n}", { n: hintNumber(pad.doc, point) });
  if (target.kind === "zone") return t("Color of area {n}", { n: pad.ui.zone + 1 });
  if (target.kind === "region") {
    const numbers = pad.ui.regionPick.map((index) => pad.ui.regions.items.findIndex((item) => item.index === index) + 1);
    return numbers.length > 1 ? t("Color of regions {n}", { n: numbers.join(", ") }) : t("Color of region {n}", { n: numbers[0] });
  }
  return t("Color");
}

function createLuma(pad) {
  const input = h("input", { type: "range", min: 2, max: 98, step: 1, "aria-label": t("Lightness") });
  const el = h("label", { class: "cz-field cz-luma" }, h("span", {}, t("Lightness")), input);
  const set = (done) => setColor(pad, colorTarget(pad).ab, done, Number(input.value));
  input.addEventListener("input", () => set(false));
  input.addEventListener("change", () => set(true));
  const update = (target) => {
    show(el, target.kind === "region" || Boolean(target.free));
    if (input !== document.activeElement) input.value = String(Math.round(target.luma));
  };
  return { el, update };
}

function createNumbers(pad) {
  const swatch = h("span", { class: "cz-swatch cz-swatch-big", "aria-hidden": "true" });
  const hex = h("input", { class: "cz-input cz-hex", type: "text", spellcheck: "false", autocomplete: "off", maxlength: "20", "aria-label": t("Color as #rrggbb or R, G, B") });
  const levels = ["R", "G", "B"].map((name) => h("input", { class: "cz-input cz-level", type: "text", inputmode: "numeric", maxlength: "3", "aria-label": { R: t("Red"), G: t("Green"), B: t("Blue") }[name], placeholder: name }));
  const name = h("span", { class: "cz-color-name" });
  const dropper = button({ icon: "dropper", label: t("Eyedropper"), key: "I", className: "cz-ghost", onClick: () => runCommand(pad, "tool-dropper") });
  const gray = button({ text: t("Keep gray"), label: t("Keep gray"), key: "K", className: "cz-ghost", onClick: (event) => runCommand(pad, "keepgray", event) });
  hex.addEventListener("change", () => takeText(pad, hex));
  hex.addEventListener("input", () => setAttr(hex, "aria-invalid", null));
  for (const input of levels) input.addEventListener("change", () => takeLevels(pad, levels));
  for (const input of [hex, ...levels]) listenToField(pad, input);
  const row = h("div", { class: "cz-numbers" }, swatch, hex, ...levels);
  const el = h("div", {}, row, h("div", { class: "cz-color-foot" }, name, dropper, gray));
  const update = (target) => {
    const shown = labHex(target.luma, target.ab);
    swatch.style.background = shown;
    setText(name, colorName(target.luma, target.ab));
    const rgb = labToRgb([target.luma, ...target.ab]);
    if (hex !== activeIn(pad)) {
      hex.value = shown;
      setAttr(hex, "aria-invalid", null); // what was wrong was not taken, and is not shown any more
    }
    levels.forEach((input, index) => input !== activeIn(pad) && (input.value = String(rgb[index])));
    for (const input of [hex, ...levels]) input.disabled = !pad.photo || target.locked;
    dropper.disabled = !pad.photo;
    gray.disabled = !pad.photo || target.locked;
  };
  return { el, update };
}

/** Says that a color cannot be shown at the lightness of its place, what was taken, and how it could be shown. */
function createUnshown(pad) {
  const words = h("p", { class: "cz-hint", role: "status" });
  const follow = button({ text: t("Let the lightness follow"), label: t("Let the lightness follow the color there"), className: "cz-wide", onClick: () => giveLightness(pad, pad.ui.unshown.hex) });
  const el = h("div", { class: "cz-unshown" }, words, follow);
  const update = () => {
    const { unshown } = pad.ui;
    show(el, Boolean(unshown));
    if (unshown) setText(words, t("{hex} cannot be shown at the lightness of this place; {kept} is the nearest.", unshown));
  };
  return { el, update };
}

/** @returns {Element | null} what has the focus, also inside a notebook's shadow root */
const activeIn = (pad) => /** @type {Document} */ (pad.root.getRootNode()).activeElement;

/** Enter takes the number and Escape leaves it; both give the keyboard back to the tools. */
function listenToField(pad, input) {
  let before = "";
  input.addEventListener("focus", () => {
    before = input.value;
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.stopPropagation();
    event.preventDefault();
    if (event.key === "Escape") input.value = before;
    pad.stageEl.focus({ preventScroll: true }); // the field tells by itself that it was changed, once
  });
}

function takeText(pad, input) {
  const rgb = parseColor(input.value);
  setAttr(input, "aria-invalid", rgb ? null : "true");
  if (!rgb) {
    pad.toast(t("“{text}” is no color. Write #c04020 or 192, 64, 32.", { text: input.value }), "error");
    return;
  }
  enterColor(pad, rgbToHex(rgb), input);
}

function takeLevels(pad, inputs) {
  const rgb = parseColor(inputs.map((input) => input.value || "0").join(","));
  if (!rgb) return;
  enterColor(pad, rgbToHex(rgb), null);
}

function enterColor(pad, hex, input) {
  setHex(pad, hex);
  const target = colorTarget(pad);
  const kept = labHex(target.luma, target.ab);
  if (target.kind === "point" && kept !== hex) pad.say(t("{kept}: the photo’s lightness stays", { kept }));
  if (input) input.value = kept;
}

const REACH_STEPS = 12;

/** @param {number} step of the slider @returns {import("./document.js").Reach} */
function reachAt(step) {
  if (step >= REACH_STEPS) return "everywhere";
  if (step === REACH_STEPS / 2) return "automatic";
  return step <= 0 ? 0 : Math.round(100 * 2 ** ((step - REACH_STEPS / 2) / 2)) / 100;
}

/** @param {import("./document.js").Reach} reach @returns {number} */
function reachStep(reach) {
  if (reach === "everywhere") return REACH_STEPS;
  if (reach === "automatic") return REACH_STEPS / 2;
  if (reach <= 0) return 0;
  return Math.min(REACH_STEPS - 1, Math.max(1, Math.round(REACH_STEPS / 2 + 2 * Math.log2(reach))));
}

/** @param {import("./document.js").Reach} reach @returns {string} */
function reachName(reach) {
  if (reach === "everywhere") return t("everywhere");
  if (reach === "automatic") return t("automatic");
  return reach === 0 ? t("only here") : t("{n} times", { n: reach });
}

/** A slider for how far a point's color goes; while it is held, the area is shown on the photo. */
function createReach(pad) {
  const input = h("input", { type: "range", min: 0, max: REACH_STEPS, step: 1, class: "cz-reach", "aria-label": t("Reach of the color") });
  const value = h("span", { class: "cz-value" });
  const el = h("label", { class: "cz-field" }, h("span", {}, t("Reach")), value, input);
  const preview = () => {
    if (!pad.selectedPoint()) return;
    if (!pad.ui.extent) pad.set({ extent: {} });
    requestExtent(pad);
  };
  const set = (done) => {
    setReach(pad, reachAt(Number(input.value)), done);
    preview();
  };
  const leave = () => pad.ui.extent && pad.set({ extent: null });
  input.addEventListener("input", () => set(false));
  input.addEventListener("change", () => set(true));
  input.addEventListener("focus", preview);
  input.addEventListener("pointerenter", preview);
  input.addEventListener("pointerleave", leave);
  input.addEventListener("blur", leave);
  const update = (target) => {
    show(el, pad.accepts("points") && target.kind !== "region" && target.kind !== "zone");
    input.disabled = !pad.photo || target.locked;
    const point = pad.selectedPoint();
    const reach = point ? reachOf(point) : pad.ui.reach;
    input.value = String(reachStep(reach));
    setText(value, reachName(reach));
    setAttr(input, "aria-valuetext", reachName(reach));
  };
  return { el, update };
}

function createSticky(pad) {
  const box = h("input", { type: "checkbox" });
  const el = h("label", { class: "cz-check" }, box, h("span", {}, t("New points take this color")));
  box.addEventListener("change", () => pad.set({ sticky: box.checked, once: false }));
  const update = (target) => {
    show(el, pad.accepts("points") && target.kind !== "region" && target.kind !== "zone");
    box.checked = pad.ui.sticky;
  };
  return { el, update };
}

function createSuggestions(pad) {
  const grid = h("div", { class: "cz-suggestions", role: "group", "aria-label": t("Suggested colors, likeliest first") });
  const empty = h("p", { class: "cz-hint" });
  const el = section(t("Suggestions"), grid, empty);
  const make = (index) => {
    const take = (event) => {
      const item = pad.ui.suggestions?.items[index];
      pad.input = event.timeStamp;
      if (item) setColor(pad, item.ab);
      pad.input = null;
    };
    return h("button", { type: "button", class: "cz-suggestion", data: { role: "suggestion" }, on: { click: take } },
      h("span", { class: "cz-tile" }, icon("check")), h("span", { class: "cz-share" }));
  };
  const update = (target) => {
    const { suggestions } = pad.ui;
    const items = target.kind === "point" ? suggestions?.items ?? [] : [];
    show(el, pad.accepts("points"));
    show(empty, items.length === 0);
    setText(empty, suggestionHint(pad, target));
    grid.classList.toggle("cz-stale", Boolean(suggestions?.stale));
    show(grid, items.length > 0);
    const ticked = nearest(items, target.ab);
    syncList(grid, items.length, make, (tile, index) => fillSuggestion(tile, items[index], index, target, index === ticked));
  };
  return { el, update };
}

function suggestionHint(pad, target) {
  if (!pad.photo) return t("Likely colors for a point appear here.");
  if (target.kind !== "point") return t("Select a point to see its likely colors.");
  if (pad.ui.suggestions) return t("This model has no suggestions.");
  return t("Looking for likely colors …");
}

/** @returns {number} the suggestion that the color is, -1 if it is none: several may look alike, one of them was taken */
function nearest(items, ab) {
  const distances = items.map((item) => abDistance(item.ab, ab));
  const least = Math.min(...distances);
  return least < SAME ? distances.indexOf(least) : -1;
}

function fillSuggestion(tile, item, index, target, current) {
  const share = `${item.share < 0.01 ? "<1" : Math.round(item.share * 100)} %`;
  tile.firstElementChild.style.background = item.color;
  setText(tile.lastElementChild, share);
  const words = t("{n}: {name}, {hex}, {share}", { n: index + 1, name: colorName(target.luma, item.ab), hex: item.color, share });
  setAttr(tile, "aria-label", words);
  setAttr(tile, "aria-pressed", String(current));
  setAttr(tile, "title", words);
  tile.disabled = target.locked;
}

function createRecent(pad) {
  const row = h("div", { class: "cz-recent", role: "group", "aria-label": t("Recent colors") });
  const el = section(t("Recent"), row);
  const make = (index) => h("button", { type: "button", class: "cz-swatch", on: { click: () => takeRecent(pad, index) } });
  const update = () => {
    const { recent } = pad.ui;
    show(el, recent.length > 0);
    syncList(row, recent.length, make, (swatch, index) => {
      swatch.style.background = recent[index].hex;
      const words = `${colorName(60, recent[index].ab)}, ${recent[index].hex}`;
      setAttr(swatch, "aria-label", t("Recent color: {words}", { words }));
      setAttr(swatch, "title", words);
    });
  };
  return { el, update };
}

function takeRecent(pad, index) {
  const { ab, hex } = pad.ui.recent[index];
  const target = colorTarget(pad);
  if (target.kind === "region" || target.free) setHex(pad, hex);
  else setColor(pad, ab);
}


export { createColorPanel, section };
