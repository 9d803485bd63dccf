/**
 * Helpers for DOM elements, without a framework. Texts of users are never parsed as HTML.
 *
 * @typedef {{el: HTMLElement, update: () => void}} Part  an element and the function that updates it to the state of the pad
 */

const SVG = "http://www.w3.org/2000/svg";

/** Translations, keyed by the English text. @type {Record<string, string>} */
export const translations = {};

export const t = (text, values = {}) => (translations[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));

/** Translate a text that starts with "Click", or with "Tap" on devices without a mouse. @param {string} text English @returns {string} */
export const clickOrTap = (text) => t(matchMedia("(pointer: coarse)").matches ? text.replace(/^Click\b/, "Tap") : text);

/**
 * Create an element. `on` are listeners, `data` data attributes; all other keys are attributes, which false, null and undefined leave out.
 * @param {string} tag @param {Record<string, any>} [props] @param {...(Node | string | null)} children @returns {any} the element; its kind depends on the tag
 */
export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) setProp(el, name, value);
  el.append(...children.filter((child) => child !== null && child !== undefined));
  return el;
}

function setProp(el, name, value) {
  if (name === "on") for (const [type, listener] of Object.entries(value)) el.addEventListener(type, listener);
  else if (name === "data") Object.assign(el.dataset, value);
  else setAttr(el, name, value);
}

export function setAttr(el, name, value) {
  if (value === false || value === null || value === undefined) el.removeAttribute(name);
  else if (el.getAttribute(name) !== String(value === true ? "" : value)) el.setAttribute(name, value === true ? "" : value);
}

export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

export function show(el, shown) {
  if (el.hidden === shown) el.hidden = !shown;
}

/** @type {Record<string, string>} */
const ICONS = {
  open: "M4 19h16a1 1 0 0 0 1-1V8a1 1 0 0 0-1-1h-8l-2-2.5H4a1 1 0 0 0-1 1V18a1 1 0 0 0 1 1Z",
  export: "M12 15V4m0 0L8 8m4-4 4 4M5 13v6h14v-6",
  save: "M12 4v10m0 0 4-4m-4 4-4-4M5 16v4h14v-4",
  load: "M6 3h8l4 4v14H6Zm8 0v4h4M12 18v-6m0 0-2.500 2.500M12 12l2.500 2.500",
  undo: "M9 7 4.500 11.500 9 16M5 11.500h9a5.500 5.500 0 0 1 0 8h-2",
  redo: "m15 7 4.500 4.500L15 16m4-4.500h-9a5.500 5.500 0 0 0 0 8h2",
  point: "M12 3v4m0 10v4M3 12h4m10 0h4M12 15.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7Z",
  fill: "m4 12.500 8-8 7.500 7.500-7 7a2 2 0 0 1-2.800 0L4 13.500a.7.7 0 0 1 0-1ZM9 2.500l3 3M5.500 12.500h13.500M21 16.500c.9 1.400 1.300 2.200 1.300 2.900a1.300 1.300 0 0 1-2.600 0c0-.7.4-1.500 1.300-2.900Z",
  same: "M8 12.500a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm8 7a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM12.500 6.500h3.500v2.500M11.500 17.500H8V15",
  split: "M4.500 5.500h15v13h-15ZM14.500 3 9.500 21",
  join: "M4.500 5.500h15v13h-15ZM12 5.500v3m0 7v3M8 12h8m-2.500-2.500L16 12l-2.500 2.500m-3-5L8 12l2.500 2.500",
  brush: "M20 4 10.500 13.500M9 14.500c-2.200 0-3.500 1.400-3.500 3.200 0 1.100-.9 1.800-2 2 2.800 1.400 8 .9 8-2.700 0-1.500-1.100-2.500-2.500-2.500Z",
  replace: "M4 4h9v9H4Zm7 7h9v9h-9ZM16 4.500h2.500a2 2 0 0 1 2 2V8M8 19.500H5.500a2 2 0 0 1-2-2V16",
  border: "M3.500 5h17v14h-17ZM7 8.500h10v7H7Z",
  paint: "M12 3.500c3.500 4.300 6 7.300 6 10.500a6 6 0 0 1-12 0c0-3.200 2.500-6.200 6-10.500ZM9 14.500a3 3 0 0 0 3 3",
  heal: "m9 4.500 10.500 10.500a3.200 3.200 0 0 1-4.500 4.500L4.500 9A3.200 3.200 0 0 1 9 4.500ZM9 13.500 13.500 9M11.500 12h1M10 10.500h.01M14 13.500h.01",
  crop: "M7 2.500v14.500h14.500M2.500 7H17v14.500",
  eraser: "m8.500 19-5-5 10-10 6.500 6.500L11.500 19H8.500Zm.5-10.500 6.500 6.500M11.500 19H20",
  edge: "M4 18c4 0 3-12 8-12s3 9 8 9M4 21h16",
  region: "M5 7.500 12 4l7 4.500-1 7.500-6.500 4L5 16.500ZM12 4v0M5 7.500v0",
  enclosed: "M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17ZM8.500 9.500 12 7l3.500 2.500v5L12 17l-3.500-2.500Z",
  lasso: "M12 4c5 0 8.500 2.200 8.500 5.500S17 15 12 15s-8.500-2.200-8.500-5.500S7 4 12 4ZM6.500 13.500c-1.500 1-1.800 3 0 3.500 1.800.5 2.500-1.500 1-2.800M7 17c-.2 1.500-1 2.500-2.500 3.500",
  select: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M12 8c2.500 0 4 1.300 4 3.500S14.500 16 12 16s-4-2-4-4.500S9.500 8 12 8Z",
  box: "M5.500 5.500h13v13h-13ZM4 4h3v3H4Zm13 0h3v3h-3ZM4 17h3v3H4Zm13 0h3v3h-3Z",
  dropper: "m13.500 6.500 4 4M11.500 8.500 4.500 15.500 4 20l4.500-.5 7-7M15 5l2-1.600a2 2 0 0 1 2.800 0l.8.8a2 2 0 0 1 0 2.800L19 9Z",
  hand: "M8 12V6.500a1.500 1.500 0 0 1 3 0V11m0-5.500v-1a1.500 1.500 0 0 1 3 0V11m0-4.500a1.500 1.500 0 0 1 3 0V12m0-2.500a1.500 1.500 0 0 1 3 0V15c0 3.500-2.500 6-6 6-3 0-4.500-1-6-3.500L5 14c-.8-1.500.8-2.600 2-1.500l1 1",
  compare: "M12 3v18M4 6h6v12H4Zm10 0h6v12h-6Z",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  eyeoff: "M4 4l16 16M6.500 7C4 8.800 2.500 12 2.500 12S6 18.500 12 18.500c1.800 0 3.300-.5 4.600-1.200M10 5.700c.6-.1 1.300-.2 2-.2 6 0 9.500 6.500 9.500 6.500s-.8 1.600-2.400 3.200",
  gray: "M12 20.500a8.500 8.500 0 1 0 0-17 8.500 8.500 0 0 0 0 17ZM12 3.500v17M12 7h5.500M12 10.500h8M12 14h8M12 17.500h5.500",
  limit: "M4 4h16v16H4ZM8.500 8.500h7v7h-7Z",
  lock: "M7 11V8a5 5 0 0 1 10 0v3M5.500 11h13v9h-13Z",
  unlock: "M7 11V8a5 5 0 0 1 9.500-2M5.500 11h13v9h-13Z",
  trash: "M4 7h16M9 7V4h6v3M6.500 7l1 13h9l1-13M10 11v5m4-5v5",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5m11-5v5h-5",
  down: "m6 9.500 6 6 6-6",
  up: "m6 14.500 6-6 6 6",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  help: "M9 9.200a3 3 0 1 1 4.200 2.700c-.8.4-1.200 1-1.200 2.100M12 17.500h.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  target: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-5a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm0-4h.01",
  close: "m6 6 12 12M18 6 6 18",
  retry: "M20 11.500A8 8 0 1 0 18 17m2-11v5.500h-5.500",
  photo: "M4 5h16v14H4Zm0 11 5-5 4 4 3-3 4 4M15.500 9.500h.01",
  check: "m5 12.500 4.500 4.500L19 7.500",
  warn: "M12 4 2.500 20h19ZM12 10v4.500m0 2.700h.01",
};

export const createCanvas = (width, height) => Object.assign(document.createElement("canvas"), { width, height });

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "cz-icon", "aria-hidden": "true" })) svg.setAttribute(key, value);
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * A caption is a shorter text below the icon, which phones show instead. A button without text needs a label; action is its name in the style sheet and tests.
 * @param {{icon?: string, text?: string, caption?: string, label?: string, key?: string, action?: string, className?: string, onClick: (e: Event) => void}} spec @returns {HTMLButtonElement}
 */
export function button(spec) {
  const label = spec.label ?? spec.text;
  const hint = spec.key ? `${label} (${spec.key})` : label;
  const props = { type: "button", class: `cz-btn ${spec.className ?? ""}`, title: hint, on: { click: spec.onClick } };
  if (!spec.text) props["aria-label"] = label;
  if (spec.action) props["data-action"] = spec.action;
  const words = (name, text) => (text ? h("span", { class: name }, text) : null);
  const parts = [spec.icon ? icon(spec.icon) : null, words("cz-btn-text", spec.text), words("cz-caption", spec.caption)];
  return /** @type {HTMLButtonElement} */ (h("button", props, ...parts));
}

export function section(title, ...children) {
  const heading = h("h2", { class: "cz-heading" }, title);
  return h("section", { class: "cz-section", "aria-label": title }, heading, ...children);
}

/**
 * Update a list of children to data; elements are reused, so that the focus stays.
 * @param {HTMLElement} parent @param {number} count @param {(index: number) => HTMLElement} make @param {(el: HTMLElement, index: number) => void} update
 */
export function syncList(parent, count, make, update) {
  while (parent.children.length > count) parent.lastElementChild.remove();
  while (parent.children.length < count) parent.append(make(parent.children.length));
  for (let index = 0; index < count; index += 1) update(/** @type {HTMLElement} */ (parent.children[index]), index);
}

export function oncePerFrame(callback) {
  let waiting = 0;
  return () => {
    if (waiting) return;
    waiting = requestAnimationFrame(() => {
      waiting = 0;
      callback();
    });
  };
}

export function checkbox(label, use, hint) {
  const box = h("input", { type: "checkbox", on: { change: () => use(box.checked) } });
  return { box, el: h("label", { class: "cz-check", title: hint }, box, h("span", {}, label)) };
}
