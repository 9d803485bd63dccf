/** The panel of areas: what becomes of the thing that is selected, and the list of areas. */

import { section } from "./colorpanel.js";
import { runCommand } from "./commands.js";
import { button, h, setAttr, setText, show, syncList, t } from "./dom.js";
import { flagButton } from "./modepanels.js";
import { ZONE_SIZES, addZone, deleteZone, pickZone, pickedZone, resizePending, setZoneAction, setZoneLightness, usesThings, zoneName } from "./zoneedits.js";
import { ZONE_ACTIONS, followsColor, zoneCenter } from "./zones.js";

const ZONE_WORDS = { color: "Give it a color", lock: "Lock it", gray: "Keep it gray", only: "Change only this", thing: "A thing of its own" };
const ZONE_NAMES = { color: "Color", lock: "Locked", gray: "Gray", only: "Only this", thing: "Thing" };

/** @param {any} pad @returns {{el: HTMLElement, update: () => void}} */
function createZonesPanel(pad) {
  const take = button({ text: t("Select a thing"), label: t("Select a thing: click it, or draw around it"), key: "T", className: "cz-wide", onClick: (event) => runCommand(pad, "tool-area", event) });
  const words = h("p", { class: "cz-hint" });
  const rows = h("ol", { class: "cz-hints", "aria-label": t("Areas") });
  const lightness = createFollows(pad);
  const el = section(t("Areas"), take, words, rows, lightness.el);
  const update = () => {
    const held = pad.ui.tool === "area";
    show(take, !held);
    take.disabled = !pad.photo;
    show(words, held);
    setText(words, zoneHint(pad));
    syncList(rows, pad.doc.areas.length, () => zoneRow(pad), (row, index) => fillZone(pad, row, index));
    lightness.update();
  };
  return { el, update };
}

function zoneHint(pad) {
  if (pad.ui.pending) return t("Shift adds to it, Ctrl takes away.");
  return t("Click a thing, or draw around it roughly.");
}

/** What becomes of the thing that is selected. @param {any} pad @returns {{el: HTMLElement, update: () => void}} */
function createPendingPanel(pad) {
  const choose = (action) => button({ text: t(ZONE_WORDS[action]), label: t(ZONE_WORDS[action]), className: "cz-wide", onClick: () => addZone(pad, action) });
  const actions = ZONE_ACTIONS.map((action) => {
    const made = choose(action);
    made.dataset.zoneAction = action;
    return made;
  });
  const less = button({ text: t("Less"), label: t("Select less"), className: "cz-wide", onClick: () => resizePending(pad, -1) });
  const more = button({ text: t("More"), label: t("Select more"), className: "cz-wide", onClick: () => resizePending(pad, 1) });
  const about = h("p", { class: "cz-hint" });
  const size = h("div", { class: "cz-row", role: "group", "aria-label": t("How much is selected") }, less, more);
  const forget = button({ text: t("Select nothing"), label: t("Select nothing"), key: "Esc", className: "cz-wide", onClick: () => pad.set({ pending: null }) });
  const el = section(t("Selected thing"), size, ...actions, about, forget);
  const update = () => {
    const made = pad.ui.pending?.made;
    show(el, Boolean(made));
    show(size, Boolean(made?.at));
    show(actions[ZONE_ACTIONS.indexOf("thing")], usesThings(pad));
    show(about, usesThings(pad));
    setText(about, thingWords(pad));
    less.disabled = made?.size === ZONE_SIZES[0];
    more.disabled = made?.size === ZONE_SIZES.at(-1);
  };
  return { el, update };
}

/** What the model does with a thing of its own. */
function thingWords(pad) {
  const words = { boxes: t("A thing of its own is colored by itself as well."), scribbles: t("No color crosses the border of a thing of its own.") };
  return Object.keys(words).filter((kind) => pad.accepts(kind)).map((kind) => words[kind]).join(" ");
}

function zoneRow(pad) {
  const main = h("button", { type: "button", class: "cz-hint-main" }, h("span", { class: "cz-hint-number" }), h("span", { class: "cz-swatch" }));
  const select = h("select", { class: "cz-input cz-select" }, ...ZONE_ACTIONS.map((action) => h("option", { value: action }, t(ZONE_NAMES[action]))));
  select.addEventListener("change", () => setZoneAction(pad, Number(select.dataset.index), select.value));
  const remove = button({ icon: "trash", label: "-", className: "cz-ghost cz-small", onClick: () => {} });
  return h("li", { class: "cz-hint-row cz-area-row" }, main, select, remove);
}

function fillZone(pad, row, index) {
  const [main, select, remove] = row.children;
  const zone = pad.doc.areas[index];
  const name = zoneName(pad, index);
  setText(main.firstElementChild, String(index + 1));
  main.lastElementChild.style.background = zone.color ?? "";
  main.lastElementChild.style.visibility = zone.color ? "" : "hidden";
  setAttr(main, "aria-label", name);
  setAttr(main, "aria-pressed", String(pickedZone(pad)?.index === index));
  main.onclick = () => {
    pickZone(pad, index);
    pad.revealPlace(...zoneCenter(zone, pad.photo));
  };
  select.dataset.index = String(index);
  setAttr(select, "aria-label", t("What becomes of area {n}", { n: index + 1 }));
  if (select.value !== zone.action) select.value = zone.action;
  flagButton(remove, false, null, ["trash", t("Delete area {n}", { n: index + 1 })], () => deleteZone(pad, index));
}

/** Whether the lightness of the picked area follows its color: for burnt skies and white shirts. */
function createFollows(pad) {
  const box = h("input", { type: "checkbox" });
  const el = h("label", { class: "cz-check" }, box, h("span", {}, t("Its lightness follows the color")));
  box.addEventListener("change", () => setZoneLightness(pad, box.checked));
  const update = () => {
    const { zone } = pickedZone(pad) ?? {};
    show(el, zone?.action === "color");
    box.checked = Boolean(zone && followsColor(zone));
  };
  return { el, update };
}

export { createPendingPanel, createZonesPanel };
