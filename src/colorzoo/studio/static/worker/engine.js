/** ONNX Runtime Web: on WebGPU if available, else on the CPU, with threads if the page may use them. */

import { RequestError } from "../steps/checks.js";

const MAX_THREADS = 4;
const GZIP = [0x1f, 0x8b];

/** @param {string | URL} address @returns {Promise<Uint8Array>} decompressed, unless the host has done so already */
async function fetchPacked(address) {
  const response = await fetch(address).catch(() => null);
  if (!response?.ok) throw new RequestError("no_model", `${String(address).split("/").pop()} could not be loaded; check the connection and reload.`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (GZIP.some((byte, i) => bytes[i] !== byte)) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function hasWebGpu() {
  if (!navigator.gpu) return false;
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  return Boolean(adapter) && !(adapter.info ?? adapter).isFallbackAdapter;
}

/** @param {any} model entry of the catalog @returns {{name: string, file: string}} its graph that compares places */
const likenessGraph = ({ name, likeness_file: file }) => ({ name: `likeness of ${name}`, file });

/** Runs the models of the page. */
class Engine {
  /** @param {any} catalog @param {URL} base address of its files */
  constructor(catalog, base) {
    this.catalog = catalog;
    this.base = base;
    /** @type {Map<string, any>} */
    this.sessions = new Map();
    this.kind = null;
    this.starting = null;
  }

  /** @param {string} file @returns {URL} */
  address(file) {
    return new URL(file, this.base);
  }

  async #start(kind) {
    const { script, binary } = this.catalog.runtimes[kind];
    const [ort, wasm] = await Promise.all([import(this.address(script).href), fetchPacked(this.address(binary))]);
    ort.env.wasm.wasmBinary = wasm;
    const spare = Math.floor((navigator.hardwareConcurrency || 1) / 2); // threads that wait for a busy core take longer than a single one
    ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(Math.max(spare, 1), MAX_THREADS) : 1;
    ort.env.logLevel = "error";
    return ort;
  }

  async #ready() {
    this.starting ??= (async () => {
      const { runtimes } = this.catalog;
      const wanted = (await hasWebGpu()) ? ["jspi", "asyncify"].filter((kind) => runtimes[kind] && (kind !== "jspi" || "Suspending" in WebAssembly)) : [];
      for (const kind of [...wanted.slice(0, 1), "plain"]) {
        try {
          this.ort = await this.#start(kind);
          this.kind = kind;
          return;
        } catch (error) {
          if (kind === "plain") throw error;
        }
      }
    })();
    try {
      await this.starting;
    } catch (error) {
      this.starting = null; // the next request tries again
      throw error;
    }
  }

  /** @returns {string} name of the runtime for the user */
  get description() {
    if (this.kind !== "plain") return "WebGPU";
    return this.ort.env.wasm.numThreads > 1 ? `WASM, ${this.ort.env.wasm.numThreads} threads` : "WASM";
  }

  /** @param {any} model entry of the catalog */
  session(model) {
    if (!this.sessions.has(model.name)) {
      const opening = this.#open(model);
      opening.catch(() => this.sessions.delete(model.name));
      this.sessions.set(model.name, opening);
    }
    return this.sessions.get(model.name);
  }

  /** Load all that a model needs for points. @param {any} model entry of the catalog */
  prepare(model) {
    return Promise.all([model, ...(model.likeness_file ? [likenessGraph(model)] : [])].map((each) => this.session(each)));
  }

  async #open(model) {
    const [bytes] = await Promise.all([fetchPacked(this.address(model.file)), this.#ready()]);
    const executionProviders = this.kind === "plain" ? ["wasm"] : ["webgpu", "wasm"];
    return this.ort.InferenceSession.create(bytes, { executionProviders, graphOptimizationLevel: "all", logSeverityLevel: 3 });
  }

  /**
   * @param {any} model @param {Record<string, {data: Float32Array, dims: number[]}>} inputs
   * @returns {Promise<Record<string, {data: Float32Array, dims: readonly number[]}>>}
   */
  async run(model, inputs) {
    const found = await this.#attempt(model, inputs);
    if ((found.ab ?? found.likeness).data.every(Number.isFinite)) return found;
    if (this.kind === "plain") throw new RequestError("internal", `${model.name} returned invalid numbers.`);
    this.catalog.runtimes = { plain: this.catalog.runtimes.plain }; // uses the CPU from now on
    this.starting = null;
    this.sessions.clear();
    return this.#attempt(model, inputs);
  }

  async #attempt(model, inputs) {
    const session = await this.session(model);
    const feeds = {};
    for (const name of session.inputNames) feeds[name] = new this.ort.Tensor("float32", inputs[name].data, inputs[name].dims);
    return session.run(feeds);
  }
}

export { Engine, fetchPacked, likenessGraph };
