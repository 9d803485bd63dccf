"""Model outputs: ab for photographs, RGB for sketches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils import _pytree

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.color.bins import bin_centers

__all__ = [
    "AbPrediction",
    "Distribution",
    "Prediction",
    "RgbPrediction",
    "clip_colors",
]

_SHARPNESS = 1.2  # factor on the logits, tuned on held-out images; Zhang et al. 2017 use 0.2
# entropy relative to a uniform distribution above which a head counts as untrained; trained heads stay
# below 0.8 on photos
_UNTRAINED = 0.93


@dataclass(frozen=True)
class Distribution:
    """Predicted color distribution at each position of the network output.

    Examples:
        >>> centers = torch.tensor([[40.0, 0], [-40, 0]])
        >>> distribution = Distribution(torch.full((2, 8, 12), 0.5), centers, size=(32, 48))
        >>> distribution.at(10, 10)
        tensor([0.5000, 0.5000])

    Attributes:
        probabilities: Probabilities ``(Q, h, w)`` of the Q color bins; the sum at each position is 1.
        centers: Centers ``(Q, 2)`` of the bins in CIE units.
        size: Height and width of the network input in pixels.
    """

    probabilities: Tensor
    centers: Tensor
    size: tuple[int, int]

    @property
    def stride(self) -> tuple[float, float]:
        """Vertical and horizontal distance between adjacent positions in pixels of the network input."""
        rows, columns = self.probabilities.shape[-2:]
        height, width = self.size
        return _stride(height, rows), _stride(width, columns)

    def at(self, x: float, y: float) -> Tensor:
        """Return the ``(Q,)`` probabilities at a pixel of the network input."""
        rows, columns = self.probabilities.shape[-2:]
        row_stride, column_stride = self.stride
        row = min(max(int(y / row_stride), 0), rows - 1)
        column = min(max(int(x / column_stride), 0), columns - 1)
        return self.probabilities[:, row, column]

    def entropy(self) -> Tensor:
        """Return the entropy ``(h, w)`` at each position in nats, from 0 to log Q."""
        entropy: Tensor = torch.special.entr(self.probabilities).sum(dim=0)
        return entropy


def _stride(length: int, positions: int) -> float:
    """Return the distance in pixels between adjacent positions of the network output along one axis.

    Networks that pad the image have a whole stride, and the last position can cover padding. Networks that
    resize the image have a fractional stride.

    Args:
        length: Side of the image in pixels.
        positions: Number of positions along this side.
    """
    stride = length / positions
    whole_stride = math.ceil(stride)
    is_padded = math.ceil(length / whole_stride) == positions
    return whole_stride if is_padded else stride


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """Base class of predictions; models return `AbPrediction` or `RgbPrediction`.

    Examples:
        >>> prediction = AbPrediction(ab=torch.zeros(2, 2, 32, 48), notes=("pale",))
        >>> prediction.colors.shape, prediction.notes
        (torch.Size([2, 2, 32, 48]), ('pale',))

    Attributes:
        extras: Additional outputs of the model by name, such as ``"logits"``.
        notes: Notes for the user, for example about unused guidance.
        compute_logits: Function that computes `color_logits`, for models whose logits take as long as the
            colors; None uses ``extras["logits"]``.
    """

    extras: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    compute_logits: Callable[[], Tensor] | None = None

    if TYPE_CHECKING:  # permits `.ab` and `.rgb` for the prediction of any model

        def __getattr__(self, name: str) -> Tensor:
            """Return a field that only a subclass defines, such as ``ab``."""
            ...

    @property
    def colors(self) -> Tensor:
        """Output of the model, ``(B, C, H, W)``: ab or RGB."""
        raise NotImplementedError(f"{type(self).__name__} must define the property colors")

    @property
    def color_logits(self) -> Tensor | None:
        """Logits ``(B, Q, h, w)`` over 313 or 529 color bins; None if not predicted."""
        if self.compute_logits is not None:
            return self.compute_logits()
        logits = self.extras.get("logits")
        return logits if logits is not None and logits.shape[1] in (313, 529) else None

    @torch.inference_mode()  # the logits can be computed on access
    def distribution(self) -> Distribution | None:
        """Return the color distribution of the first image.

        Bins outside the sRGB gamut are excluded. The result is None if the model predicts no distribution, or
        a nearly uniform distribution from untrained layers, as with the authors' Local Hints weights (Zhang
        et al. 2017).
        """
        logits = self.color_logits
        if logits is None:
            return None
        log_share = F.log_softmax(logits[:1].float(), dim=1)
        entropy = torch.special.entr(log_share.exp()[0]).sum(dim=0)
        if entropy.mean() > _UNTRAINED * math.log(logits.shape[1]):
            return None
        centers, in_hull = bin_centers(logits.shape[1])
        shares = F.softmax(_SHARPNESS * logits[0, in_hull].float(), dim=0)
        height, width = self.colors.shape[-2:]
        return Distribution(shares.cpu(), centers[in_hull], (height, width))

    def to_rgb(self, network_input: Tensor) -> Tensor:
        """Return the colorized images as RGB, ``(B, 3, H, W)``.

        Args:
            network_input: Input of the model: ``(B, 1, H, W)`` lightness or sketch.
        """
        raise NotImplementedError(f"{type(self).__name__} must define the method to_rgb")

    def to_ab(self) -> Tensor:
        """Return the ab channels ``(B, 2, H, W)`` in CIE units."""
        raise NotImplementedError(f"{type(self).__name__} must define the method to_ab")

    def with_colors(self, colors: Tensor) -> Self:
        """Return a copy with other `colors`: ab or RGB ``(B, C, H, W)``."""
        raise NotImplementedError(f"{type(self).__name__} must define the method with_colors")

    def detach(self) -> Self:
        """Return a copy detached from the autograd graph."""
        extras = {name: value.detach() for name, value in self.extras.items()}
        return replace(self.with_colors(self.colors.detach()), extras=extras)


@dataclass(frozen=True, kw_only=True)
class AbPrediction(Prediction):
    """Output of a model that colorizes photographs.

    Examples:
        >>> prediction = AbPrediction(ab=torch.zeros(2, 2, 32, 48))
        >>> prediction.to_rgb(torch.full((2, 1, 32, 48), 50.0)).shape
        torch.Size([2, 3, 32, 48])

    Attributes:
        ab: ``(B, 2, H, W)`` in CIE units.
    """

    ab: Tensor

    @classmethod
    def gray(cls, lightness: Tensor) -> Self:
        """Return a gray prediction (ab = 0) for lightness ``(B, 1, H, W)``."""
        return cls(ab=lightness.new_zeros(lightness.shape[0], 2, lightness.shape[-2], lightness.shape[-1]))

    @property
    def colors(self) -> Tensor:
        """The predicted ab channels ``(B, 2, H, W)`` in CIE units."""
        return self.ab

    def to_rgb(self, network_input: Tensor) -> Tensor:
        """Convert ab and the lightness ``(B, 1, H, W)`` of the network input to RGB."""
        return lab_to_rgb(torch.cat([network_input, self.ab], dim=1))

    def to_ab(self) -> Tensor:
        """Return the ab channels ``(B, 2, H, W)`` in CIE units."""
        return self.ab

    def with_colors(self, colors: Tensor) -> Self:
        """Return a copy with ab replaced."""
        return replace(self, ab=colors)


@dataclass(frozen=True, kw_only=True)
class RgbPrediction(Prediction):
    """Output of a model that colorizes sketches.

    Examples:
        >>> RgbPrediction(rgb=torch.rand(2, 3, 32, 48)).to_ab().shape
        torch.Size([2, 2, 32, 48])

    Attributes:
        rgb: ``(B, 3, H, W)`` in [0, 1].
    """

    rgb: Tensor

    @property
    def colors(self) -> Tensor:
        """The predicted RGB image ``(B, 3, H, W)`` in [0, 1]."""
        return self.rgb

    def to_rgb(self, network_input: Tensor) -> Tensor:
        """Return the predicted RGB, which includes the lines of the sketch."""
        return self.rgb

    def to_ab(self) -> Tensor:
        """Return the ab channels of the predicted RGB."""
        return rgb_to_lab(self.rgb)[:, 1:]

    def with_colors(self, colors: Tensor) -> Self:
        """Return a copy with RGB replaced."""
        return replace(self, rgb=colors)


def clip_colors(prediction: Prediction, network_input: Tensor) -> tuple[Tensor, Tensor]:
    """Convert a prediction to RGB clipped to [0, 1] and to ab, as inputs of metrics.

    Examples:
        >>> prediction = AbPrediction(ab=torch.zeros(2, 2, 32, 48))
        >>> rgb, ab = clip_colors(prediction, torch.full((2, 1, 32, 48), 50.0))
        >>> rgb.shape, ab.shape
        (torch.Size([2, 3, 32, 48]), torch.Size([2, 2, 32, 48]))

    Args:
        prediction: Output of a model.
        network_input: Input of the model: ``(B, 1, H, W)`` lightness or sketch.

    Returns:
        ``(B, 3, H, W)`` RGB in [0, 1] and ``(B, 2, H, W)`` ab in CIE units, both float32.
    """
    rgb = prediction.to_rgb(network_input).float().clamp(0, 1)
    return rgb, prediction.to_ab().float()


def _flatten(prediction: Prediction) -> tuple[list[Any], Any]:
    """Return the tensors and the context of a prediction; `compute_logits` is dropped."""
    extras = prediction.extras
    return [prediction.colors, *extras.values()], [[*extras], [*prediction.notes]]


def _unflatten(kind: type[Prediction], colors: str, tensors: Iterable[Any], context: Any) -> Prediction:
    """Return the prediction with the tensors and the context that `_flatten` returned.

    Args:
        kind: Class of the prediction.
        colors: Name of its field with the colors.
        tensors: Colors and extras.
        context: Names of the extras, and the notes.
    """
    first, *others = tensors
    names, notes = context
    extras = dict(zip(names, others, strict=True))
    return kind(**{colors: first}, extras=extras, notes=tuple(notes))


def _register(kind: type[Prediction], colors: str) -> None:
    """Register a class so that torch.export, torch.onnx and torch.func find the tensors in a prediction."""
    unflatten = partial(_unflatten, kind, colors)
    name = f"colorzoo.{kind.__name__}"
    _pytree.register_pytree_node(kind, _flatten, unflatten, serialized_type_name=name)


_register(AbPrediction, "ab")
_register(RgbPrediction, "rgb")
