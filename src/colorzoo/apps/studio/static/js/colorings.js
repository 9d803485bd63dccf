/** Likely colorings of a photo without hints. A click on a coloring adds the point that produces it. */

import { colorName } from "./color.js";
import { currentRecipe } from "./recipe.js";
import { hasWork, nextId } from "./document.js";
import { button, h, section, setAttr, setText, show, syncList, t } from "./dom.js";
import { insideOf } from "./border.js";
import { drawingSettings, withDrawing } from "./drawing.js";
import { LONE_TOOLS } from "./tools.js";
import { colorVariants, createTile, fillVariant } from "./variants.js";

/** @typedef {{x: number, y: number, lightness: number, items: import("./variants.js").Variants["items"]}} Colorings */

/** @param {import("./document.js").Doc} doc @returns {boolean} whether the document contains color edits; healing and cropping do not count */
const isBegun = (doc) => hasWork({ ...doc, healing: [], crop: null, drawing: null });

/** @param {Colorings} colorings @returns {(item: any) => any} function that returns the document with the color of an item at the most informative position */
function colored(pad, colorings) {
  const { x, y } = colorings;
  const { size } = pad.ui;
  if (pad.fills()) return ({ variant }) => withDrawing(pad, { variant });
  return ({ ab, color }) => ({ ...pad.doc, points: [{ id: nextId(pad.doc.points), x, y, size, ab, hex: color, reach: "everywhere" }] });
}

/** @param {{x: number, y: number, items: any[]}} colorings @returns {number} index of the applied coloring, or -1 */
function appliedColoring(pad, colorings) {
  const { x, y, items } = colorings;
  if (pad.fills()) return items.findIndex(({ variant }) => variant === drawingSettings(pad).variant);
  const [point, ...more] = pad.doc.points;
  if (!point || more.length || point.x !== x || point.y !== y) return -1;
  return items.findIndex(({ color }) => color === point.hex);
}

/** Apply a coloring, or remove the applied coloring. @param {Colorings} colorings @param {number} index */
function toggleColoring(pad, colorings, index) {
  const item = colorings.items[index];
  if (pad.fills()) {
    pad.edit(colored(pad, colorings)(item), t("use suggested version"));
    return pad.announce(t("{name} applied", { name: t("Version {n}", { n: index + 1 }) }));
  }
  const isApplied = appliedColoring(pad, colorings) === index;
  pad.set({ selected: null, suggestions: null });
  pad.edit(isApplied ? { ...pad.doc, points: [] } : colored(pad, colorings)(item), t("use suggested version"));
  pad.announce(isApplied ? t("Automatic colors") : t("{name} applied", { name: colorName(colorings.lightness, item.ab) }));
}

/** @type {WeakMap<object, number>} */
const numbers = new WeakMap();
let lastNumber = 0;

/** @param {object} part immutable part of a document @returns {number} number that identifies the part, also after it was undone */
function numberOf(part) {
  if (!numbers.has(part)) numbers.set(part, ++lastNumber);
  return /** @type {number} */ (numbers.get(part));
}

const COLORINGS = 4;
const COLORING_SIDE = 240; // pixels of the longer side of a small image

/** @returns {[number, number]} */
function fittedSize(width, height) {
  const scale = COLORING_SIDE / Math.max(width, height);
  return [Math.round(width * scale), Math.round(height * scale)];
}

/** @returns {boolean} whether versions are suggested: for every drawing, and for photos without color edits */
const isOffered = (pad) => pad.fills() || !isBegun(pad.doc);

/** @returns {string} key of the photo, the model and the edits that the suggested versions depend on */
function searchKey(pad) {
  const parts = [pad.photo?.image.sha256, pad.model()?.name, JSON.stringify({ ...pad.doc.drawing, variant: 0 })];
  if (pad.fills()) parts.push(numberOf(pad.doc.points), numberOf(pad.doc.divisions));
  return parts.join(" ");
}

/**
 * State of the search for colorings; `key` is the result of `searchKey` at its start, or empty.
 * @typedef {{key: string, colorings: Colorings | null, isEmpty: boolean}} Search
 */

/** Request the likely colorings and a small image of each coloring. @param {Search} search updated while results arrive */
async function findColorings(pad, search) {
  const key = searchKey(pad);
  Object.assign(search, { key, colorings: null, isEmpty: false });
  const goesOn = () => search.key === key && searchKey(pad) === key && isOffered(pad) && pad.state() === "ready";
  const ask = (message) => pad.askQuietly(message);
  const reply = await ask({ type: "colorings", recipe: currentRecipe(pad) });
  if (search.key !== key) return;
  if (!reply) { // a newer request replaced this request; request again after the next change
    search.key = "";
    return;
  }
  const { items } = reply.message;
  search.isEmpty = items.length === 0;
  if (search.isEmpty) return pad.changed();
  /** @type {Colorings} */
  const colorings = { ...reply.message, items: [] };
  search.colorings = colorings;
  const { x, y, width, height } = insideOf(pad) ?? { x: 0, y: 0, ...pad.photo };
  await colorVariants(pad, items, { colored: colored(pad, colorings), around: [x, y, x + width, y + height], size: fittedSize(width, height), ask }, colorings.items, goesOn);
  if (search.key === key && colorings.items.length < items.length) search.key = ""; // an edit was made in the meantime; request again after it is undone
}

export function createColoringsPanel(pad) {
  const grid = h("div", { class: "cz-variants cz-colorings", role: "group", "aria-label": t("Versions of the photo with other colors, most likely first") });
  const el = section(t("Suggested versions"), grid);
  el.classList.add("cz-coloring-versions");
  // each version of a drawing is a prediction, so they are closed after the first edit until the user opens them
  const isOpen = () => !pad.fills() || (pad.settings.versions ?? !isBegun(pad.doc));
  const toggle = button({ text: t("Suggested versions"), action: "versions", className: "cz-heading cz-disclosure", onClick: () => pad.setSetting("versions", !isOpen()) });
  el.prepend(toggle);
  /** @type {Search} */
  const search = { key: "", colorings: null, isEmpty: false };
  const make = (index) => createTile("coloring", () => toggleColoring(pad, search.colorings, index));
  const update = () => {
    const isNew = Boolean(pad.photo?.result) && isOffered(pad);
    const isShown = isOpen() && pad.ui.tab === "color";
    show(toggle, pad.fills());
    show(/** @type {HTMLElement} */ (toggle.nextElementSibling), !pad.fills());
    setAttr(toggle, "aria-expanded", String(isOpen()));
    show(grid, isOpen());
    if (isShown && isNew && pad.state() === "ready" && !pad.ui.drag && pad.accepts("points") && search.key !== searchKey(pad)) findColorings(pad, search);
    const { colorings } = search;
    const applied = colorings ? appliedColoring(pad, colorings) : -1;
    const isOnlyEdit = applied >= 0 && !isBegun({ ...pad.doc, points: [] });
    const items = search.key === searchKey(pad) && (isNew || isOnlyEdit) ? (colorings?.items ?? []) : [];
    const count = isNew && !search.isEmpty && pad.accepts("points") ? COLORINGS : items.length; // reserve space until the images arrive
    show(el, count > 0 && !pad.ui.selection && !LONE_TOOLS.includes(pad.ui.tool));
    const source = `${pad.photo?.image.sha256} ${pad.doc.model}`;
    syncList(grid, count, make, (tile, index) => {
      setAttr(tile, "disabled", !items[index]);
      if (!items[index] && tile.dataset.source !== source) { // an image from another photo or model
        tile.firstElementChild.replaceChildren();
        setText(tile.lastElementChild, "");
      }
      tile.dataset.source = source;
      if (items[index]) fillVariant(tile, items[index], index, colorings.lightness, t("Version {n}", { n: index + 1 }));
      setAttr(tile, "aria-pressed", String(index === applied));
      setAttr(tile, "title", pad.fills() ? t("Color the drawing like this version. Version 1 is the most likely.") : t("Color the photo like this version. Version 1 is the most likely. This adds a color point, which you can change."));
    });
  };
  return { el, update };
}
