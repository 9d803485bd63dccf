/** Picture files: lossless PNG, and JPEG without chroma subsampling, with provenance metadata as in colorzoo.pictures.provenance. */

import { encodeJpeg } from "./jpeg.js";

const NAMESPACE = "urn:colorzoo:origin:1";
const IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
const SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";
const LONGEST_RECIPE = 16_000;
const SEGMENT = 65_533;
const [ORIENTATION, EXIF_IFD] = [0x0112, 0x8769]; // tags
const [SHORT, LONG] = [3, 4]; // types of whole numbers

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let k = 0; k < 8; k += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (let i = 0; i < bytes.length; i += 1) value = CRC[(value ^ bytes[i]) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

const latin = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** @param {(Uint8Array | number[])[]} parts @returns {Uint8Array} */
function joinBytes(parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function bigEndian(value) {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

const escaped = (text) => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

/** @param {{source: string, model: string, weights: string, version: string, recipe: any, engine: string, crop?: string}} origin @returns {string} XMP packet */
function createXmp({ recipe, ...origin }) {
  const text = JSON.stringify(recipe);
  const values = { ...origin, settings: "", recipe: text.length > LONGEST_RECIPE ? "" : text, trained: "True" };
  const given = Object.entries(values).map(([name, value]) => `colorzoo:${name}="${escaped(value)}"`).join(" ");
  return '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    + '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    + `<rdf:Description rdf:about="" xmlns:colorzoo="${NAMESPACE}" ${given} xmlns:Iptc4xmpExt="${IPTC}" Iptc4xmpExt:DigitalSourceType="${SOURCE_TYPE}"/>`
    + '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>';
}

/** @param {Uint8Array} file @param {{width: number, height: number}} size of the result @returns {Uint8Array | null} EXIF block of a JPEG or PNG, for the result */
function exifOf(file, size) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const found = file[0] === 0xff && file[1] === 0xd8 ? jpegExif(file, view) : view.byteLength > 8 && view.getUint32(0) === 0x89504e47 ? pngExif(file, view) : null;
  return found && fitted(found.slice(), size);
}

function jpegExif(file, view) {
  for (let at = 2; at + 4 < file.length && file[at] === 0xff && file[at + 1] !== 0xda; at += 2 + view.getUint16(at + 2)) {
    const isExif = file[at + 1] === 0xe1 && String.fromCharCode(...file.subarray(at + 4, at + 8)) === "Exif";
    if (isExif) return file.subarray(at + 10, at + 2 + view.getUint16(at + 2));
  }
  return null;
}

function pngExif(file, view) {
  for (let at = 8; at + 12 <= file.length; at += 12 + view.getUint32(at)) {
    if (String.fromCharCode(...file.subarray(at + 4, at + 8)) === "eXIf") return file.subarray(at + 8, at + 8 + view.getUint32(at));
  }
  return null;
}

/** Reset the orientation in an EXIF block, since the pixels were rotated on decoding, and tell the size of the result, which a crop may have changed. */
function fitted(block, { width, height }) {
  if (block.length < 14) return null;
  const view = new DataView(block.buffer);
  const little = block[0] === 0x49;
  const told = { [ORIENTATION]: 1, 256: width, 257: height, 40962: width, 40963: height };
  const first = view.getUint32(4, little);
  if (first + 2 > block.length) return null;
  const rest = [first];
  for (let start = rest.pop(); start !== undefined; start = rest.pop()) {
    const count = start + 2 <= block.length ? view.getUint16(start, little) : 0;
    for (let i = 0, at = start + 2; i < count && at + 12 <= block.length; i += 1, at += 12) {
      const [tag, kind] = [view.getUint16(at, little), view.getUint16(at + 2, little)];
      if (tag in told && kind === SHORT) view.setUint16(at + 8, told[tag], little);
      else if (tag in told && kind === LONG) view.setUint32(at + 8, told[tag], little);
      else if (tag === EXIF_IFD && start === first) rest.push(view.getUint32(at + 8, little));
    }
  }
  return block;
}

function chunk(name, body) {
  const named = joinBytes([latin(name), body]);
  return joinBytes([bigEndian(body.length), named, bigEndian(crc32(named))]);
}

/** Return the rows with the PNG filter "up"; alpha only if it is used. */
function filteredRows({ width, height, rgba }, channels) {
  const rows = new Uint8Array(height * (1 + width * channels));
  let to = 0;
  for (let y = 0; y < height; y += 1) {
    rows[to] = 2;
    to += 1;
    for (let x = 0, at = 4 * y * width; x < width; x += 1, at += 4) {
      for (let c = 0; c < channels; c += 1, to += 1) rows[to] = rgba[at + c] - (y ? rgba[at + c - 4 * width] : 0);
    }
  }
  return rows;
}

async function encodePng(pixels, exif, xmp) {
  const { width, height, rgba } = pixels;
  let opaque = true;
  for (let at = 3; at < rgba.length && opaque; at += 4) opaque = rgba[at] === 255;
  const rows = filteredRows(pixels, opaque ? 3 : 4);
  const packed = new Uint8Array(await new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer());
  return joinBytes([
    [137, 80, 78, 71, 13, 10, 26, 10], chunk("IHDR", [...bigEndian(width), ...bigEndian(height), 8, opaque ? 2 : 6, 0, 0, 0]),
    ...(exif ? [chunk("eXIf", exif)] : []), chunk("iTXt", joinBytes([latin("XML:com.adobe.xmp"), [0, 0, 0, 0, 0], new TextEncoder().encode(xmp)])),
    chunk("IDAT", packed), chunk("IEND", []),
  ]);
}

function segment(marker, body) {
  return body.length > SEGMENT ? [] : joinBytes([[0xff, marker, (body.length + 2) >> 8, (body.length + 2) & 255], body]);
}

/**
 * @param {{width: number, height: number, rgba: Uint8ClampedArray}} pixels @param {Uint8Array} source file, for its EXIF @param {"png" | "jpeg"} format
 * @param {number} quality of JPEG @param {Parameters<typeof createXmp>[0]} origin @returns {Promise<Uint8Array>}
 */
async function encodePicture(pixels, source, format, quality, origin) {
  const [exif, xmp] = [exifOf(source, pixels), createXmp(origin)];
  if (format === "png") return encodePng(pixels, exif, xmp);
  const about = [segment(0xe1, joinBytes([latin("http://ns.adobe.com/xap/1.0/\0"), new TextEncoder().encode(xmp)]))];
  if (exif) about.unshift(segment(0xe1, joinBytes([latin("Exif\0\0"), exif])));
  return encodeJpeg(pixels, quality, joinBytes(about));
}

export { encodePicture };
