"""The published preparation and search of references, for comparison; `colorzoo.Colorizer` keeps the size.

Images are ``(H, W, 3)`` uint8 in RGB.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.networks.scaling import scaled_lab
from parity.pipelines.lu2020 import scaled_to_rgb

Bytes = NDArray[np.uint8]
Floats = NDArray[np.floating]

_DRAWN = (0.6, 0.3, 0.1)  # the best match, another of the five nearest, any of the class
_GRID, _PATCH, _BINS = 14, 16, 50


def cut_to_square(image: Bytes, side: int) -> Bytes:
    """Cut the central square out of an image that is not square, and resize a square one.

    Sides that are too short are padded with black.
    """
    height, width = image.shape[:2]
    if height == width:
        return resized(image, side)
    missing = [max(0, side - length) for length in (height, width)]
    padding = [(short // 2, short - short // 2) for short in missing]
    padded = np.pad(image, (*padding, (0, 0)))
    top, left = (round((length - side) / 2) for length in padded.shape[:2])
    return padded[top : top + side, left : left + side]


def resized(image: Bytes, side: int) -> Bytes:
    """Resize an image to a square, bilinearly."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def stored_square(image: Bytes, side: int = 256) -> Bytes:
    """Resize an image to the square that the training data hold, bicubically."""
    square: Bytes = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
    return square


def network_lab(image: Bytes) -> Tensor:
    """Return L / 50 - 1 and ab / 110 of an image, ``(1, 3, H, W)``."""
    return scaled_lab(torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255)


def saved(lab: Tensor) -> Bytes:
    """Return the image that is written for L / 50 - 1 and ab / 110 ``(1, 3, H, W)``, truncated."""
    levels: Bytes = (scaled_to_rgb(lab)[0] * 255).byte().permute(1, 2, 0).numpy()
    return levels


def draw_reference(random: np.random.RandomState) -> int:
    """Draw the kind of a training reference: 0 the best match, 1 one of the five nearest, 2 of the class."""
    return int(random.choice(len(_DRAWN), p=_DRAWN))


def score_reference(
    target: tuple[Floats, Bytes], reference: tuple[Floats, Bytes]
) -> tuple[float, NDArray[np.int64]]:
    """Compare two images by their best matching places; the published script takes the smallest score.

    The published cosine divides by the length of the whole reference map, so that its sum stays small.

    Args:
        target: Features ``(196, C)`` of relu5_1 on a grid of 14 x 14, and gray levels ``(224, 224)``.
        reference: The same of the reference.

    Returns:
        The score, and the place ``(196,)`` of the reference that each place of the target matches.
    """
    (ours, our_gray), (theirs, their_gray) = target, reference
    products = ours @ theirs.T
    match = products.argmax(axis=1)
    lengths = np.linalg.norm(theirs) * np.linalg.norm(ours, axis=1)
    cosines = products.max(axis=1) / lengths
    mine, other = _gray_histograms(our_gray), _gray_histograms(their_gray)[match]
    distance = 1 - (mine * other).sum(axis=1)
    return float(cosines.sum() + 0.5 * distance.sum()), match


def _gray_histograms(gray: Bytes) -> Floats:
    """Return the histogram of each patch over its own range, centered and of unit length, ``(196, 50)``."""
    patches = gray.reshape(_GRID, _PATCH, _GRID, _PATCH).swapaxes(1, 2).reshape(_GRID**2, -1)
    counts = np.stack([np.histogram(patch, bins=_BINS)[0] for patch in patches]).astype(float)
    centered = counts - counts.mean(axis=1, keepdims=True)
    directions: Floats = centered / np.linalg.norm(centered, axis=1, keepdims=True)
    return directions
