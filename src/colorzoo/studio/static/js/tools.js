/** What pointer and arrow keys do to the work, by tool. */

import { addPointAt, deletePoint, erasedAt, insidePhoto, movePoint, newPoint, pickColorAt, pointNear, selectPoint } from "./edits.js";
import { pickRegion, regionAt, requestMatch } from "./coloring.js";
import { t } from "./dom.js";
import { nearBy } from "./pointer.js";
import { endCut, lengthenCut } from "./regionedits.js";
import { moveShape, pickedShape } from "./shapeedits.js";
import { DRAWS, continueShape, endShape, eraseShape, heldBox, placeCorner, startBox, startLasso } from "./shapetools.js";
import { paneSize, stageToPhoto } from "./stage.js";
import { nextStroke } from "./strokes.js";
import { panBy, zoomAt } from "./view.js";
import { continueZone, endZone, eraseZone, selectAtCross, startZone } from "./zonetools.js";

const DRAG_FROM = 3;

/** Tools by the kind of guidance they need; null: always there. `asked`: only in hand when somebody takes it. */
const TOOLS = [
  { id: "point", icon: "point", label: "Point", key: "P", kind: "points" },
  { id: "brush", icon: "brush", label: "Brush: a row of points", key: "B", kind: "points" },
  { id: "region", icon: "region", label: "Regions", key: "D", kind: "regions" },
  { id: "edge", icon: "edge", label: "Edge scribble", key: "G", kind: "scribbles" },
  { id: "lasso", icon: "lasso", label: "Paint a class: draw around a thing", key: "F", kind: "classes", asked: true },
  { id: "box", icon: "box", label: "Box around a thing", key: "U", kind: "boxes", asked: true },
  { id: "area", icon: "select", label: "Area: select a thing", key: "T", kind: null, asked: true },
  { id: "eraser", icon: "eraser", label: "Eraser", key: "E", kind: "points scribbles" },
  { id: "dropper", icon: "dropper", label: "Eyedropper", key: "I", kind: "points regions" },
  { id: "hand", icon: "hand", label: "Move the view", key: "H", kind: null },
];

/** @param {string[]} guidance of the model @returns {typeof TOOLS} */
function toolsFor(guidance) {
  return TOOLS.filter(({ kind }) => kind === null || kind.split(" ").some((name) => guidance.includes(name)));
}

/** @param {any} pad @returns {Parameters<typeof import("./pointer.js").listenToStage>[1]} */
function stageGestures(pad) {
  const place = (at) => stageToPhoto(pad, at.x, at.y);
  return {
    down: (at) => pad.photo && startTool(pad, at, place(at)),
    move: (at) => pad.photo && continueTool(pad, at, place(at)),
    up: (at) => pad.photo && endTool(pad, at, place(at)),
    cancel: () => cancelTool(pad),
    hover: (at) => pad.photo && hoverAt(pad, at, at && place(at)),
    erase: (at) => pad.photo && eraseAt(pad, at, place(at)),
    pan: (dx, dy) => pad.photo && pad.set({ view: panBy(pad.ui.view, pad.photo, paneSize(pad), dx, dy) }),
    zoom: (factor, at) => pad.photo && zoomTo(pad, factor, at),
    tap: (fingers) => (fingers === 2 ? pad.run("undo") : fingers === 3 && pad.run("redo")),
    wantsPan: () => pad.ui.panning || pad.ui.tool === "hand",
    wantsWheel: (event) => Boolean(pad.photo) && (!pad.options.notebook || event.ctrlKey || pad.hasFocus()),
  };
}

function zoomTo(pad, factor, [x, y]) {
  const size = paneSize(pad);
  pad.set({ view: zoomAt(pad.ui.view, pad.photo, size, factor, [x >= size.width ? x - size.width : x, y]) });
  pad.queue.rest();
}

const inside = (pad, [x, y]) => x >= 0 && y >= 0 && x <= pad.photo.width && y <= pad.photo.height;

function startTool(pad, at, place) {
  const drag = { tool: pad.ui.tool, from: at, began: place, id: null, offset: [0, 0], moved: false };
  pad.ui.drag = drag;
  pad.ui.cross = null;
  const starts = {
    point: startPoint, brush: brushTo, eraser: eraseTo, edge: startStroke, region: startRegion, dropper: takeAt, lasso: startLasso,
    box: startBox, area: startZone,
  };
  starts[drag.tool]?.(pad, at, place, drag);
  pad.changed();
}

function startPoint(pad, at, place, drag) {
  const near = pointNear(pad, ...place, nearBy(at));
  if (near !== null) {
    const point = pad.doc.points.find(({ id }) => id === near);
    Object.assign(drag, { id: near, offset: [point.x - place[0], point.y - place[1]] });
    selectPoint(pad, near);
  } else if (inside(pad, place)) {
    const point = newPoint(pad, ...place);
    Object.assign(drag, { id: point.id, isNew: true });
    pad.history.preview({ ...pad.doc, points: [...pad.doc.points, point] });
    pad.set({ selected: point.id, regionPick: [], suggestions: null, wanted: null, shape: null, zone: null });
    pad.queue.expect();
  } else if (pad.ui.selected !== null) pad.set({ selected: null, suggestions: null });
}

function startStroke(pad, at, place) {
  if (inside(pad, place)) pad.ui.stroke = { path: [place], width: pad.ui.size * pad.perNetworkPixel() };
}

function startRegion(pad, at, place) {
  pickRegion(pad, regionAt(pad, ...place), at.event.ctrlKey || at.event.shiftKey || at.event.metaKey);
}

function takeAt(pad, at, place) {
  if (inside(pad, place)) pickColorAt(pad, ...place);
}

function brushTo(pad, at, place, drag) {
  if (!inside(pad, place)) return;
  const spacing = Math.max(1, pad.ui.size * pad.perNetworkPixel());
  const last = drag.last;
  if (last && Math.hypot(place[0] - last[0], place[1] - last[1]) < spacing) return;
  drag.last = place;
  drag.stroke ??= nextStroke(pad.doc);
  const point = { ...newPoint(pad, ...place, pad.paintAb(...place)), stroke: drag.stroke };
  pad.preview({ ...pad.doc, points: [...pad.doc.points, point] });
}

function eraseTo(pad, at, place) {
  const doc = erasedAt(pad, ...place);
  if (doc === pad.doc) return;
  if (!doc.points.some(({ id }) => id === pad.ui.selected)) pad.ui.selected = null;
  pad.preview(doc);
}

function continueTool(pad, at, place) {
  const { drag } = pad.ui;
  pad.ui.cursor = place;
  if (!drag) return;
  if (Math.hypot(at.x - drag.from.x, at.y - drag.from.y) > DRAG_FROM) drag.moved = true;
  if (drag.tool === "point" && drag.id !== null && drag.moved) {
    movePoint(pad, drag.id, place[0] + drag.offset[0], place[1] + drag.offset[1], false);
  } else if (drag.tool === "brush") brushTo(pad, at, place, drag);
  else if (drag.tool === "eraser") eraseTo(pad, at, place);
  else if (drag.tool === "edge" && pad.ui.stroke) lengthenStroke(pad, place);
  else if (drag.tool === "region") lengthenCut(pad, drag, place);
  else if (drag.tool === "area") continueZone(pad, place);
  else if (drag.tool in DRAWS) continueShape(pad, drag, place);
  pad.redrawMarks();
}

function lengthenStroke(pad, place) {
  const { path } = pad.ui.stroke;
  const [x, y] = path.at(-1);
  if (Math.hypot(place[0] - x, place[1] - y) * pad.ui.view.scale < 2) return;
  path.push(insidePhoto(pad, ...place));
}

function endTool(pad, at, place) {
  const { drag } = pad.ui;
  pad.ui.drag = null;
  if (!drag) return;
  pad.input = at.event.timeStamp;
  if (drag.tool === "point" && drag.id !== null) pad.commit(drag.isNew ? t("add point") : t("move point"));
  else if (drag.tool === "brush") pad.commit(t("brush"));
  else if (drag.tool === "eraser") pad.commit(t("erase"));
  else if (drag.tool === "region") endCut(pad);
  else if (drag.tool === "area") endZone(pad, drag, place);
  else if (drag.tool in DRAWS) endShape(pad, drag, place);
  else if (drag.tool === "edge" && pad.ui.stroke) {
    const stroke = pad.ui.stroke;
    pad.ui.stroke = null;
    pad.edit({ ...pad.doc, scribbles: [...pad.doc.scribbles, stroke] }, t("scribble"));
  }
  pad.input = null;
  pad.changed();
}

function cancelTool(pad) {
  pad.ui.drag = null;
  pad.ui.stroke = null;
  pad.ui.shaping = null;
  pad.ui.zonePath = null;
  pad.cancel();
}

function eraseAt(pad, at, place) {
  if (pad.ui.tool === "area") {
    eraseZone(pad, place);
    return;
  }
  if (pad.ui.tool in DRAWS) {
    eraseShape(pad, place, nearBy(at));
    return;
  }
  const near = pointNear(pad, ...place, nearBy(at));
  if (near !== null) deletePoint(pad, near);
}

function hoverAt(pad, at, place) {
  pad.ui.cursor = place && inside(pad, place) ? place : null;
  const find = { point: () => pointNear(pad, ...place, nearBy(at)), box: () => heldBox(pad, place, nearBy(at)) }[pad.ui.tool];
  const near = place && find ? find() : null;
  pad.stageEl.dataset.over = near === null ? "" : "point";
  pad.redrawMarks();
  if (pad.ui.cursor && pad.ui.exemplar && !pad.matching) {
    pad.matching = true;
    requestMatch(pad, ...place).finally(() => {
      pad.matching = false;
    });
  }
}

/** Arrow keys: move the cross or what is selected, else the view. @param {any} pad @param {number} dx @param {number} dy @param {boolean} far */
function arrow(pad, dx, dy, far) {
  const { ui } = pad;
  const factor = far ? 10 : 1;
  const point = pad.selectedPoint();
  if (ui.cross) {
    const step = Math.max(1, Math.round(2 / ui.view.scale)) * factor;
    const cross = insidePhoto(pad, ui.cross[0] + dx * step, ui.cross[1] + dy * step);
    pad.set({ cross });
    pad.revealPlace(...cross);
    pad.say(t("x {x}, y {y}", { x: Math.round(cross[0]), y: Math.round(cross[1]) }));
  } else if (point) {
    movePoint(pad, point.id, point.x + dx * factor, point.y + dy * factor, true);
    pad.revealPlace(point.x, point.y);
  } else if (pickedShape(pad)) moveShape(pad, dx * factor, dy * factor);
  else pad.set({ view: panBy(ui.view, pad.photo, paneSize(pad), -dx * 40 * factor, -dy * 40 * factor) });
}

/** Enter: place a point or a corner at the cross, or take the region there. @param {any} pad */
function placeAtCross(pad) {
  const { cross, tool } = pad.ui;
  if (!cross) return;
  if (tool in DRAWS) {
    placeCorner(pad);
    return;
  }
  if (tool === "area") {
    selectAtCross(pad);
    return;
  }
  if (tool === "region") pickRegion(pad, regionAt(pad, ...cross));
  else if (tool === "dropper") pickColorAt(pad, ...cross);
  else {
    const near = pointNear(pad, ...cross, 5);
    if (near === null) addPointAt(pad, ...cross);
    else selectPoint(pad, near);
  }
  pad.set({ cross: null, wanted: null });
}

export { TOOLS, arrow, placeAtCross, stageGestures, toolsFor };
