"""Base class of the metrics, report columns, and validation of inputs.

A metric computes its value from sums over images, such as a sum of errors and a count. These sums are called
moments. The last two moments of an output are counts: the number of images without error (exact images), and
the number of other images with a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from colorzoo.errors import DataError

_RANGES = {3: (0.0, 1.0)}  # allowed values by number of channels; predicted ab is not restricted
_TRUE_AB = (-128.0, 128.0)  # CIE units; the range contains all colors of sRGB
_SLACK = 2e-3  # tolerance for rounding errors of float16; half an 8-bit level


Moments = NDArray[np.float64]
Better = Literal["higher", "lower", "neither"]
Finish = Callable[[Moments], Moments]


@dataclass(frozen=True)
class Output:
    """Definition of a report column.

    Examples:
        >>> Output("ab_distance_mean", "Distance", "", "lower", mean_of_moments).digits
        3

    Attributes:
        key: Unique name with details of the computation, such as color space, truncation and network.
            Reports append the resizing method of the protocol to the key.
        title: Column heading.
        unit: ``dB``, ``%`` or empty.
        better: Whether higher or lower values are better.
        finish: Function that computes values ``(...)`` from metric states ``(..., k)`` summed over images.
        digits: Number of decimals in tables.
        per_image: Whether the value is defined for a single image.
        detail: Whether the value is a component of another value and is excluded from curves and comparisons.
    """

    key: str
    title: str
    unit: str
    better: Better
    finish: Finish
    digits: int = 3
    per_image: bool = True
    detail: bool = False


def mean_of_moments(moments: Moments) -> Moments:
    """Return the mean over images from summed metric states.

    The last axis of ``moments`` contains the sum of the values, the number of images with zero error, and the
    number of other images. The mean excludes images with zero error. It is inf if every image has zero error,
    and NaN if there are no images.

    Examples:
        >>> float(mean_of_moments(np.array([6.0, 0.0, 3.0])))
        2.0
    """
    total, exact, count = moments[..., 0], moments[..., 1], moments[..., -1]
    with np.errstate(invalid="ignore", divide="ignore"):
        result = total / count
    return np.where(count > 0, result, np.where(exact > 0, np.inf, np.nan))


def no_finish(moments: Moments) -> Moments:
    """Return NaN; used as `Output.finish` by metrics without sums over images, such as FID."""
    return np.full(moments.shape[:-1], np.nan)


def value_moments(value: float) -> list[float]:
    """Return the metric state of a single value for `mean_of_moments`.

    The state contains the value, the number of images without error, and the number of other images. The
    value inf marks an image without error. The value -inf, such as the PSNR gain of a method that changes a
    perfect result, makes the mean -inf. For NaN, all three numbers are 0.
    """
    if np.isnan(value):
        return [0.0, 0.0, 0.0]
    return [0.0, 1.0, 0.0] if np.isposinf(value) else [float(value), 0.0, 1.0]


class ColorMetric(Metric):
    """Base class of metrics: the mean of values over images, or the ratio of two sums.

    Examples:
        >>> from colorzoo.metrics import MeanAbRMSE
        >>> error = MeanAbRMSE()
        >>> error.add(torch.tensor([1.0, 3.0]))
        >>> error.compute(), error.outputs[0].key
        (tensor(2.), 'ab_rmse_mean')

    A subclass implements ``update``, which computes the values of a batch and passes them to `add`. It can be
    selected by name if it defines `names` and belongs to a module of `colorzoo.metrics`.

    Args:
        validate_args: Whether to check that images are finite floats in the allowed range. The check
            synchronizes with the device.
        **options: Arguments of `torchmetrics.Metric`.

    Attributes:
        names: Dict that maps metric names to constructor options.
        outputs: Report columns. The report of a metric without columns averages ``compute`` over images.
        default_network: Name of the default network; empty for a metric without a network. The first two
            arguments of the constructor are the network and the path of a weight file.
        needs_color: Whether the metric is undefined for images with a gray ground truth.
        value_shape: ``()`` for a metric of one value, ``(n,)`` for a metric of n values, and None for a
            metric that adds its own states.
    """

    names: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    outputs: tuple[Output, ...] = ()
    default_network: ClassVar[str] = ""
    needs_color: ClassVar[bool] = False
    value_shape: ClassVar[tuple[int, ...] | None] = ()
    full_state_update = False
    total: Tensor
    count: Tensor
    exact: Tensor
    excluded: Tensor

    def __init__(self, *, validate_args: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.validate_args = validate_args
        if self.value_shape is not None:
            zeros = torch.zeros(self.value_shape, dtype=torch.float64)
            for name in ("total", "count"):
                self.add_state(name, zeros.clone(), dist_reduce_fx="sum")
            for name in ("exact", "excluded"):
                self.add_state(name, zeros.long(), dist_reduce_fx="sum")

    def add(self, values: Tensor) -> None:
        """Add the values ``(B,)`` or ``(B, n)`` of a batch to the mean.

        NaN, such as the value of an image without edges, is only counted in ``excluded``. The value inf of an
        image without error, such as its PSNR, is only counted in ``exact``; an infinite error is not exact.
        """
        values = values.to(self.total.device)
        missing, exact = values.isnan(), values.isposinf() & bool(self.higher_is_better)
        self.add_sums(values.masked_fill(missing | exact, 0.0), ~(missing | exact))
        self.exact = self.exact + exact.sum(dim=0)
        self.excluded = self.excluded + missing.sum(dim=0)

    def add_sums(self, total: Tensor, count: Tensor) -> None:
        """Add numerators ``total`` and denominators ``count`` of a batch, each ``(B,)`` or ``(B, n)``."""
        # Not in place: states may be created in inference mode and updated outside inference mode.
        self.total = self.total + total.to(self.total.device).double().sum(dim=0)
        self.count = self.count + count.to(self.count.device).double().sum(dim=0)

    def mean(self) -> Tensor:
        """Return the ratio of the sums; inf if all images are exact, NaN without images."""
        mean = self.total / self.count
        return mean.masked_fill((self.count == 0) & (self.exact > 0), torch.inf).float()

    def compute(self) -> Any:
        """Return the ratio of the sums. Subclasses can return a dict of several values instead."""
        return self.mean()

    def moments(self) -> list[list[float]]:
        """Return the states as moments, with one list for each output; see `colorzoo.metrics.base`."""
        states = [state.double().flatten() for state in (self.total, self.exact, self.count)]
        return torch.stack(states, dim=1).tolist()

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Plot values of the metric with matplotlib; return the figure and the axes.

        Args:
            val: Result of ``compute`` or ``forward``, or a list of results. None computes the result.
            ax: Axes of matplotlib; None creates a figure.
        """
        return self._plot(val, ax)

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> Any:
        """Move the metric; float64 states stay on their device if the new device lacks float64 (MPS)."""
        states = self.metric_state.items()
        wide = [name for name, value in states if getattr(value, "dtype", None) == torch.float64]
        try:
            fn(torch.zeros(0, dtype=torch.float64))
        except (TypeError, RuntimeError):
            exclude_state = (*exclude_state, *wide)
        return super()._apply(fn, exclude_state)


def require_images(image: Tensor, channels: int, *, values: bool = True) -> None:
    """Raise an error unless a batch has valid values and the shape ``(B, channels, H, W)``.

    Args:
        image: RGB in [0, 1], or ab in CIE units.
        channels: 3 for RGB, 2 for ab.
        values: Whether to validate the values; see `require_values`.

    Raises:
        DataError: The shape or the values are invalid.
    """
    if image.dim() != 4 or image.shape[1] != channels:
        raise DataError(f"images must have shape (B, {channels}, H, W), got {tuple(image.shape)}")
    if values:
        require_values(image, _RANGES.get(channels))


def require_values(image: Tensor, span: tuple[float, float] | None) -> None:
    """Raise an error unless images are finite floats within a range.

    Args:
        image: Tensor of any shape.
        span: Allowed range; None allows any finite value.

    Raises:
        DataError: The tensor has an integer dtype, contains NaN or inf, or exceeds the range.
    """
    require_float(image)
    if not image.numel():
        return
    low, high = (float(value) for value in image.detach().aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError("images must be finite, got NaN or inf. Skipping an image would bias the mean.")
    if span is not None and (low < span[0] - _SLACK or high > span[1] + _SLACK):
        expected = "RGB in [0, 1]" if span == (0.0, 1.0) else "ab in CIE units"
        raise DataError(f"images must be {expected}, got values from {low:g} to {high:g}")


def require_float(image: Tensor) -> None:
    """Raise `DataError` if a tensor has an integer dtype, such as 8-bit RGB."""
    if not image.is_floating_point():
        raise DataError(f"images must be floating point, got {image.dtype}. Divide 8-bit RGB by 255.")


def require_pair(image: Tensor, target: Tensor, channels: int, *, values: bool = True) -> None:
    """Raise an error unless two batches can be compared pixel by pixel.

    Examples:
        >>> require_pair(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), 3)

    Args:
        image: Results; see `require_images`.
        target: Ground truth; ab must be in [-128, 128].
        channels: 3 for RGB, 2 for ab.
        values: Whether to validate the values; see `require_values`.

    Raises:
        DataError: A batch is not ``(B, channels, H, W)``, the shapes differ, or the values are invalid.
    """
    require_images(image, channels, values=values)
    if values:
        target_range = _RANGES.get(channels, _TRUE_AB)  # unlike predicted ab, true ab has a range
        require_values(target, target_range)
    if image.shape != target.shape:
        raise DataError(
            f"images must have the shape {tuple(target.shape)} of the ground truth, "
            f"got {tuple(image.shape)}. Resize the result or the ground truth."
        )


def require_mask(mask: Tensor, image: Tensor) -> None:
    """Raise an error unless a mask has the shape ``(B, 1, H, W)`` of images ``(B, C, H, W)``.

    Raises:
        DataError: The mask has another shape.
    """
    expected = (image.shape[0], 1, *image.shape[2:])
    if tuple(mask.shape) != expected:
        raise DataError(f"mask must have the shape {expected} of the images, got {tuple(mask.shape)}")
