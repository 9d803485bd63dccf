/**
 * The state of a pad apart from its document, and the one function that changes it. Everything else reads views, which throw when they are
 * assigned to; the document changes by the methods of `Pad`, which alone has its history.
 *
 * @typedef {ReturnType<typeof initialUi>} Ui
 * @typedef {ReturnType<typeof initialSession>} Session
 */

/** @type {WeakMap<object, object>} what each view shows */
const originals = new WeakMap();

const refuse = () => false; // makes an assignment throw

/** @template {object} T @param {T} original @returns {Readonly<T>} a view of it, which follows its changes and throws when it is assigned to */
export function readOnly(original) {
  const view = new Proxy(original, { set: refuse, defineProperty: refuse, deleteProperty: refuse });
  originals.set(view, original);
  return view;
}

/** Change what a view shows. @template {object} T @param {Readonly<T>} view @param {Partial<T>} patch */
export const change = (view, patch) => Object.assign(originals.get(view), patch);

/** @param {Record<string, any>} settings @returns state of the user interface, which is not part of the document */
export function initialUi(settings) {
  return {
    // connection and files
    link: "connecting", linkWords: "", loading: null, opening: null, exporting: false, failure: null, works: [], dropping: false, announcement: "",
    // tool and the color of new points
    tool: "point", tab: "color", toolBefore: null, size: 3, reach: "automatic", ab: [30, 40], lightness: 60, swapped: { ab: [0, 0], lightness: 60 }, sticky: false, colorForNext: false, typed: null,
    // selected point, box, area, and regions
    selected: null, box: null, area: null, regionPick: [],
    judging: false, // no outline hides the selected area's new color until the pointer is back on the photo
    // in progress: drag, edge scribble, shape or cut, outline of a selection, and a selected object without an action
    drag: null, stroke: null, shaping: null, outline: null, selection: null,
    // the brush that paints, its stroke in progress, and strokes that the image does not show yet
    brush: { size: null, hardness: 0.5, opacity: 1, erases: false, keeps: true, blend: "color" }, painting: null, freshPaint: [], draggedBorder: null,
    // width of the healing brush, its stroke in progress, and the strokes that the shown image has
    healingWidth: null, healing: null, healed: [],
    cropping: null, cropDrag: null, // the rectangle to crop to that is not confirmed yet, and while it is dragged
    // what the brush of areas does, null to select by clicks and outlines, and its stroke in progress
    areaBrush: null, areaStroke: null,
    replacing: null, coat: null, // the selected replaced color and coat of paint
    // answers of the backend
    suggestions: null, regions: null, classes: null, exemplar: null, statistics: null, matched: null, extent: null, reachSteps: null, nextPlace: null, awaited: null,
    unavailableColor: null, variants: null,
    // view
    view: null, stage: { width: 0, height: 0 }, compare: "result", split: 0.5, hold: false, hidesMarks: false, panning: false, cursor: null, cross: null,
    showClasses: false, recent: settings.recent ?? [],
  };
}

/** What an interrupted or finished drag leaves behind. */
export const NO_DRAG = { drag: null, stroke: null, shaping: null, outline: null, painting: null, healing: null, cropDrag: null, draggedBorder: null, areaStroke: null };

/** @returns what a pad knows of its backend and its photo, and what it is about to do */
export function initialSession() {
  return {
    // what the backend has told; offered: the recipe of a notebook
    models: [], limits: {}, start: null, offered: null, greeted: false,
    // the open photo, its reference image, and all that were attached by their names
    photo: null, reference: null, references: new Map(),
    // whether any image has been colored, the number of the last request to color, and time of the event that is being handled
    colored: false, lastColor: 0, input: null,
    // the request for suggestions that is waited for, whether a match is, and when a text was announced
    suggesting: null, matching: false, announcedAt: 0, restoring: null,
    // saving: time of the first edit that is not saved, timer of the next save, end of the last one, and whether the user knows that nothing is saved
    unsavedSince: null, saveTimer: 0, saving: Promise.resolve(), warnedOfSaving: false,
  };
}
