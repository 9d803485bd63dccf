import { readArea, readBox } from "./shapes.js";
import { strokeMates } from "./strokes.js";
import { readZone } from "./zones.js";

/**
 * The work on one picture: an immutable document with history, and its form as a recipe.
 *
 * @typedef {{id: number, x: number, y: number, size: number, ab: [number, number], hex: string,
 *   muted?: boolean, locked?: boolean, radius?: number, reach?: Reach, stroke?: number}} Point  points with the same stroke are one object; x, y in pixels of the photo; size 1-9 at network scale
 * @typedef {"automatic" | "everywhere" | number} Reach  how far a color goes: a number is so many times the automatic reach
 * @typedef {{path: [number, number][], width: number}} Stroke  pixels of the photo
 * @typedef {{model: string, points: Point[], scribbles: Stroke[], regions: Record<string, string>,
 *   divisions: {path: [number, number][], closed?: boolean}[], merged: number[][], proposal: string | null, skipped: number[], exemplar: {name: string, kept?: object} | null, classes: Record<string, number>,
 *   painted: import("./shapes.js").Area[], classFiles: Record<string, string>, boxes: import("./shapes.js").Box[] | null,
 *   areas: import("./zones.js").Zone[],
 *   statistics: {saturation?: number, histogram?: number[]} | null, strength: number, extra: Record<string, any>}} Doc
 *   `boxes`: null while nobody has said where things are, empty if there are none
 */

const RECIPE_VERSION = 1;
const KNOWN = [
  "version", "image", "model", "strength", "points", "scribbles", "regions", "proposal", "exemplar", "classes", "statistics", "boxes", "areas", "studio",
  "divisions",
];

/** @param {string} model @returns {Doc} */
function emptyDoc(model = "") {
  return {
    model, points: [], scribbles: [], regions: {}, divisions: [], merged: [], proposal: null, skipped: [], exemplar: null, classes: {}, painted: [],
    classFiles: {}, boxes: null, areas: [], statistics: null, strength: 1, extra: {},
  };
}

/** @param {Doc} doc @returns {boolean} whether there is anything to lose */
function hasWork(doc) {
  const counts = [
    doc.points, doc.scribbles, Object.keys(doc.regions), doc.divisions, doc.merged, doc.skipped, Object.keys(doc.classes), doc.painted, doc.boxes ?? [], doc.areas,
  ];
  return counts.some((list) => list.length > 0) || Boolean(doc.exemplar || doc.statistics) || doc.strength !== 1;
}

/**
 * Undo and redo without end. A drag is many `preview` calls and one `commit`.
 * @template S
 */
class History {
  /** @param {S} start */
  constructor(start) {
    this.past = /** @type {{state: S, label: string}[]} */ ([]);
    this.future = /** @type {{state: S, label: string}[]} */ ([]);
    this.now = start;
    this.before = /** @type {S | null} */ (null);
  }

  /** Change what is shown without a step of history yet. @param {S} state */
  preview(state) {
    this.before ??= this.now;
    this.now = state;
  }

  /** Make what is shown one step. @param {string} label @returns {boolean} whether anything had changed */
  commit(label) {
    const { before } = this;
    this.before = null;
    if (before === null || before === this.now) return false;
    this.past.push({ state: before, label });
    this.future = [];
    return true;
  }

  /** Take back what was previewed since the last step. */
  cancel() {
    if (this.before !== null) this.now = this.before;
    this.before = null;
  }

  /** @returns {string | null} what was undone */
  undo() {
    return this.#move(this.past, this.future);
  }

  /** @returns {string | null} what was done again */
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

/** @param {Point} point @param {number} perNetworkPixel photo pixels in one pixel of the network */
function pointRadius(point, perNetworkPixel) {
  return point.radius ?? (point.size / 2) * perNetworkPixel;
}

/**
 * The recipe that the command line understands; hints that are muted are kept beside it.
 * @param {Doc} doc @param {{width: number, height: number, sha256?: string, name?: string, perNetworkPixel: number}} picture
 * @returns {Record<string, any>}
 */
function toRecipe(doc, picture) {
  const { width, height, sha256 } = picture;
  const recipe = { ...doc.extra, version: RECIPE_VERSION, image: { ...(doc.extra.image ?? {}), width, height, ...(sha256 ? { sha256 } : {}) } };
  if (doc.model) recipe.model = doc.model;
  recipe.strength = round(doc.strength, 3);
  const write = (point) => pointEntry(point, picture.perNetworkPixel);
  const active = doc.points.filter((point) => !point.muted);
  if (active.length) recipe.points = active.map(write);
  if (doc.scribbles.length) recipe.scribbles = doc.scribbles.map(strokeEntry);
  const regions = Object.entries(doc.regions).map(([index, color]) => ({ index: Number(index), color }));
  if (regions.length) recipe.regions = regions;
  if (doc.divisions.length) recipe.divisions = doc.divisions;
  if (regions.length && doc.proposal) recipe.proposal = doc.proposal;
  if (doc.exemplar) recipe.exemplar = { ...doc.exemplar.kept, path: doc.exemplar.name };
  const classes = classEntry(doc);
  if (Object.keys(classes).length) recipe.classes = classes;
  if (doc.boxes) recipe.boxes = doc.boxes;
  if (doc.areas.length) recipe.areas = doc.areas;
  if (doc.statistics) recipe.statistics = doc.statistics;
  const muted = doc.points.filter((point) => point.muted).map(write);
  const studio = { ...(muted.length ? { muted } : {}), ...(doc.skipped.length ? { skipped: doc.skipped } : {}), ...(doc.merged.length ? { merged: doc.merged } : {}) };
  if (Object.keys(studio).length) recipe.studio = studio;
  return recipe;
}

/** @param {Doc} doc @returns {Record<string, any>} what the recipe says of classes */
function classEntry({ classes, painted, classFiles }) {
  return { ...classFiles, ...(Object.keys(classes).length ? { map: { ...classes } } : {}), ...(painted.length ? { painted } : {}) };
}

/** The reference of a recipe; how far to go towards it stays as it was read. @param {any} exemplar */
function readExemplar(exemplar) {
  const { path, ...kept } = exemplar ?? {};
  return path ? { name: path, kept } : null;
}

function pointEntry(point, perNetworkPixel) {
  return {
    x: round(point.x, 2), y: round(point.y, 2), radius: round(pointRadius(point, perNetworkPixel), 3), color: point.hex,
    ab: [round(point.ab[0], 3), round(point.ab[1], 3)], ...(point.locked ? { locked: true } : {}),
    ...(reachOf(point) === "everywhere" ? {} : { reach: point.reach }), ...(point.stroke ? { stroke: point.stroke } : {}),
  };
}

/** @param {Point} point @returns {Reach} recipes from before there was a reach mean everywhere */
const reachOf = (point) => point.reach ?? "everywhere";

function strokeEntry(stroke) {
  return { path: stroke.path.map(([x, y]) => [round(x, 1), round(y, 1)]), width: round(stroke.width, 2) };
}

/**
 * Read a recipe. Nothing of the current work is touched before all of it has been understood.
 * @param {any} recipe parsed JSON
 * @param {{width: number, height: number, perNetworkPixel: number}} picture
 * @param {(hex: string) => [number, number]} abOf
 * @returns {Doc}
 * @throws {Error} a message for people
 */
function fromRecipe(recipe, picture, abOf) {
  if (typeof recipe !== "object" || recipe === null || Array.isArray(recipe)) throw new Error("This file is no recipe: a JSON object was expected.");
  if ((recipe.version ?? 1) > RECIPE_VERSION) throw new Error(`This recipe (version ${recipe.version}) comes from a newer colorzoo.`);
  checkSize(recipe.image ?? {}, picture);
  const read = (muted) => (entry, index) => readPoint(entry, index, picture, abOf, muted);
  const points = list(recipe, "points").map(read(false));
  points.push(...list(recipe.studio ?? {}, "muted").map(read(true)));
  const { map, painted: _, ...classFiles } = recipe.classes ?? {};
  return {
    ...emptyDoc(recipe.model ?? ""),
    points: points.map((point, index) => ({ ...point, id: index + 1 })),
    scribbles: list(recipe, "scribbles").map(readStroke),
    regions: Object.fromEntries(list(recipe, "regions").map((region) => [region.index, region.color])),
    divisions: list(recipe, "divisions").map(readDivision),
    merged: list(recipe.studio ?? {}, "merged").filter(Array.isArray).map((group) => group.map(Number)),
    proposal: recipe.proposal ?? null,
    skipped: list(recipe.studio ?? {}, "skipped").map(Number),
    exemplar: readExemplar(recipe.exemplar),
    classes: { ...(map ?? {}) },
    painted: list(recipe.classes ?? {}, "painted").map(readArea),
    classFiles,
    boxes: recipe.boxes ? list(recipe, "boxes").map(readBox) : null,
    areas: list(recipe, "areas").map(readZone),
    statistics: recipe.statistics ?? null,
    strength: recipe.strength ?? 1,
    extra: Object.fromEntries(Object.entries(recipe).filter(([name]) => !KNOWN.includes(name))),
  };
}

function list(holder, name) {
  const value = holder[name] ?? [];
  if (!Array.isArray(value)) throw new Error(`In this recipe "${name}" is no list.`);
  return value;
}

function checkSize(image, picture) {
  const { width = picture.width, height = picture.height } = image;
  if (width === picture.width && height === picture.height) return;
  throw new Error(
    `This recipe is for a picture of ${width} × ${height} pixels; the open one has ${picture.width} × ${picture.height}.`,
  );
}

function readPoint(entry, index, picture, abOf, muted) {
  const ok = Number.isFinite(entry?.x) && Number.isFinite(entry?.y) && (entry.ab || /^#[0-9a-f]{6}$/i.test(entry.color ?? ""));
  if (!ok) throw new Error(`Point ${index + 1} of this recipe needs x, y and a color such as #c04020.`);
  const radius = entry.radius ?? 3;
  const size = Math.min(9, Math.max(1, Math.round((2 * radius) / picture.perNetworkPixel)));
  return {
    id: 0, x: entry.x, y: entry.y, size, radius, ab: entry.ab ?? abOf(entry.color), hex: entry.color ?? "#808080",
    ...(muted ? { muted } : {}), ...(entry.locked ? { locked: true } : {}), ...(entry.reach === undefined ? {} : { reach: entry.reach }),
    ...(Number.isInteger(entry.stroke) ? { stroke: entry.stroke } : {}),
  };
}

function readDivision({ path, closed } = {}, index) {
  return { path: readStroke({ path }, index).path, ...(closed ? { closed: true } : {}) };
}

function readStroke(entry, index) {
  const ok = Array.isArray(entry?.path) && entry.path.length && entry.path.every((at) => at.length === 2 && at.every(Number.isFinite));
  if (!ok) throw new Error(`Scribble ${index + 1} of this recipe has no path of [x, y] pairs.`);
  return { path: entry.path, width: entry.width ?? 5 };
}

/** @param {Point[]} points @returns {number} an id that none has */
const nextId = (points) => points.reduce((most, point) => Math.max(most, point.id), 0) + 1;

/** Change a point, with all of its stroke: where it goes, they go. @param {Doc} doc @param {number} id @param {Partial<Point>} change @returns {Doc} */
function changePoint(doc, id, change) {
  const one = doc.points.find((point) => point.id === id);
  const mates = one ? strokeMates(doc, one) : [];
  const { x = one?.x, y = one?.y, ...rest } = change;
  const changed = (point) => ({ ...point, ...rest, x: point.x + x - one.x, y: point.y + y - one.y });
  return { ...doc, points: doc.points.map((point) => (mates.includes(point) ? changed(point) : point)) };
}

/** @param {Doc} doc @param {number} id @returns {Doc} */
function withoutPoint(doc, id) {
  const one = doc.points.find((point) => point.id === id);
  const mates = one ? strokeMates(doc, one) : [];
  return { ...doc, points: doc.points.filter((point) => !mates.includes(point)) };
}

export { History, changePoint, emptyDoc, fromRecipe, hasWork, nextId, pointRadius, reachOf, toRecipe, withoutPoint };
