/**
 * Effects of pointer and arrow keys on the document, by tool.
 *
 * @typedef {import("./pointer.js").Spot} Spot
 * @typedef {import("./shapes.js").Place} Place
 * @typedef {{tool: string, from: Spot, began: Place, id: number | null, offset: [number, number], moved: boolean, isNew?: boolean, last?: Place, stroke?: number,
 *   region?: number | null, waiting?: Place[], how?: "new" | "more" | "less", borderGrip?: import("./shapes.js").Grip, borderBox?: import("./border.js").Inside, index?: number,
 *   grip?: import("./shapes.js").Grip | null, start?: Place, box?: import("./shapes.js").Box, cropSheet?: import("./cropping.js").Sheet,
 *   cropGrip?: import("./shapes.js").Grip | null, cropHow?: "resize" | "move" | "draw" | "turn"}} Drag
 *   what a tool holds: where it began, the id of a point and how far its center is from the pointer, sides of the line around the image,
 *   or a box and its held sides
 */

import { AREA_LAYERS } from "./arealayers.js";
import { pickRegion, regionAt, requestMatch } from "./coloring.js";
import { confirmCrop, cropGripAt, dragCrop, endCrop, moveCrop, startCrop } from "./cropping.js";
import { nextStroke } from "./document.js";
import { continueLasso, endFill, endLasso, fillTo, spreadColor } from "./filling.js";
import { setAttr, t } from "./dom.js";
import { addPointAt, brushPoint, continueCut, deletePoint, endCut, erasedAt, insidePhoto, movePoint, newPoint, pickColorAt, pickColorHere, pointNear, selectPoint } from "./edits.js";
import { dragBorder, endBorder, borderGripAt, insideOf, isOnBorder } from "./border.js";
import { continueHealing, endHealing, eraseHealing, startHealing } from "./healing.js";
import { brushSize, continuePaint, endPaint, startPaint } from "./painting.js";
import { PAINT_LAYERS } from "./paintlayers.js";
import { nearBy } from "./pointer.js";
import { REPLACEMENT_LAYERS, replaceColorAt } from "./replacing.js";
import { addBox, addObjectInBox, boxesOf, brushArea, deleteArea, deleteBox, moveBox, pickBox, pickedBox, previewBox, selectObject } from "./shapeedits.js";
import { areaAt, boundsOf, boxAt, boxBetween, distance, gripAt, isLargeEnough, movedBox, resized, roundedPath, simplified, turned } from "./shapes.js";
import { beforeTurn, paneSize, stageToPhoto, viewTurn } from "./stage.js";
import { NO_DRAG, change, readOnly } from "./state.js";
import { panBy, zoomAt } from "./view.js";

const DRAG_DISTANCE = 3;

/**
 * Tools and the guidance that they need; null: always available. manual: never selected automatically. layers: what it makes in the list of
 * layers. photo: not for drawings. starts: the first tool of a group in the rail. Keys are those of Photoshop where the tool exists there.
 */
export const TOOLS = [
  { id: "fill", icon: "fill", name: "Fill", label: "Fill: click a region of the drawing, or drag across several regions", key: "G", kind: "fills" },
  { id: "point", icon: "point", name: "Points", label: "Color points: click a spot, then choose its color", key: "V", also: "p", kind: "points" },
  { id: "brush", icon: "brush", name: "Color brush", label: "Color brush: draw a stroke whose color spreads over the object", key: "B", kind: "points", photo: true },
  { id: "same", icon: "same", name: "Same color", label: "Same color: give similar regions the color of a region", key: "T", kind: "fills" },
  { id: "lasso", icon: "lasso", name: "Lasso fill", label: "Lasso fill: draw an outline to fill its inside", key: "Shift+G", kind: "fills" },
  { id: "enclosed", icon: "enclosed", name: "Enclosed", label: "Fill enclosed regions: draw an outline around regions to fill them", key: "Shift+E", kind: "fills" },
  { id: "split", icon: "split", name: "Split", label: "Split: draw a line across a region to split it, or a closed line to add a region", key: "D", kind: "fills" },
  { id: "join", icon: "join", name: "Join", label: "Join: draw a line across regions to join them", key: "Shift+D", kind: "fills" },
  { id: "region", icon: "region", name: "Regions", label: "Regions: color the regions of a drawing, or draw a line to split or add a region", key: "D", kind: "regions" },
  { id: "edge", icon: "edge", name: "Edge brush", label: "Edge brush: draw along an edge to stop colors from bleeding across it", key: "G", kind: "scribbles" },
  { id: "box", icon: "box", name: "Object box", label: "Object box: draw a box around an object to color it separately", key: "U", kind: "boxes", manual: true, tab: "layers" },
  { id: "paint", icon: "paint", name: "Paint", label: "Paint: apply a color exactly where you paint", key: "Shift+B", kind: null, manual: true, layers: PAINT_LAYERS },
  { id: "replace", icon: "replace", name: "Replace", label: "Replace a color in the whole photo", key: "Q", kind: null, manual: true, layers: REPLACEMENT_LAYERS },
  { id: "eraser", icon: "eraser", name: "Eraser", label: "Eraser: erase color points, color strokes and edge strokes", key: "E", kind: "points scribbles" },
  { id: "dropper", icon: "dropper", name: "Eyedropper", label: "Eyedropper: pick a color from the photo", key: "I", kind: "points regions" },
  { id: "area", icon: "select", name: "Select", label: "Select an object to fill it, protect it or leave it gray", key: "W", kind: null, manual: true, layers: AREA_LAYERS, starts: true, photo: true },
  { id: "heal", icon: "heal", name: "Heal", label: "Healing brush: paint over dust and scratches to remove them", key: "J", kind: null, manual: true, starts: true },
  { id: "crop", icon: "crop", name: "Crop", label: "Straighten and crop the photo", key: "C", kind: null, manual: true },
  { id: "border", icon: "border", name: "Border", label: "Scan border: exclude film edges and paper margins from coloring", key: "Shift+C", kind: null, manual: true, photo: true },
  { id: "hand", icon: "hand", name: "Hand", label: "Hand: move the view", key: "H", kind: null, starts: true },
];

/** Tools that pick a color while Alt is pressed. */
const PICKING_TOOLS = ["fill", "point", "brush", "same", "lasso", "enclosed"];

/** Tools that neither set points nor select areas. Their panels are shown first. */
export const LONE_TOOLS = ["paint", "replace", "border", "heal", "crop"];

/** @param {string[]} guidance of the model @param {boolean} fills whether points fill the regions of a drawing */
export const toolsFor = (guidance, fills) => TOOLS.filter(({ kind, photo }) => !(fills && photo) && (kind === null || kind.split(" ").some((name) => guidance.includes(name) || (fills && name === "fills"))));

export function stageGestures(pad) {
  const place = (at) => stageToPhoto(pad, at.x, at.y);
  return {
    down: (at) => pad.photo && startTool(pad, at, place(at)),
    move: (at) => pad.photo && continueTool(pad, at, place(at)),
    up: (at) => pad.photo && endTool(pad, at, place(at)),
    cancel: () => cancelTool(pad),
    hover: (at) => pad.photo && hoverAt(pad, at, at && place(at)),
    erase: (at) => pad.photo && eraseAt(pad, at, place(at)),
    erases: () => pad.ui.tool !== "crop",
    pan: (dx, dy) => pad.photo && pad.set({ view: panBy(pad.ui.view, pad.photo, paneSize(pad), ...turned([dx, dy], -viewTurn(pad))) }),
    zoom: (factor, at) => pad.photo && zoomTo(pad, factor, at),
    tap: (fingers) => (fingers === 2 ? pad.run("undo") : fingers === 3 && pad.run("redo")),
    wantsPan: () => pad.ui.panning || pad.ui.tool === "hand",
    resize: (step) => pad.run(step < 0 ? "smaller" : "larger"),
    wantsWheel: (event) => Boolean(pad.photo) && (!pad.options.notebook || event.ctrlKey || pad.hasFocus()),
  };
}

/** @param {[number, number]} at on the stage */
function zoomTo(pad, factor, at) {
  const size = paneSize(pad);
  const [x, y] = beforeTurn(pad, ...at);
  pad.set({ view: zoomAt(pad.ui.view, pad.photo, size, factor, [x >= size.width ? x - size.width : x, y]) });
  pad.queue.requestFullLater();
}

/** @param {any} pad @param {Place} place @returns {boolean} whether the position is inside the photo */
const inside = (pad, [x, y]) => x >= 0 && y >= 0 && x <= pad.photo.width && y <= pad.photo.height;

/** @param {any} pad @param {Spot} at @param {Place} place */
function startTool(pad, at, place) {
  if (at.event.altKey && PICKING_TOOLS.includes(pad.ui.tool)) return inside(pad, place) && pickColorHere(pad, ...place);
  /** @type {Readonly<Drag>} */
  const drag = readOnly({ tool: pad.ui.tool, from: at, began: place, id: null, offset: [0, 0], moved: false });
  change(pad.ui, { drag, cross: null, judging: false });
  const starts = {
    point: startPoint,
    fill: fillAt,
    same: () => inside(pad, place) && spreadColor(pad, place),
    lasso: () => continueLasso(pad, place),
    enclosed: () => continueLasso(pad, place),
    brush: brushAt,
    eraser: eraseAtPointer,
    edge: startStroke,
    region: startRegion,
    dropper: () => inside(pad, place) && pickColorAt(pad, ...place),
    box: startBox,
    area: startSelection,
    border: startBorder,
    replace: () => replaceColorAt(pad, place),
    heal: () => startHealing(pad, place),
    crop: () => startCrop(pad, drag, place, cropReach(pad, at)),
    paint: (_, { event }) => startPaint(pad, place, event.ctrlKey || event.metaKey || event.altKey),
  };
  starts[drag.tool]?.(pad, at, place, drag);
  pad.changed();
}

/** Start a drag of the scan border if it is near. @param {any} pad @param {Spot} at @param {Place} place @param {Readonly<Drag>} drag */
function startBorder(pad, at, place, drag) {
  const borderGrip = borderGripAt(pad, place, nearBy(at) / 2 / pad.ui.view.scale);
  if (borderGrip) change(drag, { borderGrip, borderBox: insideOf(pad) });
}

/** @param {any} pad @param {Spot} at @param {Place} place @param {Readonly<Drag>} drag */
function startPoint(pad, at, place, drag) {
  const near = pointNear(pad, ...place, nearBy(at));
  if (near !== null) {
    const point = pad.doc.points.find(({ id }) => id === near);
    change(drag, { id: near, offset: [point.x - place[0], point.y - place[1]] });
    selectPoint(pad, near);
  } else if (inside(pad, place)) {
    if (isOnBorder(pad, ...place)) pad.toast(t("The image outside the scan border stays gray. Drag the border to include this part."));
    const point = newPoint(pad, ...place);
    change(drag, { id: point.id, isNew: true });
    pad.hold({ ...pad.doc, points: [...pad.doc.points, point] });
    pad.set({ selected: point.id, tab: "color", regionPick: [], suggestions: null, nextPlace: null, box: null, area: null });
    pad.queue.requestEarly();
  } else if (pad.ui.selected !== null) pad.set({ selected: null, suggestions: null });
}

const cropReach = (pad, at) => nearBy(at) / pad.ui.view.scale;

export function leaveCrop(pad) {
  confirmCrop(pad);
  const { toolBefore } = pad.ui;
  const offered = pad.tools();
  pad.setTool((offered.find(({ id }) => id === toolBefore && id !== "crop") ?? offered.find(({ manual }) => !manual)).id);
}

/** @param {any} pad @param {Spot} at @param {Place} place */
function startStroke(pad, at, place) {
  if (inside(pad, place)) change(pad.ui, { stroke: { path: [place], width: pad.ui.size * pad.perNetworkPixel() } });
}

/** @param {any} pad @param {Spot} at @param {Place} place */
const startRegion = (pad, at, place) => pickRegion(pad, regionAt(pad, ...place), at.event.ctrlKey || at.event.shiftKey || at.event.metaKey);

/** @param {any} pad @param {Spot} at @param {Place} place @param {Readonly<Drag>} drag */
function fillAt(pad, at, place, drag) {
  if (inside(pad, place)) fillTo(pad, drag, place);
}

/** @param {any} pad @param {Spot} at @param {Place} place @param {Readonly<Drag>} drag */
function brushAt(pad, at, place, drag) {
  if (!inside(pad, place)) return;
  const spacing = Math.max(1, pad.ui.size * pad.perNetworkPixel());
  const last = drag.last;
  if (last && Math.hypot(place[0] - last[0], place[1] - last[1]) < spacing) return;
  change(drag, { last: place, stroke: drag.stroke ?? nextStroke(pad.doc) });
  const point = { ...brushPoint(pad, ...place), stroke: drag.stroke };
  pad.preview({ ...pad.doc, points: [...pad.doc.points, point] });
}

/** @param {any} pad @param {Spot} at @param {Place} place */
function eraseAtPointer(pad, at, place) {
  const doc = erasedAt(pad, ...place);
  if (doc === pad.doc) return;
  if (!doc.points.some(({ id }) => id === pad.ui.selected)) change(pad.ui, { selected: null });
  pad.preview(doc);
}

/** @param {any} pad @param {Spot} at @param {Place} place */
function continueTool(pad, at, place) {
  const { drag } = pad.ui;
  change(pad.ui, { cursor: place });
  if (!drag) return;
  if (Math.hypot(at.x - drag.from.x, at.y - drag.from.y) > DRAG_DISTANCE) change(drag, { moved: true });
  if (drag.tool === "border" && drag.moved) dragBorder(pad, drag, insidePhoto(pad, ...place));
  else if (drag.tool === "point" && drag.id !== null && drag.moved) {
    movePoint(pad, drag.id, place[0] + drag.offset[0], place[1] + drag.offset[1], false);
  } else if (drag.tool === "brush") brushAt(pad, at, place, drag);
  else if (drag.tool === "fill") fillAt(pad, at, place, drag);
  else if (drag.tool === "eraser") eraseAtPointer(pad, at, place);
  else if (drag.tool === "edge" && pad.ui.stroke) continueStroke(pad, place);
  else if (["region", "split", "join"].includes(drag.tool)) continueCut(pad, drag, place);
  else if (drag.tool === "area") continueSelection(pad, place);
  else if (drag.tool === "lasso" || drag.tool === "enclosed") continueLasso(pad, place);
  else if (drag.tool === "paint") continuePaint(pad, place);
  else if (drag.tool === "heal") continueHealing(pad, place);
  else if (drag.tool === "crop" && drag.moved) dragCrop(pad, drag, place);
  else if (drag.tool === "box") continueBox(pad, drag, place);
  pad.redrawMarks();
}

/** @param {any} pad @param {Place} place */
function continueStroke(pad, place) {
  const { path, width } = pad.ui.stroke;
  const [x, y] = path.at(-1);
  if (Math.hypot(place[0] - x, place[1] - y) * pad.ui.view.scale < 2) return;
  change(pad.ui, { stroke: { path: [...path, insidePhoto(pad, ...place)], width } });
}

/** @param {any} pad @param {Spot} at @param {Place} place */
function endTool(pad, at, place) {
  const { drag } = pad.ui;
  change(pad.ui, { drag: null });
  if (!drag) return;
  pad.during(at.event, () => finishDrag(pad, drag, place));
  pad.changed();
}

/** @param {any} pad @param {Readonly<Drag>} drag @param {Place} place */
function finishDrag(pad, drag, place) {
  if (pad.ui.draggedBorder) endBorder(pad);
  else if (drag.tool === "point" && drag.id !== null) pad.commit(drag.isNew ? t("add point") : t("move point"));
  else if (drag.tool === "brush") pad.commit(t("color stroke"));
  else if (drag.tool === "fill") endFill(pad, drag);
  else if (drag.tool === "eraser") pad.commit(t("erase points"));
  else if (["region", "split", "join"].includes(drag.tool)) endCut(pad, drag.tool === "join");
  else if (drag.tool === "area") endSelection(pad, drag, place);
  else if (drag.tool === "lasso" || drag.tool === "enclosed") endLasso(pad, drag.tool === "enclosed");
  else if (drag.tool === "paint") endPaint(pad);
  else if (drag.tool === "heal") endHealing(pad);
  else if (drag.tool === "crop") endCrop(pad);
  else if (drag.tool === "box") endBox(pad, drag, place);
  else if (drag.tool === "edge" && pad.ui.stroke) {
    const { path, width } = pad.ui.stroke;
    change(pad.ui, { stroke: null });
    pad.edit({ ...pad.doc, scribbles: [...pad.doc.scribbles, { path: roundedPath(path), width: Math.round(100 * width) / 100 }] }, t("add edge stroke"));
  }
}

function cancelTool(pad) {
  change(pad.ui, NO_DRAG);
  pad.cancel();
}

/** @param {any} pad @param {Spot} at @param {Place} place */
function eraseAt(pad, at, place) {
  if (pad.ui.tool === "crop") return;
  if (pad.ui.tool === "area") return eraseArea(pad, place);
  if (pad.ui.tool === "heal") return eraseHealing(pad, place, nearBy(at) / 2 / pad.ui.view.scale);
  if (pad.ui.tool === "box") return eraseBox(pad, place, nearBy(at));
  const near = pointNear(pad, ...place, nearBy(at));
  if (near !== null) deletePoint(pad, near);
}

/** @param {any} pad @param {Place} place @param {number} reach CSS pixels @returns {string | null} meaning of the signs beside the point at a position */
function markWords(pad, place, reach) {
  const isMarked = ({ locked, wanted }) => locked || (wanted && !pad.fills());
  if (!pad.doc.points.some(isMarked) || pad.ui.hidesMarks) return null;
  const id = pointNear(pad, ...place, reach);
  const point = pad.doc.points.find((candidate) => candidate.id === id && isMarked(candidate));
  if (!point) return null;
  const words = [
    point.locked ? t("●: this point is locked") : null,
    point.wanted && !pad.fills() ? t("≠: {wanted} is not available at this brightness, {hex} is used instead", { wanted: point.wanted, hex: point.hex }) : null,
  ];
  return words.filter(Boolean).join("\n");
}

/** @param {any} pad @param {Spot | null} at @param {Place | null} place null outside the stage */
function hoverAt(pad, at, place) {
  change(pad.ui, { cursor: place && inside(pad, place) ? place : null, judging: false });
  const line = () => borderGripAt(pad, place, nearBy(at) / 2 / pad.ui.view.scale);
  const find = { point: () => pointNear(pad, ...place, nearBy(at)), border: line, crop: () => cropGripAt(pad, place, cropReach(pad, at)), box: () => boxGripAt(pad, place, nearBy(at)) }[pad.ui.tool];
  const near = place && find ? find() : null;
  pad.stageEl.dataset.over = near === null ? "" : "point";
  setAttr(pad.stageEl, "title", place && markWords(pad, place, nearBy(at)));
  pad.redrawMarks();
  if (pad.ui.cursor && pad.ui.exemplar && !pad.session.matching) {
    change(pad.session, { matching: true });
    requestMatch(pad, ...place).finally(() => { change(pad.session, { matching: false }); });
  }
}

/** Move the crosshair, the selected point or shape, or the view with the arrow keys. */
export function arrow(pad, dx, dy, far) {
  const { ui } = pad;
  const factor = far ? 10 : 1;
  if (ui.tool === "crop" && ui.cropping) return moveCrop(pad, dx * factor, dy * factor);
  const point = pad.selectedPoint();
  if (ui.cross) {
    const step = Math.max(1, Math.round(2 / ui.view.scale)) * factor;
    const cross = insidePhoto(pad, ui.cross[0] + dx * step, ui.cross[1] + dy * step);
    pad.set({ cross });
    pad.revealPlace(...cross);
    pad.announce(t("x {x}, y {y}", { x: Math.round(cross[0]), y: Math.round(cross[1]) }));
  } else if (point) {
    movePoint(pad, point.id, point.x + dx * factor, point.y + dy * factor, true);
    pad.revealPlace(point.x, point.y);
  } else if (pickedBox(pad) !== null) moveBox(pad, dx * factor, dy * factor);
  else pad.set({ view: panBy(ui.view, pad.photo, paneSize(pad), -dx * 40 * factor, -dy * 40 * factor) });
}

export function placeAtCross(pad) {
  const { cross, tool } = pad.ui;
  if (tool === "crop") leaveCrop(pad);
  if (!cross) return;
  const [x, y] = cross;
  if (tool === "box") return placeCorner(pad);
  if (tool === "area") return selectAtCursor(pad);
  if (tool === "paint") {
    startPaint(pad, cross, false);
    return endPaint(pad);
  }
  if (tool === "heal") {
    startHealing(pad, cross);
    return endHealing(pad);
  }
  if (tool === "split" || tool === "join") return cutAtCross(pad);
  if (tool === "lasso" || tool === "enclosed") return lassoAtCross(pad);
  if (tool === "replace") replaceColorAt(pad, cross);
  else if (tool === "same") spreadColor(pad, cross);
  else if (tool === "fill" && !pad.ui.nextPlace) {
    const drag = readOnly({});
    fillTo(pad, drag, cross);
    endFill(pad, drag);
  }
  else if (tool === "region") pickRegion(pad, regionAt(pad, x, y));
  else if (tool === "dropper") pickColorAt(pad, x, y);
  else {
    const near = pointNear(pad, x, y, 5);
    if (near === null) addPointAt(pad, x, y);
    else selectPoint(pad, near);
  }
  pad.set({ cross: null, nextPlace: null });
}

/** Set a corner of a line that splits or joins regions; the second corner ends the line. */
function cutAtCross(pad) {
  const { cross, stroke, tool } = pad.ui;
  if (stroke) {
    change(pad.ui, { stroke: { ...stroke, path: [...stroke.path, cross] } });
    endCut(pad, tool === "join");
    return pad.set({ cross: null });
  }
  pad.set({ stroke: { path: [cross], width: pad.perNetworkPixel() } });
  pad.announce(t("The line starts here. Move to its end and press Enter."));
}

/** Set a corner of an outline; a corner at the first or last corner ends the outline. */
function lassoAtCross(pad) {
  const { cross, outline, tool } = pad.ui;
  const isEnd = outline?.length > 2 && [outline[0], outline.at(-1)].some((corner) => distance(corner, cross) * pad.ui.view.scale < DRAG_DISTANCE);
  if (isEnd) {
    endLasso(pad, tool === "enclosed");
    return pad.set({ cross: null });
  }
  continueLasso(pad, cross);
  pad.redrawMarks();
  pad.announce(t("Corner {n}. Press Enter at the last corner to close the outline.", { n: pad.ui.outline.length }));
}

const toPhotoPixels = (pad, stage) => stage / pad.ui.view.scale;

/** Resize a box at a side, move the selected box at its inside, or start a new box. @param {any} pad @param {Spot} at @param {Place} place @param {Readonly<Drag>} drag */
function startBox(pad, at, place, drag) {
  const grip = boxGripAt(pad, place, nearBy(at));
  if (grip) {
    change(drag, { ...grip, start: place, box: pad.doc.boxes[grip.index] });
    pickBox(pad, grip.index);
  } else {
    const corner = insidePhoto(pad, ...place);
    change(pad.ui, { shaping: { corners: [corner, corner] } });
  }
}

/** @param {[number, number]} place @param {number} reach CSS pixels @returns {{index: number, grip: any} | null} */
function boxGripAt(pad, place, reach) {
  const boxes = boxesOf(pad);
  const picked = pickedBox(pad);
  const order = boxes.map((_, index) => index).sort((one, other) => Number(other === picked) - Number(one === picked));
  for (const index of order) {
    const grip = gripAt(boxes[index], place, toPhotoPixels(pad, reach));
    if (grip) return { index, grip };
  }
  return picked !== null && boxAt([boxes[picked]], place) === 0 ? { index: picked, grip: null } : null;
}

/** @param {any} pad @param {Readonly<Drag>} drag @param {Place} place */
function continueBox(pad, drag, place) {
  const { shaping } = pad.ui;
  const inside = insidePhoto(pad, ...place);
  if (drag.box && drag.moved) previewBox(pad, drag.index, draggedBox(pad, drag, place, inside));
  else if (shaping) change(pad.ui, { shaping: { corners: [shaping.corners[0], inside] } });
}

/** @param {any} pad @param {Readonly<Drag>} drag @param {Place} place @param {Place} inside the nearest position inside the photo @returns {import("./shapes.js").Box} */
function draggedBox(pad, { box, grip, start }, place, inside) {
  return grip ? resized(box, grip, inside) : movedBox(box, place[0] - start[0], place[1] - start[1], pad.photo);
}

function endBox(pad, drag, place) {
  const { shaping } = pad.ui;
  change(pad.ui, { shaping: null });
  if (drag.box) {
    if (isLargeEnough(pad.doc.boxes[drag.index])) pad.commit(drag.grip ? t("resize box") : t("move box"));
    else pad.cancel();
  } else if (!drag.moved) pickBox(pad, boxAt(boxesOf(pad), place));
  else if (shaping) finishBox(pad, shaping.corners);
}

/** @param {any} pad @param {[Place, Place]} corners @returns {boolean} whether the box is large enough */
function finishBox(pad, corners) {
  const box = boxBetween(...corners);
  if (!isLargeEnough(box)) return false;
  if (pad.settings.rectangles) addBox(pad, box);
  else addObjectInBox(pad, box);
  return true;
}

/** Delete the box at a position. @param {[number, number]} place @param {number} reach CSS pixels */
function eraseBox(pad, place, reach) {
  const index = boxGripAt(pad, place, reach)?.index ?? boxAt(boxesOf(pad), place);
  if (index >= 0) deleteBox(pad, index);
}

function placeCorner(pad) {
  const { cross, shaping } = pad.ui;
  if (!shaping) {
    pad.set({ shaping: { corners: [cross, cross], keyed: true } });
    pad.announce(t("First corner set. Move to the opposite corner and press Enter."));
  } else if (finishBox(pad, [shaping.corners[0], cross])) pad.set({ shaping: null, cross: null });
  else pad.announce(t("This box is too small. Draw a larger box."));
}

const OUTLINE_SPACING = 2; // CSS pixels between corners of an outline

const outlineSpacing = (pad) => OUTLINE_SPACING / pad.ui.view.scale;

function selectionMode({ shiftKey, ctrlKey, metaKey }) {
  if (shiftKey) return "more";
  return ctrlKey || metaKey ? "less" : "new";
}

/** @param {any} pad @param {Spot} at @param {Place} place @param {Readonly<Drag>} drag */
function startSelection(pad, at, place, drag) {
  if (pad.ui.areaBrush) {
    const flips = at.event.ctrlKey || at.event.metaKey || at.event.altKey;
    pad.set({ areaStroke: { path: [place], less: (pad.ui.areaBrush === "less") !== flips } });
    return;
  }
  change(pad.ui, { outline: [insidePhoto(pad, ...place)] });
  change(drag, { how: selectionMode(at.event) });
}

/** @param {any} pad @param {Place} place */
function continueSelection(pad, place) {
  const { areaStroke, outline } = pad.ui;
  const longer = (path, corner) => (distance(corner, path.at(-1)) >= outlineSpacing(pad) ? [...path, corner] : path);
  if (areaStroke) change(pad.ui, { areaStroke: { ...areaStroke, path: longer(areaStroke.path, place) } });
  if (outline) change(pad.ui, { outline: longer(outline, insidePhoto(pad, ...place)) });
}

/** @param {any} pad @param {Readonly<Drag>} drag @param {Place} place */
function endSelection(pad, drag, place) {
  const { areaStroke } = pad.ui;
  if (areaStroke) {
    change(pad.ui, { areaStroke: null });
    brushArea(pad, areaStroke.path, brushSize(pad), areaStroke.less);
    return;
  }
  const path = pad.ui.outline;
  change(pad.ui, { outline: null });
  const outline = path && simplified(path, outlineSpacing(pad));
  if (drag.moved && outline?.length >= 3 && isLargeEnough(boundsOf(path))) selectObject(pad, { path: roundedPath(outline) }, drag.how);
  else if (!drag.moved) selectObject(pad, { at: roundedPath([insidePhoto(pad, ...place)])[0] }, drag.how);
}

function eraseArea(pad, place) {
  const index = areaAt(pad.doc.areas, pad.photo, place);
  if (pad.ui.selection) pad.set({ selection: null });
  else if (index >= 0) deleteArea(pad, index);
}

async function selectAtCursor(pad) {
  const at = roundedPath([pad.ui.cross])[0];
  pad.set({ cross: null });
  if (!(await selectObject(pad, { at }))) return;
  requestAnimationFrame(() => pad.root.querySelector("[data-area-action]")?.focus()); // the button is shown from this frame on
}
