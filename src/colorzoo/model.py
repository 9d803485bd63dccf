"""Base class of all models. This module does not import Lightning."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from colorzoo import __version__
from colorzoo.card import GuidanceKind, InputKind, OutputKind
from colorzoo.errors import ColorzooError, GuidanceError, WeightsError
from colorzoo.guidance import Boxes, Exemplar, Guidance, Regions
from colorzoo.networks.blocks import is_traced, layer_outputs
from colorzoo.prediction import Prediction
from colorzoo.settings import check_arguments, constructor_parameters, plain_arguments
from colorzoo.weights import apply_weights
from colorzoo.weights.load import Provenance, require_finite
from colorzoo.weights.pretrained import load_model, push_model, save_model

if TYPE_CHECKING:
    from colorzoo.networks.renaming import Pattern
    from colorzoo.weights.readers.caffe import CaffeLayers

__all__ = [
    "ColoringModel",
    "check_input",
    "coloring_model",
    "features",
]

if hasattr(os, "register_at_fork"):
    # a forked process lacks the thread pool of torch, and parallel operations would wait for it forever
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))

Transform = Literal["adain", "wct"]
"""Feature statistics for `ColoringModel.stylize`: means and deviations (AdaIN), or covariances (WCT)."""

MODEL_PREFIX = "model."
"""Prefix of the keys of the model's weights in a training checkpoint."""


class ColoringModel(nn.Module):
    """Base class of all models: a network that predicts colors from lightness and guidance.

    Examples:
        >>> class Gray(ColoringModel):
        ...     def forward(self, lightness, guidance=None):
        ...         return colorzoo.AbPrediction(ab=self.network(lightness))
        ...
        >>> model = Gray(torch.nn.Conv2d(1, 2, 3, padding=1)).eval()
        >>> model(torch.full((2, 1, 32, 48), 50.0)).ab.shape
        torch.Size([2, 2, 32, 48])

    The constructor of a subclass receives settings, which may be in dataclasses (`colorzoo.settings`), builds
    the network and passes it to ``super().__init__``. The subclass also defines `forward`. Other methods are
    optional, for example `segment`. Callers test `supports` before they call such a method.

    Training uses a task (`ColorizationModule`), a LightningModule that stores the model as ``task.model``.

    Attributes:
        accepts: Kinds of guidance that the model uses.
        input_kind: Input of `forward`: lightness or a sketch.
        output_kind: Output of `forward`: ab or RGB.
        label_count: Number of image classes of the label guidance; 0 without label guidance.
        working_size: Default shorter side of the network input in pixels.
        training_only: State-dict key prefixes of weights that only training uses, such as
            ``"discriminator."``.
        reference_needs_color: Whether a reference must be a color image.
        feature_layers: Names of the modules whose outputs `colorzoo.features` returns, from fine to coarse.
        published_files: Dict that maps file names to key prefixes, if the authors publish several weight
            files. `load_published_state_dict` receives all tensors in one state dict with these prefixes.
        weight_settings: Settings that define the scale of the network's input or output. Weights of other
            values have equal shapes, so ``--init_from`` compares these settings.
        published_names: Patterns that rename the state-dict keys of the authors' code to keys of `network`;
            see `rename_keys`.
        published_unused: Regular expression that matches the authors' keys to drop; empty keeps all keys.
        network: Neural network of the model.
        trained: Whether the weights were trained or loaded; True for a network without weights.
            `load_state_dict` sets True if the state dict contains all weights.
        untrained_reason: Reason why the model is untrained although a weight file was loaded; empty
            otherwise.
        provenance: Training record of the weights, such as data, configuration and number of steps.
        unstored_settings: Names of settings that are functions or classes other than the defaults, which
            weight files cannot store.

    Args:
        network: Neural network of the model.
    """

    accepts: frozenset[GuidanceKind] = frozenset()
    input_kind: InputKind = "gray"
    output_kind: OutputKind = "ab"
    label_count: int = 0
    working_size: int = 256
    training_only: ClassVar[tuple[str, ...]] = ("discriminator.",)
    reference_needs_color: ClassVar[bool] = True
    feature_layers: tuple[str, ...] = ()
    weight_settings: ClassVar[tuple[str, ...]] = ()
    published_files: ClassVar[Mapping[str, str]] = {}
    published_names: ClassVar[Sequence[Pattern]] = ()
    published_unused: ClassVar[str] = ""

    network: nn.Module
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

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(_mark_as_trained)  # type: ignore[no-untyped-call]
        self.network = network.to(memory_format=torch.channels_last)
        self.trained = next(network.parameters(), None) is None
        self.provenance = Provenance(model=type(self).__name__)

    @cached_property
    def hparams(self) -> dict[str, Any]:
        """Constructor arguments of the subclass as plain mappings, lists, numbers and strings."""
        return plain_arguments(_default_arguments(type(self)))  # other arguments are set by `__new__`

    @property
    def device(self) -> torch.device:
        """Device of the weights; the CPU if the model has no weights."""
        tensor = next(chain(self.parameters(), self.buffers()), None)
        return torch.device("cpu") if tensor is None else tensor.device

    def __call__(self, lightness: Tensor, guidance: Guidance | None = None, *more: Any) -> Prediction:
        """Validate the input and call `forward`.

        During ``torch.jit.trace``, the result is a tensor: ab or RGB.
        """
        check_input(self, lightness, guidance)
        if guidance is not None and not is_traced() and len(lightness) > 1:
            guidance = guidance.repeat_reference(len(lightness))
        prediction: Prediction = super().__call__(lightness, guidance, *more)
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            return prediction.colors  # type: ignore[return-value]
        return prediction

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Colorize a batch.

        Call ``model(lightness, guidance)`` instead of this method, because the call validates the input.

        Args:
            lightness: ``(B, 1, H, W)``: L in [0, 100], or sketches in [0, 1] for sketch models.
            guidance: Guidance of the batch; kinds of guidance that the model does not accept are ignored.

        Returns:
            `AbPrediction` or `RgbPrediction`, depending on `output_kind`, for the images of the batch.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(lightness, guidance)")

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs ``(B, C, h, w)`` of the modules in `feature_layers`, fine to coarse.

        The model runs without guidance. The result is empty if `feature_layers` is empty. See
        `colorzoo.features`.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
        """
        if not self.feature_layers:
            return ()
        return layer_outputs(self, self.feature_layers, lambda: self(lightness))

    @classmethod
    def supports(cls, method: str) -> bool:
        """Return whether the class overrides an optional method, such as ``"segment"``."""
        return getattr(cls, method) is not getattr(ColoringModel, method)

    def edit(self, lightness: Tensor, guidance: Guidance, state: dict[str, Any]) -> Prediction:
        """Colorize one image again after an edit of its guidance.

        A model can override this method to reuse intermediate results. The prediction must equal
        ``model(lightness, guidance)``.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: Complete guidance of the image, not only the changes.
            state: Intermediate results of this image. The dict is empty at first; the model updates it.
        """
        return self(lightness, guidance)

    def similarity(self, lightness: Tensor, mask: Tensor, state: dict[str, Any]) -> Tensor:
        """Return the similarity ``(1, 1, h, w)`` in [0, 1] of each position to the best match in a mask.

        The similarity limits how far the color of a point spreads (the reach of the point).

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            mask: ``(1, 1, H, W)`` in {0, 1}, with at least one 1.
            state: Intermediate results of this image; see `edit`.
        """
        raise NotImplementedError

    @property
    def detects(self) -> bool:
        """Whether `find_boxes` can detect objects; if True, the pad offers object detection."""
        return False

    def find_boxes(self, lightness: Tensor) -> Boxes:
        """Detect objects in lightness ``(B, 1, H, W)`` in [0, 100].

        Raises:
            GuidanceError: The model has no detector.
        """
        raise NotImplementedError

    def segment(self, lightness: Tensor) -> Tensor:
        """Predict the class of each pixel, ``(B, 1, H, W)`` int64, from lightness in [0, 100].

        Optional attributes: ``class_count``, the number of classes, and ``class_names``, the names by index.
        """
        raise NotImplementedError

    def propose(self, lightness: Tensor) -> Regions:
        """Divide images ``(B, 1, H, W)`` into regions for the user to color, the most useful region first."""
        raise NotImplementedError

    def region_colors(
        self, prediction: Prediction, votes: Tensor, palette: Tensor | None = None, variant: int = 0
    ) -> Tensor:
        """Choose the sRGB color ``(n, 3)`` in [0, 1] of each region of a drawing.

        For models without this method, a region gets its mean predicted color.

        Args:
            prediction: Prediction for one drawing.
            votes: ``(n, h * w)``, weight of each cell of the predicted color distribution in each region.
            palette: ``(P, 3)`` sRGB in [0, 1], the only colors to choose from; None for no limit.
            variant: 0 for the default colors; other numbers select other likely colors.
        """
        raise NotImplementedError

    def region_similarity(self, prediction: Prediction, votes: Tensor, regions: Tensor) -> Tensor:
        """Return the probability ``(k, n)`` that k regions and each region of a drawing have one color.

        Similar regions copy the exact color of a point.

        Args:
            prediction: Prediction for one drawing.
            votes: ``(n, h * w)``, see `region_colors`.
            regions: ``(k,)``, numbers of the k regions.
        """
        raise NotImplementedError

    def color_frames(self, frames: Tensor, exemplar: Exemplar, previous: Tensor | None = None) -> Tensor:
        """Predict ab ``(T, 2, H, W)`` in CIE units for successive frames of a video.

        Args:
            frames: Lightness ``(T, 1, H, W)`` in [0, 100].
            exemplar: Reference for all frames.
            previous: Lab ``(1, 3, H, W)`` of the frame before ``frames[0]``; None at the start of a video.
        """
        raise NotImplementedError

    def match_features(self, lightness: Tensor) -> Tensor:
        """Return features ``(B, C, h, w)`` of cells of 8 x 8 pixels, by which frames of a film are matched.

        The dot product of two feature vectors is their similarity, at most 1.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
        """
        raise NotImplementedError

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Encode reference images ``(B, 3, H, W)`` in [0, 1] as embeddings ``(B, R, C)``.

        R is 1 for a single vector, 2 for feature means and standard deviations, or the number of positions in
        the feature map of the reference.
        """
        raise NotImplementedError

    def mix_references(self, embeddings: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Mix the embeddings of several references into one embedding ``(1, R, C)``, by default their mean.

        Standard deviations in embeddings are averaged like other values. The joint standard deviation of a
        warm and a cold reference would give more vivid colors than either reference.

        Args:
            embeddings: Embeddings ``(1, R, C)`` from `encode_reference` or from this method.
            weights: Nonnegative weight of each embedding, with a sum of 1.
        """
        weighted = [each * weight for each, weight in zip(embeddings, weights, strict=True)]
        return torch.stack(weighted).sum(0)

    def stylize(
        self,
        content: Tensor,
        style: Tensor,
        *,
        transform: Transform = "adain",
        alpha: float = 1.0,
        labels: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Transfer the colors of a style image to a content image.

        Args:
            content: RGB ``(B, 3, H, W)`` in [0, 1].
            style: RGB ``(B, 3, H', W')`` in [0, 1].
            transform: Feature statistics to match; see `Transform`.
            alpha: Strength of the transfer in [0, 1].
            labels: Integer label maps ``(H, W)`` of the content and ``(H', W')`` of the style. With label
                maps, feature statistics are matched separately for each label, and the batch size must be 1.

        Returns:
            RGB ``(B, 3, H, W)`` in [0, 1].
        """
        raise NotImplementedError

    def load_weights(self, state_dict: Mapping[str, Tensor], *, name: str, published: bool = False) -> None:
        """Load the state dict of a weight file or of a training checkpoint.

        Args:
            state_dict: State dict with keys of this model, of its task or of the authors' code.
            name: Name of the weights, such as a path, for error messages.
            published: Whether the keys are parameter names of the authors' code, which must be converted.

        Raises:
            WeightsError: Keys are missing or unexpected, shapes differ, or a value is inf or NaN.
        """
        require_finite(state_dict, name)
        if not published:
            state_dict = self.for_inference(state_dict)
        apply_weights(self, state_dict, name=name, published=published)
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
        save_model(self, Path(folder).expanduser(), license, results)

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
        return load_model(cls, source, revision=revision, offline=offline)

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
        return push_model(self, repository, license, results, private=private, message=message)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Convert a state dict with the authors' keys and load the converted weights.

        All keys and shapes must match, except weights that only training uses (`training_only`).

        Raises:
            WeightsError: Keys or shapes differ, or the model has no published checkpoint.
        """
        ours = self.for_inference(self.convert_published(state_dict))
        apply_weights(self, ours, name="the published checkpoint", published=False)

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
            State dict for `load_published_state_dict`, and settings that the weights require.

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
        prefix = MODEL_PREFIX
        ours = {
            key.removeprefix(prefix): value for key, value in state_dict.items() if key.startswith(prefix)
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
        values = (__version__, type(self).__qualname__, arguments, *more)
        digest = hashlib.sha256(full_repr(values).encode())
        tensors = {**dict(self.named_buffers()), **self.state_dict()}
        for name, tensor in sorted(tensors.items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.digest()


def _mark_as_trained(model: ColoringModel, state_dict: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    """Mark a model as trained before a state dict with all its weights is loaded."""
    own = model.for_inference(model.state_dict())
    found = {key: state_dict[prefix + key] for key in own if prefix + key in state_dict}
    is_complete = all(key in found and found[key].shape == value.shape for key, value in own.items())
    # a module that borrows weights adds its own tensors to the state dict
    if is_complete and any(found[key].data_ptr() != value.data_ptr() for key, value in own.items()):
        model.trained, model.untrained_reason = True, ""


def _default_arguments(model_class: type[ColoringModel]) -> dict[str, Any]:
    """Return the default values of constructor parameters; required parameters are omitted."""
    parameters = constructor_parameters(model_class)
    return {name: each.default for name, each in parameters.items() if each.default is not each.empty}


def check_input(model: ColoringModel, lightness: Tensor, guidance: Guidance | None) -> None:
    """Raise an error if the input of a model has a wrong shape, type or range of values.

    The range of values is checked only in evaluation mode. During tracing and export, only the type and the
    number of dimensions are checked.

    Examples:
        >>> check_input(colorzoo.create_model("levin2004").model, torch.full((1, 1, 32, 48), 50.0), None)

    Args:
        model: Model that receives the input.
        lightness: Input of `ColoringModel.forward`: lightness, or sketches for sketch models.
        guidance: Guidance of the batch; None for automatic colorization.

    Raises:
        ColorzooError: The input has a wrong shape, type or range, the guidance does not match the input, or
            the weights are not float32.
    """
    _check_types(model, lightness, guidance)
    if is_traced():
        return

    # weights, and guidance that the model accepts
    dtypes = {parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()}
    if other_dtypes := dtypes - {torch.float32}:
        dtype = str(other_dtypes.pop()).removeprefix("torch.")
        raise ColorzooError(
            f"the weights of {type(model).__name__} must be float32, got {dtype}. Call model.float(). For a "
            "lower precision, use Colorizer(precision='bfloat16') or torch.autocast."
        )
    if guidance is not None:
        guidance.check_matches(lightness, model.accepts)
    if model.training or lightness.is_meta or not lightness.numel():
        return

    # ranges of class numbers and of the input
    if guidance is not None and guidance.label is not None and "label" in model.accepts:
        lowest, highest = (int(value) for value in guidance.label.aminmax())
        if not -1 <= lowest <= highest < model.label_count:
            raise GuidanceError(
                f"the label must be from 0 to {model.label_count - 1} for {type(model).__name__}, or -1 for "
                f"an unknown class, got {lowest if lowest < -1 else highest}"
            )
    low, high = (float(value) for value in lightness.detach().aminmax())
    limit = 100.0 if model.input_kind == "gray" else 1.0
    is_in_range = low >= -0.01 * limit and high <= 1.01 * limit  # False for NaN
    if not is_in_range:
        raise ColorzooError(f"{_expected_input(model)}, got values from {low:g} to {high:g}")
    if model.input_kind == "gray" and 0.5 < high <= 1:  # lower values may come from a black image
        message = f"{_expected_input(model)}; the largest value is {high:g}."
        warnings.warn(message, UserWarning, stacklevel=3)


def _expected_input(model: ColoringModel) -> str:
    """Return the requirement on the input of a model, the start of error messages."""
    content = "lightness L in [0, 100]" if model.input_kind == "gray" else "a sketch in [0, 1]"
    return f"the input of {type(model).__name__} must be {content} as float32 (B, 1, H, W)"


def _check_types(model: ColoringModel, lightness: object, guidance: object) -> None:
    """Raise `ColorzooError` if the input has a wrong type or number of dimensions."""
    if not isinstance(lightness, Tensor):
        raise ColorzooError(f"{_expected_input(model)}, got {type(lightness).__name__}.")
    if lightness.ndim != 4 or lightness.shape[1] != 1 or lightness.dtype != torch.float32:
        actual = f"{lightness.dtype} {tuple(lightness.shape)}".removeprefix("torch.")
        raise ColorzooError(
            f"{_expected_input(model)}, got {actual}. Compute lightness with rgb_to_lab(rgb)[:, :1]."
        )
    if guidance is not None and not isinstance(guidance, Guidance):
        raise ColorzooError(
            f"'guidance' must be a Guidance object, got {type(guidance).__name__}. Convert a recipe "
            "with Guidance.from_recipe."
        )


def coloring_model(module: nn.Module) -> ColoringModel:
    """Return the model of a task; a `ColoringModel` is returned unchanged.

    Examples:
        >>> type(coloring_model(colorzoo.create_model("levin2004"))).__name__
        'ColorizationByOptimization'

    Args:
        module: Task (`ColorizationModule`), whose attribute ``model`` is returned, or `ColoringModel`.

    Raises:
        ColorzooError: The module is not a `ColoringModel` or `ColorizationModule`.
    """
    model = module if isinstance(module, ColoringModel) else getattr(module, "model", None)
    if not isinstance(model, ColoringModel):
        raise ColorzooError(
            f"'module' must be a ColoringModel or a ColorizationModule, got {type(module).__name__}"
        )
    return model


def features(
    model: nn.Module, lightness: Tensor, levels: Sequence[int] | None = None, *, gradients: bool = False
) -> tuple[Tensor, ...]:
    """Return the feature maps of a model's encoder.

    Examples:
        >>> model = colorzoo.create_model("colorzoo2026")
        >>> maps = features(model, torch.full((1, 1, 64, 96), 50.0))
        >>> [tuple(each.shape[1:]) for each in maps]
        [(24, 16, 24), (48, 8, 12), (120, 4, 6), (352, 2, 3)]
        >>> features(model, torch.full((1, 1, 64, 96), 50.0), levels=[-1])[0].shape
        torch.Size([1, 352, 2, 3])

    ``colorzoo2026`` returns feature maps of its frozen ImageNet encoder at 1/4, 1/8, 1/16 and 1/32 of the
    input size. Other models return feature maps of their encoders from a forward pass without guidance. The
    mode of the model (training or evaluation) is not changed.

    Args:
        model: Model whose input is lightness (not a sketch), or the task of such a model.
        lightness: ``(B, 1, H, W)`` in [0, 100].
        levels: Indices of the feature maps to return, like ``out_indices`` in timm. None returns all feature
            maps.
        gradients: Whether to compute gradients with respect to trainable weights and the lightness.

    Returns:
        Feature maps ``(B, C, h, w)`` on the device of the model, from fine to coarse. Their number and sizes
        depend on the model; some models first resize images to a square.

    Raises:
        ColorzooError: The input of the model is a sketch, the model does not expose feature maps, or a level
            does not exist.
    """
    found = coloring_model(model)
    check_input(found, lightness, None)
    maps: tuple[Tensor, ...] = ()
    if found.input_kind == "gray":
        with torch.set_grad_enabled(gradients):
            maps = found.feature_maps(lightness.to(found.device))
    if not maps:
        raise ColorzooError(
            f"{type(found).__name__} does not expose feature maps. Use a model such as colorzoo2026."
        )
    selected = range(len(maps)) if levels is None else levels
    for level in selected:
        if not -len(maps) <= level < len(maps):
            raise ColorzooError(f"'levels' must be from {-len(maps)} to {len(maps) - 1}, got {level}")
    return tuple(maps[level] for level in selected)


def full_repr(value: object) -> str:
    """Return the ``repr`` of a setting, followed by all elements of the arrays and tensors in the setting.

    The ``repr`` of a large array contains only its first and last elements, and the ``repr`` of a tensor
    rounds its elements, so neither identifies the setting.
    """
    return repr(value) + "".join(repr(array.tolist()) for array in _arrays_in(value))


def _arrays_in(value: Any) -> Iterator[Any]:
    """Yield the arrays and tensors in containers and dataclasses, in order."""
    if isinstance(value, type):
        return
    if hasattr(value, "tolist"):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from _arrays_in(getattr(value, each.name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _arrays_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _arrays_in(each)
