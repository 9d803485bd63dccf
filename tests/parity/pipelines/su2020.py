"""The fusion of Su et al. 2020 for instances that are all in memory."""

from collections.abc import Sequence

from torch import Tensor

from colorzoo.zoo.su2020.model import FusionLayer, Rectangle


def fuse(layer: FusionLayer, whole: Tensor, instances: Tensor, places: Sequence[Rectangle]) -> Tensor:
    """Fuse features ``(1, C, h, w)`` of an image with features ``(N, C, h', w')`` of N crops."""
    sums, size = None, (whole.shape[-2], whole.shape[-1])
    for instance, place in zip(instances.split(1), places, strict=True):
        sums = layer.add(sums, instance, place, size)
    assert sums is not None
    return layer.finish(whole, sums)
