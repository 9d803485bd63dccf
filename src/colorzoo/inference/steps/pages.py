"""Detection of pages without content to colorize: blank sheets, text, line charts and color targets (ours).

Networks would colorize such pages. The detection uses only the lightness: without thin lines the background
is uniform, or the image consists of many uniform patches. The thresholds have a wide margin to the 20 pages
of the tests and to 824 photos and scans (`benchmarks.pages`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class PageLimits:
    """Thresholds of the page detection.

    Attributes:
        line: Width of the thickest line, as a share of the shorter side.
        even: Range in L of an even ground, without its darkest and lightest hundredth.
        flat: Range in L of 3 x 3 pixels of a patch, after averaging 3 x 3.
        patch: Deviation in L of the pixels of a patch.
        least: Smallest patch, as a share of the image.
        patches: Least number of patches.
        covered: Share of the image that patches and the edges between them cover.
    """

    line: float = 0.04
    even: float = 8.0
    flat: float = 3.0
    patch: float = 1.5
    least: float = 1e-3
    patches: int = 10
    covered: float = 0.85


LIMITS = PageLimits()
NOTHING_TO_COLOR = "nothing to color: a blank page, text, lines or a color target"
"""Remark on a page."""
_EDGE = 3  # pixels beside a patch that belong to an edge


def is_page(lightness: Tensor) -> bool:
    """Return whether an image is a page.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
    """
    plane = lightness[0, 0].float().cpu().numpy()
    return _has_even_ground(plane) or _is_of_patches(plane)


def _has_even_ground(plane: NDArray[np.float32]) -> bool:
    from scipy import ndimage  # where it is used, as hints leave this step out

    side = 2 * round(min(plane.shape) * LIMITS.line / 2) + 1
    for without_lines in (ndimage.grey_closing, ndimage.grey_opening):  # dark lines, light lines
        low, high = np.percentile(without_lines(plane, (side, side)), (1, 99))
        if high - low < LIMITS.even:
            return True
    return False


def _is_of_patches(plane: NDArray[np.float32]) -> bool:
    from scipy import ndimage

    smooth = ndimage.uniform_filter(plane, 3)
    flat = ndimage.maximum_filter(smooth, 3) - ndimage.minimum_filter(smooth, 3) < LIMITS.flat
    labels, _ = ndimage.label(flat)
    sizes = np.bincount(labels.ravel())
    large = np.flatnonzero(sizes >= LIMITS.least * plane.size)
    large = large[large > 0]  # 0 is what is not flat
    if len(large) < LIMITS.patches:
        return False
    even = large[ndimage.standard_deviation(plane, labels, large) < LIMITS.patch]
    covered = ndimage.binary_dilation(np.isin(labels, even), iterations=_EDGE)
    return len(even) >= LIMITS.patches and bool(covered.mean() >= LIMITS.covered)
