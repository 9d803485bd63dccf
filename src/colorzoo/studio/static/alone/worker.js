/** The worker below the page: takes messages, queues the work, answers. */

import { bracketTable } from "./chroma.js";
import { Engine } from "./engine.js";
import { Trouble } from "./picture.js";
import { Desk, REQUESTS } from "./requests.js";

const waiting = [];
let busy = false;
let desk = null;

/** @param {any} message @returns {string} what replaces it in the queue */
const kindOf = ({ type, quality }) => (type === "color" && quality === "full" ? "full" : type);

/** Let messages in that have arrived meanwhile. @returns {Promise<void>} */
function breathe() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** @returns {Promise<boolean>} whether no newer picture was asked for */
async function quiet() {
  await breathe();
  return !waiting.some(({ message }) => message.type === "color");
}

function reply(id) {
  return (message, ...buffers) => self.postMessage({ message: { re: id, ...message }, buffers }, [...new Set(buffers.map(({ buffer }) => buffer))]);
}

function put(message, buffers) {
  const kind = kindOf(message);
  const drops = (other) => (REQUESTS[other.type]?.newest && kindOf(other) === kind) || (message.type === "color" && kindOf(other) === "full");
  for (let i = waiting.length - 1; i >= 0; i -= 1) {
    if (!drops(waiting[i].message)) continue;
    reply(waiting[i].message.id)({ type: "dropped" });
    waiting.splice(i, 1);
  }
  waiting.push({ message, buffers });
}

/** @returns {{message: any, buffers: Uint8Array[]}} the first of the most pressing kind */
function take() {
  const rank = ({ message }) => (REQUESTS[message.type]?.rank ?? 1) + (kindOf(message) === "full" ? 1 : 0);
  let best = 0;
  for (let i = 1; i < waiting.length; i += 1) if (rank(waiting[i]) < rank(waiting[best])) best = i;
  return waiting.splice(best, 1)[0];
}

async function serve({ message, buffers }) {
  const answer = reply(message.id);
  try {
    const request = REQUESTS[message.type];
    if (!request) throw new Trouble("unsupported", `this page cannot answer ${message.type}; colorzoo studio does`);
    await request.run(desk, message, answer, buffers);
  } catch (error) {
    const known = error instanceof Trouble;
    if (!known) console.error(error);
    answer({ type: "error", code: known ? error.code : "internal", message: known ? error.message : `This did not work: ${error.message ?? error}` });
  }
}

async function work() {
  if (busy) return;
  busy = true;
  while (waiting.length) {
    await breathe();
    await serve(take());
  }
  busy = false;
}

async function begin() {
  const base = new URL("./", import.meta.url); // not that of the worker, which a notebook starts
  const response = await fetch(new URL("catalog.json", base)).catch(() => null);
  if (!response?.ok) {
    self.postMessage({ state: "refused", words: "The list of models could not be loaded. Check the connection and reload." });
    return;
  }
  const catalog = await response.json();
  const engine = new Engine(catalog, base);
  desk = new Desk(catalog, engine, quiet, new URL(import.meta.url).searchParams.get("photo"));
  engine.session(desk.model()).catch(() => {}); // the first photo need not wait for it; what is wrong is said then
  bracketTable(); // while the rest is on its way
  work();
}

self.onmessage = ({ data }) => {
  put(data.message, data.buffers);
  if (desk) work();
};
begin();
