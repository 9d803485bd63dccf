"""Cho et al. 2023: training with recolored hints."""

import torch

from colorzoo.factory import build_model
from colorzoo.guidance.color_statistics import region_means
from colorzoo.testing import sample_batch, sample_input
from colorzoo.zoo.cho2023.painter import Cho2023Painter, recolor_hinted

NARROW = {"width": 0.125, "segmenter_width": 0.125, "discriminator_width": 0.125}
SEEDS = torch.arange(4)


def flat_and_shaded() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return images near mid-gray, their regions (columns of 4 pixels), and the hinted regions 0 and 2."""
    rgb = 0.5 + 0.01 * torch.rand(4, 3, 8, 16, generator=torch.Generator().manual_seed(0))
    index = (torch.arange(16) // 4).expand(4, 1, 8, 16).contiguous()
    given = torch.zeros(4, 30)
    given[:, [0, 2]] = 1
    return rgb, index, given


def test_recolor_hinted_shifts_only_hinted_regions_and_keeps_shading() -> None:
    rgb, index, given = flat_and_shaded()
    moved = recolor_hinted(rgb, index, given, SEEDS, 1.0)
    answered = torch.isin(index, torch.tensor([0, 2])).expand_as(rgb)
    assert torch.equal(moved[~answered], rgb[~answered])
    before, _ = region_means(index, rgb, 30)
    after, _ = region_means(index, moved, 30)
    assert (after - before)[:, [0, 2]].abs().mean() > 0.1
    assert len({tuple(color.tolist()) for color in after[:, [0, 2]].reshape(-1, 3)}) == 8
    inside = (moved > 0) & (moved < 1) & answered  # nothing was clamped
    shifts = torch.gather((after - before).transpose(1, 2), 2, index.flatten(2).expand(-1, 3, -1))
    assert torch.allclose((moved - rgb)[inside], shifts.view_as(rgb)[inside], atol=0.02)
    assert torch.equal(moved, recolor_hinted(rgb, index, given, SEEDS, 1.0))


def test_recolor_hinted_changes_a_fraction_of_the_images() -> None:
    rgb, index, given = flat_and_shaded()
    assert torch.equal(recolor_hinted(rgb, index, given, SEEDS, 0.0), rgb)
    half = recolor_hinted(rgb, index, given, SEEDS, 0.5)
    changed = (half != rgb).flatten(1).any(1)
    assert 0 < int(changed.sum()) < 4
    assert torch.equal(half[changed], recolor_hinted(rgb, index, given, SEEDS, 1.0)[changed])


def test_cho2023_generator_loss_compares_with_the_recolored_image() -> None:
    torch.manual_seed(0)
    settings = {**NARROW, "adversarial_weight": 0.0, "stop_probability": 0.01}
    model = build_model(Cho2023Painter, {**settings, "recolored": 1.0})
    model.log_dict = lambda *_, **__: None
    batch = {**sample_batch((32, 32)), "sketch": sample_input("sketch", (32, 32), batch=2)}
    generated = model.generate(batch)
    truth = generated.extras["truth"]
    assert (truth - batch["rgb"]).abs().mean() > 0.05
    expected = 30 * 2 * (generated.rgb - truth).abs().mean()
    loss = model.generator_loss(batch, generated)
    assert torch.allclose(loss, expected, rtol=1e-4)
    model.setup("fit")
    trained = {name for name, parameter in model.model.network.named_parameters() if parameter.requires_grad}
    assert {name.partition(".")[0] for name in trained} == {"colorizer"}
