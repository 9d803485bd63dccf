"""Lee et al. 2020: training references, correspondences, losses, and the order of updates."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorzoo.losses.exemplar import triplet_loss
from colorzoo.randomness import image_generators
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.zoo.lee2020.task import make_reference
from steps.step import small, training_batch

CELLS = 8


def coordinates(side: int) -> Tensor:
    """Return an image whose red is x and green y, blue 1 inside."""
    line = torch.linspace(0, 1, side)
    return torch.stack([line.expand(side, -1), line[:, None].expand(-1, side), torch.ones(side, side)])[None]


def test_make_reference_correspondences_follow_the_warp() -> None:
    seeds = torch.arange(6)
    made = make_reference(coordinates(16 * CELLS).expand(6, -1, -1, -1), seeds, 0.0)
    small = made.reference.unflatten(2, (CELLS, 16)).unflatten(4, (CELLS, 16))[..., 8, :, 8].flatten(2)
    found, inside = small.gather(2, made.positive[:, None].expand(-1, 3, -1)).split([2, 1], dim=1)
    rows, columns = torch.meshgrid(torch.arange(CELLS), torch.arange(CELLS), indexing="ij")
    wanted = (torch.stack([columns, rows]).flatten(1) + 0.5) / CELLS
    off = (found - wanted).abs().amax(dim=1) * CELLS
    seen = (made.present > 0) & (inside[:, 0] > 0.99)  # the center of a place may lie outside
    assert off[seen].max() < 1.1  # places
    assert off[seen].mean() < 0.5
    assert seen.float().mean() > 0.9
    apart = (made.positive != torch.arange(CELLS**2)).float().mean()
    assert apart > 0.2  # the warp moves places
    assert 0.9 < made.present.mean() < 1


def test_make_reference_depends_only_on_the_image_and_its_seed() -> None:
    batch = sample_batch((48, 64), batch=3)
    made, alone = (
        make_reference(batch["rgb"][part], batch["seed"][part], 0.2) for part in (slice(None), slice(1, 2))
    )
    for together, single in zip(made, alone, strict=True):
        torch.testing.assert_close(together[1:2], single, rtol=0, atol=1e-6)
    draws = torch.stack([torch.rand(47, generator=g) for g in image_generators(batch["seed"], "reference")])
    others = (11 * draws[:, 35:]).long()
    assert torch.equal(made.negative, (made.positive + 1 + others) % 12)  # any other of the 12 places
    shift = (made.target - batch["rgb"])[:, :, (batch["rgb"] - 0.5).abs().amax(dim=(0, 1)) < 0.25]
    assert shift.std(dim=2).max() < 1e-6
    torch.testing.assert_close(shift.mean(dim=2), 0.2 * (2 * draws[:, :3] - 1), rtol=0, atol=1e-5)
    bare = make_reference(batch["rgb"], batch["seed"], 0.0)
    assert torch.equal(bare.target, batch["rgb"])


def test_triplet_loss_ignores_places_without_correspondence() -> None:
    query = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0))
    present = torch.tensor([[1.0, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    changed = query.clone()
    changed[:, 2:] = 100.0
    losses = [triplet_loss(each, query, -query, present, margin=1.0) for each in (query, changed)]
    assert losses[0] == losses[1]
    products = (query * query).sum(dim=2) / 2
    one = torch.tensor([[0.0, 0, 1, 0, 0], [1, 1, 0, 1, 0]])  # a mean over places, then over both
    costs = 2 * products + 0.5
    wanted = (costs[0, 2] + (costs[1, 0] + costs[1, 1] + costs[1, 3]) / 3) / 2
    torch.testing.assert_close(triplet_loss(query, -query, query, one, margin=0.5), wanted)
    assert triplet_loss(query, -query, query, torch.ones(2, 5), margin=1.0) > 1


SIDE, MARGIN = 96, 0.3
WEIGHTS = {"reconstruction": 3.0, "perceptual": 0.7, "style": 5.0, "adversarial": 0.5, "triplet": 2.0}


def task() -> Any:
    settings = {f"{name}_weight": weight for name, weight in WEIGHTS.items()}
    found: Any = small("lee2020", margin=MARGIN, **settings)
    found.allow_untrained = True
    found.setup("fit")
    return found


def test_lee2020_vgg_inputs_are_in_minus_one_to_one() -> None:
    model, (batch, *_) = task(), training_batch(32, 2)
    seen: list[Tensor] = []
    model.vgg.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    generated = model.generate(batch)
    model.generator_loss(batch, generated)
    for found, image in zip(seen, (generated.extras["target"], generated.rgb), strict=True):
        torch.testing.assert_close(found, 2 * image - 1)


def test_lee2020_updates_the_discriminator_before_the_generator(tmp_path: Path) -> None:
    model = task()
    calls: list[str] = []
    for name in ("generator_loss", "discriminator_loss"):
        original = getattr(model, name)

        def spy(*given: Any, name: str = name, original: Any = original) -> Tensor:
            calls.append(name)
            changed = (model.discriminator.layers[-1].weight != before).any()
            assert bool(changed) == (name == "generator_loss")
            return original(*given)

        setattr(model, name, spy)
    before = model.discriminator.layers[-1].weight.detach().clone()
    with silent_lightning():
        quiet_trainer(tmp_path, max_epochs=1).fit(model, batch_loader([training_batch(32, 2)[0]]))
    assert calls == ["discriminator_loss", "generator_loss"]
    norm = model.model.network.decoder.layers[0][1]
    assert norm.num_batches_tracked == 2  # both updates generate images
