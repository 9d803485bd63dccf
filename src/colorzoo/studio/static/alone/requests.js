/** What each request of the pad does, as colorzoo.studio.requests does it. docs/studio_protocol.md describes the messages. */

import { clamp, rgbToHex } from "../js/color.js";
import { linearInGamut, reducedChroma } from "./chroma.js";
import { encodePicture } from "./encode.js";
import { fetchPacked } from "./engine.js";
import { abOfHint, askedAb, hintsOf } from "./hints.js";
import { levelOf } from "./light.js";
import { entropyOf, isTrained, nextPoint, sharesThere, suggestColors } from "./palette.js";
import { PLAIN, Photo, Trouble, asMessage, contextOf, decodePicture, isGray, plainPicture } from "./picture.js";
import { findExtent } from "./reach.js";
import { checkRecipe } from "./recipe.js";
import { referenceOf } from "./reference.js";
import { fitSize } from "./resample.js";
import { Solver, ignored } from "./solve.js";
import { statisticsOf } from "./statistics.js";

const SNAPPED = 0.5;
const MOST_SUGGESTIONS = 32;
const THUMBNAIL = 512;
const TINT = [26, 109, 255];
const TINT_ALPHA = 150;
const NAMES = { png: "png", jpeg: "jpg" };

/** One pad: its photo, and what serves its requests. */
class Desk {
  /**
   * @param {any} catalog of the page @param {import("./engine.js").Engine} engine @param {() => Promise<boolean>} quiet whether no newer picture is asked for
   * @param {string | null} wanted name of the photo to begin with
   */
  constructor(catalog, engine, quiet, wanted = null) {
    const start = catalog.photos.find(({ name }) => name === wanted) ?? catalog.photos[0] ?? null;
    Object.assign(this, { catalog, engine, quiet, start, solver: null, distributes: {} });
  }

  /** @returns {Photo} */
  get photo() {
    if (!this.solver) throw new Trouble("no_photo", "no photo is open here; open it again");
    return this.solver.photo;
  }

  /** @param {any} recipe @returns {any} the model that a recipe names, or the default */
  model({ model: name } = {}) {
    const { models } = this.catalog;
    const found = name ? models.find((model) => model.name === name || model.aliases.includes(name)) : models.find((model) => model.default);
    if (!found) throw new Trouble("no_model", `${name} is not known here; models: ${models.filter(({ missing }) => !missing).map((model) => model.name).join(", ")}`);
    if (found.missing) throw new Trouble("unsupported", `${found.name} does not run in this page: ${found.missing}`);
    return found;
  }

  /** @param {any} recipe @param {"drag" | "final" | "full"} [quality] */
  solve(recipe, quality = "final") {
    const model = this.model(recipe);
    return this.solver.solve(model, recipe, quality === "drag" ? Math.floor(model.size / 2) : model.size);
  }
}

/** @param {Desk} desk */
function hello(desk, message, answer) {
  const { version, models, limits } = desk.catalog;
  const photo = desk.solver ? describe(desk.solver.photo, desk) : null;
  answer({ type: "hello", session: "page", version, resumed: Boolean(photo), photo, start: desk.start, recipe: null, models, limits });
}

function describe(photo, desk) {
  const { name, width, height, sha256, viewSize, colored } = photo;
  return {
    name, width, height, image: { width, height, sha256 }, network: desk.catalog.network, view: [viewSize[1], viewSize[0]], colored,
    notes: colored ? ["already in color"] : [],
  };
}

async function open(desk, { name = "picture", upload }, answer, buffers) {
  const { bytes: most, pixels } = desk.catalog.limits;
  const bytes = upload ? await fetchPacked(desk.engine.address(upload)) : buffers[0];
  if (!bytes?.length) throw new Trouble("bad_picture", `${name} is empty (0 bytes)`);
  if (bytes.length > most) throw new Trouble("too_large", `${name} is larger than ${Math.floor(most / 2 ** 20)} MB, the limit here`);
  const photo = await Photo.open(bytes, name.split(/[\\/]/).pop() || "picture", { pixels, view: desk.catalog.view }, desk.catalog.network);
  desk.solver = new Solver(desk.engine, photo);
  answer({ type: "photo", mime: PLAIN, ...describe(photo, desk) }, grayView(photo), asMessage(photo.source, photo.viewSize));
}

function grayView({ view, viewSize: [height, width] }) {
  const { buffer, rgba } = plainPicture(width, height);
  const linear = [0, 0, 0];
  for (let i = 0; i < view.length; i += 1) {
    linearInGamut(view[i], 0, 0, linear);
    rgba.fill(levelOf(linear[1]), 4 * i, 4 * i + 3);
  }
  return buffer;
}

async function attach(desk, { slot = "exemplar", name = "picture", detach }, answer, [bytes]) {
  if (detach) {
    if (slot === "exemplar") desk.solver?.refer(null);
    answer({ type: "attached", slot, detached: true });
    return;
  }
  const pixels = await decodePicture(bytes, name, desk.catalog.limits.pixels);
  const { width, height, rgba } = pixels;
  const facts = { type: "attached", slot, name, width, height, mime: PLAIN, notes: [] };
  const shown = await thumbnail(pixels);
  if (slot === "statistics") answer({ ...facts, statistics: statisticsOf(rgba, [height, width], desk.catalog.hull) }, shown);
  else {
    refer(desk, pixels, name);
    answer(facts, shown);
  }
}

/** Take the colors of a picture from now on. */
function refer(desk, pixels, name) {
  if (!desk.catalog.models.some(({ missing, guidance }) => !missing && guidance.includes("exemplar"))) throw new Trouble("unsupported", "no model of this page takes a reference picture");
  if (isGray(pixels)) throw new Trouble("bad_picture", `the reference ${name} has no color; name a picture in color.`);
  if (desk.photo) desk.solver.refer(referenceOf(pixels.rgba, [pixels.height, pixels.width], desk.catalog.network));
}

async function thumbnail({ width, height, rgba }) {
  const [rows, columns] = fitSize(height, width, THUMBNAIL);
  const small = await createImageBitmap(new ImageData(rgba, width, height), { resizeWidth: columns, resizeHeight: rows, resizeQuality: "high" });
  const context = contextOf(columns, rows);
  context.drawImage(small, 0, 0);
  return asMessage(context.getImageData(0, 0, columns, rows).data, [rows, columns]);
}

async function color(desk, { recipe, quality, suggest }, answer) {
  const { photo } = desk;
  const began = performance.now();
  const model = desk.model(recipe);
  const found = await desk.solve(recipe, quality);
  const solved = performance.now();
  const picture = await paint(desk, found, recipe, quality);
  if (!picture) {
    answer({ type: "dropped" });
    return;
  }
  const joined = performance.now();
  const timing = { wait: 0, prepare: 0, network: solved - began, join: joined - solved, encode: 0, total: joined - began };
  const [height, width] = picture.size;
  answer({
    type: "colored", quality, model: model.name, width, height, mime: PLAIN, notes: found.notes, distribution: Boolean(found.logits),
    points: hintsOf(recipe).map((hint) => shownPoint(photo, hint, recipe.strength ?? 1)), timing,
  }, picture.buffer);
  if (suggest) await suggestions(desk, { recipe, ...suggest }, answer);
}

/** @returns {Promise<{buffer: Uint8Array, size: [number, number]} | null>} null if a newer picture was asked for meanwhile */
async function paint(desk, found, recipe, quality) {
  const { photo, solver } = desk;
  if (quality !== "full") {
    const [luma, size] = quality === "drag" ? [photo.drag, photo.dragSize] : [photo.view, photo.viewSize];
    return { buffer: solver.paint(found, recipe, luma, size), size };
  }
  const pixels = await photo.pixels();
  if (!(await solver.paintWhole(found, recipe, pixels, desk.quiet))) return null;
  return { buffer: asMessage(pixels.rgba, photo.size), size: photo.size };
}

function shownPoint(photo, hint, strength) {
  const luma = photo.lumaAt(hint.x, hint.y);
  const there = askedAb(hint, luma);
  const paler = Math.hypot(...abOfHint(hint)) - Math.hypot(...there) > SNAPPED;
  const asked = there.map((value) => value * strength);
  const ab = reducedChroma(luma, asked);
  const moved = Math.max(Math.abs(ab[0] - asked[0]), Math.abs(ab[1] - asked[1])) > SNAPPED;
  return { luma, ab, color: hexOf(luma, ab), snapped: moved || paler };
}

function hexOf(luma, ab) {
  const linear = [0, 0, 0];
  linearInGamut(luma, ...ab, linear);
  return rgbToHex(linear.map(levelOf));
}

/** @returns {import("./palette.js").Distribution | null} null where the model has none, or one that nobody trained */
function distributionOf(desk, model, found) {
  if (!found.logits) return null;
  const { hull, grid, shown } = desk.catalog;
  const bins = found.logits.length / (found.cells[0] * found.cells[1]);
  const whole = bins === grid.length;
  const made = {
    logits: found.logits, size: found.cells, stride: Math.max(1, Math.round(found.size[1] / found.cells[1])), centers: whole ? grid : hull,
    shown: whole ? shown : hull.map((_, bin) => bin),
  };
  desk.distributes[model.name] ??= isTrained(made);
  return desk.distributes[model.name] ? made : null;
}

async function suggestions(desk, { recipe, x, y, count = 9, exclude = null }, answer) {
  const { photo } = desk;
  const others = exclude === null ? recipe : { ...recipe, points: recipe.points.filter((_, i) => i !== exclude) };
  inside(photo, x, y);
  const found = await desk.solve(others);
  const made = distributionOf(desk, desk.model(recipe), found);
  if (!made) {
    answer({ type: "suggestions", x, y, luma: null, items: [], entropy: null });
    return;
  }
  const [height, width] = found.size;
  const shares = sharesThere(made, Math.min((x * width) / photo.width, width - 1), Math.min((y * height) / photo.height, height - 1));
  const luma = photo.lumaAt(x, y);
  const centers = made.shown.map((bin) => made.centers[bin]);
  const items = suggestColors(shares, centers, luma, Math.min(count, MOST_SUGGESTIONS), desk.catalog.draws);
  answer({ type: "suggestions", x, y, luma, items, entropy: entropyOf(shares) / Math.LN2 });
}

async function next(desk, { recipe }, answer) {
  const { photo } = desk;
  const found = await desk.solve(recipe);
  const made = distributionOf(desk, desk.model(recipe), found);
  if (!made) {
    answer({ type: "next", x: null, y: null, entropy: null });
    return;
  }
  const [v, u] = [photo.height / found.size[0], photo.width / found.size[1]];
  const [x, y] = nextPoint(made, hintsOf(recipe).map((hint) => [hint.x / u, hint.y / v]));
  const entropy = entropyOf(sharesThere(made, x, y)) / Math.LN2;
  answer({ type: "next", x: Math.min(x * u, photo.width - 0.5), y: Math.min(y * v, photo.height - 0.5), entropy });
}

async function probe(desk, { recipe, x, y }, answer) {
  const { photo, solver } = desk;
  inside(photo, x, y);
  const found = await desk.solve(recipe);
  const [, columns] = photo.viewSize;
  const at = photo.viewIndex(x, y);
  const [row, column] = [Math.floor(at / columns), at % columns];
  const [a, b] = solver.joiner(found, recipe, photo.viewSize, (v, u) => photo.view[v * columns + u]).abRow(row);
  const ab = [a[column], b[column]];
  const source = rgbToHex([...photo.source.subarray(4 * at, 4 * at + 3)]);
  answer({ type: "probed", x, y, luma: photo.view[at], ab, result: hexOf(photo.view[at], ab), source });
}

function inside({ width, height }, x, y) {
  if (!(x >= 0 && y >= 0 && x <= width && y <= height)) throw new Trouble("bad_message", `(${x}, ${y}) lies outside the photo (${width} x ${height} pixels).`);
}

async function extent(desk, { x, y, radius = 3, reach = "everywhere" }, answer) {
  const { photo } = desk;
  const { luma, size } = await photo.seenAt(desk.catalog.network);
  const hint = { x, y, radius, color: "#808080", ab: null, reach };
  const weight = reach === "everywhere" ? luma.map(() => 1) : findExtent(luma, [hint], photo.size, size).weight;
  const image = new ImageData(size[1], size[0]);
  weight.forEach((share, i) => image.data.set([...TINT, Math.round(share * TINT_ALPHA)], 4 * i));
  const context = contextOf(size[1], size[0]);
  context.putImageData(image, 0, 0);
  const blob = await context.canvas.convertToBlob({ type: "image/png" });
  answer({ type: "extent", x, y, reach }, new Uint8Array(await blob.arrayBuffer()));
}

async function model(desk, { name }, answer) {
  const entry = desk.model({ model: name });
  await desk.engine.session(entry);
  const notes = desk.told === desk.engine.words ? [] : [`colors by ${desk.engine.words}, in this browser`];
  desk.told = desk.engine.words;
  answer({ type: "model", name: entry.name, accepts: entry.guidance, distribution: entry.distribution, match: false, regions: false, classes: false, detects: false, notes });
}

async function exported(desk, { recipe, format = "png", quality = 95 }, answer) {
  if (!(format in NAMES)) throw new Trouble("unsupported", `this page exports ${Object.keys(NAMES).join(" and ")}; colorzoo studio and the command line also write other formats`);
  const { photo, solver } = desk;
  const entry = desk.model(recipe);
  const found = await desk.solve(recipe);
  const pixels = await photo.pixels();
  await solver.paintWhole(found, recipe, pixels, async () => true);
  const { version } = desk.catalog;
  const origin = { source: photo.sha256, model: entry.name, weights: entry.weights, version, recipe, engine: `onnxruntime-web ${desk.catalog.runtime}` };
  const bytes = await encodePicture(pixels, photo.bytes, format, clamp(quality, 1, 100), origin);
  const name = `${photo.name.replace(/\.[^.]+$/, "")}.color.${NAMES[format]}`;
  answer({ type: "exported", name, mime: `image/${format}`, bytes: bytes.length, notes: found.notes }, bytes);
}

function check(desk, { recipe }, answer) {
  const notes = checkRecipe(recipe, desk.solver?.photo ?? null);
  const { models } = desk.catalog;
  const named = recipe.model ? models.find((entry) => entry.name === recipe.model || entry.aliases.includes(recipe.model)) : null;
  if (recipe.model && !named) throw new Trouble("no_model", `the recipe is for ${recipe.model}, which is not known here`);
  if (named?.missing) notes.push(`${named.name} does not run in this page: ${named.missing}`);
  else notes.push(...ignored(named ?? desk.model(), recipe));
  answer({ type: "checked", recipe: named ? { ...recipe, model: named.name } : recipe, notes });
}

/** No model of a page tells what in a reference colored a place. */
function match(_desk, _message, answer) {
  answer({ type: "matched", x: null, y: null });
}

function select() {
  throw new Trouble("unsupported", "no area can be drawn in this page, and those of a recipe are kept but not used; colorzoo studio does both");
}

function close(desk) {
  desk.solver = null;
}

/** What serves each kind of request; `newest`: only the newest one counts; `rank`: the lower goes first. */
const REQUESTS = {
  ready: { run: hello, rank: 0 }, close: { run: close, rank: 0 }, open: { run: open, rank: 0 }, attach: { run: attach, rank: 1 },
  color: { run: color, rank: 0, newest: true }, suggest: { run: suggestions, rank: 1, newest: true }, next: { run: next, rank: 1, newest: true },
  probe: { run: probe, rank: 1, newest: true }, extent: { run: extent, rank: 1, newest: true }, model: { run: model, rank: 1 },
  match: { run: match, rank: 1, newest: true }, select: { run: select, rank: 1 }, export: { run: exported, rank: 2 }, cancel: { run: () => {}, rank: 0 }, check: { run: check, rank: 1 },
};

export { Desk, REQUESTS };
