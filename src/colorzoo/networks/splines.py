"""Thin plate splines that deform images to generate training references.

Color2Embed (Zhao et al. 2021) and SCFT (Lee et al. 2020) move two points on the image diagonal. The corners
are fixed, and the spline interpolates the displacement of all other pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.precision import in_float32

TRIES = 8
"""Number of random draws per image.

`diagonal_moves` uses the first valid draw. About 1 % of the draws are invalid.
"""

_POINTS, _RANGES = (0.3, 0.7), (-0.25, 0.25)  # ranges of positions and shifts on the diagonal
_CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
_RADIAL_EPSILON = 1e-6


def diagonal_moves(draws: Tensor) -> Tensor:
    """Convert random numbers to two points on the image diagonal and a shift of each point.

    Args:
        draws: ``(B, T, 4)``: T draws from the uniform distribution on [0, 1). The first draw whose shifted
            points differ is used.

    Returns:
        ``(B, 4)`` float64: two positions, followed by two shifts, as fractions of the image side.
    """
    low = draws.new_tensor([_POINTS[0], _POINTS[0], _RANGES[0], _RANGES[0]], dtype=torch.float64)
    high = draws.new_tensor([_POINTS[1], _POINTS[1], _RANGES[1], _RANGES[1]], dtype=torch.float64)
    hundredths = (100 * (low + (high - low) * draws)).round()
    ends = hundredths[..., :2] + hundredths[..., 2:]
    apart = (ends[..., 0] != ends[..., 1]).long()
    return hundredths[torch.arange(len(draws), device=draws.device), apart.argmax(dim=1)] / 100


def spline(moves: Tensor) -> Tensor:
    """Fit thin plate splines that map the shifted points back to their sources (Bookstein 1989).

    The splines interpolate displacements at six control points: 0 at the corners of the image, and the
    negative shifts at the two shifted points.

    Args:
        moves: ``(B, 4)``, points and shifts; see `diagonal_moves`.

    Returns:
        ``(B, 9, 2)`` float64, x and y: the weights of four corners and two points, a constant, and the linear
        coefficients of x and y.
    """
    moves = moves.double()
    control = _control(moves)
    affine = torch.cat([torch.ones_like(control[..., :1]), control], dim=2)
    # the linear system [[K, P], [P^T, 0]] theta = [displacements, 0]
    system = moves.new_zeros(len(moves), 9, 9)
    system[:, :6, :6] = _radial(control, control)
    system[:, :6, 6:] = affine
    system[:, 6:, :6] = affine.mT
    displacements = moves.new_zeros(len(moves), 9, 2)
    displacements[:, 4:6] = -moves[:, 2:, None]  # equal in x and y, because the points move on the diagonal
    return torch.linalg.solve(system, displacements)


def warp(images: Tensor, theta: Tensor, moves: Tensor) -> Tensor:
    """Warp images with splines, using bicubic interpolation and zero padding.

    Bicubic interpolation overshoots at edges, so values may exceed the input range.

    Args:
        images: ``(B, C, H, W)``.
        theta: ``(B, 9, 2)``, spline coefficients; see `spline`.
        moves: ``(B, 4)``, points and shifts; see `diagonal_moves`.
    """
    height, width = images.shape[-2:]
    places = source_positions(theta, moves, (height, width)).to(images)
    half = images.new_tensor([1 / width, 1 / height])  # offset from pixel corner to pixel center
    grid = 2 * places + half - 1
    return F.grid_sample(images, grid, mode="bicubic", align_corners=False)


@in_float32
def source_positions(theta: Tensor, moves: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the source coordinates of each pixel, relative to the image size.

    The first row and column of pixels have the coordinate 0, and the last row and column have the coordinate
    1. Therefore `warp` samples the last row and column from outside the image, even without a shift.

    Args:
        theta: ``(B, 9, 2)``, spline coefficients; see `spline`.
        moves: ``(B, 4)``, points and shifts; see `diagonal_moves`.
        size: Height and width in pixels.

    Returns:
        ``(B, H, W, 2)``: x and y as fractions of width and height.
    """
    rows, columns = (torch.linspace(0, 1, length, dtype=theta.dtype, device=theta.device) for length in size)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    pixels = torch.stack([x.flatten(), y.flatten()], dim=1).expand(len(theta), -1, -1)
    radial = _radial(pixels, _control(moves.to(theta)))
    basis = torch.cat([radial, torch.ones_like(pixels[..., :1]), pixels], dim=2)
    displacements = basis @ theta
    return (pixels + displacements).view(len(theta), *size, 2)


def _control(moves: Tensor) -> Tensor:
    """Return the shifted control points, ``(B, 6, 2)``."""
    ends = (moves[:, :2] + moves[:, 2:])[..., None].expand(-1, -1, 2)
    return torch.cat([moves.new_tensor(_CORNERS).expand(len(moves), -1, -1), ends], dim=1)


def _radial(places: Tensor, control: Tensor) -> Tensor:
    """Return r^2 log(r + 1e-6) between points ``(B, N, 2)`` and control points ``(B, K, 2)``."""
    distance = (places[:, :, None] - control[:, None]).square().sum(dim=3).sqrt()
    return distance.square() * (distance + _RADIAL_EPSILON).log()
