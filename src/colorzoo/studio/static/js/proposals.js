/** Which model suits the picture: the groups of the menu, and the model that is proposed for a drawing. */

import { t } from "./dom.js";

/** Groups of models in the order of the menu, and what they are called. */
const GROUPS = [
  ["hints", "Photos, by hand"],
  ["reference", "Photos, by a reference picture"],
  ["automatic", "Photos, by itself"],
  ["sketch", "Drawings"],
];

/** Models that can be used here, by what they are for; the chosen one is always there. @param {any} pad */
function modelGroups(pad) {
  const offered = pad.models.filter(({ name, usable }) => usable !== false || name === pad.doc.model);
  const groups = GROUPS.map(([group, title]) => ({ title: t(title), models: offered.filter((model) => (model.group ?? "hints") === group) }));
  return groups.filter(({ models }) => models.length > 0);
}

/** @param {any} pad @returns {number} models that have no weights anywhere */
function countUnusable(pad) {
  return pad.models.filter(({ usable }) => usable === false).length;
}

/** @param {any} pad @returns {any} the model for the picture on the pad, if that is a drawing and the chosen one is for photos */
function proposedModel(pad) {
  const { photo } = pad;
  const proposed = pad.models.find(({ name }) => name === photo?.proposed);
  return photo?.kind === "sketch" && proposed && pad.model()?.input !== "sketch" ? proposed : null;
}

/** Say that another model is made for such a picture. @param {any} pad */
function proposeModel(pad) {
  const proposed = proposedModel(pad);
  if (!proposed) return;
  pad.toast(t("This looks like a drawing. {name} paints drawings, region by region.", { name: proposed.name }), "info", {
    label: t("Use {name}", { name: proposed.name }), run: () => pad.setModel(proposed.name),
  });
}

export { countUnusable, modelGroups, proposeModel, proposedModel };
