// The steps of the static page against vectors that Python wrote: `node --test tests/studio`.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { pathToFileURL } from "node:url";

// of the sources, or of the package that Python tests
const STATIC = process.env.COLORZOO_STATIC ? pathToFileURL(`${process.env.COLORZOO_STATIC}/`) : new URL("../../src/colorzoo/studio/static/", import.meta.url);
const load = (name) => import(new URL(`${name}.js`, STATIC));
const [{ setConstants }, gamut, resample, points, reach, strengths, palette, reference, rasterize, masks, areas, { correctPoints }, { Joiner }, { overlaysOf }, { placesAlong }, { cropped }] = await Promise.all([
  "steps/constants", "worker/gamut", "worker/resample", "steps/points", "steps/reach", "steps/strengths", "steps/palette", "worker/reference",
  "steps/rasterize", "steps/area_masks", "steps/areas", "steps/point_corrections", "steps/full_size", "steps/overlays", "steps/painting", "steps/cropping",
].map(load));
const { constants, vectors } = JSON.parse(readFileSync(new URL("step_vectors.json", import.meta.url), "utf8"));
setConstants(constants);

const floats = (list) => Float32Array.from(list);
const linear = ([lightness, a, b]) => {
  const out = [0, 0, 0];
  gamut.linearInGamut(lightness, a, b, out);
  return out;
};
const drawn = ({ recipe, whole, size, lightness }) => points.drawPoints(floats(lightness), size, rasterize.hintsOf(recipe), whole);
const pathsOf = ({ lightness, whole, size }, hints) => reach.findPaths(reach.stepCosts(floats(lightness), size), hints, whole);
const likenessOf = ({ likeness }) => (likeness ? { ...likeness, map: floats(likeness.map) } : null);
const alikeOf = (given, { grid }) => reach.onGrid(likenessOf(given), grid);
function extentOf(given, hints) {
  const paths = reach.byReach(hints).map((group) => pathsOf(given, group));
  return reach.limitExtent(hints, paths, paths.map(() => likenessOf(given)), given.whole, given.size);
}

const drawnAreas = (given, actions) => masks.drawAreas(floats(given.lightness), given.size, given.areas.filter(({ action }) => actions.includes(action)), given.whole);

const STEPS = {
  "gamut.lightnessOf": ({ rgba }) => {
    const out = new Float32Array(rgba.length / 4);
    gamut.lightnessOf(Uint8Array.from(rgba), 0, out);
    return out;
  },
  "gamut.toLevel": ({ lab }) => lab.map((color) => linear(color).map(gamut.toLevel)),
  "gamut.reducedChroma": ({ lab }) => lab.map(([lightness, ...ab]) => gamut.reducedChroma(lightness, ab)),
  "resample.workingSize": ({ shapes }) => shapes.map(([h, w, size]) => [...resample.workingSize(h, w, size), ...resample.fitSize(h, w, size)]),
  "resample.Downsampler": ({ map, whole, size }) => {
    const [shrinker, rows] = [new resample.Downsampler(whole, size), floats(map)];
    for (let y = 0; y < whole[0]; y += 1) shrinker.take(y, rows.subarray(y * whole[1], (y + 1) * whole[1]));
    return shrinker.done();
  },
  "resample.Upsampler": ({ map, from, size: [height, width], place }) => {
    const made = new resample.Upsampler(floats(map), from, [height, width]);
    const out = new Float32Array(2 * height * width);
    for (let row = 0; row < 2 * height; row += 1) made.row(Math.floor(row / height), row % height, out.subarray(row * width, (row + 1) * width));
    return [out, made.pixel(...place)];
  },
  "points.drawPoints": (given) => {
    const { ab, mask } = drawn(given);
    return [ab, mask];
  },
  "points.enforcePoints": (given) => points.enforcePoints(floats(given.ab), drawn(given), floats(given.lightness), given.size),
  "points.limitReach": (given) => {
    const extent = extentOf(given, rasterize.hintsOf(given.recipe).filter(reach.isLimited));
    return points.limitReach(floats(given.ab), floats(given.base), floats(given.lightness), drawn(given), extent, given.size);
  },
  "strengths.weakenPoints": (given) => {
    const extent = extentOf(given, rasterize.hintsOf(given.recipe));
    return strengths.weakenPoints(floats(given.ab), floats(given.base), floats(given.lightness), extent, given.size, given.strengths);
  },
  "reach.stepCosts": ({ lightness, size }) => reach.stepCosts(floats(lightness), size).costs,
  "reach.limitExtent": (given) => {
    const { weight, nearest, homes } = extentOf(given, rasterize.hintsOf(given.recipe).filter(reach.isLimited));
    return [weight, nearest, homes];
  },
  "reach.keepNearer": (given) => {
    const hints = rasterize.hintsOf(given.recipe).filter(reach.isLimited);
    const [small, larger] = [hints.filter(reach.isSmall), hints.filter((hint) => !reach.isSmall(hint))];
    const paths = [small, larger].map((some) => reach.byReach(some).map((group) => pathsOf(given, group)));
    return reach.keepNearer(extentOf(given, small), ...paths, given.size).weight;
  },
  "reach.evenReaches": (given) => {
    const paths = pathsOf(given, rasterize.hintsOf(given.recipe).slice(0, 1));
    return reach.evenReaches(paths, alikeOf(given, paths), 9);
  },
  "reach.startingReach": (given) => {
    const [x, y, radius] = given.place;
    const paths = pathsOf(given, [{ x, y, radius }]);
    return reach.startingReach(paths, alikeOf(given, paths));
  },
  "area_masks.drawAreas": (given) => drawnAreas(given, ["color", "gray", "only", "lock"]).map(({ share }) => share),
  "areas.plantSeeds": (given) => {
    const { ab, mask } = areas.plantSeeds(drawnAreas(given, ["color"]), floats(given.lightness), given.size, rasterize.hintsOf(given.recipe), given.whole);
    return [ab, mask];
  },
  "areas.fillAreas": (given) => {
    const filled = drawnAreas(given, ["color"]);
    const inside = areas.pointsInside(rasterize.hintsOf(given.recipe), filled, given.size, given.whole).map((hint) => ({ ...hint, reach: "automatic" }));
    const { ab, shift } = areas.fillAreas(floats(given.ab), floats(given.lightness), filled, floats(given.seeded), inside.length ? extentOf(given, inside) : null, given.strengths);
    const [rows, width] = [new masks.ShiftedRows(shift, given.size, given.whole), given.whole[1]];
    const larger = floats(given.larger);
    return [ab, Array.from({ length: given.whole[0] }, (_, y) => rows.row(y, larger.subarray(y * width, (y + 1) * width)))];
  },
  "areas.lockAreas": (given) => {
    const locks = drawnAreas(given, ["gray", "only", "lock"]);
    const { ab, locked } = areas.lockAreas(floats(given.ab), locks, locks.map(() => null), floats(given.seeded), given.strength);
    return [ab, locked];
  },
  "painting.placesAlong": ({ paint }) => paint.map((stroke) => placesAlong(stroke).map(({ x, y, radius }) => [x, y, radius])),
  "full_size.Joiner": ({ recipe, ab, from, size, lightness, strength, reaches }) => {
    const [map, small] = [floats(lightness), floats(ab)];
    const corrections = correctPoints(rasterize.hintsOf(recipe), small, from, size, (y, x) => map[y * size[1] + x], strength);
    const joiner = new Joiner(small, from, size, corrections, overlaysOf(recipe, { whole: size, size, strength, locked: null, reaches: reaches.map((share) => share && new resample.Upsampler(floats(share), from, size)) }), new masks.ShiftedRows([], from, size));
    const out = new Uint8Array(3 * size[0] * size[1]);
    for (let y = 0; y < size[0]; y += 1) joiner.write(y, map.subarray(y * size[1], (y + 1) * size[1]), out, 3 * y * size[1], 3);
    return out;
  },
  "palette.suggestColors": ({ logits, size, stride, centers, shown, draws, place, lightness, taken }) => {
    const found = { logits: floats(logits), size, stride, centers, shown };
    const shares = palette.sharesAtPlace(found, ...place);
    const items = palette.suggestColors(shares, shown.map((bin) => centers[bin]), lightness, 9, draws);
    return [items.map(({ color, share }) => [color, share]), palette.entropyOf(shares), palette.nextPoint(found, taken), palette.isTrained(found)];
  },
  "reference.statisticsOf": ({ rgba, whole, centers }) => {
    const { saturation, histogram } = reference.statisticsOf(Uint8ClampedArray.from(rgba), whole, centers);
    return [saturation, histogram];
  },
  "reference.referenceOf": ({ tile, side, whole, size }) => {
    const rgba = new Uint8ClampedArray(4 * whole[0] * whole[1]);
    for (let y = 0, at = 0; y < whole[0]; y += 1) {
      for (let x = 0; x < whole[1]; x += 1, at += 4) for (let c = 0; c < 3; c += 1) rgba[at + c] = tile[3 * ((y % side[0]) * side[1] + (x % side[1])) + c];
    }
    return reference.referenceOf(rgba, whole, size).data;
  },
  "cropping.cropped": ({ rgba, whole: [height, width], crop }) => cropped({ rgba: Uint8ClampedArray.from(rgba), width, height }, crop).rgba,
};

/** @returns {any[]} the numbers and texts of nested lists */
const leaves = (found) => (Array.isArray(found) || ArrayBuffer.isView(found) ? Array.from(/** @type {any} */ (found), leaves).flat() : [found]);

for (const { step, given, expected, within, others } of vectors) {
  test(step, () => {
    const [found, wanted] = [leaves(STEPS[step.split(" ")[0]](given)), leaves(expected)];
    assert.equal(found.length, wanted.length);
    const far = wanted.filter((value, i) => (typeof value === "number" ? !(Math.abs(found[i] - value) <= within) : found[i] !== value)).length;
    const most = wanted.reduce((largest, value, i) => Math.max(largest, Math.abs(found[i] - value) || 0), 0);
    assert.ok(far <= others * wanted.length, `${far} of ${wanted.length} values differ by more than ${within}, at most ${most}`);
  });
}
