/** Smooth outlines of the regions of a label map, and of masks. */

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

/** Trace the outline of a region. The region is extended beyond the photo, so that no line is drawn at the edge of the photo. */
function traceRegion({ labels, width, height }, label, bounds, path) {
  const clamped = (value, most) => Math.min(Math.max(value, 0), most - 1);
  traceSmooth((x, y) => labels[clamped(y, height) * width + clamped(x, width)] === label, bounds, path);
}

/** @param {{width: number, height: number, bits: Uint8Array}} mask @param {[number, number, number, number]} bounds left, top, right and bottom pixel @returns {Path2D} its smooth outline, in its pixels */
export function maskOutline({ width, height, bits }, bounds) {
  const path = new Path2D();
  traceSmooth((x, y) => x >= 0 && y >= 0 && x < width && y < height && bits[y * width + x] === 1, bounds, path);
  return path;
}

/** Add the contour at the value 0.5 of a blurred mask to a path. @param {(x: number, y: number) => boolean} isInside */
function traceSmooth(isInside, [left, top, right, bottom], path) {
  const edge = SMOOTHING + 1;
  const [columns, rows] = [right - left + 1 + 2 * edge, bottom - top + 1 + 2 * edge];
  /** @type {Float32Array} */
  let mask = new Float32Array(columns * rows);
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) mask[y * columns + x] = isInside(x + left - edge, y + top - edge) ? 1 : 0;
  }
  for (let pass = 0; pass < SMOOTHING; pass += 1) mask = blurred(blurred(mask, columns, rows, 1, columns), rows, columns, columns, 1);
  for (const line of contours(mask, columns, rows)) {
    line.forEach(([x, y], index) => path[index ? "lineTo" : "moveTo"](x + left - edge + 0.5, y + top - edge + 0.5));
    if (Math.hypot(line[0][0] - line.at(-1)[0], line[0][1] - line.at(-1)[1]) < 2) path.closePath();
  }
}

/** @returns {[number, number][][]} contours at the value 0.5 of a map (marching squares), joined so that a dash pattern is continuous */
function contours(map, columns, rows) {
  const places = new Map(); // where a line crosses each edge of the grid
  const next = new Map(); // the crossed edges beside it
  const cross = (one, other) => (0.5 - one) / (other - one);
  for (let y = 0; y + 1 < rows; y += 1) {
    for (let x = 0; x + 1 < columns; x += 1) {
      const at = y * columns + x;
      const [a, b, c, d] = [map[at], map[at + 1], map[at + columns + 1], map[at + columns]];
      const ends = [];
      const add = (crosses, edge, place) => crosses && ends.push(edge) && places.set(edge, place);
      add(a > 0.5 !== b > 0.5, 2 * at, [x + cross(a, b), y]);
      add(b > 0.5 !== c > 0.5, 2 * (at + 1) + 1, [x + 1, y + cross(b, c)]);
      add(d > 0.5 !== c > 0.5, 2 * (at + columns), [x + cross(d, c), y + 1]);
      add(a > 0.5 !== d > 0.5, 2 * at + 1, [x, y + cross(a, d)]);
      for (let end = 0; end + 1 < ends.length; end += 2) {
        for (const [one, other] of [[ends[end], ends[end + 1]], [ends[end + 1], ends[end]]]) next.set(one, [...(next.get(one) ?? []), other]);
      }
    }
  }
  const walk = (edge) => {
    const line = [];
    while (edge !== undefined) {
      line.push(places.get(edge));
      const beside = next.get(edge);
      next.delete(edge);
      edge = beside.find((other) => next.has(other));
    }
    return line;
  };
  const lines = [];
  for (const start of places.keys()) {
    const beside = next.get(start);
    if (!beside) continue;
    const line = walk(start);
    const back = beside.find((other) => next.has(other)); // continue an open line in the other direction
    lines.push(back === undefined ? line : [...walk(back).reverse(), ...line]);
  }
  return lines;
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
