/** Color a photo at the network's size: predict, move the points to their exact colors, limit their reach, apply the strength. */

import { lightnessOf } from "./gamut.js";
import { Joiner, fitPins } from "./join.js";
import { overlaysOf } from "./overlays.js";
import { rawPicture } from "./photo.js";
import { applyPoints, drawHints, hintsOf, scaledHints } from "./points.js";
import { findExtent, isSmall, keepNearer, limitReach, pointStrength } from "./reach.js";

const CACHED_RESULTS = 6;
const ROWS_PER_STEP = 64; // rows until the next check for newer requests

/**
 * @typedef {{ab: Float32Array, size: [number, number], logits: Float32Array | null, cells: [number, number], notes: string[]}} Answer
 *   ab (2, h, w), logits (Q, rows, columns)
 */

/** The last results, for undo and redo. */
class ResultCache {
  constructor() {
    this.kept = new Map();
  }

  /** @param {string} key @param {() => Promise<any>} make */
  async of(key, make) {
    const found = this.kept.get(key) ?? (await make());
    this.kept.delete(key);
    this.kept.set(key, found);
    if (this.kept.size > CACHED_RESULTS) this.kept.delete(this.kept.keys().next().value);
    return found;
  }
}

/** @param {any} recipe of the page @returns {string} its fields that affect the colors */
const cacheKey = ({ model: _, image: __, studio: ___, paint: ____, replacements: _____, ...rest }) => JSON.stringify(rest);

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
    this.answers = new ResultCache();
    this.bases = new ResultCache();
  }

  /** @param {any} model of the catalog @param {any} recipe @param {number} size shorter side @returns {Promise<Answer>} */
  predict(model, recipe, size) {
    return this.answers.of(`${model.name} ${size} ${cacheKey(recipe)}`, () => this.#compute(model, recipe, size));
  }

  async #compute(model, recipe, size) {
    const input = await this.photo.networkLightness(size);
    const hints = hintsOf(recipe);
    const takes = model.guidance.includes("points");
    const points = hints.length ? drawHints(hints, this.photo.size, input.size, input.lightness) : null;
    const found = await this.#runNetwork(model, recipe, input, takes ? points : null);
    let ab = found.ab.data;
    if (points) ab = await this.#applyPoints(model, recipe, input, hints, points, ab, takes);
    if (hints.some(({ strength }) => strength < 1)) ab = await this.#weaken(model, recipe, input, size, hints, ab);
    const strength = recipe.strength ?? 1;
    const logits = found.logits ?? null;
    return {
      ab: strength === 1 ? ab : ab.map((value) => value * strength), size: input.size, notes: ignoredHints(model, recipe),
      logits: logits && logits.data, cells: logits ? [logits.dims[2], logits.dims[3]] : [0, 0],
    };
  }

  /** Take back what points do beyond their strength. */
  async #weaken(model, recipe, { lightness, size: from }, size, hints, ab) {
    const weak = hints.filter(({ strength }) => strength < 1);
    const rest = { ...recipe, strength: 1, points: recipe.points.filter((_, number) => hints[number].strength === 1) };
    const base = await this.predict(model, rest, size);
    const share = pointStrength(lightness, weak, findExtent(lightness, weak, this.photo.size, from), from);
    return ab.map((value, at) => base.ab[at] + share[at % share.length] * (value - base.ab[at]));
  }

  /** Give points their exact colors within their reach; small ones come last, as in colorzoo.inference.plan. */
  async #applyPoints(model, recipe, input, hints, points, ab, takes) {
    const exact = applyPoints(ab, input.lightness, points, input.size);
    const limited = hints.filter(({ reach }) => reach !== "everywhere");
    if (!limited.length) return exact;
    const small = limited.filter(isSmall);
    const larger = limited.filter((hint) => !isSmall(hint));
    const added = small.length ? small : larger;
    const rest = { ...recipe, points: (recipe.points ?? []).filter((_, number) => !added.includes(hints[number])) };
    const others = drawHints(hintsOf(rest), this.photo.size, input.size, input.lightness);
    const key = `${model.name} ${input.size} ${cacheKey(rest)}`;
    const plain = takes ? await this.bases.of(key, async () => (await this.#runNetwork(model, rest, input, others)).ab.data) : ab;
    const base = others ? await this.#applyPoints(model, rest, input, hintsOf(rest), others, plain, takes) : plain;
    const whole = findExtent(input.lightness, added, this.photo.size, input.size);
    const extent = small.length && larger.length ? keepNearer(whole, input.lightness, small, larger, this.photo.size, input.size) : whole;
    return limitReach(exact, base, input.lightness, points, extent, input.size);
  }

  #runNetwork(model, recipe, { lightness, size }, points) {
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

  /** @param {Answer} answer @param {any} recipe @param {[number, number]} size @param {(y: number, x: number) => number} lightnessAt @returns {Joiner} */
  joiner(answer, recipe, size, lightnessAt) {
    const hints = scaledHints(hintsOf(recipe), this.photo.size, size);
    const strength = recipe.strength ?? 1;
    const pins = fitPins(hints, answer.ab, answer.size, size, lightnessAt, strength);
    return new Joiner(answer.ab, answer.size, size, pins, overlaysOf(recipe, this.photo.size, size, strength));
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

function normalized(histogram) {
  if (!histogram) return null;
  const sum = histogram.reduce((total, share) => total + share, 0);
  return Float32Array.from(histogram, (share) => share / sum);
}

/** @returns {string[]} notes on hints that the model does not use; points are applied in any case */
function ignoredHints(model, recipe) {
  const kinds = ["points", "scribbles", "regions", "boxes", "exemplar", "classes", "statistics", "areas", "divisions"];
  const given = kinds.filter((kind) => (Array.isArray(recipe[kind]) ? recipe[kind].length : recipe[kind] && Object.keys(recipe[kind]).length));
  const notes = given.filter((kind) => !model.guidance.includes(kind)).map((kind) => (
    kind === "areas" ? "this page keeps areas but does not use them; colorzoo studio and the command line do" : `${model.name} does not use ${kind}; they were ignored`
  ));
  const { alpha = 1, more = [] } = recipe.exemplar ?? {};
  if (alpha !== 1 || more.length) notes.push("this page takes one reference, and all of its colors; colorzoo studio and the command line also mix");
  return notes;
}

export { PhotoColorizer, ignoredHints };
