/**
 * State of a pad except its document, and the function that changes this state. Other code reads views, which throw on assignment.
 * The document is changed by methods of `Pad`, which stores the undo history.
 *
 * @typedef {ReturnType<typeof initialUi>} Ui
 * @typedef {ReturnType<typeof initialSession>} Session
 */

/** @type {WeakMap<object, object>} state object of each view */
const originals = new WeakMap();

const refuse = () => false; // an assignment throws an error

/** @template {object} T @param {T} original @returns {Readonly<T>} read-only view of the object, which reflects its changes and throws on assignment */
export function readOnly(original) {
  const view = new Proxy(original, { set: refuse, defineProperty: refuse, deleteProperty: refuse });
  originals.set(view, original);
  return view;
}

/** Change the state object of a view. @template {object} T @param {Readonly<T>} view @param {Partial<T>} patch */
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
    judging: false, // hide the outline of the selected area after a color change, until the pointer returns to the photo
    // input in progress: drag, edge stroke, shape or cut, outline of a selection, and a selected object without an action
    drag: null, stroke: null, shaping: null, outline: null, selection: null,
    // settings of the paint brush, its stroke in progress, and strokes that the preview does not contain yet
    brush: { size: null, hardness: 0.5, opacity: 1, erases: false, keeps: true, blend: "color", shades: false, closed: false }, painting: null, freshPaint: [], draggedBorder: null,
    // width of the healing brush, its stroke in progress, and strokes that the preview contains
    healingWidth: null, healing: null, healed: [],
    cropping: null, cropDrag: null, // crop rectangle before confirmation, and its drag
    // mode of the area brush (null: select by clicks and outlines), and its stroke in progress
    areaBrush: null, areaStroke: null,
    replacing: null, coat: null, division: null, // the selected replaced color, coat of paint, and split or join
    // responses of the backend
    suggestions: null, regions: null, regionMap: null, similar: null, held: null, swatch: null, classes: null, exemplar: null, statistics: null, matched: null, extent: null, reachSteps: null, nextPlace: null, awaited: null,
    unavailableColor: null, variants: null,
    // view
    view: null, stage: { width: 0, height: 0 }, compare: "result", split: 0.5, hold: false, hidesMarks: false, panning: false, cursor: null, cross: null,
    showClasses: false, recent: settings.recent ?? [],
  };
}

/** State after a drag was interrupted or finished. */
export const NO_DRAG = { drag: null, stroke: null, shaping: null, outline: null, painting: null, healing: null, cropDrag: null, draggedBorder: null, areaStroke: null };

/** @returns state of the connection and the open photo, and pending actions */
export function initialSession() {
  return {
    // data from the backend; offered: the recipe of a notebook; film: fields of the message `film`
    models: [], kinds: [], limits: {}, start: null, film: null, offered: null, greeted: false,
    selected: false, used: { photo: null, drawing: null }, // whether the user of the server selected the model, and the models used last
    // the open photo, its reference image, and all attached reference images by name
    photo: null, reference: null, references: new Map(),
    // whether any image was colored, number of the last request `color`, and time of the current event
    colored: false, lastColor: 0, input: null,
    // pending request for suggestions, whether a match request is pending, and time of the last announcement
    suggesting: null, matching: false, announcedAt: 0, restoring: null,
    // saving: time of the first unsaved edit, timer of the next save, promise of the last save, whether the last save failed, and the document that was saved last
    unsavedSince: null, saveTimer: 0, saving: Promise.resolve(), unsaved: false, savedDoc: null,
  };
}
