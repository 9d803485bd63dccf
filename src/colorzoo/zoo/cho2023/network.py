"""GuidingPainter's networks: f divides a sketch into ordered segments, g paints it (Cho et al. 2023).

Inside, sketches, colors and pictures are in [-1, 1], paper 1 and ink -1, as in the paper. Hints are computed
without the published code's product of segments and colors ``(B, 30, 3, H, W)``: means and maps are matrix
products, or a look-up where no gradient is needed.

Additions to GuidingPainter in `cho2023_small`; all off in the paper's model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.guidance.color_statistics import region_means
from colorzoo.networks.taps import Visit, unchanged
from colorzoo.networks.unet import UNet
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.settings import Natural, Share

SEGMENTS = 30
_FULL_BASE, _STEP = 64, 2
_FULLEST = 0.95  # below 1, which the tanh does not reach
_LEAST_DRAW = 1e-7  # a uniform number of 0 has no logarithm
_EMPTY = 1e-20  # added to the areas of segments, so that an empty one gets the color 0


class Hints(NamedTuple):
    """Colored segments.

    Attributes:
        color: ``(B, 3, H, W)``, 0 where no hint was given.
        mask: ``(B, 1, H, W)`` in {0, 1}.
    """

    color: Tensor
    mask: Tensor


def base_channels(width: float) -> int:
    """Return the channels of the first level: 64 times ``width``, even, at least 8."""
    return max(8, round(_FULL_BASE * width / _STEP) * _STEP)


def as_residual(color: Tensor) -> Tensor:
    """Return hints ``(B, 3, H, W)`` in [-1, 1], 0 where there are none, as a residual before the tanh.

    Not in the paper: a narrow g that trains for an hour does not learn to copy hues by itself.
    """
    return torch.atanh(_FULLEST * color)


class GuidingPainterNetwork(nn.Module):
    """f and g.

    Args:
        width: Multiplier of the channel counts of g; 1.0 is the paper's.
        segmenter_width: The same for f.
        segmenter_side: Largest shorter side in pixels of the sketches for f; its logits are enlarged.
        hint_residual: See `as_residual`.
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
        """Return the logits of the segments, ``(B, 30, H, W)``, of a sketch ``(B, 1, H, W)`` in [0, 1]."""
        small = self._seen(sketch)
        logits: Tensor = self.segmenter(2 * small - 1).float()
        if small is sketch:
            return logits
        return F.interpolate(logits, size=sketch.shape[-2:], mode="bilinear")

    def _seen(self, sketch: Tensor) -> Tensor:
        """Return a sketch at the size for f; lines get thinner but stay black."""
        height, width = sketch.shape[-2:]
        scale = (self.segmenter_side or min(height, width)) / min(height, width)
        if scale >= 1:
            return sketch
        return 1 - F.adaptive_max_pool2d(1 - sketch, (round(height * scale), round(width * scale)))

    def paint(self, sketch: Tensor, hints: Hints, segments: Tensor) -> Tensor:
        """Return the picture ``(B, 3, H, W)`` in [-1, 1].

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            hints: Colors in [-1, 1] and mask.
            segments: ``(B, 30, H, W)`` one-hot.
        """
        return self.after_taps(self.before_taps(sketch, hints, segments), unchanged)

    def before_taps(self, sketch: Tensor, hints: Hints, segments: Tensor) -> tuple[Tensor, ...]:
        """Run g up to its first tap; see `paint` for the arguments."""
        x = torch.cat([2 * sketch - 1, hints.color, hints.mask, segments], dim=1)
        return *self.colorizer.before_taps(x), hints.color

    def after_taps(self, maps: tuple[Tensor, ...], visit: Visit) -> Tensor:
        """Return the picture ``(B, 3, H, W)`` in [-1, 1]."""
        *inner, color = maps
        height, width = color.shape[-2:]
        painted = self.colorizer.after_taps(tuple(inner), visit)[..., :height, :width].float()
        return torch.tanh(painted + as_residual(color) if self.hint_residual else painted)


class StraightThrough(torch.autograd.Function):
    """One-hot forward, softmax backward; stores one map only."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, temperature: float) -> Tensor:
        """Return the one-hot argmax over channels of ``(B, N, H, W)``."""
        ctx.save_for_backward(torch.softmax(logits / temperature, dim=1))
        ctx.temperature = temperature
        return one_hot(logits.argmax(1, keepdim=True), logits.shape[1])

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        """Return the softmax's gradient."""
        (soft,) = ctx.saved_tensors
        (up,) = upstream
        gradient = soft * up
        inner = gradient.sum(1, keepdim=True)
        return gradient.addcmul_(soft, inner, value=-1).div_(ctx.temperature), None


def one_hot(index: Tensor, segments: int) -> Tensor:
    """Return ``(B, segments, H, W)`` float32 for ``(B, 1, H, W)`` int64."""
    batch, _, height, width = index.shape
    empty = torch.zeros(batch, segments, height, width, device=index.device)
    return empty.scatter(1, index, 1.0)


def draw_segments(logits: Tensor, noise: Tensor | None, temperature: float) -> Tensor:
    """Return one-hot segments ``(B, N, H, W)`` with the gradient of a softmax (straight-through Gumbel).

    Args:
        logits: ``(B, N, H, W)``.
        noise: Gumbel noise of the same shape, or None.
        temperature: tau of the softmax.
    """
    noisy = logits.float() if noise is None else logits.float() + noise
    segments: Tensor = StraightThrough.apply(noisy, temperature)
    return segments


def gumbel_noise(generators: list[torch.Generator], shape: tuple[int, int, int]) -> Tensor:
    """Return ``(B, *shape)`` Gumbel noise on the CPU, one generator for each picture."""
    draws = torch.stack([torch.rand(shape, generator=each) for each in generators])
    return draws.clamp_(min=_LEAST_DRAW).log_().neg_().log_().neg_()  # three times faster than exponential_()


def mean_colors(segments: Tensor, image: Tensor) -> Tensor:
    """Return the mean color of each segment, ``(B, N, 3)``; 0 for an empty segment.

    Args:
        segments: ``(B, N, H, W)`` one-hot.
        image: ``(B, 3, H, W)``.
    """
    with torch.autocast(segments.device.type, enabled=False):
        sums = torch.bmm(segments.float().flatten(2), _with_ones(image.float()).transpose(1, 2))
        return sums[..., :3] / (_EMPTY + sums[..., 3:])


class FilledHints(torch.autograd.Function):
    """Mean colors of segments and their maps in one step, with a single gradient map.

    Autograd would allocate one for the means and one for the filling: 94 MB each for a dozen pictures.
    """

    @staticmethod
    def forward(ctx: Any, segments: Tensor, image: Tensor, given: Tensor) -> Tensor:
        """Return ``(B, 7, H W)``: filled colors, hint colors, mask."""
        chosen, extended = segments.flatten(2), _with_ones(image)
        sums = torch.bmm(chosen, extended.transpose(1, 2))
        areas = _EMPTY + sums[..., 3:]
        table = _table(sums[..., :3] / areas, given)
        ctx.save_for_backward(segments, image, given, table, areas)
        return torch.bmm(table.transpose(1, 2), chosen)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the segments, through the map, the sums and the areas."""
        segments, image, given, table, areas = ctx.saved_tensors
        (up,) = upstream
        with torch.autocast(up.device.type, enabled=False):  # steps may run backward under autocast
            gradient = torch.bmm(table, up)
            by_table = torch.bmm(segments.flatten(2), up.transpose(1, 2))
            by_mean = by_table[..., :3] + by_table[..., 3:6] * given[..., None]
            by_area = -(by_mean * table[..., :3]).sum(2, keepdim=True)
            by_sums = torch.cat([by_mean, by_area], dim=2) / areas
            gradient.baddbmm_(by_sums, _with_ones(image))
        return gradient.view_as(segments), None, None


def fill_hints(segments: Tensor, image: Tensor, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the maps of the segments' mean colors, with gradients to the segments.

    Args:
        segments: ``(B, N, H, W)`` one-hot.
        image: ``(B, 3, H, W)``.
        given: ``(B, N)`` in {0, 1}, 1 for colored segments.

    Returns:
        All segments filled with their means ``(B, 3, H, W)``; color ``(B, 3, H, W)`` and mask ``(B, 1, H,
        W)`` of the colored ones.
    """
    with torch.autocast(segments.device.type, enabled=False):
        maps: Tensor = FilledHints.apply(segments.float(), image.float(), given.float())
    maps = maps.view(maps.shape[0], -1, *segments.shape[2:])
    filled, color, mask = torch.split(maps, [3, 3, 1], dim=1)
    return filled, color, mask


def _with_ones(image: Tensor) -> Tensor:
    """Return ``(B, 4, H W)``: the picture, and ones to count pixels."""
    pixels = image.flatten(2)
    return torch.cat([pixels, torch.ones_like(pixels[:, :1])], dim=1)


def _table(colors: Tensor, given: Tensor) -> Tensor:
    """Return ``(B, N, 7)``: the mean of each segment, its hint color, and 1 if it is colored."""
    active = given[..., None]
    return torch.cat([colors, colors * active, active], dim=2)


def look_up_hints(index: Tensor, colors: Tensor, given: Tensor) -> Hints:
    """Return the hints of segments given by index, without gradient to the segments.

    Args:
        index: ``(B, 1, H, W)`` int64.
        colors: ``(B, N, 3)``.
        given: ``(B, N)`` in {0, 1}.
    """
    batch, _, height, width = index.shape
    active = given[..., None].to(colors)
    table = torch.cat([colors * active, active], dim=2).transpose(1, 2)
    filled = table.gather(2, index.flatten(2).expand(-1, 4, -1)).view(batch, 4, height, width)
    return Hints(filled[:, :3], filled[:, 3:])


def first_given(counts: Tensor, segments: int) -> Tensor:
    """Return ``(B, segments)`` in {0, 1}: 1 for the first ``counts`` ``(B,)`` segments."""
    return (torch.arange(segments, device=counts.device) < counts[:, None]).float()


def draw_counts(draws: Tensor, stop: float) -> Tensor:
    """Return ``(B,)`` int64 numbers of colored segments: trials before the first stop, at most N.

    Args:
        draws: ``(B, N)`` uniform on [0, 1).
        stop: Probability that the user stops at a trial; P(n) = (1 - stop)^n stop, the rest at N.
    """
    return (draws >= stop).long().cumprod(1).sum(1)


_INK = 0.5  # level below which a pixel of a sketch is ink
_SMALLEST = 1 / 1000  # of the picture; smaller pieces are merged with the nearest one
_KEPT = 7 / 8  # probability in training that a user colors one more segment

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Extensions:
    """Additions to GuidingPainter.

    Attributes:
        segmenter_side: Largest shorter side in pixels of the sketches for f, whose logits are enlarged: a
            narrow f that was trained on small pictures then sees whole shapes.
        pieces: Propose the regions that lines enclose instead of whole segments (`cut_segments`).
        needs: Factors of segments, see `cut_segments`; measured on training pictures.
        hint_residual: Start the painting from the hints (`as_residual`).
        recolored: Share of the pictures of stage ``painter`` whose hinted regions get random colors
            (`recolor_hinted`).
    """

    segmenter_side: Natural | None = None
    pieces: bool = False
    needs: tuple[float, ...] = ()
    hint_residual: bool = False
    recolored: Share = 0.0


def cut_segments(segments: Tensor, sketch: Tensor, most: int, needs: Sequence[float] = ()) -> Tensor:
    """Divide segments into the regions that lines enclose, the most useful hint first.

    A narrow f separates ground, body and lines, but not one sleeve from the other; the lines of the sketch
    do. Only hints are finer: g reads f's own segments. Pieces are the connected parts of each segment between
    the lines, ordered by area times the factor of their segment. All ink is one piece, the last: nobody is
    asked for the color of lines before all else has one.

    Args:
        segments: ``(B, 1, H, W)`` int64, the model's, the most useful first.
        sketch: ``(B, 1, H, W)`` in [0, 1], paper 1, ink 0.
        most: Largest number of pieces; others are merged with the nearest one.
        needs: A factor for each segment: the error of g without a hint. By default 7/8 of the factor of the
            segment before.

    Returns:
        The piece of each pixel, ``(B, 1, H, W)`` int64.
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
    """Number pieces by weight, and merge those that are too small or too many with the nearest one.

    A piece of weight 0, ink, is always kept.
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
    joined: Labels = ranked[tuple(nearest)]
    return joined


def recolor_hinted(rgb: Tensor, index: Tensor, given: Tensor, seeds: Tensor, share: float) -> Tensor:
    """Shift hinted regions to random mean colors, so that g learns to follow unusual hints; shading stays.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        index: ``(B, 1, H, W)`` int64, region of each pixel.
        given: ``(B, N)`` in {0, 1}, 1 for hinted regions.
        seeds: ``(B,)``, seeds of the pictures.
        share: Share of the pictures that are changed.

    Returns:
        ``(B, 3, H, W)`` in [0, 1]; clamping may change a mean a little.
    """
    if not share:
        return rgb
    means, _ = region_means(index, rgb, SEGMENTS)
    draws = draw_uniform(picture_generators(seeds, "recolored"), len(rgb), 1 + 3 * SEGMENTS, rgb.device)
    moved = given * (draws[:, :1] < share)
    shift = look_up_hints(index, draws[:, 1:].view(-1, SEGMENTS, 3) - means, moved).color
    return (rgb + shift).clamp(0, 1)
