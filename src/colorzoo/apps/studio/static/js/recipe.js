/** The recipe of the current document, and the colors of regions in results. */

import { toRecipe } from "./document.js";

/**
 * Return the recipe of the current document. Models that need boxes but do not detect objects get an empty list.
 * @param {import("./document.js").Doc} [doc] an earlier document @returns {Record<string, any>}
 */
export function currentRecipe(pad, doc = pad.doc) {
  const { photo } = pad;
  const whole = pad.accepts("boxes") && !pad.model().detects;
  return toRecipe({ ...doc, boxes: doc.boxes ?? (whole ? [] : null) }, { ...photo.image, perNetworkPixel: pad.perNetworkPixel() });
}

/** Colors of the regions in the results of documents, three bytes for each region. @type {WeakMap<object, Uint8Array>} */
export const flatsOf = new WeakMap();
