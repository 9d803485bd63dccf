/** Lists whose rows can be moved by dragging their names, or with Alt and the arrow keys. */

const ROW_DRAG_DISTANCE = 6; // CSS pixels

/** @template T @param {T[]} list @param {number} from @param {number} to @returns {T[]} the list with one entry at another position */
export const moved = (list, from, to) => list.toSpliced(from, 1).toSpliced(to, 0, list[from]);

/** @param {HTMLElement} list @param {(from: number, to: number) => number} move moves a row and returns its new index */
export function sortRows(list, move) {
  /** @type {{from: number, y: number, to: number | null} | null} */
  let drag = null;
  const rows = () => [...list.children];
  const mark = () => rows().forEach((row, index) => {
    const isTarget = drag !== null && drag.to === index && drag.from !== index;
    row.classList.toggle("cz-drop-above", isTarget && index < drag.from);
    row.classList.toggle("cz-drop-below", isTarget && index > drag.from);
  });
  list.addEventListener("pointerdown", (event) => {
    const main = /** @type {Element} */ (event.target).closest(".cz-hint-main");
    if (main && event.button === 0 && event.pointerType !== "touch") drag = { from: rows().indexOf(main.parentElement), y: event.clientY, to: null }; // touch scrolls the list
  });
  list.addEventListener("pointermove", (event) => {
    if (!drag || (drag.to === null && Math.abs(event.clientY - drag.y) < ROW_DRAG_DISTANCE)) return;
    list.setPointerCapture(event.pointerId);
    const below = rows().findIndex((row) => event.clientY < row.getBoundingClientRect().bottom);
    drag = { ...drag, to: below < 0 ? list.children.length - 1 : below };
    mark();
  });
  const end = (drops) => {
    const { from, to } = drag ?? { from: 0, to: null };
    drag = null;
    mark();
    if (drops && to !== null && to !== from) move(from, to);
  };
  list.addEventListener("pointerup", () => end(true));
  list.addEventListener("pointercancel", () => end(false));
  list.addEventListener("keydown", (event) => {
    const step = event.altKey ? { ArrowUp: -1, ArrowDown: 1 }[event.key] : undefined;
    if (!step) return;
    event.preventDefault();
    const from = rows().findIndex((row) => row.contains(/** @type {Node} */ (event.target)));
    /** @type {HTMLElement} */ (list.children[move(from, from + step)].firstElementChild).focus();
  });
}
