/**
 * What stands under the page: a server by default, or a worker of the page itself where its element names one. A carrier is a
 * `Transport`, and whatever stands under it speaks docs/studio_protocol.md.
 */

import { saveBlob, webTransport } from "./transport.js";

/** @param {HTMLElement} place with `data-worker`, the address of a worker's script, or without @returns {import("./transport.js").Transport} */
function carrierOf(place) {
  const { worker } = place.dataset;
  return worker ? workerTransport(new Worker(new URL(worker, document.baseURI), { type: "module" })) : webTransport();
}

/**
 * Messages to a worker and back: `{message, buffers}`, and `{state, words}` from the worker where it cannot work.
 * @param {Worker} worker @returns {import("./transport.js").Transport}
 */
function workerTransport(worker) {
  const transport = {
    onmessage: () => {},
    onstate: () => {},
    send: (message, buffers = []) => {
      worker.postMessage({ message, buffers }, buffers.map(({ buffer }) => buffer));
      return true;
    },
    upload: async (bytes) => ({ buffer: bytes }),
    download: (message, buffers) => saveBlob([buffers[0]], message.mime, message.name),
    reconnect: () => {
      transport.onstate("open");
      transport.send({ type: "ready", id: 0 });
    },
    close: () => worker.terminate(),
  };
  worker.onmessage = ({ data }) => (data.state ? transport.onstate(data.state, data.words) : transport.onmessage(data.message, data.buffers));
  worker.onerror = (event) => transport.onstate("refused", event.message);
  queueMicrotask(transport.reconnect);
  return transport;
}

export { carrierOf };
