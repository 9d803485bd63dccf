"""What training sees of a picture: windows anywhere, zooms of the whole range, half of them mirrored."""

import math

import pytest
import torch

from colorzoo.data.augment import cut_windows, random_windows
from colorzoo.losses import weighted_by_chroma
from colorzoo.randomness import picture_generators

COUNT, SCALE = 2000, 0.4


@pytest.fixture(scope="module")
def windows() -> torch.Tensor:
    return random_windows(
        COUNT, picture_generators(torch.arange(COUNT), "augment"), SCALE, torch.device("cpu")
    )


def spread(values: torch.Tensor, low: float, high: float) -> None:
    """Check that values are uniform on a range."""
    shares = torch.histc(values, bins=5, min=low, max=high) / len(values)
    assert ((shares - 0.2).abs() < 0.04).all(), shares
    assert float(values.min()) >= low - 1e-6
    assert float(values.max()) <= high + 1e-6


def test_zooms_are_spread_over_their_range(windows):
    spread(windows[:, 1, 1], SCALE, 1.0)


@pytest.mark.parametrize("axis", [0, 1])
def test_windows_are_spread_over_the_picture(axis, windows):
    spread(windows[:, axis, 2] / (1 - windows[:, 1, 1]), -1.0, 1.0)


def test_half_of_the_pictures_are_mirrored_and_keep_their_shape(windows):
    mirrored = windows[:, 0, 0] < 0
    assert 0.46 < float(mirrored.float().mean()) < 0.54
    torch.testing.assert_close(windows[:, 0, 0].abs(), windows[:, 1, 1])
    assert not windows[:, 0, 1].any()
    assert not windows[:, 1, 0].any()
    place = windows[:, :, 2] / (1 - windows[:, 1, 1])[:, None]
    drawn = torch.stack([place[:, 0], place[:, 1], windows[:, 1, 1], mirrored.float()])
    assert float((torch.corrcoef(drawn) - torch.eye(4)).abs().max()) < 0.07  # independent of each other


def test_stretched_windows_have_all_shapes_up_to_the_limit_and_stay_inside():
    windows = random_windows(
        COUNT, picture_generators(torch.arange(COUNT), "augment"), SCALE, torch.device("cpu"), 1.5
    )
    sides = torch.stack([windows[:, 0, 0].abs(), windows[:, 1, 1]], dim=1)
    spread((sides[:, 0] / sides[:, 1]).log(), -math.log(1.5), math.log(1.5))
    spread(sides.amax(dim=1), SCALE, 1.0)
    assert float((windows[:, :, 2].abs() + sides).max()) <= 1 + 1e-6


def test_windows_differ_between_pictures_and_repeat_by_seed():
    one, again = (
        random_windows(8, picture_generators(torch.arange(8), "augment"), SCALE, torch.device("cpu"))
        for _ in range(2)
    )
    assert torch.equal(one, again)
    assert len({tuple(row.flatten().tolist()) for row in one}) == 8
    alone = random_windows(1, picture_generators(torch.tensor([5]), "augment"), SCALE, torch.device("cpu"))
    assert torch.equal(one[5:6], alone)


def test_a_window_shows_its_part_of_the_picture():
    picture = torch.linspace(0, 1, 8)[None, None, None].expand(1, 1, 8, 8)
    corner = torch.tensor([[[0.5, 0.0, -0.5], [0.0, 0.5, -0.5]]])  # the upper left quarter
    torch.testing.assert_close(cut_windows(picture, corner, 4), picture[..., :4, :4])
    mirrored = corner * torch.tensor([[[-1.0], [1.0]]]) + torch.tensor([[[0.0, 0, -1.0], [0, 0, 0]]])
    torch.testing.assert_close(cut_windows(picture, mirrored, 4), picture[..., :4, :4].flip(-1))


def test_chroma_weights_are_those_of_their_own_picture():
    generator = torch.Generator().manual_seed(0)
    ab = 60 * torch.rand(2, 2, 4, 4, generator=generator)
    errors = torch.ones(2, 1, 4, 4)
    both = weighted_by_chroma(errors, ab, 1.0)
    for index in range(2):
        alone = weighted_by_chroma(errors[:1], ab[index : index + 1], 1.0)
        torch.testing.assert_close(both[index : index + 1], alone)
        chroma = ab[index].norm(dim=0).flatten()
        assert torch.equal(both[index].flatten().argsort(), chroma.argsort())  # more weight, more chroma
    assert not torch.allclose(both[0], both[1], atol=0.05)
