/** The right panel with tabs that scroll independently, and the bar above the photo with the options of the active tool. */

import { clickOrTap, h, setAttr, setText, show, t } from "./dom.js";

export function createTabs(pad, groups) {
  const pages = groups.map(([id, title, parts]) => {
    const open = () => pad.set({ tab: id });
    const tab = h("button", { type: "button", class: "cz-tab", role: "tab", id: `cz-tab-${id}`, "aria-controls": `cz-page-${id}`, data: { tab: id }, on: { click: open } }, t(title));
    const body = h("div", { class: "cz-page", role: "tabpanel", id: `cz-page-${id}`, "aria-labelledby": `cz-tab-${id}` }, ...parts.map(({ el }) => el));
    return { id, tab, body, parts };
  });
  const list = h("div", { class: "cz-tabs", role: "tablist", "aria-label": t("Panels") }, ...pages.map(({ tab }) => tab));
  list.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = pages[(pages.findIndex(({ id }) => id === pad.ui.tab) + step + pages.length) % pages.length];
    pad.set({ tab: next.id });
    next.tab.focus();
  });
  const update = () => {
    for (const { id, tab, body, parts } of pages) {
      const isOpen = id === pad.ui.tab;
      setAttr(tab, "aria-selected", String(isOpen));
      setAttr(tab, "tabindex", isOpen ? "0" : "-1");
      show(body, isOpen);
      for (const part of parts) part.update();
    }
  };
  return { el: h("div", { class: "cz-tabbed" }, list, ...pages.map(({ body }) => body)), update };
}

/** Instructions for tools without options in the bar. @type {Record<string, string>} */
const TOOL_HINTS = {
  area: "Click an object or draw around it. Click inside again to select a part. Hold Shift to add, Ctrl to subtract.",
  replace: "Click a color in the photo to replace it in the whole photo.",
  fill: "Click a region to fill it. Drag to fill all regions that you cross.",
  same: "Click a region to give similar regions its color.",
  lasso: "Draw an outline to fill its inside.",
  enclosed: "Draw an outline around regions to fill them.",
  split: "Draw a line across a region to split it, or a closed line to add a region.",
  join: "Draw a line across regions to join them.",
  border: "Drag the sides of the border, or draw a new border.",
};

/** @param {import("./dom.js").Part[]} parts options of the tools, each of which hides itself @returns {import("./dom.js").Part} */
export function createOptionsBar(pad, parts) {
  const words = h("p", { class: "cz-hint" });
  const el = h("div", { class: "cz-options", role: "toolbar", "aria-label": t("Tool options") }, ...parts.map((part) => part.el), words);
  const update = () => {
    for (const part of parts) part.update();
    const hint = pad.photo ? TOOL_HINTS[pad.ui.tool] ?? "" : "";
    setText(words, hint && clickOrTap(hint));
    show(words, hint !== "");
  };
  return { el, update };
}
