/**
 * The list of layers: areas, replaced colors and paint in the order in which they apply, the last one on top.
 *
 * @typedef {{value: number, most: number, text: string, patch: (value: number) => object}} LayerEdge  how soft its edge is, on a slider from 0
 * @typedef {{label: string, name: string, title: string, named?: string, detail: string, swatches: (string | null)[], source?: object, draw?: (context: CanvasRenderingContext2D, scale: number) => void,
 *   picked: boolean, hidden: boolean, opacity: number, edge: LayerEdge | null, above: number, below: number, pick: () => void, change: (patch: object, label: string, done: boolean) => void,
 *   move: (steps: number) => void, remove: () => void}} Layer  label: its name within a sentence; named: the name that the user gave it; above and below:
 *   how many layers of its kind are there; move: by steps, upward if positive; a swatch without color is empty; draw: draws its thumbnail from its source
 * @typedef {{list: string, layersOf: (pad: any) => Layer[], createDetails?: (pad: any, createSlider: any) => import("./dom.js").Part}} LayerKind
 *   its list in the recipe, its layers, the lowest first, and what else the selected one offers
 */

import { clamp } from "./color.js";
import { OVERLAYS } from "./document.js";
import { button, h, section, setAttr, setText, show, syncList, t } from "./dom.js";
import { createSlider, flagButton } from "./panels.js";
import { sortRows } from "./sorting.js";
import { TOOLS } from "./tools.js";

const APPLIED = ["areas", ...Object.keys(OVERLAYS)]; // recipe fields from the bottom layer to the top layer

/** @type {LayerKind[]} */
const LAYER_KINDS = TOOLS.flatMap(({ layers }) => layers ?? []).sort((one, other) => APPLIED.indexOf(one.list) - APPLIED.indexOf(other.list));

export function createLayersPanel(pad) {
  const rows = h("ol", { class: "cz-hints cz-layers", "aria-label": t("Layers, from top to bottom") });
  /** @type {Layer[]} */
  let layers = [];
  sortRows(rows, (from, to) => {
    const { above, below, move } = layers[from];
    const steps = clamp(from - to, -below, above);
    if (steps) move(steps);
    return from - steps;
  });
  const details = createLayerDetails(pad);
  const el = section(t("Layers"), rows, details.el);
  const update = () => {
    layers = pad.photo ? LAYER_KINDS.flatMap(({ layersOf }) => layersOf(pad)).reverse() : [];
    show(el, layers.length > 0);
    if (pad.ui.tab === "layers") syncList(rows, layers.length, () => layerRow(), (row, index) => fillLayer(pad, row, layers[index]));
    details.show(layers.find(({ picked }) => picked) ?? null);
  };
  return { el, update };
}

const THUMBNAIL = [40, 30]; // CSS pixels

function layerRow() {
  const [width, height] = THUMBNAIL;
  const thumbnail = h("canvas", { class: "cz-layer-thumbnail", width: 2 * width, height: 2 * height, "aria-hidden": "true" });
  const main = h("button", { type: "button", class: "cz-hint-main" }, thumbnail, h("span", { class: "cz-layer-swatches" }), h("span", { class: "cz-hint-words" }, h("span"), h("small")));
  const opacity = h("input", { type: "range", class: "cz-layer-opacity", min: 0, max: 100 });
  const small = (name) => button({ icon: name, label: "-", className: "cz-ghost cz-small", onClick: () => {} });
  return h("li", { class: "cz-hint-row" }, main, opacity, small("eye"), small("trash"));
}

function fillLayer(pad, row, layer) {
  const { label, name, title, named, detail, swatches, draw, picked, hidden, opacity, pick, change, remove } = layer;
  const [main, slider, eye, trash] = /** @type {any} */ (row.children);
  const [thumbnail, colors, words] = main.children;
  show(thumbnail, Boolean(draw));
  show(colors, !draw);
  if (draw) drawThumbnail(pad, thumbnail, layer);
  syncList(colors, draw ? 0 : swatches.length, () => h("span", { class: "cz-swatch" }), (swatch, index) => {
    swatch.style.background = swatches[index] ?? "";
    swatch.classList.toggle("cz-swatch-none", !swatches[index]);
  });
  const share = opacity < 1 ? t("{share} %", { share: Math.round(100 * opacity) }) : "";
  setText(words.firstChild, named ?? title);
  setText(words.lastChild, [detail, share].filter(Boolean).join(" · "));
  setAttr(main, "aria-label", [name, named, share, hidden ? t("hidden") : ""].filter(Boolean).join(", "));
  setAttr(main, "aria-pressed", String(picked));
  row.classList.toggle("cz-layer-hidden", hidden);
  main.onclick = pick;
  setAttr(slider, "aria-label", t("Opacity of {layer}", { layer: label }));
  setAttr(slider, "title", t("Opacity: {share} %", { share: Math.round(100 * opacity) }));
  slider.value = String(Math.round(100 * opacity));
  slider.oninput = () => change({ opacity: Number(slider.value) / 100 }, t("layer opacity"), false);
  slider.onchange = () => change({ opacity: Number(slider.value) / 100 }, t("layer opacity"), true);
  const toggleHidden = () => change({ hidden: hidden ? undefined : true }, hidden ? t("show a layer") : t("hide a layer"), true);
  flagButton(eye, hidden, ["eyeoff", t("Show {layer}", { layer: label })], ["eye", t("Hide {layer}", { layer: label })], toggleHidden);
  flagButton(trash, false, null, ["trash", t("Delete {layer}", { layer: label })], remove);
}

/** Draw the gray photo with the layer over it, if either has changed. */
function drawThumbnail(pad, canvas, { source, draw }) {
  const { gray, width, height } = pad.photo;
  if (canvas.source === source && canvas.photo === pad.photo) return;
  Object.assign(canvas, { source, photo: pad.photo });
  const context = canvas.getContext("2d");
  const scale = Math.min(canvas.width / width, canvas.height / height);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.translate((canvas.width - width * scale) / 2, (canvas.height - height * scale) / 2);
  context.drawImage(gray.bitmap, 0, 0, width * scale, height * scale);
  draw(context, scale);
}

/** Controls of the selected layer. @returns {{el: HTMLElement, show: (layer: Layer | null) => void}} */
function createLayerDetails(pad) {
  /** @type {Layer | null} */
  let shown = null;
  const rename = () => shown?.change({ name: title.value.trim() || undefined }, t("rename a layer"), true);
  const title = h("input", { class: "cz-input", type: "text", maxlength: 40, "aria-label": t("Name of the layer"), on: { change: rename } });
  const naming = h("label", { class: "cz-field" }, h("span", {}, t("Name")), title);
  const edge = createSlider(t("Feather"), 0, 100, (value, done) => shown?.edge && shown.change(shown.edge.patch(value), t("feather"), done), t("Softness of the edge of the layer"));
  const up = button({ icon: "up", text: t("Move up"), label: t("Move the layer up"), key: "Alt+↑", className: "cz-wide", onClick: () => shown?.move(1) });
  const down = button({ icon: "down", text: t("Move down"), label: t("Move the layer down"), key: "Alt+↓", className: "cz-wide", onClick: () => shown?.move(-1) });
  const order = h("div", { class: "cz-row", role: "group", "aria-label": t("Stacking order") }, up, down);
  const kinds = LAYER_KINDS.flatMap(({ createDetails }) => (createDetails ? [createDetails(pad, createSlider)] : []));
  const el = h("div", { class: "cz-layer-details", role: "group" }, naming, ...kinds.map((kind) => kind.el), edge.el, order);
  const name = ({ el: field }, words) => setAttr(field.lastElementChild, "aria-label", words);
  return {
    el,
    show: (layer) => {
      shown = layer;
      show(el, layer !== null);
      for (const kind of kinds) kind.update();
      if (!layer) return;
      setAttr(el, "aria-label", layer.name);
      if (title !== title.ownerDocument.activeElement) title.value = layer.named ?? "";
      setAttr(title, "placeholder", layer.title);
      show(edge.el, layer.edge !== null);
      if (layer.edge) {
        setAttr(edge.el.lastElementChild, "max", layer.edge.most);
        edge.update(layer.edge.value, false, layer.edge.text);
        name(edge, t("Feather of {layer}", { layer: layer.label }));
      }
      show(order, layer.above + layer.below > 0);
      up.disabled = layer.above === 0;
      down.disabled = layer.below === 0;
    },
  };
}
