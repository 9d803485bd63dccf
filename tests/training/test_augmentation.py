"""Training augmentation: random windows, zoom, mirroring, and chroma weights."""

import pytest
import torch

from colorzoo.data.augment import cut_windows, random_windows
from colorzoo.losses import weighted_by_chroma
from colorzoo.randomness import draw_uniform, image_generators


@pytest.mark.parametrize("most", [1.0, 1.5])
def test_random_windows_equal_the_sampling_formula(most):
    """Zoom, position and mirroring are uniform, and so is the logarithm of the aspect ratio."""
    draws = draw_uniform(image_generators(torch.arange(40), "augment"), 40, 5, torch.device("cpu"))
    expected = []
    for zoom, x, y, mirror, shape in draws.tolist():
        scale, ratio = 0.4 + 0.6 * zoom, most ** (2 * shape - 1)
        wide, high = scale * min(1, ratio), scale * min(1, 1 / ratio)
        row = [-wide if mirror < 0.5 else wide, 0.0, (1 - wide) * (2 * x - 1)]
        expected.append([row, [0.0, high, (1 - high) * (2 * y - 1)]])
    generators = image_generators(torch.arange(40), "augment")
    found = random_windows(40, generators, 0.4, torch.device("cpu"), most)
    torch.testing.assert_close(found, torch.tensor(expected))


def test_cut_windows_returns_the_window_of_the_image():
    image = torch.linspace(0, 1, 8)[None, None, None].expand(1, 1, 8, 8)
    corner = torch.tensor([[[0.5, 0.0, -0.5], [0.0, 0.5, -0.5]]])  # the upper left quarter
    torch.testing.assert_close(cut_windows(image, corner, 4), image[..., :4, :4])
    mirrored = corner * torch.tensor([[[-1.0], [1.0]]]) + torch.tensor([[[0.0, 0, -1.0], [0, 0, 0]]])
    torch.testing.assert_close(cut_windows(image, mirrored, 4), image[..., :4, :4].flip(-1))


def test_weighted_by_chroma_normalizes_each_image_separately():
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
