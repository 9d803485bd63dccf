/** The border of a scan, which limits the colored part of the photo, and its panel. */

import { damagedFile } from "./damage.js";
import { button, h, section, setText, show, t } from "./dom.js";
import { boxBetween, gripAt, resized } from "./shapes.js";
import { change } from "./state.js";

/**
 * @typedef {"automatic" | "none" | [number, number, number, number]} Border
 *   x, y, width and height of the part that is colored
 * @typedef {import("./shapes.js").Box} Inside
 */

const LEAST_INSIDE = 8; // pixels

/** @param {any} value @returns {Border} @throws {Error} with a message for the user */
export function readBorder(value) {
  const numbers = Array.isArray(value) && value.length >= 4 && value.length <= 5 && value.slice(0, 4).every(Number.isInteger);
  if (value !== "automatic" && value !== "none" && !numbers) throw damagedFile("the scan border");
  return value;
}

export function insideOf(pad) {
  const { photo, ui, doc } = pad;
  if (!photo || pad.model()?.input === "sketch") return null;
  const border = ui.draggedBorder ?? (doc.border === "automatic" ? photo.border : doc.border);
  if (!border || border === "none") return null;
  const [x, y, width, height] = border;
  return { x, y, width, height };
}

export function isOnBorder(pad, x, y) {
  const inside = insideOf(pad);
  if (!inside) return false;
  const [left, top] = [Math.min(x, pad.photo.width - 1), Math.min(y, pad.photo.height - 1)]; // places on the edges belong to the last pixels
  return left < inside.x || top < inside.y || left >= inside.x + inside.width || top >= inside.y + inside.height;
}

/** @param {[number, number]} place @param {number} reach pixels of the photo @returns {any} sides of the border near a position, or null */
export function borderGripAt(pad, place, reach) {
  const inside = pad.ui.tool === "border" ? insideOf(pad) : null;
  return inside && gripAt(inside, place, 2 * reach);
}

/** Drag sides of the border, or draw a new border. @param {any} drag @param {[number, number]} place inside of the photo */
export function dragBorder(pad, drag, place) {
  const { photo } = pad;
  const { borderBox, borderGrip } = drag;
  const box = borderGrip ? resized(borderBox, borderGrip, place) : boxBetween(drag.began, place);
  const [left, top] = [Math.max(0, box.x), Math.max(0, box.y)];
  const [right, bottom] = [Math.min(photo.width, box.x + box.width), Math.min(photo.height, box.y + box.height)];
  if (right - left >= LEAST_INSIDE && bottom - top >= LEAST_INSIDE) pad.set({ draggedBorder: [left, top, right - left, bottom - top] });
}

export function endBorder(pad) {
  const { draggedBorder } = pad.ui;
  if (!draggedBorder) return;
  change(pad.ui, { draggedBorder: null });
  setBorder(pad, draggedBorder, t("change scan border"));
}

function setBorder(pad, border, label) {
  pad.set({ classes: null });
  pad.edit({ ...pad.doc, border }, label);
  pad.announce(insideOf(pad) ? t("Only the image inside the border is colored") : t("The whole scan is colored"));
}

export function createBorderPanel(pad) {
  const words = h("p", { class: "cz-hint" });
  const off = button({
    text: t("Color the whole scan"), label: t("Color everything, including film edges and margins"), className: "cz-wide", action: "no-border",
    onClick: () => setBorder(pad, "none", t("color whole scan")),
  });
  const detected = button({
    text: t("Use the detected border"), label: t("Color only the image inside the border that was detected automatically"), className: "cz-wide", action: "found-border",
    onClick: () => setBorder(pad, "automatic", t("use detected border")),
  });
  const draw = button({ text: t("Draw a border"), label: t("Draw a border around the image"), className: "cz-wide", onClick: () => pad.setTool("border") });
  const el = section(t("Scan border"), words, h("div", { class: "cz-row" }, off, detected, draw));
  const update = () => {
    const { photo, doc, ui } = pad;
    const inside = insideOf(pad);
    show(el, Boolean(photo) && pad.model()?.input !== "sketch" && (inside !== null || ui.tool === "border"));
    setText(words, inside ? t("Only the image inside this line is colored. Use the Border tool to move the line.") : t("The whole scan is colored. Draw a border to exclude film edges and margins."));
    show(off, inside !== null);
    show(detected, doc.border !== "automatic" && photo?.border !== null);
    show(draw, ui.tool !== "border" && inside === null);
  };
  return { el, update };
}
