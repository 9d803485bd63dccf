"""Weight files of model cards: local paths, hash checks and downloads.

`resolve_weights` converts the ``weights`` argument of a model to a local file. For ``"default"``, the order
of preference is: the published file in the cache, the embedded file (part of the package), a download of the
published file.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory, gettempdir
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from colorzoo._files import begins_with, expand_user, similar_paths
from colorzoo.card import ModelCard, Weights
from colorzoo.console import first_words, is_terminal
from colorzoo.errors import UntrainedWarning, WeightsError
from colorzoo.files import megabytes, sha256_of, whole_file, write_atomic
from colorzoo.registry import list_models, model_card
from colorzoo.weights.hub import hub_file, is_offline
from colorzoo.weights.load import Provenance, existing_file, model_of_file, read_weights

if TYPE_CHECKING:
    from colorzoo.networks.imagenet_encoder import ImageNetEncoder

Where = Literal["embedded", "cached", "missing"]
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
"""Folder of the weights that are part of the package."""

_TIMEOUT = 15.0  # seconds without any received data


@dataclass(frozen=True)
class WeightFile:
    """Weight file that a model card lists.

    Examples:
        >>> entry = list_weights([colorzoo.model_card("zhang2017_local_small")])[0]
        >>> entry.model, entry.path.suffix
        ('zhang2017_local_small', '.safetensors')

    Attributes:
        model: Registered name.
        tag: Key of the weights on the card, such as ``"published"``.
        weights: Description of these weights on the card.
        path: Local path of the file, even if the file was not downloaded.
    """

    model: str
    tag: str
    weights: Weights
    path: Path

    @property
    def where(self) -> Where:
        """Location: ``"embedded"`` (in the package), ``"cached"`` (downloaded) or ``"missing"``."""
        if not self.path.is_file():
            return "missing"
        return "cached" if self.weights.file is None else "embedded"

    @property
    def sha256(self) -> str | None:
        """SHA-256 from the card, else the hash recorded after the download, else None."""
        return self.weights.sha256 or recorded_sha256(self.path)

    @property
    def code_license(self) -> str:
        """License of the code that was published with the weights."""
        return self.weights.code_license or ("Apache-2.0" if self.weights.file else "unknown")

    @property
    def data_license(self) -> str:
        """Licenses of the training data."""
        return self.weights.data_license or "unknown"

    @property
    def origin(self) -> str:
        """Source of the file: ``"package"``, the host of its first URL, or ``"nowhere"``."""
        if self.weights.file is not None:
            return "package"
        return urlsplit(self.weights.urls[0]).hostname or "nowhere" if self.weights.urls else "nowhere"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as plain JSON types."""
        entry = asdict(self.weights)
        row = {"model": self.model, "tag": self.tag, "path": str(self.path), "where": self.where}
        row |= entry | {"urls": list(self.weights.urls), "hparams": dict(self.weights.hparams)}
        licenses = {"code_license": self.code_license, "data_license": self.data_license}
        return row | licenses | {"origin": self.origin}


@dataclass(frozen=True)
class ResolvedWeights:
    """Local weight file that a ``weights`` argument selects.

    Examples:
        >>> print(ResolvedWeights(Path("mine.safetensors")).entry)
        None

    Attributes:
        path: Path of the file.
        entry: Entry of the model card; None for a file that the card does not contain.
        hparams: Constructor arguments that the weights require.
        sha256: Verified hash of the file; None if the card does not contain the file, or if the file has
            neither a published hash nor a hash recorded after its download.
    """

    path: Path
    entry: Weights | None = None
    hparams: Mapping[str, Any] = field(default_factory=dict)
    sha256: str | None = None

    @property
    def published(self) -> bool:
        """Whether the tensor names match the parameter names of the authors' code."""
        return self.entry is not None and self.entry.published


def list_weights(cards: Iterable[ModelCard] | None = None) -> list[WeightFile]:
    """Return the weight files that model cards list; None lists the files of all models.

    Examples:
        >>> card = colorzoo.model_card("zhang2017_local_small")
        >>> [(entry.tag, entry.where) for entry in list_weights([card])]
        [('default', 'embedded')]
    """
    if cards is None:
        cards = [model_card(name) for name in list_models()]
    return [weight_file(card, tag) for card in cards for tag in card.weights]


def cache_home() -> Path:
    """Return the folder of downloaded files.

    Examples:
        >>> cache_home().is_absolute()
        True

    The folder is ``COLORZOO_HOME`` if this environment variable is set. Otherwise it is the folder
    ``colorzoo`` in ``XDG_CACHE_HOME`` or in the cache folder of the platform. If the user has no home folder,
    or cannot write into it, the folder is ``colorzoo-UID`` in the folder of temporary files.

    Raises:
        ColorzooError: ``COLORZOO_HOME`` begins with ``~``, and the user has no home folder.
    """
    if home := os.environ.get("COLORZOO_HOME"):
        return expand_user(home)
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "colorzoo"
    with suppress(RuntimeError):  # the user has no home folder
        if sys.platform == "darwin":
            cache = Path.home() / "Library" / "Caches"
        elif sys.platform == "win32":
            cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        else:
            cache = Path.home() / ".cache"
        folder = cache / "colorzoo"
        existing = next(each for each in (folder, *folder.parents) if os.access(each, os.F_OK))
        if existing == folder or os.access(existing, os.W_OK):
            return folder
    return Path(gettempdir()) / f"colorzoo-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"


def weight_file(card: ModelCard, tag: str) -> WeightFile:
    """Return the weight file that a card lists under a tag, even if no local file exists.

    Examples:
        >>> weight_file(colorzoo.model_card("zhang2017_local_small"), "default").path.suffix
        '.safetensors'

    The name of a downloaded file contains the first 8 digits of the hash on the card. If a newer version of
    the card lists a different hash, the file is downloaded again.

    Raises:
        WeightsError: The card does not contain the tag; the message lists the tags of the card.
    """
    if tag not in card.weights:
        raise WeightsError(f"'weights' must be a tag of {card.name}, got {tag!r}; {known_tags(card)}")
    weights = card.weights[tag]
    if weights.file is not None:
        return WeightFile(card.name, tag, weights, EMBEDDED_FOLDER / weights.file)
    extension = PurePosixPath(urlsplit(weights.urls[0]).path).suffix if weights.urls else ""
    if not re.fullmatch(r"\.[A-Za-z0-9]{1,11}", extension):
        extension = ".weights"
    short_hash = f"-{weights.sha256[:8]}" if weights.sha256 else ""
    file_name = f"{card.name}-{tag}{short_hash}{extension}"
    return WeightFile(card.name, tag, weights, cache_home() / "weights" / file_name)


def default_files(card: ModelCard) -> list[WeightFile]:
    """Return the weight files of a card that ``"default"`` selects, in order of preference.

    The order is: the published file if it is in the cache, the embedded file, the published file if it must
    be downloaded.
    """
    found = [weight_file(card, tag) for tag in ("default", "published") if tag in card.weights]
    return sorted(found, key=lambda file: file.where != "cached")


def known_tags(card: ModelCard) -> str:
    """Return a phrase with the weight tags of a card, for use in error messages."""
    if not card.trainable:
        return "the model has no trainable weights"
    tags = ", ".join(map(repr, card.weights))
    return f"known tags are {tags}" if tags else "its model card lists no weights"


def missing_weights_advice(card: ModelCard) -> str:
    """Return the remedy for an error message about a model whose weights are not on this machine."""
    if not card.trainable:
        return "The model has no trainable weights."
    tag = next((tag for tag, weights in card.weights.items() if weights.file is None), None)
    if tag is None:
        return "No weights are published. Train the model with `colorzoo fit`, or use another model."
    option = "" if tag == "published" else f" --tag {tag}"
    return f"Run `colorzoo weights fetch {card.name}{option}`, or use another model."


def file_problem(file: WeightFile) -> str:
    """Check that a weight file exists and matches its hash; return the problem, or ``""``."""
    if file.where == "missing":
        return "missing"
    expected = file.sha256
    if expected is None or (found := sha256_of(file.path)) == expected:
        return ""
    if file.weights.sha256 is None:
        record = _record_of(file.path)
        return f"changed since its download: expected SHA-256 {expected}, got {found}. Remove {record}"
    return f"expected SHA-256 {expected}, got {found}"


def recorded_sha256(path: Path) -> str | None:
    """Return the hash recorded when a file was downloaded; None without a record."""
    try:
        return _record_of(path).read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def resolve_weights(
    card: ModelCard, weights: str | Path | None, *, offline: bool = False
) -> ResolvedWeights | None:
    """Return the local weight file for a ``weights`` argument; download the file if necessary.

    Examples:
        >>> card = colorzoo.model_card("zhang2017_local_small")
        >>> resolve_weights(card, "default").path.suffix
        '.safetensors'

    Args:
        card: Card of the model.
        weights: ``"default"``, another tag of the card such as ``"published"``, the path of a weight file, or
            None for random weights. ``"default"`` selects the published file in the cache, else the embedded
            file, else a download. If no file is available, a warning is issued and the result is None.
        offline: Whether to use only local files.

    Returns:
        The file; None for random weights, or for a model without weights.

    Raises:
        WeightsError: The file does not exist, a tag other than ``"default"`` is not available, or the model
            has no weights.
    """
    found, reason = find_weights(card, weights, offline=offline)
    if reason:
        message = f"{card.name} has random weights: {reason.rstrip('.')}."
        # the warning shows the line that called `create_coloring_model` or `create_task`
        warnings.warn(message, UntrainedWarning, stacklevel=3)
    return found


def find_weights(
    card: ModelCard, weights: str | Path | None, *, offline: bool = False
) -> tuple[ResolvedWeights | None, str]:
    """Return the result of `resolve_weights`, and the reason if default weights are missing.

    The reason is an empty string if the weights were found or are not required. Unlike `resolve_weights`,
    this function does not issue a warning.
    """
    if weights is None:
        return None, ""
    # the published file in the cache, else the embedded file, else a download
    if weights == "default":
        failure = ""
        for file in default_files(card):
            try:
                return fetch(file, offline=offline), ""
            except WeightsError as error:
                if file.weights.file is not None:  # the installation is damaged
                    raise
                failure = str(error)
        if not card.trainable:
            return None, ""
        choices = "a tag or to the path of a file" if card.weights else "the path of a file"
        return None, failure or f"{known_tags(card)}. Set 'weights' (--weights) to {choices}"
    # another tag of the card
    text = str(weights)
    shown = repr(text if len(text) <= 200 else f"{text[:200]}...")
    if not card.trainable:
        raise WeightsError(f"'weights' must be None for {card.name}, got {shown}: {known_tags(card)}")
    if isinstance(weights, str) and weights in ("published", *card.weights):
        return fetch(weight_file(card, weights), offline=offline), ""
    # a file, whose settings come from the card if the card lists the file
    path = existing_file(weights)
    if path is None:
        similar = similar_paths(Path(weights))
        hint = f". Did you mean {' or '.join(repr(str(path)) for path in similar)}?" if similar else ""
        raise WeightsError(
            f"'weights' must be a tag of {card.name} ({known_tags(card)}) or an existing file, got "
            f"{shown}{hint}"
        )
    entry = find_entry(card, path)
    if entry is None and (recorded := read_weights(path).hparams):
        return ResolvedWeights(path, None, recorded), ""
    entry = entry or entry_without_hash(card, path)
    return ResolvedWeights(path, entry, entry.hparams if entry else {}), ""


def find_entry(card: ModelCard, path: Path) -> Weights | None:
    """Return the weights entry of a card whose SHA-256 matches a file, or None.

    The hash is on the card, or was recorded when the listed file was downloaded.
    """
    found = sha256_of(path) if card.weights else ""
    return next((file.weights for file in list_weights([card]) if file.sha256 == found), None)


def entry_without_hash(card: ModelCard, path: Path) -> Weights | None:
    """Return the first published entry of a card for a file whose hash the card does not list.

    The result is None if a published entry has a hash, because the file can then be another version of that
    entry. It is also None if the metadata of the file contains a model name, because authors' files have no
    such metadata.
    """
    entries = [entry for entry in card.weights.values() if entry.published]
    if not entries or any(entry.sha256 for entry in entries) or model_of_file(path) is not None:
        return None
    return entries[0]


def listed_record(record: Provenance, entry: Weights) -> Provenance:
    """Return a training record with the license, training data and SHA-256 that a card lists.

    Copies and fine-tuned versions of the weights keep the hash, which
    `colorzoo.evaluation.seen.count_seen` searches.
    """
    return replace(
        record,
        license=entry.license,
        data_license=entry.data_license,
        trained_on=entry.trained_on,
        sha256=entry.sha256 or "",
    )


def fetch(file: WeightFile, *, offline: bool = False) -> ResolvedWeights:
    """Return a weight file of a model card; download the file unless an intact file exists.

    The URLs of the card are tried in order. A download whose hash does not match the card is deleted.

    Args:
        file: Weight file of a model card. Missing parent folders are created.
        offline: Whether to use only local files, as with ``COLORZOO_OFFLINE=1``.

    Raises:
        WeightsError: The file cannot be downloaded or written, has changed since its download, or is part of
            the package and damaged.
    """
    found = ResolvedWeights(file.path, file.weights, file.weights.hparams, file.sha256)
    path, weights, problem = file.path, file.weights, file_problem(file)
    if not problem:
        return found
    if weights.file is not None:
        raise WeightsError(f"{path} is invalid: {problem}. Reinstall colorzoo.")
    if problem != "missing" and weights.sha256 is None:
        raise WeightsError(f"{path} is invalid: {problem}")
    failures: list[str] = []
    if is_offline():
        failures.append("COLORZOO_OFFLINE is set")
    elif offline:
        failures.append("offline=True disables downloads")
    elif not weights.urls:
        failures.append("the model card contains no URL")
    else:
        import pooch
        import requests

        pooch.get_logger().setLevel("ERROR")
        downloader = pooch.HTTPDownloader(
            progressbar=is_terminal(sys.stderr), timeout=_TIMEOUT, headers={"User-Agent": "colorzoo"}
        )
        for url in weights.urls:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
                    name = pooch.retrieve(url, weights.sha256, path.name, folder, downloader=downloader)
                    if begins_with(Path(name), b"<"):
                        raise ValueError("got a web page instead of the file")
                    # a copy, because pooch writes private files (0600), and groups share weights
                    with Path(name).open("rb") as content, whole_file(path) as target:
                        shutil.copyfileobj(content, target)
                if weights.sha256 is None:  # record the hash, so that a later change is detected
                    write_atomic(_record_of(path), f"{sha256_of(path)}\n".encode())
                return replace(found, sha256=file.sha256)
            except (requests.RequestException, ValueError) as error:
                failures.append(f"{url}: {first_words(error, 300)}")
            except OSError as error:
                raise WeightsError(
                    f"cannot write {path} ({megabytes(weights.size)}): {error.strerror or error}"
                ) from error
    source = f" from {weights.urls[0]}" if weights.urls else ""
    raise WeightsError(
        f"cannot download {path.name} ({megabytes(weights.size)}): {'; '.join(failures)}. Copy the "
        f"file{source} to {path}."
    )


def hub_weights(source: str, weights: object, *, offline: bool) -> tuple[str, Path]:
    """Download weights from the Hugging Face Hub; return the model name and the file path.

    Args:
        source: ``hf-hub:OWNER/NAME`` with an optional ``@REVISION``. The repository must contain a file
            ``model.safetensors`` written by ``colorzoo weights convert`` or `ColoringModel.push_to_hub`.
        weights: The user's ``weights`` argument, which must be ``"default"``.
        offline: Whether to use only local files.

    Raises:
        WeightsError: ``weights`` is set, the repository does not exist, the Hub cannot be reached, or the
            file has no model name.
        UnknownModelError: The model is not registered.
    """
    if weights != "default":
        raise WeightsError(
            f"'weights' must be omitted for {source}, because the repository contains weights; got "
            f"{weights!r}"
        )
    path = hub_file(source, offline=offline)
    name = model_of_file(path)
    if name is None:
        raise WeightsError(
            f"{path} does not contain a model name. Write the file with `colorzoo weights convert`."
        )
    return model_card(name).name, path


def load_imagenet_encoder(file: str = "efficientnet_lite2.safetensors") -> ImageNetEncoder:
    """Return a frozen ImageNet encoder with embedded weights; see `frozen_imagenet_encoder`.

    Args:
        file: Name of the weight file; ``NOTICE`` lists the source of each file.
    """
    from colorzoo.networks.imagenet_encoder import frozen_imagenet_encoder  # lists of weights need no torch

    return frozen_imagenet_encoder(read_weights(EMBEDDED_FOLDER / file).state_dict)
