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
  const boundsOf = new Map();
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, at += 1) {
      const bounds = boundsOf.get(labels[at]);
      if (!bounds) boundsOf.set(labels[at], [x, y, x, y]);
      else {
        if (x < bounds[0]) bounds[0] = x;
        if (x > bounds[2]) bounds[2] = x;
        bounds[3] = y;
      }
    }
  }
  return boundsOf;
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
  const crossings = contourSegments(map, columns, rows);
  const lines = [];
  for (const [start, { neighbors }] of crossings) { // the loop does not reach the crossings of earlier lines, which are removed
    const line = followContour(crossings, start);
    const back = neighbors.find((edge) => crossings.has(edge)); // continue an open line in the other direction
    lines.push(back === undefined ? line : [...followContour(crossings, back).reverse(), ...line]);
  }
  return lines;
}

/**
 * Find the contour segments in each cell of the grid. The edge between pixel i and the pixel to its right has the number 2 i, the edge between pixel i and the pixel below it 2 i + 1.
 * @typedef {{point: [number, number], neighbors: number[]}} Crossing point where a contour crosses an edge, and the edges at the other ends of its segments
 * @returns {Map<number, Crossing>} by the number of the edge
 */
function contourSegments(map, columns, rows) {
  const crossings = new Map();
  const fraction = (from, to) => (0.5 - from) / (to - from);
  for (let y = 0; y + 1 < rows; y += 1) {
    for (let x = 0; x + 1 < columns; x += 1) {
      const i = y * columns + x;
      const [a, b, c, d] = [map[i], map[i + 1], map[i + columns + 1], map[i + columns]]; // clockwise from the top left
      const edges = [];
      const add = (isCrossed, edge, point) => {
        if (!isCrossed) return;
        edges.push(edge);
        if (!crossings.has(edge)) crossings.set(edge, { point, neighbors: [] });
      };
      add(a > 0.5 !== b > 0.5, 2 * i, [x + fraction(a, b), y]);
      add(b > 0.5 !== c > 0.5, 2 * (i + 1) + 1, [x + 1, y + fraction(b, c)]);
      add(d > 0.5 !== c > 0.5, 2 * (i + columns), [x + fraction(d, c), y + 1]);
      add(a > 0.5 !== d > 0.5, 2 * i + 1, [x, y + fraction(a, d)]);
      for (let end = 0; end + 1 < edges.length; end += 2) {
        crossings.get(edges[end]).neighbors.push(edges[end + 1]);
        crossings.get(edges[end + 1]).neighbors.push(edges[end]);
      }
    }
  }
  return crossings;
}

/** Remove the crossings along a contour, and return their points. @param {Map<number, Crossing>} crossings @param {number} edge first edge @returns {[number, number][]} */
function followContour(crossings, edge) {
  const line = [];
  while (edge !== undefined) {
    const { point, neighbors } = crossings.get(edge);
    line.push(point);
    crossings.delete(edge);
    edge = neighbors.find((other) => crossings.has(other));
  }
  return line;
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
