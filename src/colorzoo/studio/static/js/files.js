/** Photos, references, recipes and exports: everything that is a file. */

import { hexToRgb, rgbToAb } from "./color.js";
import { currentRecipe } from "./coloring.js";
import { emptyDoc, fromRecipe, hasWork } from "./document.js";
import { t } from "./dom.js";
import { LumaMap, decodeLayer, thumbnailOf } from "./pixels.js";
import { listWorks, saveWork } from "./storage.js";
import { proposeModel } from "./proposals.js";
import { saveBlob } from "./transport.js";

const AUTOSAVE_AFTER = 800;
const MEBIBYTE = 1024 * 1024;

/** @param {string} accept @returns {Promise<File | null>} */
function chooseFile(accept) {
  return new Promise((resolve) => {
    const input = document.createElement("input");
    Object.assign(input, { type: "file", accept });
    input.addEventListener("change", () => resolve(input.files[0] ?? null));
    input.addEventListener("cancel", () => resolve(null));
    input.click();
  });
}

const PICTURES = "image/*,.tif,.tiff,.webp,.avif,.bmp";

/** @param {any} pad */
async function openDialog(pad) {
  const file = await chooseFile(PICTURES);
  if (file) await openFile(pad, file);
}

/**
 * @param {any} pad @param {Blob} file @param {string} [name] @param {{recipe?: any, key?: string}} [work] to go on with
 * @returns {Promise<boolean>} whether it opened
 */
async function openFile(pad, file, name = file.name || t("Pasted picture"), work = {}) {
  const { bytes: most } = pad.limits;
  if (most && file.size > most) {
    pad.toast(t("{name} has {size} MB; at most {most} MB can be opened.", { name, size: Math.ceil(file.size / MEBIBYTE), most: Math.floor(most / MEBIBYTE) }), "error");
    return false;
  }
  await keepWork(pad);
  return openWith(pad, { name, file, ...work }, async (signal) => {
    await examine(pad, file, name);
    return pad.transport.upload(await bytesOf(file), name, signal);
  });
}

/** @param {Blob} file @returns {Promise<Uint8Array>} */
const bytesOf = async (file) => new Uint8Array(await file.arrayBuffer());

/** Ask whether a file would be let in, before all of it is sent; where nothing is sent, nobody need be asked. */
async function examine(pad, file, name) {
  const { head: length } = pad.limits;
  if (!length) return;
  const head = await bytesOf(file.slice(0, length));
  await pad.client.ask({ type: "examine", name, bytes: file.size }, [head]);
}

/** @param {any} pad @param {{upload: string, name: string}} start a photo that the server has already @param {{recipe?: any, key?: string}} [work] */
function openStart(pad, start, work = {}) {
  return openWith(pad, { name: start.name, file: null, ...work }, async () => ({ upload: start.upload }));
}

/** @typedef {{name: string, file: Blob | null, recipe?: any, key?: string}} Wish  what is to be opened, and work on it to go on with */

async function openWith(pad, wish, send) {
  const { name } = wish;
  const stop = new AbortController();
  const opening = { share: 0, glimpse: null, request: 0, giveUp: () => giveUp(pad, opening, stop) };
  pad.set({ loading: name, opening, failure: null });
  pad.say(t("Opening {name}", { name }));
  try {
    const { upload, buffer } = await send(stop.signal);
    if (stop.signal.aborted) return false;
    const { id, answer } = pad.client.send({ type: "open", name, ...(upload ? { upload } : {}) }, buffer ? [buffer] : []);
    opening.request = id;
    await takePhoto(pad, await answer, wish);
    return true;
  } catch (error) {
    if (!stop.signal.aborted) pad.toast(error.message, "error");
    return false;
  } finally {
    if (opening.glimpse) URL.revokeObjectURL(opening.glimpse);
    pad.set({ loading: null, opening: null });
  }
}

/** Leave the photo that is on the pad as it is. */
function giveUp(pad, opening, stop) {
  stop.abort();
  if (opening.request) pad.client.tell({ type: "cancel", re: opening.request });
  pad.set({ loading: null, opening: null });
  pad.say(t("Given up"));
}

/** The server tells how far it is with a large photo. @param {any} pad @param {any} message @param {Uint8Array[]} buffers */
function showProgress(pad, { re, share }, [glimpse]) {
  const { opening } = pad.ui;
  if (opening?.request !== re) return;
  opening.share = share;
  if (glimpse) opening.glimpse = URL.createObjectURL(new Blob([glimpse], { type: "image/jpeg" }));
  pad.changed();
}

/** Begin with the photo of an answer, and with the work on it that was kept. */
async function takePhoto(pad, { message, buffers }, { file, recipe = null, key = null }) {
  const [gray, source] = await Promise.all([decodeLayer(buffers[0], message.mime), decodeLayer(buffers[1], message.mime)]);
  const { name, width, height, image, network, view, colored, kind, proposed, notes } = message;
  const { work, taken } = await chooseWork(pad, image.sha256, key, recipe);
  pad.photo = {
    name, width, height, image, network, view, colored, kind, proposed, file, key: taken, gray, source, result: null, luma: new LumaMap(gray), shown: 0,
    exact: false,
  };
  const offered = pad.offered?.image?.sha256 === image.sha256 ? pad.offered : null; // of a notebook that has lost its Python
  const found = recipe ?? work?.recipe ?? offered;
  const doc = found ? docOf(pad, found) : emptyDoc(pad.doc.model);
  pad.startOver(doc);
  for (const note of notes ?? []) pad.toast(note);
  pad.say(t("{name} is open, {width} by {height} pixels", { name, width, height }));
  pad.fit();
  pad.queue.final();
  pad.modelChanged();
  if (work?.reference) await restoreReference(pad, work);
  if (work && hasWork(doc)) pad.toast(t("Your work on {name} is back.", { name }), "info", { label: t("Start over"), run: () => pad.run("clear") });
  proposeModel(pad);
}

/** @param {any} pad @returns {Promise<import("./storage.js").Work[]>} newest first; none in a notebook, which keeps its own */
async function keptWorks(pad) {
  return pad.options.notebook ? [] : listWorks();
}

/** Find under which key the work is kept, so that no other is overwritten: not that of another tab, and no older one of this photo. */
async function chooseWork(pad, sha256, key, recipe) {
  if (pad.options.notebook) return { work: null, taken: sha256 };
  const works = await listWorks();
  const best = key ?? sha256;
  const older = works.find((work) => work.key === best) ?? null;
  const apart = recipe !== null && key === null && older !== null; // a recipe that was given goes beside what was kept
  const taken = await pad.tabs.take(keysFor(sha256, apart ? null : best, works.map((work) => work.key)));
  if (!apart && taken !== best) pad.toast(t("This photo is open in another tab too. What you do here is kept as a work of its own."));
  return { work: key !== null || taken === best ? older : null, taken };
}

/** @yields {string} keys for a work on a photo: the best one, then those that no kept work has */
function* keysFor(sha256, best, used) {
  if (best !== null) yield best;
  for (let number = 2; ; number += 1) if (!used.includes(`${sha256}#${number}`)) yield `${sha256}#${number}`;
}

/** @param {any} pad @param {any} recipe @returns {import("./document.js").Doc} */
function docOf(pad, recipe) {
  const doc = fromRecipe(recipe, { ...pad.photo, perNetworkPixel: pad.perNetworkPixel() }, (hex) => rgbToAb(hexToRgb(hex)));
  if (!doc.model || !pad.models.some(({ name }) => name === doc.model)) doc.model = pad.doc.model;
  return doc;
}

/** Send photo and reference again, after the server has forgotten them. @param {any} pad @returns {Promise<boolean>} */
async function sendAgain(pad) {
  const { photo, start } = pad;
  const offered = isStart(start, photo?.image.sha256) ? start : null;
  if (!photo?.file && !offered) return false;
  const { upload, buffer } = photo.file ? await pad.transport.upload(await bytesOf(photo.file), photo.name) : offered;
  await pad.client.ask({ type: "open", name: photo.name, ...(upload ? { upload } : {}) }, buffer ? [buffer] : []);
  if (pad.reference) await sendReference(pad, "exemplar", pad.reference.file, pad.reference.name);
  photo.shown = 0;
  return true;
}

async function sendReference(pad, slot, file, name) {
  const { upload, buffer } = await pad.transport.upload(await bytesOf(file), name);
  return pad.client.ask({ type: "attach", slot, name, ...(upload ? { upload } : {}) }, buffer ? [buffer] : []);
}

/** @param {any} pad @param {"exemplar" | "statistics"} slot @param {File | null} file null: choose one */
async function attach(pad, slot, file = null) {
  const chosen = file ?? (await chooseFile(PICTURES));
  if (!chosen) return;
  const name = chosen.name || t("Pasted picture");
  pad.set({ attaching: slot });
  try {
    const { message, buffers } = await sendReference(pad, slot, chosen, name);
    const layer = await decodeLayer(buffers[0], message.mime);
    for (const note of message.notes ?? []) pad.toast(note);
    if (slot === "exemplar") {
      pad.reference = { file: chosen, name };
      pad.set({ exemplar: { layer, name, width: message.width, height: message.height }, classes: null, matched: null });
      pad.edit({ ...pad.doc, exemplar: { name } }, t("reference"));
      pad.modelChanged();
    } else {
      pad.set({ statistics: { layer, name } });
      pad.edit({ ...pad.doc, statistics: { ...message.statistics } }, t("histogram"));
    }
  } catch (error) {
    pad.toast(error.message, "error");
  } finally {
    pad.set({ attaching: null });
  }
}

/** @param {any} pad @param {"exemplar" | "statistics"} slot */
async function detach(pad, slot) {
  await pad.ask({ type: "attach", slot, detach: true });
  if (slot === "exemplar") {
    pad.reference = null;
    pad.set({ exemplar: null, classes: null, matched: null });
    pad.edit({ ...pad.doc, exemplar: null, classes: {} }, t("remove reference"));
    pad.modelChanged();
  } else {
    pad.set({ statistics: null });
    pad.edit({ ...pad.doc, statistics: null }, t("remove histogram"));
  }
}

const stem = (name) => name.replace(/\.[^.]+$/, "");

/** @param {any} pad save the recipe as a file */
function saveRecipe(pad) {
  const text = `${JSON.stringify(currentRecipe(pad), null, 1)}\n`;
  saveBlob([text], "application/json", `${stem(pad.photo.name)}.recipe.json`);
  pad.say(t("Recipe saved"));
}

/** @param {any} pad @param {File | null} [file] null: choose one */
async function loadRecipe(pad, file = null) {
  const chosen = file ?? (await chooseFile(".json,application/json"));
  if (!chosen) return;
  try {
    await replaceDoc(pad, parseJson(await chosen.text(), chosen.name), t("load recipe"));
    pad.toast(t("Recipe {name} loaded", { name: chosen.name }));
  } catch (error) {
    pad.toast(error.message, "error");
  }
}

function parseJson(text, name) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(t("{name} is no JSON file; nothing was changed.", { name }));
  }
}

/** @param {any} pad @param {any} recipe @param {string} label @throws {Error} a message for people; nothing has changed then */
async function replaceDoc(pad, recipe, label) {
  let checked = recipe;
  if (pad.ui.link === "open") {
    const reply = await pad.client.ask({ type: "check", recipe });
    checked = reply.message.recipe;
    for (const note of reply.message.notes ?? []) pad.toast(note);
  }
  const doc = docOf(pad, checked);
  const image = checked.image?.sha256;
  if (image && image !== pad.photo.image.sha256) pad.toast(t("This recipe was made for another file of the same size."));
  pad.set({ selected: null, regionPick: [], suggestions: null, shape: null });
  pad.edit(doc, label);
  pad.modelChanged();
}

/** @param {any} pad @param {{format: string, quality: number}} wish */
async function exportPicture(pad, { format, quality }) {
  pad.set({ exporting: true });
  pad.say(t("Exporting the full picture"));
  try {
    const { message, buffers } = await pad.client.ask({ type: "export", recipe: currentRecipe(pad), format, quality });
    pad.transport.download(message, buffers);
    for (const note of message.notes ?? []) pad.toast(note);
    pad.toast(t("{name} exported", { name: message.name }));
  } catch (error) {
    pad.toast(error.message, "error", { label: t("Retry"), run: () => exportPicture(pad, { format, quality }) });
  } finally {
    pad.set({ exporting: false });
  }
}

/** Put the photo away; the work on it stays in the browser's store. @param {any} pad */
async function closePhoto(pad) {
  await keepWork(pad);
  const works = await keptWorks(pad); // before the list shows, so that it offers nothing old
  pad.client.tell({ type: "close" });
  pad.queue.stop();
  pad.photo = null;
  pad.tabs.release();
  pad.startOver(emptyDoc(pad.doc.model));
  pad.set({ works });
  pad.say(t("Photo closed"));
}

/** Put the work into the browser's store soon. @param {any} pad */
function autosaveSoon(pad) {
  clearTimeout(pad.saveTimer);
  pad.saveTimer = setTimeout(() => keepWork(pad), AUTOSAVE_AFTER);
}

/** @param {any} pad @returns {Promise<void>} */
async function keepWork(pad) {
  clearTimeout(pad.saveTimer);
  const { photo } = pad;
  if (!photo || pad.options.notebook) return;
  const thumbnail = await thumbnailOf(photo.result ?? photo.gray);
  const saved = await saveWork({
    key: photo.key, name: photo.name, file: photo.file, recipe: currentRecipe(pad), reference: pad.reference,
    thumbnail, time: Date.now(),
  });
  if (!saved && !pad.warnedOfSaving) {
    pad.warnedOfSaving = true;
    pad.toast(t("This browser does not keep the work by itself. Save the recipe before you leave."));
  }
}

/** @param {{sha256: string} | null} start @param {string | undefined} sha256 @returns {boolean} whether that is the photo of the command line */
const isStart = (start, sha256) => Boolean(start && sha256) && start.sha256 === sha256;

/** @param {any} pad @returns {any[]} kept works that can be opened here, and the photo of the command line */
function worksToOffer(pad) {
  const { start, ui } = pad;
  const ofStart = (work) => isStart(start, work.key.split("#")[0]);
  const kept = (ui.works ?? []).filter((work) => work.file || ofStart(work));
  return !start || kept.some(ofStart) ? kept : [...kept, { key: start.sha256, name: start.name, file: null, recipe: null, isStart: true }];
}

/** What was done is read from the store anew: another tab may have gone on. @param {any} pad @param {import("./storage.js").Work} work */
function openWork(pad, { key, file, name }) {
  return file ? openFile(pad, file, name, { key }) : openStart(pad, pad.start, { key });
}

async function restoreReference(pad, { reference }) {
  await attach(pad, "exemplar", new File([reference.file], reference.name));
}

/** After the first greeting: the photo to begin with, or the work of last time. @param {any} pad @param {any} hello */
async function begin(pad, hello) {
  const works = await keptWorks(pad);
  pad.set({ works });
  if (hello.start) await openStart(pad, hello.start, hello.recipe ? { recipe: hello.recipe } : {});
  else if (works[0]?.file && Date.now() - works[0].time < 864e5) await openWork(pad, works[0]);
}

/** @param {any} pad @param {DataTransfer | null} transfer @param {"exemplar" | "statistics" | null} [slot] of the panel that it fell on */
async function takeDropped(pad, transfer, slot = null) {
  const files = [...(transfer?.files ?? [])];
  if (!files.length) return false;
  const [file] = files;
  if (/\.json$/i.test(file.name)) {
    if (pad.photo) await loadRecipe(pad, file);
    else pad.toast(t("Open the photo first, then its recipe."), "error");
  } else if (slot && pad.photo) await attach(pad, slot, file);
  else await openFile(pad, file);
  return true;
}

export {
  attach, autosaveSoon, begin, closePhoto, detach, docOf, exportPicture, keepWork, loadRecipe, openDialog, openFile, openWork,
  replaceDoc, saveRecipe, sendAgain, showProgress, takeDropped, worksToOffer,
};
