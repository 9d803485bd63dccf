/**
 * Transport of messages: a websocket to the server, or widget messages to a notebook's kernel. docs/studio_protocol.md describes the messages.
 *
 * @typedef {"connecting" | "open" | "offline" | "refused"} Link
 * @typedef {{send: (message: object, buffers?: Uint8Array[]) => boolean, onmessage: (message: any, buffers: Uint8Array[]) => void,
 *   onstate: (state: Link, text?: string) => void, upload: (bytes: Uint8Array, name: string, signal?: AbortSignal) => Promise<{upload?: string, buffer?: Uint8Array}>,
 *   download: (message: any, buffers: Uint8Array[]) => void, reconnect: () => void, close: () => void}} Transport
 */

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
const POLICY_VIOLATION = 1008;

function packFrame(message, buffers) {
  if (!buffers.length) return JSON.stringify(message);
  const json = new TextEncoder().encode(JSON.stringify({ ...message, buffers: buffers.map((buffer) => buffer.byteLength) }));
  const frame = new Uint8Array(4 + json.length + buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0));
  new DataView(frame.buffer).setUint32(0, json.length, true);
  frame.set(json, 4);
  let at = 4 + json.length;
  for (const buffer of buffers) {
    frame.set(buffer, at);
    at += buffer.byteLength;
  }
  return frame;
}

function unpackFrame(frame) {
  if (typeof frame === "string") return [JSON.parse(frame), []];
  const length = new DataView(frame).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(frame, 4, length)));
  let at = 4 + length;
  const buffers = message.buffers.map((size) => {
    const buffer = new Uint8Array(frame, at, size);
    at += size;
    return buffer;
  });
  return [message, buffers];
}

export function webTransport(location = window.location) {
  const asked = new URLSearchParams(location.search);
  const link = { socket: null, session: null, photo: asked.get("photo"), wait: FIRST_WAIT, timer: 0, closed: false };
  const address = (path, withSession = true) => {
    const url = new URL(path, location.href);
    if (withSession && link.session) url.searchParams.set("session", link.session);
    return url;
  };
  const transport = {
    onmessage: () => {},
    onstate: () => {},
    send: (message, buffers = []) => {
      if (link.socket?.readyState !== WebSocket.OPEN) return false;
      link.socket.send(packFrame(message, buffers));
      return true;
    },
    upload: (bytes, _name, signal) => uploadBytes(address("api/upload"), bytes, signal),
    download: (message) => saveAs(address(message.url).href, message.name),
    reconnect: () => connect(link, address, transport),
    close: () => {
      link.closed = true;
      clearTimeout(link.timer);
      link.socket?.close();
    },
  };
  queueMicrotask(transport.reconnect);
  return transport;
}

function connect(link, address, transport) {
  clearTimeout(link.timer);
  if (link.closed) return;
  if (link.socket && link.socket.readyState <= WebSocket.OPEN) return;
  transport.onstate("connecting");
  const url = address("api/ws");
  if (link.photo) url.searchParams.set("photo", link.photo);
  url.protocol = url.protocol.replace("http", "ws");
  const socket = new WebSocket(url);
  let opened = false;
  socket.binaryType = "arraybuffer";
  link.socket = socket;
  socket.onopen = () => {
    opened = true;
    link.wait = FIRST_WAIT;
    transport.onstate("open");
  };
  socket.onmessage = (event) => {
    const [message, buffers] = unpackFrame(event.data);
    if (message.type === "hello") link.session = message.session;
    transport.onmessage(message, buffers);
  };
  socket.onclose = (event) => {
    if (link.closed || link.socket !== socket) return;
    transport.onstate(event.code === POLICY_VIOLATION ? "refused" : "offline");
    if (!opened) checkRefusal(address, transport);
    link.timer = setTimeout(() => connect(link, address, transport), link.wait);
    link.wait = Math.min(2 * link.wait, LONGEST_WAIT);
  };
}

/** Check by an HTTP request whether the server refused the websocket, because the browser does not report the reason. */
async function checkRefusal(address, transport) {
  const response = await fetch(address("api/health", false)).catch(() => null);
  if (response?.status === 403) transport.onstate("refused");
}

async function uploadBytes(url, bytes, signal) {
  let response;
  try {
    response = await fetch(url, { method: "POST", body: bytes, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Error("The image could not be sent, because there is no connection to the coloring server.", { cause: error });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error?.message ?? `The image could not be sent (${response.status}).`);
  return answer;
}

function saveAs(href, name, revoke = false) {
  const link = document.createElement("a");
  Object.assign(link, { href, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  if (revoke) setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

export const saveBlob = (parts, mime, name) => saveAs(URL.createObjectURL(new Blob(parts, { type: mime })), name, true);

/** @param {any} model of anywidget @returns {Transport} whose files are part of the messages */
export function widgetTransport(model) {
  const bytesOf = (buffer) => (buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength));
  const receive = (message, buffers = []) => transport.onmessage(message, (buffers ?? []).map(bytesOf));
  const transport = {
    onmessage: (_message, _buffers) => {},
    onstate: (_state, _reason) => {},
    send: (message, buffers = []) => {
      model.send(message, undefined, buffers.map((buffer) => bytesOf(buffer).slice().buffer));
      return true;
    },
    upload: async (bytes, _name, _signal) => ({ buffer: bytes }),
    download: (message, buffers) => saveBlob([buffers[0]], message.mime, message.name),
    reconnect: () => {
      transport.onstate("open");
      transport.send({ type: "ready", id: 0 });
    },
    close: () => model.off("msg:custom", receive),
  };
  model.on("msg:custom", receive);
  queueMicrotask(transport.reconnect);
  return transport;
}
