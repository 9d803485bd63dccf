"""Base classes of the metrics, and validation of their inputs.

A metric computes its value from sums over images, such as a sum of errors and a count. These sums are called
moments. The last two moments of an output are counts: the number of images without error (exact images), and
the number of other images with a value.
"""

from __future__ import annotations

import math
from abc import ABC
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


class ColorMetric(Metric):
    """Base class of metrics that validate their inputs and define report columns.

    Examples:
        >>> from colorzoo.metrics import MeanSSIM
        >>> issubclass(MeanSSIM, ColorMetric), MeanSSIM().outputs()[0].key
        (True, 'ssim_rgb_gauss11_mean')

    A subclass can be selected by name if it defines `names` and belongs to a module of `colorzoo.metrics`. If
    it also defines `outputs`, ``colorzoo evaluate`` can compute the metric.

    Args:
        validate_args: Whether to check that images are finite floats in the allowed range. The check
            synchronizes with the device.
        **options: Arguments of `torchmetrics.Metric`.

    Attributes:
        names: Dict that maps metric names to constructor options.
        default_network: Name of the default network; empty for a metric without a network. The first two
            arguments of the constructor are the network and the path of a weight file.
        of_whole_set: Whether the metric compares two image sets, like FID, instead of averaging over images.
        needs_color: Whether the metric is undefined for images with a gray ground truth.
    """

    names: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    default_network: ClassVar[str] = ""
    of_whole_set: ClassVar[bool] = False
    needs_color: ClassVar[bool] = False
    full_state_update = False

    def __init__(self, *, validate_args: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.validate_args = validate_args

    def outputs(self, suffix: str = "") -> tuple[Output, ...]:
        """Return the report columns of the metric; empty if the metric is only for training.

        Args:
            suffix: Suffix for the key of each column. It distinguishes a user's weight file from the
                published weights.
        """
        return ()

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Plot values of the metric with matplotlib.

        Args:
            val: Result of ``compute`` or ``forward``, or a list of results. None computes the result.
            ax: Axes of matplotlib; None creates a figure.

        Returns:
            Figure and axes.
        """
        return self._plot(val, ax)

    def _apply(self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ()) -> Any:
        """Move the metric; float64 states stay on their device if the new device lacks float64 (MPS)."""
        states = {name: getattr(self, name) for name in self._defaults}
        wide = [name for name, value in states.items() if getattr(value, "dtype", None) == torch.float64]
        try:
            fn(torch.zeros(0, dtype=torch.float64))
        except (TypeError, RuntimeError):
            exclude_state = (*exclude_state, *wide)
        return super()._apply(fn, exclude_state)

    def moments(self) -> list[list[float]]:
        """Return the states as moments (sums over images), with one list for each output.

        See `colorzoo.metrics.base` for the order of the moments.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define the method moments() for use in reports"
        )

    def distance(self, one: NDArray[Any], other: NDArray[Any]) -> float:
        """Return the distance between two sets of image features.

        Args:
            one: ``(N, D)`` features of the colorized images from `image_moments`.
            other: ``(N, D)`` features of the ground-truth images.
        """
        raise NotImplementedError(f"{type(self).__name__} must define distance() if of_whole_set is True")

    def image_moments(self, inputs: Mapping[str, Any]) -> list[list[float]]:
        """Compute the states of the metric for one image.

        Args:
            inputs: Keyword arguments of ``update``.

        Returns:
            A list of numbers (moments) for each output. Reports sum these numbers over images.
        """
        self.reset()
        self.update(**inputs)
        return self.moments()


class Ratio(ColorMetric, ABC):
    """Base class of metrics that divide two sums over all pixels or images.

    Examples:
        >>> from colorzoo.metrics import RightHue
        >>> ratio = RightHue()
        >>> ratio.add_sums(torch.tensor([8, 2]), torch.tensor([10, 10]))
        >>> ratio.compute()
        tensor(0.5000)

    Args:
        **options: Arguments of `ColorMetric`, such as ``validate_args``.

    Attributes:
        value_shape: ``()`` for a metric of one value, ``(n,)`` for a metric of n values.
    """

    value_shape: ClassVar[tuple[int, ...]] = ()
    total: Tensor
    count: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in ("total", "count"):
            zeros = torch.zeros(self.value_shape, dtype=torch.float64)
            self.add_state(name, zeros, dist_reduce_fx="sum")

    def add_sums(self, total: Tensor, count: Tensor) -> None:
        """Add numerators ``total`` and denominators ``count`` of a batch, each ``(B,)`` or ``(B, n)``."""
        # Not in place: states may be created in inference mode and updated outside inference mode.
        self.total = self.total + total.to(self.total.device).double().sum(dim=0)
        self.count = self.count + count.to(self.count.device).double().sum(dim=0)

    def mean(self) -> Tensor:
        """Return the ratio of the sums; NaN if the count is 0."""
        return (self.total / self.count).float()

    def compute(self) -> Any:
        """Return the ratio of the sums. Subclasses can return a dict of several values instead."""
        return self.mean()

    def moments(self) -> list[list[float]]:
        """Return the summed states: a sum and a count for each value."""
        totals, counts = self.total.flatten().tolist(), self.count.flatten().tolist()
        return [[total, 0.0, count] for total, count in zip(totals, counts, strict=True)]


class ImageMean(Ratio):
    """Base class of metrics that average values over images.

    Examples:
        >>> from colorzoo.metrics import MeanAbRMSE
        >>> error = MeanAbRMSE()
        >>> error.add(torch.tensor([1.0, 3.0]))
        >>> error.compute()
        tensor(2.)

    Images with the value NaN, such as images without edges, are excluded from the mean and counted. A
    subclass implements ``update``, which computes the values and passes them to `add`.

    Args:
        **options: Arguments of `ColorMetric`, such as ``validate_args``.
    """

    excluded: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("excluded", torch.zeros(self.value_shape, dtype=torch.long), dist_reduce_fx="sum")

    def add(self, values: Tensor) -> None:
        """Add the values ``(B,)`` or ``(B, n)`` of a batch to the mean; NaN values are only counted."""
        values = values.to(self.total.device)
        missing = values.isnan()
        self.add_sums(values.masked_fill(missing, 0.0), ~missing)
        self.excluded = self.excluded + missing.sum(dim=0)


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


def absolute_mean(moments: Moments) -> Moments:
    """Return the absolute value of `mean_of_moments`."""
    return np.abs(mean_of_moments(moments))


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
