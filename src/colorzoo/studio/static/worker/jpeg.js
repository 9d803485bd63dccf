/** A baseline JPEG encoder without chroma subsampling, which browsers do not offer: colors of small points would bleed. */

const ORDER = [
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];
// tables of annex K of ITU-T T.81
const LIGHTNESS_STEPS = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
  18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
const CHROMA_STEPS = [
  17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
  ...Array(32).fill(99),
];
const DC_COUNTS = [[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]];
const DC_VALUES = Array.from({ length: 12 }, (_, i) => i);
const AC_COUNTS = [[0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125], [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119]];
const AC_VALUES = [
  "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455"
  + "565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3"
  + "d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
  "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455"
  + "565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2"
  + "d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa",
].map((text) => text.match(/../g).map((digits) => parseInt(digits, 16)));

const COSINES = Float64Array.from({ length: 64 }, (_, i) => {
  const [u, x] = [Math.floor(i / 8), i % 8];
  return (u ? 0.5 : Math.SQRT1_2 / 2) * Math.cos(((2 * x + 1) * u * Math.PI) / 16);
});

/** @param {number[]} base @param {number} quality @returns {number[]} quantization steps, scaled as in libjpeg */
function scaledSteps(base, quality) {
  const scale = quality < 50 ? Math.floor(5000 / quality) : 200 - 2 * quality;
  return base.map((step) => Math.min(Math.max(Math.floor((step * scale + 50) / 100), 1), 255));
}

/** @returns {{codes: Uint16Array, lengths: Uint8Array}} by value */
function huffman(counts, values) {
  const [codes, lengths] = [new Uint16Array(256), new Uint8Array(256)];
  let [code, at] = [0, 0];
  counts.forEach((count, i) => {
    for (let k = 0; k < count; k += 1, at += 1, code += 1) {
      codes[values[at]] = code;
      lengths[values[at]] = i + 1;
    }
    code <<= 1;
  });
  return { codes, lengths };
}

const DC = DC_COUNTS.map((counts) => huffman(counts, DC_VALUES));
const AC = AC_COUNTS.map((counts, i) => huffman(counts, AC_VALUES[i]));

/** Bit stream of a scan. */
class Bits {
  constructor() {
    this.bytes = new Uint8Array(1 << 16);
    this.at = 0;
    this.held = 0;
    this.count = 0;
  }

  put(value, length) {
    this.held = (this.held << length) | value;
    this.count += length;
    while (this.count >= 8) {
      this.count -= 8;
      this.#byte((this.held >>> this.count) & 255);
    }
    this.held &= (1 << this.count) - 1;
  }

  #byte(value) {
    if (this.at + 2 > this.bytes.length) {
      const wider = new Uint8Array(2 * this.bytes.length);
      wider.set(this.bytes);
      this.bytes = wider;
    }
    this.bytes[this.at] = value;
    this.at += 1;
    if (value !== 255) return;
    this.bytes[this.at] = 0; // byte stuffing
    this.at += 1;
  }

  done() {
    if (this.count) this.put((1 << (8 - this.count)) - 1, 8 - this.count);
    return this.bytes.subarray(0, this.at);
  }
}

const across = new Float64Array(64);

/** Apply the two-dimensional DCT to a block, in place. */
function transform(block) {
  for (let y = 0; y < 8; y += 1) {
    for (let u = 0; u < 8; u += 1) {
      let sum = 0;
      for (let x = 0; x < 8; x += 1) sum += COSINES[8 * u + x] * block[8 * y + x];
      across[8 * y + u] = sum;
    }
  }
  for (let u = 0; u < 8; u += 1) {
    for (let v = 0; v < 8; v += 1) {
      let sum = 0;
      for (let y = 0; y < 8; y += 1) sum += COSINES[8 * v + y] * across[8 * y + u];
      block[8 * v + u] = sum;
    }
  }
}

function putNumber(bits, value, size) {
  if (size) bits.put(value < 0 ? value + (1 << size) - 1 : value, size);
}

const sizeOf = (value) => 32 - Math.clz32(Math.abs(value));

/** @returns {number} DC coefficient, the prediction for the next block */
function putBlock(bits, block, steps, table, before) {
  transform(block);
  const { codes, lengths } = AC[table];
  const mean = Math.round(block[0] / steps[0]);
  const size = sizeOf(mean - before);
  bits.put(DC[table].codes[size], DC[table].lengths[size]);
  putNumber(bits, mean - before, size);
  let zeros = 0;
  for (let i = 1; i < 64; i += 1) {
    const value = Math.round(block[ORDER[i]] / steps[ORDER[i]]);
    if (value === 0) {
      zeros += 1;
      continue;
    }
    for (; zeros > 15; zeros -= 16) bits.put(codes[0xf0], lengths[0xf0]);
    const width = sizeOf(value);
    bits.put(codes[16 * zeros + width], lengths[16 * zeros + width]);
    putNumber(bits, value, width);
    zeros = 0;
  }
  if (zeros) bits.put(codes[0], lengths[0]);
  return mean;
}

/** Write Y, Cb and Cr of 8 x 8 pixels into blocks; pixels at the border are repeated. */
function readBlocks({ width, height, rgba }, top, left, blocks) {
  for (let i = 0; i < 64; i += 1) {
    const at = 4 * (Math.min(top + (i >> 3), height - 1) * width + Math.min(left + (i & 7), width - 1));
    const [r, g, b] = [rgba[at], rgba[at + 1], rgba[at + 2]];
    blocks[0][i] = 0.299 * r + 0.587 * g + 0.114 * b - 128;
    blocks[1][i] = -0.168735892 * r - 0.331264108 * g + 0.5 * b;
    blocks[2][i] = 0.5 * r - 0.418687589 * g - 0.081312411 * b;
  }
}

function scan(pixels, steps) {
  const bits = new Bits();
  const blocks = [new Float64Array(64), new Float64Array(64), new Float64Array(64)];
  const means = [0, 0, 0];
  for (let top = 0; top < pixels.height; top += 8) {
    for (let left = 0; left < pixels.width; left += 8) {
      readBlocks(pixels, top, left, blocks);
      for (let c = 0; c < 3; c += 1) means[c] = putBlock(bits, blocks[c], steps[c ? 1 : 0], c ? 1 : 0, means[c]);
    }
  }
  return bits.done();
}

const two = (value) => [value >> 8, value & 255];
const part = (marker, body) => [0xff, marker, ...two(body.length + 2), ...body];

/**
 * @param {{width: number, height: number, rgba: Uint8ClampedArray}} pixels @param {number} quality 1 to 100 @param {Uint8Array} about metadata segments
 * @returns {Uint8Array}
 */
function encodeJpeg(pixels, quality, about) {
  const steps = [LIGHTNESS_STEPS, CHROMA_STEPS].map((base) => scaledSteps(base, quality));
  const tables = [0, 1].flatMap((i) => [
    ...part(0xdb, [i, ...ORDER.map((at) => steps[i][at])]), ...part(0xc4, [i, ...DC_COUNTS[i], ...DC_VALUES]), ...part(0xc4, [16 + i, ...AC_COUNTS[i], ...AC_VALUES[i]]),
  ]);
  const frame = part(0xc0, [8, ...two(pixels.height), ...two(pixels.width), 3, 1, 0x11, 0, 2, 0x11, 1, 3, 0x11, 1]);
  const head = [0xff, 0xd8, ...part(0xe0, [0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0])];
  const rest = [...tables, ...frame, ...part(0xda, [3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0])];
  const body = scan(pixels, steps);
  const out = new Uint8Array(head.length + about.length + rest.length + body.length + 2);
  out.set(head);
  out.set(about, head.length);
  out.set(rest, head.length + about.length);
  out.set(body, head.length + about.length + rest.length);
  out.set([0xff, 0xd9], out.length - 2);
  return out;
}

export { encodeJpeg };
