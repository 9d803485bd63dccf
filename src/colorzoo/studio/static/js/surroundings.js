/** The lightness around a place, which decides what color a point can have there: colorzoo.studio.opened_image.lightness_around. */

const SAME_THING = 25; // units of lightness
const NETWORK = 256; // shorter side at which most networks see a photo

/** @param {number[]} values @returns {number} the lower one of two in the middle */
const median = (values) => values.sort((one, other) => one - other)[(values.length - 1) >> 1];

/**
 * Return the median lightness around a pixel, of what is about as light as its nearest neighbors: a speck in a texture does not count, nor does the other side of an edge.
 * @param {(index: number) => number} lightnessOf of a pixel by its index @param {[number, number]} size height and width @param {number} row @param {number} column @returns {number}
 */
export function lightnessAround(lightnessOf, [height, width], row, column) {
  const near = Math.max(1, Math.floor(Math.min(height, width) / NETWORK + 0.5));
  const window = (reach) => {
    const found = [];
    for (let y = Math.max(0, row - reach); y <= Math.min(height - 1, row + reach); y += 1) {
      for (let x = Math.max(0, column - reach); x <= Math.min(width - 1, column + reach); x += 1) found.push(lightnessOf(y * width + x));
    }
    return found;
  };
  const middle = median(window(near));
  return median(window(8 * near).filter((lightness) => Math.abs(lightness - middle) <= SAME_THING));
}
