/** One handler per request of the pad, as in colorzoo.studio.handlers; see docs/studio_protocol.md. */

import { clamp, rgbToHex } from "../js/color.js";
import { RequestError } from "../steps/checks.js";
import { cropped } from "../steps/cropping.js";
import { entropyOf, isTrained, nextPoint, sharesAtPlace, suggestColors } from "../steps/palette.js";
import { displayedAb, hintsOf, pointAb } from "../steps/rasterize.js";
import { isLimited } from "../steps/reach.js";
import { encodePicture } from "./encode.js";
import { fetchPacked } from "./engine.js";
import { linearInGamut, reducedChroma, toLevel } from "./gamut.js";
import { Photo, RAW_RGBA, createContext, decodePicture, encodeRaw, isGray, rawPicture } from "./photo.js";
import { PhotoColorizer, ignoredHints } from "./plan.js";
import { checkRecipe } from "./recipe.js";
import { referenceOf, statisticsOf } from "./reference.js";
import { fitSize } from "./resample.js";

const SNAPPED = 0.5;
const MAX_SUGGESTIONS = 32;
const THUMBNAIL = 512;
/** Formats of an export and the endings of their files. */
const NAMES = { png: "png", jpeg: "jpg" };

/** State of the pad: its photo and the services that handlers use. */
class Backend {
  /**
   * @param {any} catalog of the page @param {import("./engine.js").Engine} engine
   * @param {() => Promise<boolean>} isNewest whether no newer picture was requested @param {string | null} wanted name of the photo to open first
   */
  constructor(catalog, engine, isNewest, wanted = null) {
    this.catalog = catalog;
    this.engine = engine;
    this.isNewest = isNewest;
    this.start = catalog.photos.find(({ name }) => name === wanted) ?? catalog.photos[0] ?? null;
    this.solver = /** @type {PhotoColorizer | null} */ (null);
    this.trainedModels = /** @type {Record<string, boolean>} */ ({});
    this.announcedRuntime = /** @type {string | null} */ (null); // as the page was told
  }

  /** @returns {Photo} */
  get photo() {
    if (!this.solver) throw new RequestError("no_photo", "no photo is open here; open it again");
    return this.solver.photo;
  }

  /** @param {any} recipe @returns {any} catalog entry of its model, or of the default */
  model({ model: name } = {}) {
    const { models } = this.catalog;
    const found = name ? models.find((model) => model.name === name || model.aliases.includes(name)) : models.find((model) => model.default);
    if (!found) throw new RequestError("no_model", `${name} is not known here; models: ${models.filter(({ missing }) => !missing).map((model) => model.name).join(", ")}`);
    if (found.missing) throw new RequestError("unsupported", `${found.name} does not run in this page: ${found.missing}`);
    return found;
  }

  /** @param {any} recipe @param {"drag" | "final" | "full"} [quality] */
  async predict(recipe, quality = "final") {
    const model = this.model(recipe);
    return this.solver.run(await this.solver.job(model, recipe, quality === "drag" ? Math.floor(model.size / 2) : model.size));
  }
}

function greet(backend, message, answer) {
  const { version, models, limits } = backend.catalog;
  const photo = backend.solver ? describePhoto(backend.solver.photo, backend) : null;
  answer({ type: "hello", session: "page", version, resumed: Boolean(photo), photo, start: backend.start, recipe: null, models, limits, crops: true });
}

function describePhoto(photo, backend) {
  const { name, width, height, sha256, viewSize, colored } = photo;
  return {
    name, width, height, image: { width, height, sha256 }, network: backend.catalog.network, view: [viewSize[1], viewSize[0]], colored,
    notes: colored ? ["this photo has colors of its own, which are not used; “Before” shows them"] : [],
  };
}

async function open(backend, { name = "picture", upload }, answer, buffers) {
  const { bytes: most, pixels } = backend.catalog.limits;
  const bytes = upload ? await fetchPacked(backend.engine.address(upload)) : buffers[0];
  if (!bytes?.length) throw new RequestError("bad_picture", `${name} is empty (0 bytes)`);
  if (bytes.length > most) throw new RequestError("too_large", `${name} is larger than ${Math.floor(most / 2 ** 20)} MB, the limit here`);
  const photo = await Photo.open(bytes, name.split(/[\\/]/).pop() || "picture", { pixels, view: backend.catalog.view }, backend.catalog.network);
  backend.solver = new PhotoColorizer(backend.engine, photo);
  answer({ type: "photo", mime: RAW_RGBA, ...describePhoto(photo, backend) }, grayView(photo), encodeRaw(photo.source, photo.viewSize));
}

function grayView({ view, viewSize: [height, width] }) {
  const { buffer, rgba } = rawPicture(width, height);
  const linear = [0, 0, 0];
  for (let i = 0; i < view.length; i += 1) {
    linearInGamut(view[i], 0, 0, linear);
    rgba.fill(toLevel(linear[1]), 4 * i, 4 * i + 3);
  }
  return buffer;
}

async function attach(backend, { slot = "exemplar", name = "picture", detach }, answer, [bytes]) {
  if (detach) {
    if (slot === "exemplar") backend.solver?.setReference(null);
    answer({ type: "attached", slot, detached: true });
    return;
  }
  const pixels = await decodePicture(bytes, name, backend.catalog.limits.pixels);
  const { width, height, rgba } = pixels;
  const facts = { type: "attached", slot, name, width, height, mime: RAW_RGBA, notes: [] };
  const shown = await thumbnail(pixels);
  if (slot === "statistics") answer({ ...facts, statistics: statisticsOf(rgba, [height, width], backend.catalog.hull) }, shown);
  else {
    attachReference(backend, pixels, name);
    answer(facts, shown);
  }
}

/** Attach a reference picture. */
function attachReference(backend, pixels, name) {
  if (!backend.catalog.models.some(({ missing, guidance }) => !missing && guidance.includes("exemplar"))) throw new RequestError("unsupported", "no model of this page takes a reference picture");
  if (isGray(pixels)) throw new RequestError("bad_picture", `the reference ${name} has no color; name a picture in color.`);
  if (backend.photo) backend.solver.setReference(referenceOf(pixels.rgba, [pixels.height, pixels.width], backend.catalog.network));
}

async function thumbnail({ width, height, rgba }) {
  const [rows, columns] = fitSize(height, width, THUMBNAIL);
  const small = await createImageBitmap(new ImageData(rgba, width, height), { resizeWidth: columns, resizeHeight: rows, resizeQuality: "high" });
  const context = createContext(columns, rows);
  context.drawImage(small, 0, 0);
  return encodeRaw(context.getImageData(0, 0, columns, rows).data, [rows, columns]);
}

async function color(backend, { recipe, quality, suggest }, answer) {
  const { photo } = backend;
  const began = performance.now();
  const model = backend.model(recipe);
  const found = await backend.predict(recipe, quality);
  const solved = performance.now();
  const picture = await render(backend, found, recipe, quality);
  if (!picture) {
    answer({ type: "dropped" });
    return;
  }
  const joined = performance.now();
  const timing = { wait: 0, prepare: 0, network: solved - began, join: joined - solved, encode: 0, total: joined - began };
  const [height, width] = picture.size;
  answer({
    type: "colored", quality, model: model.name, width, height, mime: RAW_RGBA, notes: found.notes, distribution: Boolean(found.logits),
    points: hintsOf(recipe).map((hint) => displayedPoint(photo, hint, recipe.strength ?? 1)), timing,
  }, picture.buffer);
  if (suggest) await suggestions(backend, { recipe, ...suggest }, answer);
}

/** @returns {Promise<{buffer: Uint8Array, size: [number, number]} | null>} null if a newer picture was requested */
async function render(backend, found, recipe, quality) {
  const { photo, solver } = backend;
  if (quality !== "full") {
    const [lightness, size] = quality === "drag" ? [photo.drag, photo.dragSize] : [photo.view, photo.viewSize];
    return { buffer: solver.render(found, recipe, lightness, size), size };
  }
  const pixels = await photo.pixels();
  if (!(await solver.renderWhole(found, recipe, pixels, backend.isNewest))) return null;
  return { buffer: encodeRaw(pixels.rgba, photo.size), size: photo.size };
}

function displayedPoint(photo, hint, strength) {
  const lightness = photo.lightnessAround(hint.x, hint.y);
  const there = displayedAb(hint, lightness);
  const paler = Math.hypot(...pointAb(hint)) - Math.hypot(...there) > SNAPPED;
  const requested = /** @type {[number, number]} */ (there.map((value) => value * strength));
  const ab = reducedChroma(lightness, requested);
  const moved = Math.max(Math.abs(ab[0] - requested[0]), Math.abs(ab[1] - requested[1])) > SNAPPED;
  return { lightness, ab, color: hexOf(lightness, ab), snapped: moved || paler };
}

/** @param {number} lightness @param {[number, number]} ab @returns {string} #rrggbb */
function hexOf(lightness, ab) {
  const linear = [0, 0, 0];
  linearInGamut(lightness, ...ab, linear);
  return rgbToHex(/** @type {[number, number, number]} */ (linear.map(toLevel)));
}

/** @returns {import("../steps/palette.js").Distribution | null} null for models without one, and for untrained models */
function distributionOf(backend, model, found) {
  if (!found.logits) return null;
  const { hull, grid, shown } = backend.catalog;
  const bins = found.logits.length / (found.cells[0] * found.cells[1]);
  const whole = bins === grid.length;
  const made = {
    logits: found.logits, size: found.cells, stride: Math.max(1, Math.round(found.size[1] / found.cells[1])), centers: whole ? grid : hull,
    shown: whole ? shown : hull.map((_, bin) => bin),
  };
  backend.trainedModels[model.name] ??= isTrained(made);
  return backend.trainedModels[model.name] ? made : null;
}

async function suggestions(backend, { recipe, x, y, count = 9, exclude = null }, answer) {
  const { photo } = backend;
  const others = exclude === null ? recipe : { ...recipe, points: recipe.points.filter((_, i) => i !== exclude) };
  inside(photo, x, y);
  const found = await backend.predict(others);
  const model = backend.model(recipe);
  const reach = await reachToBegin(backend, model, others, x, y);
  const made = distributionOf(backend, model, found);
  if (!made) {
    answer({ type: "suggestions", x, y, reach, lightness: null, items: [], entropy: null });
    return;
  }
  const [height, width] = found.size;
  const shares = sharesAtPlace(made, Math.min((x * width) / photo.width, width - 1), Math.min((y * height) / photo.height, height - 1));
  const lightness = photo.lightnessAround(x, y);
  const centers = made.shown.map((bin) => made.centers[bin]);
  const items = suggestColors(shares, centers, lightness, Math.min(count, MAX_SUGGESTIONS), backend.catalog.draws);
  answer({ type: "suggestions", x, y, reach, lightness, items, entropy: entropyOf(shares) / Math.LN2 });
}

/** @returns {Promise<import("../js/document.js").Reach | null>} reach of a new point to begin with; null if the model cannot tell */
async function reachToBegin({ solver, catalog }, model, recipe, x, y) {
  if (!model.guidance.includes("points")) return null;
  const job = await solver.job(model, recipe);
  const radius = (catalog.constants.pad.new_point * Math.min(...solver.photo.size)) / Math.min(...job.size);
  return solver.startingReach(job, { x, y, radius, color: "#808080", ab: null, reach: "automatic", strength: 1 });
}

async function next(backend, { recipe }, answer) {
  const { photo } = backend;
  const found = await backend.predict(recipe);
  const made = distributionOf(backend, backend.model(recipe), found);
  if (!made) {
    answer({ type: "next", x: null, y: null, entropy: null });
    return;
  }
  const [v, u] = [photo.height / found.size[0], photo.width / found.size[1]];
  const [x, y] = nextPoint(made, hintsOf(recipe).map((hint) => [hint.x / u, hint.y / v]));
  const entropy = entropyOf(sharesAtPlace(made, x, y)) / Math.LN2;
  answer({ type: "next", x: Math.min(x * u, photo.width - 0.5), y: Math.min(y * v, photo.height - 0.5), entropy });
}

async function probe(backend, { recipe, x, y }, answer) {
  const { photo, solver } = backend;
  inside(photo, x, y);
  const found = await backend.predict(recipe);
  const [, columns] = photo.viewSize;
  const at = photo.viewIndex(x, y);
  const [row, column] = [Math.floor(at / columns), at % columns];
  const joiner = solver.joiner(found, recipe, photo.viewSize, (v, u) => photo.view[v * columns + u]);
  const [lightness, a, b] = joiner.labRow(row, photo.view.subarray(row * columns, (row + 1) * columns)).map((values) => values[column]);
  const ab = /** @type {[number, number]} */ ([a, b]);
  const [red, green, blue] = photo.source.subarray(4 * at, 4 * at + 3);
  const source = rgbToHex([red, green, blue]);
  answer({ type: "probed", x, y, lightness, ab, result: hexOf(lightness, ab), source });
}

function inside({ width, height }, x, y) {
  if (!(x >= 0 && y >= 0 && x <= width && y <= height)) throw new RequestError("bad_message", `(${x}, ${y}) lies outside the photo (${width} x ${height} pixels).`);
}

/** @param {Backend} backend @param {any} message @param {(message: object, ...buffers: Uint8Array[]) => void} answer */
async function extent(backend, { recipe, x, y, radius = 3, reach = "automatic" }, answer) {
  const { solver, catalog: { constants: { pad: { tint, tint_alpha, reach_steps } } } } = backend;
  const hint = { x, y, radius, color: "#808080", ab: null, reach, strength: 1 };
  const job = await solver.job(backend.model(recipe), recipe ?? {});
  const { size } = job;
  const weight = isLimited(hint) ? (await solver.extentOf(job, [hint])).weight : job.lightness.map(() => 1);
  const image = new ImageData(size[1], size[0]);
  weight.forEach((share, i) => image.data.set([...tint, Math.round(share * tint_alpha)], 4 * i));
  const context = createContext(size[1], size[0]);
  context.putImageData(image, 0, 0);
  const blob = await context.canvas.convertToBlob({ type: "image/png" });
  answer({ type: "extent", x, y, reach, steps: await solver.reachSteps(job, hint, reach_steps) }, new Uint8Array(await blob.arrayBuffer()));
}

async function model(backend, { name }, answer) {
  const entry = backend.model({ model: name });
  await backend.engine.prepare(entry);
  const notes = backend.announcedRuntime === backend.engine.description ? [] : [`colors by ${backend.engine.description}, in this browser`];
  backend.announcedRuntime = backend.engine.description;
  answer({ type: "model", name: entry.name, accepts: entry.guidance, distribution: entry.distribution, match: false, regions: false, classes: false, detects: false, notes });
}

/** @param {Backend} backend @param {{recipe: any, format?: "png" | "jpeg", quality?: number}} message @param {(message: object, ...buffers: Uint8Array[]) => void} answer */
async function exported(backend, { recipe, format = "png", quality = 95 }, answer) {
  if (!(format in NAMES)) throw new RequestError("unsupported", `this page exports ${Object.keys(NAMES).join(" and ")}; colorzoo studio and the command line also write other formats`);
  const { photo, solver } = backend;
  const entry = backend.model(recipe);
  const found = await backend.predict(recipe);
  const pixels = await photo.pixels();
  await solver.renderWhole(found, recipe, pixels, async () => true);
  const { version } = backend.catalog;
  const origin = { source: photo.sha256, model: entry.name, weights: entry.weights, version, recipe, engine: `onnxruntime-web ${backend.catalog.runtime}`, ...(recipe.crop ? { crop: textOf(recipe.crop) } : {}) };
  const kept = recipe.crop ? cropped(pixels, recipe.crop) : pixels;
  const bytes = await encodePicture(kept, photo.bytes, format, clamp(quality, 1, 100), origin);
  const name = `${photo.name.replace(/\.[^.]+$/, "")}.color.${NAMES[format]}`;
  answer({ type: "exported", name, mime: `image/${format}`, bytes: bytes.length, notes: found.notes }, bytes);
}

/** @param {import("../js/shapes.js").Crop} crop @returns {string} as records of pictures have it */
const textOf = ({ x, y, width, height, angle }) => [x, y, width, height, ...(angle ? [angle] : [])].join(",");

function check(backend, { recipe }, answer) {
  const notes = checkRecipe(recipe, backend.solver?.photo ?? null);
  const { models } = backend.catalog;
  const named = recipe.model ? models.find((entry) => entry.name === recipe.model || entry.aliases.includes(recipe.model)) : null;
  if (recipe.model && !named) throw new RequestError("no_model", `the recipe is for ${recipe.model}, which is not known here`);
  if (named?.missing) notes.push(`${named.name} does not run in this page: ${named.missing}`);
  else notes.push(...ignoredHints(named ?? backend.model(), recipe));
  answer({ type: "checked", recipe: named ? { ...recipe, model: named.name } : recipe, notes });
}

/** Models of a page do not report matches. */
function match(_backend, _message, answer) {
  answer({ type: "matched", x: null, y: null });
}

/** Colorings of the whole photo are not compared in this page. */
function colorings(_backend, _message, answer) {
  answer({ type: "colorings", x: null, y: null, lightness: null, items: [] });
}

/** Parts with names are not found in this page. */
function parts(_backend, _message, answer) {
  answer({ type: "parts", items: [] });
}

function select() {
  throw new RequestError("unsupported", "objects are not found in this page, which only applies the areas of recipes; use colorzoo studio");
}

function close(backend) {
  backend.solver = null;
}

/** Handlers by the type of the request; newest: a newer request replaces waiting ones; rank: lower goes first. */
const REQUESTS = {
  ready: { run: greet, rank: 0 }, close: { run: close, rank: 0 }, open: { run: open, rank: 0 }, attach: { run: attach, rank: 1 },
  color: { run: color, rank: 0, newest: true }, suggest: { run: suggestions, rank: 1, newest: true }, next: { run: next, rank: 1, newest: true },
  probe: { run: probe, rank: 1, newest: true }, extent: { run: extent, rank: 1, newest: true }, model: { run: model, rank: 1 },
  colorings: { run: colorings, rank: 1 }, match: { run: match, rank: 1, newest: true }, parts: { run: parts, rank: 1 }, select: { run: select, rank: 1 }, export: { run: exported, rank: 2 }, cancel: { run: () => {}, rank: 0 }, check: { run: check, rank: 1 },
};

export { Backend, REQUESTS };
