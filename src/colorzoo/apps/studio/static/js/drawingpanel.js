/** Panel with the settings of a drawing. */

import { parseColor, rgbToHex } from "./color.js";
import { showHeldResult } from "./coloring.js";
import { listenToField } from "./colorpanel.js";
import { keyLabel, runCommand } from "./commands.js";
import { button, checkbox, h, section, setAttr, setText, show, syncList, t } from "./dom.js";
import { deleteDivision, drawingSettings, heldResult, withDrawing } from "./drawing.js";
import { similarRegions } from "./filling.js";
import { LONE_TOOLS } from "./tools.js";

const MOST_GAP = 40;
const MOST_SPECKS = 20; // hundredths of a percent
const MOST_COLORS = 64;


/** Settings of the regions and of their automatic colors. */
export function createDrawingPanel(pad, createSlider) {
  const gap = createSlider(t("Close gaps in lines"), 0, MOST_GAP, (value, done) => {
    pad.hold(withDrawing(pad, { gap: value }));
    if (done) pad.commit(t("close gaps"));
    pad.changed();
  }, t("Width of the largest gap to close, in pixels of an image with a shorter side of 1,000"));
  const specks = createSlider(t("Clean up specks"), 0, MOST_SPECKS, (value, done) => {
    pad.hold(withDrawing(pad, { specks: value / 100 }));
    if (done) pad.commit(t("clean up specks"));
    pad.changed();
  }, t("Area below which regions join a neighbor, in percent of the image"));
  const palette = h("input", { class: "cz-input", type: "text", spellcheck: "false", autocomplete: "off", "aria-label": t("Use only these colors"), placeholder: "#f0c8a0, #304080" });
  const shading = checkbox(t("Soft shading"), (checked) => pad.edit(withDrawing(pad, { shading: checked }), t("soft shading")), t("Multiply all regions except blank paper by a soft gray"));
  const field = h("label", { class: "cz-field", title: t("Separate colors by spaces or commas. Without colors, all colors are used.") }, h("span", {}, t("Use only these colors")), palette);
  palette.addEventListener("change", () => applyPalette(pad, palette));
  listenToField(pad, palette);
  const holds = checkbox(t("Outline changes of other regions first"), (checked) => {
    pad.setSetting("holdsChanges", checked);
    if (!checked) showHeldResult(pad);
  }, t("Other regions change only after you have approved the change"));
  const el = section(t("Drawing"), gap.el, specks.el, field, shading.el, holds.el);
  const update = () => {
    const settings = drawingSettings(pad);
    show(el, pad.fills() && !LONE_TOOLS.includes(pad.ui.tool));
    gap.update(settings.gap, !pad.photo, String(settings.gap));
    specks.update(100 * settings.specks, !pad.photo, `${settings.specks} %`);
    shading.box.checked = settings.shading;
    holds.box.checked = Boolean(pad.settings.holdsChanges);
    if (palette !== /** @type {Document} */ (pad.root.getRootNode()).activeElement) palette.value = settings.palette.join(", ");
  };
  return { el, update };
}

function applyPalette(pad, input) {
  const words = input.value.split(/[\s,;]+/).filter(Boolean);
  const colors = words.map((word) => parseColor(word));
  const isValid = !colors.includes(null) && colors.length <= MOST_COLORS;
  setAttr(input, "aria-invalid", isValid ? null : "true");
  if (!isValid) return pad.toast(t("Enter at most {most} colors such as #c04020, separated by spaces.", { most: MOST_COLORS }), "error");
  pad.edit(withDrawing(pad, { palette: colors.map(rgbToHex) }), t("palette"));
}

/** Switch in the bar above a drawing: whether a fill also changes other regions. */
export function createUpdatesOption(pad) {
  const hint = t("Off: a fill changes only its own region, and all others keep their colors ({key})", { key: "F" });
  const { el, box } = checkbox(t("Update other regions"), () => runCommand(pad, "updates"), hint);
  const update = () => {
    show(el, pad.fills() && Boolean(pad.photo) && ["fill", "same", "lasso", "enclosed", "point", "eraser"].includes(pad.ui.tool));
    box.checked = !pad.doc.drawing?.base_points;
  };
  return { el, update };
}

/** Offer to apply a change of other regions, or to keep their colors from now on. */
export function createHeldOption(pad) {
  const apply = button({ text: "-", className: "cz-small", onClick: (event) => runCommand(pad, "apply-changes", event), action: "apply-changes" });
  const keep = button({ text: t("Keep colors"), label: t("Keep the colors of other regions"), key: "F", className: "cz-small cz-ghost", onClick: (event) => runCommand(pad, "updates", event), action: "keep-colors" });
  const el = h("div", { class: "cz-similar cz-held", role: "status" }, apply, keep);
  const update = () => {
    const held = heldResult(pad);
    show(el, held !== null);
    if (!held) return;
    const n = held.regions.length;
    const words = n === 1 ? t("1 other region would change: apply") : t("{n} other regions would change: apply", { n });
    setText(apply.querySelector(".cz-btn-text"), matchMedia("(pointer: coarse)").matches ? words : `${words} (${keyLabel("u")})`);
  };
  return { el, update };
}

/** Offer to fill the regions that are similar to the last filled region. */
export function createSimilarOption(pad) {
  const apply = button({ text: "-", className: "cz-small", onClick: (event) => runCommand(pad, "similar", event), action: "similar" });
  const close = button({ icon: "close", label: t("Close"), className: "cz-small cz-ghost", onClick: () => pad.set({ similar: null }) });
  const el = h("div", { class: "cz-similar", role: "status" }, apply, close);
  const update = () => {
    const similar = similarRegions(pad);
    show(el, similar !== null);
    if (!similar) return;
    const n = similar.places.length;
    const words = n === 1 ? t("1 similar region: apply") : t("{n} similar regions: apply", { n });
    const text = matchMedia("(pointer: coarse)").matches ? words : `${words} (${keyLabel("enter")})`;
    setText(apply.querySelector(".cz-btn-text"), text);
    setAttr(apply, "title", t("Give them the color {hex}", { hex: similar.color }));
  };
  return { el, update };
}

/** List of the lines that split and join regions; a click shows the line on the drawing. */
export function createDivisionsPanel(pad) {
  const rows = h("ol", { class: "cz-hints" });
  const el = section(t("Splits and joins"), rows);
  const pick = (index) => {
    const isPicked = pad.ui.division === index;
    pad.set({ division: isPicked ? null : index, selected: null, area: null, coat: null, suggestions: null });
    if (!isPicked) pad.revealPlace(...pad.doc.divisions[index].path[0]);
  };
  const make = (index) => {
    const words = h("span", { class: "cz-hint-words" }, h("span"));
    const main = h("button", { type: "button", class: "cz-hint-main", on: { click: () => pick(index) } }, h("span", { class: "cz-swatch cz-swatch-line" }), words);
    return h("li", { class: "cz-hint-row" }, main, button({ icon: "trash", label: "-", className: "cz-ghost cz-small", onClick: () => deleteDivision(pad, index) }));
  };
  const update = () => {
    const divisions = pad.fills() ? pad.doc.divisions : [];
    show(el, divisions.length > 0);
    syncList(rows, divisions.length, make, (row, index) => {
      const { join, closed } = divisions[index];
      const n = index + 1;
      const name = join ? t("Join {n}", { n }) : closed ? t("Added region {n}", { n }) : t("Split {n}", { n });
      const [main, trash] = row.children;
      setText(main.querySelector(".cz-hint-words").firstElementChild, name);
      setAttr(main, "aria-pressed", String(index === pad.ui.division));
      setAttr(trash, "aria-label", t("Delete {name}", { name }));
      setAttr(trash, "title", t("Delete {name}", { name }));
    });
  };
  return { el, update };
}
