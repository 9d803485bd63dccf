"""References made from the image itself: what is drawn for each, written out."""

import math

import torch
from torch import Tensor

from colorzoo.data.self_references import crop_flip_reference, thin_plate_grid, warp_jitter_reference
from colorzoo.randomness import draw_uniform, image_generators

COUNT, HEIGHT, WIDTH = 32, 27, 33
Y, X = ((2 * torch.arange(side) + 1) / side - 1 for side in (HEIGHT, WIDTH))


def shown(x: Tensor, y: Tensor) -> Tensor:
    """Return what images of red x and green y show at places of [-1, 1]."""
    edges = [1 - 1 / side for side in (WIDTH, HEIGHT)]
    return torch.stack(
        [(part.clamp(-edge, edge) + 1) / 2 for part, edge in zip((x, y), edges, strict=True)], 1
    )


def ramps() -> Tensor:
    x, y = torch.broadcast_tensors(X, Y[:, None])
    return torch.cat([shown(x[None], y[None]), torch.full((1, 1, HEIGHT, WIDTH), 0.5)], 1).expand(
        COUNT, -1, -1, -1
    )


def generators() -> list[torch.Generator]:
    return image_generators(torch.arange(COUNT), "test")


def drawn(count: int) -> tuple[Tensor, ...]:
    return draw_uniform(generators(), COUNT, count, torch.device("cpu")).T[..., None, None].unbind()


def test_a_crop_has_any_area_shape_and_place_and_half_of_them_are_mirrored() -> None:
    area, shape, mirror, left, top = drawn(5)
    area, ratio = 0.25 + 0.5 * area, 0.8 * 1.5**shape  # from 0.8 to 1.2
    wide, high = ((area * each).sqrt().clamp(max=1) for each in (ratio, 1 / ratio))
    x = torch.where(mirror < 0.5, -X, X) * wide + (1 - wide) * (2 * left - 1)
    y = Y[:, None] * high + (1 - high) * (2 * top - 1)
    made = crop_flip_reference(ramps(), generators(), scale=(0.25, 0.75), ratio=(0.8, 1.2))
    torch.testing.assert_close(made[:, :2], shown(*torch.broadcast_tensors(x, y)), atol=1e-5, rtol=0)


def reflected(place: Tensor) -> Tensor:
    return 1 - ((place + 1) % 4 - 2).abs()


def test_a_warp_bends_turns_mirrors_and_shifts_the_channels() -> None:
    turn, *mirrors = drawn(3)
    *_, shifts = draw_uniform(generators(), COUNT, 24, torch.device("cpu")).split([3, 3, 18], dim=1)
    jitter = torch.stack(drawn(6)[3:], 1)
    bent = thin_plate_grid(0.1 * (2 * shifts.view(COUNT, 9, 2) - 1), 3, (HEIGHT, WIDTH))  # 0.05 of a side
    x, y = bent.view(COUNT, HEIGHT, WIDTH, 2).unbind(dim=3)
    x, y = (torch.where(one < 0.5, -part, part) for one, part in zip(mirrors, (x, y), strict=True))
    cos, sin = (function(math.pi / 2 * turn) for function in (torch.cos, torch.sin))  # up to 90 degrees
    wanted = shown(reflected(cos * x - sin * y), reflected(sin * x + cos * y))
    wanted = torch.cat([wanted, torch.full((COUNT, 1, HEIGHT, WIDTH), 0.5)], 1) + 0.1 * (2 * jitter - 1)
    made = warp_jitter_reference(ramps(), generators(), bend=0.05, points=3, degrees=90.0, jitter=0.1)
    torch.testing.assert_close(made, wanted.clamp(0, 1), atol=2e-5, rtol=0)
