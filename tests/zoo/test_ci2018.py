"""Ci et al. 2018: losses of the full and the small model; tests/parity has the golden losses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb
from colorzoo.data.dataset import sketches_of
from colorzoo.errors import ColorzooError, DataError, WeightsError
from colorzoo.guidance import Guidance, Points
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.testing import sample_input
from colorzoo.zoo.ci2018.model import Discriminator, Illustration2Vec
from colorzoo.zoo.ci2018.task import Ci2018, other_crop, random_cells
from steps.step import gradients, same, small, training_batch

WEIGHTS = {"content_weight": 0.7, "adversarial_weight": 0.3, "penalty_weight": 2.0, "drift_weight": 0.5}
pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def task(**settings: Any) -> Any:
    found: Any = small("ci2018", **{**WEIGHTS, **settings})
    found.vgg = VGGOutputs(16, (8,)).requires_grad_(False)
    return found


def relu2_2(model: Any, rgb: Tensor) -> Tensor:
    mean, deviation = (
        torch.tensor(each).view(3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    return model.vgg((rgb - mean) / deviation)[0]


def test_ci2018_line_contrast_is_independent_of_the_extractor_of_random_lines() -> None:
    model, seeds = task(), torch.arange(40)
    batch: Any = {"rgb": torch.rand(40, 3, 16, 16), "sketch": torch.zeros(40, 1, 16, 16), "seed": seeds}
    drawn: list[Tensor] = []
    model.model.network.generate = lambda lines, *_: drawn.append(lines) or torch.zeros(40, 3, 16, 16)
    model.generate(batch)
    contrast = (1 - drawn[0][:, 0, 0, 0]) / 2
    extractor_draws = draw_uniform(image_generators(seeds, "lines"), 40, 1, torch.device("cpu"))[:, 0]
    correlation = torch.corrcoef(torch.stack([contrast, extractor_draws]))[0, 1]
    assert abs(float(correlation)) < 0.5


def test_ci2018_losses_equal_the_formulas() -> None:
    model = task(hints=1.0)
    batch, _, _ = training_batch(64, 2)
    rgb = batch["rgb"]
    drawn: list[Tensor] = []
    original = model.model.network.generate
    model.model.network.generate = lambda *given: drawn.extend(given) or original(*given)
    generated = model.generate(batch)
    lines, hints, features = drawn
    contrast = ((1 - lines) / 2).amax(dim=(1, 2, 3)) / (1 - sketches_of(batch)).amax(dim=(1, 2, 3))
    faded = 1 - contrast.view(-1, 1, 1, 1) * (1 - sketches_of(batch))
    torch.testing.assert_close(lines, 2 * faded - 1)
    assert 0.7 <= contrast.min() < contrast.max() <= 1
    cells = random_cells(batch["seed"], rgb, 1.0)[:, :, ::4, ::4]
    torch.testing.assert_close(hints[:, 3:], cells)
    torch.testing.assert_close(hints[:, :3], (2 * other_crop(rgb, batch["seed"]) - 1) * cells)
    found = model.generator_loss(batch, generated)
    content = (relu2_2(model, generated.rgb) - relu2_2(model, rgb)).square().mean()
    wanted = 0.7 * content - 0.3 * model.discriminator(2 * generated.rgb - 1, features.detach()).mean()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(gradients(found, model.model), gradients(wanted, model.model), rtol=1e-3)
    features = features.detach()
    share = torch.tensor([0.3, 0.8]).view(2, 1, 1, 1)
    fake, true = (2 * each - 1 for each in (generated.rgb.detach(), rgb))
    terms = model.discriminator_terms(rgb, generated.rgb.detach(), features, share)
    mixed = (share * true + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(model.discriminator(mixed, features).sum(), mixed, create_graph=True)
    penalty = 2.0 * ((slope.square().sum(dim=1).sqrt() - 1) ** 2).mean()
    score = model.discriminator(true, features).mean()
    plain = model.discriminator(fake, features).mean() - score + 0.5 * score**2 + penalty
    total = sum(terms.values(), torch.zeros(()))
    torch.testing.assert_close(total, plain, rtol=1e-5, atol=1e-5)
    same(gradients(total, model.discriminator), gradients(plain, model.discriminator), rtol=1e-3)
    assert not gradients(total, model.model)["network.exit.weight"].any()


@pytest.mark.parametrize("hints", [0.0, 1.0])
def test_ci2018_small_training_step_equals_the_formula(hints: float) -> None:
    model = small("ci2018_small", hints=hints)
    batch, _, _ = training_batch(64, 2)
    image = 2 * batch["rgb"] - 1
    mask = random_cells(batch["seed"], image, hints)
    cells = torch.cat([F.avg_pool2d(image, 4) * mask[:, :, ::4, ::4], mask[:, :, ::4, ::4]], dim=1)
    wanted = ((model.model.network(sketches_of(batch), cells) - image) ** 2).mean()
    found = model.training_step(batch, 0)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=0)
    same(gradients(found, model), gradients(wanted, model), rtol=1e-3)


def test_other_crop_shifts_hint_colors_by_less_than_three_cells() -> None:
    line = torch.linspace(0, 1, 64)
    rgb = torch.stack([line.expand(64, -1), line[:, None].expand(-1, 64), torch.zeros(64, 64)])
    found = other_crop(rgb.expand(40, -1, -1, -1), torch.arange(40))
    plain = F.avg_pool2d(rgb[None], 4)
    off = 16 * (found - plain)[:, :2].abs()
    assert 0.1 < off.mean() < 1.0  # cells
    assert off.max() < 3


@torch.no_grad()
def test_ci2018_averages_points_per_cell_and_pads_the_sketch() -> None:
    network, sketch = (model := small("ci2018_small").model.eval()).network, sample_input("sketch", (37, 53))
    ab, mask = torch.zeros(1, 2, 37, 53), torch.zeros(1, 1, 37, 53)
    mask[..., 36, 50:] = 1  # two points in one cell, the third in the next cell
    ab[..., 50], ab[..., 51], ab[..., 52] = 40.0, 20.0, 5.0
    light = torch.full_like(mask, 70.0)
    color = 2 * lab_to_rgb(torch.cat([light, ab], dim=1))[0, :, 36] - 1
    hints = torch.zeros(1, 4, 12, 16)
    hints[0, 3, 9, 12:14] = 1
    hints[0, :3, 9, 12], hints[0, :3, 9, 13] = color[:, 50:52].mean(1), color[:, 52]
    lines = 2 * F.pad(sketch, (0, 11, 0, 11), mode="replicate") - 1
    wanted = (network.generate(lines, hints, network.features(lines))[..., :37, :53] + 1) / 2
    torch.testing.assert_close(model(sketch, Guidance(points=Points(ab, mask, light))).rgb, wanted)
    none = network.generate(lines, 0 * hints, network.features(lines))[..., :37, :53]
    torch.testing.assert_close(model(sketch).rgb, (none + 1) / 2)


def test_ci2018_rejects_wrong_sizes_and_missing_feature_weights(tmp_path: Path) -> None:
    model = task()
    batch, _, _ = training_batch(32, 2)
    with pytest.raises(DataError, match=r"64 x 64 .* got 32 x 32\. Set --data\.crop"):
        model.discriminator_loss(batch, model.generate(batch))
    for side in (0, 32, 96, 192):
        with pytest.raises(
            ColorzooError, match=f"discriminator_side.* must be 64 times a power of 2, .* got {side}"
        ):
            Discriminator(0.125, side, 8)
    score = Discriminator(0.125, 256, 8)(torch.rand(2, 3, 256, 256), torch.rand(2, 8, 16, 16))
    assert score.shape == (2, 1)
    full = Ci2018(content_weight=0.0)
    with pytest.raises(WeightsError, match=r"--model\.i2v_weights must be"):
        full.prepare_fit()
    full.trained = True  # loaded weights contain the features
    full.prepare_fit()
    state = {
        f"{key}": torch.randn_like(value) for key, value in Illustration2Vec().layers.state_dict().items()
    }
    torch.save({**state, "28.weight": torch.zeros(1)}, tmp_path / "i2v.pth")
    full = Ci2018(content_weight=0.0, i2v_weights=str(tmp_path / "i2v.pth"))
    full.prepare_fit()
    assert torch.equal(full.model.network.features.layers[13].weight, state["13.weight"])
    assert not full.model.network.features.layers[13].weight.requires_grad
    torch.save({"0.weight": torch.zeros(1)}, tmp_path / "i2v.pth")
    with pytest.raises(WeightsError, match=r"i2v\.pth"):
        full.prepare_fit()
