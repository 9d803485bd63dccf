/** The list of steps of undo and redo, in which one can jump. */

import { jumpTo } from "./commands.js";
import { h, section, setAttr, setText, show, syncList, t } from "./dom.js";

export function createHistoryPanel(pad) {
  const rows = h("ol", { class: "cz-steps" });
  const details = h("details", {}, h("summary", {}, t("Steps, newest last")), rows);
  const el = section(t("History"), details);
  details.addEventListener("toggle", () => pad.changed());
  const make = (index) => h("li", {}, h("button", { type: "button", class: "cz-step", on: { click: () => jumpTo(pad, index) } }));
  const update = () => {
    const { past, future } = pad.history;
    const labels = [t("Start"), ...past.map(({ label }) => label), ...future.map(({ label }) => label).reverse()];
    show(el, Boolean(pad.photo) && labels.length > 1 && (details.open || !pad.selectedPoint())); // closed, it leaves its room to the point
    if (!details.open) return;
    syncList(rows, labels.length, make, (row, index) => {
      const [step] = row.children;
      setText(step, labels[index]);
      setAttr(step, "aria-current", index === past.length ? "step" : null);
      step.classList.toggle("cz-undone", index > past.length);
    });
  };
  return { el, update };
}
