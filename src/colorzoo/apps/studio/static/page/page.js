/**
 * Color an image with points in the browser. ONNX Runtime Web runs the exported graph, and nothing is uploaded.
 *
 * @typedef {{x: number, y: number, hex: string}} Point  x, y as fractions of width and height
 * @typedef {{points: Point[], strength: number}} Edit
 */

import { composeImage, drawPoints, lightnessOf } from "./pixels.js";

const VIEW = 1000; // longest side of the view in pixels
const MAX_PIXELS = 50_000_000;
const MARKER = 6; // radius in CSS pixels

const byId = (id) => /** @type {any} */ (document.getElementById(id));
const [file, color, strength, undo, download, canvas, status] = ["file", "color", "strength", "undo", "download", "image", "status"].map(byId);

/** @type {{name: string, image: ImageBitmap, view: ImageData, lightness: Float32Array, size: [number, number]} | null} */
let photo = null;
/** @type {Edit[]} */
let edits = [];
let ab = null; // (2, h, w) of the network
let running = Promise.resolve();
let requested = 0; // number of the last request to the network
let finished = 0; // number of the request whose result is `ab`
let opened = 0; // number of images that the user chose
const model = loadModel();

async function loadModel() {
  const settings = await (await fetchFile("page.json")).json();
  const [ort, graph, wasm] = await Promise.all([
    import(new URL(settings.runtime, document.baseURI).href), fetchBytes(settings.graph), fetchBytes(settings.wasm),
  ]);
  ort.env.wasm.wasmBinary = wasm;
  ort.env.wasm.numThreads = 1; // more need headers that plain hosts do not send
  ort.env.logLevel = "error";
  return { ...settings, ort, session: await ort.InferenceSession.create(graph, { executionProviders: ["wasm"] }) };
}

async function fetchFile(name) {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name} could not be loaded (${response.status}).`);
  return response;
}

async function fetchBytes(name) {
  const bytes = new Uint8Array(await (await fetchFile(name)).arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes; // the host has decompressed it already
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
}

function say(state, text) {
  document.body.dataset.state = state;
  status.textContent = text;
}

/** @param {ImageBitmap} image @param {number} width @param {number} height @returns {ImageData} */
function pixelsOf(image, width, height) {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

const scaled = ({ width, height }, factor) => [width, height].map((side) => Math.max(1, Math.round(side * factor)));

async function openImage(blob, name) {
  opened += 1;
  const number = opened;
  say("loading", "Loading the model…");
  const { size } = await model;
  const image = await createImageBitmap(blob).catch(() => {
    throw new Error(`${name} is not an image that this browser can read.`);
  });
  if (number !== opened) return; // the user chose another image
  if (image.width * image.height > MAX_PIXELS) throw new Error(`${name} must have at most ${MAX_PIXELS / 1e6} million pixels.`);
  const view = pixelsOf(image, .../** @type {[number, number]} */ (scaled(image, Math.min(1, VIEW / Math.max(image.width, image.height)))));
  const [width, height] = scaled(image, Math.min(1, size / Math.min(image.width, image.height)));
  photo = { name, image, view, lightness: lightnessOf(pixelsOf(image, width, height)), size: [height, width] };
  [canvas.width, canvas.height] = [view.width, view.height];
  canvas.hidden = false;
  edits = [{ points: [], strength: 1 }];
  await colorize();
}

/** Run the network on the points of the last edit; only the newest request runs. */
function colorize() {
  requested += 1;
  const number = requested;
  download.disabled = true;
  running = running.catch(() => {}).then(async () => { // an earlier error was shown
    if (number !== requested) return;
    say("computing", "Colorizing…");
    ab = await predict(photo, edits.at(-1).points);
    finished = number;
    show();
  });
  return running.catch((error) => say("failed", error.message));
}

async function predict({ lightness, size }, points) {
  const { ort, session } = await model;
  const inputs = { lightness: [lightness, [1, 1, ...size]] };
  if (session.inputNames.includes("points_ab")) {
    const drawn = drawPoints(points, lightness, size);
    Object.assign(inputs, { points_ab: [drawn.ab, [1, 2, ...size]], points_mask: [drawn.mask, [1, 1, ...size]] });
  }
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, [data, dims]]) => [name, new ort.Tensor("float32", data, dims)]));
  return (await session.run(feeds)).ab.data;
}

function colored(pixels) {
  const copy = new ImageData(pixels.data.slice(), pixels.width, pixels.height);
  composeImage(copy, ab, photo.size, edits.at(-1).strength);
  return copy;
}

/** Draw the colored view with a marker for each point, unless the network has not finished. */
function show() {
  if (finished !== requested) return;
  const context = canvas.getContext("2d");
  context.putImageData(colored(photo.view), 0, 0);
  const { points, strength: saturation } = edits.at(-1);
  const pixel = canvas.width / (canvas.clientWidth || canvas.width);
  for (const { x, y, hex } of points) {
    context.beginPath();
    context.arc(x * canvas.width, y * canvas.height, MARKER * pixel, 0, 2 * Math.PI);
    Object.assign(context, { fillStyle: hex, strokeStyle: "white", lineWidth: 2 * pixel, shadowColor: "black", shadowBlur: 2 * pixel });
    context.fill();
    context.stroke();
    context.shadowBlur = 0;
  }
  strength.value = saturation;
  undo.disabled = edits.length < 2;
  download.disabled = false;
  canvas.setAttribute("aria-label", `${photo.name}, ${points.length} points`);
  say("ready", canColorPoints ? "Choose a color and click the image where it belongs." : "This model chooses all colors. You cannot add points.");
}

let canColorPoints = true;
model.then(({ session, photos }) => {
  canColorPoints = session.inputNames.includes("points_ab");
  byId("color-field").hidden = !canColorPoints;
  const wanted = new URLSearchParams(location.search).get("photo");
  const first = photos.find(({ name }) => name === wanted) ?? photos[0];
  if (first && !opened) return fetchFile(first.file).then((response) => response.blob()).then((blob) => !opened && openImage(blob, first.name));
  if (!opened) say("empty", "Open an image, or drop one onto this page. It stays on this machine.");
  return null;
}).catch((error) => say("failed", error.message));

const open = (chosen) => chosen && openImage(chosen, chosen.name).catch((error) => say("failed", error.message));
file.addEventListener("change", () => open(file.files[0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", () => document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  open(event.dataTransfer.files[0]);
});
canvas.addEventListener("click", ({ offsetX, offsetY }) => {
  if (!canColorPoints || !photo) return;
  const point = { x: offsetX / canvas.clientWidth, y: offsetY / canvas.clientHeight, hex: color.value };
  edits.push({ ...edits.at(-1), points: [...edits.at(-1).points, point] });
  colorize();
});
strength.addEventListener("change", () => {
  if (!photo) return;
  edits.push({ ...edits.at(-1), strength: Number(strength.value) });
  show();
});
function stepBack() {
  if (edits.length < 2) return;
  const { points } = edits.pop();
  if (points === edits.at(-1).points) show();
  else colorize();
}
undo.addEventListener("click", stepBack);
document.addEventListener("keydown", (event) => {
  const { key, code } = event;
  const isZ = key === "z" || (code === "KeyZ" && /[^\p{scx=Latin}\p{scx=Common}]/u.test(key)); // keyboards of other scripts
  if ((event.ctrlKey || event.metaKey) && isZ) stepBack();
});
download.addEventListener("click", () => {
  const { image, name } = photo;
  const whole = document.createElement("canvas");
  [whole.width, whole.height] = [image.width, image.height];
  whole.getContext("2d").putImageData(colored(pixelsOf(image, image.width, image.height)), 0, 0);
  whole.toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${name.replace(/\.\w+$/, "")}.color.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
});
