"""Base class of all models. This module does not import Lightning."""

from __future__ import annotations

import os
import warnings
from functools import partial
from itertools import chain
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from colorzoo.card import GuidanceKind, InputKind, OutputKind
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import Guidance
from colorzoo.networks.blocks import is_traced, layer_outputs
from colorzoo.prediction import Prediction
from colorzoo.weights.load import Provenance
from colorzoo.weights.pretrained import PretrainedMixin

__all__ = [
    "ColoringModel",
    "check_input",
    "coloring_model",
]

if hasattr(os, "register_at_fork"):
    # a forked process lacks the thread pool of torch, and parallel operations would wait for it forever
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


class ColoringModel(PretrainedMixin):
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
    optional. A model with another ability, such as segmentation, also inherits from a mixin of
    `colorzoo.abilities`.

    Training uses a task (`ColorizationModule`), a LightningModule that stores the model as ``task.model``.

    Attributes:
        accepts: Kinds of guidance that the model uses.
        input_kind: Input of `forward`: lightness or a sketch.
        output_kind: Output of `forward`: ab or RGB.
        label_count: Number of image classes of the label guidance; 0 without label guidance.
        working_size: Default shorter side of the network input in pixels.
        reference_needs_color: Whether a reference must be a color image.
        reproduces_points: Whether predictions closely match the colors of points at the hinted pixels. For
            other models, the `Colorizer` propagates the difference to nearby pixels.
        feature_layers: Names of the modules whose outputs `colorzoo.features` returns, from fine to coarse.
        network: Neural network of the model.

    Args:
        network: Neural network of the model.
    """

    accepts: frozenset[GuidanceKind] = frozenset()
    input_kind: InputKind = "gray"
    output_kind: OutputKind = "ab"
    label_count: int = 0
    working_size: int = 256
    reference_needs_color: ClassVar[bool] = True
    reproduces_points: ClassVar[bool] = False
    feature_layers: tuple[str, ...] = ()

    network: nn.Module

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.trained = next(network.parameters(), None) is None
        self.provenance = Provenance(model=type(self).__name__)

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
