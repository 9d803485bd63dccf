/**
 * Requests to the backend, their responses, and the queue of coloring requests.
 *
 * @typedef {{message: any, buffers: Uint8Array[]}} Answer
 */

const EARLY_DELAY = 80; // ms without movement after which the drag will probably end

class RequestError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {any} error @returns {boolean} whether the session or photo has expired on the server */
export const isExpired = (error) => error.code === "expired" || error.code === "no_photo";

export class Client {
  constructor(transport) {
    this.transport = transport;
    this.last = 0;
    this.waiting = new Map();
    this.restorePhoto = async () => false;
    this.onNotification = (_message) => {};
    transport.onmessage = (message, buffers) => this.receive(message, buffers);
  }

  /** @param {object} message without its id @param {Uint8Array[]} [buffers] @returns {{id: number, answer: Promise<Answer | null>}} null if a newer request replaced this request */
  send(message, buffers = []) {
    this.last += 1;
    const id = this.last;
    const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    if (!this.transport.send({ ...message, id }, buffers)) this.#fail(id, new RequestError("offline", "No connection."));
    return { id, answer };
  }

  notify(message) {
    this.last += 1;
    this.transport.send({ ...message, id: this.last });
  }

  /**
   * Send a request. If the photo has expired on the server, upload the photo and send the request again.
   * @param {any} message @param {Uint8Array[]} [buffers] @returns {Promise<Answer | null>}
   */
  async ask(message, buffers) {
    try {
      return await this.send(message, buffers).answer;
    } catch (error) {
      if (!isExpired(error) || message.type === "open" || !(await this.restorePhoto())) throw error;
      return this.send(message, buffers).answer;
    }
  }

  receive(message, buffers) {
    const waiting = this.waiting.get(message.re);
    if (!waiting || message.type === "suggestions") this.onNotification(message);
    if (!waiting) return;
    this.waiting.delete(message.re);
    if (message.type === "error") waiting.reject(new RequestError(message.code, message.message));
    else waiting.resolve(message.type === "dropped" ? null : { message, buffers });
  }

  failAll() {
    for (const id of [...this.waiting.keys()]) this.#fail(id, new RequestError("offline", "The connection was lost."));
  }

  #fail(id, error) {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    waiting?.reject(error);
  }
}

/**
 * Queue of coloring requests. During a drag at most one request is pending, followed by the newest document. A finished change is
 * requested immediately, and the full size after a pause. If the pointer rests during a drag, the final image is requested early.
 */
export class ColorQueue {
  /**
   * @param {(quality: "drag" | "final" | "full", early?: boolean) => Promise<void>} request resolves with its answer @param {{fullDelay: number, wantsFull: () => boolean, doc: () => object, onEarlyUsed: () => void}} options
   */
  constructor(request, options) {
    this.request = request;
    this.options = options;
    this.dragging = false;
    this.again = false;
    this.timer = 0;
    this.early = null;
    this.expecting = false;
  }

  drag() {
    this.requestEarly(EARLY_DELAY);
    if (this.dragging) {
      this.again = true;
      return;
    }
    this.#drag();
  }

  async #drag() {
    this.dragging = true;
    await this.request("drag");
    this.dragging = false;
    if (this.again) {
      this.again = false;
      this.#drag();
    }
  }

  /** Request the final image before the drag ends. @param {number} [after] ms without another change */
  requestEarly(after = 0) {
    clearTimeout(this.timer);
    this.early = null;
    this.timer = setTimeout(() => {
      if (this.expecting) return; // one request at a time, because the pointer may rest often
      this.again = false;
      this.early = this.options.doc();
      this.expecting = true;
      this.request("final", true).finally(() => { this.expecting = false; });
    }, after);
  }

  final() {
    this.again = false;
    clearTimeout(this.timer);
    if (this.early !== null && this.early === this.options.doc()) this.options.onEarlyUsed();
    else this.request("final");
    this.early = null;
    this.requestFullLater();
  }

  requestFullLater() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.options.wantsFull()) this.request("full");
    }, this.options.fullDelay);
  }

  stop() {
    this.again = false;
    this.early = null;
    clearTimeout(this.timer);
  }
}
