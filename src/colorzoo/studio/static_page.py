"""Write the pad as a folder of plain files for any static host: the browser colors, nothing is uploaded.

The models run in ONNX Runtime Web, which is downloaded once from npm by its exact version and then cached.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
import shutil
import tarfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from colorzoo import __version__
from colorzoo.capabilities import ComparesPlaces
from colorzoo.card import ModelCard, Weights
from colorzoo.color import grid_centers, hull_centers, hull_mask
from colorzoo.engines.export import export_likeness, graph_samples, write_graph
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model
from colorzoo.guidance.recipe import MAX_POINTS
from colorzoo.inference.palette import PALETTE
from colorzoo.model import ColoringModel
from colorzoo.networks.shared_weights import fingerprint
from colorzoo.pictures.read import read_picture
from colorzoo.registry import list_models, model_card
from colorzoo.studio.bundle import bundled_module, pad_module, pad_style
from colorzoo.studio.handlers import MAX_SUGGESTIONS
from colorzoo.studio.models import menu_entry
from colorzoo.studio.protocol import Limits
from colorzoo.studio.step_constants import step_constants
from colorzoo.weights.catalog import cache_home, list_weights
from colorzoo.weights.download import fetch

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

_DEFAULT_MODELS = ("colorzoo2026", "zhang2016_small", "zhang2017_global_small", "xu2020_small")
_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self' blob:; font-src 'self'; base-uri 'none'; form-action 'none'"
)
_MARKER = "colorzoo-page.json"  # a folder with this file is a page, which may be overwritten
_GUIDANCE = frozenset({"points", "statistics", "exemplar"})  # implemented in JavaScript
_FULL_PIXELS = 50_000_000
TELL_EVERY = 30.0  # seconds

_RUNTIME_VERSION = "1.30.0"
_RUNTIME_PACKAGE = Weights(
    sha256="d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    size=33_106_585,
    license="MIT",
    urls=(f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{_RUNTIME_VERSION}.tgz",),
)
_RUNTIMES = {  # script and binary for the CPU, and for WebGPU in two kinds of browsers
    "plain": ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    "jspi": ("ort.jspi.bundle.min.mjs", "ort-wasm-simd-threaded.jspi.wasm"),
    "asyncify": ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}

_MIN_VALUES = 64  # smaller tensors hold constants and stay in float32
_MIN_MATRIX = 2**16  # values from which a matrix is stored in 8 bits
_OUTPUT_AXES = {2: 1, 4: 0}  # by number of axes: of matrices and of convolutions
_MAX_ERROR = 2.0**-10  # relative to the largest value of a tensor; embedded weights are half precision too


@dataclass(frozen=True)
class StaticPage:
    """Summary of a written page.

    Attributes:
        folder: Folder of the page.
        total: Bytes of all files.
        initial: Bytes that a browser loads before it colors the first photo on the CPU.
        models: Names of its models, the default one first.
    """

    folder: Path
    total: int
    initial: int
    models: tuple[str, ...]


def write_page(
    folder: Path,
    cards: list[ModelCard],
    photos: Sequence[Path],
    log: Callable[[str], None],
) -> StaticPage:
    """Write the page, complete or not at all.

    Args:
        folder: Folder to create; an older page there is replaced.
        cards: The models, the default one first; see `page_models`.
        photos: Photos of the page. The first one is opened at once, any of them by ``?photo=NAME``.
        log: Called with a line on every step, and from another thread while a long one goes on.

    Raises:
        ColorzooError: The folder contains other files or cannot be written, or the runtime is not available.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARKER).is_file():
        raise ColorzooError(f"{folder} holds other files; name an empty or a new folder for the page.")
    if folder.exists() and not folder.is_dir():
        raise ColorzooError(f"{folder} is a file; name a folder for the page.")
    log("runtime: onnxruntime-web")
    content = runtime_files() | page_files()
    exports = {}
    for card in cards:
        with telling(log, f"graph of {card.name}"):
            graphs, exports[card.name] = export_graphs(card)
        content |= {f"static/{name}": data for name, data in graphs.items()}
    offered = []
    for number, photo in enumerate(photos):
        read_picture(photo)  # raises here if the photo is invalid
        data = content[f"static/photo{number}{photo.suffix}"] = photo.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        offered.append({"upload": f"photo{number}{photo.suffix}", "name": photo.name, "sha256": digest})
    catalog = _catalog(cards, exports, offered)
    content["static/catalog.json"] = json.dumps(catalog, separators=(",", ":")).encode()
    content["static/pad.worker.js"] = bundled_module("worker/worker").encode()
    content["sw.js"] = _service_worker(content)
    facts = {"colorzoo": __version__, "models": [card.name for card in cards], "files": sorted(content)}
    content[_MARKER] = json.dumps(facts).encode()
    _write(folder, content)
    names = _initial_files(content, exports[cards[0].name]["file"])
    return StaticPage(
        folder,
        sum(map(len, content.values())),
        sum(len(content[name]) for name in names),
        tuple(card.name for card in cards),
    )


@contextmanager
def telling(log: Callable[[str], None], step: str) -> Iterator[None]:
    """Log a step, and again every half minute while it goes on."""
    log(step)
    began, done = time.monotonic(), threading.Event()

    def tell() -> None:
        while not done.wait(TELL_EVERY):
            log(f"{step}: {time.monotonic() - began:.0f} s so far; it is made once and then kept")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def page_models(names: Sequence[str] | None) -> list[ModelCard]:
    """Return the models of a page, the default one first.

    Args:
        names: Registered names or aliases; None for the default selection.

    Raises:
        ColorzooError: A model cannot run in a page; the message gives the reason.
    """
    cards = [model_card(name) for name in names or _DEFAULT_MODELS]
    for card in cards:
        if reason := _obstacle(card):
            raise ColorzooError(f"{card.name} cannot be put into a page: {reason}.")
    return cards


def runtime_is_cached() -> bool:
    """Return whether ONNX Runtime Web is in the cache, so that nothing is downloaded."""
    return _runtime_archive().is_file()


def _obstacle(card: ModelCard) -> str:
    """Return the reason why a model cannot run in a page, empty if it can."""
    if "export" in card.limits:
        return "it cannot be exported to ONNX"
    if card.input == "sketch":
        return "its regions and lines are found by Python"
    if more := sorted(set(menu_entry(card)["guidance"]) - _GUIDANCE):
        return f"its {' and '.join(more)} cannot be given there"
    if not _is_embedded(card):
        return "its weights do not ship with the package"
    return ""


def _is_embedded(card: ModelCard) -> bool:
    return any(row.where == "embedded" for row in list_weights([card]))


def _catalog(
    cards: Sequence[ModelCard], exports: dict[str, dict[str, Any]], photos: Sequence[dict[str, str]]
) -> dict[str, Any]:
    """Return ``catalog.json``: models, photos, limits, and tables that the JavaScript shares with Python."""
    chosen = [card.name for card in cards]
    others = [
        card for card in map(model_card, list_models()) if card.name not in chosen and _is_embedded(card)
    ]
    entries = [_entry(card) | exports[card.name] | {"ready": True} for card in cards]
    entries[0]["default"] = True
    left_out = "left out when this page was made"
    entries += [_entry(card) | {"ready": False, "missing": _obstacle(card) or left_out} for card in others]
    limits = Limits(full_pixels=_FULL_PIXELS).to_dict() | {"points": MAX_POINTS}
    del limits["head"]  # nothing is uploaded, so no file is checked before
    return {
        "version": __version__,
        "runtime": _RUNTIME_VERSION,
        "runtimes": {
            kind: {"script": script, "binary": f"{binary}.packed"}
            for kind, (script, binary) in _RUNTIMES.items()
        },
        "photos": list(photos),
        "network": ColoringModel.working_size,
        "view": Limits().view_side,
        "limits": limits | {"formats": ["png", "jpeg"]},
        "models": entries,
        "constants": step_constants(),
        "hull": hull_centers().int().tolist(),
        "grid": grid_centers().int().tolist(),
        "shown": hull_mask().nonzero().flatten().tolist(),
        "draws": [
            np.random.default_rng(seed).random(MAX_SUGGESTIONS).tolist() for seed in range(1, PALETTE.starts)
        ],
    }


def _entry(card: ModelCard) -> dict[str, Any]:
    return menu_entry(card) | {"aliases": list(card.aliases), "default": False, "detects": False}


def page_files() -> dict[str, bytes]:
    """Return the page, its scripts and styles by path."""
    static = files("colorzoo.studio") / "static"
    page = (static / "index.html").read_text(encoding="utf-8")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    page = page.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n    {policy}')
    page = page.replace(
        "data-colorzoo-pad", 'data-colorzoo-pad data-worker="static/pad.worker.js" data-service="sw.js"'
    )
    return {
        "index.html": page.encode(),
        "static/pad.js": pad_module().encode(),
        "static/pad.css": pad_style().encode(),
        "static/icon.svg": (static / "icon.svg").read_bytes(),
        "LICENSES.txt": (static / "worker" / "LICENSES.txt").read_bytes(),
    }


def _service_worker(content: dict[str, bytes]) -> bytes:
    """Return the service worker, whose cache belongs to exactly this content."""
    digest = hashlib.sha256()
    for name in sorted(content):
        digest.update(name.encode() + hashlib.sha256(content[name]).digest())
    shell = [
        "./",
        *(n for n in sorted(content) if n.startswith("static/pad.") or n.endswith((".svg", "catalog.json"))),
    ]
    script = files("colorzoo.studio") / "static" / "worker" / "serviceworker.js"
    facts = {"VERSION": digest.hexdigest()[:16], "SHELL": shell, "POLICY": _POLICY}
    return f"const PAGE = {json.dumps(facts)};\n{script.read_text(encoding='utf-8')}".encode()


def _initial_files(content: Iterable[str], model: str) -> list[str]:
    script, binary = _RUNTIMES["plain"]
    loaded = {f"static/{script}", f"static/{binary}.packed", f"static/{model}"}
    suffixes = (".html", ".css", ".json", "pad.js", "worker.js", "sw.js", ".svg")
    return [name for name in content if name in loaded or name.endswith(suffixes)]


def _write(folder: Path, content: dict[str, bytes]) -> None:
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        for name, data in content.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(data)
        if folder.exists():
            shutil.rmtree(folder)
        part.replace(folder)
    except OSError as error:
        raise ColorzooError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _runtime_archive() -> Path:
    return cache_home() / "runtimes" / f"onnxruntime-web-{_RUNTIME_VERSION}.tgz"


def runtime_files() -> dict[str, bytes]:
    """Return scripts and packed binaries of ONNX Runtime Web, downloaded if necessary."""
    content: dict[str, bytes] = {}
    with tarfile.open(fetch(_RUNTIME_PACKAGE, _runtime_archive())) as archive:
        for name in sorted({name for pair in _RUNTIMES.values() for name in pair}):
            file = archive.extractfile(f"package/dist/{name}")
            assert file is not None, f"{name} is a plain file in this package, whose hash is known"
            with file:
                data = file.read()
            if name.endswith(".mjs"):
                content[f"static/{name}"] = data
            else:
                content[f"static/{name}.packed"] = _pack(data)
    return content


def _pack(data: bytes) -> bytes:
    """Compress a file of the page, since not every static host does."""
    return gzip.compress(data, 9, mtime=0)


def export_graphs(card: ModelCard) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return a model's graphs by file name, and its fields in the catalog.

    A model with a reference has two graphs, since it also colors without one, and a model that compares
    places has one for that.
    """
    (weights,) = [row.weights for row in list_weights([card]) if row.where == "embedded"]
    model = create_coloring_model(card.name)
    mark = fingerprint(model)  # includes weights borrowed from another model
    card = replace(card, guidance=tuple(kind for kind in card.guidance if kind != "classes"))
    plain = replace(card, guidance=tuple(kind for kind in card.guidance if kind != "exemplar"))
    file = f"{card.name}.onnx.packed"
    graph, outputs = graph_of(model, plain, f"{card.name}-{mark}")
    graphs = {file: graph}
    facts: dict[str, Any] = {"file": file, "distribution": "logits" in outputs, "size": model.working_size}
    if plain != card:
        facts["exemplar_file"] = f"{card.name}.exemplar.onnx.packed"
        graphs[facts["exemplar_file"]], _ = graph_of(model, card, f"{card.name}-exemplar-{mark}")
    if isinstance(model, ComparesPlaces):
        facts["likeness_file"] = f"{card.name}.likeness.onnx.packed"
        graphs[facts["likeness_file"]], _ = likeness_graph_of(model, plain, f"{card.name}-likeness-{mark}")
    return graphs, facts | {"weights": weights.sha256 or ""}


def graph_of(model: ColoringModel, card: ModelCard, name: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a packed graph of a model, exported once and then cached, and the names of its outputs.

    Args:
        model: The model.
        card: Its card, with the guidance that the graph is to take.
        name: Name in the cache.
    """
    extras = ("places",) if isinstance(model, ComparesPlaces) else ()

    def write(path: Path) -> None:
        write_graph(model, *graph_samples(card, "onnx"), path, {"model": card.name}, extras)

    return _cached_graph("-".join((name, *extras)), write)


def likeness_graph_of(model: ColoringModel, card: ModelCard, name: str) -> tuple[bytes, tuple[str, ...]]:
    """Return the packed graph by which a model compares places; see `graph_of`."""

    def write(path: Path) -> None:
        with torch.inference_mode():
            places = model(*graph_samples(card, "onnx")[0]).extras["places"][:1]
        export_likeness(cast(ComparesPlaces, model), places.clone(), path)

    return _cached_graph(name, write)


def _cached_graph(name: str, write: Callable[[Path], None]) -> tuple[bytes, tuple[str, ...]]:
    cached = cache_home() / "graphs" / f"page-{name}-{__version__}.onnx"
    if not cached.is_file():
        write(cached)
    graph, outputs = compress_weights(cached)
    return _pack(graph), outputs


def compress_weights(path: Path) -> tuple[bytes, tuple[str, ...]]:
    """Return a graph with compressed weights, which are converted to float32 where they are used.

    Large matrices are stored in 8 bits with a scale for each output, and so are large kernels that 8 bits
    hold as well as float16, as those of embedded weights in 8 bits. The rest is float16; tensors whose values
    are too large for it or of too wide a range stay in float32.

    Args:
        path: The ONNX file.

    Returns:
        The graph, and the names of its outputs.
    """
    import onnx

    model = onnx.load(path)
    tensors, nodes = [], []
    for tensor in model.graph.initializer:
        stored, node = _compress_tensor(model, tensor)
        tensors.extend(stored)
        nodes.extend(node)
    nodes.extend(model.graph.node)
    for field, content in ((model.graph.initializer, tensors), (model.graph.node, nodes)):
        del field[:]
        field.extend(content)
    onnx.checker.check_model(model)
    return model.SerializeToString(), tuple(output.name for output in model.graph.output)


def _compress_tensor(model: ModelProto, tensor: TensorProto) -> tuple[list[TensorProto], list[NodeProto]]:
    """Return what replaces a tensor, and the node that restores its float32 values, if any."""
    from onnx import TensorProto, helper, numpy_helper

    if tensor.data_type != TensorProto.FLOAT:
        return [tensor], []
    values = numpy_helper.to_array(tensor)
    readers = {node.op_type for node in model.graph.node if tensor.name in node.input}
    largest = float(np.abs(values).max(initial=0))
    if values.ndim in _OUTPUT_AXES and values.size >= _MIN_MATRIX:
        axis = _OUTPUT_AXES[values.ndim]
        others = tuple(other for other in range(values.ndim) if other != axis)
        scale = np.abs(values).max(axis=others, keepdims=True)
        scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32) / 127
        levels = np.rint(values / scale)
        if readers == {"Gemm"} or float(np.abs(levels * scale - values).max()) <= _MAX_ERROR * largest:
            stored = [
                numpy_helper.from_array(levels.astype(np.int8), f"{tensor.name}.levels"),
                numpy_helper.from_array(scale.flatten(), f"{tensor.name}.scale"),
            ]
            names = [part.name for part in stored]
            return stored, [helper.make_node("DequantizeLinear", names, [tensor.name], axis=axis)]
    if values.size < _MIN_VALUES or largest >= float(np.finfo(np.float16).max):
        return [tensor], []
    half = values.astype(np.float16)
    if float(np.abs(half.astype(np.float32) - values).max()) > _MAX_ERROR * largest:
        return [tensor], []
    stored = [numpy_helper.from_array(half, f"{tensor.name}.half")]
    node = helper.make_node("Cast", [stored[0].name], [tensor.name], to=TensorProto.FLOAT)
    return stored, [node]
