"""Resolution of the ``weights`` argument to a local file, with a download if necessary.

The order of preference is: a path, the published file in the cache, the embedded file, a download of the
published file.
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
from colorzoo.weights.load import existing_file, model_of_file, read_hparams

HUB = "hf-hub:"
"""Prefix of the name of a repository of the Hugging Face Hub, as in timm."""

_HUB_FILE = "model.safetensors"
_OFFLINE = "COLORZOO_OFFLINE"
_TIMEOUT = 15.0  # seconds without any received data


@dataclass(frozen=True)
class ResolvedWeights:
    """A local weight file.

    Examples:
        >>> ResolvedWeights(Path("mine.safetensors")).published
        False

    Attributes:
        path: The file.
        entry: Entry of the model card; None for a file that the card does not contain.
        hparams: Constructor arguments that the weights require.
        state: State of the file; None for a file that the card does not contain.
    """

    path: Path
    entry: Weights | None = None
    hparams: Mapping[str, Any] = field(default_factory=dict)
    state: FileState | None = None

    @property
    def sha256(self) -> str | None:
        """Hash on the card or of the first use; None for a file that the card does not contain."""
        return self.state.sha256 if self.state else None

    @property
    def published(self) -> bool:
        """Whether the tensors have the authors' names."""
        return self.entry is not None and self.entry.published


def resolve_weights(
    card: ModelCard, weights: str | Path | ResolvedWeights | None, *, offline: bool = False
) -> ResolvedWeights | None:
    """Return the local weight file for a ``weights`` argument; download the file if necessary.

    Examples:
        >>> card = colorzoo.model_card("zhang2017_local_small")
        >>> resolve_weights(card, "default").path.suffix
        '.safetensors'

    Args:
        card: The model.
        weights: ``"default"`` (the published file in the cache, else the embedded file, else a download, else
            None with a warning), another tag of the card such as ``"published"``, a path, or None. Resolved
            weights are returned unchanged.
        offline: Whether to open no connection.

    Returns:
        The file; None for random weights, or for a model without weights.

    Raises:
        WeightsError: Weights other than ``"default"`` are not available, the file does not exist, or the
            model has no weights.
    """
    found, reason = find_weights(card, weights, offline=offline)
    if reason:
        warnings.warn(
            f"{card.name} has random weights: {reason.rstrip('.')}.", UntrainedWarning, stacklevel=3
        )
    return found


def find_weights(
    card: ModelCard, weights: str | Path | ResolvedWeights | None, *, offline: bool = False
) -> tuple[ResolvedWeights | None, str]:
    """Return the file of `resolve_weights`, and the reason if required weights are not available."""
    if isinstance(weights, ResolvedWeights):
        return weights, ""
    if weights is None or (weights == "default" and not card.trainable):
        return None, ""
    if not card.trainable:
        raise WeightsError(
            f"weights must be None for {card.name}, got {_short(weights)}: {known_tags(card)}."
        )
    if weights == "default":
        return _find_default(card, offline)
    if isinstance(weights, str) and (weights in card.weights or weights == "published"):
        return _resolve_tag(card, weights, offline), ""
    return _resolve_path(card, weights), ""


def _find_default(card: ModelCard, offline: bool) -> tuple[ResolvedWeights | None, str]:
    reason = "its card contains no weights. Set weights to the path of a file"
    if card.weights:
        reason = f"{known_tags(card)}. Set weights to a tag or to the path of a file"
    for tag in default_tags(card):
        try:
            return _resolve_tag(card, tag, offline), ""
        except WeightsError as error:
            if card.weights[tag].file is not None:  # the installation is damaged
                raise
            reason = str(error)
    return None, reason


def _resolve_tag(card: ModelCard, tag: str, offline: bool) -> ResolvedWeights:
    file = weight_file(card, tag)
    entry, path = file.weights, file.path
    state = inspect_file(entry, path, rehash=True)
    if entry.file is not None and not state.trusted:
        problem = f"({megabytes(entry.size)}) is part of the package, but {state.reason}. Reinstall colorzoo."
        raise WeightsError(f"{path} {problem}")
    if state.status == "refused":
        again = f"Run `colorzoo weights fetch {card.name} --tag {tag}` to download the file again"
        raise WeightsError(f"{path} is not used: {state.reason}. {again}.")
    if not state.trusted:
        state = inspect_file(entry, fetch(entry, path, offline=offline))
    return ResolvedWeights(path, entry, entry.hparams, state)


def _resolve_path(card: ModelCard, weights: str | Path) -> ResolvedWeights:
    path = existing_file(weights)
    if path is not None:
        entry = find_entry(card, path)
        if entry is None and (recorded := read_hparams(path)):
            return ResolvedWeights(path, None, recorded)
        entry = entry or entry_without_hash(card, path)
        return ResolvedWeights(path, entry, entry.hparams if entry else {})
    if "://" in str(weights):
        raise WeightsError(
            f"weights must be a tag of {card.name} ({known_tags(card)}) or the path of a file, got the URL "
            f"{_short(weights)}. Download the file first."
        )
    raise WeightsError(
        f"weights must be a tag of {card.name} ({known_tags(card)}) or an existing file, got "
        f"{_short(weights)}."
    )


def _short(weights: str | Path) -> str:
    text = str(weights)
    return repr(text if len(text) <= 200 else f"{text[:200]}...")


def find_entry(card: ModelCard, path: Path) -> Weights | None:
    """Return the entry of a card that matches the hash of a file; None for any other file."""
    found = sha256_of(path) if card.weights else ""
    for entry in card.weights.values():
        if entry.sha256 == found or (entry.digest and not digest_mismatch(path, entry.digest)):
            return entry
    return None


def entry_without_hash(card: ModelCard, path: Path) -> Weights | None:
    """Return the published entry without a hash, to which a file without metadata may belong; else None."""
    unstated = (entry for entry in card.weights.values() if entry.sha256 is None and not entry.digest)
    entries = [entry for entry in unstated if entry.published]
    return entries[0] if entries and model_of_file(path) is None else None


def is_offline() -> bool:
    """Return whether the environment variable ``COLORZOO_OFFLINE`` is set."""
    return is_on(_OFFLINE)


@contextmanager
def offline_if(offline: bool) -> Iterator[None]:
    """Set ``COLORZOO_OFFLINE=1`` within the block if ``offline`` is True."""
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
    """Download a weight file unless a valid file exists, and return its path.

    A download with another hash or size is deleted. Without a published SHA-256, size and digest are checked;
    the hash is then recorded when the model loads the file for the first time.

    Args:
        weights: Entry of a model card; its URLs are tried in order.
        destination: Path of the file; missing folders are created.
        offline: Whether to open no connection, as with ``COLORZOO_OFFLINE=1``.

    Returns:
        ``destination``.

    Raises:
        WeightsError: The file cannot be downloaded, or has changed since its first use.
    """
    state = inspect_file(weights, destination, rehash=True)
    if state.trusted or state.status == "unchecked":
        return destination
    if state.status == "changed" and weights.sha256 is None:
        raise WeightsError(f"{destination} is not used: {state.reason}")
    failures = []
    if not weights.urls:
        failures = ["the model card contains no URL"]
    elif offline or is_offline():
        wrong = "" if state.status == "missing" else f", and the existing file is invalid: {state.reason}"
        failures = [f"COLORZOO_OFFLINE is set{wrong}"]
    else:
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            for url in weights.urls:
                if not (failure := _download(url, weights, destination)):
                    return destination
                failures.append(f"{url}: {failure}")
        except OSError as error:
            raise WeightsError(
                f"cannot write {destination.name} ({megabytes(weights.size)}): "
                f"{error.filename or destination}: {error.strerror or error}. "
                "Free disk space, or set COLORZOO_HOME to a writable folder."
            ) from error
    source = f" from {weights.urls[0]}" if weights.urls else ""
    raise WeightsError(
        f"cannot download {destination.name} ({megabytes(weights.size)}): {'; '.join(failures)}. "
        f"Copy the file{source} to {destination}."
    )


def _download(url: str, weights: Weights, destination: Path) -> str:
    """Download a file; return the reason of a failure, or an empty string.

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
    """Return a description of the problem if a download does not match the card, else an empty string."""
    if weights.sha256 is not None:
        found = sha256_of(part)
        return "" if found == weights.sha256 else f"expected sha256 {weights.sha256}, found {found}"
    with part.open("rb") as file:
        is_page = file.read(64).lstrip().startswith(b"<")
    wrong = wrong_size(weights, part.stat().st_size) or digest_mismatch(part, weights.digest)
    return f"a web page instead of the file ({wrong})" if is_page and wrong else wrong


def hub_weights(source: str, *, offline: bool) -> tuple[str, Path]:
    """Return model name and weight file of a Hugging Face Hub repository.

    Args:
        source: ``hf-hub:OWNER/NAME`` with an optional ``@REVISION``; the repository contains
            ``model.safetensors`` as written by `colorzoo weights pack`.
        offline: Whether to use only the local cache.

    Raises:
        WeightsError: The repository does not exist, the Hub cannot be reached, or the file has no model name.
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
        raise WeightsError(f"{source} cannot be downloaded ({reason.strip()}).") from error
    name = model_of_file(path)
    if name is None:
        raise WeightsError(
            f"{path} does not contain a model name. Write the file with `colorzoo weights pack`."
        )
    return model_card(name).name, path
