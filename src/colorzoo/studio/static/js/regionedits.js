/** Regions changed by hand: joined, taken apart, cut by a line, and drawn around. */

import { pickRegion } from "./coloring.js";
import { t } from "./dom.js";
import { insidePhoto } from "./edits.js";

const CLOSES = 16; // CSS pixels between the ends of a loop
const LOOP = 60; // and its length at least
const SPACING = 2; // CSS pixels between its corners

/** Draw on: a line parts the region that it crosses, a loop makes its inside one. @param {any} pad @param {any} drag @param {[number, number]} place */
function lengthenCut(pad, drag, place) {
  if (!drag.moved || !pad.ui.regions) return;
  pad.ui.stroke ??= { path: [insidePhoto(pad, ...drag.began)], width: pad.perNetworkPixel() };
  const { path } = pad.ui.stroke;
  const [x, y] = path.at(-1);
  if (Math.hypot(place[0] - x, place[1] - y) * pad.ui.view.scale >= SPACING) path.push(insidePhoto(pad, ...place));
}

/** @param {any} pad the line was let go */
function endCut(pad) {
  const { stroke } = pad.ui;
  pad.ui.stroke = null;
  if (!stroke || stroke.path.length < 2) return;
  const path = stroke.path.map(([x, y]) => [Math.round(x * 10) / 10, Math.round(y * 10) / 10]);
  const closed = isLoop(path, pad.ui.view.scale);
  pad.edit({ ...pad.doc, divisions: [...pad.doc.divisions, closed ? { path, closed } : { path }] }, closed ? t("draw region") : t("cut region"));
}

function isLoop(path, scale) {
  const step = ([x, y], [u, v]) => Math.hypot(x - u, y - v) * scale;
  const length = path.slice(1).reduce((sum, place, index) => sum + step(place, path[index]), 0);
  return length > LOOP && step(path[0], path.at(-1)) < CLOSES;
}

/** Regions that were joined are picked and colored as one. @param {any} pad */
function joinRegions(pad) {
  const pick = pad.ui.regionPick;
  if (pick.length < 2) return;
  const others = pad.doc.merged.filter((group) => !group.some((index) => pick.includes(index)));
  const color = pick.map((index) => pad.doc.regions[index]).find(Boolean);
  const regions = color ? { ...pad.doc.regions, ...Object.fromEntries(pick.map((index) => [index, color])) } : pad.doc.regions;
  pad.edit({ ...pad.doc, regions, merged: [...others, [...pick].sort((one, other) => one - other)] }, t("join regions"));
}

/** @param {any} pad take apart what was joined */
function partRegions(pad) {
  const [first] = pad.ui.regionPick;
  pad.edit({ ...pad.doc, merged: pad.doc.merged.filter((group) => !group.includes(first)) }, t("take regions apart"));
  pickRegion(pad, first ?? null);
}

/** @param {any} pad @returns {boolean} whether what is picked was joined */
const isJoined = (pad) => pad.doc.merged.some((group) => group.includes(pad.ui.regionPick[0]));

export { endCut, isJoined, joinRegions, lengthenCut, partRegions };
