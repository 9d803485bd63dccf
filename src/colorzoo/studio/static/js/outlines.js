/** Smooth outlines of the regions of a label map. */

/**
 * Return smooth borders of the regions of a label map, in its pixels.
 * @param {{labels: Uint16Array, width: number, height: number}} map @param {number[]} picked @returns {{thin: Path2D, bold: Path2D}} bold: around the selected regions
 */
export function regionLines(map, picked) {
  const lines = { thin: new Path2D(), bold: new Path2D() };
  for (const [label, bounds] of boundsOfLabels(map)) traceRegion(map, label, bounds, picked.includes(label) ? lines.bold : lines.thin);
  return lines;
}

/** @returns {Map<number, [number, number, number, number]>} left, top, right and bottom pixel of each region */
function boundsOfLabels({ labels, width, height }) {
  const found = new Map();
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      const bounds = found.get(labels[at]);
      if (!bounds) found.set(labels[at], [x, y, x, y]);
      else {
        if (x < bounds[0]) bounds[0] = x;
        if (x > bounds[2]) bounds[2] = x;
        bounds[3] = y;
      }
    }
  }
  return found;
}

const SMOOTHING = 3; // passes of a mean over 3 x 3 pixels

/** Trace the outline of a region: the line of one half through its blurred mask (marching squares). */
function traceRegion({ labels, width, height }, label, [left, top, right, bottom], path) {
  const edge = SMOOTHING + 1;
  const [columns, rows] = [right - left + 1 + 2 * edge, bottom - top + 1 + 2 * edge];
  const clamped = (value, most) => Math.min(Math.max(value, 0), most - 1);
  /** @type {Float32Array} */
  let mask = new Float32Array(columns * rows);
  for (let y = 0; y < rows; y += 1) {
    const row = clamped(y + top - edge, height) * width; // beyond the photo the region goes on, so that its frame has no line
    for (let x = 0; x < columns; x += 1) mask[y * columns + x] = labels[row + clamped(x + left - edge, width)] === label ? 1 : 0;
  }
  for (let pass = 0; pass < SMOOTHING; pass += 1) mask = blurred(blurred(mask, columns, rows, 1, columns), rows, columns, columns, 1);
  const cross = (one, other) => (0.5 - one) / (other - one);
  const [x0, y0] = [left - edge + 0.5, top - edge + 0.5];
  for (let y = 0; y + 1 < rows; y += 1) {
    for (let x = 0; x + 1 < columns; x += 1) {
      const at = y * columns + x;
      const [a, b, c, d] = [mask[at], mask[at + 1], mask[at + columns + 1], mask[at + columns]];
      const ends = [];
      if (a > 0.5 !== b > 0.5) ends.push([x + cross(a, b), y]);
      if (b > 0.5 !== c > 0.5) ends.push([x + 1, y + cross(b, c)]);
      if (d > 0.5 !== c > 0.5) ends.push([x + cross(d, c), y + 1]);
      if (a > 0.5 !== d > 0.5) ends.push([x, y + cross(a, d)]);
      for (let end = 0; end + 1 < ends.length; end += 2) {
        path.moveTo(x0 + ends[end][0], y0 + ends[end][1]);
        path.lineTo(x0 + ends[end + 1][0], y0 + ends[end + 1][1]);
      }
    }
  }
}

/** @returns {Float32Array} means of three neighbors along the lines of a map */
function blurred(values, length, lines, step, stride) {
  const out = new Float32Array(values.length);
  for (let line = 0; line < lines; line += 1) {
    for (let i = 0; i < length; i += 1) {
      const at = line * stride + i * step;
      out[at] = (values[i ? at - step : at] + values[at] + values[i + 1 < length ? at + step : at]) / 3;
    }
  }
  return out;
}
