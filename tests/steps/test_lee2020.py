"""Lee et al. 2020: the losses of a step written out, the order of its halves; parity has the golden step."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.data.dataset import sketches_of
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.zoo.lee2020.task import make_reference
from steps.step import gradients, same, small, training_batch

SIDE, MARGIN = 96, 0.3
WEIGHTS = {"reconstruction": 3.0, "perceptual": 0.7, "style": 5.0, "adversarial": 0.5, "triplet": 2.0}


def task() -> Any:
    settings = {f"{name}_weight": weight for name, weight in WEIGHTS.items()}
    found: Any = small("lee2020", margin=MARGIN, **settings)
    found.allow_untrained = True
    found.setup("fit")
    return found


def plain_terms(model: Any, sketch: Tensor, made: Any) -> dict[str, Tensor]:
    """Return the losses one picture and one place at a time."""
    painted = model.model.network(sketch, made.reference)
    picture, truth = painted.picture, 2 * made.target - 1
    maps, wanted = model.vgg(picture), model.vgg(truth)
    styles = []
    for a, b in zip(maps, wanted, strict=True):
        for one, other in zip(a, b, strict=True):
            grams = [torch.einsum("chw,dhw->cd", each, each) / each.numel() for each in (one, other)]
            styles.append((grams[0] - grams[1]).abs().mean() / len(a))
    triplets = []
    for row in range(len(sketch)):
        query, key = painted.attended.query[row], painted.attended.key[row]
        costs = []
        for place in made.present[row].nonzero().flatten():
            near, far = (
                query[place] @ key[index[row, place]] / query.shape[1] ** 0.5
                for index in (made.positive, made.negative)
            )
            costs.append((far - near + MARGIN).clamp(min=0))
        triplets.append(torch.stack(costs).mean())
    return {
        "reconstruction": (picture - truth).abs().mean(),
        "perceptual": sum(((a - b).abs().mean() for a, b in zip(maps, wanted, strict=True)), torch.zeros(())),
        "style": torch.stack(styles).sum(),
        "adversarial": (model.discriminator(torch.cat([picture, 2 * sketch - 1], dim=1)) - 1).square().mean(),
        "triplet": torch.stack(triplets).mean(),
    }


@pytest.mark.filterwarnings("ignore:You are trying to `self.log")
def test_both_losses() -> None:
    model = task().eval()  # in training mode each call of the discriminator and of BatchNorm moves a buffer
    batch, _, _ = training_batch(SIDE, 2)
    batch["rgb"] = (batch["rgb"] > 0.5).float()
    sketch = sketches_of(batch)
    made = make_reference(batch["rgb"], batch["seed"], model.users.color_shift)
    assert made.present.sum() < made.present.numel()  # the spline of one picture leaves places out
    state = {key: value.clone() for key, value in model.discriminator.state_dict().items()}
    painted = model.paint(batch)
    found = model.generator_loss(batch, painted)
    ours = gradients(found, model.model)
    model.discriminator.load_state_dict(state)
    wanted = sum(WEIGHTS[name] * term for name, term in plain_terms(model, sketch, made).items())
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(ours, gradients(wanted, model.model), rtol=1e-3)
    model.discriminator.load_state_dict(state)
    found = model.discriminator_loss(batch, painted)
    model.discriminator.load_state_dict(state)
    pictures = (made.target, painted.rgb.detach())
    real, fake = (model.discriminator(torch.cat([2 * rgb - 1, 2 * sketch - 1], dim=1)) for rgb in pictures)
    torch.testing.assert_close(found, ((real - 1) ** 2).mean() + (fake**2).mean(), rtol=1e-5, atol=0)


def test_the_discriminator_steps_first_and_the_generator_sees_its_step(tmp_path: Path) -> None:
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
    assert norm.num_batches_tracked == 2  # each half paints
