/** The model menu, and the model to propose for sketches. */

import { t } from "./dom.js";

/** Groups of the model menu and their titles. */
const GROUPS = [
  ["hints", "Photos, with your colors"],
  ["reference", "Photos, from a reference image"],
  ["automatic", "Photos, automatic"],
  ["sketch", "Drawings"],
];

/** Purposes in the model menu with title and short description. */
const PURPOSES = [
  ["natural", "Natural", "follows your points"],
  ["vivid", "Vivid", "strong colors"],
  ["reference", "From a reference", "like another image"],
  ["things", "Separate objects", "colored one by one"],
  ["edges", "Less color bleeding", "clean edges"],
  ["mood", "Match a palette", "of another image"],
  ["sketch", "Sketch", "for drawings"],
];

/** Return the best model for each purpose; the selected model represents its own purpose. @returns {{title: string, use: string, model: any}[]} */
export function purposes(pad) {
  const usable = pad.session.models.filter(({ usable }) => usable !== false);
  const before = (one, other) => Number(other.ready) - Number(one.ready) || (other.rank ?? 0) - (one.rank ?? 0);
  const best = (purpose) => {
    const models = usable.filter((model) => model.purpose === purpose).sort(before);
    return models.find(({ name }) => name === pad.doc.model) ?? models.find((model) => model.default) ?? models[0];
  };
  return PURPOSES.map(([purpose, title, use]) => ({ title: t(title), use: t(use), model: best(purpose) })).filter(({ model }) => model);
}

/** @returns {{title: string, use: string}} purpose of the selected model, or its name */
export function purposeOf(pad) {
  const model = pad.model();
  const found = PURPOSES.find(([purpose]) => purpose === model?.purpose);
  return found ? { title: t(found[1]), use: t(found[2]) } : { title: model?.name ?? "", use: "" };
}

export function modelGroups(pad) {
  const offered = pad.session.models.filter(({ name, usable }) => usable !== false || name === pad.doc.model);
  const groups = GROUPS.map(([group, title]) => ({ title: t(title), models: offered.filter((model) => (model.group ?? "hints") === group) }));
  return groups.filter(({ models }) => models.length > 0);
}

export function proposedModel(pad) {
  const { photo } = pad;
  const proposed = pad.session.models.find(({ name }) => name === photo?.proposed);
  return photo?.kind === "sketch" && proposed && pad.model()?.input !== "sketch" ? proposed : null;
}

export function proposeModel(pad) {
  const proposed = proposedModel(pad);
  if (!proposed) return;
  pad.toast(t("This looks like a drawing. A model for drawings gives better results."), "info", {
    label: t("Color as a drawing"), run: () => pad.setModel(proposed.name),
  });
}
