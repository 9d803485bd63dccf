"""The parts of SPColor put together: features, classes, class-wise warping (sections III-A to III-D)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from colorzoo.errors import ColorzooError
from colorzoo.networks.clusters import Classified
from colorzoo.networks.exemplar import Warped, centers_of
from colorzoo.networks.trunk import BorrowedTrunk, VGGTrunk
from colorzoo.networks.warp_net import WarpNet
from colorzoo.tasks.stages import Start, trained_lender
from colorzoo.zoo.chen2023.segment import ClusterSegmenter, Merging, ProjectedMaps
from colorzoo.zoo.chen2023.stego import StegoEncoder, SupervisedStego


def build_trunk(features: str, width: float) -> VGGTrunk | BorrowedTrunk:
    """Return VGG-19, or the layers of the registered model that ``features`` names."""
    return VGGTrunk(width) if features == "vgg19" else borrowed_trunk(features)


def borrowed_trunk(name: str) -> BorrowedTrunk:
    """Return the layers of a registered model.

    Raises:
        WeightsError: It has no trained weights on this machine.
    """
    return BorrowedTrunk(trained_lender(Start(name), "features", offline=True).network)


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
        segmenter = ClusterSegmenter(ProjectedMaps(trunk.deep_channels), classes=classes, merging=merging)
    elif kind is None:
        segmenter = None
    else:
        raise ColorzooError(
            f"segmenter={kind!r} does not go with these features; expected 'stego', 'stego_supervised' or "
            "None, or 'clusters' with the features of a registered model."
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
    confidence = theirs.confidence
    values = torch.cat([ab, confidence, torch.ones_like(confidence), centers_of(ab)], dim=1)
    found = correspondence.warp(*maps, values, (ours.labels, theirs.labels), tau=tau)
    similarity = found.similarity * found.values[:, 2:3] * ours.confidence
    return Warped(found.values[:, :2], similarity, found.values[:, 3:4] > 0.5, found.values[:, 4:])
