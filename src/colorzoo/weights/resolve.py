"""Resolution of the ``weights`` argument to a file on this machine, which is downloaded if necessary.

The rule: a given path, else the published file in the cache, else the embedded file, else the published file
is downloaded.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colorzoo.card import ModelCard, Weights
from colorzoo.environment import is_on
from colorzoo.errors import UntrainedWarning, WeightsError
from colorzoo.registry import model_card
from colorzoo.weights.catalog import (
    FileState,
    default_tags,
    inspect_file,
    known_tags,
    weight_file,
    wrong_size,
)
from colorzoo.weights.files import digest_mismatch, megabytes, sha256_of
from colorzoo.weights.load import as_file, model_of_file, read_hparams

HUB = "hf-hub:"
"""Prefix of the name of a repository of the Hugging Face Hub, as in timm."""

_HUB_FILE = "model.safetensors"
_OFFLINE = "COLORZOO_OFFLINE"
_TIMEOUT = 15.0  # seconds without a byte


@dataclass(frozen=True)
class ResolvedWeights:
    """A weight file on this machine.

    Examples:
        >>> ResolvedWeights(Path("mine.safetensors")).published
        False

    Attributes:
        path: The file.
        entry: Entry of the model's card, or None for a file of the user's own.
        hparams: Constructor arguments that these weights need.
        state: State of the file; None for a file of the user's own.
    """

    path: Path
    entry: Weights | None = None
    hparams: Mapping[str, Any] = field(default_factory=dict)
    state: FileState | None = None

    @property
    def sha256(self) -> str | None:
        """Verified hash, by the card or the first use; None for a file of the user's own."""
        return self.state.sha256 if self.state else None

    @property
    def published(self) -> bool:
        """True if the keys are those of the authors."""
        return self.entry is not None and self.entry.published


def resolve_weights(
    card: ModelCard, weights: str | Path | ResolvedWeights | None, *, offline: bool = False
) -> ResolvedWeights | None:
    """Find the weight file that a user means, downloading it if necessary.

    Examples:
        >>> card = colorzoo.model_card("zhang2017_local_small")
        >>> resolve_weights(card, "default").path.suffix
        '.safetensors'

    Args:
        card: The model.
        weights: ``"default"`` (the published file in the cache, else the embedded one, else the published one
            is downloaded, else none with a warning), another tag of the card such as ``"published"``, the
            path of a file, or None. Resolved weights are returned as they are.
        offline: Open no connection.

    Returns:
        The file, or None for a model that stays untrained or needs no weights.

    Raises:
        WeightsError: Weights other than ``"default"`` are not available, there is no such file, or the model
            has no weights.
    """
    found, reason = find_weights(card, weights, offline=offline)
    if reason:
        warnings.warn(
            f"{card.name} is untrained, its weights are random: {reason}", UntrainedWarning, stacklevel=3
        )
    return found


def find_weights(
    card: ModelCard, weights: str | Path | ResolvedWeights | None, *, offline: bool = False
) -> tuple[ResolvedWeights | None, str]:
    """Return the file of `resolve_weights`, and the reason if ``"default"`` finds none that is needed."""
    if isinstance(weights, ResolvedWeights):
        return weights, ""
    if weights is None or (weights == "default" and not card.trainable):
        return None, ""
    if not card.trainable:
        raise WeightsError(
            f"weights {_short(weights)}: {card.name} has no weights to load, {known_tags(card)}"
        )
    if weights == "default":
        return _find_default(card, offline)
    if isinstance(weights, str) and (weights in card.weights or weights == "published"):
        return _resolve_tag(card, weights, offline), ""
    return _resolve_path(card, weights), ""


def _find_default(card: ModelCard, offline: bool) -> tuple[ResolvedWeights | None, str]:
    reason = "its card names no weights; pass the path of a file as weights"
    if card.weights:
        reason = f"{known_tags(card)}; pass one of them, or the path of a file, as weights"
    for tag in default_tags(card):
        try:
            return _resolve_tag(card, tag, offline), ""
        except WeightsError as error:
            if card.weights[tag].file is not None:  # a broken installation, not a missing network
                raise
            reason = str(error)
    return None, reason


def _resolve_tag(card: ModelCard, tag: str, offline: bool) -> ResolvedWeights:
    file = weight_file(card, tag)
    entry, path = file.weights, file.path
    state = inspect_file(entry, path, rehash=True)
    if entry.file is not None and not state.trusted:
        problem = f"({megabytes(entry.size)}) is part of the package, but {state.reason}; reinstall colorzoo"
        raise WeightsError(f"{path} {problem}")
    if state.status == "refused":
        again = f"`colorzoo weights fetch {card.name} --tag {tag}` downloads it again"
        raise WeightsError(f"{path} is not used: {state.reason}; {again}")
    if not state.trusted:
        state = inspect_file(entry, fetch(entry, path, offline=offline))
    return ResolvedWeights(path, entry, entry.hparams, state)


def _resolve_path(card: ModelCard, weights: str | Path) -> ResolvedWeights:
    path = as_file(weights)
    if path is not None:
        entry = find_entry(card, path)
        if entry is None and (recorded := read_hparams(path)):
            return ResolvedWeights(path, None, recorded)
        entry = entry or entry_without_hash(card, path)
        return ResolvedWeights(path, entry, entry.hparams if entry else {})
    if "://" in str(weights):
        raise WeightsError(
            f"weights {_short(weights)}: an address has no hash to check; download it and pass the file's "
            f"path; of {card.name}: {known_tags(card)}"
        )
    raise WeightsError(
        f"weights {_short(weights)}: no such file, and no tag of {card.name}: {known_tags(card)}"
    )


def _short(weights: str | Path) -> str:
    text = str(weights)
    return repr(text if len(text) <= 200 else f"{text[:200]}...")


def find_entry(card: ModelCard, path: Path) -> Weights | None:
    """Return the entry of a card whose hash or digest a file has; None for any other file."""
    found = sha256_of(path) if card.weights else ""
    for entry in card.weights.values():
        if entry.sha256 == found or (entry.digest and not digest_mismatch(path, entry.digest)):
            return entry
    return None


def entry_without_hash(card: ModelCard, path: Path) -> Weights | None:
    """Return the authors' entry that a file without settings may belong to, if they state no hash."""
    unstated = (entry for entry in card.weights.values() if entry.sha256 is None and not entry.digest)
    entries = [entry for entry in unstated if entry.published]
    return entries[0] if entries and model_of_file(path) is None else None


def is_offline() -> bool:
    """Return True if the environment variable ``COLORZOO_OFFLINE`` forbids using the network."""
    return is_on(_OFFLINE)


@contextmanager
def offline_if(offline: bool) -> Iterator[None]:
    """Open no connection within the block if ``offline``, as with ``COLORZOO_OFFLINE=1``."""
    before = os.environ.get(_OFFLINE)
    if offline:
        os.environ[_OFFLINE] = "1"
    try:
        yield
    finally:
        if offline:
            if before is None:
                del os.environ[_OFFLINE]
            else:
                os.environ[_OFFLINE] = before


def fetch(weights: Weights, destination: Path, *, offline: bool = False) -> Path:
    """Make sure that a weight file is on this machine, downloading it if necessary.

    A file with a wrong hash or size is deleted and never returned. Where the authors state no SHA-256, a file
    of a fitting size and digest is returned; it must not be used before its model has loaded it.

    Args:
        weights: Entry of a model card with addresses, mirrors in order of preference.
        destination: Path of the finished file; missing folders are made.
        offline: Open no connection, as with ``COLORZOO_OFFLINE=1``.

    Returns:
        ``destination``.

    Raises:
        WeightsError: The file cannot be downloaded (the message says how to do it by hand), or it has changed
            since its first use.
    """
    state = inspect_file(weights, destination, rehash=True)
    if state.trusted or state.status == "unchecked":
        return destination
    if state.status == "changed" and weights.sha256 is None:
        raise WeightsError(f"{destination} is not used: {state.reason}")
    failures = []
    if not weights.urls:
        failures = ["the model card gives no address"]
    elif offline or is_offline():
        wrong = "" if state.status == "missing" else f", and of the file there: {state.reason}"
        failures = [f"offline{wrong}"]
    else:
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            for url in weights.urls:
                if not (failure := _download(url, weights, destination)):
                    return destination
                failures.append(f"{url}: {failure}")
        except OSError as error:
            raise WeightsError(
                f"cannot store {destination.name} ({megabytes(weights.size)}): "
                f"{error.filename or destination}: {error.strerror or error}; "
                "free space there, or set COLORZOO_HOME to a writable folder"
            ) from error
    source = f" from {weights.urls[0]}" if weights.urls else ""
    raise WeightsError(
        f"cannot fetch {destination.name} ({megabytes(weights.size)}): {'; '.join(failures)}; "
        f"download it by hand{source} to {destination}"
    )


def _download(url: str, weights: Weights, destination: Path) -> str:
    """Download a file to its place; return why that failed, empty if it did not.

    Raises:
        OSError: The file cannot be written.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    load = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(), timeout=_TIMEOUT, headers={"User-Agent": "colorzoo"}
    )
    with TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}.") as folder:
        try:
            part = Path(pooch.retrieve(url, None, destination.name, folder, downloader=load))
        except (requests.RequestException, ValueError) as error:
            return " ".join(str(error).split())[:300]
        wrong = _wrong_content(weights, part)
        if not wrong:
            part.replace(destination)
    return wrong


def _wrong_content(weights: Weights, part: Path) -> str:
    """Return why a download is not the file of the card, or an empty string if it is or may be."""
    if weights.sha256 is not None:
        found = sha256_of(part)
        return "" if found == weights.sha256 else f"expected sha256 {weights.sha256}, found {found}"
    with part.open("rb") as file:
        is_page = file.read(64).lstrip().startswith(b"<")
    wrong = wrong_size(weights, part.stat().st_size) or digest_mismatch(part, weights.digest)
    return f"a web page instead of the file ({wrong})" if is_page and wrong else wrong


def hub_weights(source: str, *, offline: bool) -> tuple[str, Path]:
    """Return the registered model of a repository of the Hugging Face Hub, and its weight file.

    Args:
        source: ``hf-hub:OWNER/NAME`` with an optional ``@REVISION``; the repository holds
            ``model.safetensors`` as `colorzoo weights pack` writes it.
        offline: Take what was fetched before.

    Raises:
        WeightsError: There is no such repository, the Hub cannot be reached, or the file names no model.
        UnknownModelError: The model is not registered.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    repository, _, revision = source.removeprefix(HUB).partition("@")
    offline = offline or is_offline()
    try:
        path = Path(
            hf_hub_download(repository, _HUB_FILE, revision=revision or None, local_files_only=offline)
        )
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise WeightsError(f"{source} cannot be fetched ({reason.strip()})") from error
    name = model_of_file(path)
    if name is None:
        raise WeightsError(f"{path} does not name its model; `colorzoo weights pack` writes such files")
    return model_card(name).name, path
