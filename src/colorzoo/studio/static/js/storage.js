/**
 * Autosave: the photo and the work on it, in the browser's own store, and settings.
 *
 * @typedef {{key: string, name: string, file: Blob, recipe: any, reference: {name: string, file: Blob} | null,
 *   thumbnail: Blob | null, time: number}} Work
 */

const DATABASE = "colorzoo-pad";
const STORE = "works";
const MOST_WORKS = 6;
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
async function inStore(mode, work) {
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

/** @param {Work} work @returns {Promise<boolean>} whether it was kept; a browser may refuse or be full */
async function saveWork(work) {
  try {
    await inStore("readwrite", (store) => store.put(work));
    const works = await listWorks();
    for (const old of works.slice(MOST_WORKS)) await forgetWork(old.key);
    return true;
  } catch {
    return false;
  }
}

/** @returns {Promise<Work[]>} newest first; empty where the browser keeps nothing */
async function listWorks() {
  try {
    const works = await inStore("readonly", (store) => store.getAll());
    return works.sort((one, other) => other.time - one.time);
  } catch {
    return [];
  }
}

/** @param {string} key */
async function forgetWork(key) {
  await inStore("readwrite", (store) => store.delete(key)).catch(() => {});
}

/** @returns {Record<string, any>} */
function loadSettings() {
  try {
    return JSON.parse(localStorage.getItem(SETTINGS) ?? "{}");
  } catch {
    return {};
  }
}

/** @param {Record<string, any>} settings */
function saveSettings(settings) {
  try {
    localStorage.setItem(SETTINGS, JSON.stringify(settings));
  } catch {
    // a private window keeps nothing; the pad works all the same
  }
}

export { forgetWork, listWorks, loadSettings, saveSettings, saveWork };
