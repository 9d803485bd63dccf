/** Commands of the pad with their keys, used by buttons, keyboard and help. */

import { requestNext, requestRegions, showHeldResult } from "./coloring.js";
import { confirmCrop, stepCropAngle } from "./cropping.js";
import { emptyDoc } from "./document.js";
import { t } from "./dom.js";
import { heldResult, switchUpdates } from "./drawing.js";
import { acceptSuggested, cyclePoint, deleteSelected, keepGray, selectPoint, setSize, skipRegion, swapColor, takeSuggestion, toggleFlag } from "./edits.js";
import { closePhoto, followReference, loadRecipe, openDialog, saveRecipe } from "./files.js";
import { fillSimilar, lockRegion, similarRegions } from "./filling.js";
import { stepHealingWidth } from "./healing.js";
import { stepBrush } from "./painting.js";
import { pickedCoat } from "./paintlayers.js";
import { pickedArea, pickedBox, resizeSelection } from "./shapeedits.js";
import { paneSize } from "./stage.js";
import { NO_DRAG, change } from "./state.js";
import { TOOLS, arrow, leaveCrop, placeAtCross } from "./tools.js";
import { zoomAt } from "./view.js";

const ZOOM_STEP = 1.25;
const COMPARE = ["result", "split", "side", "gray"];

/**
 * @typedef {{id: string, group: string, label: string, keys: string[], run: (pad: any, event?: Event) => void,
 *   needs?: "photo" | null, stage?: boolean, hidden?: boolean}} Command
 *   stage: only while the image has the focus; in keys, "mod" is Ctrl or Command
 */

/** @type {Command[]} */
export const COMMANDS = [
  { id: "open", group: "File", label: "Open a photo", keys: ["mod+o"], needs: null, run: openDialog },
  { id: "save", group: "File", label: "Save your edits in a file, without the photo", keys: ["mod+s"], run: (pad) => { confirmCrop(pad); saveRecipe(pad); } },
  { id: "load", group: "File", label: "Load edits from a file", keys: ["shift+mod+o"], run: (pad) => loadRecipe(pad) },
  { id: "export", group: "File", label: "Export the image", keys: ["shift+mod+e"], run: (pad) => { confirmCrop(pad); showHeldResult(pad); pad.dialogs.exportImage(); } },
  { id: "undo", group: "Edit", label: "Undo", keys: ["mod+z"], run: (pad) => stepHistory(pad, "undo") },
  { id: "redo", group: "Edit", label: "Redo", keys: ["shift+mod+z", "mod+y"], run: (pad) => stepHistory(pad, "redo") },
  { id: "add", group: "Points", label: "Add a point or corner by keyboard: arrow keys move the crosshair, Enter sets the point", keys: ["n"], run: startCross },
  { id: "place", group: "Points", label: "Set the point or corner at the crosshair", keys: ["enter"], stage: true, run: placeAtCross },
  { id: "delete", group: "Points", label: "Delete the selected point, box or layer", keys: ["delete", "backspace"], run: deleteSelected },
  { id: "following", group: "Points", label: "Select the next point", keys: ["."], run: (pad) => cyclePoint(pad, 1) },
  { id: "previous", group: "Points", label: "Select the previous point", keys: [","], run: (pad) => cyclePoint(pad, -1) },
  { id: "lock", group: "Points", label: "Lock or unlock the point, or the color of the region under the pointer", keys: ["l"], run: (pad) => (pad.fills() && !pad.selectedPoint() ? lockRegion(pad) : toggleFlag(pad, "locked")) },
  { id: "similar", group: "Color", label: "Give the similar regions the color of the last fill", keys: ["enter"], stage: true, run: fillSimilar },
  { id: "updates", group: "Color", label: "Drawing: update other regions after a fill, or keep their colors", keys: ["f"], run: switchUpdates },
  { id: "apply-changes", group: "Color", label: "Drawing: apply the outlined changes of other regions", keys: ["u"], run: showHeldResult },
  { id: "mute", group: "Points", label: "Turn the point off or on", keys: ["m"], run: (pad) => toggleFlag(pad, "muted") },
  { id: "smaller", group: "Points", label: "Smaller brush or point, smaller selection", keys: ["["], run: (pad) => changeSize(pad, -1) },
  { id: "larger", group: "Points", label: "Larger brush or point, larger selection", keys: ["]"], run: (pad) => changeSize(pad, 1) },
  { id: "keepgray", group: "Color", label: "Leave this spot gray", keys: ["k"], run: keepGray },
  { id: "suggestion", group: "Color", label: "Use suggested color 1 to 9", keys: ["1", "2", "3", "4", "5", "6", "7", "8", "9"], run: useSuggestion },
  { id: "swap", group: "Color", label: "Swap the current color and the previous color", keys: ["x"], run: swapColor },
  { id: "next", group: "Color", label: "Suggest a point: show where a color point helps most, because the colors are most uncertain there", keys: ["r"], run: whereNext },
  { id: "accept", group: "Color", label: "Use the suggested color for the region", keys: ["a"], run: acceptSuggested },
  { id: "skip", group: "Color", label: "Leave the automatic color in the region and select the next region", keys: ["s"], run: skipRegion },
  ...TOOLS.map((tool) => ({ id: `tool-${tool.id}`, group: "Tools", label: tool.label, keys: [tool.key.toLowerCase(), ...(tool.also ? [tool.also] : [])], run: (pad) => pad.setTool(tool.id) })),
  { id: "hold", group: "View", label: "Hold to see the original photo", keys: ["o"], run: () => {} },
  { id: "compare", group: "View", label: "Change the view: result, split, side by side, before", keys: ["y"], run: (pad) => setCompare(pad, COMPARE[(COMPARE.indexOf(pad.ui.compare) + 1) % COMPARE.length]) },
  { id: "marks", group: "View", label: "Hide or show points and outlines", keys: ["tab"], stage: true, run: (pad) => pad.set({ hidesMarks: !pad.ui.hidesMarks }) },
  { id: "zoomin", group: "View", label: "Zoom in", keys: ["+", "="], run: (pad) => zoomBy(pad, ZOOM_STEP) },
  { id: "zoomout", group: "View", label: "Zoom out", keys: ["-"], run: (pad) => zoomBy(pad, 1 / ZOOM_STEP) },
  { id: "fit", group: "View", label: "Fit the photo in the window", keys: ["0"], run: (pad) => pad.fit() },
  { id: "actual", group: "View", label: "Actual pixels (100 %)", keys: ["shift+0"], run: (pad) => zoomBy(pad, 1 / (window.devicePixelRatio || 1) / pad.ui.view.scale) },
  { id: "panning", group: "View", label: "Hold and drag to move the view", keys: ["space"], run: () => {} },
  { id: "escape", group: "View", label: "Cancel the crosshair, selection or tool", keys: ["escape"], run: escape },
  { id: "help", group: "View", label: "Help: keyboard shortcuts, mouse and touch gestures", keys: ["?"], needs: null, run: (pad) => pad.dialogs.help() },
  { id: "close", group: "File", label: "Close the photo", keys: [], run: closePhoto, hidden: true },
  { id: "clear", group: "Edit", label: "Remove all edits", keys: [], run: clearAll, hidden: true },
  { id: "confirm-crop", group: "Edit", label: "Apply the crop", keys: [], run: leaveCrop, hidden: true },
  { id: "gray", group: "View", label: "Show the original photo", keys: ["\\"], run: (pad) => setCompare(pad, pad.ui.compare === "gray" ? "result" : "gray") },
];

function changeSize(pad, step) {
  if (pad.ui.tool === "heal") stepHealingWidth(pad, step);
  else if (pad.ui.tool === "crop") stepCropAngle(pad, step);
  else if (pad.ui.tool === "paint" || (pad.ui.tool === "area" && pad.ui.areaBrush)) stepBrush(pad, step);
  else if (pad.ui.tool === "area") resizeSelection(pad, step);
  else setSize(pad, pad.ui.size + step);
}

function stepHistory(pad, direction) {
  if (direction === "undo" && pad.ui.cropping) return dropCropping(pad);
  const label = pad.step(direction);
  if (!label) return;
  showStep(pad, direction === "undo" ? t("Undone: {label}", { label }) : t("Redone: {label}", { label }));
}

function dropCropping(pad) {
  pad.set({ cropping: null });
  pad.announce(t("Crop canceled"));
}

export function jumpTo(pad, count) {
  const done = () => pad.history.past.length;
  if (done() === count) return;
  while (done() > count) pad.step("undo");
  while (done() < count) pad.step("redo");
  showStep(pad, t("Step {n}: {label}", { n: count, label: pad.history.past.at(-1)?.label ?? t("Open photo") }));
}

function showStep(pad, words) {
  pad.set({ cropping: null, unavailableColor: null }); // belongs to the previous step
  if (!pad.selectedPoint()) pad.set({ selected: null, suggestions: null });
  if (pickedBox(pad) === null) pad.set({ box: null });
  if (!pickedArea(pad)) pad.set({ area: null });
  pad.announce(words);
  const color = () => {
    pad.modelChanged();
    pad.documentChanged();
  };
  const sent = followReference(pad);
  if (!sent) return color();
  return pad.act(async (step) => {
    await step(sent);
    color();
  });
}

function startCross(pad) {
  const { view, cursor } = pad.ui;
  pad.set({ cross: cursor ?? [view.x, view.y], selected: null, box: null });
  pad.stageEl.focus({ preventScroll: true });
  pad.announce(pad.ui.tool === "box" ? t("Arrow keys move the crosshair, Enter sets a corner, Escape cancels") : t("Arrow keys move the crosshair, Enter sets a point, Escape cancels"));
}

function useSuggestion(pad, event) {
  const { suggestions, selected } = pad.ui;
  const number = Number(keyOf(event)) - 1;
  if (suggestions && suggestions.pointId === selected) takeSuggestion(pad, number);
  else if (pad.selectedPoint()) pad.set({ awaited: { number, pointId: selected } });
}

function whereNext(pad) {
  pad.stageEl.focus({ preventScroll: true });
  if (pad.accepts("regions") && !pad.accepts("points")) requestRegions(pad);
  else requestNext(pad);
}

export function setCompare(pad, compare) {
  const sideChanges = (compare === "side") !== (pad.ui.compare === "side");
  pad.set({ compare });
  if (sideChanges && pad.photo) pad.fit();
  pad.announce({ result: t("Result"), split: t("Split view"), side: t("Side by side"), gray: t("Before") }[compare]);
}

function zoomBy(pad, factor) {
  const size = paneSize(pad);
  pad.set({ view: zoomAt(pad.ui.view, pad.photo, size, factor, [size.width / 2, size.height / 2]) });
  pad.queue.requestFullLater();
}

function escape(pad) {
  const { ui } = pad;
  if (ui.drag) {
    change(ui, NO_DRAG);
    pad.cancel();
  } else if (ui.cropping) dropCropping(pad);
  else if (ui.tool === "crop") leaveCrop(pad);
  else if (ui.selection) pad.set({ selection: null });
  else if (ui.cross) pad.set({ cross: null, nextPlace: null, shaping: null, stroke: null });
  else if (ui.tool === "dropper") pad.setTool(ui.toolBefore ?? "point");
  else if (ui.swatch) pad.set({ swatch: null });
  else if (ui.regionPick.length) pad.set({ regionPick: [] });
  else if (ui.box !== null) pad.set({ box: null });
  else if (ui.area !== null) pad.set({ area: null });
  else if (pickedCoat(pad)) pad.set({ coat: null });
  else if (ui.division !== null) pad.set({ division: null });
  else selectPoint(pad, null);
}

function clearAll(pad) {
  pad.set({ selected: null, suggestions: null, regionPick: [], box: null, area: null });
  const kinds = pad.session.kinds.map(({ name }) => name);
  const extra = Object.fromEntries(Object.entries(pad.doc.extra).filter(([name]) => !kinds.includes(name)));
  pad.edit({ ...emptyDoc(pad.doc.model), exemplar: pad.doc.exemplar, extra }, t("remove all edits"));
}

export const COMMAND_BY_ID = Object.fromEntries(COMMANDS.map((command) => [command.id, command]));

export function keyLabel(keys) {
  const mac = /mac/i.test(navigator.platform ?? "");
  const names = { mod: mac ? "⌘" : "Ctrl", shift: "Shift", delete: "Del", backspace: "Backspace", enter: "Enter", escape: "Esc", space: "Space" };
  const order = keys === "+" ? ["+"] : keys.split("+").sort((one, other) => Number(other === "mod") - Number(one === "mod"));
  return order.map((part) => names[part] ?? part.toUpperCase()).join("+");
}

/** Keys of a US keyboard without and with Shift, by code; letters and digits are part of their codes. */
const US_KEYS = { BracketLeft: "[{", BracketRight: "]}", Backslash: "\\|", Comma: ",<", Period: ".>", Slash: "/?", Minus: "-_", Equal: "=+" };

/** Return the key in lower case. For a character of a script other than Latin, this is the key at the same position of a US keyboard. @param {KeyboardEvent} event */
export function keyOf({ key, code, shiftKey }) {
  if (!/[^\p{scx=Latin}\p{scx=Common}\p{scx=Inherited}]/u.test(key)) return key.toLowerCase();
  return (/^(?:Key|Digit)(.)$/.exec(code)?.[1] ?? US_KEYS[code]?.[Number(shiftKey)] ?? key).toLowerCase();
}

function chordOf(event) {
  const mod = event.ctrlKey || event.metaKey ? "mod+" : "";
  if (event.code === "Digit0" && event.shiftKey) return "shift+0";
  const name = event.key === " " ? "space" : keyOf(event);
  const shift = event.shiftKey && (mod || /^[a-z]/.test(name)) ? "shift+" : "";
  return `${shift}${mod}${name}`;
}

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const isTyping = (el) => el?.matches?.("input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable]");

export function listenToKeyboard(pad, signal) {
  const target = pad.options.notebook ? pad.root : document;
  // keys of an input method, such as Enter to accept a candidate; 229: Safari sends Enter after the end of the composition
  const skipComposition = (event) => (event.isComposing || event.keyCode === 229) && event.stopImmediatePropagation();
  target.addEventListener("keydown", skipComposition, { signal, capture: true });
  target.addEventListener("keydown", (event) => keyDown(pad, event), { signal });
  target.addEventListener("keyup", (event) => keyUp(pad, event), { signal });
  window.addEventListener("blur", () => release(pad), { signal });
}

function release(pad) {
  if (pad.ui.hold || pad.ui.panning) pad.set({ hold: false, panning: false });
}

function keyUp(pad, event) {
  const key = keyOf(event);
  if (key === "o" && pad.ui.hold) pad.set({ hold: false });
  if (key === " " && pad.ui.panning) pad.set({ panning: false });
}

function keyDown(pad, event) {
  if (event.defaultPrevented || event.altKey || pad.root.querySelector("dialog[open]")) return;
  const focus = /** @type {Document} */ (pad.root.getRootNode()).activeElement;
  if (isTyping(focus)) return;
  const onStage = focus === pad.stageEl || focus === document.body || !focus;
  const chord = chordOf(event);
  const single = !chord.includes("mod+");
  if (single && !pad.settings.singleKeys && !onStage) return;
  if (onStage && pad.photo && ARROWS[event.key] && !chord.includes("mod+")) {
    event.preventDefault();
    pad.during(event, () => arrow(pad, ...ARROWS[event.key], event.shiftKey));
    return;
  }
  if (holdKey(pad, event, chord, onStage, focus)) return;
  const commands = COMMANDS.filter(({ keys }) => keys.includes(chord));
  const command = commands.find(({ id }) => isAvailable(pad, id)) ?? commands[0];
  if (!command || (command.stage && !onStage) || (chord === "tab" && focus !== pad.stageEl)) return; // elsewhere, Tab moves the focus
  if (single && !pad.settings.singleKeys && chord.length === 1) return;
  event.preventDefault();
  runCommand(pad, command.id, event);
}

function holdKey(pad, event, chord, onStage, focus) {
  if (!pad.photo) return false;
  if (chord === "space" && (onStage || !focus?.matches("button, summary, a, input"))) {
    event.preventDefault();
    if (!pad.ui.panning) pad.set({ panning: true });
    return true;
  }
  if (chord === "o" && pad.settings.singleKeys) {
    if (!pad.ui.hold) pad.set({ hold: true });
    return true;
  }
  return false;
}

export function runCommand(pad, id, event) {
  const command = COMMAND_BY_ID[id];
  if (!isAvailable(pad, id)) return;
  pad.during(event, () => command.run(pad, event));
}

export function isAvailable(pad, id) {
  const command = COMMAND_BY_ID[id];
  if (command.needs === null) return true;
  if (!pad.photo) return false;
  if (id === "undo") return pad.ui.cropping !== null || pad.history.past.length > 0;
  if (id === "redo") return pad.history.future.length > 0;
  if (id === "skip" || id === "accept") return pad.ui.regionPick.length > 0;
  if (id === "similar") return similarRegions(pad) !== null && !pad.ui.cross;
  if (id === "updates") return pad.fills();
  if (id === "apply-changes") return heldResult(pad) !== null;
  if (id === "place") return !isAvailable(pad, "similar");
  const tool = TOOLS.find((candidate) => `tool-${candidate.id}` === id);
  if (tool) return pad.tools().includes(tool);
  if (id === "add") return pad.ui.tool !== "crop" && (pad.accepts("points") || ["box", "area", "paint", "replace", "heal"].includes(pad.ui.tool));
  return true;
}

export function suitsModel(pad, { id }) {
  const tool = TOOLS.find((candidate) => `tool-${candidate.id}` === id);
  if (tool) return pad.tools().includes(tool);
  if (id === "skip" || id === "accept") return pad.accepts("regions");
  if (["similar", "updates", "apply-changes"].includes(id)) return pad.fills();
  if (id === "next") return pad.accepts("points") || pad.accepts("regions");
  return !["suggestion", "lock", "mute", "following", "previous"].includes(id) || pad.accepts("points");
}
