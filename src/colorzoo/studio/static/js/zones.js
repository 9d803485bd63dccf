/**
 * Areas of the recipe (here: zones, as painted classes are called areas too): their masks, and where they lie.
 *
 * @typedef {{width: number, height: number, runs: string}} ZoneMask  pixels outside and inside in turn, row by row
 * @typedef {{action: "color" | "lock" | "gray" | "only" | "thing", mask?: ZoneMask, path?: [number, number][], color?: string,
 *   lightness?: "color", kept?: object, made?: object}} Zone  as the recipe has it
 * @typedef {{width: number, height: number, bits: Uint8Array}} ZoneBits
 */

const ZONE_ACTIONS = ["color", "lock", "gray", "only", "thing"];
const ZONE_SIDE = 256; // pixels of the shorter side at which an outline is looked at
const drawnZones = new WeakMap();
const zonePictures = new WeakMap();

/** @param {ZoneMask} mask @returns {ZoneBits} */
function zoneBitsOfMask({ width, height, runs }) {
  const bits = new Uint8Array(width * height);
  let at = 0;
  runs.split(" ").forEach((run, index) => {
    const end = at + Number(run);
    if (index % 2) bits.fill(1, at, end);
    at = end;
  });
  return { width, height, bits };
}

/** @param {ZoneBits} drawn @returns {ZoneMask} */
function zoneMaskOf({ width, height, bits }) {
  const runs = [];
  let [value, count] = [0, 0];
  for (const bit of bits) {
    if (bit !== value) {
      runs.push(count);
      [value, count] = [bit, 0];
    }
    count += 1;
  }
  runs.push(count);
  return { width, height, runs: runs.join(" ") };
}

/** @param {ZoneMask} one @param {ZoneMask} other @param {boolean} less takes the other away @returns {ZoneMask} */
function combinedMasks(one, other, less) {
  const [mine, theirs] = [zoneBitsOfMask(one), zoneBitsOfMask(other)];
  const bits = mine.bits.map((bit, index) => (less ? bit & (1 - theirs.bits[index]) : bit | theirs.bits[index]));
  return zoneMaskOf({ ...mine, bits });
}

/** @param {Zone} zone @param {{width: number, height: number}} photo @returns {ZoneBits} kept with the zone, which never changes */
function zoneBits(zone, photo) {
  let found = drawnZones.get(zone);
  if (!found) {
    found = zone.mask ? zoneBitsOfMask(zone.mask) : zoneBitsOfPath(zone.path, photo);
    drawnZones.set(zone, found);
  }
  return found;
}

function zoneBitsOfPath(path, photo) {
  const scale = Math.min(1, ZONE_SIDE / Math.min(photo.width, photo.height));
  const [width, height] = [photo.width, photo.height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.beginPath();
  for (const [x, y] of path) context.lineTo((x * width) / photo.width, (y * height) / photo.height);
  context.fill("evenodd");
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, bits: Uint8Array.from({ length: width * height }, (_, i) => (data[4 * i + 3] > 127 ? 1 : 0)) };
}

/** @param {Zone[]} zones @param {{width: number, height: number}} photo @param {[number, number]} place @returns {number} the topmost there, or -1 */
function zoneAt(zones, photo, [x, y]) {
  return zones.findLastIndex((zone) => {
    const { width, height, bits } = zoneBits(zone, photo);
    const [column, row] = [Math.floor((x / photo.width) * width), Math.floor((y / photo.height) * height)];
    return column >= 0 && row >= 0 && column < width && row < height && bits[row * width + column] === 1;
  });
}

/**
 * A place inside, far from the border: for a label, and for the color that a new zone begins with.
 * @param {Zone} zone @param {{width: number, height: number}} photo @returns {[number, number]} pixels of the photo
 */
function zoneCenter(zone, photo) {
  const { width, height, bits } = zoneBits(zone, photo);
  let [sumX, sumY, count] = [0, 0, 0];
  bits.forEach((bit, index) => {
    if (!bit) return;
    sumX += index % width;
    sumY += Math.floor(index / width);
    count += 1;
  });
  const middle = count ? [sumX / count, sumY / count] : [width / 2, height / 2];
  let [best, least] = [middle, Infinity];
  bits.forEach((bit, index) => {
    const [x, y] = [index % width, Math.floor(index / width)];
    const away = (x - middle[0]) ** 2 + (y - middle[1]) ** 2;
    if (bit && away < least) [best, least] = [[x, y], away];
  });
  return [((best[0] + 0.5) / width) * photo.width, ((best[1] + 0.5) / height) * photo.height];
}

/** @param {Zone} zone @param {any} photo @returns {number} the middle lightness of the photo inside */
function zoneLuma(zone, photo) {
  const { width, height, bits } = zoneBits(zone, photo);
  const found = [];
  bits.forEach((bit, index) => {
    if (bit) found.push(photo.luma.at(((index % width) + 0.5) / width, (Math.floor(index / width) + 0.5) / height));
  });
  return found.sort((one, other) => one - other)[found.length >> 1] ?? 50;
}

/** @param {Zone} zone @returns {boolean} whether its lightness follows its color */
const followsColor = (zone) => zone.lightness === "color";

/**
 * Outline and tint of a zone as pictures to be stretched over the photo.
 * @param {Zone} zone @param {{width: number, height: number}} photo @returns {{outline: HTMLCanvasElement, tint: HTMLCanvasElement}}
 */
function zonePicture(zone, photo) {
  let found = zonePictures.get(zone);
  if (!found) {
    const drawn = zoneBits(zone, photo);
    found = { outline: zoneCanvas(drawn, zoneBorder, [255, 255, 255, 255]), tint: zoneCanvas(drawn, (bits, i) => bits[i] === 1, [26, 109, 255, 110]) };
    zonePictures.set(zone, found);
  }
  return found;
}

function zoneBorder(bits, i, width) {
  const x = i % width;
  const differs = (j) => bits[j] !== undefined && bits[j] !== bits[i];
  return bits[i] === 1 && ((x > 0 && differs(i - 1)) || (x + 1 < width && differs(i + 1)) || differs(i - width) || differs(i + width));
}

function zoneCanvas({ width, height, bits }, wanted, rgba) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < bits.length; i += 1) if (wanted(bits, i, width)) image.data.set(rgba, 4 * i);
  context.putImageData(image, 0, 0);
  return canvas;
}

/** @param {any} entry @param {number} index @returns {Zone} @throws {Error} a message for people */
function readZone(entry, index) {
  const { mask, path } = entry ?? {};
  const placed = Array.isArray(path) ? path.length >= 3 && path.every((at) => at.length === 2 && at.every(Number.isFinite)) : isZoneMask(mask);
  if (!ZONE_ACTIONS.includes(entry?.action) || !placed) throw new Error(`Area ${index + 1} of this recipe needs an action, and a mask or a path.`);
  return entry;
}

function isZoneMask(mask) {
  if (!Number.isInteger(mask?.width) || !Number.isInteger(mask?.height) || !/^[0-9 ]+$/.test(mask?.runs ?? "")) return false;
  const count = mask.runs.split(" ").reduce((sum, run) => sum + Number(run), 0);
  return mask.width > 0 && count === mask.width * mask.height && count <= 4096 * 4096;
}

export { ZONE_ACTIONS, combinedMasks, followsColor, readZone, zoneAt, zoneCenter, zoneLuma, zonePicture };
