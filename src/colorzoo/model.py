"""The base class of all models: a network and how it colors. Nothing here imports Lightning."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from colorzoo.card import GuidanceKind, InputKind, OutputKind
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.guidance import Guidance
from colorzoo.networks.blocks import is_traced
from colorzoo.prediction import Prediction
from colorzoo.settings import given_groups, recorded_arguments
from colorzoo.weights import apply_weights
from colorzoo.weights.provenance import Provenance

if TYPE_CHECKING:
    from colorzoo.weights.readers.caffe import CaffeLayers

__all__ = [
    "ColoringModel",
    "check_input",
    "coloring_model",
    "features",
]

HELD = "model."
"""Prefix of a model's weights in a checkpoint of its trainer."""


class ColoringModel(nn.Module):
    """Base class of all models.

    Examples:
        >>> class Gray(ColoringModel):
        ...     def forward(self, lightness, guidance=None):
        ...         return colorzoo.AbPrediction(ab=self.network(lightness))
        ...
        >>> model = Gray(torch.nn.Conv2d(1, 2, 3, padding=1)).eval()
        >>> model(torch.full((2, 1, 32, 48), 50.0)).ab.shape
        torch.Size([2, 2, 32, 48])

    A subclass takes the groups of settings (`colorzoo.settings`) that decide its answers, builds its network
    from them, passes both to ``super().__init__``, which keeps each group as an attribute of its name, and
    defines `forward`. Its task, a `ColorizationModule`, holds it.

    Attributes:
        accepts: Kinds of guidance that the model uses.
        input_kind: What `forward` reads: lightness or a sketch.
        output_kind: What `forward` returns: ab or RGB.
        working_size: Shorter side in pixels at which the network sees an image unless the user names one.
        recorded_hparams: Settings that change what weights mean; weight files record them.
        training_only: Beginnings of the names of weights that only training needs, where a checkpoint or the
            authors' file holds them beside those of the model.
        reference_needs_color: Whether a gray reference is refused, because its colors are what it gives.
        feature_layers: Names of the modules whose outputs `colorzoo.features` gives, from fine to coarse.
        published_files: Names of the authors' files, where they publish several for one model, and the prefix
            of each in the state dict that `load_published_state_dict` takes.
        network: The network.
        trained: Whether the weights were trained or loaded; a network without weights needs no training.
        provenance: How the weights were made.

    Args:
        network: The network.
        **settings: The arguments of the subclass, for `hparams`.
    """

    accepts: frozenset[GuidanceKind] = frozenset()
    input_kind: InputKind = "gray"
    output_kind: OutputKind = "ab"
    working_size: int = 256
    recorded_hparams: ClassVar[tuple[str, ...]] = ()
    training_only: ClassVar[tuple[str, ...]] = ("discriminator.",)
    reference_needs_color: ClassVar[bool] = True
    feature_layers: tuple[str, ...] = ()
    published_files: ClassVar[Mapping[str, str]] = {}

    network: nn.Module
    trained: bool
    provenance: Provenance

    def __init__(self, network: nn.Module, **settings: Any) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)
        self.trained = next(network.parameters(), None) is None
        self.provenance = Provenance(model=type(self).__name__)
        for name, group in given_groups(type(self), settings).items():
            setattr(self, name, group)
        self._settings = recorded_arguments(type(self), settings)

    @property
    def hparams(self) -> dict[str, Any]:
        """The arguments of the subclass by name, as plain mappings, lists, numbers and text."""
        return self._settings

    @property
    def device(self) -> torch.device:
        """The device of the weights; the CPU for a model without any."""
        held = next(chain(self.parameters(), self.buffers()), None)
        return torch.device("cpu") if held is None else held.device

    def __call__(self, lightness: Tensor, guidance: Guidance | None = None, *more: Any) -> Prediction:
        """Check the input and color a batch; see `forward`. ``torch.jit.trace`` gets ab or RGB alone."""
        check_input(self, lightness, guidance)
        prediction: Prediction = super().__call__(lightness, guidance, *more)
        if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            return prediction.colors  # type: ignore[return-value]
        return prediction

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Color a batch; called as ``model(lightness, guidance)``, which checks the input.

        Args:
            lightness: ``(B, 1, H, W)``: L in [0, 100], or a sketch in [0, 1] for models that read sketches.
            guidance: What the user gives; kinds that the model does not accept are ignored.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(lightness, guidance)")

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return maps ``(B, C, h, w)`` of lightness ``(B, 1, H, W)``, from fine to coarse.

        These are the outputs of `feature_layers` in a forward pass without guidance; none for a model without
        them. See `colorzoo.features`.
        """
        if not self.feature_layers:
            return ()
        from colorzoo.networks.recording import record

        return record(self, self.feature_layers, lambda: self(lightness))

    def load_weights(self, state_dict: Mapping[str, Tensor], *, name: str, published: bool = False) -> None:
        """Load a weight file, or the model's part of a checkpoint of its training.

        Args:
            state_dict: Tensors by name.
            name: How a message calls these weights.
            published: The names are the authors'.

        Raises:
            WeightsError: Keys are missing, unexpected or of another shape.
        """
        if not published:
            state_dict = {**self.borrowed_weights(), **self._held(state_dict)}
        apply_weights(self, state_dict, name=name, published=published)
        self.trained = True

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' checkpoint, given under their names (strict).

        Raises:
            WeightsError: Keys or shapes do not fit, or the model has no published checkpoint.
        """
        ours = self._without_training(self.convert_published(state_dict))
        apply_weights(self, ours, name="the published checkpoint", published=False)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the weights of the authors' checkpoint.

        Args:
            state_dict: The authors' tensors; unknown names stay, so that a strict load reports them.

        Returns:
            The weights by the names of this model, those of a discriminator below ``discriminator.``.

        Raises:
            WeightsError: The model has no published checkpoint.
        """
        raise WeightsError(f"{type(self).__name__} has no published checkpoint to load.")

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Translate the authors' Caffe model.

        Args:
            layers: Blobs by layer name.

        Returns:
            What `load_published_state_dict` takes, and the settings that these weights need.

        Raises:
            WeightsError: Layers do not fit, or the authors published no Caffe model.
        """
        del layers
        raise WeightsError(f"{cls.__name__} has no Caffe release; give the authors' PyTorch checkpoint.")

    @classmethod
    def for_inference(cls, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Reduce the state dict of a checkpoint to what a weight file stores."""
        return cls._held(state_dict)

    @classmethod
    def _held(cls, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights of a model from its weight file or from a checkpoint of its trainer.

        A checkpoint holds them below ``model.``; the authors' files may have a discriminator beside them.
        """
        held = {key.removeprefix(HELD): value for key, value in state_dict.items() if key.startswith(HELD)}
        return held or cls._without_training(state_dict)

    @classmethod
    def _without_training(cls, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {key: value for key, value in state_dict.items() if not key.startswith(cls.training_only)}

    def borrowed_weights(self) -> Mapping[str, Tensor]:
        """Return the weights by name that come from another registered model; weight files leave them out."""
        return {}


def check_input(model: ColoringModel, lightness: Tensor, guidance: Guidance | None) -> None:
    """Check the input of a model.

    Examples:
        >>> check_input(colorzoo.create_model("levin2004").model, torch.full((1, 1, 32, 48), 50.0), None)

    Values are checked in evaluation only, and not while a graph is made of the model.

    Args:
        model: The model.
        lightness: See `ColoringModel.forward`.
        guidance: See `ColoringModel.forward`.

    Raises:
        ColorzooError: The input has another shape, type or range.
    """
    kind = "lightness L in [0, 100]" if model.input_kind == "gray" else "a sketch in [0, 1]"
    expected = f"{type(model).__name__} expects {kind} as float32 (B, 1, H, W)"
    if not isinstance(lightness, Tensor):
        raise ColorzooError(f"{expected}, got {type(lightness).__name__}.")
    found = f"got {lightness.dtype} {tuple(lightness.shape)}".replace("torch.", "")
    if lightness.ndim == 4 and lightness.shape[1] == 3:
        raise ColorzooError(f"{expected}, {found}; for RGB in [0, 1] pass rgb_to_lab(rgb)[:, :1].")
    if lightness.ndim == 3 and lightness.shape[0] == 1:
        raise ColorzooError(f"{expected}, {found}; pass lightness[None].")
    if lightness.ndim != 4 or lightness.shape[1] != 1:
        raise ColorzooError(f"{expected}, {found}.")
    weight = next(model.parameters(), lightness)
    if lightness.dtype in (torch.float16, torch.bfloat16) or weight.dtype == torch.float16:
        raise ColorzooError(
            f"{expected}, {found}; leave the model and its input in float32 and use torch.autocast."
        )
    if not lightness.is_floating_point():
        raise ColorzooError(f"{expected}, {found}; convert it first: rgb_to_lab(rgb / 255)[:, :1].")
    if guidance is not None and not isinstance(guidance, Guidance):
        raise ColorzooError(
            f"{type(model).__name__} expects a Guidance, got {type(guidance).__name__}; "
            "Guidance.from_json reads recipes."
        )
    if model.training or is_traced() or lightness.is_meta or not lightness.numel():
        return
    low, high = (float(value) for value in lightness.detach().aminmax())
    most = 100.0 if model.input_kind == "gray" else 1.0
    if not (low >= -0.01 * most and high <= 1.01 * most):
        raise ColorzooError(f"{expected}, got values from {low:g} to {high:g}.")
    if model.input_kind == "gray" and 0.5 < high <= 1:  # an image may be black
        warnings.warn(f"{expected}, and these are at most {high:g}: nearly black.", UserWarning, stacklevel=3)


def coloring_model(module: nn.Module) -> ColoringModel:
    """Return a model that is given as such or held by its trainer.

    Examples:
        >>> type(coloring_model(colorzoo.create_model("levin2004"))).__name__
        'ColorizationByOptimization'

    Raises:
        ColorzooError: The module is neither.
    """
    model = module if isinstance(module, ColoringModel) else getattr(module, "model", None)
    if not isinstance(model, ColoringModel):
        raise ColorzooError(
            f"{type(module).__name__} is neither a ColoringModel nor a ColorizationModule that holds one."
        )
    return model


def features(
    model: nn.Module, lightness: Tensor, levels: Sequence[int] | None = None, *, gradients: bool = False
) -> tuple[Tensor, ...]:
    """Return what a model sees in images, for tasks of your own, such as a linear probe.

    Examples:
        >>> model = colorzoo.create_model("colorzoo2026")
        >>> maps = features(model, torch.full((1, 1, 64, 96), 50.0))
        >>> [tuple(each.shape[1:]) for each in maps]
        [(24, 16, 24), (48, 8, 12), (120, 4, 6), (352, 2, 3)]
        >>> features(model, torch.full((1, 1, 64, 96), 50.0), levels=[-1])[0].shape
        torch.Size([1, 352, 2, 3])

    ``colorzoo2026`` gives the maps of its frozen encoder, which was trained on ImageNet, at 1/4, 1/8, 1/16
    and 1/32 of the size. Other models give maps of their own encoders, in a forward pass without guidance.

    Args:
        model: A model of photos, or its trainer, in the mode that it is in.
        lightness: ``(B, 1, H, W)`` lightness in [0, 100].
        levels: Indices of the wanted maps, as ``out_indices`` in timm; None for all of them.
        gradients: Keep gradients, towards the weights that are trained and towards the lightness.

    Returns:
        Maps ``(B, C, h, w)`` on the model's device, from fine to coarse. Their number and sizes depend on the
        model; some models resize images to a square first.

    Raises:
        ColorzooError: It is no model of photos, has no network, or has no such level.
    """
    held = coloring_model(model)
    check_input(held, lightness, None)
    maps: tuple[Tensor, ...] = ()
    if held.input_kind == "gray":
        with torch.set_grad_enabled(gradients):
            maps = held.feature_maps(lightness.to(held.device))
    if not maps:
        raise ColorzooError(
            f"{type(held).__name__} offers no features: it has no network that sees photos, or does not name "
            "its feature_layers; colorzoo2026 has features."
        )
    wanted = range(len(maps)) if levels is None else levels
    for level in wanted:
        if not -len(maps) <= level < len(maps):
            raise ColorzooError(
                f"{type(held).__name__} has no level {level}; its levels are 0 to {len(maps) - 1}."
            )
    return tuple(maps[level] for level in wanted)
