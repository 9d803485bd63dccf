/** The way of a photo to its colors, step by step in the order of colorzoo.inference.pipeline. */

import { ShiftedRows, drawAreas } from "../steps/area_masks.js";
import { fillAreas, lockAreas, plantSeeds, pointsInside } from "../steps/areas.js";
import { Joiner } from "../steps/full_size.js";
import { isShown, overlaysOf } from "../steps/overlays.js";
import { placesAlong } from "../steps/painting.js";
import { correctPoints } from "../steps/point_corrections.js";
import { drawPoints, enforcePoints, limitReach } from "../steps/points.js";
import { hintsOf, numbersOf, scaledHints } from "../steps/rasterize.js";
import { byReach, evenReaches, findPaths, isLimited, isSmall, keepNearer, limitExtent, onGrid, startingReach, stepCosts } from "../steps/reach.js";
import { weakenPoints } from "../steps/strengths.js";
import { likenessGraph } from "./engine.js";
import { lightnessOf } from "./gamut.js";
import { Memory } from "./memory.js";
import { decodePicture, rawPicture } from "./photo.js";
import { Upsampler, antialiased } from "./resample.js";

const MOST_RECORDED = 4096 ** 2; // pixels of locked colors
const ROWS_PER_STEP = 64; // rows until the next check for newer requests

/**
 * @typedef {import("../steps/rasterize.js").Hint} Hint
 * @typedef {{model: any, recipe: any, lightness: Float32Array, size: [number, number], key: string}} Job  model of the catalog, (h, w)
 * @typedef {{ab: Float32Array, shift: import("../steps/area_masks.js").Shift, locked: Float32Array | null}} Colors  ab (2, h, w), locked (h, w)
 * @typedef {Colors & {size: [number, number], logits: Float32Array | null, cells: [number, number], notes: string[], reaches: (Float32Array | null)[]}} Answer
 *   logits (Q, rows, columns), reaches (h, w) of the strokes of paint
 */

/** Colors one photo. */
class PhotoColorizer {
  /** @param {import("./engine.js").Engine} engine @param {import("./photo.js").Photo} photo */
  constructor(engine, photo) {
    this.engine = engine;
    this.photo = photo;
    this.setReference(null);
  }

  /** @param {ReturnType<typeof import("./reference.js").referenceOf> | null} reference used from now on */
  setReference(reference) {
    this.reference = reference;
    this.memory = new Memory();
  }

  /** @param {any} model of the catalog @param {any} recipe @param {number} [size] shorter side @returns {Promise<Job>} */
  async job(model, recipe, size = model.size) {
    const seen = await this.photo.networkLightness(size);
    return { model, recipe, ...seen, key: `${model.name} ${size}` };
  }

  /** @param {Job} job @returns {Promise<Answer>} */
  async run(job) {
    const hints = hintsOf(job.recipe);
    const { logits, cells } = await this.#predicted(job, hints);
    const colors = await this.#withAreas(job, hints, await this.#withPoints(job, hints));
    return { ...colors, size: job.size, logits, cells, notes: ignoredHints(job.model, job.recipe), reaches: await this.#paintReaches(job) };
  }

  /** @param {Job} job @returns {Promise<(Float32Array | null)[]>} the share that each stroke of paint may cover; null for one that goes everywhere */
  async #paintReaches(job) {
    const reaches = [];
    for (const stroke of (job.recipe.paint ?? []).filter(isShown)) {
      const goesEverywhere = (stroke.reach ?? "everywhere") === "everywhere";
      reaches.push(goesEverywhere ? null : (await this.extentOf(job, placesAlong(stroke))).weight);
    }
    return reaches;
  }

  /** @param {Job} job @param {Hint[]} hints @param {Float32Array} ab @returns {Promise<Colors>} the colors with the areas and the strength of the recipe */
  async #withAreas(job, hints, ab) {
    const { recipe: { areas = [], strength = 1 }, lightness, size } = job;
    const shown = areas.filter(isShown);
    const drawn = (...actions) => drawAreas(lightness, size, shown.filter(({ action }) => actions.includes(action)), this.photo.size);
    const [filled, locks] = [drawn("color"), drawn("gray", "only", "lock")];
    const colors = { ab, shift: [], locked: null };
    if (filled.length) {
      const inside = pointsInside(hints, filled, size, this.photo.size).map((hint) => ({ ...hint, reach: isLimited(hint) ? hint.reach : "automatic" }));
      const extent = inside.length ? await this.extentOf(job, inside) : null;
      const seeded = await this.#seeded(job, hints, filled);
      Object.assign(colors, fillAreas(ab, lightness, filled, seeded, extent, inside.map((hint) => hint.strength)));
    }
    if (strength !== 1) colors.ab = colors.ab.map((value) => value * strength);
    if (!locks.length) return colors;
    const recorded = await Promise.all(locks.map(({ area }) => recordedAb(area.kept, size)));
    const own = (await this.#predicted(job, [])).ab;
    return { ...colors, ...lockAreas(colors.ab, locks, recorded, own, strength) };
  }

  /** @returns {Promise<Float32Array | null>} the network's answer to the colors of areas; null if it takes no points */
  async #seeded(job, hints, filled) {
    if (!job.model.guidance.includes("points")) return null;
    const seeds = plantSeeds(filled, job.lightness, job.size, hints.filter(({ strength }) => strength === 1), this.photo.size);
    const input = [told(job), filled.map(({ area: { opacity: _, ...rest } }) => rest), hints.map(square)];
    const { ab } = await this.#remembered(job, "seeds", input, async () => ({ ab: (await this.#runNetwork(job, seeds)).ab.data }));
    return enforcePoints(ab, seeds, job.lightness, job.size);
  }

  /** @param {Job} job @param {Hint[]} hints @returns {Promise<Float32Array>} ab (2, h, w) with each point to the degree of its strength */
  async #withPoints(job, hints) {
    const weak = hints.filter(({ strength }) => strength < 1);
    const strong = await this.#withPointsInFull(job, hints);
    if (!weak.length) return strong;
    const without = await this.#withPointsInFull(job, hints.filter(({ strength }) => strength === 1));
    return weakenPoints(strong, without, job.lightness, await this.extentOf(job, weak), job.size, weak.map(({ strength }) => strength));
  }

  /** @param {Job} job @param {Hint[]} hints @returns {Promise<Float32Array>} ab with points exactly in their colors, each restricted to its reach */
  #withPointsInFull(job, hints) {
    return this.#remembered(job, "points", [told(job), hints.map(({ reach, ...hint }) => [square(hint), reach])], async () => {
      const { ab } = await this.#predicted(job, hints);
      if (!hints.length) return ab;
      const points = drawPoints(job.lightness, job.size, hints, this.photo.size);
      const enforced = enforcePoints(ab, points, job.lightness, job.size);
      const limited = hints.filter(isLimited);
      if (!limited.length) return enforced;
      const [small, larger] = [limited.filter(isSmall), limited.filter((hint) => !isSmall(hint))];
      // small points come last: the network would spread their colors within the reach of the larger ones
      const added = small.length ? small : larger;
      const others = await this.#withPointsInFull(job, hints.filter((hint) => !added.includes(hint)));
      let extent = await this.extentOf(job, added);
      if (small.length && larger.length) extent = keepNearer(extent, await this.#pathsByReach(job, small), await this.#pathsByReach(job, larger), job.size);
      return limitReach(enforced, others, job.lightness, points, extent, job.size);
    });
  }

  /** @param {Job} job @param {Hint[]} hints @returns {Promise<import("../steps/reach.js").Extent>} how far the colors of points go */
  async extentOf(job, hints) {
    const paths = await this.#pathsByReach(job, hints);
    const likeness = [];
    for (const group of byReach(hints)) likeness.push(await this.#likenessTo(job, group)); // a session runs once at a time
    return limitExtent(hints, paths, likeness, this.photo.size, job.size);
  }

  #pathsByReach(job, hints) {
    return Promise.all(byReach(hints).map((group) => this.#pathsFrom(job, group)));
  }

  /** @param {Job} job @param {Hint} hint @param {number} count @returns {Promise<number[]>} see `evenReaches` */
  async reachSteps(job, hint, count) {
    const paths = await this.#pathsFrom(job, [hint]);
    return evenReaches(paths, onGrid(await this.#likenessTo(job, [hint]), paths.grid), count);
  }

  /** @param {Job} job @param {Hint} hint @returns {Promise<import("../js/document.js").Reach | null>} see `startingReach`; null if the model cannot tell */
  async startingReach(job, hint) {
    const likeness = await this.#likenessTo(job, [hint]);
    const paths = await this.#pathsFrom(job, [hint]);
    return likeness ? startingReach(paths, onGrid(likeness, paths.grid)) : null;
  }

  async #pathsFrom(job, hints) {
    const costs = await this.#remembered(job, "costs", [], () => stepCosts(job.lightness, job.size));
    return this.#remembered(job, "paths", hints.map(patch), () => findPaths(costs, hints, this.photo.size));
  }

  /** @param {Job} job @param {Hint[]} hints @returns {Promise<import("../steps/reach.js").Likeness | null>} how like points all places are; null if the model compares none */
  async #likenessTo(job, hints) {
    if (!job.model.likeness_file) return null;
    return this.#remembered(job, "likeness", hints.map(patch), async () => {
      const { places } = await this.#predicted(job, []);
      const mask = Float32Array.from(numbersOf(hints, this.photo.size, job.size), (number) => Number(number >= 0));
      const { likeness } = await this.engine.run(likenessGraph(job.model), { places, mask: { data: mask, dims: [1, 1, ...job.size] } });
      return { map: likeness.data, size: likeness.dims.slice(2) };
    });
  }

  /** @param {Job} job @param {Hint[]} hints @returns {Promise<any>} prediction for some of the points and all other guidance */
  #predicted(job, hints) {
    const points = job.model.guidance.includes("points") ? hints : [];
    return this.#remembered(job, "network", [told(job), points.map(square)], async () => {
      const found = await this.#runNetwork(job, points.length ? drawPoints(job.lightness, job.size, points, this.photo.size) : null);
      const { ab, logits = null, places = null } = found;
      return { ab: ab.data, logits: logits?.data ?? null, cells: logits ? [logits.dims[2], logits.dims[3]] : [0, 0], places: points.length ? null : places };
    });
  }

  #runNetwork({ model, recipe, lightness, size }, points) {
    const count = size[0] * size[1];
    const statistics = recipe.statistics ?? {};
    const histogram = normalized(statistics.histogram);
    const graph = this.reference && model.exemplar_file ? { name: `${model.name} with a reference`, file: model.exemplar_file } : model;
    return this.engine.run(graph, {
      exemplar_rgb: this.reference,
      lightness: { data: lightness, dims: [1, 1, ...size] },
      points_ab: { data: points?.ab ?? new Float32Array(2 * count), dims: [1, 2, ...size] },
      points_mask: { data: points?.mask ?? new Float32Array(count), dims: [1, 1, ...size] },
      statistics_histogram: { data: histogram ?? new Float32Array(313), dims: [1, 313] },
      statistics_saturation: { data: Float32Array.of(statistics.saturation ?? -1), dims: [1, 1] }, // below 0 means not given
    });
  }

  #remembered(job, step, input, make) {
    return this.memory.of(`${job.key} ${step} ${JSON.stringify(input)}`, make);
  }

  /** @param {Answer} answer @param {any} recipe @param {[number, number]} size @param {(y: number, x: number) => number} lightnessAt @returns {Joiner} */
  joiner(answer, recipe, size, lightnessAt) {
    const hints = scaledHints(hintsOf(recipe), this.photo.size, size);
    const strength = recipe.strength ?? 1;
    const { ab, size: from, locked } = answer;
    const shifted = new ShiftedRows(answer.shift, from, size);
    const corrections = correctPoints(hints, ab, from, size, (y, x) => shifted.pixel(y, x, lightnessAt(y, x)), strength, locked);
    const held = locked?.some((share) => share > 0) ? new Upsampler(locked, from, size) : null;
    const reaches = answer.reaches.map((reach) => reach && new Upsampler(reach, from, size));
    return new Joiner(ab, from, size, corrections, overlaysOf(recipe, { whole: this.photo.size, size, strength, locked: held, reaches }), shifted);
  }

  /** @param {Answer} answer @param {any} recipe @param {Float32Array} lightness @param {[number, number]} size @returns {Uint8Array} picture for a message */
  render(answer, recipe, lightness, size) {
    const [height, width] = size;
    const joiner = this.joiner(answer, recipe, size, (y, x) => lightness[y * width + x]);
    const { buffer, rgba } = rawPicture(width, height);
    for (let y = 0; y < height; y += 1) joiner.write(y, lightness.subarray(y * width, (y + 1) * width), rgba, 4 * y * width, 4);
    return buffer;
  }

  /**
   * Color a picture at full size, in place.
   * @param {Answer} answer @param {any} recipe @param {{width: number, height: number, rgba: Uint8ClampedArray}} pixels
   * @param {() => Promise<boolean>} goOn called regularly; false stops @returns {Promise<boolean>} whether the picture is complete
   */
  async renderWhole(answer, recipe, { width, height, rgba }, goOn) {
    const one = new Float32Array(1);
    const joiner = this.joiner(answer, recipe, [height, width], (y, x) => {
      lightnessOf(rgba, y * width + x, one);
      return one[0];
    });
    const row = new Float32Array(width);
    for (let y = 0; y < height; y += 1) {
      if (y % ROWS_PER_STEP === 0 && !(await goOn())) return false;
      lightnessOf(rgba, y * width, row);
      joiner.write(y, row, rgba, 4 * y * width, 4);
    }
    return true;
  }
}

const patch = ({ x, y, radius }) => [x, y, radius];
const square = ({ x, y, radius, color, ab }) => [x, y, radius, color, ab];
const told = ({ recipe }) => recipe.statistics ?? null;

/** @returns {Promise<Float32Array | null>} ab (2, h, w) as it was recorded when an area was locked; null if it was not */
async function recordedAb(kept, size) {
  if (!kept) return null;
  const { width, height, rgba } = await decodePicture(Uint8Array.from(atob(kept.png), (letter) => letter.charCodeAt(0)), "the locked colors", MOST_RECORDED);
  const out = new Float32Array(2 * size[0] * size[1]);
  [1, 2].forEach((c, k) => {
    const map = Float32Array.from({ length: width * height }, (_, i) => rgba[4 * i + c] * kept.step[c] + kept.low[c]);
    out.set(antialiased(map, [height, width], size), k * size[0] * size[1]);
  });
  return out;
}

function normalized(histogram) {
  if (!histogram) return null;
  const sum = histogram.reduce((total, share) => total + share, 0);
  return Float32Array.from(histogram, (share) => share / sum);
}

/** @returns {string[]} notes on hints that the model does not use; points are applied in any case */
function ignoredHints(model, recipe) {
  const kinds = ["points", "scribbles", "regions", "boxes", "exemplar", "classes", "statistics", "divisions"];
  const given = kinds.filter((kind) => (Array.isArray(recipe[kind]) ? recipe[kind].length : recipe[kind] && Object.keys(recipe[kind]).length));
  const notes = given.filter((kind) => !model.guidance.includes(kind)).map((kind) => (
    `${model.name} does not use ${kind}; they were ignored`
  ));
  const { alpha = 1, more = [] } = recipe.exemplar ?? {};
  if (alpha !== 1 || more.length) notes.push("this page takes one reference, and all of its colors; colorzoo studio and the command line also mix");
  if (recipe.healing?.length) notes.push("this page does not heal; colorzoo studio and the command line do");
  return notes;
}

export { PhotoColorizer, ignoredHints };
