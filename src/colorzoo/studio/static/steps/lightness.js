/** A color at any lightness. */

import { atLightness, hexToRgb, rgbToLab } from "../js/color.js";

const LIGHTNESSES = 201; // at which a color is computed; between them linear interpolation is exact enough
const tables = new Map();

/** @param {string} color @returns {[number, number][]} its ab at lightnesses from 0 to 100, for `abAtLightness` */
function tableOf(color) {
  if (!tables.has(color)) {
    const lab = rgbToLab(hexToRgb(color));
    tables.set(color, Array.from({ length: LIGHTNESSES }, (_, i) => atLightness(lab, (100 * i) / (LIGHTNESSES - 1))));
  }
  return tables.get(color);
}

/** @param {[number, number][]} table of a color @param {number} lightness @returns {[number, number]} */
function abAtLightness(table, lightness) {
  const at = Math.min(Math.max(lightness, 0), 100) * ((LIGHTNESSES - 1) / 100);
  const below = Math.min(Math.floor(at), LIGHTNESSES - 2);
  const part = at - below;
  const [[a, b], [c, d]] = [table[below], table[below + 1]];
  return [a * (1 - part) + c * part, b * (1 - part) + d * part];
}

export { abAtLightness, tableOf };
