/**
 * How messages travel: a websocket to the server, widget messages to a notebook's kernel, or messages to a web worker that colors in the
 * browser. docs/studio_protocol.md describes the messages.
 *
 * @typedef {"connecting" | "open" | "offline" | "refused"} Link
 * @typedef {{send: (message: object, buffers?: Uint8Array[]) => boolean, onmessage: (message: any, buffers: Uint8Array[]) => void,
 *   onstate: (state: Link, text?: string) => void, upload: (bytes: Uint8Array, name: string, signal?: AbortSignal) => Promise<{upload?: string, buffer?: Uint8Array}>,
 *   download: (message: any, buffers: Uint8Array[]) => void, glimpse?: () => Promise<Blob | null>, reconnect: () => void, close: () => void}} Transport
 */

import { t } from "./dom.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
const POLICY_VIOLATION = 1008;

/** @param {object} message @param {Uint8Array[]} buffers @returns {string | Uint8Array} */
function packFrame(message, buffers) {
  if (!buffers.length) return JSON.stringify(message);
  const json = new TextEncoder().encode(JSON.stringify({ ...message, buffers: buffers.map((buffer) => buffer.byteLength) }));
  const frame = new Uint8Array(4 + json.length + buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0));
  new DataView(frame.buffer).setUint32(0, json.length, true);
  frame.set(json, 4);
  let at = 4 + json.length;
  for (const buffer of buffers) {
    frame.set(buffer, at);
    at += buffer.byteLength;
  }
  return frame;
}

/** @param {string | ArrayBuffer} frame @returns {[any, Uint8Array[]]} */
function unpackFrame(frame) {
  if (typeof frame === "string") return [JSON.parse(frame), []];
  const length = new DataView(frame).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(frame, 4, length)));
  let at = 4 + length;
  const buffers = message.buffers.map((size) => {
    const buffer = new Uint8Array(frame, at, size);
    at += size;
    return buffer;
  });
  return [message, buffers];
}

/** @param {Location} [location] @returns {Transport} */
function webTransport(location = window.location) {
  const asked = new URLSearchParams(location.search);
  const link = { socket: null, session: null, photo: asked.get("photo"), wait: FIRST_WAIT, timer: 0, closed: false };
  const token = asked.get("token");
  const address = (path, withSession = true) => {
    const url = new URL(path, location.href);
    if (token) url.searchParams.set("token", token);
    if (withSession && link.session) url.searchParams.set("session", link.session);
    return url;
  };
  const transport = {
    onmessage: () => {},
    onstate: () => {},
    send: (message, buffers = []) => {
      if (link.socket?.readyState !== WebSocket.OPEN) return false;
      link.socket.send(packFrame(message, buffers));
      return true;
    },
    upload: (bytes, _name, signal) => uploadBytes(address("/api/upload"), bytes, signal),
    download: (message) => saveAs(address(message.url).href, message.name),
    glimpse: async () => {
      const response = await fetch(address("/api/glimpse", false)).catch(() => null);
      return response?.status === 200 ? response.blob() : null;
    },
    reconnect: () => connect(link, address, transport),
    close: () => {
      link.closed = true;
      clearTimeout(link.timer);
      link.socket?.close();
    },
  };
  queueMicrotask(transport.reconnect);
  return transport;
}

function connect(link, address, transport) {
  clearTimeout(link.timer);
  if (link.closed) return;
  if (link.socket && link.socket.readyState <= WebSocket.OPEN) return;
  transport.onstate("connecting");
  const url = address("/api/ws");
  if (link.photo) url.searchParams.set("photo", link.photo);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  let opened = false;
  socket.binaryType = "arraybuffer";
  link.socket = socket;
  socket.onopen = () => {
    opened = true;
    link.wait = FIRST_WAIT;
    transport.onstate("open");
  };
  socket.onmessage = (event) => {
    const [message, buffers] = unpackFrame(event.data);
    if (message.type === "hello") link.session = message.session;
    transport.onmessage(message, buffers);
  };
  socket.onclose = (event) => {
    if (link.closed || link.socket !== socket) return;
    transport.onstate(event.code === POLICY_VIOLATION ? "refused" : "offline");
    if (!opened) checkRefusal(address, transport);
    link.timer = setTimeout(() => connect(link, address, transport), link.wait);
    link.wait = Math.min(2 * link.wait, LONGEST_WAIT);
  };
}

/** Find out whether the server refused the websocket: the browser does not tell, but a plain request does. */
async function checkRefusal(address, transport) {
  const response = await fetch(address("/api/health", false)).catch(() => null);
  if (response?.status === 403) transport.onstate("refused");
}

async function uploadBytes(url, bytes, signal) {
  let response;
  try {
    response = await fetch(url, { method: "POST", body: bytes, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Error("The picture could not be sent: no connection to the coloring server.", { cause: error });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error?.message ?? `The picture could not be sent (${response.status}).`);
  return answer;
}

function saveAs(href, name, revoke = false) {
  const link = document.createElement("a");
  Object.assign(link, { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  if (revoke) setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

/** @param {BlobPart[]} parts @param {string} mime @param {string} name */
function saveBlob(parts, mime, name) {
  saveAs(URL.createObjectURL(new Blob(parts, { type: mime })), name, true);
}

/** @param {any} model of anywidget @returns {Transport} */
function widgetTransport(model) {
  const bytesOf = (buffer) => (buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength));
  const receive = (message, buffers = []) => transport.onmessage(message, (buffers ?? []).map(bytesOf));
  const send = (message, buffers) => model.send(message, undefined, buffers.map((buffer) => bytesOf(buffer).slice().buffer));
  const transport = messageTransport(send, () => model.off("msg:custom", receive));
  model.on("msg:custom", receive);
  return transport;
}

/** Create a transport whose files are part of the messages. @returns {Transport} */
function messageTransport(send, close) {
  const transport = {
    onmessage: (_message, _buffers) => {},
    onstate: (_state, _reason) => {},
    send: (message, buffers = []) => {
      send(message, buffers);
      return true;
    },
    upload: async (bytes, _name, _signal) => ({ buffer: bytes }),
    download: (message, buffers) => saveBlob([buffers[0]], message.mime, message.name),
    reconnect: () => {
      transport.onstate("open");
      transport.send({ type: "ready", id: 0 });
    },
    close,
  };
  queueMicrotask(transport.reconnect);
  return transport;
}

const SERVICE_WORKER_TIMEOUT = 4000; // ms; without a service worker the page still works, but not offline
const NO_PYTHON_TIMEOUT = 6000; // ms without any message after which the worker takes over at the start
const SILENCE_TIMEOUT = 10_000; // ms without an answer until a sign of life is requested, and again until Python counts as dead
const WITHOUT_ANSWER = ["cancel", "close"];
const OFFERED_PHOTO = "offered"; // key of the photo that Python offered

/**
 * @param {HTMLElement} place element of the page; on a static page with `data-worker` and `data-service`, addresses of scripts
 * @returns {Transport}
 */
function pageTransport(place) {
  const { worker, service } = place.dataset;
  if (!worker) return webTransport();
  const address = new URL(worker, document.baseURI);
  address.search = location.search; // it may name a photo
  return workerTransport((service ? registerServiceWorker(service) : Promise.resolve()).then(() => new Worker(address, { type: "module" })));
}

/** Register the service worker, so that all files loaded from now on are cached. @param {string} service */
async function registerServiceWorker(service) {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  const controlled = new Promise((resolve) => serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
  try {
    await serviceWorker.register(service);
    if (!serviceWorker.controller) await Promise.race([controlled, new Promise((resolve) => setTimeout(resolve, SERVICE_WORKER_TIMEOUT))]);
  } catch {
    // an insecure address, or a private window
  }
}

/**
 * Widget messages; without a running kernel, as in a saved notebook, the worker of the static page that the widget names.
 * @param {any} model of anywidget @returns {Transport}
 */
function notebookTransport(model) {
  const page = model.get("page");
  const python = widgetTransport(model);
  return page ? new FallbackTransport(python, () => workerTransport(Promise.resolve(crossOriginWorker(new URL("static/pad.worker.js", page)))), () => model.get("recipe")) : python;
}

/**
 * Uses Python as long as it answers, then a worker. At the start the worker takes over automatically. Later a busy kernel cannot be told
 * from a dead one: the pad is offline until Python answers or the user retries, which starts the worker with the photo that Python offered.
 */
class FallbackTransport {
  /** @param {Transport} python @param {() => Transport} startWorker @param {() => any} recipe of the notebook */
  constructor(python, startWorker, recipe) {
    this.python = python;
    this.active = python;
    this.startWorker = startWorker;
    this.recipe = recipe;
    /** @type {[any, any][] | null} */
    this.unanswered = [];
    /** @type {any} */
    this.photo = null;
    this.suspended = false;
    /** @type {any} */
    this.timer = 0;
    this.onmessage = (_message, _buffers) => {};
    this.onstate = (_state, _reason) => {};
    python.onstate = (...parts) => this.onstate(...parts);
    python.onmessage = (message, buffers) => this.#receive(message, buffers);
    this.timer = setTimeout(() => this.#switchToWorker(), NO_PYTHON_TIMEOUT);
  }

  send(message, buffers) {
    this.unanswered?.push([message, buffers]);
    if (this.active === this.python) {
      if (!this.timer && !WITHOUT_ANSWER.includes(message.type)) this.#watchSilence();
      return !this.suspended && this.#sendToPython(message, buffers);
    }
    const offered = message.type === "open" && message.upload === OFFERED_PHOTO;
    return offered ? this.active.send({ ...message, upload: undefined }, [this.photo.bytes.slice()]) : this.active.send(message, buffers);
  }

  upload(bytes, name, signal) {
    return this.active.upload(bytes, name, signal);
  }

  download(message, buffers) {
    return this.active.download(message, buffers);
  }

  reconnect() {
    if (this.suspended) this.#switchToWorker();
    else this.active.reconnect();
  }

  close() {
    clearTimeout(this.timer);
    this.active.close();
  }

  /** @returns {boolean} whether the message was sent; some notebooks throw if the kernel is dead */
  #sendToPython(message, buffers) {
    try {
      return this.python.send(message, buffers);
    } catch {
      this.#suspend();
      return false;
    }
  }

  /** Wait for any message, then request a sign of life, since an answer itself may take long. */
  #watchSilence() {
    this.timer = setTimeout(() => {
      this.timer = setTimeout(() => this.#suspend(), SILENCE_TIMEOUT);
      this.#sendToPython({ type: "sign", id: 0 });
    }, SILENCE_TIMEOUT);
  }

  #suspend() {
    clearTimeout(this.timer);
    this.suspended = true;
    this.onstate("offline", t("Python does not answer: it is busy or gone. Your edits are kept. Retry goes on without it."));
  }

  #receive(message, buffers) {
    clearTimeout(this.timer);
    this.timer = 0;
    this.unanswered = null;
    const { suspended } = this;
    this.suspended = false;
    if (suspended) this.#sendToPython({ type: "ready", id: 0 }); // after a new greeting, the pad repeats its requests
    else if (message.type !== "sign") {
      if (message.type === "hello" && buffers.length) this.photo = { ...message.start, bytes: buffers[0] };
      this.onmessage(message, buffers);
    }
  }

  #switchToWorker() {
    clearTimeout(this.timer);
    const recipe = this.unanswered ? this.recipe() : null;
    const { unanswered } = this;
    Object.assign(this, { suspended: false, unanswered: null });
    this.python.close();
    this.active = this.startWorker();
    this.active.onstate = (...parts) => this.onstate(...parts);
    this.active.onmessage = (message, buffers) => this.onmessage(message.type === "hello" ? { ...message, ...this.#initialWork(message, recipe) } : message, buffers);
    queueMicrotask(() => unanswered?.forEach((parts) => this.send(...parts))); // after the worker's greeting
  }

  /** Add recipe and photo of the Python session to the worker's greeting. */
  #initialWork(message, recipe) {
    const { name, sha256 } = this.photo ?? {};
    return { recipe: recipe ?? message.recipe, start: this.photo ? { upload: OFFERED_PHOTO, name, sha256 } : message.start };
  }
}

/** Start a worker from another origin, which browsers allow only by an import from a local script. @param {URL} address */
function crossOriginWorker(address) {
  const script = new Blob([`import ${JSON.stringify(address.href)};`], { type: "text/javascript" });
  return new Worker(URL.createObjectURL(script), { type: "module" });
}

/**
 * Messages `{message, buffers}` to a worker and back, and `{state, words}` if it fails.
 * @param {Promise<Worker>} starting @returns {Transport}
 */
function workerTransport(starting) {
  const send = (message, buffers) => starting.then((worker) => worker.postMessage({ message, buffers }, buffers.map(({ buffer }) => buffer)));
  const transport = messageTransport(send, () => starting.then((worker) => worker.terminate()));
  starting.then((worker) => {
    worker.onmessage = ({ data }) => (data.state ? transport.onstate(data.state, data.words) : transport.onmessage(data.message, data.buffers));
    worker.onerror = (event) => transport.onstate("refused", event.message || "The part of the page that colors could not be loaded. Reload the page.");
  });
  return transport;
}

export { notebookTransport, pageTransport, saveBlob, webTransport };
