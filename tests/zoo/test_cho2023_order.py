"""The paper's toy experiment: without any label of regions, the first ones become those that matter most.

Pictures of flat shapes in tones that tell them apart: a large and a small one of any color, a small one
that is always blue, and a ground that is always gray. Only the large one is worth asking for first.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from colorzoo.factory import build_model
from colorzoo.guidance import Guidance, Regions
from colorzoo.guidance.color_statistics import region_means
from colorzoo.metrics.psnr import psnr
from colorzoo.zoo.cho2023.network import draw_counts, gumbel_noise
from colorzoo.zoo.cho2023.task import Cho2023, Draws

NARROW = dict.fromkeys(("width", "segmenter_width", "discriminator_width"), 0.125)
SIDE, BATCH, STEPS, PICTURES = 16, 16, 220, 32
GROUND, LARGE, SMALL, BLUE = range(4)


def draw(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return sketches, pictures and the shape of each pixel."""
    shape = torch.full((SIDE, SIDE), GROUND)
    shape[:9, :12], shape[11:15, 3:9], shape[11:15, 10:15] = LARGE, SMALL, BLUE
    turns = torch.randint(0, 4, (count,), generator=generator).tolist()
    shapes = torch.stack([shape.rot90(turn) for turn in turns])[:, None]
    colors = torch.rand(count, 4, 3, generator=generator)
    colors[:, GROUND], colors[:, BLUE] = 0.5, torch.tensor([0.2, 0.6, 0.9])
    rgb = torch.stack([one[of[0]].permute(2, 0, 1) for one, of in zip(colors, shapes, strict=True)])
    return torch.tensor([1.0, 0.7, 0.4, 0.1])[shapes], rgb, shapes


@pytest.fixture(scope="module")
def trained() -> Cho2023:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = build_model(Cho2023, {**NARROW, "adversarial_weight": 0.0})
    optimizer = torch.optim.Adam(model.model.network.parameters(), 5e-3)
    model.train()
    for step in range(STEPS):
        sketch, rgb, _ = draw(BATCH, generator)
        noise = gumbel_noise([generator], (30 * BATCH, SIDE, SIDE)).view(BATCH, 30, SIDE, SIDE)
        draws = Draws(noise, draw_counts(torch.rand(BATCH, 30, generator=generator), 1 / 8))
        painted = model.paint_drawn(sketch, rgb, draws, model.temperature_at(step / STEPS))
        model.weighted(model.generator_terms(sketch, rgb, painted)).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def answered(regions: Regions, rgb: Tensor, count: int, seed: int | None) -> Regions:
    """Color the first regions of each picture, or with a seed any of them."""
    colors, pixels = region_means(regions.index, rgb, 30)
    given = torch.zeros_like(regions.given)
    for picture, sizes in enumerate(pixels):
        filled = sizes.nonzero()[:, 0]
        if seed is not None:
            generator = torch.Generator().manual_seed(seed + picture)
            filled = filled[torch.randperm(len(filled), generator=generator)]
        given[picture, filled[:count]] = 1
    return replace(regions, rgb=colors, given=given)


@torch.no_grad()
def gain(model: Cho2023, *, seed: int | None = None) -> float:
    """Return how many dB one answer brings."""
    sketch, rgb, _ = draw(PICTURES, torch.Generator().manual_seed(9))
    regions = model.model.propose(sketch)
    found = [
        psnr(model(sketch, Guidance(regions=answered(regions, rgb, count, seed))).rgb, rgb).mean()
        for count in (0, 1)
    ]
    return float(found[1] - found[0])


@torch.no_grad()
def test_the_first_region_is_the_large_shape_of_unknown_color(trained: Cho2023) -> None:
    sketch, _, shapes = draw(PICTURES, torch.Generator().manual_seed(9))
    index = trained.model.propose(sketch).index
    asked_first = index == index.flatten(1).amin(1).view(-1, 1, 1, 1)
    large = shapes == LARGE
    overlap = (asked_first & large).sum().item() / (asked_first | large).sum().item()
    assert overlap > 0.8


def test_the_models_order_beats_a_shuffled_one(trained: Cho2023) -> None:
    shuffled = sum(gain(trained, seed=1000 * seed) for seed in range(3)) / 3
    assert gain(trained) > shuffled + 0.5
