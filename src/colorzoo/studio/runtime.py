"""ONNX Runtime Web, which runs the models in a page: fetched once from npm by exact version, then cached."""

from __future__ import annotations

import base64
import hashlib
import tarfile
from pathlib import Path

from colorzoo.card import Weights
from colorzoo.errors import ColorzooError
from colorzoo.weights.catalog import cache_home
from colorzoo.weights.download import fetch

VERSION = "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
_ARCHIVE = Weights(
    sha256="d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    size=33_106_585,
    license="MIT",
    size_stated=True,
    urls=(f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz",),
)
RUNTIMES = {
    "plain": ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    "jspi": ("ort.jspi.bundle.min.mjs", "ort-wasm-simd-threaded.jspi.wasm"),
    "asyncify": ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}
"""Script and binary of each way to run: on the processor, or on the graphics one in two kinds of browser."""


def archive_path() -> Path:
    """Return where the package of npm is kept, or will be."""
    return cache_home() / "runtimes" / f"onnxruntime-web-{VERSION}.tgz"


def is_cached() -> bool:
    """Say whether nothing needs to be fetched."""
    return archive_path().is_file()


def runtime_files() -> dict[str, bytes]:
    """Return scripts and binaries by their names, fetching the package if need be.

    Raises:
        WeightsError: It cannot be fetched; the message says how to put it there by hand.
        ColorzooError: It is not what npm published.
    """
    path = fetch(_ARCHIVE, archive_path())
    found = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    if f"sha512-{found}" != INTEGRITY:
        raise ColorzooError(f"{path} is not what npm published as onnxruntime-web {VERSION}; remove it.")
    wanted = {name for pair in RUNTIMES.values() for name in pair}
    with tarfile.open(path) as archive:
        return {name: _member(archive, f"package/dist/{name}") for name in sorted(wanted)}


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None, f"{name} is a plain file in this package, whose hash is known"
    with file:
        return file.read()
