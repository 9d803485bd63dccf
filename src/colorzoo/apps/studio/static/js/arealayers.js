/** Areas as layers. */

import { checkbox, h, setAttr, show, t } from "./dom.js";
import { areaName, changeArea, deleteArea, pickArea, pickedArea, setAreaAction, setAreaLightness } from "./shapeedits.js";
import { moved } from "./sorting.js";
import { AREA_ACTIONS, areaCenter, fillArea, followsColor } from "./shapes.js";

const ACTION_NAMES = { color: "Color fill", lock: "Protected from changes", gray: "Kept gray", only: "Edits limited to this area", thing: "Separately colored object" };

function createAreaDetails(pad) {
  const select = h("select", { class: "cz-input cz-select" }, ...AREA_ACTIONS.map((action) => h("option", { value: action }, t(ACTION_NAMES[action]))));
  select.addEventListener("change", () => setAreaAction(pad, Number(select.dataset.index), select.value));
  const lightness = createLightnessCheck(pad);
  const el = h("div", { class: "cz-layer-kind" }, select, lightness.el);
  const update = () => {
    const picked = pickedArea(pad);
    show(el, picked !== null);
    lightness.update();
    if (!picked) return;
    select.dataset.index = String(picked.index);
    setAttr(select, "aria-label", t("Effect of area {n}", { n: picked.index + 1 }));
    if (select.value !== picked.area.action) select.value = picked.area.action;
  };
  return { el, update };
}

const STAGES = ["thing", "color", "gray", "only", "lock"]; // order in which areas apply; areas of one action apply in the order of the recipe
const ORDERED = ["color", "lock"]; // actions for which later areas override earlier areas
const AREA_GRAY = "#9a9a9a"; // thumbnail color of areas without a color
const MOST_FEATHER = 40; // pixels of the network

const featherPatch = (pad, value) => ({ feather: value > 0 ? Math.round(10 * value * pad.perNetworkPixel()) / 10 : undefined });

/** Feather of the selected area in the bar with the options of the tool. */
export function createFeatherOption(pad, createSlider) {
  const change = (value, done) => {
    const { area, index } = pickedArea(pad);
    changeArea(pad, index, { ...area, ...featherPatch(pad, value) }, t("feather"), done);
  };
  const slider = createSlider(t("Feather"), 0, MOST_FEATHER, change, t("Softness of the edge of the area"));
  const update = () => {
    const picked = pickedArea(pad);
    show(slider.el, pad.ui.tool === "area" && picked !== null);
    const feather = picked?.area.feather ?? 0;
    if (picked) slider.update(Math.round(feather / pad.perNetworkPixel()), false, featherText(feather));
  };
  return { el: slider.el, update };
}

const featherText = (feather) => (feather > 0 ? t("{n} pixels", { n: Math.round(feather) }) : t("0 pixels, snaps to edges"));

function layersOfAreas(pad) {
  const { areas } = pad.doc;
  const picked = pickedArea(pad)?.index;
  const numbers = STAGES.flatMap((action) => [...areas.keys()].filter((index) => areas[index].action === action));
  return numbers.map((index) => {
    const area = areas[index];
    const { action } = area;
    const peers = ORDERED.includes(action) ? numbers.filter((other) => areas[other].action === action) : [index];
    const position = peers.indexOf(index);
    return {
      ...describeArea(pad, area, index),
      draw: (context, scale) => fillArea(context, area, pad.photo, scale, area.color ?? AREA_GRAY),
      picked: picked === index,
      above: peers.length - 1 - position,
      below: position,
      pick: () => {
        pickArea(pad, index);
        pad.revealPlace(...areaCenter(area, pad.photo));
      },
      change: (patch, label, done) => changeArea(pad, index, { ...pad.doc.areas[index], ...patch }, label, done),
      move: (steps) => {
        const order = moved(peers, position, position + steps);
        const reordered = areas.map((other, number) => (peers.includes(number) ? areas[order[peers.indexOf(number)]] : other));
        pickArea(pad, peers[position + steps]);
        pad.edit({ ...pad.doc, areas: reordered }, t("move a layer"));
      },
      remove: () => deleteArea(pad, index),
    };
  });
}

/** @returns texts and settings of the layer of an area */
function describeArea(pad, area, index) {
  const { action, color = null, hidden = false, opacity = 1, feather = 0, name: named } = area;
  const n = index + 1;
  const value = Math.round(feather / pad.perNetworkPixel());
  return {
    label: t("area {n}", { n }),
    name: areaName(pad, index),
    title: t(ACTION_NAMES[action]),
    detail: [t("Area {n}", { n }), color].filter(Boolean).join(" · "),
    swatches: [color],
    named,
    source: area,
    hidden,
    opacity,
    edge: { value, most: MOST_FEATHER, text: featherText(feather), patch: (changed) => featherPatch(pad, changed) },
  };
}

/** @type {import("./layers.js").LayerKind} */
export const AREA_LAYERS = { list: "areas", layersOf: layersOfAreas, createDetails: createAreaDetails };

function createLightnessCheck(pad) {
  const { el, box } = checkbox(t("Also change brightness"), (checked) => setAreaLightness(pad, checked), t("Change the brightness of the photo in this area to the brightness of the color"));
  const update = () => {
    const { area } = pickedArea(pad) ?? {};
    show(el, area?.action === "color");
    box.checked = Boolean(area && followsColor(area));
  };
  return { el, update };
}
