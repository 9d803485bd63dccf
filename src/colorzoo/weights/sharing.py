"""Models as folders to share: weights with their settings, and the card as README.

A folder is what a repository of the Hugging Face Hub holds. Its weights are safetensors, so that loading runs
no code; they name the registered model, which must be installed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.atomic import write_atomic
from colorzoo.card import ModelCard, Weights
from colorzoo.errors import WeightsError
from colorzoo.registry import card_of, cards_of, model_card
from colorzoo.weights.catalog import weight_file
from colorzoo.weights.download import is_offline
from colorzoo.weights.load import CONVENTIONS, model_of_file, read_weights, save_weights
from colorzoo.weights.provenance import Provenance
from colorzoo.weights.resolve import HUB

if TYPE_CHECKING:
    from torch import Tensor

_WEIGHTS, _README = "model.safetensors", "README.md"


def save_folder(
    folder: Path,
    model: type,
    hparams: Mapping[str, Any],
    recorded: Collection[str],
    state_dict: Mapping[str, Tensor],
    provenance: Provenance,
    *,
    overwrite: bool,
) -> None:
    """Write a model as a folder to share; see `ColoringModel.save_pretrained`.

    Args:
        folder: Folder to write into.
        model: Class of the model.
        hparams: Its settings by name.
        recorded: Names of the settings that change what weights mean.
        state_dict: Its weights.
        provenance: How they were made.
        overwrite: Replace the files that are there.

    Raises:
        WeightsError: The class is not registered, or a file exists already or cannot be written.
    """
    card = card_of(model, hparams) or next(iter(cards_of(model)), None)
    if card is None:
        raise WeightsError(
            f"{model.__module__}:{model.__qualname__} is not registered, so that nobody could load it; "
            "give it a card"
        )
    for path in (folder / _WEIGHTS, folder / _README):
        if path.exists() and not overwrite:
            raise WeightsError(f"{path} exists already; overwrite=True replaces it, or name another folder")
    needed = {key: hparams[key] for key in (*card.hparams, *recorded) if key in hparams}
    metadata = {
        "model": card.name,
        "hparams": json.dumps({**card.hparams, **needed}, sort_keys=True),
        "conventions": CONVENTIONS,
        "provenance": json.dumps(provenance.to_dict(), sort_keys=True),
    }
    try:
        save_weights(folder / _WEIGHTS, state_dict, metadata, half=False)
        write_atomic(folder / _README, _readme(card, state_dict, provenance).encode())
    except OSError as error:
        raise WeightsError(f"{folder} cannot be written: {error.strerror or error}") from error


def shared_weights(source: str | Path, *, offline: bool) -> tuple[str, Path]:
    """Return the registered model of a shared folder, and the file of its weights.

    Args:
        source: Folder, or ``hf-hub:OWNER/NAME`` with an optional ``@REVISION``.
        offline: Take what was fetched before.

    Raises:
        WeightsError: There is no such folder or repository, or its file names no model.
        UnknownModelError: The model is not registered.
    """
    text = str(source)
    path = (
        _fetched(text.removeprefix(HUB), offline or is_offline())
        if text.startswith(HUB)
        else Path(source).expanduser() / _WEIGHTS
    )
    if not path.is_file():
        raise WeightsError(f"{path} is missing; expected a folder of save_pretrained")
    name = model_of_file(path)
    if name is None:
        raise WeightsError(f"{text} does not name its model; expected a folder of save_pretrained")
    return model_card(name).name, path


def _fetched(repository: str, offline: bool) -> Path:
    """Return the weight file of a repository in the cache of the Hub; it is fetched once.

    Raises:
        WeightsError: There is no such repository, or the Hub cannot be reached.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = repository.partition("@")
    try:
        return Path(hf_hub_download(name, _WEIGHTS, revision=revision or None, local_files_only=offline))
    except LocalEntryNotFoundError as error:
        why = "it was not fetched before" if offline else "the Hub cannot be reached"
        raise WeightsError(f"{HUB}{repository}: {why}; name a local folder, or try again online") from error
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise WeightsError(
            f"{HUB}{repository} cannot be fetched ({reason.strip()}); expected {HUB}OWNER/NAME with "
            f"{_WEIGHTS} of save_pretrained"
        ) from error


def _readme(card: ModelCard, state_dict: Mapping[str, Tensor], provenance: Provenance) -> str:
    """Return the card as the README of a repository of the Hub."""
    guidance = ", ".join(card.guidance) or "none"
    shipped = _shipped(card, state_dict)
    head = ["library_name: colorzoo", "pipeline_tag: image-to-image", "tags:", "- colorization"]
    if shipped is not None:
        head.append(f"license: {shipped.license.lower()}")
    paper = f" [Paper]({card.paper})," if card.paper else ""
    if shipped is not None:
        about = [f"Trained on: {shipped.trained_on}", f"License of the weights: {shipped.license}."]
    else:
        about = [*_training(provenance), "Add here how good the weights are, and their license."]
    return "\n".join(
        [
            "---",
            *head,
            "---",
            f"# {card.name}: {card.title}",
            "",
            f"{card.summary}{paper} {card.year}. Guidance: {guidance}.",
            "",
            "```python",
            "import colorzoo",
            "",
            f'model = colorzoo.create_model("{HUB}OWNER/NAME")  # colorzoo.from_pretrained takes a folder',
            "```",
            "",
            *about,
            "",
        ]
    )


def _shipped(card: ModelCard, state_dict: Mapping[str, Tensor]) -> Weights | None:
    """Return the embedded weights of a card, if these are the same."""
    for tag, entry in card.weights.items():
        path = weight_file(card, tag).path
        if entry.file is not None and path.is_file():
            known = read_weights(path).state_dict
            if known.keys() == state_dict.keys() and all(
                known[name].float().equal(tensor.float().cpu()) for name, tensor in state_dict.items()
            ):
                return entry
    return None


def _training(provenance: Provenance) -> list[str]:
    """Return sentences on the training, as far as it was recorded."""
    lines = []
    start = provenance.start or {}
    if base := start.get("model") or start.get("file"):
        lines.append(f"Base model: {base}.")
    if provenance.data:
        lines.append(
            f"Trained on {provenance.data['pictures']:,} pictures (SHA-256 of their names "
            f"{provenance.data['sha256'][:16]}), {provenance.steps:,} steps."
        )
    return lines or ["Add here how the weights were trained, and on which data."]
