/** Lightness around a position, which limits the available colors of a point; same method as colorzoo.apps.studio.opened_image.lightness_around. */

const SAME_THING = 25; // maximum difference in L from the nearest neighbors
const NETWORK = 256; // shorter side of most network inputs in pixels

/** @param {number[]} values @returns {number} the median; for an even count, the lower of the two middle values */
const median = (values) => values.sort((one, other) => one - other)[(values.length - 1) >> 1];

/**
 * Return the median lightness around a pixel. Only pixels with a lightness similar to the nearest neighbors are included, so neither specks of a texture nor the other side of an edge change the result.
 * @param {(index: number) => number} lightnessOf of a pixel by its index @param {[number, number]} size height and width @param {number} row @param {number} column @returns {number}
 */
export function lightnessAround(lightnessOf, [height, width], row, column) {
  const near = Math.max(1, Math.floor(Math.min(height, width) / NETWORK + 0.5));
  const window = (reach) => {
    const values = [];
    for (let y = Math.max(0, row - reach); y <= Math.min(height - 1, row + reach); y += 1) {
      for (let x = Math.max(0, column - reach); x <= Math.min(width - 1, column + reach); x += 1) values.push(lightnessOf(y * width + x));
    }
    return values;
  };
  const middle = median(window(near));
  return median(window(8 * near).filter((lightness) => Math.abs(lightness - middle) <= SAME_THING));
}
