/**
 * The drawing pad: color a picture by hand. The same module serves the page of `colorzoo studio` and the notebook widget.
 * docs/studio_protocol.md describes the messages; this file puts the parts together.
 */

import { carrierOf, widgetCarrier } from "./carrier.js";
import { createEmpty, createRail, createSplitHandle, createStageBar, createStatus, createTopBar, listenToDrops } from "./chrome.js";
import { Client, ColorQueue, isForgotten } from "./client.js";
import { atLightness } from "./color.js";
import { createColorPanel } from "./colorpanel.js";
import { currentRecipe, foreseen, requestColor, requestRegions, requestSuggestions, wantClasses } from "./coloring.js";
import { listenToKeyboard, runCommand } from "./commands.js";
import { createDialogs } from "./dialogs.js";
import { History, emptyDoc } from "./document.js";
import { h, oncePerFrame, setAttr, t, translations } from "./dom.js";
import { selectPoint } from "./edits.js";
import { autosaveSoon, begin, docOf, keepWork, replaceDoc, sendAgain, showProgress } from "./files.js";
import { createHintsPanel, createModelPanel, createReferencePanel, createRegionsPanel, createStatisticsPanel } from "./modepanels.js";
import { listenToStage } from "./pointer.js";
import { createBoxesPanel, createClassesPanel } from "./shapepanels.js";
import { drawMarks, drawPhoto, paneSize, photoToStage } from "./stage.js";
import { loadSettings, saveSettings } from "./storage.js";
import { Tabs } from "./tabs.js";
import { createToasts } from "./toasts.js";
import { stageGestures, toolsFor } from "./tools.js";
import { webTransport } from "./transport.js";
import { fitView, limitView, reveal } from "./view.js";
import { createPendingPanel, createZonesPanel } from "./zonepanel.js";

const REST = 300;

function firstUi(settings) {
  return {
    link: "connecting", loading: null, failure: null, said: "", tool: "point", toolBefore: null, selected: null, size: 3, reach: "automatic", extent: null,
    ab: [30, 40], luma: 60, sticky: false, recent: settings.recent ?? [], suggestions: null, pointInfo: {}, view: null,
    stage: { width: 0, height: 0 }, compare: "result", split: 0.5, hold: false, before: "gray", panning: false, cursor: null, cross: null,
    zone: null, pending: null, zonePath: null, band: null, answered: null, unshown: null,
    wanted: null, drag: null, stroke: null, shape: null, shaping: null, paintClass: null, regions: null, regionPick: [], classes: null, showClasses: false, exemplar: null, matched: null,
    statistics: null, works: [], notes: [], dropping: false, opening: null, once: false,
  };
}

/** @param {string} text @returns {string} with a capital letter at its beginning */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** What all parts of the pad share: the work, what is seen, and how to change both. */
class Pad {
  /** @param {HTMLElement} root @param {import("./transport.js").Transport} transport @param {{notebook: boolean}} options */
  constructor(root, transport, options) {
    this.root = root;
    this.transport = transport;
    this.options = options;
    this.settings = { theme: "auto", singleKeys: true, leftHanded: false, ...loadSettings() };
    this.ui = firstUi(this.settings);
    this.photo = null;
    this.tabs = new Tabs();
    this.stop = new AbortController();
    this.models = [];
    this.limits = {};
    this.start = null;
    this.reference = null;
    this.history = new History(emptyDoc());
    this.computing = new Set();
    this.input = null;
    this.greeted = false;
    this.client = new Client(transport);
    this.queue = new ColorQueue((quality) => requestColor(this, quality), { rest: REST, wantsFull: () => this.wantsFull(), doc: () => this.doc, met: () => foreseen(this) });
    this.changed = oncePerFrame(() => this.update());
    this.redraw = oncePerFrame(() => this.draw());
    this.redrawMarks = oncePerFrame(() => this.drawMarks());
    this.update = () => {};
    this.draw = () => {};
    this.drawMarks = () => {};
    this.painted = [];
  }

  /** @returns {import("./document.js").Doc} */
  get doc() {
    return this.history.now;
  }

  /** @returns {any} the card of the chosen model */
  model() {
    return this.models.find(({ name }) => name === this.doc.model) ?? null;
  }

  /** @param {string} kind of guidance */
  accepts(kind) {
    return this.model()?.guidance.includes(kind) ?? false;
  }

  tools() {
    return toolsFor(this.model()?.guidance ?? []);
  }

  /** @returns {number} photo pixels in one pixel of the network */
  perNetworkPixel() {
    const { width, height, network } = this.photo;
    return Math.max(1, Math.min(width, height) / network);
  }

  /** @returns {number} lightness of the photo there */
  lumaAt(x, y) {
    return this.photo.luma.at(x / this.photo.width, y / this.photo.height);
  }

  /** @returns {[number, number]} what the brush paints there */
  paintAb(x, y) {
    return atLightness([this.ui.luma, ...this.ui.ab], this.lumaAt(x, y));
  }

  selectedPoint() {
    return this.doc.points.find(({ id }) => id === this.ui.selected) ?? null;
  }

  /** Change what is seen. @param {Record<string, any>} patch */
  set(patch) {
    Object.assign(this.ui, patch);
    this.changed();
  }

  /** Change the work while something is dragged. @param {import("./document.js").Doc} doc */
  preview(doc) {
    this.history.preview(doc);
    this.queue.drag();
    this.changed();
  }

  /** Make what was previewed a step of undo. @param {string} label */
  commit(label) {
    if (this.history.commit(label)) this.edited();
    this.changed();
  }

  /** Change the work in one step. @param {import("./document.js").Doc} doc @param {string} label */
  edit(doc, label) {
    this.history.preview(doc);
    this.commit(label);
  }

  cancel() {
    const had = this.history.before !== null;
    this.history.cancel();
    if (!this.selectedPoint()) this.ui.selected = null;
    if (had) this.queue.final();
    this.changed();
  }

  /** The work is another than before. */
  edited() {
    this.queue.final();
    if (this.ui.suggestions) this.ui.suggestions = { ...this.ui.suggestions, stale: true };
    autosaveSoon(this);
    this.changed();
  }

  /** Begin a new document. @param {import("./document.js").Doc} doc */
  startOver(doc) {
    this.history = new History(doc);
    this.set({
      zone: null, pending: null, zonePath: null, band: null,
      selected: null, suggestions: null, regions: null, regionPick: [], shape: null, shaping: null, classes: null, exemplar: null, statistics: null,
      matched: null, cross: null, wanted: null, pointInfo: {}, failure: null,
    });
    this.reference = null;
    autosaveSoon(this);
  }

  /** The stage has another photo or size. */
  fit() {
    if (this.photo) this.set({ view: fitView(this.photo, paneSize(this)) });
  }

  revealPlace(x, y) {
    this.set({ view: reveal(this.ui.view, this.photo, paneSize(this), x, y) });
  }

  /** @returns {boolean} whether every pixel would be seen but was not computed */
  wantsFull() {
    const { photo, ui } = this;
    if (!photo || photo.exact || photo.view[0] >= photo.width || ui.drag) return false;
    return ui.view.scale * (window.devicePixelRatio || 1) > (photo.view[0] / photo.width) * 1.05;
  }

  /** @returns {"empty" | "loading" | "ready" | "computing" | "failed" | "offline"} */
  state() {
    if (this.ui.link === "offline" || this.ui.link === "refused") return "offline";
    if (this.ui.loading) return "loading";
    if (!this.photo) return "empty";
    if (this.ui.failure) return "failed";
    return this.computing.size ? "computing" : "ready";
  }

  /** Tell screen readers. @param {string} text @param {boolean} [quiet] only if nothing else was said just now */
  say(text, quiet = false) {
    if (quiet && performance.now() - (this.saidAt ?? 0) < 1500) return;
    this.saidAt = performance.now();
    this.set({ said: text });
  }

  toast(text, kind = "info", action = null) {
    this.toasts.add(sentence(text), kind, action);
  }

  /** Ask, and show what went wrong. @param {object} message */
  async ask(message) {
    const work = {};
    this.computing.add(work);
    this.changed();
    try {
      return await this.client.ask(message);
    } catch (error) {
      this.toast(error.message, "error");
      return null;
    } finally {
      this.computing.delete(work);
      this.changed();
    }
  }

  /** @param {string} id of a command @param {Event} [event] */
  run(id, event) {
    runCommand(this, id, event);
  }

  /** @param {string} tool */
  setTool(tool) {
    if (this.ui.tool !== "dropper") this.ui.toolBefore = this.ui.tool;
    this.set({ tool, cross: null, shaping: null, pending: tool === "area" ? this.ui.pending : null });
    wantClasses(this);
    const { label } = this.tools().find(({ id }) => id === tool) ?? {};
    if (label) this.say(t(label));
  }

  /** @param {string} name */
  setModel(name) {
    this.edit({ ...this.doc, model: name }, t("model"));
    this.ask({ type: "model", name });
    this.modelChanged();
  }

  /** Offer what this model accepts. */
  modelChanged() {
    const tools = this.tools();
    if (!tools.some(({ id }) => id === this.ui.tool)) this.set({ tool: tools.find(({ asked }) => !asked).id });
    if (this.ui.regions && !this.accepts("regions")) this.set({ regions: null, regionPick: [] });
    if (this.accepts("regions") && !this.ui.regions && this.photo && this.ui.link === "open") requestRegions(this);
    wantClasses(this);
    this.changed();
  }

  setSetting(name, value) {
    this.settings[name] = value;
    this.saveSettings();
    this.changed();
  }

  saveSettings() {
    saveSettings({ ...this.settings, recent: this.ui.recent });
  }

  expectSuggestions(id, pointId) {
    this.suggesting = { id, pointId };
    if (this.ui.suggestions?.pointId === pointId) this.ui.suggestions = { ...this.ui.suggestions, stale: true };
  }

  /** @param {() => void} callback after the photo was drawn */
  paintNext(callback) {
    this.painted.push(callback);
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

  /** The server has put the photo away: send it again. @returns {Promise<boolean>} whether it has it now */
  mend() {
    this.mending ??= this.sendAgain().finally(() => {
      this.mending = null;
    });
    return this.mending;
  }

  async sendAgain() {
    try {
      if (await sendAgain(this)) return true;
      this.set({ failure: t("The server has closed this photo. Open it again; the hints are kept in the recipe.") });
    } catch (error) {
      this.set({ failure: error.message });
    }
    return false;
  }

  /** Send the photo again and color it. */
  async resync() {
    if (await this.mend()) this.queue.final();
  }

  /** A message that answers nothing. @param {any} message @param {Uint8Array[]} buffers */
  inform(message, buffers = []) {
    const takes = { hello: () => this.hello(message), progress: () => showProgress(this, message, buffers), suggestions: () => this.takeSuggestions(message), model: () => this.takeModel(message) };
    if (message.type === "recipe" && this.photo) replaceDoc(this, message.recipe, t("recipe")).catch((error) => this.toast(error.message, "error"));
    else if (message.type === "error") {
      if (!isForgotten(message)) this.toast(message.message, "error"); // else the request that it belongs to is sent again
    } else takes[message.type]?.();
  }

  takeSuggestions(message) {
    const wanted = this.suggesting;
    if (wanted?.id !== message.re || wanted.pointId !== this.ui.selected) return;
    this.set({ suggestions: { items: message.items, entropy: message.entropy, pointId: wanted.pointId, stale: false } });
  }

  takeModel(message) {
    const model = this.models.find(({ name }) => name === message.name);
    if (message.detects && model && !model.detects) this.queue.final(); // it was told that there are no things
    if (model) Object.assign(model, { ready: true, guidance: message.accepts ?? model.guidance, detects: message.detects });
    for (const note of message.notes ?? []) this.toast(note);
    this.modelChanged();
  }

  /** Begin with the default model; also where another side has taken over, which does not have the one in use. */
  chooseModel() {
    const { model: used } = this.doc;
    const here = this.models.filter(({ missing }) => !missing);
    if (used && (!this.greeted || here.some(({ name }) => name === used))) return;
    const name = (here.find((model) => model.default) ?? here[0])?.name ?? "";
    this.history.now = { ...this.doc, model: name };
    if (used) this.toast(t("{used} is not here; {name} colors now.", { used, name }));
  }

  /** @param {any} message the greeting, after every connection */
  async hello(message) {
    Object.assign(this, { models: message.models, limits: message.limits ?? {}, start: message.start ?? null, offered: message.recipe ?? null });
    if (this.photo) this.photo.shown = 0;
    this.chooseModel();
    this.set({ link: "open" });
    if (this.greeted) {
      if (message.photo) this.queue.final();
      else if (this.photo) await this.resync();
      return;
    }
    this.greeted = true;
    await begin(this, message);
  }

  /** @param {import("./transport.js").Link} link @param {string} [words] for people, why */
  linkChanged(link, words = "") {
    if (link === "offline" || link === "refused") {
      this.client.abandon();
      this.queue.stop();
      if (this.greeted) this.say(t("Offline. Your edits are kept."));
      this.set({ link, linkWords: words });
    } else if (link === "connecting" && this.ui.link !== "offline") this.set({ link });
  }
}

function buildStage(pad) {
  const photo = h("canvas", { class: "cz-canvas", data: { role: "photo" }, "aria-hidden": "true" });
  const marks = h("canvas", { class: "cz-canvas cz-marks", "aria-hidden": "true" });
  const stage = h("div", { class: "cz-stage", tabindex: "0", role: "application", "aria-label": t("Picture") }, photo, marks);
  pad.stageEl = stage;
  return { stage, photo, marks };
}

function build(pad) {
  const { stage, photo, marks } = buildStage(pad);
  pad.toasts = createToasts();
  pad.dialogs = createDialogs(pad);
  const top = createTopBar(pad);
  const rail = createRail(pad);
  const bar = createStageBar(pad);
  const split = createSplitHandle(pad);
  const status = createStatus(pad);
  const empty = createEmpty(pad);
  const panels = [createPendingPanel, createColorPanel, createZonesPanel, createRegionsPanel, createReferencePanel, createClassesPanel, createBoxesPanel, createStatisticsPanel, createHintsPanel, createModelPanel].map((create) => create(pad));
  const aside = h("aside", { class: "cz-panel", "aria-label": t("Colors and hints") }, ...panels.map(({ el }) => el));
  const main = h("main", { class: "cz-main" }, stage, split.el, empty.el, status.el, bar.el, pad.toasts.el);
  pad.root.replaceChildren(h("div", { class: "cz-frame" }, top.el, rail.el, main, aside), ...pad.dialogs.els);
  const parts = [top, rail, bar, split, status, empty, ...panels];
  pad.drawMarks = () => drawMarks(pad, marks);
  pad.draw = () => {
    drawPhoto(pad, photo);
    pad.drawMarks();
    for (const callback of pad.painted.splice(0)) callback();
  };
  pad.update = () => {
    for (const part of parts) part.update();
    dress(pad, stage);
    pad.draw();
  };
  return { stage, main };
}

/** Attributes of the root that the style sheet reads. */
function dress(pad, stage) {
  const { root, ui, settings } = pad;
  setAttr(root, "data-theme", settings.theme === "auto" ? pad.options.theme : settings.theme);
  setAttr(root, "data-photo", String(Boolean(pad.photo)));
  setAttr(root, "data-hand", settings.leftHanded ? "left" : "right");
  setAttr(root, "data-dropping", ui.dropping ? "true" : null);
  setAttr(stage, "data-tool", ui.panning ? "hand" : ui.tool);
  const count = pad.doc.points.length;
  setAttr(stage, "aria-label", pad.photo ? t("Picture {name}, {count} points. N places a point, question mark shows all keys.", { name: pad.photo.name, count }) : t("No picture"));
}

function watchSize(pad, main) {
  const observer = new ResizeObserver(([entry]) => {
    const { width, height } = entry.contentRect;
    const before = pad.ui.stage;
    pad.ui.stage = { width, height };
    if (!pad.photo || !width) return;
    const fitted = pad.ui.view && before.width ? fitView(pad.photo, { ...paneSizeOf(pad, before) }) : null;
    if (!fitted || Math.abs(fitted.scale - pad.ui.view.scale) < 1e-6) pad.fit();
    else pad.set({ view: limitView(pad.ui.view, pad.photo, paneSize(pad)) });
    pad.draw();
  });
  observer.observe(main);
  return observer;
}

function paneSizeOf(pad, stage) {
  return pad.ui.compare === "side" ? { width: Math.floor(stage.width / 2), height: stage.height } : stage;
}

/**
 * @param {HTMLElement} element @param {import("./transport.js").Transport} transport
 * @param {{notebook?: boolean, theme?: "auto" | "light" | "dark", locale?: Record<string, string>}} [options]
 * @returns {() => void} cleanup
 */
export function mountPad(element, transport, options = {}) {
  Object.assign(translations, options.locale ?? {});
  const root = h("div", { class: "colorzoo-pad", data: { state: "loading", notebook: String(Boolean(options.notebook)) } });
  element.replaceChildren(root);
  const pad = new Pad(root, transport, { notebook: Boolean(options.notebook), theme: options.theme ?? "auto" });
  const { stage, main } = build(pad);
  const { stop } = pad;
  listenToStage(stage, stageGestures(pad), stop.signal);
  listenToKeyboard(pad, stop.signal);
  listenToDrops(pad, stop.signal);
  window.addEventListener("beforeunload", (event) => pad.warnedOfSaving && event.preventDefault(), { signal: stop.signal });
  window.addEventListener("pagehide", () => keepWork(pad), { signal: stop.signal });
  const observer = watchSize(pad, main);
  pad.client.inform = (message, buffers) => pad.inform(message, buffers);
  pad.client.mend = () => pad.mend();
  transport.onstate = (link, words) => pad.linkChanged(link, words);
  if (!options.notebook) window.colorzooPad = forTests(pad);
  pad.changed();
  return () => {
    stop.abort();
    observer.disconnect();
    pad.queue.stop();
    pad.tabs.close();
    transport.close();
    root.remove();
  };
}

/** What scripted sessions may ask and do. */
function forTests(pad) {
  return {
    recipe: () => (pad.photo ? currentRecipe(pad) : null),
    showsExtent: () => Boolean(pad.ui.extent?.layer),
    photo: () => pad.photo && { name: pad.photo.name, width: pad.photo.width, height: pad.photo.height, ...pad.photo.image },
    state: () => pad.state(),
    setRecipe: (recipe) => pad.edit(docOf(pad, recipe), t("recipe")),
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
  const light = document.body.dataset.jpThemeLight; // JupyterLab says so; elsewhere the system decides
  const theme = { true: "light", false: "dark" }[light] ?? "auto";
  const cleanup = mountPad(el, widgetCarrier(model), { notebook: true, theme });
  signal?.addEventListener("abort", cleanup, { once: true });
  return cleanup;
}

const place = typeof document === "undefined" ? null : document.querySelector("[data-colorzoo-pad]");
if (place) mountPad(place, carrierOf(place));

export { webTransport };
export default { render };
