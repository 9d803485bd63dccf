"""Lines without tone: extraction from color images, and random pens."""

import pytest
import torch

from colorzoo.color.sketch import color_edges, difference_lines, drawn_lines
from colorzoo.data.line_art import disc_mask, random_lines, vary_lines


def painting() -> torch.Tensor:
    """Return a dark brown, a light and a mid-gray surface, each with a black stroke."""
    rgb = torch.empty(1, 3, 64, 96)
    for number, color in enumerate(((0.3, 0.15, 0.1), (0.9, 0.8, 0.7), (0.5, 0.5, 0.5))):
        surface = rgb[..., 32 * number : 32 * (number + 1)]
        surface[:] = torch.tensor(color)[:, None, None]
        surface[..., 15:17] = 0.02
    return rgb


@pytest.mark.parametrize("extract", [color_edges, drawn_lines, difference_lines])
def test_extracted_lines_have_no_tone(extract) -> None:
    lines = extract(painting())
    for left in (0, 32, 64):
        surface = lines[..., left + 6 : left + 9], lines[..., left + 23 : left + 26]
        assert all((each == 1).all() for each in surface)
        assert lines[..., left + 13 : left + 19].amin(3).max() < 0.5  # every row of the stroke has ink


def test_color_edges_separate_colors_of_equal_lightness() -> None:
    rgb = torch.full((1, 3, 32, 32), 0.5)
    rgb[..., 16:] = torch.tensor([0.66, 0.42, 0.5])[:, None, None]
    lines = color_edges(rgb)
    assert lines[..., 14:18].amin(3).max() < 0.5
    assert (drawn_lines(rgb) > 0.9).all()


def test_random_lines_of_an_image_depend_only_on_its_seed() -> None:
    rgb, seeds = painting().repeat(12, 1, 1, 1), torch.arange(12)
    lines = vary_lines(random_lines(rgb, seeds), seeds)
    for number in range(12):
        alone = random_lines(rgb[:1], seeds[number : number + 1])
        found = vary_lines(alone, seeds[number : number + 1])
        assert torch.allclose(found[0], lines[number], atol=1e-4)
    assert lines.shape == (12, 1, 64, 96)
    assert 0 <= lines.min() <= lines.max() <= 1
    assert len({each.sum().item() for each in lines}) > 8


def test_random_lines_have_no_tone_and_some_have_solid_blacks() -> None:
    rgb = torch.full((200, 3, 24, 24), 0.4)
    rgb[..., 8:] = 0.03
    lines = random_lines(rgb, torch.arange(200))
    assert (lines[..., :3] == 1).all()
    assert 15 < (lines[..., 14:20].flatten(1).amax(1) == 0).sum() < 50  # 20 % of the samples
    assert ((lines[..., 14:20] == 1) | (lines[..., 14:20] == 0)).all()


def test_vary_lines_changes_width_strength_and_paper_of_some_drawings() -> None:
    lines = torch.ones(400, 1, 32, 32)
    lines[..., 16] = 0
    varied = vary_lines(lines, torch.arange(400))
    wide = varied[..., 14].lt(0.9).flatten(1).any(1) | varied[..., 17].lt(0.9).flatten(1).any(1)
    wide |= varied[..., 15].lt(0.6).flatten(1).sum(1) > 8
    faint = varied[..., 16].flatten(1).amin(1) > 0.01
    broken = varied[..., 16].flatten(1).amax(1) > 0.9
    noisy = varied[..., :8].flatten(1).std(1) > 0
    for share, wanted in ((wide, 0.2), (faint, 0.3), (noisy, 0.15)):
        assert abs(share.float().mean() - wanted) < 0.08
    assert 0.1 < broken.float().mean() < 0.3  # some gaps miss the line
    assert torch.equal(lines[..., 16], torch.zeros(400, 1, 32))  # the input is unchanged


def test_disc_mask_draws_valid_discs_and_clips_them_at_borders() -> None:
    rows, columns = torch.tensor([[10, 0, 5]]), torch.tensor([[10, 19, 5]])
    mask = disc_mask(rows, columns, torch.tensor([[3, 1, 2]]), torch.tensor([[True, True, False]]), (24, 20))
    assert mask.shape == (1, 1, 24, 20)
    assert mask[0, 0, 5, 5] == 0
    assert mask[0, 0, :2, 18:].tolist() == [[1, 1], [0, 1]]
    assert mask[0, 0, 10, 7:14].all()
    assert mask[0, 0, 7:14, 10].all()
    assert mask[0, 0, 7, 7] == mask[0, 0, 10, 6] == 0
