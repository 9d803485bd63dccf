"""Simulated color points for training and evaluation.

Training follows Zhang et al. 2017 (sec. 3.2). The points of an image are square patches filled with their
mean ab. The number of patches has a geometric distribution, and their positions have a Gaussian distribution.
In some images every pixel is a hint, so that the network learns to copy hints. All functions are batched and
run on the device of ``ab``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.card import GuidanceKind
from colorzoo.color import rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Points
from colorzoo.randomness import Generators, copy_to, draw_uniform, image_generators
from colorzoo.simulation.session import InputFunction, SessionResult, TargetImage

MAX_POINTS = 256  # the paper's geometric distribution exceeds this number once in 10^15 images
_IMAGE_DRAWS = 5  # random numbers per image that decide the number of points
_LAB = 3  # number of channels


def simulate_points(
    ab: Tensor,
    generators: Generators,
    *,
    stop_probability: float = 1 / 8,
    max_side: int = 9,
    spread: float = 0.25,
    reveal_all: float = 0.01,
    many: float = 0.0,
    most: int = 64,
    none: float = 0.0,
) -> Points:
    """Draw random points for training, colored with the ground truth.

    The defaults are the distribution of Zhang et al. 2017 ("the paper").

    Args:
        ab: ``(B, 2, H, W)`` true colors in CIE units, or Lab ``(B, 3, H, W)`` for points with lightness.
        generators: A random generator for the batch, or a generator for each image. With a generator for each
            image, the points of an image do not depend on the rest of the batch.
        stop_probability: Parameter p of the geometric distribution P(n) = (1 - p)^n p, where n is the number
            of points. The paper uses 1/8, so the mean is 7.
        max_side: Maximum side of a patch in pixels. Sides are uniformly distributed from 1 to ``max_side``.
        spread: Standard deviation of the Gaussian positions, as a fraction of the image size minus the patch
            size.
        reveal_all: Fraction of images whose true colors are revealed at every pixel.
        many: Fraction of images with a log-uniform number of points from 1 to ``most``. These images train
            the network to use many points. The fraction is 0 in the paper.
        most: Maximum number of points in the images selected by ``many``.
        none: Fraction of images without points; takes precedence over the other settings.
    """
    batch, _, height, width = ab.shape
    # draw on the CPU, so that patch sizes can be read without a device synchronization
    lengths = [_IMAGE_DRAWS, MAX_POINTS, MAX_POINTS, MAX_POINTS]
    draws = draw_uniform(generators, batch, sum(lengths), torch.device("cpu"))
    image_draws, side_draws, row_draws, column_draws = torch.split(draws, lengths, dim=1)
    geometric_draws, log_uniform_draws, many_draws, reveal_draws, none_draws = image_draws.unbind(dim=1)

    # number of points of each image, (B,)
    log_continue = math.log1p(-stop_probability) if stop_probability < 1 else -math.inf
    geometric = ((1 - geometric_draws).log() / log_continue).floor()
    log_uniform = torch.exp(log_uniform_draws * math.log(most + 1)).floor()
    counts = torch.where(many_draws < many, log_uniform, geometric)
    counts = torch.where(none_draws < none, torch.zeros_like(counts), counts)
    counts = counts.clamp(max=MAX_POINTS).long()

    max_count = max(1, int(counts.numpy().max()))  # `fill_patches` needs at least one patch
    side = 1 + (side_draws[:, :max_count] * min(max_side, height, width)).floor()
    largest = int(side.numpy().max())
    position_draws = torch.stack([row_draws, column_draws], dim=-1)[:, :max_count]

    # top-left pixels of the patches, with a Gaussian distribution around the image center
    counts, side, position_draws = (copy_to(each, ab.device) for each in (counts, side, position_draws))
    free = torch.stack([height - side, width - side], dim=-1)
    # inverse normal distribution function
    normal = math.sqrt(2) * torch.erfinv((2 * position_draws - 1).clamp(-1 + 1e-6, 1 - 1e-6))
    corner = (free + 1) / 2 + normal * (free + 1) * spread
    corner = torch.minimum(corner.clamp(min=0), free).long()
    valid = torch.arange(max_count, device=ab.device) < counts[:, None]
    points = fill_patches(ab, corner, side.long(), valid, largest)

    # images whose true colors are revealed at every pixel
    reveal = copy_to(reveal_draws < reveal_all, ab.device).view(-1, 1, 1, 1)
    return Points(
        torch.where(reveal, ab[:, -2:], points.ab),
        torch.where(reveal, 1.0, points.mask),
        None if points.lightness is None else torch.where(reveal, ab[:, :1], points.lightness),
    )


def uniform_points(
    ab: Tensor, count: int, generators: Generators, *, side: int = 6, aligned: bool = False
) -> Points:
    """Draw points at uniformly random positions (Zhang et al. 2017, sec. 4.1).

    Each point is a square patch filled with its mean color.

    Args:
        ab: ``(B, 2, H, W)`` true colors in CIE units, or Lab ``(B, 3, H, W)`` for points with lightness.
        count: Number of patches per image; 0 returns no hints.
        generators: A random generator for the batch, or a generator for each image.
        side: Side of a patch in pixels.
        aligned: Whether patches are cells of a grid with this side, as in Yun et al. 2023.
    """
    if count == 0:
        return Points.none(ab)
    batch, _, height, width = ab.shape
    side = min(side, height, width)
    step = side if aligned else 1  # distance between possible rows or columns of the top-left pixel
    # numbers of possible rows and possible columns
    choices = torch.tensor([(length - side) // step + 1 for length in (height, width)], device=ab.device)
    draws = draw_uniform(generators, batch, 2 * count, ab.device).view(batch, count, 2)
    chosen = (draws * choices).long()
    return _equal_patches(ab, corner=chosen * step, side=side)


def _equal_patches(ab: Tensor, corner: Tensor, side: int) -> Points:
    sides = torch.full(corner.shape[:2], side, device=ab.device)
    return fill_patches(ab, corner, sides, torch.ones_like(sides, dtype=torch.bool), side)


def fill_patches(ab: Tensor, corner: Tensor, side: Tensor, valid: Tensor, largest: int) -> Points:
    """Create points: square patches, filled with the mean color of the image in each patch.

    Later patches cover earlier patches.

    Args:
        ab: ``(B, 2, H, W)`` in CIE units, or Lab ``(B, 3, H, W)`` for points with lightness.
        corner: ``(B, N, 2)`` int64 row and column of each patch's top-left pixel.
        side: ``(B, N)`` int64 side of each patch in pixels; patches must lie inside the image.
        valid: ``(B, N)`` bool; False for padding entries.
        largest: Maximum value of ``side``.
    """
    batch, channels, height, width = ab.shape
    patch_count = side.shape[1]
    padded_area = largest**2  # pixels per patch, with padding

    # index of each pixel in the flattened image, and whether the pixel belongs to the patch; patches are
    # padded to squares with the side `largest`, so that both tensors are (B, N * padded_area)
    step = torch.arange(largest, device=corner.device)
    row = (corner[..., 0, None, None] + step[:, None]).clamp(max=height - 1)
    column = (corner[..., 1, None, None] + step).clamp(max=width - 1)
    pixels = (row * width + column).flatten(1)
    within = step < side[..., None]
    inside = (within[..., :, None] & within[..., None, :] & valid[..., None, None]).flatten(1)

    # mean color of each patch
    values = ab.flatten(2).take_along_dim(pixels[:, None], dim=2) * inside[:, None]
    sums = values.view(batch, channels, patch_count, padded_area).sum(dim=3)
    means = sums / side[:, None].square()

    # number of the last patch that covers each pixel, starting at 1; 0 without a patch
    numbers = torch.arange(1, patch_count + 1, device=ab.device).repeat_interleave(padded_area)
    top_number = torch.zeros(batch, height * width, dtype=torch.long, device=ab.device)
    top_number.scatter_reduce_(1, pixels, numbers * inside, reduce="amax")

    mask = (top_number > 0)[:, None].to(ab.dtype)
    top_index = (top_number - 1).clamp(min=0)  # 0 also without a patch; the mask removes this color
    colors = (means.take_along_dim(top_index[:, None], dim=2) * mask).view_as(ab)
    lightness = colors[:, :1] if channels == _LAB else None
    return Points(colors[:, -2:], mask.view(batch, 1, height, width), lightness)


@dataclass(frozen=True)
class UniformPoints:
    """Simulated user that places points at uniformly random positions.

    Examples:
        >>> lab = torch.full((1, 3, 32, 48), 50.0)
        >>> target = TargetImage(lab[:, :1], colorzoo.lab_to_rgb(lab), lab[:, 1:], seed=0)
        >>> gray = SessionResult(torch.zeros(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> guidance, interactions = UniformPoints(side=4).begin(target, gray, None)(3, gray)
        >>> interactions, guidance.points.ab.shape
        (3, torch.Size([1, 2, 32, 48]))

    The evaluation of Zhang et al. 2017 (sec. 4.1) uses such points. Their positions depend neither on the
    result nor on the total number of points.

    Attributes:
        side: Side in pixels of each point, a square filled with the mean ground-truth color inside it.
        aligned: Whether points are cells of a grid with this side, as in Yun et al. 2023.
    """

    side: int = 6
    aligned: bool = False
    kind: ClassVar[GuidanceKind] = "points"
    adaptive: ClassVar[bool] = False

    def begin(self, target: TargetImage, first: SessionResult, model: object) -> InputFunction:
        """Start a session and return its `InputFunction`; see `SimulatedUser.begin`."""

        def give_input(count: int, _: SessionResult) -> tuple[Guidance, int]:
            generators = image_generators(torch.tensor([target.seed]), "points")
            points = uniform_points(
                _true_lab(target), count, generators, side=self.side, aligned=self.aligned
            )
            return Guidance(points=points), count

        return give_input


@dataclass(frozen=True)
class MostWrongPoints:
    """Simulated user that places each point on the patch with the largest mean error.

    Examples:
        >>> lab = torch.full((1, 3, 32, 48), 50.0)
        >>> target = TargetImage(lab[:, :1], colorzoo.lab_to_rgb(lab), lab[:, 1:], seed=0)
        >>> gray = SessionResult(torch.zeros(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> guidance, interactions = MostWrongPoints(side=4).begin(target, gray, None)(1, gray)
        >>> interactions, guidance.points.ab.shape
        (1, torch.Size([1, 2, 32, 48]))

    The error is the squared ab distance between the current result and the ground truth.

    Attributes:
        side: Side of a patch in pixels.
    """

    side: int = 6
    kind: ClassVar[GuidanceKind] = "points"
    adaptive: ClassVar[bool] = True

    def begin(self, target: TargetImage, first: SessionResult, model: object) -> InputFunction:
        """Start a session and return its `InputFunction`; see `SimulatedUser.begin`."""
        side = min(self.side, *target.ab.shape[-2:])

        def choose_corner(result: SessionResult, given: Points) -> Tensor:
            error = (result.ab - target.ab).square().sum(dim=1, keepdim=True)
            means = F.avg_pool2d(error * (1 - given.mask), side, stride=1)
            return torch.tensor(divmod(int(means.flatten().argmax()), means.shape[-1]))

        return _add_patches_one_by_one(target, side, choose_corner)


@dataclass(frozen=True)
class ProposedPoints:
    """Simulated user that places points at positions proposed by the model.

    Examples:
        >>> class Center:
        ...     def propose_points(self, lightness, guidance):
        ...         return torch.tensor([[lightness.shape[-2] // 2, lightness.shape[-1] // 2]])
        ...
        >>> lab = torch.full((1, 3, 32, 48), 50.0)
        >>> target = TargetImage(lab[:, :1], colorzoo.lab_to_rgb(lab), lab[:, 1:], seed=0)
        >>> gray = SessionResult(torch.zeros(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> guidance, interactions = ProposedPoints(side=4).begin(target, gray, Center())(1, gray)
        >>> int(guidance.points.mask.sum())
        16

    The model must have the method ``propose_points``; see `Center` in the example.

    Attributes:
        side: Side of a patch in pixels.
    """

    side: int = 6
    kind: ClassVar[GuidanceKind] = "points"
    adaptive: ClassVar[bool] = True

    def begin(self, target: TargetImage, first: SessionResult, model: object) -> InputFunction:
        """Start a session and return its `InputFunction`; see `SimulatedUser.begin`."""
        if not hasattr(model, "propose_points"):
            raise GuidanceError(
                f"this simulated user requires a model that proposes points, got {type(model).__name__}. "
                "Use the simulated user 'uniform_points'."
            )
        side = min(self.side, *target.ab.shape[-2:])
        limit = torch.tensor(target.ab.shape[-2:]) - side

        def choose_corner(_: SessionResult, given: Points) -> Tensor:
            center = model.propose_points(target.lightness, Guidance(points=given)).cpu()
            return torch.minimum((center - side // 2).clamp(min=0), limit)[0]

        return _add_patches_one_by_one(target, side, choose_corner)


def _add_patches_one_by_one(
    target: TargetImage, side: int, choose_corner: Callable[[SessionResult, Points], Tensor]
) -> InputFunction:
    """Return an input function that adds one patch per interaction.

    Args:
        target: Image to colorize, with the ground truth that fills the patches.
        side: Side of a patch in pixels.
        choose_corner: Function that returns the row and column of the top-left pixel of the next patch from
            the current result and the existing points.
    """
    corners: list[Tensor] = []
    lab = _true_lab(target)

    def current_points() -> Points:
        if not corners:
            return Points.none(lab)
        return _equal_patches(lab, torch.stack(corners)[None].to(lab.device), side)

    def give_input(count: int, result: SessionResult) -> tuple[Guidance, int]:
        while len(corners) < count:
            corners.append(choose_corner(result, current_points()))
        return Guidance(points=current_points()), len(corners)

    return give_input


def _true_lab(target: TargetImage) -> Tensor:
    """Return the true Lab colors, because models of sketches use the lightness of points."""
    return torch.cat([rgb_to_lab(target.rgb)[:, :1], target.ab], dim=1)
