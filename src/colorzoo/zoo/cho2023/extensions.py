"""Extensions of GuidingPainter that are not in the paper.

`cho2023_small` uses all of them. `Extensions` selects them when a model is constructed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Regions
from colorzoo.networks.unet import UNet
from colorzoo.settings import Fraction, PositiveInt
from colorzoo.zoo.cho2023.network import SEGMENTS, GuidingPainterNetwork

_FULLEST = 0.95  # largest value passed to atanh, because tanh does not reach 1
_INK = 0.5  # sketch values below this are ink
_SMALLEST = 1 / 1000  # fraction of the image; smaller pieces are merged with the nearest piece
_KEPT = 7 / 8  # probability in training that the simulated user colors one more segment

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Extensions:
    """Extensions of GuidingPainter that are not in the paper.

    Attributes:
        segmenter_side: Maximum shorter side of f's input in pixels; see `DownsampledNetwork`. None sets no
            maximum.
        pieces: Whether to propose pieces of segments instead of whole segments; see `cut_segments`.
        needs: Weights of the 30 segments by which `cut_segments` sorts pieces; an empty tuple selects the
            default weights.
        hint_residual: Whether the output is predicted relative to the hint colors; see `ResidualUNet`.
        recolored: Fraction of images with random hint colors in `Cho2023Painter`; see `recolor_hinted`.
    """

    segmenter_side: PositiveInt | None = None
    pieces: bool = False
    needs: tuple[float, ...] = ()
    hint_residual: bool = False
    recolored: Fraction = 0.0

    def build(self, width: float, segmenter_width: float) -> GuidingPainterNetwork:
        """Build the networks; see `GuidingPainterNetwork` for the arguments."""
        generator = ResidualUNet if self.hint_residual else UNet
        if self.segmenter_side is None:
            return GuidingPainterNetwork(width, segmenter_width, generator)
        return DownsampledNetwork(self.segmenter_side, width, segmenter_width, generator)

    def refine(self, regions: Regions, sketch: Tensor) -> Regions:
        """Return the regions to propose: the segments, or their pieces.

        Args:
            regions: Segments of f.
            sketch: ``(B, 1, H, W)`` in [0, 1].
        """
        if not self.pieces:
            return regions
        index = cut_segments(regions.index, sketch, SEGMENTS, self.needs)
        return replace(regions, index=index, segments=regions.index)


class DownsampledNetwork(GuidingPainterNetwork):
    """Networks in which f receives downsampled sketches.

    Args:
        segmenter_side: Maximum shorter side of f's input in pixels.
        width: See `GuidingPainterNetwork`.
        segmenter_width: See `GuidingPainterNetwork`.
        generator: See `GuidingPainterNetwork`.
    """

    def __init__(
        self, segmenter_side: int, width: float, segmenter_width: float, generator: type[UNet]
    ) -> None:
        super().__init__(width, segmenter_width, generator)
        self.segmenter_side = segmenter_side

    def divide(self, sketch: Tensor) -> Tensor:
        """Downsample sketches by max pooling of the ink, which preserves thin lines, and divide them."""
        height, width = sketch.shape[-2:]
        scale = self.segmenter_side / min(height, width)
        if scale >= 1:
            return super().divide(sketch)
        small = 1 - F.adaptive_max_pool2d(1 - sketch, (round(height * scale), round(width * scale)))
        return F.interpolate(super().divide(small), size=(height, width), mode="bilinear")


class ResidualUNet(UNet):
    """Generator that predicts its output relative to the hint colors.

    An output of 0 before the tanh reproduces the hint colors. Otherwise, a narrow generator does not learn to
    copy hues in short training. The hint colors are the input channels 1 to 3; they are 0 at pixels without a
    hint.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Run the network and add the hint colors; see `UNet.forward`."""
        hint_color = image[:, 1:4]
        return super().forward(image).float() + torch.atanh(_FULLEST * hint_color)


def cut_segments(segments: Tensor, sketch: Tensor, most: int, needs: Sequence[float] = ()) -> Tensor:
    """Divide segments into pieces enclosed by lines, the most useful piece first.

    A piece is a connected, ink-free part of a segment. Pieces are sorted by area times segment weight. All
    ink forms the last piece. The generator g still receives the segments, not the pieces.

    Args:
        segments: ``(B, 1, H, W)`` int64, segment of each pixel; segment 0 is the most useful.
        sketch: ``(B, 1, H, W)`` in [0, 1]; ink is 0.
        most: Maximum number of pieces. Small and surplus pieces are merged with the nearest piece.
        needs: Weight of each segment: the error of g if the segment has no hint. If empty, each weight is 7/8
            of the previous weight.

    Returns:
        Piece of each pixel, ``(B, 1, H, W)`` int64.
    """
    pairs = zip(segments[:, 0].cpu().numpy(), sketch[:, 0].detach().cpu().numpy() < _INK, strict=True)
    pieces = [_ranked_pieces(*_cut(index, ink, needs), most) for index, ink in pairs]
    return torch.from_numpy(np.stack(pieces))[:, None].to(segments.device)


def _cut(
    segments: Labels, ink: NDArray[np.bool_], needs: Sequence[float]
) -> tuple[Labels, NDArray[np.float64]]:
    """Return the piece ``(H, W)`` of each pixel and the weight of each piece; ink has the weight 0."""
    pieces = np.zeros(segments.shape, np.int64)
    weights: list[float] = []
    for rank, segment in enumerate(np.unique(segments)):
        components, _ = ndimage.label((segments == segment) & ~ink)  # 1, 2, ... for pieces of the segment
        is_inside = components > 0
        pieces[is_inside] = len(weights) + components[is_inside] - 1
        areas = np.bincount(components[is_inside])[1:]
        need = needs[segment] if needs else _KEPT**rank
        weights += [float(area) * need for area in areas]
    if ink.any():
        pieces[ink] = len(weights)
        weights.append(0.0)
    return pieces, np.array(weights)


def _ranked_pieces(pieces: Labels, weights: NDArray[np.float64], most: int) -> Labels:
    """Renumber pieces by decreasing weight; merge small and surplus pieces with the nearest piece.

    The ink, a piece of weight 0, is always kept.
    """
    areas = np.bincount(pieces.ravel(), minlength=len(weights))
    order = np.argsort(-weights, kind="stable")
    ink = [piece for piece in order if weights[piece] == 0]
    large = [piece for piece in order if weights[piece] and areas[piece] >= _SMALLEST * pieces.size]
    kept = [*large[: most - len(ink)], *ink] or list(order[:1])
    rank_of_piece = np.full(len(weights), -1)  # -1 for pieces to be merged
    rank_of_piece[kept] = np.arange(len(kept))
    ranks = rank_of_piece[pieces]
    nearest = ndimage.distance_transform_edt(ranks < 0, return_distances=False, return_indices=True)
    return ranks[tuple(nearest)]
