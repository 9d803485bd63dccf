/** Everything around the image: top bar, tool rail, view bar, status, start screen, drag and drop. */

import { COMMAND_BY_ID, isAvailable, keyLabel, runCommand, setCompare } from "./commands.js";
import { button, checkbox, h, icon, setAttr, setText, show, syncList, t } from "./dom.js";
import { setSize } from "./edits.js";
import { deleteWork, openFile, openWork, previewOf, takeDropped, worksToOffer } from "./files.js";
import { isSized } from "./stage.js";
import { TOOLS } from "./tools.js";

const BUSY_AFTER = 200;

function commandButton(pad, id, spec = {}) {
  const command = COMMAND_BY_ID[id];
  const key = command.keys[0] ? keyLabel(command.keys[0]) : undefined;
  const el = button({ label: t(command.label), key, ...spec, onClick: (event) => runCommand(pad, id, event), action: id });
  const update = () => { el.disabled = !isAvailable(pad, id); };
  return { el, update };
}

export function createTopBar(pad) {
  const make = (id, spec) => commandButton(pad, id, spec);
  const open = make("open", { icon: "open", text: t("Open"), caption: t("Open"), className: "cz-ghost" });
  const undo = make("undo", { icon: "undo", caption: t("Undo"), className: "cz-ghost" });
  const redo = make("redo", { icon: "redo", caption: t("Redo"), className: "cz-ghost" });
  const save = make("save", { icon: "save", text: t("Save edits"), caption: t("Save edits"), className: "cz-ghost" });
  const load = make("load", { icon: "load", text: t("Load edits"), caption: t("Load edits"), className: "cz-ghost" });
  const exports = make("export", { icon: "export", text: t("Export"), caption: t("Export"), className: "cz-primary" });
  const help = make("help", { icon: "help", caption: t("Help"), className: "cz-ghost" });
  const name = h("span", { class: "cz-photo-name" });
  const size = h("span", { class: "cz-photo-size" });
  const menu = createMenu(pad);
  const logo = h("span", { class: "cz-mark", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
  const el = h("header", { class: "cz-top" },
    h("div", { class: "cz-brand" }, logo, h("h1", { class: "cz-title" }, "colorzoo")), open.el, h("div", { class: "cz-photo-label" }, name, size),
    h("div", { class: "cz-group" }, undo.el, redo.el), h("div", { class: "cz-group" }, save.el, load.el), h("div", { class: "cz-group cz-group-end" }, help.el, menu.el), exports.el);
  const buttons = [open, undo, redo, save, load, exports, help];
  const update = () => {
    for (const item of buttons) item.update();
    setText(name, pad.ui.loading ?? pad.photo?.name ?? "");
    setText(size, pad.photo && !pad.ui.loading ? `${pad.photo.width} × ${pad.photo.height}` : "");
    exports.el.classList.toggle("cz-busy", pad.ui.exporting);
    menu.update();
  };
  return { el, update };
}

function createMenu(pad) {
  const summary = h("summary", { class: "cz-btn cz-ghost", "aria-label": t("Settings"), title: t("Settings") }, icon("more"), h("span", { class: "cz-caption", "aria-hidden": "true" }, t("More")));
  const close = () => { el.open = false; };
  const checks = [settingCheck(pad, "singleKeys", t("Single-key shortcuts"), t("Choose tools and commands by pressing a single key, such as B for the color brush"))];
  const leave = button({ text: t("Close the photo"), label: t("Close the photo and return to the start page"), className: "cz-ghost cz-wide", onClick: (event) => { close(); runCommand(pad, "close", event); } });
  const clear = button({ text: t("Remove all edits"), label: t("Remove all edits from the photo. Undo restores them."), className: "cz-ghost cz-wide", onClick: (event) => { close(); runCommand(pad, "clear", event); } });
  const body = h("div", { class: "cz-menu-body" }, ...checks.map(({ el }) => el), clear, leave);
  const el = h("details", { class: "cz-menu" }, summary, body);
  el.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !el.open) return;
    event.stopPropagation();
    close();
    summary.focus();
  });
  el.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !el.contains(event.relatedTarget)) close();
  });
  el.ownerDocument.addEventListener("pointerdown", (event) => !el.contains(event.target) && close(), { signal: pad.stop.signal });
  const update = () => {
    for (const check of checks) check.update();
    clear.disabled = !pad.photo;
    leave.disabled = !pad.photo;
  };
  return { el, update };
}

export function settingCheck(pad, name, label, hint) {
  const { el, box } = checkbox(label, (checked) => pad.setSetting(name, checked), hint);
  return { el, update: () => { box.checked = Boolean(pad.settings[name]); } };
}

export function createRail(pad) {
  const tools = TOOLS.map((tool) => ({ tool, ...toolButton(pad, tool) }));
  const el = h("div", { class: "cz-rail", role: "toolbar", "aria-label": t("Tools") }, ...tools.map((tool) => tool.el));
  const update = () => {
    const offered = pad.tools();
    for (const item of tools) {
      show(item.el, offered.includes(item.tool));
      item.el.disabled = !pad.photo;
      setAttr(item.el, "aria-pressed", String(pad.ui.tool === item.tool.id));
    }
  };
  return { el, update };
}

/** Size of new hints, or of the selected point. */
export function createSizeOption(pad, createSlider) {
  const slider = createSlider(t("Size"), 1, 9, (value) => setSize(pad, value), t("Width of the brush, or of the spot around a point that gets exactly this color. 1 is the smallest size, 9 the largest."));
  const update = () => {
    show(slider.el, (pad.accepts("points") || pad.accepts("scribbles")) && isSized(pad));
    slider.update(pad.ui.size, !pad.photo, String(pad.ui.size));
  };
  return { el: slider.el, update };
}

function toolButton(pad, tool) {
  const onClick = (event) => {
    runCommand(pad, `tool-${tool.id}`, event);
    if (event.detail) pad.stageEl.focus({ preventScroll: true });
  };
  const el = button({ icon: tool.icon, label: t(tool.label), key: tool.key, className: `cz-tool ${tool.starts ? "cz-tool-starts" : ""}`, onClick });
  el.append(h("span", { class: "cz-tool-name", "aria-hidden": "true" }, t(tool.name)));
  el.dataset.tool = tool.id;
  return { el };
}

export function createStageBar(pad) {
  const choices = [
    ["result", t("Result"), t("Show the colored photo")], ["split", t("Split"), t("Show before and after with a divider that you can drag")],
    ["side", t("Side by side"), t("Show before and after side by side")], ["gray", t("Before"), t("Show the original photo")],
  ];
  const segments = choices.map(([value, text, label]) => compareButton(pad, value, text, label));
  const compare = h("div", { class: "cz-segments", role: "group", "aria-label": t("Compare before and after") }, ...segments.map(({ el }) => el));
  const hold = createHoldButton(pad);
  const marks = commandButton(pad, "marks", { icon: "eye", className: "cz-float cz-small" });
  const next = commandButton(pad, "next", { icon: "target", text: t("Suggest a point"), className: "cz-float" });
  const zooms = ["zoomout", "zoomin", "fit", "actual"].map((id) => commandButton(pad, id, { icon: { zoomout: "minus", zoomin: "plus", fit: "fit" }[id], text: id === "actual" ? "1:1" : undefined, className: "cz-ghost cz-small" }));
  const percent = h("span", { class: "cz-percent", "aria-live": "off" });
  const zoom = h("div", { class: "cz-zoom", role: "group", "aria-label": t("Zoom") }, zooms[0].el, percent, ...zooms.slice(1).map(({ el }) => el));
  const el = h("div", { class: "cz-stage-bar" }, h("div", { class: "cz-bar-part" }, compare, hold, marks.el), next.el, zoom);
  const update = () => {
    show(el, Boolean(pad.photo));
    for (const segment of segments) segment.update();
    for (const item of zooms) item.update();
    marks.update();
    setAttr(marks.el, "aria-pressed", String(pad.ui.hidesMarks));
    next.update();
    show(next.el, pad.accepts("points") || pad.accepts("regions"));
    if (pad.ui.view) setText(percent, `${Math.round(pad.ui.view.scale * (window.devicePixelRatio || 1) * 100)} %`);
  };
  return { el, update };
}

function compareButton(pad, value, text, label) {
  const run = (event) => (value === "gray" ? runCommand(pad, "gray", event) : setCompare(pad, pad.ui.compare === value ? "result" : value));
  const el = button({ text, label, className: "cz-segment", onClick: run, action: { split: "compare", gray: "gray" }[value] ?? `compare-${value}` });
  const update = () => setAttr(el, "aria-pressed", String(pad.ui.compare === value));
  return { el, update };
}

function createHoldButton(pad) {
  const el = button({ icon: "compare", label: t("Hold to see the original photo"), key: "O", className: "cz-float cz-small", onClick: () => {}, action: "hold" });
  const set = (hold) => () => pad.set({ hold });
  el.addEventListener("pointerdown", set(true));
  for (const type of ["pointerup", "pointercancel", "pointerleave", "blur"]) el.addEventListener(type, set(false));
  el.addEventListener("keydown", (event) => event.key === "Enter" && pad.set({ hold: !pad.ui.hold }));
  return el;
}

export function createSplitHandle(pad) {
  const el = h("div", { class: "cz-split", role: "slider", tabindex: "0", "aria-label": t("Divider between before and after"), "aria-valuemin": 0, "aria-valuemax": 100 }, h("span", { class: "cz-split-knob" }));
  const move = (share) => pad.set({ split: Math.min(0.98, Math.max(0.02, share)) });
  el.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    el.setPointerCapture(event.pointerId);
  });
  el.addEventListener("pointermove", (event) => {
    if (!el.hasPointerCapture(event.pointerId)) return;
    const box = el.parentElement.getBoundingClientRect();
    move((event.clientX - box.left) / box.width);
  });
  el.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    move(pad.ui.split + step);
  });
  const update = () => {
    show(el, Boolean(pad.photo) && pad.ui.compare === "split");
    el.style.left = `${pad.ui.split * 100}%`;
    setAttr(el, "aria-valuenow", Math.round(pad.ui.split * 100));
  };
  return { el, update };
}

const STATE_LABELS = {
  empty: "No photo", loading: "Opening …", ready: "Ready", computing: "Coloring …", failed: "Coloring failed", offline: "Offline",
};

export function createStatus(pad) {
  const words = h("span", { class: "cz-status-words" });
  const pill = h("div", { class: "cz-status" }, h("span", { class: "cz-status-dot" }), words);
  const retry = button({ icon: "retry", text: t("Retry"), className: "cz-small", onClick: () => pad.retry() });
  const text = h("p", {});
  const banner = h("div", { class: "cz-banner", role: "alert" }, icon("warn"), text, retry);
  const live = h("div", { class: "cz-visually-hidden", role: "status", "aria-live": "polite" });
  const el = h("div", { class: "cz-status-area" }, pill, banner, live);
  let since = 0;
  const update = () => {
    const state = pad.state();
    if (state !== "computing") since = 0;
    else if (!since) {
      since = performance.now();
      setTimeout(update, BUSY_AFTER);
    }
    const shown = state === "computing" && performance.now() - since < BUSY_AFTER ? "ready" : state;
    setAttr(pad.root, "data-state", state);
    setAttr(pill, "data-state", shown);
    setText(words, t(shown === "computing" && !pad.session.colored ? "Loading the coloring model …" : STATE_LABELS[shown]));
    show(pill, shown !== "empty" && shown !== "loading");
    const problem = bannerText(pad, state);
    show(banner, problem !== "");
    setText(text, problem);
    setText(live, pad.ui.announcement);
  };
  return { el, update };
}

function bannerText(pad, state) {
  if (state === "offline" && pad.ui.linkWords) return pad.ui.linkWords;
  if (pad.ui.link === "refused") return t("This page has no access to colorzoo. Open the address that colorzoo showed when it started.");
  if (state === "offline") return pad.photo ? t("No connection. Your edits are kept, and the photo is colored again when the connection is restored.") : t("No connection to the coloring server. Trying again …");
  const { failure } = pad.ui;
  return state === "failed" ? failure : "";
}

export function createStartScreen(pad) {
  const choose = button({ icon: "open", text: t("Choose a photo"), className: "cz-primary cz-large", onClick: (event) => runCommand(pad, "open", event) });
  const works = h("div", { class: "cz-works", role: "group", "aria-label": t("Continue earlier work") });
  const worksTitle = h("h3", { class: "cz-heading" }, t("Continue earlier work"));
  const words = h("p", { class: "cz-empty-words" }, t("Drop or paste a photo here, or choose a file. Photos may be black and white or in color. Existing colors are ignored."));
  const invite = h("div", { class: "cz-empty-card" }, h("div", { class: "cz-empty-art", "aria-hidden": "true" }, h("i"), h("i"), h("i")), h("h2", {}, t("Colorize a photo")), words, choose);
  const loading = createLoading(pad);
  const el = h("div", { class: "cz-empty" }, invite, h("div", { class: "cz-works-area" }, worksTitle, works), loading.el);
  const urls = new Map();
  const update = () => {
    const kept = worksToOffer(pad);
    const opening = Boolean(pad.ui.loading);
    show(el, !pad.photo || opening);
    loading.update();
    show(invite, !opening && !pad.photo);
    show(works.parentElement, kept.length > 0 && !opening && !pad.photo);
    syncList(works, kept.length, () => workTile(), (tile, index) => fillWork(pad, tile, kept[index], urls));
  };
  return { el, update };
}

function createLoading(pad) {
  const preview = h("img", { class: "cz-glimpse", alt: "", on: { error: () => preview.removeAttribute("src") } });
  const words = h("p", {});
  const bar = h("progress", { class: "cz-progress", "aria-label": t("Progress of opening the photo") });
  const back = button({ text: t("Cancel"), onClick: () => pad.ui.opening?.cancel(), action: "give-up" });
  const el = h("div", { class: "cz-loading" }, preview, h("div", { class: "cz-loading-card" }, words, bar, back));
  let shown = null;
  const update = () => {
    const { loading, opening } = pad.ui;
    const waits = !pad.session.greeted && pad.state() !== "offline";
    show(el, Boolean(loading) || waits);
    setText(words, waits ? t("Loading the coloring model …") : t("Opening {name} …", { name: loading ?? "" }));
    if (shown !== previewOf(pad)) {
      shown = previewOf(pad);
      setAttr(preview, "src", shown);
    }
    el.classList.toggle("cz-loading-photo", Boolean(shown));
    show(preview, Boolean(shown));
    show(back, Boolean(opening));
  };
  return { el, update };
}

function workTile() {
  const open = h("button", { type: "button", class: "cz-work-open" }, h("img", { alt: "" }), h("span"));
  return h("div", { class: "cz-work" }, open, button({ icon: "close", label: t("Delete this saved work"), className: "cz-small", onClick: () => {} }));
}

function fillWork(pad, tile, work, urls) {
  if (!urls.has(work.key) && work.thumbnail) urls.set(work.key, URL.createObjectURL(work.thumbnail));
  const [open, forget] = tile.children;
  setAttr(open.firstElementChild, "src", urls.get(work.key));
  const [, copy] = work.key.split("#");
  setText(open.lastElementChild, copy ? `${work.name} (${copy})` : work.name);
  show(forget, !work.isOffered);
  setAttr(forget, "aria-label", t("Delete {name}", { name: work.name }));
  open.onclick = () => openWork(pad, work);
  forget.onclick = () => deleteWork(pad, work.key);
}

export function listenToDrops(pad, signal) {
  const { root } = pad;
  const isFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  root.addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    if (!pad.ui.dropping) pad.set({ dropping: true });
  }, { signal });
  root.addEventListener("dragleave", (event) => !root.contains(event.relatedTarget) && pad.set({ dropping: false }), { signal });
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    pad.set({ dropping: false });
    takeDropped(pad, event.dataTransfer);
  }, { signal });
  const paste = (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    if (!file || (pad.options.notebook && !pad.hasFocus())) return;
    event.preventDefault();
    openFile(pad, file);
  };
  document.addEventListener("paste", paste, { signal });
}
