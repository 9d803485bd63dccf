"""GuidingPainter (Cho et al., WACV 2023): sketch colorization by proposed regions.

The segmenter f divides the sketch into up to 30 ordered segments without supervision. The user colors the
first n segments, and the generator g colorizes the image. https://arxiv.org/abs/2210.14270

Inside the networks, sketches, colors and images are in [-1, 1], and ink is -1.

Not in the paper: `DownsampledNetwork` (argument ``segmenter_side``), `ResidualUNet` (``hint_residual``),
`cut_segments` (``pieces``, ``needs``), and the widths. `cho2023_small` uses all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.abilities import RegionModel
from colorzoo.card import InputKind, OutputKind
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Regions
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import is_traced
from colorzoo.networks.hint_unet import point_colors, points_of
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.unet import UNet, initialize_gan
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import PositiveInt, Width

SEGMENTS = 30
_FULL_BASE, _STEP = 64, 2
_LEAST_DRAW = 1e-7  # lower bound of uniform draws, because log(0) is infinite
_EMPTY = 1e-20  # added to segment areas so that an empty segment gets color 0

# extensions
_FULLEST = 0.95  # largest value passed to atanh, because tanh does not reach 1
_INK = 0.5  # sketch values below this are ink
_SMALLEST = 1 / 1000  # fraction of the image; smaller pieces are merged with the nearest piece
_KEPT = 7 / 8  # probability in training that the simulated user colors one more segment

_UNETS = {"segmentator": "segmenter", "colorizer": "colorizer"}
_UNET = r"generator\.(segmentator|colorizer)\."

NAMES: tuple[Pattern, ...] = (
    (r"discriminator\.model\.", "discriminator.layers."),
    (rf"{_UNET}inc\.double_conv\.", lambda m: f"{_UNETS[m[1]]}.start."),
    (rf"{_UNET}down(\d)\.maxpool_conv\.1\.double_conv\.", lambda m: f"{_UNETS[m[1]]}.down.{int(m[2]) - 1}."),
    (rf"{_UNET}up(\d)\.conv\.double_conv\.", lambda m: f"{_UNETS[m[1]]}.up.{int(m[2]) - 1}."),
    (rf"{_UNET}outc\.conv\.", lambda m: f"{_UNETS[m[1]]}.head."),
)
"""Patterns that rename the 280 keys of the authors' checkpoint; see `rename_keys`."""


def base_channels(width: float) -> int:
    """Return the channel count of the first U-Net level: ``64 * width``, even, at least 8."""
    return max(8, round(_FULL_BASE * width / _STEP) * _STEP)


class GuidingPainterNetwork(nn.Module):
    """Segmenter f, which divides sketches, and generator g, which colorizes sketches.

    Args:
        width: Multiplier for the channel counts of g; 1.0 matches the paper.
        segmenter_width: Multiplier for the channel counts of f; 1.0 matches the paper.
        generator: Class of g.
    """

    def __init__(
        self, width: float = 1.0, segmenter_width: float = 1.0, generator: type[UNet] = UNet
    ) -> None:
        super().__init__()
        self.segmenter = UNet(1, SEGMENTS, base_channels(segmenter_width))
        self.colorizer = generator(1 + 3 + 1 + SEGMENTS, 3, base_channels(width))

    def divide(self, sketch: Tensor) -> Tensor:
        """Return segment logits ``(B, 30, H, W)`` for sketches ``(B, 1, H, W)`` in [0, 1]."""
        logits: Tensor = self.segmenter(2 * sketch - 1)
        return logits.float()

    def generate(self, sketch: Tensor, color: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        """Generate images ``(B, 3, H, W)`` in [-1, 1] from sketches and hints.

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            color: ``(B, 3, H, W)`` in [-1, 1], hint color; 0 at pixels without a hint.
            mask: ``(B, 1, H, W)`` in {0, 1}; 1 at pixels with a hint.
            segments: ``(B, 30, H, W)``, one-hot segment of each pixel.
        """
        x = torch.cat([2 * sketch - 1, color, mask, segments], dim=1)
        return torch.tanh(self.colorizer(x).float())


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


def look_up_hints(index: Tensor, colors: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Build hint maps from segment indices and colors, without gradients for the indices.

    Args:
        index: ``(B, 1, H, W)`` int64, segment of each pixel.
        colors: ``(B, N, 3)``, color of each segment.
        given: ``(B, N)`` in {0, 1}, 1 for segments with a hint.

    Returns:
        Hint colors ``(B, 3, H, W)``, which are 0 at pixels without a hint, and hint mask ``(B, 1, H, W)``.
    """
    batch, _, height, width = index.shape
    active = given[..., None].to(colors)
    table = torch.cat([colors * active, active], dim=2).transpose(1, 2)
    filled = table.gather(2, index.flatten(2).expand(-1, 4, -1)).view(batch, 4, height, width)
    return filled[:, :3], filled[:, 3:]


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
    indices = []
    for index, lines in zip(segments[:, 0].cpu().numpy(), sketch[:, 0].detach().cpu().numpy(), strict=True):
        # divide each segment into its connected ink-free parts; all ink is one piece of weight 0
        ink = lines < _INK
        pieces = np.zeros(index.shape, np.int64)
        weights: list[float] = []
        for rank, segment in enumerate(np.unique(index)):
            components, _ = ndimage.label((index == segment) & ~ink)  # 1, 2, ... for pieces of the segment
            is_inside = components > 0
            pieces[is_inside] = len(weights) + components[is_inside] - 1
            need = needs[segment] if needs else _KEPT**rank
            weights += [float(area) * need for area in np.bincount(components[is_inside])[1:]]
        if ink.any():
            pieces[ink] = len(weights)
            weights.append(0.0)

        # keep the large pieces of the highest weights, and the ink as the last piece
        areas = np.bincount(pieces.ravel(), minlength=len(weights))
        order = np.argsort(-np.array(weights), kind="stable")
        ink_piece = [piece for piece in order if weights[piece] == 0]
        large = [piece for piece in order if weights[piece] and areas[piece] >= _SMALLEST * pieces.size]
        kept = [*large[: most - len(ink_piece)], *ink_piece] or list(order[:1])
        rank_of_piece = np.full(len(weights), -1)  # -1 for pieces to be merged
        rank_of_piece[kept] = np.arange(len(kept))
        ranks = rank_of_piece[pieces]

        # merge the other pieces with the nearest piece
        nearest = ndimage.distance_transform_edt(ranks < 0, return_distances=False, return_indices=True)
        indices.append(ranks[tuple(nearest)])
    return torch.from_numpy(np.stack(indices))[:, None].to(segments.device)


def _without_colors(logits: Tensor) -> Regions:
    colors = logits.new_zeros(len(logits), SEGMENTS, 3)
    return Regions(logits.argmax(1, keepdim=True), colors, torch.zeros_like(colors[..., 0]))


class GuidingPainter(ColoringModel, RegionModel):
    """Sketch colorization from the colors of proposed regions.

    Args:
        width: Multiplier for the channel counts of the generator g.
        segmenter_width: Multiplier for the channel counts of the segmenter f.
        segmenter_side: Maximum shorter side of f's input in pixels; see `DownsampledNetwork`. None sets no
            maximum.
        pieces: Whether to propose pieces of segments instead of whole segments; see `cut_segments`.
        needs: Weights of the 30 segments by which `cut_segments` sorts pieces; an empty tuple selects the
            default weights.
        hint_residual: Whether the output is predicted relative to the hint colors; see `ResidualUNet`.
    """

    accepts = frozenset({"regions"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    published_names = NAMES
    published_unused = r"^gan_loss\."
    network: GuidingPainterNetwork

    def __init__(
        self,
        width: Width = 1.0,
        segmenter_width: Width = 1.0,
        segmenter_side: PositiveInt | None = None,
        pieces: bool = False,
        needs: tuple[float, ...] = (),
        hint_residual: bool = False,
    ) -> None:
        generator = ResidualUNet if hint_residual else UNet
        if segmenter_side is None:
            network = GuidingPainterNetwork(width, segmenter_width, generator)
        else:
            network = DownsampledNetwork(segmenter_side, width, segmenter_width, generator)
        initialize_gan(network)
        super().__init__(network)
        self.pieces, self.needs = pieces, needs

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Colorize sketches ``(B, 1, H, W)`` in [0, 1] with the colors of regions.

        If ``guidance`` contains no regions, the segmenter f divides the sketch into regions without colors.

        Raises:
            GuidanceError: ``guidance`` contains more than 30 regions or colors outside [0, 1].
        """
        regions = guidance.regions if guidance is not None else None
        if regions is None:
            regions = _without_colors(self.network.divide(lightness))

        # pad the colors to 30 segments; added entries have no hint
        missing = SEGMENTS - regions.rgb.shape[1]
        if missing < 0:
            raise GuidanceError(
                f"at most {SEGMENTS} regions can be colored, got colors for {regions.rgb.shape[1]} regions"
            )
        if not is_traced():
            low, high = regions.rgb.aminmax()
            if not 0 <= low <= high <= 1:
                raise GuidanceError(f"region colors must be in [0, 1], got {low:g} to {high:g}")
        rgb, given = F.pad(regions.rgb, (0, 0, 0, missing)), F.pad(regions.given, (0, missing))

        color, mask = look_up_hints(regions.index, 2 * rgb - 1, given)
        segments = one_hot(regions.original_segments, SEGMENTS)
        generated = self.network.generate(lightness, color, mask, segments)  # in [-1, 1]
        return RgbPrediction(rgb=(generated + 1) / 2)

    def propose(self, lightness: Tensor) -> Regions:
        """Propose regions of sketches ``(B, 1, H, W)`` in [0, 1], the most useful region first."""
        device = lightness.device.type
        with torch.autocast(device, enabled=False):  # rounding must not move pixels between regions
            logits = self.network.divide(lightness.float())
        regions = _without_colors(logits)
        if not self.pieces:
            return regions
        index = cut_segments(regions.index, lightness, SEGMENTS, self.needs)
        return replace(regions, index=index, segments=regions.index)


class PointPainter(ColoringModel):
    """Baseline for GuidingPainter: the generator g with color points instead of regions.

    The paper uses the network of Zhang et al. 2017 as its baseline instead.

    Args:
        width: Multiplier for the channel counts; 1.0 matches the generator g of the paper.
        hint_residual: Whether the output is predicted relative to the hint colors; see `ResidualUNet`.
    """

    accepts = frozenset({"points"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    network: UNet

    def __init__(
        self,
        width: Width = 1.0,
        hint_residual: bool = False,
    ) -> None:
        generator = ResidualUNet if hint_residual else UNet
        network = generator(1 + 3 + 1, 3, base_channels(width))
        initialize_gan(network)
        super().__init__(network)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Colorize sketches ``(B, 1, H, W)`` in [0, 1] with color points."""
        points = points_of(guidance, lightness)
        color = point_colors(points)
        x = torch.cat([2 * lightness - 1, color * points.mask, points.mask], dim=1)
        return RgbPrediction(rgb=(torch.tanh(self.network(x).float()) + 1) / 2)
