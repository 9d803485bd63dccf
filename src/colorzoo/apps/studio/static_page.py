"""Static web page for colorizing images with color points in the browser.

The page contains the ONNX graph of one model. The browser runs the graph with ONNX Runtime Web, which this
module downloads once from npm.
"""

from __future__ import annotations

import gzip
import json
import secrets
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from colorzoo import create_coloring_model
from colorzoo.card import ModelCard, Weights
from colorzoo.engines import graph_samples, write_graph
from colorzoo.errors import ColorzooError
from colorzoo.image_io import read_image
from colorzoo.weights import WeightFile, cache_home, fetch, list_weights

_SETTINGS = "page.json"  # marks a folder that this module wrote and may overwrite
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

    The page is written atomically. An existing page in the folder is replaced.

    Args:
        folder: Output folder.
        card: Card (metadata) of the model.
        images: Example images. By default, the page opens the first image. The URL query ``?photo=NAME``
            opens another image.

    Returns:
        Total size of the files in bytes.

    Raises:
        ColorzooError: The folder contains other files or cannot be written, the model cannot run in a page,
            or an image is invalid.
    """
    _check_folder(folder)
    obstacle = _obstacle(card)
    if obstacle is not None:
        raise ColorzooError(f"--model {card.name} cannot be used with --static, because {obstacle}")
    photos = {f"photos/{number}{image.suffix}": image for number, image in enumerate(images)}
    photo_files = {file: _read_photo(image) for file, image in photos.items()}
    runtime_files = _runtime_files()
    graph, network_size = _export_graph(card)
    graph_file = f"{card.name}.onnx.gz"
    settings = {
        "graph": graph_file,
        "size": network_size,
        "runtime": f"runtime/{_RUNTIME}",
        "wasm": f"runtime/{_WASM}.gz",
        "photos": [{"file": file, "name": image.name} for file, image in photos.items()],
    }
    content = {
        **_interface_files(),
        **photo_files,
        **runtime_files,
        graph_file: gzip.compress(graph, mtime=0),
        _SETTINGS: json.dumps(settings).encode(),
    }
    _write_folder(folder, content)
    return sum(map(len, content.values()))


def _check_folder(folder: Path) -> None:
    """Raise an error unless the output folder is new, empty, or contains an earlier page."""
    if folder.exists() and not folder.is_dir():
        raise ColorzooError(f"--static must be a folder, but {folder} is a file")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _SETTINGS).is_file():
        raise ColorzooError(f"--static must be an empty or new folder, but {folder} contains other files")


def _read_photo(path: Path) -> bytes:
    """Return the content of an example image; raise an error if browsers cannot show it."""
    read_image(path)  # raises an error if the image is invalid
    if path.suffix.lower() not in _BROWSER_FORMATS:
        raise ColorzooError(f"{path}: browsers do not support this format. Convert it to PNG or JPEG.")
    return path.read_bytes()


def _obstacle(card: ModelCard) -> str | None:
    """Return the reason why a model cannot run in a web page; None if it can run."""
    if "export" in card.limits:
        return "it cannot be exported to ONNX"
    if card.input != "gray" or card.output != "ab":
        return "it does not predict ab from gray images"
    if not any(entry.where == "embedded" for entry in list_weights([card])):
        return "its weights are not included in the package"
    return None


def _interface_files() -> dict[str, bytes]:
    """Return the HTML, scripts and styles of the page by file name."""
    static = files("colorzoo.apps.studio") / "static"
    content = {name: (static / name).read_bytes() for name in _FILES}
    content["index.html"] = (static / "page" / "index.html").read_bytes()
    return content


def _write_folder(folder: Path, content: dict[str, bytes]) -> None:
    """Replace a folder atomically by files, which are passed by their path in the folder."""
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
        if weight.data_type == TensorProto.FLOAT and _rounding_error(values) <= _MAX_ERROR:
            name, half_name = weight.name, f"{weight.name}.half"
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), half_name))
            casts.append(helper.make_node("Cast", [half_name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]  # a node must follow the nodes that compute its inputs
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())


def _rounding_error(values: NDArray[np.float32]) -> float:
    """Return the maximum error of rounding to float16, relative to the largest value; 0 for zeros."""
    with np.errstate(over="ignore"):
        error = np.abs(values.astype(np.float16).astype(np.float32) - values).max(initial=0)
    return float(error / max(np.abs(values).max(initial=0), np.finfo(np.float32).tiny))
