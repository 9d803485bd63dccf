"""The paper's toy experiment: without any label of regions, the first ones become those that matter most.

Pictures of flat shapes in tones that tell them apart: a large and a small one of any color, a small one
that is always blue, and a ground that is always gray. Only the large one is worth asking for first.
"""

import torch
from torch import Tensor

from colorzoo.factory import build_model
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


def test_the_first_region_is_the_large_shape_of_unknown_color() -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    model = build_model(Cho2023, {**NARROW, "adversarial_weight": 0.0}).train()
    optimizer = torch.optim.Adam(model.model.network.parameters(), 5e-3)
    for step in range(STEPS):
        sketch, rgb, _ = draw(BATCH, generator)
        noise = gumbel_noise([generator], (30 * BATCH, SIDE, SIDE)).view(BATCH, 30, SIDE, SIDE)
        draws = Draws(noise, draw_counts(torch.rand(BATCH, 30, generator=generator), 1 / 8))
        painted = model.paint_drawn(sketch, rgb, draws, model.temperature_at(step / STEPS))
        model.weighted(model.generator_terms(sketch, rgb, painted)).backward()
        optimizer.step()
        optimizer.zero_grad()
    sketch, _, shapes = draw(PICTURES, torch.Generator().manual_seed(9))
    with torch.no_grad():
        index = model.eval().model.propose(sketch).index
    asked_first = index == index.flatten(1).amin(1).view(-1, 1, 1, 1)
    large = shapes == LARGE
    overlap = (asked_first & large).sum().item() / (asked_first | large).sum().item()
    assert overlap > 0.8
