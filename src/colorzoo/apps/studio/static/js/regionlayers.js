/**
 * Images of the regions of a drawing, which the pad draws without the server: new fills, and lit regions.
 *
 * @typedef {{starts: Uint32Array, numbers: Uint32Array, width: number, height: number, labels: Uint32Array, columns: number, rows: number, lines: Uint8Array, inverted: boolean, bounds: Int32Array}} Regions
 *   starts, numbers: first pixel and region number of each run of pixels of the drawing (width, height) in row-major order;
 *   labels: region number of each pixel of the preview (columns, rows); lines: transmission of its lines, 255 for paper;
 *   bounds: left, top, right and bottom pixel of each region in the preview
 */

import { hexToRgb } from "./color.js";
import { flatsOf } from "./recipe.js";
import { activePoints, strengthOf } from "./document.js";
import { createCanvas } from "./dom.js";
import { heldResult, regionOf, regionSizes } from "./drawing.js";
import { similarRegions } from "./filling.js";

/** @typedef {{bitmap: HTMLCanvasElement, box: [number, number, number, number]}} RegionLayer  image of a part of the photo; box: left, top, width and height of the part as fractions of the photo */
/** @typedef {(rgba: Uint8ClampedArray, byte: number, pixel: number, region: number) => void} Paint */

/** @param {Regions} regions @param {Iterable<number>} chosen @param {Paint} paint sets the four bytes of a pixel in a chosen region @returns {RegionLayer} */
function regionImage({ labels, columns, rows, bounds }, chosen, paint) {
  const isChosen = new Uint8Array(bounds.length / 4);
  let [left, top, right, bottom] = [columns, rows, -1, -1];
  for (const region of chosen) {
    const at = 4 * region;
    if (at >= bounds.length) continue;
    isChosen[region] = 1;
    [left, top] = [Math.min(left, bounds[at]), Math.min(top, bounds[at + 1])];
    [right, bottom] = [Math.max(right, bounds[at + 2]), Math.max(bottom, bounds[at + 3])];
  }
  const [width, height] = [Math.max(1, right - left + 1), Math.max(1, bottom - top + 1)];
  const bitmap = createCanvas(width, height);
  const context = bitmap.getContext("2d");
  const image = context.createImageData(width, height);
  for (let row = top, byte = 0; row <= bottom; row += 1) {
    for (let pixel = row * columns + left; pixel <= row * columns + right; pixel += 1, byte += 4) {
      if (isChosen[labels[pixel]]) paint(image.data, byte, pixel, labels[pixel]);
    }
  }
  context.putImageData(image, 0, 0);
  return { bitmap, box: [left / columns, top / rows, width / columns, height / rows] };
}

/**
 * Return the colors of regions that differ from the result on display: of new points, and after undo of all regions.
 * @returns {Map<number, number[]>} sRGB colors by the number of the region
 */
function freshColors(pad) {
  const { doc, photo: { shownDoc } } = pad;
  const colors = new Map();
  const map = pad.ui.regionMap;
  const isKnown = map?.runs && map.divisions === doc.divisions && map.sizes === regionSizes(doc);
  const isSame = shownDoc && shownDoc.divisions === doc.divisions && regionSizes(shownDoc) === regionSizes(doc) && shownDoc.model === doc.model;
  if (shownDoc === doc || !isKnown || !isSame || !pad.fills()) return colors;
  const [flats, shown] = [flatsOf.get(doc), flatsOf.get(shownDoc)];
  if (flats && shown) {
    for (let at = 0; at < Math.min(flats.length, 4 * map.runs.bounds.length); at += 3) {
      if (flats[at] !== shown[at] || flats[at + 1] !== shown[at + 1] || flats[at + 2] !== shown[at + 2]) colors.set(at / 3, [...flats.subarray(at, at + 3)]);
    }
    return colors;
  }
  const before = new Set(shownDoc.points);
  const active = activePoints(doc).map((point) => ({ point, region: regionOf(pad, [point.x, point.y]) }));
  for (const { point, region } of active) {
    if (before.has(point) || strengthOf(point) < 1) continue;
    const isDivided = active.some((other) => other.region === region && other.point.hex !== point.hex); // the server divides the region
    if (!isDivided) colors.set(region, hexToRgb(point.hex));
  }
  return colors;
}

/** Last image of the new fills of each pad. @type {WeakMap<object, {doc: any, shownDoc: any, runs: any, layer: any}>} */
const lastFills = new WeakMap();

/** @returns {RegionLayer | null} the new fills below the lines, until the result on display contains them */
export function freshFills(pad) {
  const { doc, photo: { shownDoc } } = pad;
  const runs = pad.ui.regionMap?.runs;
  const last = lastFills.get(pad);
  if (last?.doc === doc && last.shownDoc === shownDoc && last.runs === runs) return last.layer;
  const colors = freshColors(pad);
  let layer = null;
  if (colors.size) {
    const { lines, inverted } = runs;
    layer = regionImage(runs, colors.keys(), (rgba, byte, pixel, region) => {
      const color = colors.get(region);
      const line = lines[pixel];
      const ink = inverted ? 255 - line : 0;
      rgba[byte] = (color[0] * line) / 255 + ink;
      rgba[byte + 1] = (color[1] * line) / 255 + ink;
      rgba[byte + 2] = (color[2] * line) / 255 + ink;
      rgba[byte + 3] = 255;
    });
  }
  lastFills.set(pad, { doc, shownDoc, runs, layer });
  return layer;
}

const LIT_TOOLS = ["fill", "same", "lasso", "enclosed", "split", "join"];
/** Colors in sRGB and opacities of lit regions; a stripe has the opacity of the inside. */
const LIT = {
  similar: { color: [255, 190, 0], inside: 150, isStriped: true },
  held: { color: [230, 0, 140], inside: 70, isStriped: true },
  hovered: { color: [26, 109, 255], inside: 30, isStriped: false },
};

/** Last images of the lit regions of each pad, by their kind. @type {WeakMap<object, Record<string, {key: string, runs: any, layer: any}>>} */
const lastLit = new WeakMap();

/** @returns {RegionLayer[]} the region under the pointer, the similar regions that are offered after a fill, and the regions that would change */
export function litRegions(pad) {
  const { ui } = pad;
  const runs = ui.regionMap?.runs;
  if (!runs || !pad.fills() || ui.hidesMarks) return [];
  const place = LIT_TOOLS.includes(ui.tool) ? ui.cross ?? ui.cursor : null;
  const similar = similarRegions(pad);
  const lit = { similar: (similar?.places ?? []).map((each) => regionOf(pad, each)), held: heldResult(pad)?.regions ?? [], hovered: place ? [regionOf(pad, place)] : [] };
  const last = lastLit.get(pad) ?? {};
  lastLit.set(pad, last);
  return Object.entries(lit).filter(([, regions]) => regions.length).map(([kind, regions]) => {
    const key = regions.join();
    if (last[kind]?.key !== key || last[kind].runs !== runs) last[kind] = { key, runs, layer: litImage(runs, regions, LIT[kind]) };
    return last[kind].layer;
  });
}

/** Return an image of regions with an opaque outline, and a translucent or striped inside that leaves their colors visible. */
function litImage(runs, regions, { color, inside, isStriped }) {
  const { labels, columns, rows } = runs;
  const width = Math.max(4, Math.round(Math.max(columns, rows) / 128)); // of a stripe, in pixels of the preview
  return regionImage(runs, regions, (rgba, byte, pixel, region) => {
    const [column, row] = [pixel % columns, Math.floor(pixel / columns)];
    const isEdge = column === 0 || row === 0 || column === columns - 1 || row === rows - 1
      || labels[pixel - 1] !== region || labels[pixel + 1] !== region || labels[pixel - columns] !== region || labels[pixel + columns] !== region;
    const isPlain = isStriped && (column + row) % (3 * width) >= width;
    rgba.set([...color, isEdge ? 255 : isPlain ? 0 : inside], byte);
  });
}
