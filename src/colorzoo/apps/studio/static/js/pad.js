/**
 * The drawing pad, for the page of `colorzoo studio` and the notebook widget. This file connects the parts;
 * docs/studio_protocol.md describes the messages to the backend.
 */

import { createFeatherOption } from "./arealayers.js";
import { Client, ColorQueue, isExpired } from "./client.js";
import { requestColor, requestRegions, requestSuggestions, markInput, updateClasses } from "./coloring.js";
import { hexToRgb, rgbToLab } from "./color.js";
import { createColoringsPanel } from "./colorings.js";
import { createColorPanel, createReach } from "./colorpanel.js";
import { listenToKeyboard, runCommand } from "./commands.js";
import { createDialogs, createToasts } from "./dialogs.js";
import { History, emptyDoc, hasWork } from "./document.js";
import { updateRegionMap } from "./drawing.js";
import { createDivisionsPanel, createDrawingPanel, createHeldOption, createSimilarOption, createUpdatesOption } from "./drawingpanel.js";
import { h, oncePerFrame, setAttr, t, translations } from "./dom.js";
import { selectPoint, startSmall, takeSuggestion } from "./edits.js";
import { openInitial, previewOf, replaceDoc, resendPhoto, saveBeforeUnload, scheduleAutosave, toDocument } from "./files.js";
import { confirmCrop, createCropOptions } from "./cropping.js";
import { createBorderPanel, insideOf } from "./border.js";
import { createFilmStrip, openFirstFrame } from "./film.js";
import { createHealingOptions } from "./healing.js";
import { createHistoryPanel } from "./historypanel.js";
import { createLayersPanel } from "./layers.js";
import { createRail, createSizeOption, createSplitHandle, createStageBar, createStartScreen, createStatus, createTopBar, listenToDrops } from "./layout.js";
import { modelCaption, rememberModel } from "./models.js";
import { createHintsPanel, createModelPanel, createReferencePanel, createRegionsPanel, createSlider, createStatisticsPanel, createAdjustmentsPanel, createKindsPanel } from "./panels.js";
import { changeBrush, createAreaBrush, createPaintOptions, createPaintPanel } from "./painting.js";
import { listenToStage } from "./pointer.js";
import { createPartsPanel } from "./parts.js";
import { currentRecipe } from "./recipe.js";
import { createBoxesPanel, createClassesPanel, createSelectionBar } from "./shapepanels.js";
import { createReplaceOptions } from "./replacing.js";
import { drawMarks, drawPhoto, paneSize, photoToStage } from "./stage.js";
import { change, initialSession, initialUi, readOnly } from "./state.js";
import { TabLocks, loadSettings, rememberedColor, saveSettings } from "./storage.js";
import { createOptionsBar, createTabs } from "./tabs.js";
import { stageGestures, toolsFor } from "./tools.js";
import { webTransport, widgetTransport } from "./transport.js";
import { createVariantsPanel } from "./variants.js";
import { fitView, limitView, reveal } from "./view.js";

const FULL_DELAY = 300;
const ANTS_EVERY = 100; // ms between two images of the outline of a selection

/**
 * @typedef {{notebook: boolean, theme: "auto" | "light" | "dark"}} PadOptions
 * @typedef {{state: import("./document.js").Doc, label: string}} Step  the document before an undo step or after a redo step
 */

/** The pad, shared by all parts. The document is changed by methods of this class, which stores the undo history. Other state is changed by `change` of state.js. */
class Pad {
  /** The document with its undo history. @type {History<import("./document.js").Doc>} */
  #history = new History(emptyDoc());
  /** Pending requests. @type {Set<object | number>} */
  #work = new Set();
  /** @type {(() => void)[]} */
  #afterDraw = [];
  /** @type {() => void} */
  #greet;

  constructor(root, transport, options) {
    this.root = root;
    this.transport = transport;
    this.options = options;
    /** @type {Readonly<Record<string, any>>} */
    this.settings = readOnly({ singleKeys: true, ...loadSettings() });
    this.ui = readOnly({ ...initialUi(this.settings), ...rememberedColor() });
    this.session = readOnly(initialSession());
    this.tabs = new TabLocks();
    this.stop = new AbortController();
    this.toasts = createToasts();
    this.dialogs = createDialogs(this);
    /** @type {Promise<void>} resolved by the first message of the backend */
    this.ready = new Promise((resolve) => { this.#greet = resolve; });
    this.client = new Client(transport);
    this.queue = new ColorQueue((quality, early) => requestColor(this, quality, early), { fullDelay: FULL_DELAY, wantsFull: () => this.wantsFull(), doc: () => this.doc, onEarlyUsed: () => markInput(this) });
    this.changed = oncePerFrame(() => this.#update());
    this.redraw = oncePerFrame(() => this.draw());
    this.redrawMarks = oncePerFrame(() => drawMarks(this, this.page.marks));
    this.page = buildPage(this);
    this.stageEl = this.page.stage;
    this.client.onNotification = (message) => this.onNotification(message);
    this.client.restorePhoto = () => this.restorePhoto();
    transport.onstate = (link, words) => this.linkChanged(link, words);
  }

  #update() {
    for (const part of this.page.parts) part.update();
    updateAttributes(this, this.stageEl);
    this.draw();
  }

  draw() {
    drawPhoto(this, this.page.photo);
    drawMarks(this, this.page.marks);
    for (const callback of this.#afterDraw.splice(0)) callback();
  }

  get doc() {
    return this.#history.now;
  }

  /** Undo and redo steps, newest last. @returns {{past: readonly Step[], future: readonly Step[]}} */
  get history() {
    const { past, future } = this.#history;
    return { past, future };
  }

  get photo() {
    return this.session.photo;
  }

  model() {
    return this.session.models.find(({ name }) => name === this.doc.model) ?? null;
  }

  accepts(kind) {
    return this.model()?.guidance.includes(kind) ?? false;
  }

  /** Whether a point fills a region of a drawing, instead of changing the hue and chroma of a photo. */
  fills() {
    return this.model()?.input === "sketch" && this.accepts("points");
  }

  tools() {
    return toolsFor(this.model()?.guidance ?? [], this.fills());
  }

  perNetworkPixel() {
    const { width, height, network } = this.photo;
    return Math.max(1, Math.min(width, height) / network);
  }

  /** @param {{x: number, y: number, hex: string}} point @returns {number} the lightness of its color, which in a photo is the lightness of the photo */
  lightnessOf({ x, y, hex }) {
    return this.fills() ? rgbToLab(hexToRgb(hex))[0] : this.lightnessAround(x, y);
  }

  lightnessAround(x, y) {
    return this.photo.lightness.around(x / this.photo.width, y / this.photo.height);
  }

  selectedPoint() {
    return this.doc.points.find(({ id }) => id === this.ui.selected) ?? null;
  }

  set(patch) {
    change(this.ui, patch);
    this.changed();
  }

  hold(doc) {
    this.#history.preview(doc);
  }

  /** Change the document without an undo step. */
  amend(doc) {
    this.#history.amend(doc);
    this.changed();
  }

  step(direction) {
    const { crop } = this.doc;
    const label = this.#history[direction]();
    if (this.doc.crop !== crop) this.fit();
    return label;
  }

  /** Change the document during a drag. */
  preview(doc) {
    this.hold(doc);
    this.queue.drag();
    scheduleAutosave(this);
    this.changed();
  }

  commit(label, joins) {
    if (this.#history.commit(label, joins)) this.documentChanged();
    this.changed();
  }

  /**
   * Change the document as one undo step.
   * @param {import("./document.js").Doc} doc @param {string} label @param {import("./document.js").Joins} [joins] whether it belongs to the last step
   */
  edit(doc, label, joins) {
    this.hold(doc);
    this.commit(label, joins);
  }

  /** Preview a changed document, or commit it when the change is finished. */
  applyChange(doc, done, label, joins) {
    if (done) this.edit(doc, label, joins);
    else this.preview(doc);
  }

  cancel() {
    const had = this.#history.before !== null;
    this.#history.cancel();
    if (!this.selectedPoint()) change(this.ui, { selected: null });
    if (had) {
      this.queue.final();
      scheduleAutosave(this);
    }
    this.changed();
  }

  documentChanged() {
    this.queue.final();
    if (this.ui.suggestions) change(this.ui, { suggestions: { ...this.ui.suggestions, stale: true } });
    scheduleAutosave(this);
    updateRegionMap(this);
    this.changed();
  }

  startOver(doc, past = [], future = []) {
    this.#history = new History(doc, past, future);
    this.set({
      area: null, coat: null, division: null, selection: null, outline: null, painting: null, freshPaint: [], healing: null, healed: [], cropping: null, cropDrag: null, replacing: null, variants: null, draggedBorder: null, areaStroke: null,
      selected: null, suggestions: null, regions: null, regionMap: null, similar: null, held: null, swatch: null, regionPick: [], box: null, shaping: null, classes: null, exemplar: null, statistics: null,
      reachSteps: null, matched: null, cross: null, nextPlace: null, failure: null, areaBrush: null, reach: "automatic", awaited: null,
    });
    change(this.session, { reference: null, references: new Map(), suggesting: null, restoring: null });
    scheduleAutosave(this);
  }

  /** @param {import("./view.js").Size} stage @returns {import("./view.js").View} a view of the whole photo, or of the crop outside of its tool */
  fittedView(stage) {
    const { crop } = this.doc;
    if (!crop || this.ui.tool === "crop") return fitView(this.photo, stage);
    const view = fitView(crop, stage);
    return { ...view, x: view.x + crop.x, y: view.y + crop.y };
  }

  fit() {
    if (this.photo) this.set({ view: this.fittedView(paneSize(this)) });
  }

  revealPlace(x, y) {
    this.set({ view: reveal(this.ui.view, this.photo, paneSize(this), x, y) });
  }

  wantsFull() {
    const { photo, ui } = this;
    if (!photo || photo.exact || photo.view[0] >= photo.width || ui.drag) return false;
    return ui.view.scale * (window.devicePixelRatio || 1) > (photo.view[0] / photo.width) * 1.05;
  }

  state() {
    if (this.ui.link === "offline" || this.ui.link === "refused") return "offline";
    if (this.ui.loading || !this.session.greeted) return "loading";
    if (!this.photo) return "empty";
    if (this.ui.failure) return "failed";
    return this.#work.size ? "computing" : "ready";
  }

  announce(text, quiet = false) {
    if (quiet && performance.now() - this.session.announcedAt < 1500) return;
    change(this.session, { announcedAt: performance.now() });
    this.set({ announcement: text });
  }

  toast(text, kind = "info", action = null) {
    this.toasts.add(text, kind, action);
  }

  /** Show a note of the backend, which starts with a lower-case word or with the name of a file or field. */
  note(text) {
    this.toast(/^[a-z]+[ ,]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text);
  }

  /**
   * Run an asynchronous action on the open photo. The action ends without an effect when another photo is opened.
   * @template T @param {(step: <V>(result: Promise<V>) => Promise<V>) => Promise<T>} action awaits each result by `step`, which throws an error if another photo is open
   * @param {(error: any) => void} [fail] handles other errors; shows them by default @returns {Promise<T | null>} null after an error
   */
  async act(action, fail = (error) => this.toast(error.message, "error")) {
    const { photo } = this;
    const step = async (result) => {
      const value = await result;
      if (this.photo !== photo) throw new Error("another photo is open");
      return value;
    };
    try {
      return await action(step);
    } catch (error) {
      if (this.photo === photo) fail(error);
      return null;
    }
  }

  /** Send a request about the open photo and show its error, if any. */
  async ask(message) {
    const work = {};
    this.beginWork(work);
    const reply = await this.act((step) => step(this.client.ask(message)));
    this.endWork(work);
    return reply;
  }

  /** Send a request about the open photo in the background. */
  askQuietly(message) {
    return this.act((step) => step(this.client.ask(message)), () => {});
  }

  beginWork(work) {
    this.#work.add(work);
    this.changed();
  }

  endWork(work) {
    this.#work.delete(work);
    this.changed();
  }

  /** Handle a user event; its time is the start time of the following request. */
  during(event, work) {
    change(this.session, { input: event?.timeStamp ?? null });
    work();
    change(this.session, { input: null });
  }

  run(id, event) {
    runCommand(this, id, event);
  }

  /** @param {string} tool @param {string} [tab] tab of the panel to open instead of the tab of the tool */
  setTool(tool, tab) {
    const { tool: before } = this.ui;
    if (tool !== "crop") confirmCrop(this);
    if (tool === "paint" && this.ui.tool === "paint") changeBrush(this, { erases: !this.ui.brush.erases });
    if (this.ui.tool !== "dropper") change(this.ui, { toolBefore: this.ui.tool });
    if (["brush", "fill", "same", "lasso", "enclosed", "split", "join", "paint", "replace", "heal", "crop"].includes(tool)) this.set({ selected: null, box: null, area: null, regionPick: [], suggestions: null });
    const { label, tab: own = "color" } = this.tools().find(({ id }) => id === tool) ?? {};
    this.set({ tool, swatch: null, tab: tab ?? own, cross: null, shaping: null, division: null, selection: tool === "area" ? this.ui.selection : null });
    if (!["point", "dropper", "hand"].includes(tool)) this.dropUncolored();
    if (this.doc.crop && (tool === "crop") !== (before === "crop")) this.fit();
    updateClasses(this);
    if (label) this.announce(t(label));
  }

  /** Remove points without a chosen color. They do not affect the result, so this is not an undo step. */
  dropUncolored() {
    const points = this.doc.points.filter(({ untouched, locked, muted }) => !untouched || locked || muted);
    if (points.length === this.doc.points.length) return;
    this.amend({ ...this.doc, points });
    if (!this.selectedPoint()) this.set({ selected: null, suggestions: null });
    scheduleAutosave(this);
  }

  setModel(name) {
    rememberModel(this);
    this.edit({ ...this.doc, model: name }, t("change model"));
    this.ask({ type: "model", name });
    this.modelChanged();
    this.preferFill();
  }

  /** Select the main tool for drawings instead of the main tool for photos. */
  preferFill() {
    if (this.fills() && this.ui.tool === "point") this.setTool("fill");
  }

  modelChanged() {
    const tools = this.tools();
    if (!tools.some(({ id }) => id === this.ui.tool)) this.set({ tool: tools.find(({ manual }) => !manual).id });
    if (this.ui.regions && !(this.accepts("regions") && this.ui.regions.model === this.doc.model)) this.set({ regions: null, regionPick: [] });
    if (this.accepts("regions") && !this.ui.regions && this.photo && this.ui.link === "open") requestRegions(this);
    updateClasses(this);
    updateRegionMap(this);
    this.changed();
  }

  setSetting(name, value) {
    change(this.settings, { [name]: value });
    this.saveSettings();
    this.changed();
  }

  saveSettings() {
    saveSettings({ ...this.settings, recent: this.ui.recent });
  }

  expectSuggestions(id, pointId) {
    change(this.session, { suggesting: { id, pointId } });
    if (this.ui.suggestions?.pointId === pointId) change(this.ui, { suggestions: { ...this.ui.suggestions, stale: true } });
  }

  afterNextDraw(callback) {
    this.#afterDraw.push(callback);
    this.redraw();
  }

  hasFocus() {
    return this.root.contains(/** @type {Document} */ (this.root.getRootNode()).activeElement);
  }

  retry() {
    this.set({ failure: null });
    if (this.ui.link === "open") this.queue.final();
    else this.transport.reconnect();
  }

  /** Open the photo on the server again, unless the user is opening another photo. @returns {Promise<boolean>} */
  restorePhoto() {
    if (this.ui.opening) return Promise.resolve(false);
    if (!this.session.restoring) {
      const restoring = this.resendPhoto().finally(() => this.session.restoring === restoring && change(this.session, { restoring: null }));
      change(this.session, { restoring });
    }
    return this.session.restoring;
  }

  async resendPhoto() {
    const sent = await this.act((step) => resendPhoto(this, step), (error) => this.set({ failure: error.message }));
    if (sent === false) this.set({ failure: t("The server has closed this photo. Open the photo again. Your edits are kept.") });
    return Boolean(sent);
  }

  async restoreAndColor() {
    if (await this.restorePhoto()) this.queue.final();
  }

  onNotification(message) {
    const takes = { hello: () => this.hello(message), film: () => this.receiveFilm(message), suggestions: () => this.receiveSuggestions(message), model: () => this.receiveModel(message) };
    if (message.type === "recipe" && this.photo) this.act((step) => replaceDoc(this, step, message.recipe, t("load edits")));
    else if (message.type === "error") {
      if (!isExpired(message)) this.toast(message.message, "error"); // expired: the client sends the request again
    } else takes[message.type]?.();
  }

  receiveFilm({ type: _, ...film }) {
    change(this.session, { film: { ...this.session.film, ...film } });
    if (film.stopping) Promise.resolve(this.photo?.film?.save()).then(() => this.client.notify({ type: "stored" }));
    this.changed();
  }

  receiveSuggestions(message) {
    const request = this.session.suggesting;
    if (request?.id !== message.re || request.pointId !== this.ui.selected) return;
    const { awaited } = this.ui;
    this.set({ suggestions: { items: message.items, pointId: request.pointId, stale: false }, awaited: null });
    if (awaited?.pointId === request.pointId) takeSuggestion(this, awaited.number);
    if (typeof message.reach === "number") startSmall(this, request.pointId, message.reach);
  }

  receiveModel(message) {
    const model = this.session.models.find(({ name }) => name === message.name);
    if (message.detects && model && !model.detects) this.queue.final(); // the recipe of the earlier request had an empty list of boxes
    const capabilities = { ready: true, guidance: message.accepts ?? model?.guidance, detects: message.detects };
    change(this.session, { models: this.session.models.map((each) => (each === model ? { ...each, ...capabilities } : each)) });
    this.modelChanged();
  }

  chooseModel() {
    const { model: used } = this.doc;
    const here = this.session.models;
    if (used && (!this.session.greeted || here.some(({ name }) => name === used))) return;
    const name = (here.find((model) => model.default) ?? here[0])?.name ?? "";
    this.amend({ ...this.doc, model: name });
    if (used) this.toast(t("The coloring model {used} is not available here. {name} is used instead.", { used, name: modelCaption(this, name) }));
  }

  async hello(message) {
    change(this.session, { models: message.models, kinds: message.kinds ?? [], limits: message.limits ?? {}, start: message.start ?? null, film: message.film ?? null, offered: message.recipe ?? null, selected: message.model_selected ?? true });
    if (this.photo) change(this.photo, { shown: 0 });
    this.chooseModel();
    this.set({ link: "open" });
    if (this.session.greeted) {
      if (!this.photo) return;
      if (this.session.unsaved) scheduleAutosave(this); // of a frame of a film
      if (message.photo?.image.sha256 === this.photo.image.sha256) this.queue.final();
      else await this.restoreAndColor();
      return;
    }
    change(this.session, { greeted: true });
    this.#greet();
    if (message.film) await openFirstFrame(this);
    else await openInitial(this, message);
  }

  linkChanged(link, words = "") {
    if (link === "offline" || link === "refused") {
      this.client.failAll();
      this.queue.stop();
      if (this.session.greeted) this.announce(t("Offline. Your edits are kept."));
      this.set({ link, linkWords: words });
    } else if (link === "connecting" && this.ui.link !== "offline") this.set({ link });
  }
}

function buildPage(pad) {
  const photo = h("canvas", { class: "cz-canvas", data: { role: "photo" }, "aria-hidden": "true" });
  const marks = h("canvas", { class: "cz-canvas cz-marks", "aria-hidden": "true" });
  const stage = h("div", { class: "cz-stage", tabindex: "0", role: "application", "aria-label": t("Image") }, photo, marks);
  const top = createTopBar(pad);
  const rail = createRail(pad);
  const bar = createStageBar(pad);
  const split = createSplitHandle(pad);
  const selection = createSelectionBar(pad);
  const status = createStatus(pad);
  const empty = createStartScreen(pad);
  const film = createFilmStrip(pad);
  const make = (...creators) => creators.map((create) => create(pad, createSlider));
  const model = createModelPanel(pad);
  const options = createOptionsBar(pad, make(createSizeOption, createReach, createPaintOptions, createReplaceOptions, createAreaBrush, createFeatherOption, createHealingOptions, createCropOptions, createHeldOption, createSimilarOption, createUpdatesOption));
  const tabs = createTabs(pad, [
    ["color", "Color", make(createPartsPanel, createColoringsPanel, createRegionsPanel, createColorPanel, createDrawingPanel, createVariantsPanel, createPaintPanel, createBorderPanel)],
    ["layers", "Layers", make(createLayersPanel, createDivisionsPanel, createHintsPanel, createBoxesPanel, createAdjustmentsPanel)],
    ["reference", "Reference", make(createReferencePanel, createClassesPanel, createStatisticsPanel, createKindsPanel)],
    ["history", "History", make(createHistoryPanel)],
  ]);
  const aside = h("aside", { class: "cz-panel", "aria-label": t("Colors, layers and history") }, model.el, tabs.el);
  const main = h("main", { class: "cz-main" }, stage, split.el, status.el, bar.el, selection.el, empty.el);
  pad.root.replaceChildren(h("div", { class: "cz-frame" }, top.el, rail.el, options.el, main, aside, pad.toasts.el), film.el, ...pad.dialogs.els);
  return { stage, photo, marks, main, parts: [top, rail, options, bar, split, selection, status, empty, model, tabs, film] };
}

function updateAttributes(pad, stage) {
  const { root, ui } = pad;
  setAttr(root, "data-theme", pad.options.theme);
  setAttr(root, "data-photo", String(Boolean(pad.photo || previewOf(pad))));
  setAttr(root, "data-opening", pad.photo && ui.loading ? "true" : null);
  setAttr(root, "data-dropping", ui.dropping ? "true" : null);
  setAttr(root, "data-drawing", pad.photo && pad.fills() ? "true" : null);
  setAttr(stage, "data-tool", ui.panning ? "hand" : ui.tool);
  const count = pad.doc.points.length;
  setAttr(stage, "aria-label", pad.photo ? t("Image {name}, {count} points. Press N to add a point, or ? to list all keys.", { name: pad.photo.name, count }) : t("No image"));
}

function watchSize(pad, main) {
  const observer = new ResizeObserver(([entry]) => {
    const { width, height } = entry.contentRect;
    const before = pad.ui.stage;
    change(pad.ui, { stage: { width, height } });
    if (!pad.photo || !width) return;
    const fitted = pad.ui.view && before.width ? pad.fittedView(paneSizeOf(pad, before)) : null;
    if (!fitted || Math.abs(fitted.scale - pad.ui.view.scale) < 1e-6) pad.fit();
    else pad.set({ view: limitView(pad.ui.view, pad.photo, paneSize(pad)) });
    pad.draw();
  });
  observer.observe(main);
  return observer;
}

const paneSizeOf = (pad, stage) => pad.ui.compare === "side" ? { width: Math.floor(stage.width / 2), height: stage.height } : stage;

/**
 * Create a pad inside of an element.
 * @param {HTMLElement} element @param {import("./transport.js").Transport} transport
 * @param {{notebook?: boolean, theme?: "auto" | "light" | "dark", locale?: Record<string, string>}} [options]
 * @returns {() => void} removes the pad
 */
export function mountPad(element, transport, options = {}) {
  Object.assign(translations, options.locale ?? {});
  const root = h("div", { class: "colorzoo-pad", data: { state: "loading", notebook: String(Boolean(options.notebook)) } });
  element.replaceChildren(root);
  const pad = new Pad(root, transport, { notebook: Boolean(options.notebook), theme: options.theme ?? "auto" });
  const { stop, stageEl } = pad;
  listenToStage(stageEl, stageGestures(pad), stop.signal);
  listenToKeyboard(pad, stop.signal);
  listenToDrops(pad, stop.signal);
  window.addEventListener("beforeunload", (event) => pad.session.unsaved && hasWork(pad.doc) && event.preventDefault(), { signal: stop.signal });
  window.addEventListener("pagehide", () => saveBeforeUnload(pad), { signal: stop.signal });
  const observer = watchSize(pad, pad.page.main);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const ants = setInterval(() => pad.ui.selection && !pad.ui.drag && !still.matches && pad.redrawMarks(), ANTS_EVERY);
  if (!options.notebook) /** @type {any} */ (window).colorzooPad = scriptingApi(pad);
  pad.changed();
  return () => {
    stop.abort();
    observer.disconnect();
    clearInterval(ants);
    pad.queue.stop();
    pad.tabs.release();
    transport.close();
    root.remove();
  };
}

function scriptingApi(pad) {
  return {
    recipe: () => (pad.photo ? currentRecipe(pad) : null),
    points: () => {
      const points = pad.doc.points.filter(({ muted }) => !muted).map((point) => ({ ...point, untouched: false }));
      return currentRecipe(pad, { ...pad.doc, points }).points ?? [];
    },
    inside: () => {
      const { x, y, width, height } = insideOf(pad) ?? { x: 0, y: 0, ...pad.photo };
      return [x, y, width, height];
    },
    showsExtent: () => Boolean(pad.ui.extent?.layer),
    photo: () => pad.photo && { name: pad.photo.name, width: pad.photo.width, height: pad.photo.height, ...pad.photo.image },
    state: () => pad.state(),
    setRecipe: (recipe) => pad.edit(toDocument(pad, recipe), t("load edits")),
    select: (index) => {
      selectPoint(pad, pad.doc.points[index]?.id ?? null);
      return requestSuggestions(pad);
    },
    toPage: (x, y) => {
      const box = pad.stageEl.getBoundingClientRect();
      const [left, top] = photoToStage(pad, x, y);
      return [box.left + left, box.top + top];
    },
  };
}

function render({ model, el, signal }) {
  const light = document.body.dataset.jpThemeLight; // JupyterLab's theme; elsewhere that of the system
  const theme = { true: "light", false: "dark" }[light] ?? "auto";
  const cleanup = mountPad(el, widgetTransport(model), { notebook: true, theme });
  signal?.addEventListener("abort", cleanup, { once: true });
  return cleanup;
}

/** @type {HTMLElement | null} */
const place = typeof document === "undefined" ? null : document.querySelector("[data-colorzoo-pad]");
if (place) mountPad(place, webTransport());
export default { render };

export { webTransport };
