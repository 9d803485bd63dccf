/** The color panel: color plane, numbers, reach and suggestions. */

import { abDistance, colorName, hexToRgb, labHex, parseColor, rgbToHex, rgbToLab } from "./color.js";
import { requestExtent } from "./coloring.js";
import { createGamut } from "./colorplane.js";
import { runCommand } from "./commands.js";
import { hintNumber, isStroke, reachOf, strengthOf } from "./document.js";
import { button, checkbox, clickOrTap, h, icon, section, setAttr, setText, show, syncList, t } from "./dom.js";
import { colorTarget, setColor, setHex, setReach, setStrength, unavailableColor, useItem } from "./edits.js";
import { createPalettes, spreadsLess } from "./palettes.js";
import { createSlider } from "./panels.js";
import { followColorThere } from "./shapeedits.js";
import { likelyText, percentText } from "./variants.js";

const SAME_DISTANCE = 1.5;

export function createColorPanel(pad) {
  const gamut = createGamut({ onPick: (ab, done) => setColor(pad, ab, done) });
  const numbers = createNumbers(pad);
  const lightness = createLightness(pad);
  const sticky = createSticky(pad);
  const unavailable = createUnavailableNote(pad);
  const small = createSmallSpreadNote(pad);
  const suggestions = createSuggestions(pad);
  const title = h("h2", { class: "cz-heading" }, t("Color"));
  numbers.el.append(sticky.el);
  const wheel = h("div", { class: "cz-wheel" }, gamut.el, numbers.el);
  const color = h("section", { class: "cz-section", "aria-label": t("Color") }, title, suggestions.el, wheel, lightness.el, unavailable.el, small.el);
  const palettes = createPalettes(pad);
  const el = h("div", { class: "cz-color" }, color, palettes.el);
  const update = () => {
    const target = colorTarget(pad);
    const items = target.kind === "point" ? pad.ui.suggestions?.items ?? [] : [];
    const waits = target.kind === "none" && ["area", "border"].includes(pad.ui.tool); // the next click sets no color
    show(el, !waits && !["heal", "crop"].includes(pad.ui.tool) && (pad.accepts("points") || pad.accepts("regions") || target.kind === "area" || COLORING_TOOLS.includes(pad.ui.tool)));
    setText(title, titleOf(pad, target));
    gamut.update({ lightness: target.lightness, ab: target.ab, suggestions: items, enabled: Boolean(pad.photo) && !target.locked });
    lightness.update(target);
    numbers.update(target);
    unavailable.update();
    small.update(target);
    sticky.update(target);
    suggestions.update(target);
    palettes.update();
  };
  return { el, update };
}

const COLORING_TOOLS = ["paint", "replace"];

const setsPoints = (pad, { kind }) => pad.accepts("points") && !COLORING_TOOLS.includes(pad.ui.tool) && (kind === "point" || kind === "none");

function titleOf(pad, target) {
  const point = pad.selectedPoint();
  if (target.kind === "point") return t(isStroke(pad.doc, point) ? "Color of stroke {n}" : "Color of point {n}", { n: hintNumber(pad.doc, point) });
  if (target.kind === "replacement") return t("New color");
  if (target.kind === "swatch") return t("Color of {n} points", { n: pad.ui.swatch.length });
  if (target.kind === "area") return t("Color of area {n}", { n: pad.ui.area + 1 });
  if (target.kind === "region") {
    const numbers = pad.ui.regionPick.map((index) => pad.ui.regions.items.findIndex((item) => item.index === index) + 1);
    return numbers.length > 1 ? t("Color of regions {n}", { n: numbers.join(", ") }) : t("Color of region {n}", { n: numbers[0] });
  }
  if (pad.ui.tool === "fill") return t("Color to fill with");
  return ["brush", "paint"].includes(pad.ui.tool) ? t("Color of the brush") : t("Color");
}

function createLightness(pad) {
  const input = h("input", { type: "range", min: 2, max: 98, step: 1, "aria-label": t("Brightness") });
  const el = h("label", { class: "cz-field cz-lightness" }, h("span", {}, t("Brightness")), input);
  const set = (done) => setColor(pad, colorTarget(pad).ab, done, Number(input.value));
  input.addEventListener("input", () => set(false));
  input.addEventListener("change", () => set(true));
  const update = (target) => {
    show(el, target.kind === "region" || Boolean(target.free));
    if (input !== document.activeElement) input.value = String(Math.round(target.lightness));
  };
  return { el, update };
}

function createNumbers(pad) {
  const swatch = h("span", { class: "cz-swatch cz-swatch-big", "aria-hidden": "true" });
  const hex = h("input", { class: "cz-input cz-hex", type: "text", spellcheck: "false", autocomplete: "off", maxlength: "20", "aria-label": t("Color as #rrggbb or R, G, B") });
  const name = h("span", { class: "cz-color-name" });
  const dropper = button({ icon: "dropper", label: t("Eyedropper: pick a color from the photo"), key: "I", className: "cz-small", onClick: () => runCommand(pad, "tool-dropper") });
  const gray = button({ text: t("Leave gray"), label: t("Leave this spot gray"), key: "K", className: "cz-small", onClick: (event) => runCommand(pad, "keepgray", event) });
  hex.addEventListener("change", () => applyText(pad, hex));
  hex.addEventListener("input", () => setAttr(hex, "aria-invalid", null));
  listenToField(pad, hex);
  const row = h("div", { class: "cz-numbers" }, swatch, hex);
  const el = h("div", { class: "cz-color-side" }, row, name, h("div", { class: "cz-color-foot" }, dropper, gray));
  const update = (target) => {
    const shown = labHex(target.lightness, target.ab);
    swatch.style.background = shown;
    setText(name, colorName(target.lightness, target.ab));
    if (hex !== focusedElement(pad)) {
      hex.value = shown;
      setAttr(hex, "aria-invalid", null); // replaces invalid text, which was not applied
    }
    hex.disabled = !pad.photo || target.locked;
    dropper.disabled = !pad.photo;
    gray.disabled = !pad.photo || target.locked;
  };
  return { el, update };
}

/** Note that a color is outside sRGB at the current lightness, with a button to change the lightness. */
function createUnavailableNote(pad) {
  const words = h("p", { class: "cz-hint", role: "status" });
  const change = () => {
    const { hex, point } = unavailableColor(pad);
    followColorThere(pad, hex, point);
  };
  const follow = button({ text: t("Also change brightness"), label: t("Show exactly this color, and change the brightness of the photo here"), className: "cz-wide", onClick: change });
  const el = h("div", { class: "cz-unshown" }, words, follow);
  const update = () => {
    const unavailable = unavailableColor(pad);
    show(el, unavailable !== null);
    if (unavailable) setText(words, t("{hex} is not available at this brightness. {kept} is used instead, the closest available color.", unavailable));
  };
  return { el, update };
}

/** Note that the color of a point covers little, as by default in small objects, with a button for the automatic spread. */
function createSmallSpreadNote(pad) {
  const spread = button({ text: t("Spread further"), label: t("Choose the automatic spread for this point"), className: "cz-wide", onClick: () => setReach(pad, "automatic", true) });
  const el = h("div", { class: "cz-small-spread" }, h("p", { class: "cz-hint", role: "status" }, t("This color covers only a small part of the photo.")), spread);
  const update = (target) => {
    const point = target.kind === "point" && !target.locked && !pad.fills() ? pad.selectedPoint() : null;
    show(el, Boolean(point && !point.untouched && spreadsLess(point)));
  };
  return { el, update };
}

/** @returns {Element | null} the focused element, also inside of a notebook's shadow root */
const focusedElement = (pad) => /** @type {Document} */ (pad.root.getRootNode()).activeElement;

/** Enter applies the value and Escape restores it; both move the focus to the image. */
export function listenToField(pad, input) {
  let before = "";
  input.addEventListener("focus", () => { before = input.value; });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.stopPropagation();
    event.preventDefault();
    if (event.key === "Escape") input.value = before;
    pad.stageEl.focus({ preventScroll: true }); // fires the field's change event
  });
}

function applyText(pad, input) {
  const rgb = parseColor(input.value);
  setAttr(input, "aria-invalid", rgb ? null : "true");
  if (!rgb) return pad.toast(t("“{text}” is not a color. Enter a color such as #c04020 or 192, 64, 32.", { text: input.value }), "error");
  const hex = rgbToHex(rgb);
  setHex(pad, hex, true);
  const target = colorTarget(pad);
  const kept = labHex(target.lightness, target.ab);
  if (target.kind === "point" && kept !== hex) pad.announce(t("{kept} is used, because the brightness of the photo does not change", { kept }));
  input.value = kept;
}

const REACH_STEPS = 24;

/** Factors on the automatic reach at the steps of the slider, until the backend returns measured factors. */
const USUAL_REACHES = Array.from({ length: REACH_STEPS - 1 }, (_, index) => Math.round(1000 * 2 ** ((index + 1 - REACH_STEPS / 2) / 4)) / 1000);

/** @returns {number[]} factors at the inner steps of the slider; for the selected point, the covered areas grow by equal ratios */
const reachesOf = (pad) => (pad.ui.reachSteps?.id === pad.ui.selected && pad.ui.reachSteps?.steps.length === REACH_STEPS - 1 ? pad.ui.reachSteps.steps : USUAL_REACHES);

function reachAt(pad, step) {
  if (step >= REACH_STEPS) return "everywhere";
  if (step === reachStep(pad, "automatic")) return "automatic";
  return step <= 0 ? 0 : reachesOf(pad)[step - 1];
}

function reachStep(pad, reach) {
  if (reach === "everywhere") return REACH_STEPS;
  const factor = reach === "automatic" ? 1 : reach;
  if (factor <= 0) return 0;
  const distances = reachesOf(pad).map((other) => Math.abs(Math.log(other / factor)));
  return 1 + distances.indexOf(Math.min(...distances));
}

/** Values, names and tooltips. @type {[import("./document.js").Reach, string, string][]} */
const REACHES = [
  [0, "Only here", "The color fills only the spot of the point and does not spread"], ["automatic", "Automatic", "The color spreads over the object"],
  ["everywhere", "Everywhere", "The color influences similar parts of the whole photo"],
];

function reachName(reach) {
  const named = REACHES.find(([value]) => value === reach);
  if (named) return t(named[1]);
  return Number(reach) < 1 ? t("Spreads less than automatic") : t("Spreads more than automatic");
}

/** Buttons with three reaches of a point, and a fine slider; the reach is shown on the photo while they are used. */
export function createReach(pad) {
  const input = h("input", { type: "range", min: 0, max: REACH_STEPS, step: 1, class: "cz-reach", "aria-label": t("Spread of the color"), title: t("How far the color of the point spreads; the colored part is shown on the photo") });
  const preview = () => {
    if (!pad.selectedPoint()) return;
    if (!pad.ui.extent) pad.set({ extent: {} });
    requestExtent(pad);
  };
  const set = (reach, done) => {
    setReach(pad, reach, done);
    preview();
  };
  const steps = REACHES.map(([reach, name, label]) => button({ text: t(name), label: t(label), className: "cz-segment", onClick: () => set(reach, true) }));
  const segments = h("div", { class: "cz-segments", role: "group", "aria-label": t("How far the color spreads") }, ...steps);
  const strength = createSlider(t("Opacity"), 0, 100, (value, done) => setStrength(pad, value / 100, done), t("Opacity of the color of this point; at 0 % the point has no effect"));
  const el = section(t("Spread"), segments, input, strength.el);
  const leave = () => pad.ui.extent && pad.set({ extent: null });
  input.addEventListener("input", () => set(reachAt(pad, Number(input.value)), false));
  input.addEventListener("change", () => set(reachAt(pad, Number(input.value)), true));
  for (const type of ["focusin", "pointerenter"]) el.addEventListener(type, preview);
  for (const type of ["focusout", "pointerleave"]) el.addEventListener(type, leave);
  const update = () => {
    const target = colorTarget(pad);
    show(el, ["point", "brush"].includes(pad.ui.tool) && setsPoints(pad, target) && !pad.fills());
    const point = pad.selectedPoint();
    const reach = point ? reachOf(point) : pad.ui.reach;
    for (const control of [input, ...steps]) control.disabled = !pad.photo || target.locked;
    steps.forEach((step, index) => setAttr(step, "aria-pressed", String(REACHES[index][0] === reach)));
    strength.update(point ? Math.round(100 * strengthOf(point)) : 100, !point || target.locked);
    input.value = String(reachStep(pad, reach));
    setAttr(input, "aria-valuetext", reachName(reach));
  };
  return { el, update };
}

function createSticky(pad) {
  const { el, box } = checkbox(t("Keep this color for new points"), (checked) => pad.set({ sticky: checked, colorForNext: false }), t("Give each new point this color instead of a suggested color"));
  const update = (target) => {
    show(el, setsPoints(pad, target));
    box.checked = pad.ui.sticky;
  };
  return { el, update };
}

function createSuggestions(pad) {
  const grid = h("div", { class: "cz-suggestions", role: "group", "aria-label": t("Suggested colors, most likely first") });
  const empty = h("p", { class: "cz-hint" });
  const el = h("div", { class: "cz-suggesting" }, grid, empty);
  const make = (index) => {
    const take = (event) => {
      const item = pad.ui.suggestions?.items[index];
      if (item) pad.during(event, () => useItem(pad, item));
    };
    return h("button", { type: "button", class: "cz-suggestion", data: { role: "suggestion" }, on: { click: take } },
      h("span", { class: "cz-tile" }, icon("check")), h("span", { class: "cz-share" }));
  };
  const update = (target) => {
    const { suggestions } = pad.ui;
    const items = target.kind === "point" ? suggestions?.items ?? [] : [];
    show(el, setsPoints(pad, target) && (target.kind === "point" || pad.ui.tool === "point"));
    show(empty, items.length === 0);
    setText(empty, suggestionHint(pad, target));
    grid.classList.toggle("cz-stale", Boolean(suggestions?.stale));
    show(grid, items.length > 0);
    const ticked = nearestSuggestion(items, target);
    syncList(grid, items.length, make, (tile, index) => fillSuggestion(tile, items[index], index, target, index === ticked));
  };
  return { el, update };
}

function suggestionHint(pad, target) {
  if (target.kind !== "point") return clickOrTap("Click the photo to see likely colors for that spot.");
  if (pad.ui.suggestions) return t("This coloring model does not suggest colors.");
  return t("Finding likely colors …");
}

/** @returns {number} index of the suggestion that equals the color, or -1 */
function nearestSuggestion(items, { lightness, ab, free }) {
  if (free) return items.findIndex(({ color }) => color === labHex(lightness, ab));
  const distances = items.map((item) => abDistance(item.ab, ab));
  const least = Math.min(...distances);
  return least < SAME_DISTANCE ? distances.indexOf(least) : -1;
}

const lightnessOfItem = ({ color }, { free, lightness }) => (free ? rgbToLab(hexToRgb(color))[0] : lightness);

function fillSuggestion(tile, item, index, target, current) {
  tile.firstElementChild.style.background = item.color;
  setText(tile.lastElementChild, percentText(item.share));
  const words = t("{n}: {likely}, {hex}", { n: index + 1, likely: likelyText(item, lightnessOfItem(item, target)), hex: item.color });
  setAttr(tile, "aria-label", words);
  setAttr(tile, "aria-pressed", String(current));
  setAttr(tile, "title", words);
  tile.disabled = target.locked;
}
