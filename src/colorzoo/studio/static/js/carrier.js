/**
 * What stands under the page: a server by default, or a worker of the page itself where its element names one. A carrier is a
 * `Transport`, and whatever stands under it speaks docs/studio_protocol.md.
 */

import { t } from "./dom.js";
import { saveBlob, webTransport, widgetTransport } from "./transport.js";

const PATIENCE = 4000; // ms; without a service worker the page works too, but not offline
const SILENCE = 6000; // ms after which a notebook counts as one without Python
const PAUSE = 10_000; // ms without an answer after which Python is asked for a sign, and again after which it is given up
const UNANSWERED = ["cancel", "close"];
const OFFERED = "offered"; // the photo that Python had

/**
 * @param {HTMLElement} place with `data-worker`, the address of a worker's script, and `data-service`, that of a service worker; or without
 * @returns {import("./transport.js").Transport}
 */
function carrierOf(place) {
  const { worker, service } = place.dataset;
  if (!worker) return webTransport();
  const address = new URL(worker, document.baseURI);
  address.search = location.search; // it may name a photo
  return workerTransport((service ? keptOffline(service) : Promise.resolve()).then(() => new Worker(address, { type: "module" })));
}

/** Wait until all that is loaded from now on is kept for later. @param {string} service */
async function keptOffline(service) {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  const controlled = new Promise((resolve) => serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
  try {
    await serviceWorker.register(service);
    if (!serviceWorker.controller) await Promise.race([controlled, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
  } catch {
    // not a secure address, or a private window
  }
}

/**
 * Widget messages; where no Python answers, as in a saved notebook, the worker of the page that the widget names.
 * @param {any} model of anywidget @returns {import("./transport.js").Transport}
 */
function widgetCarrier(model) {
  const page = model.get("page");
  const python = widgetTransport(model);
  return page ? new Heir(python, () => workerTransport(Promise.resolve(foreignWorker(new URL("static/pad.worker.js", page)))), () => model.get("recipe")) : python;
}

/**
 * Python as long as it answers, then a worker. At the beginning the worker takes over by itself; later a busy Python is told from one that is
 * gone only by who waits, so the pad is offline until Python answers or the user tries again. The worker then gets the photo that Python offered.
 */
class Heir {
  /** @param {import("./transport.js").Transport} python @param {() => import("./transport.js").Transport} startWorker @param {() => any} recipe of the notebook */
  constructor(python, startWorker, recipe) {
    Object.assign(this, { under: python, python, startWorker, recipe, unheard: [], kept: null, doubted: false, timer: 0 });
    this.onmessage = () => {};
    this.onstate = () => {};
    python.onstate = (...parts) => this.onstate(...parts);
    python.onmessage = (message, buffers) => this.#hear(message, buffers);
    this.timer = setTimeout(() => this.#inherit(), SILENCE);
  }

  send(message, buffers) {
    this.unheard?.push([message, buffers]);
    if (this.under === this.python) {
      if (!this.timer && !UNANSWERED.includes(message.type)) this.#watch();
      return !this.doubted && this.#tell(message, buffers);
    }
    const offered = message.type === "open" && message.upload === OFFERED;
    return offered ? this.under.send({ ...message, upload: undefined }, [this.kept.bytes.slice()]) : this.under.send(message, buffers);
  }

  upload(...parts) {
    return this.under.upload(...parts);
  }

  download(...parts) {
    return this.under.download(...parts);
  }

  reconnect() {
    if (this.doubted) this.#inherit();
    else this.under.reconnect();
  }

  close() {
    clearTimeout(this.timer);
    this.under.close();
  }

  /** @returns {boolean} whether it went out; some notebooks throw where the kernel is known to be dead */
  #tell(message, buffers) {
    try {
      return this.python.send(message, buffers);
    } catch {
      this.#doubt();
      return false;
    }
  }

  /** Wait for anything; then ask Python for no more than a sign, since its work may take long. */
  #watch() {
    this.timer = setTimeout(() => {
      this.timer = setTimeout(() => this.#doubt(), PAUSE);
      this.#tell({ type: "sign", id: 0 });
    }, PAUSE);
  }

  #doubt() {
    clearTimeout(this.timer);
    this.doubted = true;
    this.onstate("offline", t("Python does not answer: it is busy or gone. Your edits are kept. Retry goes on without it."));
  }

  #hear(message, buffers) {
    clearTimeout(this.timer);
    this.timer = 0;
    this.unheard = null;
    const { doubted } = this;
    this.doubted = false;
    if (doubted) this.#tell({ type: "ready", id: 0 }); // greeted anew, the pad asks again for what it wants
    else if (message.type !== "sign") {
      if (message.type === "hello" && buffers.length) this.kept = { ...message.start, bytes: buffers[0] };
      this.onmessage(message, buffers);
    }
  }

  #inherit() {
    clearTimeout(this.timer);
    const recipe = this.unheard ? this.recipe() : null;
    const { unheard } = this;
    Object.assign(this, { doubted: false, unheard: null });
    this.python.close();
    this.under = this.startWorker();
    this.under.onstate = (...parts) => this.onstate(...parts);
    this.under.onmessage = (message, buffers) => this.onmessage(message.type === "hello" ? { ...message, ...this.#legacy(message, recipe) } : message, buffers);
    queueMicrotask(() => unheard?.forEach((parts) => this.send(...parts))); // after the worker was greeted
  }

  /** What a greeting of the worker says of the work before it. */
  #legacy(message, recipe) {
    const { name, sha256 } = this.kept ?? {};
    return { recipe: recipe ?? message.recipe, start: this.kept ? { upload: OFFERED, name, sha256 } : message.start };
  }
}

/** A worker of another address: browsers start none, but one of ours may import it. @param {URL} address */
function foreignWorker(address) {
  const script = new Blob([`import ${JSON.stringify(address.href)};`], { type: "text/javascript" });
  return new Worker(URL.createObjectURL(script), { type: "module" });
}

/**
 * Messages to a worker and back: `{message, buffers}`, and `{state, words}` from the worker where it cannot work.
 * @param {Promise<Worker>} starting @returns {import("./transport.js").Transport}
 */
function workerTransport(starting) {
  const transport = {
    onmessage: () => {},
    onstate: () => {},
    send: (message, buffers = []) => {
      starting.then((worker) => worker.postMessage({ message, buffers }, buffers.map(({ buffer }) => buffer)));
      return true;
    },
    upload: async (bytes) => ({ buffer: bytes }),
    download: (message, buffers) => saveBlob([buffers[0]], message.mime, message.name),
    reconnect: () => {
      transport.onstate("open");
      transport.send({ type: "ready", id: 0 });
    },
    close: () => starting.then((worker) => worker.terminate()),
  };
  starting.then((worker) => {
    worker.onmessage = ({ data }) => (data.state ? transport.onstate(data.state, data.words) : transport.onmessage(data.message, data.buffers));
    worker.onerror = (event) => transport.onstate("refused", event.message || "The part of the page that colors could not be loaded. Reload the page.");
  });
  queueMicrotask(transport.reconnect);
  return transport;
}

export { carrierOf, widgetCarrier };
