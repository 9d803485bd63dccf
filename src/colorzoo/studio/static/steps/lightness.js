/** A color at any lightness. */

import { atLightness, dimmed, hexToRgb, rgbToLab } from "../js/color.js";

const LIGHTNESSES = 201; // at which a color is computed; between them linear interpolation is exact enough
const tables = new Map();

/** @param {string} color @returns {[number, number][]} its ab at lightnesses from 0 to 100, for `abAtLightness` */
const tableOf = (color) => madeTable(color, atLightness);

/** @param {string} color @returns {[number, number][]} the same, eased in shade */
const shadedTableOf = (color) => madeTable(color, inLight);

const inLight = (lab, lightness) => (lightness < lab[0] ? dimmed : atLightness)(lab, lightness);

function madeTable(color, at) {
  const key = `${at.name} ${color}`;
  if (!tables.has(key)) {
    const lab = rgbToLab(hexToRgb(color));
    tables.set(key, Array.from({ length: LIGHTNESSES }, (_, i) => at(lab, (100 * i) / (LIGHTNESSES - 1))));
  }
  return tables.get(key);
}

/** @param {[number, number][]} table of a color @param {number} lightness @returns {[number, number]} */
function abAtLightness(table, lightness) {
  const at = Math.min(Math.max(lightness, 0), 100) * ((LIGHTNESSES - 1) / 100);
  const below = Math.min(Math.floor(at), LIGHTNESSES - 2);
  const part = at - below;
  const [[a, b], [c, d]] = [table[below], table[below + 1]];
  return [a * (1 - part) + c * part, b * (1 - part) + d * part];
}

export { abAtLightness, shadedTableOf, tableOf };
