"""Weights of models: loading, conversion of published weights, model folders and the Hugging Face Hub.

`PretrainedMixin.save_pretrained` writes three files:

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

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
import yaml
from torch import Tensor, nn

import colorzoo
from colorzoo._files import expand_user, similar_paths
from colorzoo.card import ModelCard, Use
from colorzoo.console import first_words
from colorzoo.errors import ColorzooError, UnknownModelError, WeightsError
from colorzoo.files import write_atomic
from colorzoo.options import (
    check_arguments,
    constructor_arguments,
    constructor_parameters,
    full_repr,
    plain_arguments,
)
from colorzoo.registry import card_of, cards_of, load_model_class, model_card
from colorzoo.weights.hub import HUB, REPOSITORY, WEIGHTS_FILE, hub_errors, hub_file, is_offline
from colorzoo.weights.load import (
    CONVENTIONS,
    FORMAT_VERSION,
    MODEL_PREFIX,
    UNTRAINED,
    Provenance,
    apply_weights,
    float32_tensors,
    read_weights,
    require_finite,
    save_weights,
)

if TYPE_CHECKING:
    from colorzoo.networks.renaming import Pattern
    from colorzoo.weights.readers.caffe import CaffeLayers

__all__ = ["PretrainedMixin"]

_CONFIG_FILE, _CARD_FILE = "config.json", "README.md"
_LICENSE_NAME = re.compile(r"[A-Za-z0-9.+-]+")  # SPDX identifier


class PretrainedMixin(nn.Module):
    """Constructor arguments, weights and training record of a model, and the methods that load and save them.

    ``huggingface_hub.ModelHubMixin`` is not used, because ``from_pretrained`` of `ColoringModel` must build
    the registered subclass that the file names, the license and the training record must be stored in the
    weight file, and ``huggingface_hub`` is an optional dependency.

    Attributes:
        training_only: State-dict key prefixes of weights that only training uses, such as
            ``"discriminator."``.
        published_files: Dict that maps file names to key prefixes, if the authors publish several weight
            files. `convert_published` receives all tensors in one state dict with these prefixes.
        weight_settings: Settings that define the scale of the network's input or output. Weights of other
            values have equal shapes, so ``--init_from`` compares these settings.
        published_names: Patterns that rename the state-dict keys of the authors' code to keys of `network`;
            see `rename_keys`.
        published_unused: Regular expression that matches the authors' keys to drop; empty keeps all keys.
        trained: Whether the weights were trained or loaded; True for a network without weights.
            `load_state_dict` sets True if the state dict contains all weights.
        untrained_reason: Reason why the model is untrained although a weight file was loaded; empty
            otherwise.
        provenance: Training record of the weights, such as data, configuration and number of steps.
        unstored_settings: Names of settings that are functions or classes other than the defaults, which
            weight files cannot store.
    """

    training_only: ClassVar[tuple[str, ...]] = ("discriminator.",)
    weight_settings: ClassVar[tuple[str, ...]] = ()
    published_files: ClassVar[Mapping[str, str]] = {}
    published_names: ClassVar[Sequence[Pattern]] = ()
    published_unused: ClassVar[str] = ""

    trained: bool
    untrained_reason: str = ""
    provenance: Provenance
    unstored_settings: tuple[str, ...] = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Check the ranges of the constructor arguments and record the arguments as `hparams`."""
        model = super().__new__(cls)
        if args or kwargs:
            given = dict(zip(constructor_parameters(cls), args, strict=False)) | kwargs
            check_arguments(cls, given)
            defaults = _default_arguments(cls)
            model.hparams = plain_arguments(defaults | given)
            model.unstored_settings = tuple(
                name for name, value in given.items() if callable(value) and value is not defaults.get(name)
            )
        return model

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(_mark_as_trained)  # type: ignore[no-untyped-call]

    @cached_property
    def hparams(self) -> dict[str, Any]:
        """Constructor arguments of the subclass as plain mappings, lists, numbers and strings."""
        return plain_arguments(_default_arguments(type(self)))  # other arguments are set by `__new__`

    def load_weights(self, state_dict: Mapping[str, Tensor], *, name: str, published: bool = False) -> None:
        """Load the state dict of a weight file or of a training checkpoint.

        Args:
            state_dict: State dict with keys of this model, of its task or of the authors' code.
            name: Name of the weights, such as a path, for error messages.
            published: Whether the keys are parameter names of the authors' code, which `convert_published`
                converts. If all keys are parameter names of this model, they are not converted.

        Raises:
            WeightsError: Keys are missing or unexpected, shapes differ, or a value is inf or NaN.
        """
        require_finite(state_dict, name)
        if not published:
            state_dict = self.for_inference(state_dict)
        # without a hash, only the names distinguish the authors' file from a converted file
        elif not state_dict.keys() <= self.state_dict().keys():
            try:
                state_dict = self.for_inference(self.convert_published(float32_tensors(state_dict)))
            except WeightsError as error:
                raise WeightsError(f"{name}: {error}") from error
            except (KeyError, RuntimeError) as error:
                reason = " ".join(str(error).split())
                raise WeightsError(f"{name} does not match {type(self).__name__}: {reason}") from error
        apply_weights(self, state_dict, name=name)
        self.trained, self.untrained_reason = True, ""

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        license: str = "",  # noqa: A002  # the term of model cards
        results: Mapping[str, float] | None = None,
    ) -> None:
        """Write weights, settings and a model card to a folder; existing files are replaced.

        Args:
            folder: Output folder; created if it does not exist.
            license: License of the weights, such as ``"Apache-2.0"``. An empty string keeps the license in
                `provenance`.
            results: Measured values by name for the model card, such as ``{"PSNR [dB]": 24.1}``.

        Raises:
            WeightsError: The folder cannot be written, a setting is a function or class, or a value is inf or
                NaN, such as a large variance in float16.
        """
        _save_model(self, expand_user(folder), license, results, str(folder))

    @classmethod
    def from_pretrained(
        cls, source: str | Path, *, revision: str | None = None, offline: bool = False
    ) -> Self:
        """Load a model that `save_pretrained` or `push_to_hub` wrote, in evaluation mode.

        ``ColoringModel.from_pretrained`` loads any registered model. If the method is called on a subclass,
        the saved model must be an instance of this subclass. An unregistered class must be called itself.

        Args:
            source: Folder, or ``OWNER/NAME`` of a repository on the Hugging Face Hub.
            revision: Branch, tag or commit of the repository; None selects the main branch.
            offline: Whether to use only local files.

        Raises:
            WeightsError: The files are missing or damaged, or belong to another class.
        """
        folder, text = Path(source), str(source)
        with suppress(RuntimeError):  # ~ with an unknown user
            folder = folder.expanduser()
        path = folder / WEIGHTS_FILE
        if not folder.is_dir():
            similar = [folder.parent] if folder.is_file() else similar_paths(folder)
            # OWNER/NAME is a repository unless a local folder is named like the owner or nearly like both
            is_repository = REPOSITORY.fullmatch(text) and not (similar or folder.parent.exists())
            if not (text.startswith(HUB) or (isinstance(source, str) and is_repository)):
                hint = f" Did you mean {' or '.join(repr(str(path)) for path in similar)}?" if similar else ""
                raise WeightsError(
                    f"the model must be a folder that save_pretrained wrote, or OWNER/NAME, got {text!r}, "
                    f"which is not a folder.{hint or f' For a repository of the Hub, pass {HUB}OWNER/NAME.'}"
                )
            path = hub_file(text, revision, offline=offline)
        content = read_weights(path)
        model_class = _class_of(cls, content.stored, source)
        try:
            model: Any = model_class(**constructor_arguments(model_class, content.hparams))
        except WeightsError:  # such as missing weights of a backbone
            raise
        except (ColorzooError, TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(
                f"{path}: the settings do not match {model_class.__name__}: {first_words(error)}"
            ) from error
        require_finite(content.state_dict, str(path))
        apply_weights(model, content.state_dict, name=str(path))
        if reason := content.untrained_reason(model_class.__name__):
            model.trained, model.untrained_reason = False, reason
        model.provenance = Provenance.of(content.provenance)
        return model.eval()

    def push_to_hub(
        self,
        repository: str,
        *,
        license: str = "",  # noqa: A002
        results: Mapping[str, float] | None = None,
        private: bool = False,
        message: str = "Upload a colorzoo model",
    ) -> str:
        """Upload the files of `save_pretrained` to the Hugging Face Hub; return the URL of the repository.

        Log in with ``hf auth login`` first.

        Args:
            repository: ``OWNER/NAME``; created if it does not exist.
            license: License of the weights. The license is required if `provenance` does not contain it.
            results: Measured values by name for the model card.
            private: Whether a new repository is private.
            message: Commit message.

        Raises:
            WeightsError: The license is unknown, or the upload failed.
        """
        known = license or self.provenance.license
        if not known or known.startswith("not stated"):
            raise WeightsError(
                f"'license' must be set to publish these weights, whose license is {known or 'unknown'}, "
                "such as license='Apache-2.0'"
            )
        if is_offline():
            raise WeightsError(f"{repository} cannot be uploaded: COLORZOO_OFFLINE is set")
        with TemporaryDirectory() as folder:
            _save_model(self, Path(folder), known, results, repository)
            with hub_errors(f"{repository} cannot be uploaded"):
                from huggingface_hub import HfApi

                api = HfApi()
                url = api.create_repo(repository, private=private, exist_ok=True)
                api.upload_folder(repo_id=repository, folder_path=folder, commit_message=message)
                return str(url)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert the state dict of the authors' checkpoint to the keys of this model.

        Tensors that match `published_unused` are dropped. Other keys are renamed by `published_names`.

        Args:
            state_dict: State dict with the authors' keys. Keys that no pattern matches are kept, so that
                strict loading reports them.

        Returns:
            State dict whose keys start with ``network.`` (``discriminator.`` for a discriminator), with
            tensors in the shapes of this model.

        Raises:
            WeightsError: The model has no published checkpoint.
        """
        if not self.published_names:
            raise WeightsError(
                f"{type(self).__name__} has no published checkpoint. Load weights trained with colorzoo."
            )
        from colorzoo.networks.renaming import rename_keys, reshape_like

        used = dict(state_dict)
        if self.published_unused:  # an empty pattern would match all keys
            used = {key: value for key, value in used.items() if not re.search(self.published_unused, key)}
        converted = {}
        for key, value in rename_keys(used, self.published_names).items():
            prefix = "" if key.startswith("discriminator.") else "network."
            converted[prefix + key] = value
        return reshape_like(converted, self.state_dict())

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Convert the layers of the authors' Caffe model to a state dict.

        Args:
            layers: Dict that maps layer names to blobs (weight arrays).

        Returns:
            State dict for `convert_published`, and settings that the weights require.

        Raises:
            WeightsError: The layers do not match the model, or the authors published no Caffe model.
        """
        del layers
        raise WeightsError(f"{cls.__name__} has no Caffe release. Use the authors' PyTorch checkpoint.")

    @classmethod
    def for_inference(cls, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the model weights in the state dict of a training checkpoint or weight file.

        The prefix ``model.`` of training checkpoints is removed from the keys. Weights that only training
        uses, such as a discriminator, are dropped.
        """
        ours = {
            key.removeprefix(MODEL_PREFIX): value
            for key, value in state_dict.items()
            if key.startswith(MODEL_PREFIX)
        }
        return ours or {
            key: value for key, value in state_dict.items() if not key.startswith(cls.training_only)
        }

    def digest(self, *more: Any) -> bytes:
        """Return a hash of 32 bytes of colorzoo's version and the model's class, arguments and weights.

        The weights include buffers that weight files omit, such as the encoder of `colorzoo2026`.

        Args:
            *more: Additional values that determine the predictions. Values are compared by ``repr``; all
                elements of arrays and tensors count.
        """
        arguments = sorted(self.hparams.items())
        values = (colorzoo.__version__, type(self).__qualname__, arguments, *more)
        digest = hashlib.sha256(full_repr(values).encode())
        tensors = {**dict(self.named_buffers()), **self.state_dict()}
        for name, tensor in sorted(tensors.items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.digest()


def _mark_as_trained(model: PretrainedMixin, state_dict: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    """Mark a model as trained before a state dict with all its weights is loaded."""
    own = model.for_inference(model.state_dict())
    found = {key: state_dict[prefix + key] for key in own if prefix + key in state_dict}
    is_complete = all(key in found and found[key].shape == value.shape for key, value in own.items())
    # a module that borrows weights adds its own tensors to the state dict
    if is_complete and any(found[key].data_ptr() != value.data_ptr() for key, value in own.items()):
        model.trained, model.untrained_reason = True, ""


def _default_arguments(model_class: type[nn.Module]) -> dict[str, Any]:
    """Return the default values of constructor parameters; required parameters are omitted."""
    parameters = constructor_parameters(model_class)
    return {name: each.default for name, each in parameters.items() if each.default is not each.empty}


def _save_model(
    model: PretrainedMixin, folder: Path, terms: str, results: Mapping[str, float] | None, source: str
) -> None:
    """Write the files of a model folder; see `PretrainedMixin.save_pretrained`.

    Args:
        model: The model.
        folder: Output folder.
        terms: License; an empty string keeps the license in the training record of the model.
        results: Measured values by name for the model card.
        source: Folder or repository for the example in the model card.
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
        "format_version": FORMAT_VERSION,
        "colorzoo_version": colorzoo.__version__,
        "model_class": metadata["model_class"],
        "hparams": model.hparams,
    }
    page = _model_page(model, record, card, results or {}, source)
    try:
        save_weights(folder / WEIGHTS_FILE, state_dict, metadata)
        write_atomic(folder / _CARD_FILE, page.encode())
        write_atomic(folder / _CONFIG_FILE, f"{json.dumps(config, indent=2)}\n".encode())
    except OSError as error:
        raise WeightsError(f"cannot write {folder}: {error.strerror or error}") from error


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
    # the assessments apply only if the training record belongs to the default weights of the card
    uses: Mapping[Use, str] = {}
    if card is not None and record.trained_on:
        default = card.weights.get("default") or card.weights.get("published")
        if default is not None and default.trained_on == record.trained_on:
            uses = card.uses
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
        uses=uses,
        hparams=json.dumps(model.hparams, indent=2),
    )
