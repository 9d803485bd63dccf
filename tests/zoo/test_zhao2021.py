"""Color2Embed: embeddings, training references, VGG-19 weights, and the perceptual loss."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from colorzoo import Exemplar, Guidance
from colorzoo.color import lab_to_rgb
from colorzoo.factory import build_model
from colorzoo.registry import model_card
from colorzoo.testing import sample_batch, sample_image, sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.zoo.zhao2021.task import Zhao2021, made_reference, mirror_and_rotate
from steps.step import gradients, small, training_batch
from vgg_file import write_vgg19

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")

TINY = {"width": 0.125, "reference_side": 32}


def tiny(**settings: Any) -> Any:
    torch.manual_seed(0)
    return build_model(Zhao2021, {**TINY, **settings}).eval()


@pytest.fixture(scope="module")
def model() -> Any:
    """Return a tiny model whose weights are large enough for a reference to matter."""
    return contract_test_model(model_card("zhao2021"))


@torch.inference_mode()
def test_zhao2021_embedding_replaces_the_reference_image(model: Any) -> None:
    lightness, rgb = sample_input("gray", (24, 40), batch=2), sample_image((56, 32), seed=3)
    embedding = model.model.encode_reference(rgb)
    assert embedding.shape == (1, 1, 64)
    whole = model(lightness, Guidance(exemplar=Exemplar(rgb.expand(2, -1, -1, -1)))).ab
    torch.testing.assert_close(
        model(lightness, Guidance(exemplar=Exemplar.of_embedding(embedding))).ab, whole, atol=1e-3, rtol=0
    )
    plain = model(lightness).ab
    for alpha, wanted in ((0.0, plain), (1.0, whole)):
        found = model(lightness, Guidance(exemplar=Exemplar.of_embedding(embedding, alpha))).ab
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)
    half = model(lightness, Guidance(exemplar=Exemplar.of_embedding(embedding, 0.5))).ab
    assert min(float((half - other).abs().max()) for other in (plain, whole)) > 0.1


def test_made_reference_depends_only_on_the_image_and_its_seed() -> None:
    rgb, seeds = sample_image((48, 40), batch=4), torch.tensor([5, 6, 7, 8])
    made = made_reference(rgb, seeds)
    assert made.shape == rgb.shape
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    torch.testing.assert_close(255 * made, (255 * made).round())  # whole levels
    parts = torch.cat([made_reference(rgb[i : i + 1], seeds[i : i + 1]) for i in (2, 3)])
    assert torch.equal(parts, made[2:])
    same = made_reference(rgb[:1].expand(2, -1, -1, -1), seeds[:2])
    assert not torch.allclose(same[0], same[1], atol=0.1)


def test_mirror_and_rotate_equals_pillow_for_any_image_shape() -> None:
    for size in [(64, 64), (48, 80), (33, 50)]:
        image = torch.randint(0, 256, (1, 3, *size), generator=torch.Generator().manual_seed(0))
        pil_image, upright = (
            Image.fromarray(image[0].permute(1, 2, 0).byte().numpy()),
            torch.zeros(1, 2).bool(),
        )
        for degrees in (0.0, 12.5, 45.0, 90.0, 180.0, 200.3, 270.0, 359.9):
            wanted = torch.tensor(np.array(pil_image.rotate(degrees))).permute(2, 0, 1)[None]
            found = mirror_and_rotate(image, upright, torch.tensor([degrees]).double())
            assert torch.equal(found, wanted.to(found)), degrees


def test_zhao2021_trains_the_vgg19_of_the_encoder_but_not_of_the_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vgg = write_vgg19(tmp_path / "vgg19.pth")
    monkeypatch.setattr("colorzoo.training.perceptual.published_weights", lambda _: vgg)
    model = tiny(perceptual_weight=0.1, optimizer=partial(torch.optim.Adam, lr=1e-3))
    with silent_lightning():
        trainer = quiet_trainer(tmp_path, max_epochs=1)
        trainer.fit(model, batch_loader([sample_batch((32, 32), batch=3)]))
    for index in (0, 16, 30):
        key, value = f"layers.{index}.weight", vgg[f"features.{index}.weight"]
        assert torch.equal(model.vgg.network.get_parameter(key), value)
        moved = model.model.network.encoder.features.get_parameter(key)
        assert not torch.equal(moved, value)
        torch.testing.assert_close(moved, value, atol=0.05, rtol=0)
    assert not any(name.startswith("vgg.") for name in model.state_dict())


def smooth_l1(found: Tensor, truth: Tensor) -> Tensor:
    off = (found - truth).abs()
    return torch.where(off <= 1, 0.5 * off.square(), off - 0.5).mean()


def predicted(model: Any, lightness: Tensor, reference: Tensor) -> Tensor:
    encoder = model.model.network.encoder
    vector = encoder.to_vector(encoder.features(reference)[-1])[:, :, 0, 0]
    return model.model.network.unet((lightness - 50) / 50, vector)


def test_zhao2021_validation_uses_no_reference_or_a_self_reference() -> None:
    model = small("zhao2021")
    batch, lightness, ab = training_batch(48)
    lab = torch.cat([lightness, ab], dim=1)
    guidances = dict(model.validation_guidances(batch, lab))
    assert guidances["automatic"].exemplar is None
    exemplar = guidances["reference"].exemplar
    assert torch.equal(exemplar.rgb, made_reference(lab_to_rgb(lab), batch["seed"]))


def test_zhao2021_perceptual_loss_uses_a_fixed_vgg19(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vgg19 = write_vgg19(tmp_path / "vgg19.pth")
    monkeypatch.setattr("colorzoo.training.perceptual.published_weights", lambda _: vgg19)
    model = small("zhao2021", perceptual_weight=0.5)
    model.allow_untrained = False
    model.setup("fit")
    with torch.no_grad():
        model.model.network.encoder.features.layers[0].weight.mul_(1.5)  # simulates a trained encoder
    batch, lightness, ab = training_batch(48)
    found = model.training_step(batch, 0)
    fake = predicted(model, lightness, made_reference(batch["rgb"], batch["seed"]))
    vgg: Any = model.vgg.network
    colored, true = (
        vgg(rgb) for rgb in (lab_to_rgb(torch.cat([lightness, 110 * fake], dim=1)), batch["rgb"])
    )
    terms = [(a - b).abs().mean() for a, b in zip(colored, true, strict=True)]
    distance = sum(term / by for term, by in zip(terms, (32, 16, 8, 4, 1), strict=True))
    torch.testing.assert_close(found, smooth_l1(fake, ab / 110) + 0.5 * distance, rtol=1e-5, atol=0)
    reached = {name for name, value in gradients(found, model).items() if value.any()}
    assert "model.network.encoder.features.layers.0.weight" in reached  # the encoder's own VGG-19 is trained
    assert not any(name.startswith("vgg.") for name in reached)
