/**
 * The document of the pad: an immutable object with undo history, and its form as a recipe.
 *
 * @typedef {{id: number, x: number, y: number, size: number, ab: [number, number], hex: string, muted?: boolean, locked?: boolean,
 *   untouched?: boolean, byHex?: boolean, radius?: number, reach?: Reach, strength?: number, stroke?: number, wanted?: string, fields?: Record<string, any>}} Point  x, y in pixels of the photo; size 1 to 9 in pixels of the network; points
 *   with the same stroke number are a brush stroke and are edited together; an untouched point has no chosen color and does not affect the result;
 *   byHex: ab is computed from hex and the lightness at the point, as in a recipe without ab;
 *   wanted is a requested color outside sRGB at the lightness of the point; strength defaults to 1; fields: unknown fields of a recipe
 * @typedef {"automatic" | "everywhere" | number} Reach  a number is a multiple of the automatic reach
 * @typedef {{path: [number, number][], width: number}} Stroke  pixels of the photo
 * @typedef {{model: string, points: Point[], scribbles: Stroke[], regions: Record<string, string>, regionFields: Record<string, any>,
 *   divisions: {path: [number, number][], closed?: boolean, join?: boolean}[], proposal: string | null, skipped: number[],
 *   exemplar: {name: string, kept?: object} | null, classes: Record<string, number>,
 *   classFields: Record<string, any>, boxes: import("./shapes.js").Box[] | null,
 *   areas: import("./shapes.js").Area[], healing: Stroke[], crop: import("./cropping.js").Crop | null, border: import("./border.js").Border,
 *   finish: Record<string, number> | null, paint: import("./paintstrokes.js").PaintStroke[], replacements: import("./replacing.js").Replacement[],
 *   statistics: {saturation?: number, histogram?: number[]} | null, drawing: Record<string, any> | null, strength: number, extra: Record<string, any>}} Doc
 *   boxes: null selects automatic detection of objects, an empty list disables the detection
 * @typedef {(last: Doc, before: Doc) => boolean} Joins  whether a change is merged into the last undo step; arguments are the documents before both changes
 */

import { readCrop } from "./cropping.js";
import { readBorder } from "./border.js";
import { damagedFile } from "./damage.js";
import { readArea, readBox } from "./shapes.js";

/** @param {Doc} doc @param {Point} point @returns {Point[]} all points of its brush stroke, or the point alone */
export const strokePoints = (doc, point) => point.stroke ? doc.points.filter(({ stroke }) => stroke === point.stroke) : [point];

/** @param {Doc} doc @returns {Point[]} entries of the list of hints: single points, and the first point of each stroke */
export function listedHints(doc) {
  const seen = new Set();
  return doc.points.filter(({ stroke }) => !stroke || (!seen.has(stroke) && seen.add(stroke)));
}

/** @param {Doc} doc @param {Point} point @returns {Point} its entry in the list of hints */
export const listedHint = (doc, point) => strokePoints(doc, point)[0];

/** @param {Doc} doc @param {Point} point @returns {number} its number in the list of hints, from 1 */
export const hintNumber = (doc, point) => listedHints(doc).indexOf(listedHint(doc, point)) + 1;

export const isStroke = (doc, point) => strokePoints(doc, point).length > 1;

/** Return the point of a stroke with the highest chroma, because shade reduces the chroma of the brush color. @param {Doc} doc @param {Point} point @returns {Point} */
export function colorOfStroke(doc, point) {
  const chroma = ({ ab }) => Math.hypot(...ab);
  return strokePoints(doc, point).reduce((most, dab) => (chroma(dab) > chroma(most) ? dab : most));
}

/** Return the first point of a stroke whose requested color is outside sRGB at its lightness. @param {Doc} doc @param {Point} point @returns {Point | undefined} */
export const unavailableDab = (doc, point) => strokePoints(doc, point).find(({ wanted }) => wanted);

export const nextStroke = (doc) => doc.points.reduce((most, { stroke }) => Math.max(most, stroke ?? 0), 0) + 1;

/** @param {Point[]} points @param {number} dx @param {number} dy @param {any} photo @returns {[number, number]} shift that keeps all points inside the photo */
export function clampShift(points, dx, dy, { width, height }) {
  const within = (way, places, most) => Math.min(Math.max(way, -Math.min(...places)), most - Math.max(...places));
  return [within(dx, points.map(({ x }) => x), width), within(dy, points.map(({ y }) => y), height)];
}

const RECIPE_VERSION = 2;
/** Overlay layers from bottom to top, with defaults of optional recipe fields. */
export const OVERLAYS = { replacements: { range: 20, fade: 20 }, paint: { size: 20, hardness: 0.5, opacity: 1 } };
const RECIPE_FIELDS = [
  "version", "image", "model", "strength", "points", "scribbles", "regions", "proposal", "exemplar", "classes", "statistics", "boxes", "areas", "studio",
  "divisions", "drawing", "border", "finish", "frame", "crop", "healing", ...Object.keys(OVERLAYS),
];

const IMAGE_FIELDS = ["width", "height", "sha256"];
const STUDIO_FIELDS = ["muted", "untouched", "skipped"];
const POINT_FIELDS = ["x", "y", "radius", "color", "ab", "reach", "strength", "stroke", "wanted", "locked", "untouched", "place"];

export function emptyDoc(model = "") {
  return {
    model, points: [], scribbles: [], regions: {}, regionFields: {}, divisions: [], proposal: null, skipped: [], exemplar: null, classes: {},
    classFields: {}, boxes: null, areas: [], healing: [], replacements: [], paint: [], finish: null, border: "automatic", crop: null, statistics: null, drawing: null, strength: 1, extra: {},
  };
}

export function hasWork(doc) {
  const counts = [
    doc.points, doc.scribbles, Object.keys(doc.regions), doc.divisions, doc.skipped, Object.keys(doc.classes), doc.boxes ?? [], doc.areas, doc.healing, ...Object.keys(OVERLAYS).map((name) => doc[name]),
  ];
  const hints = Object.keys(doc.extra).filter((name) => !["image", "studio"].includes(name) && !name.startsWith("x_")); // other kinds of guidance
  return counts.some((list) => list.length > 0) || hints.length > 0 || Boolean(doc.exemplar || doc.statistics || doc.crop || doc.finish || doc.drawing) || doc.strength !== 1 || doc.border !== "automatic";
}

/**
 * Unlimited undo and redo. During a drag `preview` is called repeatedly, and `commit` once at the end.
 * @template S
 */
export class History {
  constructor(start, past = [], future = []) {
    this.past = past;
    this.future = future;
    this.now = start;
    this.before = /** @type {S | null} */ (null);
  }

  amend(state) {
    this.now = state;
  }

  preview(state) {
    this.before ??= this.now;
    this.now = state;
  }

  /**
   * Store the previewed state as an undo step.
   * @param {string} label @param {(last: S, before: S) => boolean} [joins] whether the change is merged into the last step @returns {boolean} whether the state changed
   */
  commit(label, joins = () => false) {
    const { before } = this;
    this.before = null;
    if (before === null || before === this.now) return false;
    const last = this.past.at(-1);
    if (!last || !joins(last.state, before)) this.past.push({ state: before, label });
    this.future = [];
    return true;
  }

  cancel() {
    if (this.before !== null) this.now = this.before;
    this.before = null;
  }

  undo() {
    return this.#move(this.past, this.future);
  }

  redo() {
    return this.#move(this.future, this.past);
  }

  #move(from, to) {
    this.cancel();
    const step = from.pop();
    if (!step) return null;
    to.push({ state: this.now, label: step.label });
    this.now = step.state;
    return step.label;
  }
}

const round = (value, digits) => Math.round(value * 10 ** digits) / 10 ** digits;

export const pointRadius = (point, perNetworkPixel) => point.radius ?? (point.size / 2) * perNetworkPixel;

/**
 * Convert a document to a recipe for the command line; muted hints are stored in the field `studio` with their place in the list of points.
 * @param {Doc} doc @param {{width: number, height: number, sha256?: string, name?: string, perNetworkPixel: number}} image @returns {Record<string, any>}
 */
export function toRecipe(doc, image) {
  const { width, height, sha256 } = image;
  const { border } = doc;
  /** @type {Record<string, any>} */
  const recipe = { ...doc.extra, version: RECIPE_VERSION, ...(border === "automatic" ? {} : { border }), image: { ...(doc.extra.image ?? {}), width, height, ...(sha256 ? { sha256 } : {}) } };
  if (doc.model) recipe.model = doc.model;
  recipe.strength = doc.strength;
  const write = (point) => pointEntry(point, image.perNetworkPixel);
  const active = activePoints(doc);
  if (active.length) recipe.points = active.map(write);
  if (doc.scribbles.length) recipe.scribbles = doc.scribbles;
  const regions = Object.entries(doc.regions).map(([index, color]) => ({ ...doc.regionFields[index], index: Number(index), color }));
  if (regions.length) recipe.regions = regions;
  if (doc.divisions.length) recipe.divisions = doc.divisions;
  if (regions.length && doc.proposal) recipe.proposal = doc.proposal;
  if (doc.exemplar) recipe.exemplar = { ...doc.exemplar.kept, path: doc.exemplar.name };
  const { classes: map, classFields } = doc;
  const classes = { ...classFields, ...(Object.keys(map).length ? { map: { ...map } } : {}) };
  if (Object.keys(classes).length) recipe.classes = classes;
  if (doc.boxes) recipe.boxes = doc.boxes;
  if (doc.areas.length) recipe.areas = doc.areas;
  if (doc.crop) recipe.crop = doc.crop;
  if (doc.finish) recipe.finish = doc.finish;
  if (doc.healing.length) recipe.healing = doc.healing;
  for (const name of Object.keys(OVERLAYS)) if (doc[name].length) recipe[name] = doc[name];
  if (doc.statistics) recipe.statistics = doc.statistics;
  if (doc.drawing) recipe.drawing = doc.drawing;
  const apart = (isApart) => doc.points.flatMap((point, place) => (isApart(point) ? [{ ...write(point), place, ...(point.muted && point.untouched ? { untouched: true } : {}) }] : []));
  const muted = apart((point) => point.muted);
  const untouched = apart((point) => point.untouched && !point.muted);
  const studio = { ...doc.extra.studio, ...(muted.length ? { muted } : {}), ...(untouched.length ? { untouched } : {}), ...(doc.skipped.length ? { skipped: doc.skipped } : {}) };
  if (Object.keys(studio).length) recipe.studio = studio;
  return recipe;
}

export const activePoints = (doc) => doc.points.filter(({ muted, untouched }) => !muted && !untouched);

function readExemplar(exemplar) {
  const { path, ...kept } = exemplar ?? {};
  return path ? { name: path, kept } : null;
}

function pointEntry(point, perNetworkPixel) {
  return {
    ...point.fields, x: point.x, y: point.y, radius: point.radius ?? round(pointRadius(point, perNetworkPixel), 3), color: point.hex,
    ...(point.byHex ? {} : { ab: point.ab }), ...(point.locked ? { locked: true } : {}),
    reach: reachOf(point), ...(strengthOf(point) < 1 ? { strength: strengthOf(point) } : {}), ...(point.stroke ? { stroke: point.stroke } : {}), ...(point.wanted ? { wanted: point.wanted } : {}),
  };
}

export const strengthOf = (point) => point.strength ?? 1;

export const reachOf = (point) => point.reach ?? "automatic";

const defaultReach = (recipe) => (recipe.version === 1 ? "everywhere" : "automatic");

/**
 * Convert a recipe to a document.
 * @param {any} recipe parsed JSON
 * @param {{width: number, height: number, perNetworkPixel: number}} image
 * @param {(hex: string) => [number, number]} abOf
 * @returns {Doc}
 * @throws {Error} with a message for the user
 */
export function fromRecipe(recipe, image, abOf) {
  if (typeof recipe !== "object" || recipe === null || Array.isArray(recipe)) throw new Error("This file contains no edits. Choose an edits file that was saved with “Save edits”.");
  if ((recipe.version ?? RECIPE_VERSION) > RECIPE_VERSION) throw new Error(`This edits file (version ${recipe.version}) requires a newer version of colorzoo.`);
  checkSize(recipe.image ?? {}, image);
  const points = readPoints(recipe, (entry, index) => ({ reach: defaultReach(recipe), ...readPoint(entry, index, image, abOf) }));
  const { map, ...classFields } = recipe.classes ?? {};
  return {
    ...emptyDoc(recipe.model ?? ""),
    points: points.map((point, index) => ({ ...point, id: index + 1 })),
    scribbles: list(recipe, "scribbles").map(readStroke),
    regions: Object.fromEntries(list(recipe, "regions").map((region) => [region.index, region.color])),
    regionFields: Object.fromEntries(list(recipe, "regions").map((region) => [region.index, without(region, ["index", "color"])])),
    divisions: list(recipe, "divisions").map((entry, index) => readPath(entry, index)),
    proposal: recipe.proposal ?? null,
    skipped: list(recipe.studio ?? {}, "skipped").map(Number),
    exemplar: readExemplar(recipe.exemplar),
    classes: { ...(map ?? {}) },
    classFields,
    boxes: recipe.boxes ? list(recipe, "boxes").map(readBox) : null,
    areas: list(recipe, "areas").map(readArea),
    healing: list(recipe, "healing").map(readStroke),
    replacements: list(recipe, "replacements").map(readReplacement),
    paint: list(recipe, "paint").map(readPaint),
    border: readBorder(recipe.border ?? recipe.frame ?? (recipe.version === 1 ? "none" : "automatic")),
    crop: readCrop(recipe.crop),
    finish: recipe.finish ?? null,
    statistics: recipe.statistics ?? null,
    drawing: recipe.drawing ?? null,
    strength: recipe.strength ?? 1,
    extra: readExtra(recipe),
  };
}

/** @returns {Record<string, any>} unknown fields, also those of the objects `image` and `studio`, and a reference without a file */
function readExtra(recipe) {
  const parts = { image: without(recipe.image, IMAGE_FIELDS), studio: without(recipe.studio, STUDIO_FIELDS), exemplar: recipe.exemplar?.path ? {} : recipe.exemplar ?? {} };
  return { ...without(recipe, RECIPE_FIELDS), ...Object.fromEntries(Object.entries(parts).filter(([, fields]) => Object.keys(fields).length)) };
}

const without = (object, names) => Object.fromEntries(Object.entries(object ?? {}).filter(([name]) => !names.includes(name)));

/** Read the points in their order: muted points, and points without a color, are stored apart. @param {(entry: any, index: number) => any} read */
function readPoints(recipe, read) {
  const points = list(recipe, "points").map(read);
  const apart = ["muted", "untouched"].flatMap((flag) => (
    list(recipe.studio ?? {}, flag).map((entry, index) => ({ place: entry?.place ?? Number.MAX_SAFE_INTEGER, point: { ...read(entry, index), [flag]: true } }))
  ));
  for (const { place, point } of apart.sort((one, other) => one.place - other.place)) points.splice(place, 0, point);
  return points;
}

function list(holder, name) {
  const value = holder[name] ?? [];
  if (!Array.isArray(value)) throw damagedFile(`the part “${name}”`);
  return value;
}

function checkSize(stated, image) {
  const { width = image.width, height = image.height } = stated;
  if (width === image.width && height === image.height) return;
  throw new Error(
    `This edits file is for an image of ${width} × ${height} pixels, but the open image has ${image.width} × ${image.height}.`,
  );
}

function readPoint(entry, index, image, abOf) {
  const ok = Number.isFinite(entry?.x) && Number.isFinite(entry?.y) && (entry.ab || isHex(entry.color));
  if (!ok) throw damagedFile(`point ${index + 1}`);
  const radius = entry.radius ?? 3;
  const size = Math.min(9, Math.max(1, Math.round((2 * radius) / image.perNetworkPixel)));
  return {
    id: 0, x: entry.x, y: entry.y, size, radius, fields: without(entry, POINT_FIELDS), ab: entry.ab ?? abOf(entry.color), hex: entry.color ?? "#808080",
    ...(entry.ab ? {} : { byHex: true }), ...(entry.untouched ? { untouched: true } : {}), ...(entry.locked ? { locked: true } : {}), ...(entry.reach === undefined || entry.reach === null ? {} : { reach: entry.reach }),
    ...(Number.isFinite(entry.strength) ? { strength: entry.strength } : {}), ...(Number.isInteger(entry.stroke) ? { stroke: entry.stroke } : {}), ...(isHex(entry.wanted) ? { wanted: entry.wanted } : {}),
  };
}

const readStroke = (entry, index) => ({ ...readPath(entry, index), width: entry.width ?? 5 });

function readPath(entry, index) {
  const ok = Array.isArray(entry?.path) && entry.path.length && entry.path.every((at) => at.length === 2 && at.every(Number.isFinite));
  if (!ok) throw damagedFile(`brush stroke ${index + 1}`);
  return entry;
}

const isHex = (text) => /^#[0-9a-f]{6}$/i.test(text ?? "");

function readReplacement(entry, index) {
  if (!isHex(entry?.old) || !isHex(entry.new)) throw damagedFile(`color replacement ${index + 1}`);
  return { ...OVERLAYS.replacements, ...entry };
}

function readPaint(entry, index) {
  readPath(entry, index);
  if (Boolean(entry.erase) === isHex(entry.color)) throw damagedFile(`the color of paint stroke ${index + 1}`);
  return { ...OVERLAYS.paint, ...entry };
}

export const nextId = (points) => points.reduce((most, point) => Math.max(most, point.id), 0) + 1;

/** Round a new position or color to the precision of a recipe. @template {Partial<Point>} P @param {P} change @returns {P} */
export function roundedPoint(change) {
  const rounded = { ...change };
  if (change.x !== undefined) rounded.x = round(change.x, 2);
  if (change.y !== undefined) rounded.y = round(change.y, 2);
  if (change.ab) rounded.ab = [round(change.ab[0], 3), round(change.ab[1], 3)];
  return rounded;
}

/** Change a point and all other points of its stroke. @param {Doc} doc @param {number} id @param {Partial<Point>} change @returns {Doc} */
export function changePoint(doc, id, change) {
  const one = doc.points.find((point) => point.id === id);
  const points = one ? strokePoints(doc, one) : [];
  const { x, y, ...rest } = change;
  const changed = (point) => ({ ...point, ...roundedPoint({ ...rest, ...(x === undefined ? {} : { x: point.x + x - one.x, y: point.y + y - one.y }) }) });
  return { ...doc, points: doc.points.map((point) => (points.includes(point) ? changed(point) : point)) };
}

export function withoutPoint(doc, id) {
  const one = doc.points.find((point) => point.id === id);
  const points = one ? strokePoints(doc, one) : [];
  return { ...doc, points: doc.points.filter((point) => !points.includes(point)) };
}
