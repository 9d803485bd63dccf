"""Bases of the metrics, and checks of their input."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from colorzoo.errors import DataError

_RANGES = {3: (0.0, 1.0)}  # by channels; the ab of a result may leave every gamut
_TRUE_AB = (-128.0, 128.0)  # CIE units, beyond all colors of sRGB
_SLACK = 2e-3  # rounding of float16; half a level of 8 bits


class ColorMetric(Metric):
    """Base of all metrics: it may check its input, plots its values and says how reports show them.

    Examples:
        >>> from colorzoo.metrics import MeanSSIM
        >>> issubclass(MeanSSIM, ColorMetric), MeanSSIM().outputs()[0].key
        (True, 'ssim_rgb_gauss11_mean')

    A class below `colorzoo.metrics` with `names` can be named wherever metrics are chosen; one with `outputs`
    is measured by ``colorzoo evaluate``.

    Args:
        validate_args: Check that images are finite floats in their range; this waits for the device.
        **options: Arguments of `torchmetrics.Metric`.

    Attributes:
        names: Names of the metric, and the options of the constructor that each stands for.
        abbreviations: Short names, and the name that each stands for.
        default_network: Name of the network unless the user names one, passed to the constructor before the
            path of a weight file; empty for a metric without a network.
        of_whole_set: True if only a whole set has a value, which is made from features of its images.
        needs_color: True if an image whose truth is gray has no value.
    """

    names: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    abbreviations: ClassVar[Mapping[str, str]] = {}
    default_network: ClassVar[str] = ""
    of_whole_set: ClassVar[bool] = False
    needs_color: ClassVar[bool] = False

    def __init__(self, *, validate_args: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.validate_args = validate_args

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Plot one result or a list of results of ``forward`` or ``compute``; by default the present one.

        Args:
            val: The results.
            ax: Axes of matplotlib; by default those of a new figure.

        Returns:
            The figure (None with ``ax``) and the axes.
        """
        val = self.compute() if val is None else val
        shown = [drop_left_out(each) for each in val] if isinstance(val, list | tuple) else drop_left_out(val)
        return self._plot(shown, ax)

    def outputs(self, mark: str = "") -> tuple[Output, ...]:
        """Return the numbers that reports show; none if ``colorzoo evaluate`` does not measure the metric.

        Args:
            mark: Part of the keys that tells a user's weight file from the published weights of the network.
        """
        return ()

    def moments(self) -> list[list[float]]:
        """Return the states as moments, one vector for each of `outputs`; see `colorzoo.metrics.base`."""
        raise NotImplementedError(f"{type(self).__name__} must define moments() to be shown in reports")

    def distance(self, one: NDArray[Any], other: NDArray[Any]) -> float:
        """Return the value of a metric of whole sets.

        Args:
            one: ``(N, D)`` features of the results, from `picture_moments`.
            other: ``(N, D)`` features of the truths.
        """
        raise NotImplementedError(f"{type(self).__name__} must define distance() as a metric of whole sets")

    def shared_inputs(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return more arguments of ``update`` that the truth alone determines.

        ``colorzoo evaluate`` computes them once for all methods.

        Args:
            given: The other arguments.
        """
        return {}

    def picture_moments(self, given: Mapping[str, Any]) -> list[list[float]]:
        """Measure one image; the states are lost.

        Args:
            given: Arguments of ``update``.

        Returns:
            The moments of each of `outputs`.
        """
        self.reset()
        self.update(**given)
        return self.moments()


def drop_left_out(value: Any) -> Any:
    """Return a result without the number of images that were left out, which is no score."""
    return {k: v for k, v in value.items() if k != "left_out"} if isinstance(value, dict) else value


class PictureMean(ColorMetric, ABC):
    """Mean of one value per image.

    Examples:
        >>> from colorzoo.metrics import MeanAbRMSE
        >>> error = MeanAbRMSE()
        >>> error.add(torch.tensor([1.0, 3.0]))
        >>> error.compute()
        tensor(2.)

    Images that have no value, such as those without an edge, are left out and counted; their value is NaN.
    A metric implements ``update``, which computes the values and passes them to `add`.

    Args:
        **options: See `ColorMetric`.
    """

    full_state_update = False
    total: Tensor
    count: Tensor
    left_out: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("left_out", torch.tensor(0), dist_reduce_fx="sum")

    def add(self, values: Tensor) -> None:
        """Add the ``(B,)`` values of a batch."""
        values = values.to(self.total.device)
        missing = values.isnan()
        # Not in place: the states may have been made in inference mode and be updated outside of it.
        self.total = self.total + values.masked_fill(missing, 0.0).double().sum()
        self.count = self.count + (~missing).sum()
        self.left_out = self.left_out + missing.sum()

    def mean(self) -> Tensor:
        """Return the mean; NaN if there was no image."""
        return (self.total / self.count).float()

    def compute(self) -> Any:
        """Return the mean; a subclass may return several values by name."""
        return self.mean()

    def moments(self) -> list[list[float]]:
        """Return the sum and the count."""
        return sums([float(self.total)], [float(self.count)])


class Ratio(ColorMetric):
    """One sum divided by another, both over all pixels or images.

    Examples:
        >>> from colorzoo.metrics import RightHue
        >>> share = RightHue()
        >>> share.add(torch.tensor([8, 2]), torch.tensor([10, 10]))
        >>> share.compute()
        tensor(0.5000)

    Args:
        **options: See `ColorMetric`.
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in ("total", "count"):
            self.add_state(name, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")

    def add(self, total: Tensor, count: Tensor) -> None:
        """Add the ``(B,)`` sums of a batch."""
        # Not in place, see `PictureMean.add`.
        self.total = self.total + total.to(self.total.device).double().sum()
        self.count = self.count + count.to(self.count.device).double().sum()

    def compute(self) -> Tensor:
        """Return the ratio; NaN if nothing was counted."""
        return (self.total / self.count).float()

    def moments(self) -> list[list[float]]:
        """Return both sums."""
        return sums([float(self.total)], [float(self.count)])


def require_pictures(image: Tensor, channels: int, *, values: bool = True) -> None:
    """Check that a batch is ``(B, channels, H, W)``, and its values.

    Args:
        image: RGB in [0, 1], or ab in CIE units.
        channels: 3 or 2.
        values: Check the values too, see `require_values`.

    Raises:
        DataError: It has another shape or wrong values.
    """
    if image.dim() != 4 or image.shape[1] != channels:
        raise DataError(f"expected images (B, {channels}, H, W), got {tuple(image.shape)}")
    if values:
        require_values(image, _RANGES.get(channels))


def require_values(image: Tensor, span: tuple[float, float] | None) -> None:
    """Check that images are finite floats within a range.

    Args:
        image: Of any shape.
        span: The range; None allows any finite value.

    Raises:
        DataError: They are integers, hold NaN or infinite values, or leave the range.
    """
    if not image.is_floating_point():
        raise DataError(f"expected images of floats, got {image.dtype}; divide 8-bit RGB by 255")
    if not image.numel():
        return
    low, high = (float(value) for value in image.detach().aminmax())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError("an image holds NaN or infinite values; a mean without it would be too good")
    if span is not None and not (span[0] - _SLACK <= low and high <= span[1] + _SLACK):
        unit = "RGB in [0, 1]" if span == (0.0, 1.0) else "ab in CIE units"
        raise DataError(f"expected {unit}, got values from {low:g} to {high:g}")


def require_pair(image: Tensor, target: Tensor, channels: int, *, values: bool = True) -> None:
    """Check that two batches can be compared pixel by pixel.

    Examples:
        >>> require_pair(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), 3)

    Args:
        image: Results, see `require_pictures`.
        target: The truth, ab of which must be colors of sRGB.
        channels: 3 or 2.
        values: Check the values too.

    Raises:
        DataError: They are not both ``(B, channels, H, W)`` of the same shape, or have wrong values.
    """
    require_pictures(image, channels, values=values)
    if values:
        require_values(target, _RANGES.get(channels, _TRUE_AB))
    if image.shape != target.shape:
        raise DataError(
            f"images of {tuple(image.shape)} and their truth of {tuple(target.shape)} differ in shape; "
            "resize one to the other first"
        )


def require_mask(mask: Tensor, image: Tensor) -> None:
    """Check that a mask is ``(B, 1, H, W)`` with the B, H and W of a batch.

    Raises:
        DataError: It has another shape.
    """
    expected = (image.shape[0], 1, *image.shape[2:])
    if tuple(mask.shape) != expected:
        raise DataError(f"expected a mask {expected} for these images, got {tuple(mask.shape)}")


def require_exemplars(image: Tensor, exemplar: Tensor, channels: int, *, values: bool) -> None:
    """Check that each image has an exemplar, which may have another size; see `require_pair`.

    Raises:
        DataError: The numbers differ, or a batch is not ``(B, channels, H, W)``, or has wrong values.
    """
    require_pictures(image, channels, values=values)
    require_pictures(exemplar, channels, values=False)
    if values:
        require_values(exemplar, _RANGES.get(channels, _TRUE_AB))
    if len(image) != len(exemplar):
        raise DataError(f"expected an exemplar for each of {len(image)} results, got {len(exemplar)}")


Moments = NDArray[np.float64]
Better = Literal["higher", "lower", "neither"]
Finish = Callable[[Moments], Moments]


@dataclass(frozen=True)
class Output:
    """Definition of a number in reports.

    Examples:
        >>> Output("ab_distance_mean", "Distance", "", "lower", mean_of_moments).digits
        3

    Attributes:
        key: Name with the details of its computation: space, truncation, network (reports add the resize).
        title: Column heading.
        unit: ``dB``, ``%`` or nothing.
        better: The better direction.
        finish: Function from ``(..., k)`` summed moments to ``(...)`` numbers.
        digits: Number of decimals in tables.
        per_picture: True if a single image has this number.
        detail: True for a part of another number, which is left out of curves and comparisons.
    """

    key: str
    title: str
    unit: str
    better: Better
    finish: Finish
    digits: int = 3
    per_picture: bool = True
    detail: bool = False


def mean_of_moments(moments: Moments) -> Moments:
    """Return the mean from ``(sum, exact, count)``; infinite if all images are exact, NaN without any.

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


def root_mean(moments: Moments) -> Moments:
    """Return the square root of `mean_of_moments`."""
    return np.sqrt(mean_of_moments(moments))


def no_finish(moments: Moments) -> Moments:
    """Return NaN for a number that no sum of moments gives (FID); see `colorzoo.evaluation.summary`."""
    return np.full(moments.shape[:-1], np.nan)


def value_moments(value: float) -> list[float]:
    """Return the moments ``(sum, exact, count)`` of a value; infinite counts as exact, NaN is left out."""
    if np.isnan(value):
        return [0.0, 0.0, 0.0]
    return [0.0, 1.0, 0.0] if np.isinf(value) else [float(value), 0.0, 1.0]


def sums(totals: list[float], counts: list[float]) -> list[list[float]]:
    """Return the moments of several means from their sums and counts."""
    return [[float(total), 0.0, float(count)] for total, count in zip(totals, counts, strict=True)]
