/** Changes of colors at full size, above the answer of the network: what the recipe calls them, the lowest first. */

import { Painting, checkPaint } from "./painting.js";
import { Replacing, checkReplacement } from "./replacing.js";

/**
 * @typedef {{paint: import("./painting.js").PaintStroke[], replacements: import("./replacing.js").Replacement[]}} OverlayLists  as in the recipe
 * @typedef {{addTo: (y: number, lightness: Float32Array, a: Float32Array, b: Float32Array) => void}} Overlay  changes a row in place
 * @typedef {{whole: [number, number], size: [number, number], strength: number, locked: import("../worker/resample.js").Upsampler | null, reaches: (import("../worker/resample.js").Upsampler | null)[]}} Onto
 *   height and width of the photo and of the result, factor on the chroma, where areas lock the colors, and what each stroke of paint may cover
 * @typedef {{check: (entry: any, name: string) => void, usual: object, make: (entries: any[], onto: Onto) => Overlay}} OverlayKind
 *   usual: fields that a recipe may leave out, as the pad shows them
 */

/** @type {Record<keyof OverlayLists, OverlayKind>} */
const OVERLAYS = {
  replacements: { check: checkReplacement, usual: { range: 20, fade: 20 }, make: (list, { locked }) => new Replacing(list, locked) },
  paint: { check: checkPaint, usual: { size: 20, hardness: 0.5, opacity: 1 }, make: (list, onto) => new Painting(list, onto) },
};

/** @returns {OverlayLists} without any overlay */
const noOverlays = () => /** @type {any} */ (Object.fromEntries(Object.keys(OVERLAYS).map((name) => [name, []])));

/** @param {(name: string) => any[]} list the entries of a recipe @returns {OverlayLists} the overlays with all fields @throws {import("./checks.js").RequestError} */
function readOverlays(list) {
  const read = Object.entries(OVERLAYS).map(([name, { check, usual }]) => {
    const entries = list(name).map((entry, index) => {
      check(entry ?? {}, `recipe.${name}[${index}]`);
      return { ...usual, ...entry };
    });
    return [name, entries];
  });
  return /** @type {any} */ (Object.fromEntries(read));
}

/** @param {{hidden?: boolean, opacity?: number}} entry an overlay or an area @returns {boolean} */
const isShown = ({ hidden = false, opacity = 1 }) => !hidden && opacity > 0;

/** @param {any} recipe @param {Onto} onto @returns {Overlay[]} the lowest first */
function overlaysOf(recipe, onto) {
  return Object.entries(OVERLAYS).flatMap(([name, { make }]) => {
    const entries = (recipe[name] ?? []).filter(isShown);
    return entries.length ? [make(entries, onto)] : [];
  });
}

export { OVERLAYS, isShown, noOverlays, overlaysOf, readOverlays };
