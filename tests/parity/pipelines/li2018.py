"""The published program: every step writes 8 bits, and the closed form loses two pixels at each border.

Images are ``(H, W, 3)`` uint8 in RGB, label maps ``(H, W)``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.zoo.li2018.model import (
    AFFINITY_EPSILON,
    BETA,
    GUIDED_EPSILON,
    GUIDED_RADIUS,
    FloatImage,
    PhotoWCT,
    last_filter,
    smooth_closed_form,
    smooth_guided,
)

Bytes = NDArray[np.uint8]
LabelMap = NDArray[np.integer]

_BORDER = 2


class Published(NamedTuple):
    """Results of the published program.

    Attributes:
        transformed: ``(H, W, 3)``, after PhotoWCT.
        smoothed: After the smoothing; ``(H - 4, W - 4, 3)`` in closed form.
        final: After the last filter, of the same size.
    """

    transformed: Bytes
    smoothed: Bytes
    final: Bytes


@torch.inference_mode()
def stylize_as_published(
    network: PhotoWCT,
    content: Bytes,
    style: Bytes,
    labels: tuple[Tensor, Tensor] | None = None,
    *,
    fast: bool = False,
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> Published:
    """Transfer the colors of another image.

    Args:
        network: The network, in the precision to compute in.
        content: The image to change.
        style: The image whose colors to use.
        labels: Label maps of both at their sizes, or None.
        fast: Use the guided filter in place of the closed form.
        resample: Fits the content to the smaller result of the closed form, for the last filter: bicubic with
            Pillow 7 and later, nearest in 2018.
    """
    weight = next(network.parameters())
    images = (to_planes(each).to(weight)[None] for each in (content, style))
    lists = None if labels is None else ([labels[0]], [labels[1]])
    transformed = to_levels(network(*images, lists)[-1][0])
    smoothed = (guided_filter if fast else closed_form)(transformed, content)
    height, width = smoothed.shape[:2]
    guide = np.asarray(Image.fromarray(content).resize((width, height), resample))
    return Published(transformed, smoothed, to_levels(last_filter(to_planes(smoothed), to_planes(guide))))


def rebuild(network: PhotoWCT, rgb: Tensor, level: int) -> Tensor:
    """Return an image ``(B, 3, H, W)`` from its own features at a level."""
    encoded = network.encoders[level - 1](rgb)
    rebuilt: Tensor = network.decoders[level - 1](encoded.hooks[-1], encoded.pools)
    return rebuilt


def closed_form(stylized: Bytes, content: Bytes) -> Bytes:
    """Smooth in closed form; the result is 4 pixels smaller each way."""
    return to_levels(torch.from_numpy(closed_form_value(stylized, content)).permute(2, 0, 1))


def closed_form_value(
    stylized: Bytes, content: Bytes, *, beta: float = BETA, epsilon: float = AFFINITY_EPSILON
) -> FloatImage:
    """Return the result of the closed form ``(H - 4, W - 4, 3)`` before it is rounded."""
    inner = stylized[_BORDER:-_BORDER, _BORDER:-_BORDER]
    guide = squeezed_guide(content) / 255
    solved = smooth_closed_form(_edged(inner) / 255, guide, beta=beta, epsilon=epsilon)
    return solved[_BORDER:-_BORDER, _BORDER:-_BORDER]


def squeezed_guide(content: Bytes) -> Bytes:
    """Return the content, resized to be 4 pixels smaller and padded to its size again."""
    height, width = content.shape[:2]
    smaller = (width - 2 * _BORDER, height - 2 * _BORDER)
    return _edged(np.asarray(Image.fromarray(content).resize(smaller, Image.Resampling.BILINEAR)))


def guided_filter(
    stylized: Bytes, content: Bytes, *, radius: int = GUIDED_RADIUS, epsilon: float = GUIDED_EPSILON
) -> Bytes:
    """Smooth by the guided filter, rounded to 8 bits."""
    planes = stylized.astype(np.float64), content.astype(np.float64)
    found: Bytes = (
        np.rint(smooth_guided(*planes, radius=radius, epsilon=epsilon)).clip(0, 255).astype(np.uint8)
    )
    return found


def to_planes(levels: Bytes) -> Tensor:
    """Return ``(3, H, W)`` float32 in [0, 1]."""
    return torch.from_numpy(np.array(levels)).permute(2, 0, 1).float() / 255


def to_levels(planes: Tensor) -> Bytes:
    """Return ``(H, W, 3)`` uint8 of ``(3, H, W)``, clipped to [0, 1] and truncated."""
    levels: Bytes = (planes * 255).clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
    return levels


def _edged(image: Bytes) -> Bytes:
    return np.pad(image, ((_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0)), mode="edge")


def merge_labels(
    content: LabelMap, style: LabelMap, ranking: LabelMap, least_share: float = 0.02
) -> tuple[LabelMap, LabelMap]:
    """Match the labels of two images of a segmentation network.

    Small labels are merged within each map (`merge_small`). Then labels of the content that the style lacks
    become their best substitute in the style, and labels of the style that the content now lacks the best one
    that both have. A label without substitute stays.

    Args:
        content: ``(H, W)``.
        style: ``(H', W')``.
        ranking: ``(N, labels)``, best substitute of each label first.
        least_share: See `merge_small`.
    """
    content, style = (merge_small(each, ranking, least_share) for each in (content, style))
    ours, theirs = set(np.unique(content).tolist()), set(np.unique(style).tolist())
    content = _replaced(content, dict.fromkeys(ours - theirs, theirs), ranking)
    ours = set(np.unique(content).tolist())
    return content, _replaced(style, dict.fromkeys(theirs - ours, ours & theirs), ranking)


def merge_small(labels: LabelMap, ranking: LabelMap, least_share: float = 0.02) -> LabelMap:
    """Replace each label of less than a share of the pixels by its best substitute that reaches the share."""
    names, counts = np.unique(labels, return_counts=True)
    small = counts / labels.size < least_share
    large = set(names[~small].tolist())
    return _replaced(labels, {int(label): large for label in names[small]}, ranking)


def _replaced(labels: LabelMap, allowed: dict[int, set[int]], ranking: LabelMap) -> LabelMap:
    """Replace labels, all at once, by the first of their column of the ranking that is allowed."""
    found = labels.copy()
    for label, candidates in allowed.items():
        best = next((each for each in ranking[:, label].tolist() if each in candidates), label)
        found[labels == label] = best
    return found
