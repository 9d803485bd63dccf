"""Color2Embed: embeddings, training references, VGG-19 weights, and the perceptual loss."""

import random
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data import Batch
from colorzoo.factory import build_model
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.losses import feature_distance
from colorzoo.networks.renaming import rename_keys
from colorzoo.networks.splines import diagonal_moves, source_positions, spline, warp
from colorzoo.registry import model_card
from colorzoo.testing import sample_batch, sample_image, sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.zoo.zhao2021.model import (
    NAMES,
    UNUSED,
    Color2Embed,
    ColorUNet,
    Down,
    ModulatedConvolution,
    Up,
    VGGFeatures,
)
from colorzoo.zoo.zhao2021.task import Zhao2021, add_noise, made_reference, mirror_and_rotate, whole_levels
from knobs.knob import Knobs
from parity.cases import Golden, case, load_part, record_outputs
from steps.step import gradients, small, training_batch
from training_recipes.recipe import Recipe
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


# Golden files: Color2Embed's networks, references, losses and one step, against the authors' code.


NETWORKS = ("colorEncoder", "colorUNet")
# biases before a normalization have no gradient but rounding
BEFORE_NORM = ("unet.inc.0.bias", "unet.inc.3.bias", ".refine.0.bias")


def of_networks(golden: Golden) -> dict[str, Tensor]:
    """Return the authors' checkpoint of a file with several networks, flat."""
    found = {}
    for name in NETWORKS:
        found |= {f"{name}.{key}": value for key, value in golden.weights(name).items()}
    return found


def pixels(golden: Golden, name: str) -> Tensor:
    """Return images ``(B, 3, H, W)`` in [0, 1] of 8-bit ones."""
    image = golden.tensor(name).float() / 255
    return (image[None] if image.ndim == 3 else image).permute(0, 3, 1, 2)


def full_size(**settings: Any) -> Color2Embed:
    return build_model(Color2Embed, settings).eval()


@case("color2embed_sdft")
@torch.inference_mode()
def color2embed_sdft(golden: Golden) -> None:
    meta = golden.meta
    for name, layer in meta["layers"].items():
        state = golden.weights(name)
        module = ModulatedConvolution(layer["channels"], layer["kernel"], 512)
        load_part(module, state, NAMES, "unet.up1.modulated.", "colorUNet.up1.SDFT.").to(
            memory_format=torch.channels_last
        )
        x, vector = golden.tensor(f"in_x_{name}"), golden.tensor(f"in_style_{name}")
        golden.close(f"out_y_{name}", module(x, vector))
        style = module.modulation(vector)
        golden.close(f"out_style_{name}", style)
        golden.close(f"out_norm_{name}", module.squared_norms(style).sqrt())


@case("color2embed_blocks")
@torch.no_grad()
def color2embed_blocks(golden: Golden) -> None:
    meta = golden.meta
    states = {name: golden.weights(name) for name, shapes in meta["shapes"].items()}
    every = meta["channel_step"]
    modules = {
        "doubleconv": load_part(ColorUNet().inc, states["doubleconv"], NAMES, "unet.inc.", "colorUNet.inc."),
        "down": load_part(Down(64, 128), states["down"], NAMES, "unet.down1.", "colorUNet.down1."),
    }
    norms = {"doubleconv": modules["doubleconv"][1], "down": modules["down"].refine[1]}
    for name, given in (("doubleconv", "in_l"), ("down", "in_x64")):
        module, x = modules[name], golden.tensor(given)
        golden.close(f"out_{name}_eval", module(x)[:, ::every])
        golden.close(f"out_{name}_train", module.train()(x)[:, ::every])
        golden.close(f"out_{name}_running_mean", norms[name].running_mean)
        golden.close(f"out_{name}_running_var", norms[name].running_var)
    up = Up(128, 128, 64, kernel=5, vector=512)
    load_part(up, states["up"], NAMES, "unet.up3.", "colorUNet.up3.")
    given = [golden.tensor(f"in_{name}") for name in ("x128", "skip128", "style")]
    golden.close("out_up_eval", up(*given)[:, ::every])


@case("color2embed_unet")
@torch.inference_mode()
def color2embed_unet(golden: Golden) -> None:
    meta = golden.meta
    unet = load_part(ColorUNet(), golden.weights(), NAMES, "unet.", "colorUNet.")
    assert sum(p.numel() for p in unet.parameters()) == meta["parameters"]
    seen = record_outputs({name: unet.get_submodule(name) for name in meta["every"]})
    lightness, vector = golden.tensor("in_l"), golden.tensor("in_vector")
    golden.close("out_ab", unet(lightness, vector))
    for name, (channels, step) in meta["every"].items():
        golden.close(f"out_{name}", seen[name][:, ::channels, ::step, ::step])
    golden.close_sampled("out_ab_zero_vector", unet(lightness, torch.zeros_like(vector)))


@case("color2embed_encoder")
@torch.inference_mode()
def color2embed_encoder(golden: Golden) -> None:
    meta = golden.meta
    weights = golden.weights()
    state = {key: weights[key] for key in weights if not re.match(UNUSED, f"colorEncoder.{key}")}
    encoder = load_part(full_size().network.encoder, state, NAMES, "encoder.", "colorEncoder.")
    rgb = pixels(golden, "in_rgb")
    hooks = encoder.features(rgb)
    for name, maps in zip([*meta["every"], "relu5_2"], hooks, strict=True):
        golden.close_sampled(f"out_{name}", maps)
    x = hooks[-1]
    for index, layer in enumerate(encoder.to_vector):
        x = layer(x)
        if index in (0, 2, 4, 6):
            golden.close_sampled(f"out_conv{index}", x)
        if index == 8:
            golden.close("out_pooled", x.flatten(1))
    golden.close("out_vector", encoder(rgb))


@case("color2embed_full")
@torch.inference_mode()
def color2embed_full(golden: Golden) -> None:
    """Compare with the authors' script, which squashes both images and enlarges ab bilinearly."""
    meta = golden.meta
    model = full_size()
    model.load_weights(of_networks(golden), name="the authors' weights", published=True)
    side = meta["imgsize"]
    reference = pixels(golden, "in_ref")
    lightness = rgb_to_lab(pixels(golden, "in_target"))[:, :1]
    square = F.interpolate(lightness, size=(side, side), mode="bilinear")
    golden.close_sampled("out_l_resized", (square - 50) / 50)
    resized = F.interpolate(reference, size=(side, side), mode="bilinear")
    golden.close_sampled("out_ref_resized", resized)
    look = model.encode_reference(reference)
    golden.close("out_vector", look[:, 0])
    ab = model(square, Guidance(exemplar=Exemplar(reference))).ab
    golden.close_sampled("out_ab", ab / 110)
    ab = F.interpolate(ab, size=tuple(lightness.shape[-2:]), mode="bilinear")
    golden.close("out_ab_full", ab)
    result = (255 * lab_to_rgb(torch.cat([lightness, ab], dim=1))).floor()
    golden.close("out_rgb", result[0].permute(1, 2, 0))
    again = model.encode_reference(result / 255)
    golden.close("out_vector_of_result", again[:, 0])
    golden.close("out_cosine", F.cosine_similarity(look[:, 0], again[:, 0])[0])


@case("color2embed_lab")
def color2embed_lab(golden: Golden) -> None:
    lab = golden.tensor("in_lab").requires_grad_()
    rgb = lab_to_rgb(lab)
    golden.close("out_rgb", rgb)
    rgb.backward(golden.tensor("in_upstream"))
    assert lab.grad is not None
    golden.close("out_grad_lab", lab.grad)
    found = rgb_to_lab(pixels(golden, "in_rgb"))
    golden.close("out_lab_from_rgb", found[0] - torch.tensor([50.0, 0, 0]).view(3, 1, 1))
    golden.close("out_rgb_uint8", (255 * lab_to_rgb(found)[0]).floor().permute(1, 2, 0))


@case("color2embed_losses")
def color2embed_losses(golden: Golden) -> None:
    vgg = _vgg(golden.weights())
    rgb = pixels(golden, "in_rgb")
    lab = rgb_to_lab(rgb)
    golden.close("out_l", (lab[:, :1] - 50) / 50)
    golden.close("out_ab", lab[:, 1:] / 110)
    fake = golden.tensor("in_fake_ab").requires_grad_()
    colored = lab_to_rgb(torch.cat([lab[:, :1], 110 * fake], dim=1))
    golden.close_sampled("out_fake_rgb", colored)
    found, true = vgg(colored), vgg(rgb)
    each = [F.l1_loss(a, b) for a, b in zip(found, true, strict=True)]
    golden.close("out_feature_l1", torch.stack(each))
    # one map alone counts as the deepest does: by 1
    divisors = torch.tensor([32.0, 16, 8, 4, 1])
    terms = torch.stack([feature_distance([a], [b]) for a, b in zip(found, true, strict=True)])
    golden.close("out_fea", 0.1 * terms / divisors)
    recon, perceptual = F.smooth_l1_loss(fake, lab[:, 1:] / 110), 0.1 * feature_distance(found, true)
    golden.close("out_recon", recon)
    golden.close("out_total", recon + perceptual)
    for name, loss in (("recon", recon), ("fea", perceptual)):
        (gradient,) = torch.autograd.grad(loss, fake, retain_graph=True)
        _relative(golden, f"out_grad_{name}", gradient)


def _vgg(state: dict[str, Tensor]) -> VGGFeatures:
    vgg = VGGFeatures()
    used = {f"layers.{key.removeprefix('features.')}": value for key, value in state.items()}
    vgg.load_state_dict({key: used[key] for key in vgg.state_dict()})
    return vgg.eval().requires_grad_(False)


def _relative(golden: Golden, name: str, found: Tensor) -> None:
    """Compare gradients within a share of the largest entry."""
    rtol, _ = golden.tolerance("gradients")
    expected = golden.tensor(name)
    assert found.shape == expected.shape, name
    assert float((found - expected).abs().max() / expected.abs().max()) < rtol, name


@case("color2embed_reference")
def color2embed_reference(golden: Golden) -> None:
    rgb, noise = golden.tensor("in_rgb").float(), golden.tensor("in_noise").float()
    height, width = rgb.shape[:2]
    levels = add_noise(rgb.permute(2, 0, 1)[None], noise.permute(2, 0, 1)[None])
    for index, (moves, turn) in enumerate(
        zip(golden.tensor("in_tps"), golden.tensor("in_flips_angle"), strict=True)
    ):
        theta = spline(moves[None])
        golden.close(f"out_theta_{index}", theta[0, 1:])  # the authors' code omits the first weight
        places = source_positions(theta, moves[None], (height, width))[0]
        pixels_at = (places * torch.tensor([width, height])).permute(2, 0, 1)
        golden.close_sampled(f"out_map_{index}", pixels_at)
        warped = whole_levels(warp(levels, theta, moves[None]))[0].permute(1, 2, 0)
        golden.close(f"out_warped_{index}", warped)
        given = golden.tensor(f"out_warped_{index}").permute(2, 0, 1)[None]
        turned = mirror_and_rotate(given, turn[None, :2] > 0, turn[2:])
        golden.close(f"out_reference_{index}", turned[0].permute(1, 2, 0))
    check_draws(golden)


def check_draws(golden: Golden) -> None:
    """Compare the authors' draws from Python's generator with this project's rule."""
    source, count = random.Random(golden.meta["py_seed"]), golden.meta["draws"]
    tries = torch.tensor([[source.random() for _ in range(4)] for _ in range(2 * count)], dtype=torch.float64)
    alone = diagonal_moves(tries[:, None]).tolist()
    chosen = diagonal_moves(tries.unfold(0, 8, 1).mT).tolist()  # of eight tries from each on
    found, at = [], 0
    while len(found) < count:
        found.append(chosen[at])
        at = alone.index(chosen[at], at) + 1  # the authors' next draw continues after the selected entry
    assert at > count  # some were refused
    moves = torch.tensor(found, dtype=torch.float64)
    golden.close("out_draws_first", moves[: len(golden.arrays["out_draws_first"])])
    golden.close("out_draws_mean", moves.mean(dim=0))
    golden.close("out_draws_std", moves.std(dim=0, unbiased=False))
    golden.close("out_draws_minmax", torch.stack(moves.aminmax(dim=0)))


@case("color2embed_step")
def color2embed_step(golden: Golden) -> None:
    model = Zhao2021().train()
    model.load_weights(of_networks(golden), name="the authors' weights", published=True)
    model.trained = True  # the encoder has its own weights; only the loss uses VGG-19
    logged: dict[str, Tensor] = {}
    model.log_dict = lambda values, **_: logged.update(values)
    model.allow_untrained = True
    model.setup("fit")
    model.vgg = _vgg(golden.weights("vggnet"))
    optimizer = torch.optim.Adam(model.model.network.parameters(), lr=1e-4, betas=(0.9, 0.99))
    rgb, given = pixels(golden, "in_rgb"), pixels(golden, "in_ref")
    batch: Any = {
        "rgb": rgb,
        "reference": given,
        "seed": torch.arange(len(rgb)),
        "name": [str(n) for n in range(len(rgb))],
    }
    before = model.model.network.unet.outc[2].weight.detach().clone()
    seen = record_outputs({"vector": model.model.network.encoder, "ab": model.model.network.unet})
    model.training_step(Batch(**batch), 0).backward()
    golden.close("out_vector", seen["vector"])
    golden.close("out_fake_ab", seen["ab"])
    golden.close("out_recon", logged["train/reconstruction"])
    torch.testing.assert_close(
        logged["train/perceptual"].double(), golden.tensor("out_fea").sum(), rtol=1e-3, atol=0
    )
    _check_gradients(golden, model)
    optimizer.step()
    golden.close_sampled("out_out_weight_change", model.model.network.unet.outc[2].weight - before)
    golden.close("out_inc_running_mean", model.model.network.unet.inc[1].running_mean)
    golden.close("out_inc_running_var", model.model.network.unet.inc[1].running_var)


def _check_gradients(golden: Golden, model: Any) -> None:
    """Compare the norms of all gradients in the authors' order, and some gradients."""
    named = {name: p.grad for name, p in model.model.network.named_parameters()}
    norms = zip(golden.meta["grad_keys"], golden.tensor("out_grad_norms"), strict=True)
    ours = rename_keys(dict(norms), NAMES)
    assert ours.keys() == named.keys()
    for name, norm in ours.items():
        if not name.endswith(BEFORE_NORM):
            torch.testing.assert_close(named[name].norm(), norm, rtol=0.01, atol=0, msg=name)
    network = model.model.network
    _relative(golden, "out_grad_out_bias", network.unet.outc[2].bias.grad)
    _relative(golden, "out_grad_linear3_bias", network.encoder.to_vector[13].bias.grad)
    first = network.encoder.features.layers[0].weight.grad
    _relative(golden, "out_grad_vgg_conv1_1", golden.sampled("out_grad_vgg_conv1_1", first))
    _relative(golden, "out_grad_up4_modulation_bias", network.unet.up4.modulated.modulation.bias.grad)


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="zhao2021/paper.yaml",
        source="fact sheet, section 5: Adam 1e-4 constant, 8 GPUs by 8, 100,000 iterations, its VGG too",
        rates={0: 1e-4, 45_000: 1e-4, 99_999: 1e-4},
        betas=(0.9, 0.99), batch=64, steps=100_000,
        settings={"width": 1.0, "reference_side": 256, "perceptual_weight": 0.1},
    ),
)  # fmt: skip


KNOBS = {
    "zhao2021": Knobs(
        values={"width": 0.25}, exempt=("reference_side", "perceptual_weight"),
    ),
}  # fmt: skip
