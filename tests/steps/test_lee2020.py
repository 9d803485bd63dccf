"""Lee et al. 2020: VGG inputs, and the order of updates; tests/parity has the golden step."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from steps.step import small, training_batch

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
