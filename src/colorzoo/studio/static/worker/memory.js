/** What steps found, by step and input, so that an edit computes only what it changes: colorzoo.memory. */

const MOST_BYTES = 96 * 2 ** 20;

const bytesOf = (found) => [found, ...(ArrayBuffer.isView(found) ? [] : Object.values(found ?? {}))].reduce((sum, value) => sum + (ArrayBuffer.isView(value) ? value.byteLength : 0), 0);

class Memory {
  constructor() {
    this.kept = new Map(); // the oldest first
    this.bytes = 0;
  }

  /** @template T @param {string} key @param {() => T | Promise<T>} make @returns {Promise<T>} */
  async of(key, make) {
    const found = this.kept.has(key) ? this.kept.get(key) : await make();
    if (!this.kept.delete(key)) this.bytes += bytesOf(found);
    this.kept.set(key, found);
    for (const [old, value] of this.kept) {
      if (this.bytes <= MOST_BYTES || old === key) break;
      this.bytes -= bytesOf(value);
      this.kept.delete(old);
    }
    return found;
  }
}

export { Memory };
