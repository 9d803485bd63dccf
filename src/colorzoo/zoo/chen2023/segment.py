"""What names the classes: clusters of any features, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from colorzoo.errors import WeightsError
from colorzoo.networks.clusters import Classified, classify, merge_clusters
from colorzoo.weights import apply_weights, load_state_dict_file
from colorzoo.zoo.chen2023.published import convert_stego_encoder

Segmenter = Callable[[Tensor, Tensor], Classified]
"""Takes RGB ``(B, 3, H, W)`` in [0, 1], gray where the picture is, and the trunk's deep map of it.

It names a class for each place of any grid.
"""

Encoder = Callable[[Tensor, Tensor], Tensor]
"""Takes the same, and gives features ``(B, D, h, w)``."""

Merging = Literal["pre", "post"]


class ClusterSegmenter(nn.Module):
    """Names the nearest cluster center, after merging alike clusters (CRA, section III-C).

    Args:
        encode: Features of a picture, a module or any function.
        centers: ``(K, D)``; where None, those that ``encode`` has.
        classes: To how many classes the clusters are merged; K keeps them.
        merging: ``pre``: the means of merged centers name the classes, as published. ``post``: the old
            centers do, and their classes are merged afterwards.
    """

    def __init__(
        self, encode: Encoder, centers: Tensor | None = None, *, classes: int, merging: Merging = "pre"
    ) -> None:
        super().__init__()
        self.encode, self._centers = encode, centers
        self.classes, self.merging = classes, merging

    @property
    def centers(self) -> Tensor:
        """The centers ``(K, D)`` before merging."""
        found: Tensor = self._centers if self._centers is not None else self.encode.centers  # type: ignore[attr-defined]
        return found

    def forward(self, rgb: Tensor, deep: Tensor) -> Classified:
        """Return class and confidence of each place; see `Segmenter`."""
        features, centers = self.encode(rgb, deep), self.centers
        if self.classes == len(centers):
            return classify(features, centers)
        merged = merge_clusters(centers, self.classes)
        if self.merging == "pre":
            return classify(features, merged.centers)
        found = classify(features, centers)
        return found._replace(labels=merged.first[found.labels])


class ProjectedMaps(nn.Module):
    """A compact code: the trunk's deep map, projected; the rest is in the centers.

    `colorzoo.zoo.chen2023.find_clusters` finds projection and centers without any label.

    Args:
        channels: Of the deep map.
        code: Channels of the code.
        clusters: How many centers.
    """

    shift: Tensor
    projection: Tensor
    centers: Tensor

    def __init__(self, channels: int, code: int = 48, clusters: int = 27) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(channels))
        self.register_buffer("projection", torch.randn(code, channels) / channels**0.5)
        self.register_buffer("centers", torch.randn(clusters, code))

    def forward(self, rgb: Tensor, deep: Tensor) -> Tensor:
        """Return ``(B, code, h, w)``; see `Encoder`."""
        del rgb
        return torch.einsum("bchw,dc->bdhw", deep - self.shift[:, None, None], self.projection)


def reads_trunk(segmenter: object) -> bool:
    """Say whether a segmenter needs the trunk's map: STEGO, which has a backbone, does not."""
    return bool(getattr(getattr(segmenter, "encode", segmenter), "reads_trunk", True))


def load_segmenter(segmenter: object, path: str) -> None:
    """Put weights from a file into a segmenter: STEGO's, or what `find_clusters` wrote.

    Raises:
        WeightsError: The segmenter takes no weights, or the file does not fit.
    """
    encode = getattr(segmenter, "encode", None)
    if not isinstance(encode, nn.Module):
        raise WeightsError("segmenter_weights needs a segmenter that has weights: stego or clusters.")
    state = load_state_dict_file(Path(path))
    if not isinstance(encode, ProjectedMaps):
        state = convert_stego_encoder(state)
    apply_weights(encode, state, name=path, published=False)
