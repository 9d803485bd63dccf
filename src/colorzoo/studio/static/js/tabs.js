/** Which works other tabs of this browser hold, so that two tabs on one photo do not overwrite each other. */

const CHANNEL = "colorzoo-pad";
const ANSWERS_WITHIN = 60; // ms in which another tab answers

/** One tab among others: it holds the key of the work that it keeps. */
class Tabs {
  constructor() {
    this.id = `${Date.now()}-${Math.random()}`;
    this.held = null;
    this.wanted = null;
    this.refused = () => {};
    this.channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);
    if (this.channel) this.channel.onmessage = ({ data }) => this.#hear(data);
  }

  /** @param {Iterable<string>} keys the best first @returns {Promise<string>} the first that no other tab holds, ours now */
  async take(keys) {
    this.held = null;
    for (const key of keys) {
      if (await this.#isHeld(key)) continue;
      this.held = key;
      break;
    }
    this.wanted = null;
    return this.held;
  }

  release() {
    this.held = null;
  }

  close() {
    this.release();
    this.channel?.close();
  }

  #isHeld(key) {
    if (!this.channel) return Promise.resolve(false);
    this.wanted = key;
    return new Promise((resolve) => {
      this.refused = () => resolve(true);
      setTimeout(() => resolve(false), ANSWERS_WITHIN);
      this.channel.postMessage({ ask: key, from: this.id });
    });
  }

  #hear({ ask, from, no, to }) {
    if (no && to === this.id && no === this.wanted) this.refused();
    // of two that want one at the same time the older tab has it
    if (ask && (ask === this.held || (ask === this.wanted && this.id < from))) this.channel.postMessage({ no: ask, to: from });
  }
}

export { Tabs };
