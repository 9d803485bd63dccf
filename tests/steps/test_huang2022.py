"""UniColor: training steps of transformer and VQGAN compared with the formulas of the fact sheet."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torchmetrics
from torch.nn import functional as F

from colorzoo.errors import DataError
from colorzoo.factory import build_model
from colorzoo.networks.imagenet import vgg_layers
from colorzoo.registry import model_card
from colorzoo.settings import constructor_parameters
from colorzoo.testing.samples import sample_batch
from colorzoo.weights.load import Provenance
from colorzoo.zoo.huang2022.hints import CANDIDATE, MASKED, SEEN, Users, simulate
from colorzoo.zoo.huang2022.task import LPIPS, Huang2022VQGAN, masked_cross_entropy
from steps.step import gradients, same, small

SIDE = 64
SIZES = {"channels": 32, "rows": 4, "columns": 4, "fewest": 8, "strokes": 4}


def test_huang2022_transformer_loss_equals_the_formula() -> None:
    model: Any = small("huang2022", **SIZES)
    model.log_dict = lambda *_, **__: None
    batch, network = sample_batch((SIDE, SIDE), batch=3), model.model.network
    found = model.training_step(batch, 0)
    rgb = 2 * batch["rgb"] - 1
    with torch.no_grad():
        codes = network.vqgan(rgb)[1].codes
        gray = network.vqgan.gray_encoder(
            (rgb * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, True)
        )
    masks, hints = simulate(batch["rgb"], batch["seed"].tolist(), (4, 4), model.users)
    fed = torch.where(masks == 0, torch.tensor(network.transformer.mask_token), codes)
    logits = network.transformer(gray.flatten(2).transpose(1, 2), fed, hints)
    shares = logits.log_softmax(-1).gather(2, codes.flatten(1)[..., None])[..., 0]
    wanted = -shares[masks.flatten(1) != 1].mean()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(gradients(found, network.transformer), gradients(wanted, network.transformer))


def test_huang2022_requires_training_images_of_the_input_size() -> None:
    model: Any = small("huang2022", **SIZES)
    with pytest.raises(DataError, match=r"64 x 64 pixels, got 48 x 48"):
        model.training_step(sample_batch((48, 48), batch=2), 0)


def test_simulate_draws_hints_on_candidate_cells_with_image_colors() -> None:
    users, shape = Users(fewest=8, strokes=4, hinted=1.0), (4, 4)
    flat = torch.ones(6, 3, SIDE, SIDE) * torch.tensor([1.0, 0.5, 0.0]).view(3, 1, 1)
    masks, hints = simulate(flat, list(range(6)), shape, users)
    assert len(hints.cells) >= 6
    assert all(masks[tuple(cell)] == CANDIDATE for cell in hints.cells)
    assert hints.rgb.sub(torch.tensor([1.0, 0.0, -1.0])).abs().max() < 0.01
    again = simulate(flat[2:4], [2, 3], shape, users)[0]
    assert torch.equal(again, masks[2:4])  # the draws depend only on the image seed
    equal_low_bits = simulate(flat[:3], [7, 2**32 + 7, 2**62 + 7], shape, users)[0]
    assert len(set(map(str, equal_low_bits.tolist()))) == 3


def test_masked_cross_entropy_uses_only_masked_and_candidate_cells() -> None:
    mask = torch.tensor([[[SEEN, MASKED, CANDIDATE]]])
    logits = torch.tensor([[[9.0, 0.0], [1.0, 0.0], [0.0, 3.0]]])
    wanted = F.cross_entropy(logits[0, 1:], torch.tensor([1, 1]))
    found = masked_cross_entropy(logits, torch.ones(1, 1, 3, dtype=torch.int64), mask)
    torch.testing.assert_close(found, wanted)


def codes_task(**settings: Any) -> Any:
    torch.manual_seed(0)
    contract_test = model_card("huang2022").contract_test.hparams
    known = constructor_parameters(Huang2022VQGAN).keys()
    own = {key: value for key, value in contract_test.items() if key in known}
    how = {"channels": 32, "discriminator_width": 0.125, **settings}
    return build_model(Huang2022VQGAN, {**own, **how}).train()


def test_huang2022_vqgan_losses_equal_the_formulas() -> None:
    model = codes_task(perceptual_weight=0.5, codebook_weight=0.7, adversarial_weight=0.3, disc_start=4)
    model.log_dict = lambda *_, **__: None
    torch.manual_seed(1)
    model.lpips = LPIPS().eval().requires_grad_(False)
    trained = {parameter for parameter in model.model.parameters() if parameter.requires_grad}
    assert trained == set(model.model.network.vqgan.parameters())
    plain, batch = copy.deepcopy(model), sample_batch((SIDE, SIDE), batch=2)
    for step, factor in ((3, 0.0), (4, 1.0)):
        model.current_step = lambda step=step: step
        generated = model.generate(batch)
        found = model.generator_loss(batch, generated)
        target, network = 2 * batch["rgb"] - 1, plain.model.network.vqgan
        h = network.quant_conv(network.encoder(target))
        gray = network.gray_encoder((target * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, True))
        table = network.quantize.embedding.weight
        rows = h.permute(0, 2, 3, 1)
        nearest = table[torch.cdist(rows.reshape(-1, 16), table).argmin(1)].view_as(rows)
        codebook = (nearest.detach() - rows).square().mean() + 0.25 * (
            nearest - rows.detach()
        ).square().mean()
        vectors = (rows + (nearest - rows).detach()).permute(0, 3, 1, 2)
        rgb = network.decoder(network.post_quant_conv(torch.cat([vectors, gray], 1)))
        wanted = (rgb - target).abs().mean() + 0.7 * codebook
        wanted = wanted + 0.5 * plain.lpips(rgb, target).sum(1).mean()
        wanted = wanted + 0.3 * factor * F.relu(1 - plain.discriminator(rgb)).mean()
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
        same(gradients(found, model.model.network.vqgan), gradients(wanted, network), rtol=5e-3)
        discriminator = model.discriminator_loss(batch, generated.detach())
        real, fake = plain.discriminator(target), plain.discriminator(rgb.detach())
        expected = factor * 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())
        torch.testing.assert_close(discriminator, expected, rtol=1e-4, atol=1e-6)


def test_huang2022_lpips_uses_the_linear_layers_of_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {
        f"features.{key}": torch.rand_like(value) for key, value in vgg_layers(16, 30).state_dict().items()
    }
    monkeypatch.setattr("colorzoo.zoo.huang2022.task.published_weights", lambda _: held)
    task = codes_task()
    task.provenance = Provenance(model="Earlier", steps=1)
    task.setup("fit")
    task.prepare_fit()
    assert task.provenance.start["model"] == "Earlier"
    assert torch.equal(task.lpips.network.features[28].weight, held["features.28.weight"])
    shipped = Path(torchmetrics.__file__).parent / "functional/image/lpips_models/vgg.pth"
    theirs = torch.load(shipped, map_location="cpu")
    for index, layer in enumerate(task.lpips.network.linear):
        assert torch.equal(layer.weight, theirs[f"lin{index}.model.1.weight"])
