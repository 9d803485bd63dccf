/**
 * What stands under the page: a server by default, or a worker of the page itself where its element names one. A carrier is a
 * `Transport`, and whatever stands under it speaks docs/studio_protocol.md.
 */

import { saveBlob, webTransport, widgetTransport } from "./transport.js";

const PATIENCE = 4000; // ms; without a service worker the page works too, but not offline
const SILENCE = 6000; // ms after which a notebook counts as one without Python

/**
 * @param {HTMLElement} place with `data-worker`, the address of a worker's script, and `data-service`, that of a service worker; or without
 * @returns {import("./transport.js").Transport}
 */
function carrierOf(place) {
  const { worker, service } = place.dataset;
  if (!worker) return webTransport();
  const address = new URL(worker, document.baseURI);
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
  if (!page) return python;
  let under = python;
  let unheard = [];
  const carrier = {
    onmessage: () => {},
    onstate: () => {},
    send: (...parts) => {
      unheard?.push(parts);
      return under.send(...parts);
    },
    upload: (...parts) => under.upload(...parts),
    download: (...parts) => under.download(...parts),
    reconnect: () => under.reconnect(),
    close: () => {
      clearTimeout(waiting);
      under.close();
    },
  };
  const listen = (recipe) => {
    under.onstate = (...parts) => carrier.onstate(...parts);
    under.onmessage = (message, buffers) => {
      clearTimeout(waiting);
      unheard = null;
      carrier.onmessage(message.type === "hello" && recipe ? { ...message, recipe } : message, buffers);
    };
  };
  const waiting = setTimeout(() => {
    python.close();
    under = workerTransport(Promise.resolve(foreignWorker(new URL("static/pad.worker.js", page))));
    listen(model.get("recipe"));
    queueMicrotask(() => unheard?.forEach((parts) => under.send(...parts))); // after the worker was greeted
  }, SILENCE);
  listen(null);
  return carrier;
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
