/** Short messages over the picture: clicks go through them, and they go by themselves. */

import { button, h, icon, t } from "./dom.js";

const STAYS = { info: 6000, error: 12_000 }; // ms
const MOST = 3;

/** @typedef {{label: string, run: () => void}} Action */

/** @returns {{el: HTMLElement, add: (text: string, kind?: "info" | "error", action?: Action | null) => void}} */
function createToasts() {
  const el = h("div", { class: "cz-toasts" });
  const add = (text, kind = "info", action = null) => {
    for (const old of [...el.children]) if (old.querySelector("p").textContent === text) old.remove(); // said again, not twice
    while (el.children.length >= MOST) el.firstElementChild.remove();
    const toast = createToast(text, kind, action);
    el.append(toast);
    leaveAfter(toast, STAYS[kind] * (action ? 2 : 1));
  };
  return { el, add };
}

function createToast(text, kind, action) {
  const close = () => toast.remove();
  const act = action && button({ text: action.label, label: action.label, className: "cz-small cz-ghost", onClick: () => { close(); action.run(); } });
  const toast = h("div", { class: "cz-toast", role: kind === "error" ? "alert" : "status", data: { kind } },
    kind === "error" ? icon("warn") : null, h("p", {}, text), act, button({ icon: "close", label: t("Close"), className: "cz-small cz-ghost", onClick: close }));
  return toast;
}

/** Who is about to press one of its buttons gets the time again. */
function leaveAfter(toast, time) {
  setTimeout(() => {
    if (toast.matches(":hover, :focus-within")) leaveAfter(toast, time);
    else toast.remove();
  }, time);
}

export { createToasts };
