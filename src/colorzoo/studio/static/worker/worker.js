/** Entry of the web worker that colors without a server: receives messages, queues requests, sends answers. */

import { RequestError } from "../steps/checks.js";
import { setConstants } from "../steps/constants.js";
import { Engine } from "./engine.js";
import { bracketTable } from "./gamut.js";
import { Backend, REQUESTS } from "./handlers.js";

const queue = [];
let busy = false;
let backend = null;

/** @param {any} message @returns {string} kind of messages that replace each other in the queue */
const queueKind = ({ type, quality }) => (type === "color" && quality === "full" ? "full" : type);

/** Let pending messages arrive. @returns {Promise<void>} */
function yieldToMessages() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** @returns {Promise<boolean>} whether no newer picture was requested */
async function isNewest() {
  await yieldToMessages();
  return !queue.some(({ message }) => message.type === "color");
}

function reply(id) {
  return (message, ...buffers) => self.postMessage({ message: { re: id, ...message }, buffers }, /** @type {any} */ ([...new Set(buffers.map(({ buffer }) => buffer))]));
}

function enqueue(message, buffers) {
  const kind = queueKind(message);
  const drops = (other) => (REQUESTS[other.type]?.newest && queueKind(other) === kind) || (message.type === "color" && queueKind(other) === "full");
  for (let i = queue.length - 1; i >= 0; i -= 1) {
    if (!drops(queue[i].message)) continue;
    reply(queue[i].message.id)({ type: "dropped" });
    queue.splice(i, 1);
  }
  queue.push({ message, buffers });
}

/** @returns {{message: any, buffers: Uint8Array[]}} the first message of the lowest rank */
function dequeue() {
  const rank = ({ message }) => (REQUESTS[message.type]?.rank ?? 1) + (queueKind(message) === "full" ? 1 : 0);
  let best = 0;
  for (let i = 1; i < queue.length; i += 1) if (rank(queue[i]) < rank(queue[best])) best = i;
  return queue.splice(best, 1)[0];
}

async function serve({ message, buffers }) {
  const answer = reply(message.id);
  try {
    const request = REQUESTS[message.type];
    if (!request) throw new RequestError("unsupported", `this page cannot answer ${message.type}; colorzoo studio does`);
    await request.run(backend, message, answer, buffers);
  } catch (error) {
    const known = error instanceof RequestError;
    if (!known) console.error(error);
    answer({ type: "error", code: known ? error.code : "internal", message: known ? error.message : `This did not work: ${error.message ?? error}` });
  }
}

async function work() {
  if (busy) return;
  busy = true;
  while (queue.length) {
    await yieldToMessages();
    await serve(dequeue());
  }
  busy = false;
}

async function begin() {
  const base = new URL("./", import.meta.url); // not the address of the worker, which in a notebook is another one
  const response = await fetch(new URL("catalog.json", base)).catch(() => null);
  if (!response?.ok) {
    self.postMessage({ state: "refused", words: "The list of models could not be loaded. Check the connection and reload." });
    return;
  }
  const catalog = await response.json();
  setConstants(catalog.constants);
  const engine = new Engine(catalog, base);
  backend = new Backend(catalog, engine, isNewest, new URL(import.meta.url).searchParams.get("photo"));
  engine.prepare(backend.model()).catch(() => {}); // loads before the first photo; errors are reported then
  bracketTable(); // while the rest is loading
  work();
}

self.onmessage = ({ data }) => {
  enqueue(data.message, data.buffers);
  if (backend) work();
};
begin();
