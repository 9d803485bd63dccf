"""Detection of pages without content to colorize.

Such pages are blank sheets, text, line charts and color targets, which a network would otherwise tint. The
detection uses only the lightness. An image is a page if removing thin lines leaves a uniform background, or
if many uniform patches cover the image.

The method is not published. The thresholds separate the 20 test pages from 824 photos and scans by a wide
margin (`benchmarks.pages`).
"""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from colorzoo.registry import DEFAULT_MODELS

NOTHING_TO_COLOR = (
    "nothing to color: a blank page, text, lines or a color target; for a drawing, set the model to "
    f"{DEFAULT_MODELS['sketch']}"
)
"""Note for images without content to colorize; see `detect_page`."""

_PAGE_LINE = 0.04  # maximum line width, as a fraction of the shorter side
_PAGE_EVEN = 8.0  # maximum range in L of a uniform background, between its 1st and 99th percentile
_PAGE_FLAT = 3.0  # maximum range in L of 3 x 3 pixels within a patch, after a 3 x 3 mean filter
_PAGE_PATCH = 1.5  # maximum standard deviation in L of the pixels of a patch
_PAGE_LEAST = 1e-3  # minimum area of a patch, as a fraction of the image
_PAGE_PATCHES = 10  # minimum number of patches
_PAGE_COVERED = 0.85  # minimum fraction of the image covered by patches and the edges between patches
_EDGE = 3  # width in pixels of the edges between patches


def detect_page(lightness: Tensor) -> bool:
    """Return whether an image has no content to colorize, such as a text page.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
    """
    plane = lightness[0, 0].float().cpu().numpy()
    # is the background uniform without dark lines, or without light lines?
    side = 2 * round(min(plane.shape) * _PAGE_LINE / 2) + 1
    for operation in (cv2.MORPH_CLOSE, cv2.MORPH_OPEN):
        background = cv2.morphologyEx(plane, operation, np.ones((side, side), np.uint8))
        low, high = np.percentile(background, (1, 99))
        if high - low < _PAGE_EVEN:
            return True
    # do many uniform patches cover the image?
    smooth = cv2.blur(plane, (3, 3), borderType=cv2.BORDER_REFLECT)
    kernel = np.ones((3, 3), np.uint8)
    flat = (cv2.dilate(smooth, kernel) - cv2.erode(smooth, kernel) < _PAGE_FLAT).astype(np.uint8)
    _, labels = cv2.connectedComponents(flat, connectivity=4)
    flat_labels, values = labels.ravel(), plane.ravel().astype(np.float64)
    sizes = np.maximum(np.bincount(flat_labels), 1)  # label 0 may have no pixel
    large = np.flatnonzero(sizes >= _PAGE_LEAST * plane.size)
    large = large[large > 0]  # label 0 is the part that is not flat
    if len(large) < _PAGE_PATCHES:
        return False
    means = np.bincount(flat_labels, values) / sizes
    variances = np.bincount(flat_labels, (values - means[flat_labels]) ** 2) / sizes
    even = large[np.sqrt(variances[large]) < _PAGE_PATCH]
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    covered = cv2.dilate(np.isin(labels, even).astype(np.uint8), cross, iterations=_EDGE)
    return len(even) >= _PAGE_PATCHES and bool(covered.mean() >= _PAGE_COVERED)
