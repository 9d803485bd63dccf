/** Changes of colors at full size, above the answer of the network: replaced colors, then paint. */

import { Painting } from "./painting.js";
import { Replacing } from "./replacing.js";

/** @typedef {{addTo: (y: number, lightness: Float32Array, a: Float32Array, b: Float32Array) => void}} Overlay  changes a row in place */

/**
 * @param {any} recipe @param {[number, number]} whole height and width of the photo @param {[number, number]} size of the result @param {number} strength
 * @param {import("../worker/resample.js").Upsampler | null} [locked] where areas lock the colors @returns {Overlay[]} the lowest first
 */
function overlaysOf({ replacements = [], paint = [] }, whole, size, strength, locked = null) {
  return [...(replacements.length ? [new Replacing(replacements, locked)] : []), ...(paint.length ? [new Painting(paint, whole, size, strength)] : [])];
}

export { overlaysOf };
