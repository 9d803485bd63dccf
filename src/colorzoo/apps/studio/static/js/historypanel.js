/** List of undo and redo steps; a click restores a step. */

import { jumpTo } from "./commands.js";
import { h, section, setAttr, setText, show, syncList, t } from "./dom.js";

export function createHistoryPanel(pad) {
  const rows = h("ol", { class: "cz-steps" });
  const el = section(t("History"), rows);
  const make = (index) => h("li", {}, h("button", { type: "button", class: "cz-step", on: { click: () => jumpTo(pad, index) } }));
  const update = () => {
    const { past, future } = pad.history;
    const labels = [t("Open photo"), ...past.map(({ label }) => label), ...future.map(({ label }) => label).reverse()];
    show(el, Boolean(pad.photo));
    if (pad.ui.tab !== "history") return;
    syncList(rows, labels.length, make, (row, index) => {
      const [step] = row.children;
      setText(step, labels[index].charAt(0).toUpperCase() + labels[index].slice(1));
      setAttr(step, "aria-current", index === past.length ? "step" : null);
      step.classList.toggle("cz-undone", index > past.length);
    });
  };
  return { el, update };
}
