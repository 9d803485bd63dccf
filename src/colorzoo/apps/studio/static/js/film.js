/** Film strip: frames and shots of a film, its edits in the film recipe of the server, and colorization in the background. */

import { currentRecipe } from "./recipe.js";
import { button, h, icon, setAttr, setText, show, t } from "./dom.js";
import { openWith, uploadFile } from "./files.js";
import { change } from "./state.js";

const ITEM = 88; // width of a thumbnail with its gap in CSS pixels
const SPARE = 3; // thumbnails beside the visible part of a row
const FRAME_IN_ADDRESS = /^#frame=(\d+)$/; // the open frame is part of the address, so that a reload opens it again

/** Open the frame in the address of the page, the first edited frame, or the first frame. */
export function openFirstFrame(pad) {
  const { edited } = pad.session.film;
  return openFrame(pad, Number(FRAME_IN_ADDRESS.exec(location.hash)?.[1] ?? edited[0] ?? 0));
}

export function openFrame(pad, frame) {
  const wish = { name: t("Frame {frame}", { frame }), file: null, film: null };
  return openWith(pad, wish, async (signal) => {
    const { id, answer } = pad.client.send({ type: "frame", frame });
    signal.addEventListener("abort", () => pad.client.notify({ type: "cancel", re: id }));
    const reply = await answer;
    if (!reply) throw new Error(t("Another frame was chosen."));
    const { message: { recipe, reference: name }, buffers: [image, reference] } = reply;
    wish.file = new File([image], `${wish.name}.png`, { type: "image/png" });
    wish.film = { frame, recipe, reference: name ? { name, file: new File([reference], name) } : null, save: () => saveFrame(pad, frame) };
    history.replaceState(null, "", `#frame=${frame}`);
    return pad.transport.upload(image, wish.name, signal);
  });
}

/** Store the edits of the open frame in the film recipe, unless they are stored already. */
async function saveFrame(pad, frame) {
  const { photo, doc, session: { reference, savedDoc } } = pad;
  if (savedDoc === doc) return;
  change(pad.session, { savedDoc: doc });
  const message = { type: "save_frame", frame, recipe: currentRecipe(pad) };
  const send = (more) => pad.client.send({ ...message, ...more }).answer;
  try {
    const reply = await send({}).catch(async (error) => {
      if (error.code !== "no_reference" || !reference) throw error;
      return send(await uploadFile(pad, (result) => result, reference));
    });
    change(pad.session, { unsaved: false, film: { ...pad.session.film, edited: reply.message.edited, current: false } });
  } catch (error) {
    if (pad.photo !== photo) return;
    change(pad.session, { unsaved: true, savedDoc: null });
    if (error.code !== "offline") pad.toast(error.message, "error"); // saved again after the reconnection
  }
  pad.changed();
}

async function applyToFilm(pad, more = {}) {
  await pad.photo?.film?.save();
  try {
    await pad.client.send({ type: "apply", ...more }).answer;
  } catch (error) {
    if (error.code !== "exists") return pad.toast(error.message, "error");
    pad.toast(error.message, "info", { label: t("Replace"), run: () => applyToFilm(pad, { replace: true }) });
  }
}

const stopRun = (pad) => pad.client.send({ type: "stop" }).answer.catch((error) => pad.toast(error.message, "error"));

/** @returns {number} index of the shot of a frame */
const shotOf = ({ shots }, frame) => Math.max(0, shots.findLastIndex((first) => first <= frame));

/**
 * Row of thumbnails that contains only the elements of its visible part. Arrow keys move the cursor, and Enter chooses its item.
 * @param {string} label @param {{count: () => number, frameAt: (index: number) => number, textOf: (index: number) => string, isOpen: (index: number) => boolean, isEdited: (index: number) => boolean, choose: (index: number) => void}} source
 */
function createRow(pad, label, source) {
  const track = h("div", { class: "cz-film-track", role: "presentation" });
  const el = h("div", { class: "cz-film-row", role: "listbox", tabindex: "0", "aria-label": label }, track);
  const name = label.replace(/\W/g, "");
  let cursor = 0;
  /** @type {Map<number, HTMLElement>} */
  const items = new Map();
  const make = (index) => {
    const item = h("div", { class: "cz-film-item", role: "option", id: `cz-film-${name}-${index}`, on: { click: () => choose(index) } }, h("img", { alt: "" }), h("span"));
    item.style.left = `${index * ITEM}px`;
    track.append(item);
    items.set(index, item);
    return item;
  };
  const choose = (index) => {
    cursor = index;
    source.choose(index);
  };
  const update = () => {
    const count = source.count();
    track.style.width = `${count * ITEM}px`;
    cursor = Math.max(0, Math.min(cursor, count - 1));
    const first = Math.max(0, Math.floor(el.scrollLeft / ITEM) - SPARE);
    const last = Math.min(count, Math.ceil((el.scrollLeft + el.clientWidth) / ITEM) + SPARE);
    for (const [index, item] of items) {
      if (index >= first && index < last) continue;
      item.remove();
      items.delete(index);
    }
    for (let index = first; index < last; index += 1) {
      const item = items.get(index) ?? make(index);
      const text = source.textOf(index);
      setAttr(item.firstElementChild, "src", `api/film/thumbnail/${source.frameAt(index)}?v=${pad.session.film.version}`);
      setText(item.lastElementChild, text);
      setAttr(item, "aria-label", source.isEdited(index) ? t("{text}, edited", { text }) : text);
      setAttr(item, "aria-selected", String(source.isOpen(index)));
      setAttr(item, "data-edited", source.isEdited(index) ? "true" : null);
      setAttr(item, "data-cursor", index === cursor ? "true" : null);
    }
    setAttr(el, "aria-activedescendant", items.has(cursor) ? `cz-film-${name}-${cursor}` : null);
  };
  /** Scroll to an item, unless it is visible. */
  const reveal = (index) => {
    cursor = index;
    const [left, right] = [index * ITEM, (index + 1) * ITEM];
    if (left < el.scrollLeft) el.scrollLeft = left;
    else if (right > el.scrollLeft + el.clientWidth) el.scrollLeft = right - el.clientWidth + 6;
    update();
  };
  el.addEventListener("scroll", update);
  el.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(el.clientWidth / ITEM) - 1);
    const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity }[event.key];
    if (move === undefined && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    if (move === undefined) choose(cursor);
    else reveal(Math.max(0, Math.min(source.count() - 1, cursor + move)));
  });
  return { el, update, reveal };
}

function createPlayer() {
  const image = h("img", { alt: t("The shot in color") });
  const close = button({ icon: "close", label: t("Close"), className: "cz-ghost", onClick: () => el.close() });
  const el = /** @type {HTMLDialogElement} */ (h("dialog", { class: "cz-dialog cz-film-player", "aria-label": t("Preview of the shot") }, h("div", { class: "cz-dialog-head" }, h("h2", {}, t("Preview of the shot")), close), image));
  el.addEventListener("close", () => image.removeAttribute("src"));
  const play = (frame) => {
    setAttr(image, "src", `api/film/play/${frame}?t=${Date.now()}`); // played again on each call
    el.showModal();
  };
  return { el, play };
}

const jobText = ({ job, count, indexed, error }) => {
  if (job.state === "running") return t(job.step === "finding shots" ? "Finding shots: frame {done} of {count}" : "Coloring frame {done} of {count}", { done: job.done, count });
  if (error) return error;
  return indexed ? job.text ?? "" : t("Reading the film: {count} frames", { count });
};

export function createFilmStrip(pad) {
  let picked = 0; // index of the shot whose frames are shown
  let shown = null; // the open frame at the last update
  const film = () => pad.session.film;
  const firstOf = (shot) => film().shots[shot] ?? 0;
  const endOf = (shot) => film().shots[shot + 1] ?? film().count;
  const isEdited = (first, end) => film().edited.some((frame) => frame >= first && frame < end);
  const pick = (shot) => {
    picked = shot;
    update();
    frames.reveal(Math.max(0, (shown ?? 0) - firstOf(shot)) % Math.max(1, endOf(shot) - firstOf(shot)));
  };
  const shots = createRow(pad, t("Shots"), {
    count: () => film().shots.length, frameAt: firstOf, textOf: (shot) => t("Shot {n}", { n: shot + 1 }),
    isOpen: (shot) => shot === picked, isEdited: (shot) => isEdited(firstOf(shot), endOf(shot)), choose: pick,
  });
  const frames = createRow(pad, t("Frames"), {
    count: () => endOf(picked) - firstOf(picked), frameAt: (index) => firstOf(picked) + index, textOf: (index) => t("Frame {frame}", { frame: firstOf(picked) + index }),
    isOpen: (index) => firstOf(picked) + index === shown, isEdited: (index) => isEdited(firstOf(picked) + index, firstOf(picked) + index + 1),
    choose: (index) => openFrame(pad, firstOf(picked) + index),
  });
  const player = createPlayer();
  const number = h("input", { class: "cz-input", type: "number", min: 0, "aria-label": t("Go to frame"), title: t("Go to frame"), on: { change: () => number.value !== "" && openFrame(pad, Number(number.value)) } });
  const label = h("span", { class: "cz-film-label" });
  const words = h("span", { class: "cz-film-words", role: "status" });
  const progress = h("progress", { class: "cz-film-progress", "aria-label": t("Progress of coloring the film") });
  const cancel = button({ text: t("Cancel"), label: t("Cancel. Finished shots are kept for the next run."), className: "cz-small", onClick: () => stopRun(pad), action: "film-cancel" });
  const play = button({ text: t("Play the shot"), label: t("Play the shot in the colors of the last result"), className: "cz-small", onClick: () => player.play(firstOf(picked)), action: "film-play" });
  const download = h("a", { class: "cz-btn cz-small", href: "api/film/result", download: "", "data-action": "film-download" }, icon("export"), h("span", { class: "cz-btn-text" }, t("Download")));
  const apply = button({ text: t("Apply to film"), label: t("Color the film with the edits of all frames"), className: "cz-small cz-primary", onClick: () => applyToFilm(pad), action: "film-apply" });
  const bar = h("div", { class: "cz-film-bar" }, label, number, words, progress, cancel, play, download, apply);
  const el = h("section", { class: "cz-film", "aria-label": t("Film") }, bar, shots.el, frames.el, player.el);
  const update = () => {
    show(el, Boolean(film()));
    setAttr(pad.root, "data-film", film() ? "true" : null);
    if (!film()) return;
    const { count, job, version, file, out, edited, current } = film();
    const isRunning = job.state === "running";
    const open = pad.photo?.film?.frame ?? null;
    if (open !== shown) {
      shown = open;
      if (open !== null) pick(shotOf(film(), open));
    }
    const one = film().shots.length < 2;
    setText(label, one ? film().name : t("{name}: shot {n} of {count}", { name: film().name, n: picked + 1, count: film().shots.length }));
    if (document.activeElement !== number) number.value = String(shown ?? "");
    setAttr(number, "max", count - 1);
    const facts = isRunning ? [] : [version ? t("Result: {out}", { out }) : "", edited.length ? t("Edited frames: {n}", { n: edited.length }) : ""];
    setText(words, [...facts, jobText(film())].filter(Boolean).join(" · "));
    setAttr(words, "title", words.textContent);
    show(progress, isRunning);
    setAttr(progress, "max", count || 1);
    setAttr(progress, "value", job.done ?? 0);
    show(cancel, isRunning);
    show(play, version > 0);
    show(download, version > 0 && file);
    show(apply, !isRunning);
    apply.disabled = current || pad.ui.link !== "open";
    show(shots.el, !one);
    shots.update();
    frames.update();
  };
  const observer = new ResizeObserver(() => film() && update());
  observer.observe(frames.el);
  pad.stop.signal.addEventListener("abort", () => observer.disconnect());
  return { el, update };
}
