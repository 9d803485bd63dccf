"""The pad as a folder of plain files that any static host serves: nothing is uploaded, the browser colors."""

from __future__ import annotations

import gzip
import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from colorzoo import __version__
from colorzoo.card import ModelCard
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_model
from colorzoo.inference.export import export_model
from colorzoo.inference.picture_io import read_picture
from colorzoo.networks.fingerprint import fingerprint
from colorzoo.studio.bundle import joined_module, pad_module, pad_style
from colorzoo.studio.catalog import catalog
from colorzoo.studio.runtime import RUNTIMES, runtime_files
from colorzoo.studio.small_weights import small_weights
from colorzoo.weights.catalog import cache_home, list_weights

_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self' blob:; font-src 'self'; base-uri 'none'; form-action 'none'"
)
_MARK = "colorzoo-page.json"  # by it a folder is known as a page, which may be written anew

Report = Callable[[str], None]


@dataclass(frozen=True)
class Page:
    """A page that was written.

    Attributes:
        folder: Where.
        total: Bytes of all files.
        first: Bytes that a browser loads before the first photo is colored, on the processor.
        models: Names of its models, the default one first.
    """

    folder: Path
    total: int
    first: int
    models: tuple[str, ...]


def write_page(
    folder: Path, cards: list[ModelCard], photos: Sequence[Path] = (), report: Report = lambda _: None
) -> Page:
    """Write the page, whole or not at all.

    Args:
        folder: It is made; an older page there is replaced.
        cards: The models, the default one first; see `page_models`.
        photos: The first is opened at once, any of them by ``?photo=NAME`` behind the page's address.
        report: Told what is being done.

    Raises:
        ColorzooError: The folder holds something else or cannot be written, or the runtime cannot be had.
    """
    _check_folder(folder)
    report("runtime: onnxruntime-web")
    content = _runtime() | _scripts()
    about = {}
    for card in cards:
        report(f"graph of {card.name}")
        graphs, about[card.name] = _graphs(card)
        content |= {f"static/{name}": data for name, data in graphs.items()}
    offered = []
    for number, photo in enumerate(photos):
        read_picture(photo)  # what is wrong is said here, not in the page
        data = content[f"static/photo{number}{photo.suffix}"] = photo.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        offered.append({"upload": f"photo{number}{photo.suffix}", "name": photo.name, "sha256": digest})
    content["static/catalog.json"] = json.dumps(
        catalog(cards, about, offered), separators=(",", ":")
    ).encode()
    content["static/pad.worker.js"] = joined_module("alone/worker").encode()
    content["sw.js"] = _service(content)
    facts = {"colorzoo": __version__, "models": [card.name for card in cards], "files": sorted(content)}
    content[_MARK] = json.dumps(facts, indent=1).encode()
    _write(folder, content)
    first = sum(len(content[name]) for name in _first_load(content, about[cards[0].name]["file"]))
    return Page(folder, sum(map(len, content.values())), first, tuple(card.name for card in cards))


def _first_load(content: Iterable[str], model: str) -> list[str]:
    script, binary = RUNTIMES["plain"]
    asked = {f"static/{script}", f"static/{binary}.packed", f"static/{model}"}
    return [
        n
        for n in content
        if n in asked or n.endswith((".html", ".css", ".json", "pad.js", "worker.js", "sw.js", ".svg"))
    ]


def _scripts() -> dict[str, bytes]:
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
        "LICENSES.txt": (static / "alone" / "LICENSES.txt").read_bytes(),
    }


def _runtime() -> dict[str, bytes]:
    found = runtime_files()
    scripts = {f"static/{name}": data for name, data in found.items() if name.endswith(".mjs")}
    return scripts | {
        f"static/{name}.packed": _packed(data) for name, data in found.items() if name.endswith(".wasm")
    }


def _packed(data: bytes) -> bytes:
    """Compress here: not every static host does."""
    return gzip.compress(data, 9, mtime=0)


def _service(content: dict[str, bytes]) -> bytes:
    """Return the service worker, which knows this very content: another page's files are never mixed in."""
    digest = hashlib.sha256()
    for name in sorted(content):
        digest.update(name.encode() + hashlib.sha256(content[name]).digest())
    shell = [
        "./",
        *(n for n in sorted(content) if n.startswith("static/pad.") or n.endswith((".svg", "catalog.json"))),
    ]
    text = (files("colorzoo.studio") / "static" / "alone" / "service.js").read_text(encoding="utf-8")
    facts = {"VERSION": digest.hexdigest()[:16], "SHELL": shell, "POLICY": _POLICY}
    return f"const PAGE = {json.dumps(facts)};\n{text}".encode()


def _graphs(card: ModelCard) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return a model's graphs by the names of their files, and what the page is told of them.

    One that takes a reference has two: without a reference it colors all the same.
    """
    (weights,) = [row.weights for row in list_weights([card]) if row.where == "embedded"]
    model = create_model(card.name)
    mark = fingerprint(model)  # also of weights that it borrows from another model
    plain = replace(card, guidance=tuple(kind for kind in card.guidance if kind != "exemplar"))
    graph, outputs = _graph(plain, f"{card.name}-{mark}")
    facts = {
        "file": f"{card.name}.onnx.packed",
        "distribution": "logits" in outputs,
        "size": model.working_size,
    }
    graphs = {f"{card.name}.onnx.packed": graph}
    if plain != card:
        facts["exemplar_file"] = f"{card.name}.exemplar.onnx.packed"
        graphs[f"{card.name}.exemplar.onnx.packed"], _ = _graph(card, f"{card.name}-exemplar-{mark}")
    return graphs, facts | {"weights": weights.sha256 or ""}


def _graph(card: ModelCard, name: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a graph, which is made once and kept in the cache, and the names of its outputs."""
    kept = cache_home() / "graphs" / f"page-{name}-{__version__}.onnx"
    if not kept.is_file():
        export_model(card, kept)
    graph, outputs = small_weights(kept)
    return _packed(graph), outputs


def _check_folder(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise ColorzooError(f"{folder} holds other files; name an empty or a new folder for the page.")
    if folder.exists() and not folder.is_dir():
        raise ColorzooError(f"{folder} is a file; name a folder for the page.")


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
