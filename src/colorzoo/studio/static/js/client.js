/**
 * Requests and their answers. While the pointer moves only the newest wish is sent, and only after the last was answered.
 *
 * @typedef {{message: any, buffers: Uint8Array[]}} Answer
 */

/** An answer of the server that says what went wrong, in a line for people. */
class Refusal extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const HELD = 80; // ms for which a pointer rests before it is let go

/** @param {any} error @returns {boolean} whether the server has put the photo away meanwhile */
const isForgotten = (error) => error.code === "expired" || error.code === "no_photo";

/** Numbers messages and hands answers to who waits for them. */
class Client {
  /** @param {import("./transport.js").Transport} transport */
  constructor(transport) {
    this.transport = transport;
    this.last = 0;
    this.waiting = new Map();
    this.mend = async () => false;
    this.inform = (_message, _buffers) => {};
    transport.onmessage = (message, buffers) => this.receive(message, buffers);
  }

  /**
   * @param {object} message without its id @param {Uint8Array[]} [buffers]
   * @returns {{id: number, answer: Promise<Answer | null>}} null: a newer request took its place
   */
  send(message, buffers = []) {
    this.last += 1;
    const id = this.last;
    const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject }));
    if (!this.transport.send({ ...message, id }, buffers)) this.#fail(id, new Refusal("offline", "No connection."));
    return { id, answer };
  }

  /** Send what nobody answers. @param {object} message */
  tell(message) {
    this.last += 1;
    this.transport.send({ ...message, id: this.last });
  }

  /**
   * Send, and once more if the server had put the photo away and got it back.
   * @param {object} message @param {Uint8Array[]} [buffers] @returns {Promise<Answer | null>}
   */
  async ask(message, buffers) {
    try {
      return await this.send(message, buffers).answer;
    } catch (error) {
      if (!isForgotten(error) || message.type === "open" || !(await this.mend())) throw error;
      return this.send(message, buffers).answer;
    }
  }

  /** @param {any} message @param {Uint8Array[]} buffers */
  receive(message, buffers) {
    const waiting = this.waiting.get(message.re);
    if (!waiting || message.type === "suggestions" || message.type === "progress") {
      this.inform(message, buffers);
      if (!waiting || message.type === "progress") return;
    }
    this.waiting.delete(message.re);
    if (message.type === "error") waiting.reject(new Refusal(message.code, message.message));
    else waiting.resolve(message.type === "dropped" ? null : { message, buffers });
  }

  /** The connection is gone: nobody will answer. */
  abandon() {
    for (const id of [...this.waiting.keys()]) this.#fail(id, new Refusal("offline", "The connection was lost."));
  }

  #fail(id, error) {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    waiting?.reject(error);
  }
}

/**
 * Decides when the picture is colored anew.
 *   drag: at most one on its way, the newest wish follows; final: at once; full: after a rest. What is likely to be let go
 *   as it is, is asked for early: while a finger still rests on it.
 */
class ColorQueue {
  /**
   * @param {(quality: "drag" | "final" | "full") => Promise<void>} request resolves when it was answered
   * @param {{rest: number, wantsFull: () => boolean, doc: () => object, met: () => void}} options `met`: what was asked for early is wanted
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

  /** The document is being changed; once it rests it is likely to stay so. */
  drag() {
    this.expect(HELD);
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

  /** Ask for the document as it is before it is let go. @param {number} [after] ms in which it does not change any more */
  expect(after = 0) {
    clearTimeout(this.timer);
    this.early = null;
    this.timer = setTimeout(() => {
      if (this.expecting) return; // one at a time: the hand may rest often
      this.again = false;
      this.early = this.options.doc();
      this.expecting = true;
      this.request("final").finally(() => {
        this.expecting = false;
      });
    }, after);
  }

  /** The document was changed. */
  final() {
    this.again = false;
    clearTimeout(this.timer);
    if (this.early !== null && this.early === this.options.doc()) this.options.met();
    else this.request("final");
    this.early = null;
    this.rest();
  }

  /** Ask for every pixel if they would be seen, once nothing has happened for a while. */
  rest() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.options.wantsFull()) this.request("full");
    }, this.options.rest);
  }

  /** Ask for nothing more. */
  stop() {
    this.again = false;
    this.early = null;
    clearTimeout(this.timer);
  }
}

export { Client, ColorQueue, isForgotten };
