"""Networks of GuidingPainter: segmenter f and generator g.

Inside the networks, sketches, colors and images are in [-1, 1], and ink is -1.

`Extensions` contains settings of `cho2023_small` that are not in the paper; the published model disables
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.guidance.color_statistics import region_means
from colorzoo.networks.feature_hooks import Visit, unchanged
from colorzoo.networks.unet import UNet
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction, PositiveInt

SEGMENTS = 30
_FULL_BASE, _STEP = 64, 2
_FULLEST = 0.95  # largest value passed to atanh, because tanh does not reach 1
_LEAST_DRAW = 1e-7  # lower bound of uniform draws, because log(0) is infinite
_EMPTY = 1e-20  # added to segment areas so that an empty segment gets color 0


class Hints(NamedTuple):
    """Hint color and hint mask of each pixel.

    Attributes:
        color: ``(B, 3, H, W)``, hint color; 0 at pixels without a hint.
        mask: ``(B, 1, H, W)`` in {0, 1}; 1 at pixels with a hint.
    """

    color: Tensor
    mask: Tensor


def base_channels(width: float) -> int:
    """Return the channel count of the first U-Net level: ``64 * width``, even, at least 8."""
    return max(8, round(_FULL_BASE * width / _STEP) * _STEP)


def as_residual(color: Tensor) -> Tensor:
    """Convert hint colors to values that are added before the generator's final tanh.

    With these values, a generator output of 0 reproduces the hint colors. Without these values, a narrow
    generator does not learn to copy hues in short training. This residual is not in the paper.

    Args:
        color: ``(B, 3, H, W)`` in [-1, 1]; 0 at pixels without a hint.
    """
    return torch.atanh(_FULLEST * color)


class GuidingPainterNetwork(nn.Module):
    """Segmenter f, which divides sketches, and generator g, which colorizes sketches.

    Args:
        width: Multiplier for the channel counts of g; 1.0 matches the paper.
        segmenter_width: Multiplier for the channel counts of f; 1.0 matches the paper.
        segmenter_side: Maximum shorter side of f's input in pixels; larger sketches are downsampled. None
            sets no maximum.
        hint_residual: Whether the output is predicted relative to the hint colors; see `as_residual`.
    """

    def __init__(
        self,
        width: float = 1.0,
        segmenter_width: float = 1.0,
        segmenter_side: int | None = None,
        *,
        hint_residual: bool = False,
    ) -> None:
        super().__init__()
        self.hint_residual = hint_residual
        self.segmenter_side = segmenter_side
        self.segmenter = UNet(1, SEGMENTS, base_channels(segmenter_width))
        self.colorizer = UNet(1 + 3 + 1 + SEGMENTS, 3, base_channels(width))

    def divide(self, sketch: Tensor) -> Tensor:
        """Return segment logits ``(B, 30, H, W)`` for sketches ``(B, 1, H, W)`` in [0, 1]."""
        small = self._seen(sketch)
        logits: Tensor = self.segmenter(2 * small - 1).float()
        if small is sketch:
            return logits
        return F.interpolate(logits, size=sketch.shape[-2:], mode="bilinear")

    def _seen(self, sketch: Tensor) -> Tensor:
        """Downsample a sketch by max pooling of the ink, which preserves thin lines."""
        height, width = sketch.shape[-2:]
        scale = (self.segmenter_side or min(height, width)) / min(height, width)
        if scale >= 1:
            return sketch
        return 1 - F.adaptive_max_pool2d(1 - sketch, (round(height * scale), round(width * scale)))

    def generate(self, sketch: Tensor, hints: Hints, segments: Tensor) -> Tensor:
        """Generate images ``(B, 3, H, W)`` in [-1, 1] from sketches and hints.

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            hints: Hint colors in [-1, 1] and hint mask.
            segments: ``(B, 30, H, W)``, one-hot segment of each pixel.
        """
        return self.after_hooks(self.before_hooks(sketch, hints, segments), unchanged)

    def before_hooks(self, sketch: Tensor, hints: Hints, segments: Tensor) -> tuple[Tensor, ...]:
        """Run the generator up to the first feature hook; see `generate` for the arguments.

        Returns:
            Feature maps at the first hook, followed by the hint colors.
        """
        x = torch.cat([2 * sketch - 1, hints.color, hints.mask, segments], dim=1)
        return *self.colorizer.before_hooks(x), hints.color

    def after_hooks(self, maps: tuple[Tensor, ...], visit: Visit) -> Tensor:
        """Run the generator from the first hook; return images ``(B, 3, H, W)`` in [-1, 1].

        Args:
            maps: Output of `before_hooks`.
            visit: Function that is called for each hook and can modify the feature map.
        """
        *inner, color = maps
        height, width = color.shape[-2:]
        generated = self.colorizer.after_hooks(tuple(inner), visit)[..., :height, :width].float()
        return torch.tanh(generated + as_residual(color) if self.hint_residual else generated)


def one_hot(index: Tensor, segments: int) -> Tensor:
    """Convert indices ``(B, 1, H, W)`` int64 to one-hot ``(B, segments, H, W)`` float32."""
    batch, _, height, width = index.shape
    empty = torch.zeros(batch, segments, height, width, device=index.device)
    return empty.scatter(1, index, 1.0)


def draw_segments(logits: Tensor, noise: Tensor | None, temperature: float) -> Tensor:
    """Draw one-hot segments ``(B, N, H, W)`` with a straight-through Gumbel softmax.

    Args:
        logits: ``(B, N, H, W)``.
        noise: Gumbel noise ``(B, N, H, W)``; None selects the segment with the largest logit.
        temperature: Softmax temperature, which affects only the gradients.
    """
    noisy = logits.float() if noise is None else logits.float() + noise
    soft = torch.softmax(noisy / temperature, dim=1)
    return one_hot(noisy.argmax(1, keepdim=True), noisy.shape[1]) + (soft - soft.detach())


def gumbel_noise(generators: list[torch.Generator], shape: tuple[int, int, int]) -> Tensor:
    """Draw Gumbel noise ``(B, *shape)`` on the CPU.

    Args:
        generators: One random generator for each of the B images.
        shape: Number of segments, height and width.
    """
    draws = torch.stack([torch.rand(shape, generator=each) for each in generators])
    return draws.clamp_(min=_LEAST_DRAW).log_().neg_().log_().neg_()  # faster than exponential_()


def mean_colors(segments: Tensor, image: Tensor) -> Tensor:
    """Return the mean color of each segment, ``(B, N, 3)``; 0 for empty segments.

    Args:
        segments: ``(B, N, H, W)`` one-hot.
        image: ``(B, 3, H, W)``.
    """
    with torch.autocast(segments.device.type, enabled=False):
        pixels = image.float().flatten(2)
        counted = torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=1)
        sums = torch.bmm(segments.float().flatten(2), counted.mT)
        return sums[..., :3] / (_EMPTY + sums[..., 3:])


def fill_hints(segments: Tensor, image: Tensor, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fill segments with their mean colors; gradients flow through the segments.

    Args:
        segments: ``(B, N, H, W)``, one-hot segment of each pixel.
        image: ``(B, 3, H, W)``, image from which the mean colors are computed.
        given: ``(B, N)`` in {0, 1}, 1 for segments with a hint.

    Returns:
        Three maps: ``(B, 3, H, W)`` with all segments filled; ``(B, 3, H, W)`` with only the hinted segments
        filled; and ``(B, 1, H, W)``, the mask of the hinted segments.
    """
    with torch.autocast(segments.device.type, enabled=False):
        means, active = mean_colors(segments, image), given[..., None].float()
        table = torch.cat([means, means * active, active], dim=2)
        maps = torch.einsum("bnc,bnhw->bchw", table, segments.float())
    filled, color, mask = torch.split(maps, [3, 3, 1], dim=1)
    return filled, color, mask


def look_up_hints(index: Tensor, colors: Tensor, given: Tensor) -> Hints:
    """Build hint maps from segment indices and colors, without gradients for the indices.

    Args:
        index: ``(B, 1, H, W)`` int64, segment of each pixel.
        colors: ``(B, N, 3)``, color of each segment.
        given: ``(B, N)`` in {0, 1}, 1 for segments with a hint.
    """
    batch, _, height, width = index.shape
    active = given[..., None].to(colors)
    table = torch.cat([colors * active, active], dim=2).transpose(1, 2)
    filled = table.gather(2, index.flatten(2).expand(-1, 4, -1)).view(batch, 4, height, width)
    return Hints(filled[:, :3], filled[:, 3:])


def first_given(counts: Tensor, segments: int) -> Tensor:
    """Return a mask ``(B, segments)`` that is 1 for the first segments of each image.

    Args:
        counts: ``(B,)``, number of segments with mask 1 in each image.
        segments: Total number of segments.
    """
    return (torch.arange(segments, device=counts.device) < counts[:, None]).float()


def draw_counts(draws: Tensor, stop: float) -> Tensor:
    """Draw the number of segments with a hint, ``(B,)``, from a geometric distribution.

    Args:
        draws: ``(B, N)``, uniform random numbers in [0, 1), where N is the maximum number.
        stop: Parameter of the distribution P(n) = (1 - stop)^n stop for n < N.
    """
    return (draws >= stop).long().cumprod(1).sum(1)


_INK = 0.5  # sketch values below this are ink
_SMALLEST = 1 / 1000  # fraction of the image; smaller pieces are merged with the nearest piece
_KEPT = 7 / 8  # probability in training that the simulated user colors one more segment

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Extensions:
    """Extensions of GuidingPainter that are not in the paper.

    Attributes:
        segmenter_side: Maximum shorter side of f's input in pixels; larger sketches are downsampled. None
            sets no maximum.
        pieces: Whether to propose pieces of segments instead of whole segments; see `cut_segments`.
        needs: Weights of the 30 segments by which `cut_segments` sorts pieces; an empty tuple selects the
            default weights.
        hint_residual: Whether the output is predicted relative to the hint colors; see `as_residual`.
        recolored: Fraction of images with random hint colors in the training stage ``painter``; see
            `recolor_hinted`.
    """

    segmenter_side: PositiveInt | None = None
    pieces: bool = False
    needs: tuple[float, ...] = ()
    hint_residual: bool = False
    recolored: Fraction = 0.0


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
    pieces = [_cut(index, ink, most, needs) for index, ink in pairs]
    return torch.from_numpy(np.stack(pieces))[:, None].to(segments.device)


def _cut(segments: Labels, ink: NDArray[np.bool_], most: int, needs: Sequence[float]) -> Labels:
    labels = np.zeros(segments.shape, np.int64)
    weights: list[float] = []
    for rank, number in enumerate(np.unique(segments)):
        found, _ = ndimage.label((segments == number) & ~ink)
        inside = found > 0
        labels[inside] = found[inside] + len(weights)
        need = needs[number] if needs else _KEPT**rank
        weights += [float(area) * need for area in np.bincount(found[inside])[1:]]
    if ink.any():
        labels[ink] = len(weights) + 1
        weights.append(0.0)
    return _ranked(labels, np.array(weights), most)


def _ranked(labels: Labels, weights: NDArray[np.float64], most: int) -> Labels:
    """Index pieces by decreasing weight; merge small and surplus pieces into the nearest.

    The ink, a piece of weight 0, is always kept.
    """
    areas = np.bincount(labels.ravel())[1:]
    order = np.argsort(-weights, kind="stable")
    last = [piece for piece in order if weights[piece] == 0]
    large = [piece for piece in order if weights[piece] and areas[piece] >= _SMALLEST * labels.size]
    kept = [*large[: most - len(last)], *last] or list(order[:1])
    numbers = np.full(len(weights) + 1, -1)
    numbers[np.array(kept) + 1] = np.arange(len(kept))
    ranked = numbers[labels]
    nearest = ndimage.distance_transform_edt(ranked < 0, return_distances=False, return_indices=True)
    return ranked[tuple(nearest)]


def recolor_hinted(rgb: Tensor, index: Tensor, given: Tensor, seeds: Tensor, share: float) -> Tensor:
    """Replace the mean colors of hinted regions with random colors in some images.

    Random colors train the generator to use hints with unusual colors.

    Args:
        rgb: Training images ``(B, 3, H, W)`` in [0, 1].
        index: ``(B, 1, H, W)`` int64, region of each pixel.
        given: ``(B, N)`` in {0, 1}, 1 for regions with a hint.
        seeds: ``(B,)``, per-image seeds.
        share: Fraction of images whose colors are replaced.

    Returns:
        Images ``(B, 3, H, W)`` in [0, 1]. Clipping can change a mean color slightly.
    """
    if not share:
        return rgb
    means, _ = region_means(index, rgb, SEGMENTS)
    draws = draw_uniform(image_generators(seeds, "recolored"), len(rgb), 1 + 3 * SEGMENTS, rgb.device)
    moved = given * (draws[:, :1] < share)
    shift = look_up_hints(index, draws[:, 1:].view(-1, SEGMENTS, 3) - means, moved).color
    return (rgb + shift).clamp(0, 1)
