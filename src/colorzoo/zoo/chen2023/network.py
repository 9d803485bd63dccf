"""The parts of SPColor put together: features, classes, class-wise warping (sections III-A to III-D)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import ColorzooError
from colorzoo.networks.clusters import Classified
from colorzoo.networks.warp_net import STRIDE, WarpNet
from colorzoo.zoo.chen2023.segment import ClusterSegmenter, Merging, ProjectedMaps
from colorzoo.zoo.chen2023.stego import StegoEncoder, SupervisedStego
from colorzoo.zoo.chen2023.trunk import BorrowedTrunk, VGGTrunk

_MULTIPLE = 32  # the deepest map must have more than one place, or nothing is left of its normalization


class Reference(NamedTuple):
    """A reference picture.

    Attributes:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        ab: ``(B, 2, H, W)`` in CIE units.
    """

    rgb: Tensor
    ab: Tensor


class Warped(NamedTuple):
    """What comes over from the reference, at a quarter of the size.

    Attributes:
        ab: ``(B, 2, h, w)`` in CIE units.
        similarity: ``(B, 1, h, w)``, times both confidences; 0 where nothing matches.
        matched: ``(B, 1, h, w)`` bool, whether the place's class is in the reference.
    """

    ab: Tensor
    similarity: Tensor
    matched: Tensor


def build_trunk(features: str, width: float) -> VGGTrunk | BorrowedTrunk:
    """Return VGG-19, or the layers of the registered model that ``features`` names."""
    return VGGTrunk(width) if features == "vgg19" else BorrowedTrunk(features)


def build_segmenter(
    kind: str | None, trunk: nn.Module, classes: int, merging: Merging
) -> ClusterSegmenter | SupervisedStego | None:
    """Return the segmenter.

    Args:
        kind: ``stego``, ``stego_supervised``, ``clusters`` (of the trunk's own maps), or None.
        trunk: The trunk.
        classes: See `ClusterSegmenter`.
        merging: See `ClusterSegmenter`.

    Raises:
        ColorzooError: There is no such segmenter, or it does not go with the trunk.
    """
    segmenter: ClusterSegmenter | SupervisedStego | None
    if kind == "stego":
        segmenter = ClusterSegmenter(StegoEncoder(), classes=classes, merging=merging)
    elif kind == "stego_supervised":
        segmenter = SupervisedStego()
    elif kind == "clusters" and isinstance(trunk, BorrowedTrunk):
        segmenter = ClusterSegmenter(
            ProjectedMaps(trunk.deep_channels), classes=classes, merging=merging
        )
    elif kind is None:
        segmenter = None
    else:
        raise ColorzooError(
            f"segmenter={kind!r} does not go with these features; expected 'stego', 'stego_supervised' or None, "
            "or 'clusters' with the features of a registered model."
        )
    return None if segmenter is None else segmenter.requires_grad_(False).eval()


def warp_reference(
    correspondence: WarpNet,
    maps: tuple[Tensor, Tensor],
    ab: Tensor,
    classes: tuple[Classified, Classified],
    tau: float,
) -> Warped:
    """Carry the reference's colors and confidences to places of the same class (eqs. 5 to 15).

    Args:
        correspondence: Makes directions of features.
        maps: Features ``(B, C, h, w)`` and ``(B, C, h', w')`` of target and reference.
        ab: ``(B, 2, h', w')``, the reference's.
        classes: Of target and reference, on the same grids.
        tau: Temperature.
    """
    ours, theirs = classes
    values = torch.cat([ab, theirs.confidence, torch.ones_like(theirs.confidence)], dim=1)
    found = correspondence.warp(*maps, values, (ours.labels, theirs.labels), tau=tau)
    similarity = found.similarity * found.values[:, 2:3] * ours.confidence
    return Warped(found.values[:, :2], similarity, found.values[:, 3:] > 0.5)


def pad_picture(image: Tensor) -> Tensor:
    """Repeat the last row and column until both sides are multiples of 32."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE), mode="replicate")


def to_grid(classes: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring a map ``(B, 1, h, w)`` over a picture of height and width ``size`` to the places of its features.

    The map may have any resolution; each place takes the nearest value at its top left corner, as published.
    Beyond the picture, where it is padded, the border is repeated.
    """
    rows, columns = (
        (torch.arange(-(-side // _MULTIPLE) * _MULTIPLE // STRIDE, device=classes.device) * STRIDE * cells // side)
        .clamp(max=cells - 1)
        for side, cells in zip(size, classes.shape[-2:], strict=True)
    )
    return classes[:, :, rows][:, :, :, columns]
