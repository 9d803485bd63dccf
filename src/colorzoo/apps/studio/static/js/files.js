/** Files: photos, references, recipes, exports, and work saved in the browser. */

import { hexToRgb, rgbToAb } from "./color.js";
import { currentRecipe } from "./recipe.js";
import { emptyDoc, fromRecipe, hasWork } from "./document.js";
import { t } from "./dom.js";
import { openingModel, proposeModel, rememberModel } from "./models.js";
import { LightnessMap, checkerboard, decodeLayer, thumbnailOf } from "./pixels.js";
import { forgetWork, listWorks, rememberColor, rememberOpenWork, rememberedWork, saveDraft, saveWork } from "./storage.js";
import { paneSize } from "./stage.js";
import { change, readOnly } from "./state.js";
import { saveBlob } from "./transport.js";
import { firstView } from "./view.js";

const AUTOSAVE_AFTER = 800; // ms without an edit
const FILM_SAVE_AFTER = 150; // ms without an edit, for frames of a film
const AUTOSAVE_WITHIN = 1200; // ms after the first edit that is not saved
const MAX_STEPS = 100;
const MAX_STEPS_LENGTH = 1e7; // characters
const MAX_UNEDITED = 5; // saved images without edits, besides the open image
const MEBIBYTE = 1024 * 1024;

function chooseFile(accept) {
  return new Promise((resolve) => {
    const input = document.createElement("input");
    Object.assign(input, { type: "file", accept, hidden: true });
    const end = (file) => {
      input.remove();
      resolve(file);
    };
    input.addEventListener("change", () => end(input.files[0] ?? null));
    input.addEventListener("cancel", () => end(null));
    document.body.append(input); // an input outside the page could be garbage collected while its dialog is open
    input.click();
  });
}

/** Let the user choose a file for the open photo. @returns {Promise<File | null>} */
export const chooseForPhoto = (pad, accept) => pad.act((step) => step(chooseFile(accept)));

const IMAGES = "image/*,.tif,.tiff,.webp,.avif,.bmp";

export async function openDialog(pad) {
  const file = await chooseFile(IMAGES);
  if (file) await openFile(pad, file);
}

/**
 * @param {Blob & {name?: string}} file @param {string} [name] @param {{recipe?: any, key?: string}} [work] saved work to resume @returns {Promise<boolean>} whether the photo was opened
 */
export function openFile(pad, file, name = file.name || t("Pasted image"), work = {}) {
  return openWith(pad, { name, file, ...work }, async (signal) => {
    checkFile(pad, file, name);
    return pad.transport.upload(await bytesOf(file), name, signal);
  });
}

const bytesOf = async (file) => new Uint8Array(await file.arrayBuffer());

function checkFile(pad, file, name) {
  const { bytes: most } = pad.session.limits;
  if (most && file.size > most) {
    throw new Error(t("{name} is too large ({size} MB). The limit is {most} MB.", { name, size: Math.ceil(file.size / MEBIBYTE), most: Math.floor(most / MEBIBYTE) }));
  }
}

/** Open a photo that the backend offers. @param {{upload: string, name: string}} start @param {{recipe?: any, key?: string}} [work] */
function openOffered(pad, start, work = {}) {
  return openWith(pad, { name: start.name, file: null, ...work }, async () => ({ upload: start.upload }));
}

/** @typedef {{name: string, file: Blob | null, recipe?: any, key?: string, film?: {frame: number, recipe: any, reference: {name: string, file: Blob} | null, save: () => Promise<void>} | null}} OpenRequest  film: a frame of a film, which the backend stores */

/** Open an image that `send` transmits to the backend. @param {OpenRequest} wish @param {(signal: AbortSignal) => Promise<{upload?: string, buffer?: Uint8Array}>} send @returns {Promise<boolean>} whether the image was opened */
export async function openWith(pad, wish, send) {
  const { name } = wish;
  const { photo } = pad;
  pad.ui.opening?.cancel();
  const stop = new AbortController();
  const preview = wish.file ? URL.createObjectURL(wish.file) : null;
  const opening = readOnly({ preview, request: 0, cancel: () => cancelOpening(pad, opening, stop) });
  pad.set({ loading: name, opening, failure: null, cross: null, nextPlace: null });
  pad.announce(t("Opening {name}", { name }));
  try {
    await Promise.race([pad.ready, new Promise((resolve) => stop.signal.addEventListener("abort", resolve))]);
    const { upload, buffer } = stop.signal.aborted ? {} : await send(stop.signal);
    if (stop.signal.aborted) return false;
    const { id, answer } = pad.client.send({ type: "open", name, ...(upload ? { upload } : {}) }, buffer ? [buffer] : []);
    change(opening, { request: id });
    await showPhoto(pad, await answer, wish, stop.signal);
    return pad.photo !== photo;
  } catch (error) {
    if (!stop.signal.aborted) pad.toast(error.message, "error");
    return false;
  } finally {
    if (opening.preview) URL.revokeObjectURL(opening.preview);
    if (pad.ui.opening === opening) pad.set({ loading: null, opening: null });
    if (photo && pad.photo === photo) pad.queue.final(); // the server may have opened the other photo
  }
}

export const previewOf = (pad) => pad.ui.opening?.preview ?? null;

function cancelOpening(pad, opening, stop) {
  stop.abort();
  if (opening.request) pad.client.notify({ type: "cancel", re: opening.request });
  pad.set({ loading: null, opening: null });
  pad.announce(t("Canceled"));
}

async function showPhoto(pad, { message, buffers }, { file, recipe = null, key = null, film = null }, signal) {
  const [gray, source] = await Promise.all([decodeLayer(buffers[0], message.mime), decodeLayer(buffers[1], message.mime)]);
  const cover = buffers[2] ? checkerboard(await decodeLayer(buffers[2], "image/png")) : null;
  const leaves = await mayLeave(pad); // not earlier, because the previous photo can be edited until this photo is shown
  if (!leaves || signal.aborted) return;
  const { name, width, height, image, network, view, kind, proposed, notes, border } = message;
  pad.toasts.clear(); // messages refer to the previous photo
  const { work, taken } = film ? { work: film, taken: null } : await selectWork(pad, image.sha256, key, recipe);
  const photo = readOnly({
    name, width, height, image, network, view, kind, proposed, file, key: taken, film, gray, source, cover, result: null, lightness: new LightnessMap(gray), shown: 0, words: [],
    exact: false, shownDoc: null, border,
  });
  rememberModel(pad);
  change(pad.session, { photo, unsaved: false });
  rememberOpenWork(taken);
  const offered = pad.session.offered?.image?.sha256 === image.sha256 ? pad.session.offered : null; // recipe of a notebook without a running kernel
  const chosen = recipe ?? work?.recipe ?? offered;
  const model = openingModel(pad);
  const doc = chosen ? toDocument(pad, chosen, model) : emptyDoc(model);
  const steps = chosen && chosen === work?.recipe ? work.steps : null;
  pad.startOver(doc, ...["past", "future"].map((way) => (steps?.[way] ?? []).map(({ label, recipe: before }) => ({ label, state: toDocument(pad, before) }))));
  change(pad.session, { reference: work?.reference ?? null, savedDoc: film ? doc : null });
  saveFiles(pad);
  for (const note of notes ?? []) pad.note(note);
  pad.announce(t("{name} is open, {width} by {height} pixels", { name, width, height }));
  if (doc.crop) pad.fit();
  else pad.set({ view: firstView(pad.photo, paneSize(pad)) });
  pad.queue.final();
  pad.modelChanged();
  pad.preferFill();
  if (work?.reference) showReference(pad, work.reference, () => pad.queue.final());
  if (work && !film && hasWork(doc)) pad.toast(t("Your work on {name} is restored.", { name }), "info", { label: t("Start over"), run: () => pad.run("clear") });
  proposeModel(pad);
}

const savedWorks = async (pad) => pad.options.notebook ? [] : listWorks();

/** Choose a key for saving that does not overwrite work of another tab or older work on this photo. */
async function selectWork(pad, sha256, key, recipe) {
  if (pad.options.notebook) return { work: null, taken: sha256 };
  const works = await listWorks();
  const best = key ?? sha256;
  const unedited = works.filter((work) => work.edited === false && work.key !== best);
  for (const old of unedited.slice(MAX_UNEDITED)) await forgetWork(old.key); // only the user deletes edits
  const older = works.find((work) => work.key === best) ?? null;
  const apart = recipe !== null && key === null && older !== null; // a recipe that was passed must not replace saved work
  const taken = await pad.tabs.acquire(keysFor(sha256, apart ? null : best, works.map((work) => work.key)));
  if (!apart && taken !== best) pad.toast(t("This photo is also open in another tab. Your work here is saved separately."));
  return { work: key !== null || taken === best ? older : null, taken };
}

/** @yields {string} keys for work on a photo: the preferred key, then unused keys */
function* keysFor(sha256, best, used) {
  if (best !== null) yield best;
  for (let number = 2; ; number += 1) if (!used.includes(`${sha256}#${number}`)) yield `${sha256}#${number}`;
}

export function toDocument(pad, recipe, model = pad.doc.model) {
  const doc = fromRecipe(recipe, { ...pad.photo, perNetworkPixel: pad.perNetworkPixel() }, (hex) => rgbToAb(hexToRgb(hex)));
  const known = doc.model && pad.session.models.some(({ name }) => name === doc.model);
  return known ? doc : { ...doc, model };
}

export async function resendPhoto(pad, step) {
  const { photo, session: { start } } = pad;
  const offered = isOffered(start, photo?.image.sha256) ? start : null;
  if (!photo?.file && !offered) return false;
  const { upload, buffer } = photo.file ? await uploadFile(pad, step, photo) : offered;
  await step(pad.client.ask({ type: "open", name: photo.name, ...(upload ? { upload } : {}) }, buffer ? [buffer] : []));
  if (pad.session.reference) await sendReference(pad, step, "exemplar", pad.session.reference);
  change(photo, { shown: 0 });
  return true;
}

export const uploadFile = async (pad, step, { file, name }) => step(pad.transport.upload(await step(bytesOf(file)), name));

/** @param {{file: Blob, name: string}} reference */
async function sendReference(pad, step, slot, reference) {
  const { name } = reference;
  const { upload, buffer } = await uploadFile(pad, step, reference);
  return step(pad.client.ask({ type: "attach", slot, name, model: pad.doc.model, ...(upload ? { upload } : {}) }, buffer ? [buffer] : []));
}

/** Send a reference image or the image with a palette, and show it. @returns {Promise<{layer: import("./pixels.js").Layer, message: any}>} */
async function sendImage(pad, step, slot, reference) {
  const { message, buffers } = await sendReference(pad, step, slot, reference);
  const layer = await step(decodeLayer(buffers[0], message.mime));
  for (const note of message.notes ?? []) pad.note(note);
  return { layer, message };
}

/** Send a reference image to the backend and show it. @param {{file: Blob, name: string}} reference @param {(sha256: string) => void} use called before the models are updated */
const showReference = (pad, reference, use) => pad.act(async (step) => {
  const { layer, message } = await sendImage(pad, step, "exemplar", reference);
  const { name } = reference;
  const image = { layer, name, width: message.width, height: message.height };
  change(pad.session, { reference, references: new Map([...pad.session.references, [message.sha256, { reference, image }]]) });
  pad.set({ exemplar: image, classes: null, matched: null });
  use(message.sha256);
  pad.modelChanged();
});

export async function attach(pad, slot, file = null) {
  const chosen = file ?? (await chooseForPhoto(pad, IMAGES));
  if (!chosen) return;
  const reference = { file: chosen, name: chosen.name || t("Pasted image") };
  if (slot === "exemplar") await showReference(pad, reference, (sha256) => useAttached(pad, reference.name, sha256));
  else {
    await pad.act(async (step) => {
      const { layer, message } = await sendImage(pad, step, slot, reference);
      pad.set({ statistics: { layer, name: reference.name, histogram: message.statistics.histogram } });
      pad.edit({ ...pad.doc, statistics: { ...message.statistics } }, t("match palette"));
    });
  }
}

/** Use an attached reference image in the document, which may name it already if the edits were loaded without the image. */
function useAttached(pad, name, sha256) {
  const { exemplar } = pad.doc;
  const known = exemplar?.name === name ? exemplar.kept ?? {} : {};
  if (known.sha256 && known.sha256 !== sha256) pad.note(t("These edits were made with another image named {name}.", { name }));
  if (known.sha256 === sha256) pad.documentChanged();
  else pad.edit({ ...pad.doc, exemplar: { name, kept: { ...known, sha256 } } }, t("add reference image"));
  saveFiles(pad);
}

export async function detach(pad, slot) {
  if (slot === "statistics") return pad.edit({ ...pad.doc, statistics: null }, t("remove palette"));
  return pad.act(async (step) => {
    await step(useReference(pad, null));
    pad.edit({ ...pad.doc, exemplar: null, classes: {} }, t("remove reference image"));
    pad.modelChanged();
  });
}

/** Send a previously attached reference to the backend, or detach the reference. @param {{reference: {file: Blob, name: string}, image: any} | null} known */
async function useReference(pad, known) {
  const work = {};
  change(pad.session, { reference: known?.reference ?? null });
  pad.set({ exemplar: known?.image ?? null, classes: null, matched: null });
  pad.beginWork(work);
  await pad.act((step) => (known ? sendReference(pad, step, "exemplar", known.reference) : step(pad.client.ask({ type: "attach", slot: "exemplar", detach: true }))));
  pad.endWork(work);
}

export function followReference(pad) {
  const { exemplar } = pad.doc, sha256 = exemplar?.kept?.sha256; // edits of earlier versions contain only the name
  const isNamed = ({ reference }) => !sha256 && reference.name === exemplar?.name;
  const known = pad.session.references.get(sha256) ?? [...pad.session.references.values()].findLast(isNamed) ?? null;
  return pad.ui.exemplar === (known?.image ?? null) ? null : useReference(pad, known);
}

const baseName = (name) => name.replace(/\.[^.]+$/, "");

export function saveRecipe(pad) {
  const text = `${JSON.stringify(currentRecipe(pad), null, 1)}\n`;
  saveBlob([text], "application/json", `${baseName(pad.photo.name)}.recipe.json`);
  pad.announce(t("Edits saved"));
}

export async function loadRecipe(pad, file = null) {
  const chosen = file ?? (await chooseForPhoto(pad, ".json,application/json"));
  if (!chosen) return;
  await pad.act(async (step) => {
    await replaceDoc(pad, step, parseJson(await step(chosen.text()), chosen.name), t("load edits"));
    pad.toast(t("Edits loaded from {name}", { name: chosen.name }));
  });
}

function parseJson(text, name) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(t("{name} is not an edits file. Your edits were not changed.", { name }));
  }
}

/** @param {any} recipe @param {string} label @throws {Error} with a message for the user; the document is not changed */
export async function replaceDoc(pad, step, recipe, label) {
  let checked = recipe;
  if (pad.ui.link === "open") {
    const reply = await step(pad.client.ask({ type: "check", recipe }));
    checked = reply.message.recipe;
    for (const note of reply.message.notes ?? []) pad.note(note);
  }
  const doc = toDocument(pad, checked);
  const image = checked.image?.sha256;
  if (image && image !== pad.photo.image.sha256) pad.toast(t("These edits were made for another photo of the same size."));
  pad.set({ selected: null, regionPick: [], suggestions: null, box: null });
  pad.edit(doc, label);
  pad.modelChanged();
  const sent = followReference(pad);
  if (!sent) return;
  await step(sent);
  pad.queue.final();
}

/** Export the photo, also if another photo is opened in the meantime. @param {{format: string, quality: number, side?: number, dpi?: number}} options see the protocol */
export async function exportImage(pad, options) {
  const { photo } = pad;
  pad.set({ exporting: true });
  pad.announce(t("Exporting the image"));
  try {
    const { message, buffers } = await pad.client.ask({ type: "export", recipe: currentRecipe(pad), ...options });
    pad.transport.download(message, buffers);
    for (const note of message.notes ?? []) pad.note(note);
    pad.toast(t("{name} exported", { name: message.name }));
  } catch (error) {
    const again = pad.photo === photo ? { label: t("Retry"), run: () => exportImage(pad, options) } : null;
    pad.toast(error.message, "error", again);
  } finally {
    pad.set({ exporting: false });
  }
}

export const closePhoto = (pad) => pad.act(async (step) => {
  if (!(await step(mayLeave(pad)))) return;
  const works = await step(savedWorks(pad)); // first, so that the list is up to date when it is shown
  pad.client.notify({ type: "close" });
  pad.queue.stop();
  change(pad.session, { photo: null, unsaved: false });
  pad.toasts.clear();
  rememberOpenWork(null);
  pad.tabs.release();
  pad.startOver(emptyDoc(pad.doc.model));
  pad.set({ works });
  pad.announce(t("Photo closed"));
});

export function scheduleAutosave(pad) {
  const { saveTimer, unsavedSince } = pad.session;
  clearTimeout(saveTimer);
  const now = performance.now();
  const room = (unsavedSince ?? now) + AUTOSAVE_WITHIN - now;
  const after = pad.photo?.film ? FILM_SAVE_AFTER : AUTOSAVE_AFTER;
  change(pad.session, { unsavedSince: unsavedSince ?? now, saveTimer: setTimeout(() => autosave(pad), Math.max(0, Math.min(after, room))) });
}

/** Save the photo and its reference soon, because only the edits can be saved while the page unloads. */
function saveFiles(pad) {
  autosave(pad);
  scheduleAutosave(pad); // with a thumbnail of the result
}

/** Save the edits while the page unloads, when the database may not finish its work. */
export function saveBeforeUnload(pad) {
  const { photo, ui: { ab, lightness, typed, sticky } } = pad;
  if (!photo || pad.options.notebook) return;
  rememberColor({ ab, lightness, typed, sticky });
  if (pad.session.savedDoc === pad.doc) return; // without locks, another tab can have saved newer edits of this photo
  if (!photo.film) saveDraft(photo.key, savedEdits(pad));
  autosave(pad);
}

const savedEdits = (pad) => ({ recipe: currentRecipe(pad), steps: savedSteps(pad), time: Date.now(), edited: hasWork(pad.doc) });

export function autosave(pad) {
  clearTimeout(pad.session.saveTimer);
  change(pad.session, { unsavedSince: null });
  const { photo, doc, session: { reference } } = pad;
  if (!photo || pad.options.notebook) return Promise.resolve();
  if (photo.film) return photo.film.save();
  const work = { name: photo.name, reference, ...savedEdits(pad) };
  const saving = pad.session.saving.then(() => saveHere(pad, photo, doc, work));
  change(pad.session, { saving });
  return saving;
}

async function saveHere(pad, photo, doc, work) {
  const thumbnail = await thumbnailOf(photo.result ?? photo.gray);
  const saved = await saveWork({ ...work, key: photo.key, file: photo.file, thumbnail });
  if (pad.photo !== photo) return;
  if (!saved && !pad.session.unsaved) pad.toast(t("This browser cannot save your work automatically. Choose “Save edits” before you leave."));
  change(pad.session, { unsaved: !saved, savedDoc: saved ? doc : null });
}

/** Save the edits. If they cannot be saved, ask whether to save them in a file. @returns {Promise<boolean>} whether the photo may be closed */
async function mayLeave(pad) {
  const { photo } = pad;
  await autosave(pad);
  if (!photo || pad.photo !== photo || !hasWork(pad.doc) || !(pad.session.unsaved || pad.options.notebook)) return true;
  const answer = await pad.dialogs.askToLeave();
  if (answer === "save") saveRecipe(pad);
  return answer !== "";
}

export async function deleteWork(pad, key) {
  await forgetWork(key);
  pad.set({ works: pad.ui.works.filter((work) => work.key !== key) });
}

/** @returns {{past: any[], future: any[]}} the last undo and redo steps as recipes, which share their unchanged areas in memory and in the database */
function savedSteps(pad) {
  let room = MAX_STEPS_LENGTH;
  const counted = new Set();
  const lengthOf = (part) => {
    if (counted.has(part)) return 0;
    if (part instanceof Object) counted.add(part);
    return JSON.stringify(part).length;
  };
  const write = (steps) => {
    const saved = [];
    for (const { state, label } of steps.slice(-MAX_STEPS).reverse()) {
      const recipe = currentRecipe(pad, state);
      for (const part of Object.values(recipe).flat()) room -= lengthOf(part);
      if (room < 0) break;
      saved.unshift({ label, recipe });
    }
    return saved;
  };
  return { past: write(pad.history.past), future: write(pad.history.future) };
}

/** @param {{sha256: string} | null} start @param {string | undefined} sha256 @returns {boolean} whether this is the photo that the backend offers */
const isOffered = (start, sha256) => Boolean(start && sha256) && start.sha256 === sha256;

/** @returns {any[]} saved work that can be opened, and the photo that the backend offers */
export function worksToOffer(pad) {
  const { session: { start }, ui } = pad;
  const ofOffered = (work) => isOffered(start, work.key.split("#")[0]);
  const kept = (ui.works ?? []).filter((work) => work.file || ofOffered(work));
  return !start || kept.some(ofOffered) ? kept : [...kept, { key: start.sha256, name: start.name, file: null, recipe: null, isOffered: true }];
}

/** Open saved work. The work is read again, because another tab may have changed it. */
export function openWork(pad, { key, file, name }) {
  return file ? openFile(pad, file, name, { key }) : openOffered(pad, pad.session.start, { key });
}

/** After the first connection, open the last photo of this tab, the offered photo, or the last work of the past 24 hours. */
export async function openInitial(pad, hello) {
  const works = await savedWorks(pad);
  pad.set({ works });
  if (pad.photo || pad.ui.opening) return; // the user has opened a photo in the meantime
  const before = worksToOffer(pad).find(({ key }) => key === rememberedWork());
  if (before) await openWork(pad, before);
  else if (hello.start) await openOffered(pad, hello.start, hello.recipe ? { recipe: hello.recipe } : {});
  else if (works[0]?.file && Date.now() - works[0].time < 864e5) await openWork(pad, works[0]);
}

export async function takeDropped(pad, transfer, slot = null) {
  const files = [...(transfer?.files ?? [])];
  if (!files.length) return false;
  const [file] = files;
  if (/\.json$/i.test(file.name)) {
    if (pad.photo) await loadRecipe(pad, file);
    else pad.toast(t("Open the photo first, then load the file with its edits."), "error");
  } else if (slot && pad.photo) await attach(pad, slot, file);
  else await openFile(pad, file);
  return true;
}
