/** Named parts of the photo, such as skin and sky: a click selects the whole part. */

import { button, h, section, setText, show, syncList, t } from "./dom.js";

const PART_NAMES = { skin: "Skin", hair: "Hair", lips: "Lips", teeth: "Teeth", eyes: "Eyes", clothes: "Clothes", sky: "Sky", water: "Water", plants: "Plants" };

/** @typedef {{name: keyof typeof PART_NAMES, mask: import("./shapes.js").AreaMask}} Part */

function selectPart(pad, part) {
  const { name, mask } = part;
  pad.set({ selection: { mask, made: { by: "part", name } }, area: null, selected: null, box: null, suggestions: null });
  pad.announce(t("{name} selected. Choose an action.", { name: t(PART_NAMES[name]) }));
}

export function createPartsPanel(pad) {
  const row = h("div", { class: "cz-row", role: "group", "aria-label": t("Select a part of the photo") });
  const el = section(t("Select by type"), row);
  let asked = null;
  /** @type {Part[]} */
  let parts = [];
  const find = async (photo) => {
    asked = photo;
    parts = [];
    const reply = await pad.ask({ type: "parts" });
    if (asked !== photo) return;
    parts = reply?.message.items ?? [];
    pad.changed();
  };
  const make = (index) => {
    const made = button({ text: " ", label: " ", className: "cz-wide", onClick: () => selectPart(pad, parts[index]) });
    made.dataset.role = "part";
    return made;
  };
  const update = () => {
    const isOpen = Boolean(pad.photo) && pad.ui.tool === "area";
    if (isOpen && asked !== pad.photo) find(pad.photo);
    show(el, isOpen && parts.length > 0);
    if (el.hidden) return;
    syncList(row, parts.length, make, (made, index) => {
      const name = t(PART_NAMES[parts[index].name]);
      setText(made.querySelector(".cz-btn-text"), name);
      made.title = t("Select: {name}", { name });
    });
  };
  return { el, update };
}
