"""Nearest neighbors do not depend on the precision of matrix products."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from colorzoo.color import nearest_bin, soft_encode
from colorzoo.drawing.region_colors import near_colors
from colorzoo.precision import distances
from colorzoo.zoo.colorzoo2026_drawing.model import soft_assign
from colorzoo.zoo.huang2022.network import Quantizer
from colorzoo.zoo.lee2020.task import corresponding_places

aten = torch.ops.aten


def rounded(tensor: Tensor) -> Tensor:
    """Round to the 11 significant bits of TF32."""
    mantissa, exponent = torch.frexp(tensor)
    return torch.ldexp((mantissa * 2**11).round() / 2**11, exponent)


class TF32(TorchDispatchMode):
    """Round the factors of matrix products, also of those within `torch.cdist`."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket
        if name in (aten.mm, aten.bmm):
            args = tuple(map(rounded, args))
        elif name == aten._euclidean_dist:
            one, other = args
            squares = one.square().sum(-1)[..., None] + other.square().sum(-1)[..., None, :]
            return (squares - 2 * rounded(one) @ rounded(other).mT).clamp(min=0).sqrt()
        return func(*args, **(kwargs or {}))


def draw(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def codes() -> Tensor:
    quantizer = Quantizer(128, 16)
    quantizer.embedding.weight.data = draw(128, 16)
    return quantizer.nearest(draw(2, 16, 8, 8) * 0.9)


FUNCTIONS: dict[str, Callable[[], Tensor]] = {
    "nearest_bin": lambda: nearest_bin(200 * draw(5000, 2) - 100),
    "soft_encode": lambda: soft_encode(200 * draw(500, 2) - 100),
    "soft_assign": lambda: soft_assign(2 * draw(500, 3) - 1, 2 * draw(256, 3) - 1)[0],
    "near_colors": lambda: near_colors(2 * draw(256, 3) - 1),
    "Quantizer.nearest": codes,
    "corresponding_places": lambda: corresponding_places(draw(2, 2, 32, 32))[0],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nearest_points_do_not_depend_on_tf32(name: str) -> None:
    torch.manual_seed(0)
    expected = FUNCTIONS[name]()
    with TF32():
        found = FUNCTIONS[name]()
    assert torch.equal(found, expected)


def test_distances_of_many_points_are_exact_for_equal_points() -> None:
    points = 100 + draw(60, 3)
    assert (distances(points, points).diagonal() == 0).all()
    expected = (points.double()[:, None] - points.double()).norm(dim=2)
    torch.testing.assert_close(distances(points, points).double(), expected, atol=1e-4, rtol=1e-5)
