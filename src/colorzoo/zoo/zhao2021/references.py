"""References of training, each made from its picture and the picture's own seed, as the authors' code does.

Uniform noise, a thin plate spline that moves two points of the diagonal, mirroring, and a turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb
from colorzoo.randomness import draw_uniform, picture_generators

if TYPE_CHECKING:
    from colorzoo.data.dataset import Batch

_NOISE = 5.0  # levels of 255
_POINTS, _RANGES = (0.3, 0.7), (-0.25, 0.25)  # places on the diagonal, and how far they move along it
_TRIES = 8  # one in a hundred draws is refused
_CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
_RADIAL_EPSILON = 1e-6


def reference_of(batch: Batch) -> Tensor:
    """Return the references of a batch: those that the data give, or what is made of the pictures."""
    given: Tensor | None = dict(batch).get("reference")  # type: ignore[assignment]
    return made_reference(batch["rgb"], batch["seed"]) if given is None else given


def gray_picture(luma: Tensor) -> Tensor:
    """Return the picture ``(B, 3, H, W)`` in [0, 1] of lightness ``(B, 1, H, W)`` alone."""
    return lab_to_rgb(F.pad(luma, (0, 0, 0, 0, 0, 2)))


def made_reference(rgb: Tensor, seeds: Tensor) -> Tensor:
    """Make references ``(B, 3, H, W)`` in [0, 1] of pictures ``(B, 3, H, W)``.

    Args:
        rgb: In [0, 1].
        seeds: ``(B,)``, the pictures' own.
    """
    generators = picture_generators(seeds, "referen")
    noise = torch.stack([torch.rand(rgb.shape[1:], generator=each) for each in generators])
    draws = draw_uniform(generators, len(rgb), 4 * _TRIES + 3, torch.device("cpu"))
    levels = add_noise(255 * rgb, _NOISE * (2 * noise - 1))
    moves = diagonal_moves(draws[:, 3:].view(len(rgb), _TRIES, 4))
    warped = warp(levels, spline(moves), moves)
    return mirror_and_turn(warped, draws[:, :2] < 0.5, 360.0 * draws[:, 2]) / 255


def add_noise(levels: Tensor, noise: Tensor) -> Tensor:
    """Add noise to pictures ``(B, 3, H, W)`` in [0, 255], which stay there."""
    return (levels.float() + noise.to(levels)).clamp(0, 255)


def diagonal_moves(draws: Tensor) -> Tensor:
    """Return two places on the diagonal and how far each moves, ``(B, 4)`` float64 in shares of the side.

    Args:
        draws: ``(B, T, 4)`` uniform on [0, 1); the first of the T tries whose points do not end at one place
            is taken.
    """
    low = draws.new_tensor([_POINTS[0], _POINTS[0], _RANGES[0], _RANGES[0]], dtype=torch.float64)
    high = draws.new_tensor([_POINTS[1], _POINTS[1], _RANGES[1], _RANGES[1]], dtype=torch.float64)
    hundredths = (100 * (low + (high - low) * draws)).round()
    ends = hundredths[..., :2] + hundredths[..., 2:]
    apart = (ends[..., 0] != ends[..., 1]).long()
    return hundredths[torch.arange(len(draws)), apart.argmax(dim=1)] / 100


def spline(moves: Tensor) -> Tensor:
    """Fit thin plate splines, from the moved points to how far each came.

    Args:
        moves: ``(B, 4)``, see `diagonal_moves`; the corners stand still.

    Returns:
        ``(B, 9, 2)`` float64, x and y: the weights of four corners and two points, a constant, and the
        factors of x and of y.
    """
    moves = moves.double()
    control = _control(moves)
    system = moves.new_zeros(len(moves), 9, 9)
    system[:, :6, :6] = _radial(control, control)
    plane = torch.cat([torch.ones_like(control[..., :1]), control], dim=2)
    system[:, :6, 6:], system[:, 6:, :6] = plane, plane.mT
    back = moves.new_zeros(len(moves), 9, 2)
    back[:, 4:6] = -moves[:, 2:, None]
    theta: Tensor = torch.linalg.solve(system, back)
    return theta


def warp(levels: Tensor, theta: Tensor, moves: Tensor) -> Tensor:
    """Look up pictures ``(B, 3, H, W)`` in [0, 255] where splines say, in whole levels; outside is black."""
    height, width = levels.shape[-2:]
    places = sample_places(theta, moves, (height, width)).to(levels)
    half = levels.new_tensor([1 / width, 1 / height])  # from the corner of a pixel to its center
    grid = 2 * places + half - 1
    found = F.grid_sample(levels, grid, mode="bicubic", padding_mode="zeros", align_corners=False)
    return found.clamp(0, 255).floor()


def sample_places(theta: Tensor, moves: Tensor, size: tuple[int, int]) -> Tensor:
    """Return where each pixel looks, ``(B, H, W, 2)``: x and y in shares of width and height.

    Pixels lie from 0 to 1, both included, so the last row and column look outside even where nothing moves.

    Args:
        theta: ``(B, 9, 2)``, see `spline`.
        moves: ``(B, 4)``, see `diagonal_moves`.
        size: Height and width.
    """
    lines = [torch.linspace(0, 1, length, dtype=theta.dtype, device=theta.device) for length in size]
    y, x = torch.meshgrid(*lines, indexing="ij")
    pixels = torch.stack([x.flatten(), y.flatten()], dim=1).expand(len(theta), -1, -1)
    basis = torch.cat(
        [_radial(pixels, _control(moves.to(theta))), torch.ones_like(pixels[..., :1]), pixels], 2
    )
    return (pixels + basis @ theta).view(len(theta), *size, 2)


def mirror_and_turn(pictures: Tensor, mirrored: Tensor, degrees: Tensor) -> Tensor:
    """Mirror pictures ``(B, 3, H, W)`` and turn them counterclockwise; outside is black.

    The nearest pixel counts.

    Args:
        pictures: Any values.
        mirrored: ``(B, 2)`` bool: left and right, top and bottom.
        degrees: ``(B,)``.
    """
    height, width = pictures.shape[-2:]
    device = pictures.device
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64) + 0.5 - height / 2,
        torch.arange(width, dtype=torch.float64) + 0.5 - width / 2,
        indexing="ij",
    )
    angle = torch.deg2rad(degrees.double())[:, None, None]
    column = (angle.cos() * x - angle.sin() * y + width / 2).floor().long()
    row = (angle.sin() * x + angle.cos() * y + height / 2).floor().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    column = torch.where(mirrored[:, :1, None], width - 1 - column, column)
    row = torch.where(mirrored[:, 1:, None], height - 1 - row, row)
    index = (row * width + column).where(inside, 0).flatten(1)[:, None].to(device)
    found = pictures.flatten(2).gather(2, index.expand(-1, pictures.shape[1], -1)).view(pictures.shape)
    return found * inside[:, None].to(found)


def _control(moves: Tensor) -> Tensor:
    """Return where the six control points end, ``(B, 6, 2)``."""
    ends = (moves[:, :2] + moves[:, 2:])[..., None].expand(-1, -1, 2)
    return torch.cat([moves.new_tensor(_CORNERS).expand(len(moves), -1, -1), ends], dim=1)


def _radial(places: Tensor, control: Tensor) -> Tensor:
    """Return r^2 log(r + 1e-6) between places ``(B, N, 2)`` and control points ``(B, K, 2)``."""
    distance = (places[:, :, None] - control[:, None]).square().sum(dim=3).sqrt()
    return distance.square() * (distance + _RADIAL_EPSILON).log()
