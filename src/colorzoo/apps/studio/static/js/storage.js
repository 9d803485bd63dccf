/**
 * Work and settings saved in the browser, and locks so that two tabs do not overwrite each other's work.
 *
 * @typedef {{key: string, name: string, file: Blob, recipe: any, reference: {name: string, file: Blob} | null,
 *   thumbnail: Blob | null, time: number, edited?: boolean}} Work  edited is missing in works of earlier versions
 */

const DATABASE = "colorzoo-pad";
const STORE = "works";
const SETTINGS = "colorzoo-pad-settings";

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @template T @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} work @returns {Promise<T>} */
async function withStore(mode, work) {
  const database = await openDatabase();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

export async function saveWork(work) {
  try {
    await withStore("readwrite", (store) => store.put(work));
    if (draftOf(work.key)?.time <= work.time) forgetDraft(work.key);
    return true;
  } catch {
    return false;
  }
}

export async function listWorks() {
  try {
    const saved = await withStore("readonly", (store) => store.getAll());
    const works = saved.map((work) => (draftOf(work.key)?.time > work.time ? { ...work, ...draftOf(work.key) } : work));
    return works.sort((one, other) => other.time - one.time);
  } catch {
    return [];
  }
}

export async function forgetWork(key) {
  forgetDraft(key);
  await withStore("readwrite", (store) => store.delete(key)).catch(() => {});
}

/** Use the storage of the browser, which is missing in private windows. @param {() => any} use @param {any} [otherwise] */
function stored(use, otherwise = null) {
  try {
    return use();
  } catch {
    return otherwise;
  }
}

export const loadSettings = () => stored(() => JSON.parse(localStorage.getItem(SETTINGS) ?? "{}"), {});

export const saveSettings = (settings) => stored(() => localStorage.setItem(SETTINGS, JSON.stringify(settings)));

const DRAFT = "colorzoo-pad-draft";

/** Save the newest edits of a work synchronously. If the undo history does not fit, the saved history stays. @param {string} key @param {Pick<Work, "recipe" | "time" | "edited"> & {steps: any}} edits */
export function saveDraft(key, { steps, ...edits }) {
  const save = (draft) => stored(() => localStorage.setItem(`${DRAFT} ${key}`, JSON.stringify(draft)) ?? true, false);
  if (!save({ ...edits, steps })) save(edits);
}

const draftOf = (key) => stored(() => JSON.parse(localStorage.getItem(`${DRAFT} ${key}`)));

const forgetDraft = (key) => stored(() => localStorage.removeItem(`${DRAFT} ${key}`));

const OPEN_WORK = "colorzoo-pad-open";

export function rememberOpenWork(key) {
  stored(() => (key === null ? sessionStorage.removeItem(OPEN_WORK) : sessionStorage.setItem(OPEN_WORK, key)));
}

export const rememberedWork = () => stored(() => sessionStorage.getItem(OPEN_WORK));

const COLOR = "colorzoo-pad-color";

/** Store the current color of this tab for a reload. @param {{ab: [number, number], lightness: number, typed: string | null, sticky: boolean}} color */
export const rememberColor = (color) => stored(() => sessionStorage.setItem(COLOR, JSON.stringify(color)));

/** @returns {{ab: [number, number], lightness: number, typed: string | null, sticky: boolean} | null} */
export const rememberedColor = () => stored(() => JSON.parse(sessionStorage.getItem(COLOR)));

const CHANNEL = "colorzoo-pad";

/** Lock of a tab on the key of its saved work. Browsers support locks only at secure addresses; at other addresses every tab gets the first key. */
export class TabLocks {
  constructor() {
    /** @type {() => void} */
    this.free = () => {};
    /** @type {Promise<unknown>} */
    this.freed = Promise.resolve();
    this.held = null;
  }

  /** @param {Iterable<string>} keys in order of preference @returns {Promise<string>} the first key that no other tab holds */
  async acquire(keys) {
    this.release();
    await this.freed;
    for (const key of keys) {
      if (!(await this.#take(key))) continue;
      this.held = key;
      break;
    }
    return this.held;
  }

  release() {
    this.held = null;
    this.free();
  }

  async #take(key) {
    if (!navigator.locks) return true;
    return new Promise((resolve) => {
      const held = navigator.locks.request(`${CHANNEL} ${key}`, { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        return lock && new Promise((free) => { this.free = () => free(null); });
      });
      this.freed = Promise.all([this.freed, held]);
    });
  }
}
