/** The model menu, and the model to propose for sketches. */

import { t } from "./dom.js";
import { change } from "./state.js";

/** Groups of the model menu and their titles. */
const GROUPS = [
  ["hints", "Photos, with your own colors"],
  ["reference", "Photos, with the colors of a reference image"],
  ["automatic", "Photos, with automatic colors"],
  ["sketch", "Drawings"],
];

/** Purposes in the model menu with title and short description. */
const PURPOSES = [
  ["natural", "Natural", "follows your points"],
  ["vivid", "Vivid", "automatic colors"],
  ["reference", "Reference image", "gives the colors"],
  ["things", "Object by object", "you draw boxes"],
  ["edges", "Clean edges", "less color bleeding"],
  ["mood", "Match a palette", "of another image"],
  ["text", "Description", "you write the colors"],
  ["sketch", "Drawing", "for sketches, line art"],
];

/** Guidance of models, in the order of the model menu. @type {[string, string][]} */
const INPUTS = [
  ["points", "color points"], ["scribbles", "edge strokes"], ["boxes", "object boxes"], ["exemplar", "reference image"], ["classes", "object types"],
  ["statistics", "palette of another image"], ["regions", "regions of a drawing"],
  ["text", "colors in words"], ["label", "class of the image"],
];

/** Return what the colors of a model are based on. */
export function modelInputs({ guidance, parameters }) {
  const known = INPUTS.filter(([kind]) => guidance.includes(kind)).map(([, name]) => t(name));
  // kinds of guidance of packages; the seed selects one of several results
  const others = guidance.filter((kind) => kind !== "seed" && !INPUTS.some(([name]) => name === kind));
  const names = [...known, ...others.map((kind) => kind.replaceAll("_", " "))];
  const words = names.join(", ") || (parameters ? t("automatic colors") : t("black and white, for comparison"));
  return words.charAt(0).toUpperCase() + words.slice(1) + (parameters || !names.length ? "" : t(", without AI"));
}

export const modelCaption = (pad, name) => pad.session.models.find((model) => model.name === name)?.caption ?? name;

/** Return the best model for each purpose; the selected model represents its own purpose. @returns {{title: string, use: string, model: any}[]} */
export function purposes(pad) {
  const usable = pad.session.models.filter(({ usable }) => usable !== false);
  const before = (one, other) => Number(other.ready) - Number(one.ready) || Number(other.recommended ?? false) - Number(one.recommended ?? false);
  const best = (purpose) => {
    const models = usable.filter((model) => model.purpose === purpose).sort(before);
    return models.find(({ name }) => name === pad.doc.model) ?? models.find((model) => model.default) ?? models[0];
  };
  return PURPOSES.map(([purpose, title, use]) => ({ title: t(title), use: t(use), model: best(purpose) })).filter(({ model }) => model);
}

/** @returns {{title: string, use: string}} purpose of the selected model, or its name and guidance */
export function purposeOf(pad) {
  const model = pad.model();
  const entry = PURPOSES.find(([purpose]) => purpose === model?.purpose);
  return entry ? { title: t(entry[1]), use: t(entry[2]) } : { title: model?.caption ?? "", use: model ? modelInputs(model) : "" };
}

export function modelGroups(pad) {
  const offered = pad.session.models.filter(({ name, usable }) => usable !== false || name === pad.doc.model);
  const groups = GROUPS.map(([group, title]) => ({ title: t(title), models: offered.filter((model) => (model.group ?? "hints") === group) }));
  return groups.filter(({ models }) => models.length > 0);
}

export const isDrawingModel = (pad, name) => pad.session.models.find((model) => model.name === name)?.input === "sketch";

/** Store the current model as the model used last for photos or for drawings. */
export function rememberModel(pad) {
  const { model } = pad.doc;
  change(pad.session, { used: { ...pad.session.used, [isDrawingModel(pad, model) ? "drawing" : "photo"]: model } });
}

/** Return the model for a new document, which depends on the kind of the image and not on the model of the previous image. @returns {string} */
export function openingModel(pad) {
  const { photo, session } = pad;
  const isDrawing = photo.kind === "sketch";
  const proposed = session.selected ? null : photo.proposed;
  const names = [...(isDrawing ? [session.used.drawing, proposed] : []), session.used.photo, session.models.find((model) => model.default)?.name];
  return names.find((name) => session.models.some((model) => model.name === name)) ?? pad.doc.model;
}

/** @param {boolean} isDrawing @returns {string | undefined} the model to which the switch between photo and drawing changes, if any */
export function modelOfKind(pad, isDrawing) {
  const { photo, session: { used, models } } = pad;
  const best = purposes(pad).find(({ model }) => (model.input === "sketch") === isDrawing)?.model.name;
  const names = [...(isDrawing ? [used.drawing, photo?.proposed] : [used.photo]), models.find((model) => model.default)?.name, best];
  return names.find((name) => models.some((model) => model.name === name) && isDrawingModel(pad, name) === isDrawing);
}

export function proposeModel(pad) {
  const name = pad.photo.kind === "sketch" && !isDrawingModel(pad, pad.doc.model) ? modelOfKind(pad, true) : undefined;
  if (!name) return;
  pad.toast(t("This looks like a drawing. A coloring model for drawings gives better results."), "info", {
    label: t("Color as a drawing"), run: () => pad.setModel(name),
  });
}
