"""Metrics of visible color faults, such as grayness, oversaturation and color casts.

Lightness alone does not determine the color, so these metrics do not measure the distance from the true
color of each pixel:

- `Colorfulness` and `ColorfulnessRatio` measure the whole image.
- `NeutralChroma` measures the chroma of pixels that are neutral in the ground truth.
- `RightHue` counts pixels with a hue similar to the ground truth.
- `GrayGain` compares the PSNR of the result with the PSNR of the gray version of the ground truth.

Two definitions of colorfulness (CF) are published. ``"hasler"`` uses the mean and standard deviation of the
opponent colors (Hasler & Suesstrunk 2003, sec. 7). ``"absolute"``, common in colorization code, uses the mean
and standard deviation of their absolute values. The difference in colorfulness from the ground truth is also
published in two forms: the difference of the means over all images, and the mean difference per image.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.metrics.base import (
    ColorMetric,
    Moments,
    Output,
    mean_of_moments,
    require_float,
    require_images,
    require_pair,
)
from colorzoo.metrics.psnr import psnr_8bit, to_8bit
from colorzoo.settings import check_choice

Form = Literal["hasler", "absolute"]
NEUTRAL_BELOW = 5.0  # mean chroma of the ground truth over a window, in CIE units
NEUTRAL_WINDOW = 9  # pixels; JPEG noise has chroma, but the mean over a window is near 0
COLORED_ABOVE = 15.0  # chroma of the ground truth
VISIBLE_ABOVE = 6.0  # chroma of a result above which its hue is visible
HUE_TOLERANCE = math.radians(35)
ROUNDING = 0.01  # dB; smaller differences are rounding errors


def colorfulness(rgb: Tensor, *, form: Form = "hasler") -> Tensor:
    """Return the colorfulness of each image (Hasler & Suesstrunk 2003, sec. 7).

    Examples:
        >>> colorfulness(torch.full((2, 3, 8, 8), 0.5))
        tensor([0., 0.])

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        form: ``"hasler"`` uses the mean and standard deviation of the opponent colors, ``"absolute"`` the
            mean and standard deviation of their absolute values.

    Returns:
        ``(B,)`` float32 on the scale of 8-bit levels: 0 for gray, about 15 for slightly, 45 for averagely and
        109 for extremely colorful images.

    Raises:
        DataError: The tensor has an integer dtype.
        ColorzooError: ``form`` is unknown.
    """
    require_float(rgb)
    check_choice("form", form, Form)
    red, green, blue = (rgb.float() * 255).unbind(dim=1)
    opponents = torch.stack([red - green, 0.5 * (red + green) - blue], dim=1).flatten(2)
    if form == "absolute":
        opponents = opponents.abs()
    deviation, mean = torch.std_mean(opponents, dim=2, correction=0)
    # vector_norm and std have zero gradients for gray images; the gradient of a square root is infinite at 0
    spread: Tensor = torch.linalg.vector_norm(deviation, dim=1)
    offset: Tensor = torch.linalg.vector_norm(mean, dim=1)
    return spread + 0.3 * offset


class Colorfulness(ColorMetric):
    """Mean `colorfulness` over images, 0 to about 150 (Hasler and Suesstrunk 2003, sec. 7).

    Examples:
        >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(2, 3, 8, 8)
        >>> Colorfulness()(red)
        {'cf_hasler': tensor(85.5296)}

    Args:
        form: Definition of colorfulness; see `colorfulness`.
        **options: Options of `torchmetrics.Metric`.
    """

    names = {"colorfulness": {}, "colorfulness_absolute": {"form": "absolute"}}
    is_differentiable = True

    def __init__(self, form: Form = "hasler", **options: Any) -> None:
        super().__init__(**options)
        check_choice("form", form, Form)
        self.form = form
        title = "Colorfulness" if form == "hasler" else "Colorfulness, absolute"
        self.outputs = (Output(f"cf_{form}_mean", title, "", "neither", mean_of_moments, 1),)

    def update(self, rgb: Tensor) -> None:
        """Add images ``(B, 3, H, W)`` in [0, 1]."""
        require_images(rgb, 3, values=self.validate_args)
        self.add(colorfulness(rgb, form=self.form))

    def compute(self) -> dict[str, Tensor]:
        """Return the mean colorfulness, with the key ``cf_hasler`` or ``cf_absolute``."""
        return {f"cf_{self.form}": self.mean()}


def absolute_mean(moments: Moments) -> Moments:
    """Return the absolute value of `mean_of_moments`."""
    return np.abs(mean_of_moments(moments))


class DeltaColorfulness(ColorMetric):
    """Difference in colorfulness between results and ground truth.

    Two forms are published: the difference of the means, and the mean difference per image.

    Examples:
        >>> truth = torch.rand(2, 3, 8, 8)
        >>> DeltaColorfulness()(truth, truth)
        {'delta_of_mean_cf_hasler': tensor(0.), 'mean_delta_cf_hasler': tensor(0.)}

    Args:
        form: Definition of colorfulness; see `colorfulness`.
        **options: Options of `torchmetrics.Metric`.
    """

    names = {"delta_colorfulness": {}, "delta_colorfulness_absolute": {"form": "absolute"}}
    value_shape = (2,)
    higher_is_better = False
    is_differentiable = True

    def __init__(self, form: Form = "hasler", **options: Any) -> None:
        super().__init__(**options)
        check_choice("form", form, Form)
        self.form = form
        key, suffix = f"cf_{form}_distance", "" if form == "hasler" else ", absolute"
        each, means = (f"Delta CF ({kind}){suffix}" for kind in ("per image", "of means"))
        self.outputs = (
            Output(f"{key}_mean", each, "", "lower", mean_of_moments, 1),
            Output(f"{key}_of_means", means, "", "lower", absolute_mean, 1, False),
        )

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add results and ground truth, ``(B, 3, H, W)`` RGB in [0, 1]."""
        require_pair(rgb, target, 3, values=self.validate_args)
        difference = colorfulness(rgb, form=self.form) - colorfulness(target, form=self.form)
        self.add(torch.stack([difference.abs(), difference], dim=1))

    def compute(self) -> dict[str, Tensor]:
        """Return both forms of the absolute difference in a dict.

        The keys are ``delta_of_mean_cf_FORM`` (difference of the means) and ``mean_delta_cf_FORM`` (mean
        difference per image), where FORM is ``hasler`` or ``absolute``.
        """
        mean_of_differences, difference_of_means = self.mean().abs()
        return {
            f"delta_of_mean_cf_{self.form}": difference_of_means,
            f"mean_delta_cf_{self.form}": mean_of_differences,
        }


class ColorfulnessRatio(ColorMetric):
    """Mean colorfulness of results divided by the mean for the ground truth; ideally 1.

    Examples:
        >>> truth = torch.rand(2, 3, 8, 8)
        >>> ColorfulnessRatio()(truth, truth)
        tensor(1.)
    """

    names = {"colorfulness_ratio": {}}
    outputs = (Output("cf_hasler_ratio", "Colorfulness ratio", "", "neither", mean_of_moments),)
    is_differentiable = True

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add results and ground truth, ``(B, 3, H, W)`` RGB in [0, 1]."""
        require_pair(rgb, target, 3, values=self.validate_args)
        self.add_sums(colorfulness(rgb), colorfulness(target))


def chroma(ab: Tensor) -> Tensor:
    """Return the chroma ``(B, 1, H, W)`` of ab ``(B, 2, H, W)``, float32 in CIE units."""
    return torch.linalg.vector_norm(ab.float(), dim=1, keepdim=True)


def neutral_area(target_ab: Tensor) -> Tensor:
    """Return the mask of neutral ground-truth pixels.

    A pixel is neutral if the mean chroma in its 9 x 9 neighborhood is below 5 CIE units.

    Examples:
        >>> neutral_area(torch.zeros(1, 2, 16, 16)).shape
        torch.Size([1, 1, 16, 16])

    Args:
        target_ab: ``(B, 2, H, W)`` ground truth in CIE units.

    Returns:
        ``(B, 1, H, W)`` bool; at the image border, the mean covers only pixels inside the image.
    """
    padding = NEUTRAL_WINDOW // 2
    mean = F.avg_pool2d(chroma(target_ab), NEUTRAL_WINDOW, 1, padding, count_include_pad=False)
    return mean < NEUTRAL_BELOW


def neutral_chroma(ab: Tensor, target_ab: Tensor) -> tuple[Tensor, Tensor]:
    """Return the chroma sum and the pixel count in the `neutral_area` of each image.

    Examples:
        >>> truth = torch.zeros(2, 2, 16, 16)
        >>> chroma, pixels = neutral_chroma(truth + 3, truth)
        >>> chroma / pixels
        tensor([4.2426, 4.2426])

    Args:
        ab: ``(B, 2, H, W)`` result in CIE units.
        target_ab: ``(B, 2, H, W)`` ground truth in CIE units.

    Returns:
        ``(B,)`` sum of the result's chroma over the area, and ``(B,)`` number of pixels in the area.
    """
    area = neutral_area(target_ab)
    return (chroma(ab) * area).sum(dim=(1, 2, 3)), area.sum(dim=(1, 2, 3))


class NeutralChroma(ColorMetric):
    """Mean chroma of results in the `neutral_area` of the ground truth, in CIE units.

    Examples:
        >>> truth = torch.zeros(2, 2, 16, 16)
        >>> NeutralChroma()(truth + 3, truth)
        tensor(4.2426)
    """

    names = {"neutral_chroma": {}}
    outputs = (Output("chroma_where_neutral5", "Chroma on neutral", "", "lower", mean_of_moments),)
    higher_is_better = False
    is_differentiable = True

    def update(self, ab: Tensor, target_ab: Tensor) -> None:
        """Add results and ground truth, ``(B, 2, H, W)`` ab in CIE units."""
        require_pair(ab, target_ab, 2, values=self.validate_args)
        self.add_sums(*neutral_chroma(ab, target_ab))


def right_hues(ab: Tensor, target_ab: Tensor) -> tuple[Tensor, Tensor]:
    """Count the colored pixels with a hue close to the true hue, and all colored pixels.

    Examples:
        >>> truth = torch.full((2, 2, 8, 8), 20.0)
        >>> right_hues(truth / 2, truth)
        (tensor([64, 64]), tensor([64, 64]))

    Args:
        ab: ``(B, 2, H, W)`` result in CIE units.
        target_ab: ``(B, 2, H, W)`` ground truth in CIE units.

    Returns:
        Two ``(B,)`` counts: colored pixels with a hue close to the true hue, and all colored pixels. A pixel
        is colored if its true chroma is above 15 CIE units. Its hue is close to the true hue if the result
        has a chroma above 6 CIE units and the hues differ by at most 35 degrees.
    """
    result_chroma, true_chroma = chroma(ab), chroma(target_ab)
    is_colored = true_chroma > COLORED_ABOVE
    is_visible = result_chroma > VISIBLE_ABOVE
    # the hue difference is the angle between the ab vectors: dot product = cos(angle) * chroma * chroma
    dot_product = (ab.float() * target_ab.float()).sum(dim=1, keepdim=True)
    smallest_close_product = math.cos(HUE_TOLERANCE) * result_chroma * true_chroma
    is_right = is_colored & is_visible & (dot_product >= smallest_close_product)
    return is_right.sum(dim=(1, 2, 3)), is_colored.sum(dim=(1, 2, 3))


class RightHue(ColorMetric):
    """Fraction of colored pixels with a hue close to the true hue; see `right_hues`.

    Examples:
        >>> truth = torch.full((2, 2, 8, 8), 20.0)
        >>> RightHue()(truth / 2, truth)
        tensor(1.)
    """

    names = {"right_hue": {}}
    outputs = (Output("hue35_where_chroma15", "Right hue", "", "higher", mean_of_moments),)
    higher_is_better = True
    is_differentiable = False

    def update(self, ab: Tensor, target_ab: Tensor) -> None:
        """Add results and ground truth, ``(B, 2, H, W)`` ab in CIE units."""
        require_pair(ab, target_ab, 2, values=self.validate_args)
        self.add_sums(*right_hues(ab, target_ab))


def gray_gain(rgb: Tensor, target: Tensor) -> Tensor:
    """Return the PSNR of each result minus the PSNR of the gray version of the ground truth.

    Examples:
        >>> truth = torch.rand(2, 3, 8, 8)
        >>> gray_gain(0.9 * truth, truth).shape
        torch.Size([2])

    Args:
        rgb: ``(B, 3, H, W)`` result in [0, 1].
        target: ``(B, 3, H, W)`` ground truth in [0, 1].

    Returns:
        ``(B,)`` in dB; inf for a result without error, and NaN if the 8-bit ground truth is gray.
    """
    gray_lab = rgb_to_lab(target)
    gray_lab[:, 1:] = 0
    gain = psnr_8bit(rgb, target) - psnr_8bit(lab_to_rgb(gray_lab), target)
    levels = to_8bit(target)
    is_gray = (levels == levels[:, :1]).flatten(1).all(dim=1)
    return gain.masked_fill(is_gray, torch.nan)


class GrayGain(ColorMetric):
    """Mean `gray_gain` in dB; excludes images with a gray ground truth.

    Examples:
        >>> truth = torch.tensor([0.8, 0.4, 0.2]).view(1, 3, 1, 1).expand(2, 3, 8, 8)
        >>> GrayGain()(0.9 * truth, truth)
        tensor(13.7918)
    """

    names = {"gray_gain": {}}
    outputs = (Output("psnr_rgb_8bit_over_gray_mean", "PSNR over gray", "dB", "higher", mean_of_moments, 2),)
    higher_is_better = True
    is_differentiable = False

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add results and ground truth, ``(B, 3, H, W)`` RGB in [0, 1]."""
        require_pair(rgb, target, 3, values=self.validate_args)
        self.add(gray_gain(rgb, target))


class WorseThanGray(ColorMetric):
    """Fraction of results with a lower PSNR than the gray version of the ground truth.

    Examples:
        >>> truth = torch.tensor([0.8, 0.4, 0.2]).view(1, 3, 1, 1).expand(2, 3, 8, 8)
        >>> WorseThanGray()(torch.cat([truth[:1], 1 - truth[1:]]), truth)
        tensor(0.5000)

    Images with a gray ground truth are excluded. Differences below 0.01 dB are ignored as rounding errors.
    """

    names = {"worse_than_gray": {}}
    outputs = (
        Output("psnr_rgb_8bit_below_gray_fraction", "Worse than gray", "", "lower", mean_of_moments, 2),
    )
    higher_is_better = False
    is_differentiable = False

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add results and ground truth, ``(B, 3, H, W)`` RGB in [0, 1]."""
        require_pair(rgb, target, 3, values=self.validate_args)
        gain = gray_gain(rgb, target)
        self.add((gain < -ROUNDING).float().masked_fill(gain.isnan(), torch.nan))
