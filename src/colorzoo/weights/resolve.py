"""Resolution of the ``weights`` argument to a local file, with a download if necessary.

The order of preference is: a path, the published file in the cache, the embedded file, a download of the
published file.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colorzoo.card import ModelCard, Weights
from colorzoo.environment import is_on
from colorzoo.errors import UntrainedWarning, WeightsError
from colorzoo.files import begins_with, megabytes, sha256_of
from colorzoo.registry import model_card
from colorzoo.weights.catalog import WeightFile, default_files, file_problem, known_tags, weight_file
from colorzoo.weights.load import existing_file, model_of_file, read_hparams

HUB = "hf-hub:"
"""Prefix for repository names on the Hugging Face Hub, as in timm."""

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
        sha256: Verified hash of the file; None if the card does not contain the file, or if the file has no
            published hash and is used for the first time.
        is_first_use: Whether the file is used for the first time; if so, its hash must be recorded after
            loading.
    """

    path: Path
    entry: Weights | None = None
    hparams: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None
    is_first_use: bool = False

    @property
    def published(self) -> bool:
        """Whether the tensor names are the authors' parameter names."""
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
        weights: ``"default"``, another tag of the card such as ``"published"``, a path, or None.
            ``"default"`` selects the published file in the cache, else the embedded file, else a download. If
            none of them is available, a warning is issued and the result is None. A `ResolvedWeights` is
            returned unchanged.
        offline: Do not open network connections.

    Returns:
        The file; None for random weights, or for a model without weights.

    Raises:
        WeightsError: The file does not exist, a tag other than ``"default"`` is not available, or the model
            has no weights.
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
    """Return the result of `resolve_weights`, and the reason if the weights are not available."""
    if isinstance(weights, ResolvedWeights):
        return weights, ""
    if weights is None or (weights == "default" and not card.trainable):
        return None, ""
    if not card.trainable:
        raise WeightsError(
            f"weights must be None for {card.name}, got {_short(weights)}: {known_tags(card)}."
        )
    if weights != "default":
        if isinstance(weights, str) and (weights in card.weights or weights == "published"):
            return fetch(weight_file(card, weights), offline=offline), ""
        return _resolve_path(card, weights), ""
    reason = ""
    for file in default_files(card):
        try:
            return fetch(file, offline=offline), ""
        except WeightsError as error:
            if file.weights.file is not None:  # the installation is damaged
                raise
            reason = str(error)
    choices = "a tag or to the path of a file" if card.weights else "the path of a file"
    return None, reason or f"{known_tags(card)}. Set weights to {choices}"


def _resolve_path(card: ModelCard, weights: str | Path) -> ResolvedWeights:
    path = existing_file(weights)
    if path is None:
        raise WeightsError(
            f"weights must be a tag of {card.name} ({known_tags(card)}) or an existing file, got "
            f"{_short(weights)}."
        )
    entry = find_entry(card, path)
    if entry is None and (recorded := read_hparams(path)):
        return ResolvedWeights(path, None, recorded)
    entry = entry or entry_without_hash(card, path)
    return ResolvedWeights(path, entry, entry.hparams if entry else {})


def _short(weights: str | Path) -> str:
    text = str(weights)
    return repr(text if len(text) <= 200 else f"{text[:200]}...")


def find_entry(card: ModelCard, path: Path) -> Weights | None:
    """Return the entry of a card whose hash matches a file, or None."""
    found = sha256_of(path) if card.weights else ""
    return next((entry for entry in card.weights.values() if entry.sha256 == found), None)


def entry_without_hash(card: ModelCard, path: Path) -> Weights | None:
    """Return the card entry without a hash that may describe a published file, or None.

    The result is None for a file with a model name in its metadata, because authors' files have no such
    metadata.
    """
    entries = [entry for entry in card.weights.values() if entry.sha256 is None and entry.published]
    return entries[0] if entries and model_of_file(path) is None else None


def is_offline() -> bool:
    """Return True if the environment variable ``COLORZOO_OFFLINE`` is set."""
    return is_on(_OFFLINE)


def fetch(file: WeightFile, *, offline: bool = False) -> ResolvedWeights:
    """Return a weight file of a model card; download the file unless an intact file exists.

    The URLs of the card are tried in order. A download whose hash does not match the card is deleted.

    Args:
        file: File of a model card; missing folders are created.
        offline: Do not open network connections, as with ``COLORZOO_OFFLINE=1``.

    Raises:
        WeightsError: The file cannot be downloaded, has changed since its first use, or is part of the
            package and damaged.
    """
    if problem := file_problem(file):
        _replace(file, problem, offline)
    sha256 = file.sha256
    return ResolvedWeights(file.path, file.weights, file.weights.hparams, sha256, is_first_use=sha256 is None)


def _replace(file: WeightFile, problem: str, offline: bool) -> None:
    """Download a missing or damaged file; see `fetch`."""
    if file.weights.file is not None:
        raise WeightsError(f"{file.path} is invalid: {problem}. Reinstall colorzoo.")
    if problem != "missing" and file.weights.sha256 is None:
        raise WeightsError(f"{file.path} is invalid: {problem}.")
    urls, size = file.weights.urls, megabytes(file.weights.size)
    failures = [] if urls else ["the model card contains no URL"]
    if offline or is_offline():
        urls, failures = (), ["COLORZOO_OFFLINE is set"]
    try:
        for url in urls:
            if not (failure := _download(url, file)):
                return
            failures.append(f"{url}: {failure}")
    except OSError as error:
        raise WeightsError(f"cannot write {file.path} ({size}): {error.strerror or error}.") from error
    source = f" from {file.weights.urls[0]}" if file.weights.urls else ""
    raise WeightsError(
        f"cannot download {file.path.name} ({size}): {'; '.join(failures)}. Copy the file{source} to "
        f"{file.path}."
    )


def _download(url: str, file: WeightFile) -> str:
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
    expected, path = file.weights.sha256, file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        try:
            part = Path(pooch.retrieve(url, None, path.name, folder, downloader=load))
        except (requests.RequestException, ValueError) as error:
            return " ".join(str(error).split())[:300]
        if expected is not None and (found := sha256_of(part)) != expected:
            return f"expected SHA-256 {expected}, got {found}"
        if begins_with(part, b"<"):
            return "got a web page instead of the file"
        part.replace(path)
    return ""


def hub_weights(source: str, *, offline: bool) -> tuple[str, Path]:
    """Return the model name and the weight file of a Hugging Face Hub repository.

    Args:
        source: ``hf-hub:OWNER/NAME`` with an optional ``@REVISION``. The repository must contain a
            ``model.safetensors`` that `colorzoo weights convert` wrote.
        offline: Use only the local cache.

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
            f"{path} does not contain a model name. Write the file with `colorzoo weights convert`."
        )
    return model_card(name).name, path
