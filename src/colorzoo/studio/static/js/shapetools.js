/** The lasso and the box tool, by pointer, and by the cross that the arrow keys move. */

import { t } from "./dom.js";
import { insidePhoto } from "./edits.js";
import { nearBy } from "./pointer.js";
import { addShape, deleteShape, paintClass, pickShape, pickedShape, previewShape, shapesOf } from "./shapeedits.js";
import { areaAt, boundsOf, boxAt, boxBetween, distance, gripAt, isLarge, movedBox, resized, roundedPath, thinned } from "./shapes.js";
import { addThingIn } from "./zoneedits.js";

const APART = 2;
const SAME_PLACE = 3;

/** What each tool draws. @type {Record<string, "area" | "box">} */
const DRAWS = { lasso: "area", box: "box" };

/** @param {any} pad @param {number} stage CSS pixels @returns {number} pixels of the photo */
const inPhoto = (pad, stage) => stage / pad.ui.view.scale;

function mayPaint(pad) {
  if (paintClass(pad) !== null) return true;
  pad.toast(t("The classes are still being looked for. Draw again in a moment."));
  return false;
}

/** @param {any} pad @param {any} at @param {[number, number]} place */
function startLasso(pad, at, place) {
  if (mayPaint(pad)) pad.ui.shaping = { tool: "lasso", path: [insidePhoto(pad, ...place)] };
}

/** A held side resizes, the inside of the selected box moves it, elsewhere a new one begins. */
function startBox(pad, at, place, drag) {
  const held = heldBox(pad, place, nearBy(at));
  if (held) {
    Object.assign(drag, held, { start: place, box: pad.doc.boxes[held.index] });
    pickShape(pad, "box", held.index);
  } else {
    const corner = insidePhoto(pad, ...place);
    pad.ui.shaping = { tool: "box", path: [corner, corner] };
  }
}

/** @param {any} pad @param {[number, number]} place @param {number} reach CSS pixels @returns {{index: number, grip: any} | null} */
function heldBox(pad, place, reach) {
  const boxes = shapesOf(pad, "box");
  const shape = pickedShape(pad);
  const order = boxes.map((_, index) => index).sort((one, other) => (other === shape?.index) - (one === shape?.index));
  for (const index of order) {
    const grip = gripAt(boxes[index], place, inPhoto(pad, reach));
    if (grip) return { index, grip };
  }
  return shape?.kind === "box" && boxAt([boxes[shape.index]], place) === 0 ? { index: shape.index, grip: null } : null;
}

/** @param {any} pad @param {any} drag @param {[number, number]} place */
function continueShape(pad, drag, place) {
  const { shaping } = pad.ui;
  const inside = insidePhoto(pad, ...place);
  if (drag.box && drag.moved) previewShape(pad, "box", drag.index, draggedBox(pad, drag, place, inside));
  else if (shaping?.tool === "box") shaping.path[1] = inside;
  else if (shaping && distance(inside, shaping.path.at(-1)) >= inPhoto(pad, APART)) shaping.path.push(inside);
}

function draggedBox(pad, { box, grip, start }, place, inside) {
  return grip ? resized(box, grip, inside) : movedBox(box, place[0] - start[0], place[1] - start[1], pad.photo);
}

/** @param {any} pad @param {any} drag @param {[number, number]} place */
function endShape(pad, drag, place) {
  const { shaping } = pad.ui;
  const kind = DRAWS[drag.tool];
  pad.ui.shaping = null;
  if (drag.box) {
    if (isLarge(pad.doc.boxes[drag.index])) pad.commit(drag.grip ? t("resize box") : t("move box"));
    else pad.cancel();
  } else if (!drag.moved) pickShape(pad, kind, shapeAt(pad, kind, place));
  else if (shaping) finish(pad, shaping);
}

/** @param {any} pad @param {"area" | "box"} kind @param {[number, number]} place @returns {number} or -1 */
function shapeAt(pad, kind, place) {
  return { area: areaAt, box: boxAt }[kind](shapesOf(pad, kind), place);
}

/** @returns {boolean} whether it was large enough */
function finish(pad, { tool, path }) {
  const outline = thinned(path, inPhoto(pad, APART));
  if (!isLarge(boundsOf(path)) || (tool === "lasso" && outline.length < 3)) return false;
  pad.set({ shape: null });
  if (tool === "lasso") addShape(pad, "area", { class: paintClass(pad), path: roundedPath(outline) });
  else if (!pad.settings.rectangles) addThingIn(pad, boxBetween(...path));
  else {
    addShape(pad, "box", boxBetween(...path));
    pickShape(pad, "box", pad.doc.boxes.length - 1);
  }
  return true;
}

/** Delete what lies there, if this tool draws its kind. @param {any} pad @param {[number, number]} place @param {number} reach CSS pixels */
function eraseShape(pad, place, reach) {
  const kind = DRAWS[pad.ui.tool];
  const index = kind === "box" ? heldBox(pad, place, reach)?.index ?? shapeAt(pad, kind, place) : shapeAt(pad, kind, place);
  if (index >= 0) deleteShape(pad, kind, index);
}

/** Enter at the cross: the next corner. Twice at one place, or at the first corner, closes an outline. @param {any} pad */
function placeCorner(pad) {
  const { cross, tool, shaping } = pad.ui;
  if (!shaping) beginCorners(pad, tool, cross);
  else if (tool === "box") closeCorners(pad, { tool, path: [shaping.path[0], cross] });
  else {
    const reach = inPhoto(pad, SAME_PLACE);
    const again = distance(cross, shaping.path.at(-1)) <= reach || distance(cross, shaping.path[0]) <= reach;
    if (again) closeCorners(pad, shaping);
    else {
      shaping.path.push(cross);
      pad.say(t("Corner {n} set. Enter twice at one place closes the outline.", { n: shaping.path.length }));
    }
  }
  pad.changed();
}

function beginCorners(pad, tool, cross) {
  if (tool === "lasso" && !mayPaint(pad)) return;
  pad.ui.shaping = { tool, path: tool === "box" ? [cross, cross] : [cross], keyed: true };
  pad.say(tool === "box" ? t("First corner set. Move to the opposite one and press Enter.") : t("Corner {n} set. Enter twice at one place closes the outline.", { n: 1 }));
}

function closeCorners(pad, shaping) {
  if (finish(pad, shaping)) pad.set({ shaping: null, cross: null });
  else pad.say(t("That is too small to be drawn."));
}

export { DRAWS, continueShape, endShape, eraseShape, heldBox, placeCorner, startBox, startLasso };
