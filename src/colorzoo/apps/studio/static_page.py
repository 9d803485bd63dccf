"""Static web page for colorizing images with color points in the browser.

The page contains the ONNX graph of one model. The browser runs the graph with ONNX Runtime Web, which this
module downloads once from npm.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import tarfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from colorzoo import create_coloring_model
from colorzoo.card import ModelCard, Weights
from colorzoo.console import print_line
from colorzoo.engines import graph_samples, write_graph
from colorzoo.errors import ColorzooError
from colorzoo.files import lock_file, remove_leftovers, sha256_of, whole_file, write_atomic
from colorzoo.image_io import read_image
from colorzoo.weights.catalog import WeightFile, cache_home, fetch, list_weights

_SETTINGS = "page.json"  # lists the files of a page, which a later page in the folder may replace
_GENERATOR = "colorzoo studio --static"
_FILES = ("page/page.js", "page/pixels.js", "page/page.css", "page/LICENSES.txt", "js/color.js", "icon.svg")
_BROWSER_FORMATS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")

_RUNTIME_VERSION = "1.30.0"
_RUNTIME_PACKAGE = Weights(
    sha256="d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    size=33_106_585,
    license="MIT",
    urls=(f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{_RUNTIME_VERSION}.tgz",),
)
_RUNTIME, _WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
_MAX_ERROR = 2.0**-10  # maximum rounding error of float16 weights, relative to the largest value of a tensor


def write_page(folder: Path, card: ModelCard, images: Sequence[Path]) -> int:
    """Write a static web page with one model and example images.

    An existing page in the folder is replaced. Files that this function did not write are kept.

    Args:
        folder: Output folder.
        card: Card (metadata) of the model.
        images: Example images. By default, the page opens the first image. The URL query ``?photo=NAME``
            opens another image.

    Returns:
        Total size of the files in bytes.

    Raises:
        ColorzooError: The folder contains files but no page, a file of the page was changed, an image would
            be replaced or deleted, the folder cannot be written, the model cannot run in a page, or an image
            is invalid.
    """
    old_settings = _read_settings(folder)
    obstacle = None
    if "export" in card.limits:
        obstacle = "it cannot be exported to ONNX"
    elif card.input != "gray" or card.output != "ab":
        obstacle = "it does not predict ab from gray images"
    elif not any(entry.where == "embedded" for entry in list_weights([card])):
        obstacle = "its weights are not included in the package"
    if obstacle is not None:
        raise ColorzooError(f"--model {card.name} cannot be used with --static, because {obstacle}")
    photos = {f"photos/{number}{image.suffix}": image for number, image in enumerate(images)}
    photo_files = {}
    for file, image in photos.items():
        read_image(image)  # raises an error if the image is invalid
        if image.suffix.lower() not in _BROWSER_FORMATS:
            raise ColorzooError(f"{image}: browsers do not support this format. Convert it to PNG or JPEG.")
        photo_files[file] = image.read_bytes()
    runtime_files = _runtime_files()
    # 49 s on one CPU core for `colorzoo2026`
    print_line(f"colorzoo: converting {card.name} to ONNX takes about a minute", sys.stderr)
    graph, network_size = _export_graph(card)
    graph_file = f"{card.name}.onnx.gz"
    static = files("colorzoo.apps.studio") / "static"
    content = {
        **{name: (static / name).read_bytes() for name in _FILES},
        "index.html": (static / "page" / "index.html").read_bytes(),
        **photo_files,
        **runtime_files,
        graph_file: gzip.compress(graph, mtime=0),
    }
    settings = {
        "generator": _GENERATOR,
        "graph": graph_file,
        "size": network_size,
        "runtime": f"runtime/{_RUNTIME}",
        "wasm": f"runtime/{_WASM}.gz",
        "photos": [{"file": file, "name": image.name} for file, image in photos.items()],
        "files": [(name, hashlib.sha256(data).hexdigest()) for name, data in content.items()],
    }
    changed = {*content, *(name for name, _ in old_settings.get("files", ()))}
    for file, image in photos.items():
        path = image.resolve()
        if folder.resolve() not in path.parents:
            continue
        name = path.relative_to(folder.resolve()).as_posix()
        if name in changed and content.get(name) != photo_files[file]:
            raise ColorzooError(
                f"--static must not replace or delete an input, got {image}. Copy the image elsewhere."
            )
    _write_folder(folder, content, settings, old_settings)
    return sum(map(len, content.values())) + (folder / _SETTINGS).stat().st_size


def _read_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of the page in a folder; an empty dict if the folder is new or empty.

    Raises:
        ColorzooError: The folder contains other files, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise ColorzooError(f"--static must be a folder, but {folder} is a file")
    # temporary files of a killed process do not count; they are deleted later
    if not folder.is_dir() or all(entry.name.startswith(".colorzoo-") for entry in folder.iterdir()):
        return {}
    # the file is missing, or another program wrote the file
    with suppress(OSError, ValueError, TypeError, KeyError):
        settings: dict[str, Any] = json.loads((folder / _SETTINGS).read_text("utf-8"))
        settings["files"] = [(str(name), str(digest)) for name, digest in settings["files"]]
        if settings["generator"] == _GENERATOR:
            return settings
    raise ColorzooError(
        f"--static must be a new or empty folder, or contain a page of this version, but {folder} contains "
        "other files. Choose another folder."
    )


def _write_folder(
    folder: Path, content: dict[str, bytes], settings: dict[str, Any], old_settings: dict[str, Any]
) -> None:
    """Write the files of a page, and delete the unchanged files of the old page.

    Args:
        folder: Output folder.
        content: New files by their path in the folder.
        settings: Content of ``page.json``. The field ``files`` lists the path and SHA-256 of each new file.
        old_settings: Content of ``page.json`` before the export; empty in a new folder.

    Raises:
        ColorzooError: A new file would replace a file that this module did not write, or the folder cannot
            be written. The folder is then not changed.
    """
    is_new = not folder.exists()
    lock_path = folder / ".colorzoo-lock"
    lock = None
    new_files = settings["files"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = lock_file(lock_path)
        old_settings = _read_settings(folder)  # another process can have written a page in the meantime
        old_files = old_settings.get("files", [])
        for name, digest in new_files:
            path = folder / name
            known = {old_digest for old_name, old_digest in old_files if old_name == name} | {digest}
            is_link = path.resolve() != folder.resolve() / name
            if is_link or (path.exists() and (path.is_dir() or sha256_of(path) not in known)):
                raise ColorzooError(
                    f"--static must not replace files of others, but colorzoo did not write {path}. Move the "
                    "file, or choose another folder."
                )
        # list old and new files first, so that a killed process leaves a page that can be replaced
        both = {**settings, **old_settings, "files": [*old_files, *new_files]}
        write_atomic(folder / _SETTINGS, json.dumps(both).encode())
        for name in content:
            remove_leftovers((folder / name).parent)
        # write all temporary files before the first file is replaced, so that a full disk changes no file
        with ExitStack() as renames:
            for name, data in {_SETTINGS: json.dumps(settings).encode(), **content}.items():
                file = renames.enter_context(whole_file(folder / name))
                file.write(data)
                file.flush()
        _delete_files(folder, [entry for entry in old_files if entry[0] not in content])
    except OSError as error:
        with suppress(OSError):
            if not old_settings:
                _delete_files(folder, new_files)
                (folder / _SETTINGS).unlink(missing_ok=True)
            lock_path.unlink(missing_ok=True)
            if is_new:
                folder.rmdir()
        raise ColorzooError(f"{folder} cannot be written: {error.strerror or error}") from error
    finally:
        if lock is not None:
            with suppress(OSError):  # Windows deletes no file that is open
                lock_path.unlink()
            lock.release()


def _delete_files(folder: Path, files: Sequence[tuple[str, str]]) -> None:
    """Delete files of a page and then empty subfolders; changed files are kept.

    Args:
        folder: Folder of the page.
        files: Path in the folder and SHA-256 of each file.
    """
    for name, digest in files:
        path = folder / name
        if folder.resolve() not in path.resolve().parents:
            continue  # a path outside the folder, or a link
        if path.is_file() and sha256_of(path) == digest:
            path.unlink()
        if path.parent != folder:
            with suppress(OSError):  # the subfolder contains other files
                path.parent.rmdir()


def _runtime_files() -> dict[str, bytes]:
    """Download ONNX Runtime Web if necessary; return its script and compressed binary."""
    archive = cache_home() / "runtimes" / f"onnxruntime-web-{_RUNTIME_VERSION}.tgz"
    fetch(WeightFile("onnxruntime-web", _RUNTIME_VERSION, _RUNTIME_PACKAGE, archive))
    with tarfile.open(archive) as package:
        script, binary = (package.extractfile(f"package/dist/{name}") for name in (_RUNTIME, _WASM))
        assert script is not None, "the hash of the package is known"
        assert binary is not None, "the hash of the package is known"
        packed = gzip.compress(binary.read(), mtime=0)
        return {f"runtime/{_RUNTIME}": script.read(), f"runtime/{_WASM}.gz": packed}


def _export_graph(card: ModelCard) -> tuple[bytes, int]:
    """Return a model's ONNX graph with float16 weights, and the shorter side of its input in pixels."""
    model = create_coloring_model(card.name)
    card = replace(card, guidance=tuple(kind for kind in card.guidance if kind == "points"))
    with TemporaryDirectory() as name:
        path = Path(name) / "graph.onnx"
        write_graph(model, *graph_samples(card), path, {"model": card.name})
        return halve_weights(path), model.working_size


def halve_weights(path: Path) -> bytes:
    """Convert the weights of an ONNX graph to float16 and return the serialized graph.

    The graph casts these weights to float32 before use. Weights stay in float32 if rounding to float16 would
    cause a large error.

    Args:
        path: ONNX file of the graph; it is not changed.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(path)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT:
            continue
        # maximum error of rounding, relative to the largest value; 0 for zeros
        with np.errstate(over="ignore", invalid="ignore"):  # infinite weights stay in float32
            error = np.abs(values.astype(np.float16).astype(np.float32) - values).max(initial=0)
        if float(error / max(np.abs(values).max(initial=0), np.finfo(np.float32).tiny)) <= _MAX_ERROR:
            name, half_name = weight.name, f"{weight.name}.half"
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half_name))
            casts.append(helper.make_node("Cast", [half_name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]  # a node must follow the nodes that compute its inputs
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())
