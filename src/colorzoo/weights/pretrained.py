"""Model folders and the Hugging Face Hub.

=====================  ================================================================================
file                   content
=====================  ================================================================================
``model.safetensors``  all tensors of the state dict; class, settings and training record as metadata
``config.json``        class and settings, for readers and for the download counter of the Hub
``README.md``          model card
=====================  ================================================================================

Only ``model.safetensors`` is loaded. `create_model` also loads this file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

import colorzoo
from colorzoo.card import ModelCard, Quality
from colorzoo.errors import ColorzooError, UnknownModelError, WeightsError, first_words
from colorzoo.files import similar_paths, write_atomic
from colorzoo.registry import card_of, cards_of, load_model_class, model_card
from colorzoo.settings import constructor_arguments
from colorzoo.weights.catalog import is_offline
from colorzoo.weights.load import (
    CONVENTIONS,
    UNTRAINED,
    WEIGHTS_FILE,
    Provenance,
    apply_weights,
    model_of_file,
    read_weights,
    require_finite,
    save_weights,
    untrained_reason,
)

if TYPE_CHECKING:
    from torch import nn

M = TypeVar("M", bound="nn.Module")

HUB = "hf-hub:"
"""Prefix for repository names on the Hugging Face Hub, as in timm."""

_CONFIG_FILE, _CARD_FILE = "config.json", "README.md"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_LICENSE_NAME = re.compile(r"[A-Za-z0-9.+-]+")  # SPDX identifier


def save_model(
    model: Any, folder: Path, terms: str, results: Mapping[str, float] | None, source: str | None = None
) -> None:
    """Write the files of a model folder; see `ColoringModel.save_pretrained`.

    Args:
        model: The `ColoringModel`.
        folder: Output folder.
        terms: License; an empty string keeps the license in the training record of the model.
        results: Measured values by name for the model card.
        source: Repository for the example in the model card; None uses the folder.
    """
    if model.unstored_settings:
        raise WeightsError(
            f"{type(model).__name__} cannot be saved with the setting {model.unstored_settings[0]!r}, "
            "because it is a function or class. Use a string that selects the function or class."
        )
    state_dict = model.state_dict()
    require_finite(state_dict, type(model).__name__)
    record = replace(model.provenance, license=terms) if terms else model.provenance
    # the card with the settings of the model, else any card of its class
    kind = type(model)
    card = card_of(kind, model.hparams) or next(iter(cards_of(kind)), None)
    metadata = {
        "model_class": f"{kind.__module__}:{kind.__qualname__}",
        "hparams": json.dumps(model.hparams, sort_keys=True),
        "conventions": CONVENTIONS,
        "license": record.license,
        "provenance": json.dumps(record.to_dict(), sort_keys=True),
    }
    if card is not None:
        metadata["model"] = card.name
    if not model.trained:
        metadata[UNTRAINED] = "network"
    config = {
        "colorzoo_version": colorzoo.__version__,
        "model_class": metadata["model_class"],
        "hparams": model.hparams,
    }
    page = _model_page(model, record, card, results or {}, source or str(folder))
    try:
        save_weights(folder / WEIGHTS_FILE, state_dict, metadata)
        write_atomic(folder / _CARD_FILE, page.encode())
        write_atomic(folder / _CONFIG_FILE, f"{json.dumps(config, indent=2)}\n".encode())
    except OSError as error:
        raise WeightsError(f"cannot write {folder}: {error.strerror or error}") from error


def push_model(
    model: Any,
    repository: str,
    terms: str,
    results: Mapping[str, float] | None,
    *,
    private: bool,
    message: str,
) -> str:
    """Upload a `ColoringModel` to the Hugging Face Hub; see `ColoringModel.push_to_hub`."""
    known = terms or model.provenance.license
    if not known or known.startswith("not stated"):
        raise WeightsError(
            f"'license' must be set to publish these weights, whose license is {known or 'unknown'}, such as "
            "license='Apache-2.0'"
        )
    if is_offline():
        raise WeightsError(f"{repository} cannot be uploaded: COLORZOO_OFFLINE is set")
    with TemporaryDirectory() as folder:
        save_model(model, Path(folder), known, results, repository)
        with _one_line(f"{repository} cannot be uploaded"):
            from huggingface_hub import HfApi

            api = HfApi()
            url = api.create_repo(repository, private=private, exist_ok=True)
            api.upload_folder(repo_id=repository, folder_path=folder, commit_message=message)
            return str(url)


def load_model(kind: type[M], source: str | Path, *, revision: str | None, offline: bool) -> M:
    """Load a `ColoringModel` from a folder or the Hub; see `ColoringModel.from_pretrained`."""
    folder, text = Path(source), str(source)
    with suppress(RuntimeError):  # ~ with an unknown user
        folder = folder.expanduser()
    path = folder / WEIGHTS_FILE
    if not folder.is_dir():
        similar = [folder.parent] if folder.is_file() else similar_paths(folder)
        # OWNER/NAME is a repository unless a local folder has the name of the owner, or nearly the whole name
        is_repository = _REPOSITORY.fullmatch(text) and not (similar or folder.parent.exists())
        if not (text.startswith(HUB) or (isinstance(source, str) and is_repository)):
            hint = f" Did you mean {' or '.join(repr(str(path)) for path in similar)}?" if similar else ""
            raise WeightsError(
                f"the model must be a folder that save_pretrained wrote, or OWNER/NAME, got {text!r}, which "
                f"is not a folder.{hint or f' For a repository of the Hub, pass {HUB}OWNER/NAME.'}"
            )
        path = _download_weights(text.removeprefix(HUB), revision, offline=offline)
    content = read_weights(path)
    model_class = _class_of(kind, content.stored, source)
    try:
        model: Any = model_class(**constructor_arguments(model_class, content.hparams))
    except WeightsError:  # such as missing weights of a backbone
        raise
    except (ColorzooError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{path}: the settings do not match {model_class.__name__}: {first_words(error)}"
        ) from error
    require_finite(content.state_dict, str(path))
    apply_weights(model, content.state_dict, name=str(path), published=False)
    if untrained_parts := content.stored.get(UNTRAINED):
        model.trained = False
        model.untrained_reason = untrained_reason(model_class.__name__, path, untrained_parts)
    model.provenance = Provenance.of(content.provenance)
    return model.eval()


def _class_of(base_class: type[Any], stored: Mapping[str, str], source: str | Path) -> type[Any]:
    """Return the class to build: ``base_class`` itself, or a registered subclass.

    The path of the class is only compared, never imported, because importing a module executes code.

    Args:
        base_class: Class whose method ``from_pretrained`` was called.
        stored: Metadata of the weight file. Earlier versions of colorzoo did not store the class.
        source: Folder or repository for error messages.
    """
    name, class_path = stored.get("model"), stored.get("model_class", "")
    class_name = class_path.rpartition(":")[2]
    stores_no_class = not (name or class_name)
    if stores_no_class or class_name == base_class.__qualname__:
        return base_class
    if name is None:
        raise WeightsError(
            f"{source} contains the class {class_path}, which is not registered. Import {class_name} and "
            f"call {class_name}.from_pretrained."
        )
    try:
        model_class = load_model_class(model_card(name))
    except UnknownModelError as error:
        package = class_path.partition(".")[0] or "that defines the model"
        raise WeightsError(
            f"{source} contains the model {name}, which is not registered. Install its package {package}."
        ) from error
    if not issubclass(model_class, base_class):
        class_name = model_class.__qualname__
        raise WeightsError(
            f"{source} contains the class {class_name}, which is not a {base_class.__name__}. Call "
            f"{class_name}.from_pretrained or ColoringModel.from_pretrained."
        )
    return model_class


def hub_weights(source: str, *, offline: bool) -> tuple[str, Path]:
    """Download weights from the Hugging Face Hub; return the model name and the file path.

    Args:
        source: ``hf-hub:OWNER/NAME`` with an optional ``@REVISION``. The repository must contain a file
            ``model.safetensors`` written by ``colorzoo weights convert`` or `ColoringModel.push_to_hub`.
        offline: Whether to use only local files.

    Raises:
        WeightsError: The repository does not exist, the Hub cannot be reached, or the file has no model name.
        UnknownModelError: The model is not registered.
    """
    repository, _, revision = source.removeprefix(HUB).partition("@")
    path = _download_weights(repository, revision or None, offline=offline)
    name = model_of_file(path)
    if name is None:
        raise WeightsError(
            f"{path} does not contain a model name. Write the file with `colorzoo weights convert`."
        )
    return model_card(name).name, path


def _download_weights(repository: str, revision: str | None, *, offline: bool) -> Path:
    """Download the weight file of a repository unless it is in the cache; return its local path.

    Raises:
        WeightsError: The file does not exist, or the Hub cannot be reached.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise WeightsError(f"expected a folder that save_pretrained wrote or OWNER/NAME, got {repository!r}")
    local = offline or is_offline()
    with _one_line(f"{HUB}{repository} cannot be downloaded"):
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(repository, WEIGHTS_FILE, revision=revision, local_files_only=local))


@contextmanager
def _one_line(problem: str) -> Iterator[None]:
    """Convert any error of ``huggingface_hub``, or its absence, to a `WeightsError`."""
    try:
        yield
    except ImportError as error:
        raise WeightsError(
            f"{problem}: the package {error.name} is missing. Run `python -m pip install 'colorzoo[hub]'`."
        ) from error
    except Exception as error:  # the errors of its HTTP client differ between versions
        raise WeightsError(f"{problem} ({first_words(error, 300)})") from error


def _model_page(
    model: Any, record: Provenance, card: ModelCard | None, results: Mapping[str, float], source: str
) -> str:
    """Return the text of ``README.md``, a model card with the metadata block of the Hugging Face Hub."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only models that are saved need it

    name = type(model).__name__ if card is None else card.name
    front_matter: dict[str, Any] = {
        "library_name": "colorzoo",
        "pipeline_tag": "image-to-image",
        "tags": ["image-colorization", name],
    }
    if _LICENSE_NAME.fullmatch(record.license):
        front_matter["license"] = record.license.lower()
    elif record.license:
        front_matter |= {"license": "other", "license_name": record.license}
    else:
        front_matter["license"] = "unknown"
    # ranks apply only if the training record belongs to the default weights of the card
    qualities: tuple[Quality, ...] = ()
    if card is not None and record.trained_on:
        default = card.weights.get("default") or card.weights.get("published")
        if default is not None and default.trained_on == record.trained_on:
            qualities = card.quality
    environment = Environment(
        loader=PackageLoader("colorzoo.weights"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("model_card.md.jinja").render(
        front_matter=yaml.safe_dump(front_matter, sort_keys=False, width=1000),
        name=name,
        card=card,
        source=source,
        model=model,
        model_class=type(model),
        parameter_count=sum(parameter.numel() for parameter in model.parameters()),
        record=record,
        results=results,
        qualities=qualities,
        hparams=json.dumps(model.hparams, indent=2),
    )
