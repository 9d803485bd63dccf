/** Palettes: colors of the drawing, recent colors, presets, and imported files. */

import { abDistance, colorName, hexToRgb, labHex, rgbToHex, rgbToLab } from "./color.js";
import { activePoints, reachOf } from "./document.js";
import { button, h, setAttr, setText, show, syncList, t } from "./dom.js";
import { colorTarget, setHex } from "./edits.js";
import { chooseForPhoto } from "./files.js";
import { pickedArea } from "./shapeedits.js";
import { canVary, requestVariants } from "./variants.js";

/** Palettes: name, colors, and whether they are for small objects. @type {[string, string[], boolean?][]} */
const PRESETS = [
  ["Skin", ["#f3d2bd", "#e8b998", "#d29b77", "#b57b57", "#8d5a3b", "#5e3926"]],
  ["Hair", ["#e8cf9a", "#b98a4e", "#9c4a26", "#7a4e2d", "#4a3020", "#251b17", "#a8a29b"]],
  ["Lips and cheeks", ["#d98b85", "#c4675f", "#a8443f", "#e3a79b"], true],
  ["Eyes", ["#6f8fa8", "#5f7a5a", "#7a5a3a", "#4a3222", "#ded9d3"], true],
  ["Teeth and nails", ["#ece3d2", "#ded2bc", "#e2b3a3", "#b0404c", "#7a2836"], true],
  ["Sky", ["#cfe3f2", "#9cc3e6", "#6aa3d8", "#3f78b5", "#f2c79b", "#b8c0c8"]],
  ["Water", ["#a9c7cf", "#6f9fae", "#3f7487", "#27495c", "#5f7d6b"]],
  ["Grass and leaves", ["#c2cf7a", "#8fae4b", "#5f8a3a", "#3e6a34", "#8a8a45", "#b5722c"]],
  ["Wood", ["#d8b483", "#b58550", "#8c5e34", "#6b4426", "#45291a", "#a39381"]],
  ["Brick", ["#c9785a", "#a8553b", "#8c4030", "#6e3028", "#b98b74"]],
  ["Stone", ["#dcd6c8", "#b9b2a4", "#958f86", "#706b66", "#8e8674", "#5a5a5e"]],
  ["Cloth", ["#24324f", "#5b6f8f", "#6d2431", "#3f5a45", "#c9b48a", "#7a5a7d"]],
];
/** @type {Record<string, string>} */
const PART_PALETTES = { skin: "Skin", hair: "Hair", lips: "Lips and cheeks", teeth: "Teeth and nails", eyes: "Eyes", clothes: "Cloth", sky: "Sky", water: "Water", plants: "Grass and leaves" };
const PREFER_SMALL = 0.8; // factor on the distance to colors of palettes for small objects, if the point is in a small object

/** @typedef {{name: string, colors: string[], small?: boolean}} Palette */

/** @returns {Palette[]} recent colors, imported palettes, and presets */
function palettesOf(pad) {
  const recent = { name: t("Recent colors"), colors: pad.ui.recent.map(({ hex }) => hex) };
  const presets = PRESETS.map(([name, colors, small]) => ({ name: t(name), colors, small: Boolean(small) }));
  return [recent, ...(pad.settings.palettes ?? []), ...presets];
}

/** @returns {boolean} whether the reach of a point is smaller than automatic, as for new points in small objects */
export const spreadsLess = (point) => Number(reachOf(point)) > 0 && Number(reachOf(point)) < 1;

/** Return the palette for the named part that an area covers, or the palette with the most similar color. */
function fittingPalette(pad, palettes) {
  const presets = palettes.filter(({ small }) => small !== undefined);
  const { kind, lightness, ab } = colorTarget(pad);
  if (kind !== "point" && kind !== "area") return presets[0];
  const part = kind === "area" ? presets.find(({ name }) => name === t(PART_PALETTES[pickedArea(pad).area.made?.name] ?? "")) : null;
  if (part) return part;
  const isSmall = kind === "point" && spreadsLess(pad.selectedPoint());
  const apart = ({ colors, small }) => (small ? PREFER_SMALL : 1) * Math.min(...colors.map((hex) => {
    const [l, a, b] = rgbToLab(hexToRgb(hex));
    return Math.hypot(l - lightness, abDistance([a, b], ab));
  }));
  return presets.filter(({ small }) => isSmall || !small).reduce((best, palette) => (apart(palette) < apart(best) ? palette : best));
}

export function createPalettes(pad) {
  const select = h("select", { class: "cz-input cz-select", "aria-label": t("Palette") });
  const row = h("div", { class: "cz-recent", role: "group", "aria-label": t("Colors of the palette") });
  const vary = button({ icon: "photo", label: t("Compare other colors side by side, as small previews of the photo"), className: "cz-ghost", onClick: () => requestVariants(pad), action: "variants" });
  const load = button({ icon: "load", label: t("Import a palette (.gpl, .aco or .ase)"), className: "cz-ghost", onClick: () => importPalette(pad), action: "import-palette" });
  const used = createUsedColors(pad);
  const el = h("section", { class: "cz-section cz-palettes", "aria-label": t("Palette") }, used.el, h("div", { class: "cz-row" }, select, load, vary), row);
  /** @type {{key: any, name: string}} */
  let fitted = { key: null, name: "" };
  /** Return the palette to show until the user chooses a palette; it does not change while a point or area is colored. */
  const fitting = (palettes) => {
    const point = pad.selectedPoint();
    const { mask, path } = pickedArea(pad)?.area ?? {};
    const key = point ? `${point.id} ${spreadsLess(point)}` : mask ?? path;
    if (key !== fitted.key || !key) fitted = { key, name: fittingPalette(pad, palettes).name };
    return palettes.find(({ name }) => name === fitted.name);
  };
  select.addEventListener("change", () => {
    pad.stageEl.focus({ preventScroll: true });
    pad.setSetting("palette", select.value);
  });
  const update = () => {
    const palettes = palettesOf(pad);
    syncList(select, palettes.length, () => h("option"), (option, index) => {
      setAttr(option, "value", palettes[index].name);
      setText(option, palettes[index].name);
    });
    const shown = palettes.find(({ name }) => name === pad.settings.palette) ?? fitting(palettes);
    select.value = shown.name;
    const { locked } = colorTarget(pad);
    syncList(row, shown.colors.length, () => h("button", { type: "button", class: "cz-swatch" }), (swatch, index) => fillSwatch(pad, swatch, shown, index, locked));
    vary.disabled = !canVary(pad);
    load.disabled = !pad.photo;
    used.update();
    show(row, shown.colors.length > 0);
  };
  return { el, update };
}

/** Colors of the points of a drawing; one of them can be changed in all its regions. */
function createUsedColors(pad) {
  const row = h("div", { class: "cz-recent", role: "group", "aria-label": t("Colors of the drawing") });
  const recolor = button({ icon: "replace", label: t("Change the selected color in all its regions"), className: "cz-small cz-float", onClick: () => switchSwatch(pad), action: "recolor" });
  const el = h("div", { class: "cz-used" }, row, recolor);
  const update = () => {
    const colors = pad.fills() ? usedColors(pad.doc) : [];
    show(el, colors.length > 0);
    const { lightness, ab, locked } = colorTarget(pad);
    const current = labHex(lightness, ab);
    const used = { name: t("Color of the drawing"), colors };
    syncList(row, colors.length, () => h("button", { type: "button", class: "cz-swatch" }), (swatch, index) => {
      fillSwatch(pad, swatch, used, index, locked);
      setAttr(swatch, "aria-pressed", String(colors[index] === current));
      swatch.onclick = (event) => {
        pad.set({ swatch: null }); // another color is selected, not changed
        pad.during(event, () => setHex(pad, colors[index]));
      };
    });
    recolor.disabled = !pad.ui.swatch && !colors.includes(current);
    setAttr(recolor, "aria-pressed", String(Boolean(pad.ui.swatch)));
  };
  return { el, update };
}

/** @param {import("./document.js").Doc} doc @returns {string[]} colors of its points, in the order of first use */
const usedColors = (doc) => [...new Set(activePoints(doc).map(({ hex }) => hex))];

/** Start or end changing the selected color in all its regions. Locked regions keep their color. */
function switchSwatch(pad) {
  if (pad.ui.swatch) return pad.set({ swatch: null });
  const { lightness, ab } = colorTarget(pad);
  const hex = labHex(lightness, ab);
  const points = pad.doc.points.filter((point) => point.hex === hex && !point.locked);
  if (!points.length) return pad.toast(t("All regions of this color are locked."));
  pad.set({ swatch: points.map(({ id }) => id), selected: null, suggestions: null });
  pad.announce(t("The color controls change this color in all its regions"));
}

const MAX_IMPORTED = 12; // palettes
const MAX_COLORS = 256;

async function importPalette(pad) {
  const file = await chooseForPhoto(pad, ".gpl,.aco,.ase");
  if (!file) return;
  await pad.act(async (step) => {
    const colors = readPalette(new Uint8Array(await step(file.arrayBuffer())));
    if (!colors.length) throw new Error(t("{name} is not a palette. Choose a .gpl, .aco or .ase file.", { name: file.name }));
    const name = file.name.replace(/\.[^.]+$/, "");
    const others = (pad.settings.palettes ?? []).filter((palette) => palette.name !== name);
    pad.setSetting("palettes", [{ name, colors: colors.slice(0, MAX_COLORS) }, ...others].slice(0, MAX_IMPORTED));
    pad.setSetting("palette", name);
    pad.toast(t("{n} colors imported from {name}", { n: Math.min(colors.length, MAX_COLORS), name: file.name }));
  });
}

/** @param {Uint8Array} bytes file of GIMP (.gpl) or Adobe (.aco, .ase) @returns {string[]} colors, none if the format is unknown */
function readPalette(bytes) {
  const text = new TextDecoder().decode(bytes);
  if (text.startsWith("GIMP Palette")) return [...text.matchAll(/^\s*(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})\b/gm)].map(([, r, g, b]) => rgbToHex([Number(r), Number(g), Number(b)]));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** Convert RGB, CMYK or gray in [0, 1]; other color spaces are skipped. @param {string} space @param {number[]} values */
  const hexOf = (space, values) => {
    const [a, b, c, d] = values;
    const levels = { rgb: [a, b, c], cmyk: [(1 - a) * (1 - d), (1 - b) * (1 - d), (1 - c) * (1 - d)], gray: [a, a, a] }[space];
    return levels ? [rgbToHex([255 * levels[0], 255 * levels[1], 255 * levels[2]])] : [];
  };
  const colors = [];
  try {
    if (text.startsWith("ASEF")) {
      for (let block = 0, at = 12; block < view.getUint32(8); block += 1) {
        const [kind, end] = [view.getUint16(at), at + 6 + view.getUint32(at + 2)];
        if (kind === 1) {
          const model = at + 8 + 2 * view.getUint16(at + 6);
          const space = { "RGB ": "rgb", CMYK: "cmyk", Gray: "gray" }[String.fromCharCode(...bytes.subarray(model, model + 4))];
          const count = { rgb: 3, cmyk: 4, gray: 1 }[space] ?? 0;
          colors.push(...hexOf(space, Array.from({ length: count }, (_, index) => view.getFloat32(model + 4 + 4 * index))));
        }
        at = end;
      }
    } else if (view.getUint16(0) === 1 || view.getUint16(0) === 2) {
      for (let index = 0; index < view.getUint16(2); index += 1) {
        const [space, ...values] = Array.from({ length: 5 }, (_, word) => view.getUint16(4 + 10 * index + 2 * word));
        const share = values.map((value) => value / 65535);
        if (space === 0) colors.push(...hexOf("rgb", share));
        else if (space === 2) colors.push(...hexOf("cmyk", share.map((value) => 1 - value))); // 0 is 100 % ink
        else if (space === 8) colors.push(...hexOf("gray", [values[0] / 10_000]));
      }
    }
  } catch (error) {
    if (error instanceof RangeError) return []; // the file is truncated
    throw error;
  }
  return colors;
}

function fillSwatch(pad, swatch, { name, colors }, index, locked) {
  const hex = colors[index];
  const [lightness, a, b] = rgbToLab(hexToRgb(hex));
  const words = t("{name} {n}: {color}, {hex}", { name, n: index + 1, color: colorName(lightness, [a, b]), hex });
  swatch.style.background = hex;
  setAttr(swatch, "aria-label", words);
  setAttr(swatch, "title", words);
  swatch.disabled = !pad.photo || locked;
  swatch.onclick = (event) => pad.during(event, () => setHex(pad, hex));
}
