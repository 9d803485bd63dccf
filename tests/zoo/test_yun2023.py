"""iColoriT: hint cells, network input, output size, and attention head."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo.errors import ColorzooError
from colorzoo.factory import build_model
from colorzoo.guidance import Points
from colorzoo.zoo.yun2023.network import NeighborAttentionHead, hint_cells, hint_image
from colorzoo.zoo.yun2023.task import CosineFromZero, Yun2023

TINY = {"width": 48, "heads": 3, "depth": 2, "side": 32}


def narrow(**settings: Any) -> Yun2023:
    torch.manual_seed(0)
    return build_model(Yun2023, {**TINY, **settings}).eval()


def test_decay_to_a_learning_rate_above_the_first_rate_raises() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-6)
    with pytest.raises(ColorzooError, match="final"):
        CosineFromZero(optimizer, total_steps=10)


def one_point(
    size: tuple[int, int], row: int, column: int, ab: tuple[float, float] = (40.0, -20.0)
) -> Points:
    points = Points.none(torch.zeros(1, 1, *size))
    points.ab[0, :, row, column], points.mask[0, 0, row, column] = torch.tensor(ab), 1
    return points


def test_hint_cells_puts_a_point_into_the_cell_of_its_position() -> None:
    for size, place, cell in (
        ((224, 224), (47, 91), (23, 45)),
        ((300, 500), (299, 0), (111, 0)),
        ((300, 500), (150, 250), (56, 56)),
        ((37, 53), (36, 52), (110, 110)),  # the center of the last pixel
        ((1, 1), (0, 0), (56, 56)),
    ):
        ab, mask = hint_cells(one_point(size, *place), 112)
        assert mask.nonzero()[:, 2:].tolist() == [list(cell)], (size, place)
        assert ab[0, :, cell[0], cell[1]].tolist() == [40.0, -20.0]


def test_hint_cells_averages_the_points_of_a_cell() -> None:
    points = one_point((448, 224), 0, 0, (10.0, 0.0))
    points.ab[0, :, 3, 1], points.mask[0, 0, 3, 1] = torch.tensor([30.0, -8.0]), 1
    points.ab[0, :, 2, 0] = 99  # not a hint, because its mask is 0
    ab, mask = hint_cells(points, 112)
    assert mask.sum() == 1
    assert ab[0, :, 0, 0].tolist() == [20.0, -4.0]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(hint_cells(points, 112)[0], ab)


def test_hint_image_shrinks_noise_as_pillow_does() -> None:
    lightness = 100 * torch.rand(1, 1, 90, 120, generator=torch.Generator().manual_seed(0))
    gray = Image.fromarray(lightness[0, 0].numpy()).resize((32, 32), Image.Resampling.BILINEAR)
    seen = hint_image(lightness, Points.none(lightness), 32, 0.5)[0, 0]
    assert np.allclose(seen, (np.asarray(gray) - 50) / 100, atol=1e-4)


def test_hint_image_resizes_lightness_and_hints_to_the_network_input() -> None:
    lightness = torch.linspace(0, 100, 60).view(1, 1, 1, 60).expand(1, 1, 45, 60)
    seen = hint_image(lightness, one_point((45, 60), 0, 59), 32, 0.5)
    assert seen.shape == (1, 4, 32, 32)
    assert seen[0, 0, 0, 0] == pytest.approx(-0.5, abs=0.02)
    assert seen[0, 0, 0, -1] == pytest.approx(0.5, abs=0.02)
    where = seen[0, 3] > 0
    assert where.nonzero().tolist() == [[0, 30], [0, 31], [1, 30], [1, 31]]
    assert seen[0, 1:3, 0, 31].tolist() == pytest.approx([40 / 110, -20 / 110])
    assert not seen[0, 1:3, ~where].any()
    assert set(seen[0, 3].unique().tolist()) == {-0.5, 0.5}


def test_yun2023_output_has_the_size_of_the_image() -> None:
    for size in [(32, 32), (45, 61), (300, 200), (7, 5)]:
        network = narrow().model.network
        ramp = torch.linspace(-0.5, 0.5, 32)
        generated = torch.stack([ramp.expand(32, 32), ramp[:, None].expand(32, 32)])[
            None
        ]  # a to the right, b down
        network.generate = lambda _, generated=generated: generated
        lightness = torch.zeros(1, 1, *size)
        ab = network(lightness, Points.none(lightness))
        assert ab.shape == (1, 2, *size)
        step = 110 / 31
        for channel, axis, length in ((0, 3, size[1]), (1, 2, size[0])):
            place = (torch.arange(length) + 0.5) * 32 / length - 0.5
            inside = (place >= 1) & (place <= 30)  # the border is repeated, so a ramp ends flat
            found = ab[:, channel : channel + 1].mean(dim=5 - axis).flatten()
            assert (found - (place * step - 55))[inside].abs().max() < 0.3  # cubic filters bend lines


@torch.inference_mode()
def test_neighbor_attention_head_uses_a_token_and_its_neighbors() -> None:
    head, tokens = NeighborAttentionHead(16, 3, 4), torch.randn(1, 16, 16)
    changed = tokens.clone()
    changed[:, 5] += 1  # row 1, column 1
    apart = (head(changed) != head(tokens)).any(dim=2).view(4, 4)
    assert apart[:3, :3].all()
    assert apart.sum() == 9
