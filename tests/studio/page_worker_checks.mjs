// Runs functions of the page that colors without a server on what a test of Python gives, and prints what they answer.
import { readFileSync } from "node:fs";

const [module, asked] = process.argv.slice(2);
const page = await import(module);
const floats = (list) => Float32Array.from(list);
const drawn = (hints, whole, size, lightness, wanted) => page.drawHints(hints, whole, size, floats(lightness), wanted);

const CHECKS = {
  lightness: ({ rgba }) => {
    const out = new Float32Array(rgba.length / 4);
    page.lightnessOf(Uint8Array.from(rgba), 0, out);
    return out;
  },
  gamut: ({ lab }) => lab.map(([l, a, b]) => {
    const linear = [0, 0, 0];
    page.linearInGamut(l, a, b, linear);
    return [...linear.map(page.toLevel), ...page.reducedChroma(l, [a, b])];
  }),
  sizes: ({ shapes }) => shapes.map(([h, w, size]) => [...page.workingSize(h, w, size), ...page.fitSize(h, w, size)]),
  shrink: ({ map, whole, size }) => page.downsample(floats(map), whole, size),
  enlarge: ({ map, from, size }) => {
    const made = new page.Upsampler(floats(map), from, size);
    const rows = [];
    for (let c = 0; c < 2; c += 1) for (let y = 0; y < size[0]; y += 1) rows.push(made.row(c, y, new Float32Array(size[1])) ?? 0);
    const out = new Float32Array(2 * size[0] * size[1]);
    for (let c = 0; c < 2; c += 1) for (let y = 0; y < size[0]; y += 1) made.row(c, y, out.subarray((c * size[0] + y) * size[1], (c * size[0] + y + 1) * size[1]));
    return [out, made.pixel(3, 5)];
  },
  hints: ({ recipe, whole, size, lightness }) => {
    const points = drawn(page.hintsOf(recipe), whole, size, lightness);
    return [points.ab, points.mask];
  },
  points: ({ recipe, whole, size, lightness, ab }) => page.applyPoints(floats(ab), floats(lightness), drawn(page.hintsOf(recipe), whole, size, lightness), size),
  reach: ({ recipe, whole, size, lightness, ab, base }) => {
    const hints = page.hintsOf(recipe);
    const limited = hints.filter(({ reach }) => reach !== "everywhere");
    const extent = page.findExtent(floats(lightness), limited, whole, size);
    const [small, larger] = [limited.filter(page.isSmall), limited.filter((hint) => !page.isSmall(hint))];
    const nearer = page.keepNearer(page.findExtent(floats(lightness), small, whole, size), floats(lightness), small, larger, whole, size);
    return [extent.weight, nearer.weight, page.limitReach(floats(ab), floats(base), floats(lightness), drawn(hints, whole, size, lightness), extent, size)];
  },
  strength: ({ recipe, whole, size, lightness, strengths }) => {
    const hints = page.hintsOf(recipe).map((hint, number) => ({ ...hint, strength: strengths[number] }));
    return page.pointStrength(floats(lightness), hints, page.findExtent(floats(lightness), hints, whole, size), size);
  },
  steps: ({ recipe, whole, size, lightness }) => page.evenReaches(floats(lightness), page.hintsOf(recipe)[0], whole, size, 9),
  join: ({ recipe, ab, from, size, lightness, strength, above }) => {
    const map = floats(lightness);
    const pins = page.fitPins(page.hintsOf(recipe), floats(ab), from, size, (y, x) => map[y * size[1] + x], strength);
    const joiner = new page.Joiner(floats(ab), from, size, pins, page.overlaysOf(above, size, size, strength));
    const out = new Uint8Array(3 * size[0] * size[1]);
    for (let y = 0; y < size[0]; y += 1) joiner.write(y, map.subarray(y * size[1], (y + 1) * size[1]), out, 3 * y * size[1], 3);
    return out;
  },
  palette: ({ logits, size, stride, centers, shown, draws, place, lightness, taken }) => {
    const found = { logits: floats(logits), size, stride, centers, shown };
    const shares = page.sharesAtPlace(found, ...place);
    const items = page.suggestColors(shares, shown.map((bin) => centers[bin]), lightness, 9, draws);
    return [items, page.entropyOf(shares), page.nextPoint(found, taken), page.isTrained(found)];
  },
  statistics: ({ rgba, whole, centers }) => page.statisticsOf(Uint8ClampedArray.from(rgba), whole, centers),
  reference: ({ tile, side, whole, size }) => {
    const rgba = new Uint8ClampedArray(4 * whole[0] * whole[1]);
    for (let y = 0, at = 0; y < whole[0]; y += 1) for (let x = 0; x < whole[1]; x += 1, at += 4) for (let c = 0; c < 3; c += 1) rgba[at + c] = tile[3 * ((y % side[0]) * side[1] + (x % side[1])) + c];
    return page.referenceOf(rgba, whole, size).data;
  },
  hash: ({ bytes }) => [...page.plainSha256(Uint8Array.from(bytes))],
  encode: async ({ rgba, width, height, source, format, origin }) => {
    const pixels = { rgba: Uint8ClampedArray.from(rgba), width, height };
    return [...(await page.encodePicture(pixels, Uint8Array.from(source), format, 95, origin))];
  },
  recipes: ({ recipes, photo }) => recipes.map((recipe) => {
    try {
      return page.checkRecipe(recipe, photo);
    } catch (error) {
      return `${error.code}: ${error.message}`;
    }
  }),
};

const answers = {};
for (const [name, given] of Object.entries(JSON.parse(readFileSync(asked)))) answers[name] = await CHECKS[name.split(" ")[0]](given);
console.log(JSON.stringify(answers, (_, value) => (ArrayBuffer.isView(value) ? [...value] : value)));
