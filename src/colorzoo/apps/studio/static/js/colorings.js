/** Likely colorings of a photo without hints. A click on a coloring adds the point that produces it. */

import { colorName } from "./color.js";
import { currentRecipe } from "./coloring.js";
import { hasWork, nextId } from "./document.js";
import { h, section, setAttr, show, syncList, t } from "./dom.js";
import { insideOf } from "./border.js";
import { drawingSettings, withDrawing } from "./drawing.js";
import { LONE_TOOLS } from "./tools.js";
import { colorVariants, createTile, fillVariant } from "./variants.js";

/** @typedef {{x: number, y: number, lightness: number, items: import("./variants.js").Variants["items"]}} Colorings */

/** @param {import("./document.js").Doc} doc @returns {boolean} whether the document contains color edits; healing and cropping do not count */
const isBegun = (doc) => hasWork({ ...doc, healing: [], crop: null, drawing: null });

/** @param {Colorings} found @returns {(item: any) => any} the document with a color at the most informative position */
function colored(pad, found) {
  const { x, y } = found;
  const { size } = pad.ui;
  if (pad.fills()) return ({ variant }) => withDrawing(pad, { variant });
  return ({ ab, color }) => ({ ...pad.doc, points: [{ id: nextId(pad.doc.points), x, y, size, ab, hex: color, reach: "everywhere" }] });
}

function chosenColoring(pad, found) {
  if (pad.fills()) return found.items.findIndex(({ variant }) => variant === drawingSettings(pad).variant);
  const [point, ...more] = pad.doc.points;
  if (!point || more.length || point.x !== found.x || point.y !== found.y) return -1;
  return found.items.findIndex(({ color }) => color === point.hex);
}

/** Apply a coloring, or remove the applied coloring. @param {Colorings} found @param {number} index */
function beginColoring(pad, found, index) {
  if (pad.fills()) {
    pad.edit(colored(pad, found)(found.items[index]), t("use suggested version"));
    return pad.announce(t("{name} applied", { name: t("Version {n}", { n: index + 1 }) }));
  }
  const leaves = chosenColoring(pad, found) === index;
  pad.set({ selected: null, suggestions: null });
  pad.edit(leaves ? { ...pad.doc, points: [] } : colored(pad, found)(found.items[index]), t("use suggested version"));
  pad.announce(leaves ? t("Automatic colors") : t("{name} applied", { name: colorName(found.lightness, found.items[index].ab) }));
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

export function createColoringsPanel(pad) {
  const grid = h("div", { class: "cz-variants cz-colorings", role: "group", "aria-label": t("Versions of the photo with other colors, most likely first") });
  const el = section(t("Suggested versions"), grid);
  let asked = "";
  /** @type {Colorings | null} */
  let found = null;
  let hasNone = false;
  const begins = () => pad.fills() || !isBegun(pad.doc);
  const subject = () => [pad.photo?.image.sha256, pad.model()?.name, JSON.stringify({ ...pad.doc.drawing, variant: 0 }), ...(pad.fills() ? [numberOf(pad.doc.points), numberOf(pad.doc.divisions)] : [])].join(" ");
  const find = async (of) => {
    asked = of;
    found = null;
    hasNone = false;
    const goesOn = () => asked === of && subject() === of && begins() && pad.state() === "ready";
    const ask = (message) => pad.askQuietly(message);
    const reply = await ask({ type: "colorings", recipe: currentRecipe(pad) });
    if (asked !== of) return;
    if (!reply) { // a newer request replaced this request; request again after the next change
      asked = "";
      return;
    }
    const { items } = reply.message;
    hasNone = items.length === 0;
    if (hasNone) return pad.changed();
    found = { ...reply.message, items: [] };
    const { x, y, width, height } = insideOf(pad) ?? { x: 0, y: 0, ...pad.photo };
    await colorVariants(pad, items, { colored: colored(pad, found), around: [x, y, x + width, y + height], size: fittedSize(width, height), ask }, found.items, goesOn);
    if (asked === of && found.items.length < items.length) asked = ""; // an edit was made in the meantime; request again after it is undone
  };
  const make = (index) => createTile("coloring", () => beginColoring(pad, found, index));
  const update = () => {
    const isNew = Boolean(pad.photo?.result) && begins();
    if (isNew && pad.state() === "ready" && !pad.ui.drag && pad.accepts("points") && asked !== subject()) find(subject());
    const chosen = found ? chosenColoring(pad, found) : -1;
    const isFirst = chosen >= 0 && !isBegun({ ...pad.doc, points: [] });
    const items = asked === subject() && (isNew || isFirst) ? (found?.items ?? []) : [];
    const shown = isNew && !hasNone && pad.accepts("points") ? COLORINGS : items.length; // reserve space until the images arrive
    show(el, shown > 0 && !pad.ui.selection && !LONE_TOOLS.includes(pad.ui.tool));
    syncList(grid, shown, make, (tile, index) => {
      setAttr(tile, "disabled", !items[index]);
      if (items[index]) fillVariant(tile, items[index], index, found.lightness, t("Version {n}", { n: index + 1 }));
      setAttr(tile, "aria-pressed", String(index === chosen));
      setAttr(tile, "title", pad.fills() ? t("Color the drawing like this version. Version 1 is the most likely.") : t("Color the photo like this version. Version 1 is the most likely. This adds a color point, which you can change."));
    });
  };
  return { el, update };
}
