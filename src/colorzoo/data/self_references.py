"""Self-supervised exemplars: batches of references that are derived from the targets."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.precision import distances, in_float32
from colorzoo.randomness import Generators, draw_uniform


@in_float32
def crop_flip_reference(
    rgb: Tensor,
    generators: Generators,
    *,
    scale: tuple[float, float] = (0.98, 1.0),
    ratio: tuple[float, float] = (0.8, 1.2),
) -> Tensor:
    """Derive references as in SPColor: resized random crops, flipped with probability 0.5.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        generators: A random generator for the batch, or a generator for each image.
        scale: Range of the crop's area relative to the image's area.
        ratio: Range of the crop's aspect ratio relative to the image's aspect ratio. The crop does not extend
            beyond the image.

    Returns:
        ``(B, 3, H, W)`` float32 in [0, 1].
    """
    batch = len(rgb)
    area_draw, ratio_draw, flip_draw, x_draw, y_draw = draw_uniform(generators, batch, 5, rgb.device).T
    min_area, max_area = scale
    min_aspect, max_aspect = ratio
    area = min_area + (max_area - min_area) * area_draw
    log_aspect = math.log(min_aspect) + math.log(max_aspect / min_aspect) * ratio_draw
    aspect = torch.exp(log_aspect)
    # size of the crop relative to the image
    width = (area.sqrt() * aspect.sqrt()).clamp(max=1)
    height = (area.sqrt() / aspect.sqrt()).clamp(max=1)
    # affine map from the crop to the image, both with coordinates from -1 to 1
    theta = torch.zeros(batch, 2, 3, device=rgb.device)
    theta[:, 0, 0] = torch.where(flip_draw < 0.5, -width, width)
    theta[:, 1, 1] = height
    theta[:, 0, 2] = (1 - width) * (2 * x_draw - 1)  # center of the crop
    theta[:, 1, 2] = (1 - height) * (2 * y_draw - 1)
    grid = F.affine_grid(theta, list(rgb.shape), align_corners=False)
    return F.grid_sample(rgb.float(), grid, padding_mode="border", align_corners=False)


@in_float32
def warp_jitter_reference(
    rgb: Tensor,
    generators: Generators,
    *,
    bend: float = 0.1,
    points: int = 4,
    degrees: float = 360.0,
    jitter: float = 5 / 255,
) -> Tensor:
    """Derive references as in Color2Embed: thin-plate warp, flip, rotation, color jitter.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        generators: A random generator for the batch, or a generator for each image.
        bend: Maximum shift of a control point relative to the image side. The paper does not state its value;
            the default warps visibly without folding.
        points: Number of control points along each side.
        degrees: Maximum rotation in degrees; the angle is drawn uniformly from [0, ``degrees``].
        jitter: Maximum shift of each RGB channel; the shift is drawn uniformly from [-``jitter``,
            ``jitter``].

    Returns:
        ``(B, 3, H, W)`` float32 in [0, 1]; rotated images are padded by reflection.
    """
    batch, _, height, width = rgb.shape
    # an angle, a flip along x and y, a shift of R, G and B, and a shift of each control point in x and y
    counts = [1, 2, 3, 2 * points**2]
    draws = draw_uniform(generators, batch, sum(counts), rgb.device)
    angle_draw, flip_draws, color_draws, point_draws = torch.split(draws, counts, dim=1)
    max_shift = 2 * bend  # in coordinates of `grid_sample`, in which the image side has length 2
    point_shifts = max_shift * (2 * point_draws.view(batch, -1, 2) - 1)
    bent = thin_plate_grid(point_shifts, points, (height, width))
    # (B, 2, 2) matrices that rotate, and flip along x and y
    angle = torch.deg2rad(degrees * angle_draw[:, 0])
    cos, sin = angle.cos(), angle.sin()
    rotations = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    rotations = rotations * torch.where(flip_draws < 0.5, -1.0, 1.0)[:, None, :]
    grid = (bent @ rotations.transpose(1, 2)).view(batch, height, width, 2)
    warped = F.grid_sample(rgb.float(), grid, padding_mode="reflection", align_corners=False)
    color_shift = jitter * (2 * color_draws[:, :, None, None] - 1)
    return (warped + color_shift).clamp(0, 1)


def thin_plate_grid(shifts: Tensor, points: int, size: tuple[int, int]) -> Tensor:
    """Return the sampling grid of a thin-plate-spline warp (Bookstein 1989).

    The control points form a regular grid over the image.

    Args:
        shifts: ``(B, points ** 2, 2)`` x and y shift of each control point; the image side has length 2.
        points: Number of control points along each side. The points are ordered row by row from the top left.
        size: Height and width of the sampling grid.

    Returns:
        ``(B, H * W, 2)``: x and y in the coordinates of `torch.nn.functional.grid_sample`.
    """
    identity = torch.eye(2, 3, dtype=torch.float64, device=shifts.device)[None]
    control = F.affine_grid(identity, [1, 1, points, points], align_corners=True).view(-1, 2)
    pixels = F.affine_grid(identity, [1, 1, *size], align_corners=False).view(-1, 2)
    # the linear system [[K, P], [P^T, 0]] weights = [shifted points, 0]
    first_rows = _spline_basis(control, control)  # [K, P]
    affine = first_rows[:, -3:]  # P: 1, x and y of each control point
    system = torch.cat([first_rows, F.pad(affine.T, (0, 3))])
    shifted = F.pad(control + shifts.double(), (0, 0, 0, 3))  # three rows of zeros at the end
    weights = torch.linalg.inv(system) @ shifted
    return _spline_basis(pixels, control).float() @ weights.float()


def _spline_basis(points_xy: Tensor, control: Tensor) -> Tensor:
    """Return the basis functions of a thin-plate spline at N points, ``(N, C + 3)``.

    The functions are r^2 log r^2 of the distance r to each of the C control points, and 1, x and y.
    """
    squared = distances(points_xy, control).square()
    radial = torch.special.xlogy(squared, squared)
    return torch.cat([radial, F.pad(points_xy, (1, 0), value=1.0)], dim=1)
