/** Comparison of likely colors for an area or point: small images of the result with each color. */

import { colorName } from "./color.js";
import { currentRecipe } from "./recipe.js";
import { changePoint, withoutPoint } from "./document.js";
import { createCanvas, h, section, setAttr, setText, show, syncList, t } from "./dom.js";
import { colorTarget, useItem } from "./edits.js";
import { decodeLayer } from "./pixels.js";
import { pickedArea } from "./shapeedits.js";
import { areaBounds, areaCenter } from "./shapes.js";

const MOST_VARIANTS = 6;
const VARIANT_SIZE = [240, 144]; // pixels of a small image
const AROUND = 0.4; // margin around an area, as a fraction of its size
const AROUND_POINT = 0.22; // margin around a point, as a fraction of the shorter side of the photo

/** @typedef {{of: string, items: {color: string, ab: [number, number], share: number, image: HTMLCanvasElement}[], busy: boolean}} Variants */

/** @returns {{of: string, at: [number, number], around: number[], without: any, colored: (item: any) => any} | null} the point or area to recolor */
function variantTarget(pad) {
  const { doc, photo } = pad;
  const kind = photo ? colorTarget(pad).kind : "none";
  if (kind === "area") {
    const { area, index } = pickedArea(pad);
    const [left, top, right, bottom] = areaBounds(area, photo);
    const [dx, dy] = [AROUND * (right - left), AROUND * (bottom - top)];
    return {
      of: `area ${index} ${doc.model}`, at: areaCenter(area, photo), around: [left - dx, top - dy, right + dx, bottom + dy], without: { ...doc, areas: doc.areas.toSpliced(index, 1) },
      colored: ({ color }) => ({ ...doc, areas: doc.areas.with(index, { ...area, color }) }),
    };
  }
  const point = kind === "point" ? pad.selectedPoint() : null;
  if (!point || point.locked) return null;
  const room = AROUND_POINT * Math.min(photo.width, photo.height);
  return {
    of: `point ${point.id} ${doc.model}`, at: [point.x, point.y], around: [point.x - room, point.y - room, point.x + room, point.y + room], without: withoutPoint(doc, point.id),
    colored: ({ ab, color }) => changePoint(doc, point.id, { ab, hex: color, byHex: false, untouched: false, wanted: undefined }),
  };
}

export async function requestVariants(pad) {
  const target = variantTarget(pad);
  if (!target) return;
  const [x, y] = target.at;
  const variants = { of: target.of, items: [], busy: true };
  const goesOn = () => pad.ui.variants === variants && variantTarget(pad)?.of === target.of;
  pad.set({ variants });
  const reply = await pad.ask({ type: "suggest", recipe: currentRecipe(pad, target.without), x, y, count: MOST_VARIANTS });
  await colorVariants(pad, reply?.message.items ?? [], { ...target, ask: (message) => pad.ask(message) }, variants.items, goesOn);
  variants.busy = false;
  if (goesOn()) {
    pad.announce(variants.items.length ? t("{n} colors to choose from", { n: variants.items.length }) : t("This coloring model does not suggest colors."));
    pad.set({ variants: variants.items.length ? variants : null });
    if (!variants.items.length) pad.toast(t("This coloring model does not suggest colors."));
  } else if (pad.ui.variants === variants) pad.set({ variants: null });
}

/**
 * Color the photo with each color in turn.
 * @param {{color: string, ab: [number, number], share: number}[]} items the colors
 * @param {{colored: (item: any) => any, around: number[], size?: [number, number], ask: (message: object) => Promise<any>}} target document with a color, what to show of the photo in which size, and the function that sends the request
 * @param {Variants["items"]} made called with the finished images @param {() => boolean} goesOn whether to continue
 */
export async function colorVariants(pad, items, target, made, goesOn) {
  const { colored, around, ask, size = /** @type {[number, number]} */ (VARIANT_SIZE) } = target;
  const { photo } = pad;
  for (const item of items) {
    if (!goesOn()) break;
    const answer = await ask({ type: "color", recipe: currentRecipe(pad, colored(item)), quality: "drag" });
    if (!answer || !goesOn()) break;
    const layer = await decodeLayer(answer.buffers[0], answer.message.mime);
    made.push({ ...item, image: variantImage(layer, around, size, photo) });
    layer.bitmap.close();
    pad.changed();
  }
}

/** Cut the surroundings out of a small image. @param {number[]} around left, top, right and bottom in pixels of the photo */
function variantImage(layer, around, [width, height], photo) {
  const [left, top, right, bottom] = around;
  const canvas = createCanvas(width, height);
  const scale = Math.max(1e-6, Math.min(width / (right - left), height / (bottom - top))) / (layer.width / photo.width);
  const shown = [width / scale, height / scale];
  const clampTo = (middle, size, most) => (size >= most ? (most - size) / 2 : Math.max(0, Math.min(middle - size / 2, most - size)));
  const x = clampTo(((left + right) / 2 / photo.width) * layer.width, shown[0], layer.width);
  const y = clampTo(((top + bottom) / 2 / photo.height) * layer.height, shown[1], layer.height);
  canvas.getContext("2d").drawImage(layer.bitmap, x, y, shown[0], shown[1], 0, 0, width, height);
  return canvas;
}

export function createVariantsPanel(pad) {
  const grid = h("div", { class: "cz-variants", role: "group", "aria-label": t("The result with other colors, most likely first") });
  const el = section(t("Other colors"), grid);
  const make = (index) => {
    const use = () => {
      const item = pad.ui.variants?.items[index];
      if (item) useItem(pad, item);
    };
    return createTile("variant", use);
  };
  let seen = 0;
  const update = () => {
    const target = variantTarget(pad);
    const { variants } = pad.ui;
    const current = target && variants?.of === target.of ? variants : null;
    const items = current?.items ?? [];
    show(el, items.length > 0);
    syncList(grid, items.length, make, (tile, index) => fillVariant(tile, items[index], index, colorTarget(pad).lightness));
    if (items.length > seen) el.scrollIntoView({ block: "nearest" }); // the list may open below the visible part of the panel
    seen = items.length;
  };
  return { el, update };
}

export const createTile = (role, use) => h("button", { type: "button", class: "cz-purpose", data: { role }, on: { click: use } }, h("span", { class: "cz-purpose-image" }), h("small", {}));

export const percentText = (share) => `${share < 0.01 ? "<1" : Math.round(share * 100)}\u00a0%`; // the space does not break the line

/** @returns {string} such as "Warm gray" */
function capitalizedName({ ab }, lightness) {
  const name = colorName(lightness, ab);
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** @returns {string} such as "Warm gray, 63 % likely" */
export const likelyText = (item, lightness) => t("{name}, {share} likely", { name: capitalizedName(item, lightness), share: percentText(item.share) });

/** @param {string} [title] visible text; number and name of the color by default */
export function fillVariant(tile, item, index, lightness, title) {
  const [frame, words] = tile.children;
  if (frame.firstElementChild !== item.image) frame.replaceChildren(item.image);
  if (!item.ab) {
    setText(words, title);
    return setAttr(tile, "aria-label", title);
  }
  const name = capitalizedName(item, lightness);
  setText(words, title ?? t("Color {n}: {name}", { n: index + 1, name: colorName(lightness, item.ab) }));
  setAttr(tile, "aria-label", t("{n}: {name}, {hex}", { n: index + 1, name, hex: item.color }));
}

export const canVary = (pad) => variantTarget(pad) !== null && pad.accepts("points") && !pad.ui.variants?.busy;
