/**
 * Gestures on the image: one finger, the mouse or a pen uses the tool, two fingers zoom and pan, taps with two or three undo and redo.
 * Touches beside a pen come from the palm and are ignored.
 */

const LONG_PRESS = 550;
const TAP_TIME = 280;
const TAP_DISTANCE = 6;
const NEAR_MOUSE = 9;
const NEAR_TOUCH = 22;
const PALM_TIME = 400; // ms after the last event of a pen in which touches are ignored; a hovering pen sends events too

/**
 * @param {HTMLElement} el
 * @param {{down: (at: Spot) => void, move: (at: Spot) => void, up: (at: Spot) => void, cancel: () => void, hover: (at: Spot | null) => void,
 *   erase: (at: Spot) => void, erases: () => boolean, pan: (dx: number, dy: number) => void, zoom: (factor: number, at: [number, number]) => void,
 *   tap: (fingers: number) => void, wantsPan: () => boolean, wantsWheel: (event: WheelEvent) => boolean, resize: (step: number) => void}} to
 * @param {AbortSignal} signal
 *
 * @typedef {{x: number, y: number, event: PointerEvent, touch: boolean}} Spot  CSS pixels on the stage
 */
export function listenToStage(el, to, signal) {
  const hand = { fingers: new Map(), mode: "idle", start: null, timer: 0, most: 0, began: 0, moved: false, penUsed: -Infinity };
  const spot = (event) => {
    if (event.pointerType === "pen") hand.penUsed = event.timeStamp;
    const box = el.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, event, touch: event.pointerType === "touch" };
  };
  const listen = (type, listener, options = {}) => el.addEventListener(type, listener, { signal, ...options });
  listen("pointerdown", (event) => onDown(el, hand, to, spot(event)));
  listen("pointermove", (event) => onMove(hand, to, spot(event)));
  listen("pointerup", (event) => onUp(hand, to, spot(event)));
  listen("pointercancel", (event) => onCancel(hand, to, event));
  listen("pointerleave", () => hand.mode === "idle" && to.hover(null));
  listen("contextmenu", (event) => event.preventDefault());
  listen("wheel", (event) => onWheel(event, to, spot(event)), { passive: false });
}

function onDown(el, hand, to, at) {
  const { event } = at;
  const drawing = [...hand.fingers.values()].some(({ touch }) => !touch); // with a pen or mouse
  if (at.touch && (drawing || event.timeStamp - hand.penUsed < PALM_TIME)) return undefined;
  if (!at.touch) dropFingers(hand, to);
  el.setPointerCapture(event.pointerId);
  if (event.button !== 1) el.focus({ preventScroll: true });
  hand.fingers.set(event.pointerId, at);
  if (hand.fingers.size > 1) return pinchStarts(hand, to);
  Object.assign(hand, { start: at, moved: false, most: 1, began: event.timeStamp });
  if (event.button === 2 || (event.button === 0 && event.ctrlKey && !event.shiftKey && isMac())) {
    hand.mode = "done";
    to.erase(at);
  } else if (event.button === 1 || to.wantsPan()) hand.mode = "pan";
  else if (event.button === 0) {
    hand.mode = "work";
    to.down(at);
    if (at.touch && to.erases()) hand.timer = setTimeout(() => longPress(hand, to, at), LONG_PRESS);
  }
  return undefined;
}

export const nearBy = (at) => (at.touch ? NEAR_TOUCH : NEAR_MOUSE);

const isMac = () => /mac/i.test(navigator.platform ?? "");

function longPress(hand, to, at) {
  if (hand.mode !== "work" || hand.moved) return;
  hand.mode = "done";
  to.cancel();
  to.erase(at);
}

/** Cancel the current gesture, because a touch before that of a pen came from the palm. */
function dropFingers(hand, to) {
  clearTimeout(hand.timer);
  if (hand.mode === "work") to.cancel();
  hand.fingers.clear();
  hand.mode = "idle";
}

function pinchStarts(hand, to) {
  clearTimeout(hand.timer);
  if (hand.mode === "work") to.cancel();
  hand.mode = "pinch";
  hand.most = Math.max(hand.most, hand.fingers.size);
}

function onMove(hand, to, at) {
  const { event } = at;
  const last = hand.fingers.get(event.pointerId);
  if (!last) return at.touch ? undefined : to.hover(at); // an ignored touch
  if (hand.start && Math.hypot(at.x - hand.start.x, at.y - hand.start.y) > TAP_DISTANCE) {
    hand.moved = true;
    clearTimeout(hand.timer);
  }
  if (hand.mode === "pinch") pinch(hand, to, event.pointerId, last, at);
  hand.fingers.set(event.pointerId, at);
  if (hand.mode === "pan") to.pan(at.x - last.x, at.y - last.y);
  else if (hand.mode === "work") to.move(at);
  return undefined;
}

function pinch(hand, to, id, last, at) {
  const other = [...hand.fingers].find(([key]) => key !== id)?.[1];
  if (!other) return;
  const middle = (spot) => [(spot.x + other.x) / 2, (spot.y + other.y) / 2];
  const [from, now] = [middle(last), middle(at)];
  const spread = (spot) => Math.max(10, Math.hypot(spot.x - other.x, spot.y - other.y));
  to.pan(now[0] - from[0], now[1] - from[1]);
  to.zoom(spread(at) / spread(last), now);
}

function onUp(hand, to, at) {
  if (!hand.fingers.delete(at.event.pointerId)) return;
  clearTimeout(hand.timer);
  if (hand.mode === "work") to.up(at);
  const quick = at.event.timeStamp - hand.began < TAP_TIME;
  if (hand.mode === "pinch" && hand.fingers.size === 0 && quick && !hand.moved) to.tap(hand.most);
  if (hand.fingers.size === 0) hand.mode = "idle";
}

function onCancel(hand, to, event) {
  if (!hand.fingers.delete(event.pointerId)) return;
  clearTimeout(hand.timer);
  if (hand.mode === "work") to.cancel();
  if (hand.fingers.size === 0) hand.mode = "idle";
}

function onWheel(event, to, at) {
  if (!to.wantsWheel(event)) return;
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 200 : 1;
  if (event.altKey) return to.resize(-Math.sign(event.deltaY));
  if (event.shiftKey && !event.ctrlKey) return to.pan(-(event.deltaX || event.deltaY) * unit, 0);
  const speed = event.ctrlKey ? 0.01 : 0.0015;
  return to.zoom(Math.exp(-event.deltaY * unit * speed), [at.x, at.y]);
}
