"""Model folders: weights, settings and model card in the layout of the Hugging Face Hub.

=====================  ================================================================================
file                   content
=====================  ================================================================================
``model.safetensors``  all tensors of the state dict; `create_model` also loads this file
``config.json``        class, constructor arguments, training record, and SHA-256 of the weights
``README.md``          model card
=====================  ================================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

import colorzoo
from colorzoo.card import ModelCard
from colorzoo.errors import ColorzooError, UnknownModelError, WeightsError, first_words
from colorzoo.files import sha256_of, write_atomic
from colorzoo.registry import card_of, cards_of, load_model_class, model_card
from colorzoo.settings import constructor_arguments, flatten_arguments
from colorzoo.weights.hub import HUB, download_file, upload_folder
from colorzoo.weights.load import (
    CONVENTIONS,
    UNTRAINED,
    WEIGHTS_FILE,
    Provenance,
    apply_weights,
    check_types,
    read_weights,
    save_weights,
)

if TYPE_CHECKING:
    from torch import nn

M = TypeVar("M", bound="nn.Module")

_CONFIG_FILE, _CARD_FILE = "config.json", "README.md"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_LICENSE_NAME = re.compile(r"[A-Za-z0-9.+-]+")  # SPDX identifier


@dataclass(frozen=True)
class PretrainedConfig:
    """Content of ``config.json``.

    Attributes:
        colorzoo_version: Version of colorzoo that wrote the file.
        model: Registered name; None for an unregistered class.
        model_class: Import path of the class, as ``package.module:Class``.
        hparams: Constructor arguments; see `ColoringModel.hparams`.
        trained: Whether the weights were trained.
        untrained_reason: Reason why loaded weights are untrained, if any.
        provenance: Fields of the `Provenance`.
        sha256: SHA-256 of ``model.safetensors``.
    """

    colorzoo_version: str
    model: str | None
    model_class: str
    hparams: Mapping[str, Any]
    trained: bool
    untrained_reason: str
    provenance: Mapping[str, Any]
    sha256: str


def save_model(
    model: Any, folder: Path, terms: str, results: Mapping[str, float] | None, source: str | None = None
) -> None:
    """Write the files of a model folder, ``config.json`` last; see `ColoringModel.save_pretrained`.

    Args:
        model: The `ColoringModel`.
        folder: Output folder.
        terms: License; an empty string keeps the license in the training record of the model.
        results: Measured values by name for the model card.
        source: Repository for the example in the model card; None uses the folder.
    """
    record = replace(model.provenance, license=terms) if terms else model.provenance
    card = _card_of(model)
    weights = folder / WEIGHTS_FILE
    try:
        save_weights(weights, model.state_dict(), _metadata(model, record, card))
        config = PretrainedConfig(
            colorzoo_version=colorzoo.__version__,
            model=None if card is None else card.name,
            model_class=_class_path(type(model)),
            hparams=model.hparams,
            trained=model.trained,
            untrained_reason=model.untrained_reason,
            provenance=record.to_dict(),
            sha256=sha256_of(weights),
        )
        page = _model_page(model, record, card, results or {}, source or str(folder))
        write_atomic(folder / _CARD_FILE, page.encode())
        write_atomic(folder / _CONFIG_FILE, f"{json.dumps(asdict(config), indent=2)}\n".encode())
    except OSError as error:
        raise WeightsError(f"cannot write {folder}: {error.strerror or error}") from error


def _card_of(model: Any) -> ModelCard | None:
    """Return the card with the settings of a model, else any card of its class; None without a card."""
    kind = type(model)
    return card_of(kind, model.hparams) or next(iter(cards_of(kind)), None)


def _metadata(model: Any, record: Provenance, card: ModelCard | None) -> dict[str, str]:
    """Return the metadata of ``model.safetensors``."""
    metadata = {
        "hparams": json.dumps(flatten_arguments(type(model), model.hparams), sort_keys=True),
        "conventions": CONVENTIONS,
        "license": record.license,
        "provenance": json.dumps(record.to_dict(), sort_keys=True),
    }
    if card is not None:
        metadata["model"] = card.name
    if not model.trained:
        metadata[UNTRAINED] = "network"
    return metadata


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
    with TemporaryDirectory() as folder:
        save_model(model, Path(folder), known, results, repository)
        return upload_folder(Path(folder), repository, private=private, message=message)


def load_model(kind: type[M], source: str | Path, *, revision: str | None, offline: bool) -> M:
    """Load a `ColoringModel` from a folder or the Hub; see `ColoringModel.from_pretrained`."""
    config_path, weights = _find_files(source, revision, offline=offline)
    config = _read_config(config_path)
    model: Any = _build(_class_of(kind, config, source), config, source)
    content = read_weights(weights)
    if (found := sha256_of(weights)) != config.sha256:
        raise WeightsError(
            f"{weights} does not match {_CONFIG_FILE}: expected SHA-256 {config.sha256}, got {found}"
        )
    apply_weights(model, content.state_dict, name=str(weights), published=False)
    model.trained, model.untrained_reason = config.trained, config.untrained_reason
    model.provenance = Provenance.of(config.provenance)
    return model.eval()


def _find_files(source: str | Path, revision: str | None, *, offline: bool) -> tuple[Path, Path]:
    """Return the paths of ``config.json`` and ``model.safetensors``; download the files of a repository."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder / _CONFIG_FILE, folder / WEIGHTS_FILE
    repository = str(source).removeprefix(HUB)
    if not _REPOSITORY.fullmatch(repository):
        raise WeightsError(
            f"'source' must be a folder that save_pretrained wrote or OWNER/NAME, got {source}"
        )
    config_path = download_file(repository, _CONFIG_FILE, revision=revision, offline=offline)
    return config_path, download_file(repository, WEIGHTS_FILE, revision=revision, offline=offline)


def _class_path(kind: type[Any]) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _read_config(path: Path) -> PretrainedConfig:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        found = {each.name: stored[each.name] for each in fields(PretrainedConfig)}
        check_types(PretrainedConfig, found)
        Provenance.of(found["provenance"])
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(
            f"{path} must be a file that save_pretrained wrote ({type(error).__name__}: {first_words(error)})"
        ) from error
    return PretrainedConfig(**found)


def _class_of(base_class: type[Any], config: PretrainedConfig, source: str | Path) -> type[Any]:
    """Return the class to build: ``base_class`` itself, or a registered subclass.

    The path in ``config.json`` is only compared, never imported, because importing a module executes code.
    """
    if config.model_class == _class_path(base_class):
        return base_class
    name = config.model_class.rpartition(":")[2]
    if config.model is None:
        if name == base_class.__qualname__:  # such as a class of a notebook, whose module has another name
            return base_class
        raise WeightsError(
            f"{source} contains the class {config.model_class}, which is not registered. Import {name} and "
            f"call {name}.from_pretrained."
        )
    model_class = _registered_class(config.model, config.model_class, source)
    if not issubclass(model_class, base_class):
        raise WeightsError(
            f"{source} contains the class {name}, which is not a {base_class.__name__}. Call "
            f"{name}.from_pretrained or ColoringModel.from_pretrained."
        )
    return model_class


def _registered_class(name: str, class_path: str, source: str | Path) -> type[Any]:
    """Return the class of a registered model.

    Raises:
        WeightsError: The model is not registered; the message names the package in the class path.
    """
    try:
        return load_model_class(model_card(name))
    except UnknownModelError as error:
        package = class_path.partition(".")[0]
        raise WeightsError(
            f"{source} contains the model {name}, which is not registered. Install its package {package}."
        ) from error


def _build(kind: type[Any], config: PretrainedConfig, source: str | Path) -> Any:
    try:
        return kind(**constructor_arguments(kind, config.hparams))
    except WeightsError:  # such as missing weights of a backbone
        raise
    except (ColorzooError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"{source}: the settings in {_CONFIG_FILE} do not match {kind.__name__}: {first_words(error)}"
        ) from error


def _model_page(
    model: Any, record: Provenance, card: ModelCard | None, results: Mapping[str, float], source: str
) -> str:
    """Return the text of ``README.md``, a model card with the metadata block of the Hugging Face Hub."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only models that are saved need it

    name = type(model).__name__ if card is None else card.name
    front_matter = {
        "library_name": "colorzoo",
        "pipeline_tag": "image-to-image",
        "tags": ["image-colorization", name],
        **_license_fields(record.license),
    }
    environment = Environment(loader=PackageLoader("colorzoo.weights"), undefined=StrictUndefined)
    return environment.get_template("model_card.md.jinja").render(
        front_matter=yaml.safe_dump(front_matter, sort_keys=False, width=1000),
        name=name,
        summary=_summary(card),
        source=source,
        model=model,
        model_class=_class_path(type(model)),
        parameter_count=sum(parameter.numel() for parameter in model.parameters()),
        record=record,
        training=_training_lines(record),
        results=_result_lines(record, card, results),
        hparams=json.dumps(model.hparams, indent=2),
    )


def _license_fields(terms: str) -> dict[str, str]:
    """Return the license fields of the metadata block."""
    if _LICENSE_NAME.fullmatch(terms):
        return {"license": terms.lower()}
    if terms:
        return {"license": "other", "license_name": terms}
    return {"license": "unknown"}


def _summary(card: ModelCard | None) -> str:
    """Return the summary of a card with a link to its paper; an empty string without a card."""
    if card is None:
        return ""
    if not card.paper:
        return f"{card.summary}\n"
    return f"{card.summary} The paper is [{card.title}]({card.paper}), {card.year}.\n"


def _training_lines(record: Provenance) -> list[str]:
    """Return the training record as Markdown lines."""
    lines = [f"- Training: {record.trained_on}"] if record.trained_on else []
    if record.steps:
        lines.append(f"- Steps: {record.steps:,}, with {record.images:,} images in total.")
    if record.data:
        images, digest = (record.data.get(key, "unknown") for key in ("images", "sha256"))
        lines.append(f"- Data: {images} images, SHA-256 of their names and sizes `{digest}`.")
    if record.config:
        lines.append(f"- Configuration: {', '.join(record.config)}.")
    if record.commit:
        lines.append(f"- Commit of colorzoo: {record.commit}.")
    if record.start:
        earlier = Provenance.of(record.start.get("provenance"))
        origin = record.start.get("model") or record.start.get("file") or "unknown"
        lines.append(f"- Initial weights: {origin} (license: {earlier.license or 'unknown'}).")
    return lines or ["The weights contain no training record."]


def _result_lines(record: Provenance, card: ModelCard | None, results: Mapping[str, float]) -> list[str]:
    """Return measured values and, for the default weights of a card, the reasons for its ranks."""
    lines = [f"- {name}: {value:g}" for name, value in results.items()]
    weights = {} if card is None else card.weights
    default = weights.get("default") or weights.get("published")
    if card is not None and default is not None and default.trained_on == record.trained_on != "":
        lines += [f"- {each.use}: {each.why}" for each in card.quality]
    return lines or ["Not measured."]
