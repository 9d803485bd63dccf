"""Ci et al. 2018: losses of the full and the small model; tests/parity has the golden losses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb
from colorzoo.data.dataset import sketches_of
from colorzoo.errors import ColorzooError, DataError, WeightsError
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance, Points
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.networks.renaming import rename_keys
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.testing import sample_input
from colorzoo.zoo.ci2018.model import NAMES, Discriminator, Illustration2Vec, StrokeNetwork, with_mask
from colorzoo.zoo.ci2018.task import (
    Ci2018,
    crop_sides,
    fade_lines,
    hint_thresholds,
    other_crop,
    random_cells,
    shrink,
)
from knobs.knob import Knobs
from parity.cases import Golden, case, check_update, record_outputs
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

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


# Golden files: AlacGAN against the authors' code: networks, losses, hints and one step.


FULL = 64  # full width of the authors' code, in channels


def fill(module: nn.Module, state: Mapping[str, Tensor], prefix: str) -> Any:
    """Load published weights into a network; the generator without its local features."""
    ours = {key.removeprefix(prefix): value for key, value in rename_keys(state, NAMES).items()}
    found = module.load_state_dict(ours, strict=False)
    assert not found.unexpected_keys
    assert all(key.startswith("features.") for key in found.missing_keys)
    return module.eval()


def read_image(golden: Golden, name: str, times: int = 1) -> Tensor:
    """Return 8-bit images in [0, 1], every pixel repeated."""
    return (golden.tensor(name).float() / 255).repeat_interleave(times, 2).repeat_interleave(times, 3)


def every(maps: Tensor, channels: int, places: int) -> Tensor:
    return maps[:, ::channels, ::places, ::places]


def task_of(golden: Golden, **settings: Any) -> Ci2018:
    """Return the task with the weights of the losses and the VGG-16 of a file, if it has these."""
    task = build_model(Ci2018, settings)
    shapes = golden.meta["shapes"]
    if "vgg16" in shapes or "features.0.weight" in shapes:
        task.vgg = VGGOutputs(16, (8,))  # type: ignore[assignment]
        task.vgg.load_state_dict(golden.weights("vgg16" if "vgg16" in shapes else ""))
        task.vgg.requires_grad_(False)
    return task.train()


@case("ci2018_generator")
@torch.inference_mode()
def generator(golden: Golden) -> None:
    network = fill(StrokeNetwork(golden.meta["width"] / FULL), golden.weights(), "")
    seen = record_outputs(dict(network.named_children()))
    lines = 2 * read_image(golden, "in_sketch") - 1
    generated = network.generate(lines, golden.tensor("in_hint"), golden.tensor("in_features").float())
    golden.close("out_image", generated)
    for name in [key for key in golden.arrays if key.startswith("out_t")]:
        maps = seen[name.removeprefix("out_")]
        wide = 4 * maps.shape[-1] > lines.shape[-1]
        golden.close(name, every(maps, golden.meta["every"], 4 if wide else 1))


@case("ci2018_features")
@torch.inference_mode()
def features(golden: Golden) -> None:
    state = {f"i2v.{key}": value for key, value in golden.weights().items()}
    found = fill(Illustration2Vec(), state, "features.")(2 * read_image(golden, "in_sketch") - 1)
    golden.close("out_features", every(found, golden.meta["every"], 2))
    golden.close("out_mean", found.mean(dim=(2, 3)))


@case("ci2018_content")
def content(golden: Golden) -> None:
    task = task_of(golden, width=0.125, discriminator_width=0.125)
    fake = (2 * read_image(golden, "in_fake") - 1).requires_grad_()
    rgb = (fake + 1) / 2
    golden.close("out_features", every(task.content_maps(rgb), golden.meta["every"], 2))
    loss = task.content_loss(rgb, read_image(golden, "in_real"))
    golden.close("out_loss", loss)
    loss.backward()
    golden.close("out_grad_fake", fake.grad)


@case("ci2018_critic")
def discriminator(golden: Golden) -> None:
    """Use float64, the precision of the file's tolerances, because kinks amplify float32 rounding errors."""
    meta = golden.meta
    weights = {
        "penalty_weight": meta["gpW"],
        "drift_weight": meta["drift"],
        "adversarial_weight": meta["advW"],
    }
    task = task_of(golden, width=0.125, content_weight=0.0, **weights).double()
    network = fill(task.discriminator, golden.weights(), "discriminator.")
    keys = [
        key.removeprefix("discriminator.") for key in rename_keys(dict.fromkeys(meta["grad_keys"]), NAMES)
    ]
    chosen = [dict(network.named_parameters())[key] for key in keys]
    real, fake = (read_image(golden, f"in_{name}", 4).double() for name in ("real", "fake"))
    given = golden.tensor("in_features").double().repeat_interleave(4, 2).repeat_interleave(4, 3)
    scores: list[Tensor] = []
    network.register_forward_hook(lambda *call: scores.append(call[-1].detach()))
    generated = (2 * fake - 1).requires_grad_()
    adversarial = -task.adversarial_weight * network(generated, given).mean()
    golden.close("out_adversarial", adversarial)
    (gradient,) = torch.autograd.grad(adversarial, generated)
    golden.close("out_grad_fake", 1e6 * every(gradient, 1, 8))
    terms = task.discriminator_terms(real, fake, given, golden.tensor("in_alpha").double())
    fake_score, real_score = scores[:2]
    golden.close("out_score_fake", fake_score)
    golden.close("out_score_real", real_score)
    golden.close("out_wasserstein", real_score.mean() - terms["fake"])
    golden.close("out_drift_loss", terms["true"])
    golden.close("out_gradient_penalty", terms["penalty"])
    parts = torch.autograd.grad(terms["penalty"], chosen, retain_graph=True, allow_unused=True)
    norms = [torch.zeros(()) if part is None else part.norm().float() for part in parts]
    golden.close("out_penalty_grad_norm", torch.stack(norms))
    torch.stack(list(terms.values())).sum().backward()
    golden.close("out_grad_feed0", network.feed[0].weight.grad[:8])
    golden.close("out_grad_out", network.out.weight.grad)
    check_step(golden, chosen)


def check_step(golden: Golden, chosen: list[nn.Parameter]) -> None:
    """Compare the norms of gradients, and of the first updates by Adam."""
    check_update(
        golden, chosen, torch.optim.Adam(chosen, lr=golden.meta["lr"], betas=tuple(golden.meta["betas"]))
    )


@case("ci2018_generator_step")
def generator_step(golden: Golden) -> None:
    """Use float64, so that rounding does not change the active side of a ReLU."""
    meta = golden.meta
    task = task_of(golden, width=meta["width"] / FULL, discriminator_width=0.125).double()
    network = fill(task.model.network, golden.weights("generator"), "").train()
    given = (golden.tensor(f"in_{name}").double() for name in ("hint", "features"))
    generated = task.generate_drawn(2 * read_image(golden, "in_sketch").double() - 1, *given)
    image = 2 * generated.rgb - 1
    golden.close("out_image", every(image, 1, 2))
    loss = task.content_loss(generated.rgb, read_image(golden, "in_real").double())
    golden.close("out_content", loss)
    (loss + (image * golden.tensor("in_adversarial_gradient")).sum()).backward()
    named = dict(network.named_parameters())
    golden.close("out_grad_exit", network.exit.weight.grad)
    golden.close("out_grad_to0", network.to0[0].weight.grad)
    golden.close("out_grad_toH", network.toH[0].weight.grad[:8])
    check_step(golden, [named[key] for key in rename_keys(dict.fromkeys(meta["grad_keys"]), NAMES)])


@case("ci2018_data")
def data(golden: Golden) -> None:
    drawn = golden.tensor("in_uniform") >= golden.tensor("in_thresholds").view(-1, 1, 1, 1)
    mask = torch.cat([drawn, torch.zeros_like(drawn)]).float()
    golden.close("out_mask", mask.to(torch.uint8))
    golden.close("out_hint", with_mask(2 * read_image(golden, "in_vim") - 1, mask))
    whole = golden.tensor("in_picture").permute(2, 0, 1).float() / 255
    size = tuple(golden.arrays["out_crops"].shape[1:3])
    crops = []
    for area, aspect, turned, left, top in golden.tensor("in_draws").tolist():
        sides = crop_sides(area * whole[0].numel(), aspect, turned == 1)
        crops.append((255 * shrink(whole, (int(left), int(top), *sides), size)).round().permute(1, 2, 0))
    golden.close("out_crops", torch.stack(crops))
    sketch, factors = read_image(golden, "in_sketch"), golden.tensor("in_jitter").float()
    golden.close(
        "out_jittered", 2 * fade_lines(sketch.expand(len(factors), -1, -1, -1), factors[:, None]) - 1
    )
    normal = torch.distributions.Normal(0.0, 1.0)
    shares = torch.tensor(golden.meta["quantiles"], dtype=torch.float64)
    golden.close("out_threshold_quantiles", hint_thresholds(normal.icdf(1 - shares / 2)))
    shares = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    expected = (1 - hint_thresholds(normal.icdf(shares))).mean() * golden.arrays["in_uniform"][0].size
    golden.close("out_expected_cells", expected)


# Training settings that the paper or the authors' code states

_RATES = {0: 1e-4, 124_999: 1e-4, 125_000: 1e-5, 249_999: 1e-5}

RECIPES = (
    Recipe(
        config="ci2018/paper.yaml",
        source="fact sheet, sections 6 and 7: config.yaml and train.py of orashi/AlacGAN",
        rates=_RATES,
        discriminator_rates=_RATES,
        betas=(0.5, 0.9), batch=4, steps=250_000,
        settings={
            "content_weight": 1.0, "adversarial_weight": 1e-4, "penalty_weight": 10.0, "drift_weight": 1e-3,
            "hints": 0.5, "width": 1.0, "blocks": [20, 8, 8, 5], "local_features": "illustration2vec",
            "discriminator_width": 1.0, "discriminator_side": 512,
        },
        fixed=("model.network.features.",),
    ),
)  # fmt: skip


KNOBS = {
    "ci2018": Knobs(
        base={"hints": 1.0},
        values={"width": 0.25, "blocks": (1, 1, 2, 1), "discriminator_width": 0.25, "hints": 0.0},
        exempt=("discriminator_side", "content_weight", "local_features"),
        size=64, steps=4,
    ),
    "ci2018_small": Knobs(
        base={"hints": 1.0},
        values={"width": 0.25, "blocks": (1, 1, 2, 1), "hints": 0.0, "local_features": "illustration2vec"},
        batch=16,
    ),
}  # fmt: skip
