"""DDColor: pretrained weights of the encoder, and losses compared with section 3.5 and the published code."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2.functional import adjust_saturation

from colorzoo.color import lab_to_rgb, lightness_to_rgb, rgb_to_lab
from colorzoo.errors import WeightsError
from colorzoo.factory import build_model
from colorzoo.metrics.appearance import colorfulness
from colorzoo.metrics.psnr import psnr
from colorzoo.networks import imagenet
from colorzoo.networks.attention import position_encoding
from colorzoo.networks.imagenet import VGGOutputs
from colorzoo.networks.renaming import rename_keys
from colorzoo.prediction import AbPrediction
from colorzoo.registry import model_card
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.training.perceptual import frozen_vgg16, load_torchvision
from colorzoo.zoo.kang2023.model import NAMES, UNUSED, ConvNextEncoder, DDColorNetwork
from colorzoo.zoo.kang2023.task import (
    VGG_LAYERS,
    ColorDiscriminator,
    Kang2023,
    colorfulness_loss,
    colorfulness_of,
)
from knobs.knob import Knobs
from parity.cases import Golden, case, record_outputs
from parity.pipelines.kang2023 import network_lightness, recolor, squash
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

NARROW = {"width": 0.125, "queries": 8, "layers": 4}


def test_convnext_encoder_loads_pretrained_classifier_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    torch.manual_seed(0)
    shape = {"depths": (1, 1, 3, 1), "dims": (8, 24, 48, 96)}
    source = timm.create_model("convnext_tiny", pretrained=False, num_classes=0, **shape)
    monkeypatch.setattr("colorzoo.metrics.feature_networks.download_timm_model", lambda *_: source)
    encoder = ConvNextEncoder("tiny", 0.125, 0.3)
    assert encoder.channels == (16, 24, 48, 96)
    with pytest.raises(WeightsError, match="convnext_tiny"):
        encoder.load_pretrained("convnext_tiny")
    source = timm.create_model("convnext_tiny", num_classes=0, **(shape | {"dims": encoder.channels}))
    encoder.load_pretrained("convnext_tiny")
    found = encoder.stages.state_dict()["stages_2.blocks.1.mlp.fc1.weight"]
    assert torch.equal(found, source.state_dict()["stages.2.blocks.1.mlp.fc1.weight"])


def test_kang2023_fit_without_pretrained_weights_raises(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    settings = {**model_card("kang2023").contract_test.hparams, "perceptual_weight": 5.0}
    model = build_model(Kang2023, settings)
    with pytest.raises(WeightsError, match="vgg16_bn"):
        model.setup("fit")
    encoder = build_model(
        Kang2023, {**settings, "perceptual_weight": 0.0, "pretrained": "convnext_tiny.fb_in22k"}
    )
    with pytest.raises(WeightsError, match="convnext_tiny"):
        encoder.prepare_fit()
    encoder.trained = True
    encoder.prepare_fit()


SIDE = 64


@pytest.fixture(scope="module")
def vgg() -> Any:
    torch.manual_seed(1)
    return frozen_vgg16(VGG_LAYERS, untrained=True)


def prepared(vgg: Any, **settings: Any) -> Any:
    model: Any = small("kang2023", perceptual_weight=5.0, **settings)
    torch.nn.init.constant_(model.discriminator.layers[2][2].gamma, 0.5)
    model.vgg = vgg
    model.log_dict = lambda *_, **__: None
    return model


def enhanced(rgb: Tensor) -> Tensor:
    red, green, blue = rgb.unbind(1)
    gray = (0.2989 * red + 0.587 * green + 0.114 * blue)[:, None]
    return (gray + 1.2 * (rgb - gray)).clamp(0, 1)


def plain_features(vgg: VGGOutputs, rgb: Tensor) -> list[Tensor]:
    """Return the outputs of convolutions before BatchNorm, recorded by hooks."""
    kept: list[Tensor] = []
    hooks = [
        vgg.features[index].register_forward_hook(lambda *call: kept.append(call[-1]))
        for index in (0, 7, 14, 24, 34)
    ]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    vgg.features((rgb - mean.view(3, 1, 1)) / std.view(3, 1, 1))
    for hook in hooks:
        hook.remove()
    return kept


def plain_loss(model: Any, lightness: Tensor, ab: Tensor, rgb: Tensor) -> tuple[Tensor, Tensor]:
    generated = model.model.network(lightness)
    colored = lab_to_rgb(torch.cat([lightness, generated], dim=1))
    loss = 0.1 * (generated - ab).abs().mean()
    pairs = zip(*(plain_features(model.vgg.network, each) for each in (colored, enhanced(rgb))), strict=True)
    for weight, (x, y) in zip((1 / 16, 1 / 8, 1 / 4, 1 / 2, 1), pairs, strict=True):
        loss = loss + 5.0 * weight * (x - y).abs().mean()
    loss = loss + F.softplus(-model.discriminator(colored)).mean()
    for red, green, blue in colored:
        rg, yb = (red - green).abs(), ((red + green) / 2 - blue).abs()
        cf = (rg.var() + yb.var()).sqrt() + 0.3 * (rg.mean() ** 2 + yb.mean() ** 2).sqrt()
        loss = loss + 2.0 * (1 - cf) / len(colored)
    return loss, colored.detach()


def test_kang2023_generator_and_discriminator_losses_equal_the_formulas(vgg: Any) -> None:
    model = prepared(vgg)
    plain = copy.deepcopy(model)  # every forward pass runs a power iteration
    batch, lightness, ab = training_batch(SIDE, 2)
    generated = model.generate(batch)
    found = model.generator_loss(batch, generated)
    wanted, colored = plain_loss(plain, lightness, ab, batch["rgb"])
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    same(gradients(found, model.model.network), gradients(wanted, plain.model.network), rtol=5e-3)

    discriminator = model.discriminator_loss(batch, generated.detach())
    real, fake = plain.discriminator(enhanced(batch["rgb"])), plain.discriminator(colored)
    expected = F.softplus(-real).mean() + F.softplus(fake).mean()
    torch.testing.assert_close(discriminator, expected, rtol=1e-4, atol=0)
    same(gradients(discriminator, model.discriminator), gradients(expected, plain.discriminator), rtol=1e-3)


def test_kang2023_step_runs_the_discriminator_three_times(vgg: Any, tmp_path: Path) -> None:
    model = small("kang2023", perceptual_weight=0.0)
    calls = {"network": 0, "discriminator": 0}
    for name, module in (("network", model.model.network), ("discriminator", model.discriminator)):
        module.register_forward_hook(lambda *_, name=name: calls.update({name: calls[name] + 1}))
    before = model.discriminator.layers[4][0].weight_u.clone()
    with silent_lightning():
        quiet_trainer(str(tmp_path), max_epochs=1).fit(model, batch_loader([training_batch(SIDE, 2)[0]]))
    assert calls == {"network": 1, "discriminator": 3}
    assert not torch.equal(before, model.discriminator.layers[4][0].weight_u)


def test_colorfulness_loss_of_a_gray_image_has_a_finite_gradient() -> None:
    gray = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    colorfulness_loss(gray).backward()
    assert gray.grad is not None
    assert gray.grad.isfinite().all()


def test_kang2023_chroma_weights_colorful_pixels() -> None:
    only_pixels = {"perceptual_weight": 0.0, "adversarial_weight": 0.0, "colorfulness_weight": 0.0}
    model = small("kang2023", chroma=2.0, **only_pixels)
    true = torch.tensor([0.0, 20.0]).view(1, 1, 1, 2).repeat(1, 2, 1, 1) / 2**0.5
    ab = true + torch.tensor([1.0, 3.0]).view(1, 1, 1, 2)
    lab = torch.cat([torch.full_like(true[:, :1], 50), true], dim=1)
    loss = model.generator_terms({"rgb": lab_to_rgb(lab)}, AbPrediction(ab=ab))["pixel"]
    assert loss.item() == pytest.approx((1 * 1 + 3 * 3) / (1 + 3), rel=1e-4)


# Golden files: DDColor against the authors' code: networks, discriminator, losses, images, measures.


WIDTHS = (512, 512, 256)


def build(golden: Golden) -> DDColorNetwork:
    """Return the network of a file without its weights."""
    config = golden.meta["config"]
    queries, layers = config.get("num_queries", 100), config.get("dec_layers", 9)
    with torch.device("meta"):
        encoder = ConvNextEncoder(config["size"])
        return DDColorNetwork(encoder, WIDTHS, queries=queries, layers=layers, feed=2048).eval()


def fill(golden: Golden, network: nn.Module, part: str = "") -> Any:
    """Load a file's weights strictly into a part of a network."""
    prefix = f"{part}." if part else ""
    found = rename_keys({k: v for k, v in golden.weights().items() if not re.match(UNUSED, k)}, NAMES)
    ours = {key.removeprefix(prefix): value for key, value in found.items()}
    filled = network.get_submodule(part)
    filled.load_state_dict(ours, assign=True)
    return filled


def gray_input(golden: Golden) -> Tensor:
    gray = golden.tensor("in_gray").float() / 255
    return gray.view(-1, 1, *gray.shape[-2:]).expand(-1, 3, -1, -1)


def normalized(golden: Golden) -> Tensor:
    mean, std = (torch.tensor(golden.meta["fixed"][name]).view(3, 1, 1) for name in ("mean", "std"))
    return (gray_input(golden) - mean) / std


def close(golden: Golden, name: str, ours: Tensor) -> None:
    """Compare the channels that a file contains."""
    steps = golden.meta["config"].get("channel_step", {})
    golden.close(name, ours[:, :: steps.get(name, 1)])


@case("ddcolor_encoder")
@torch.inference_mode()
def encoder(golden: Golden) -> None:
    network = fill(golden, build(golden), "encoder")
    image = normalized(golden)
    for index, skip in enumerate(network(image[:, :1], image)):
        golden.close(f"out_norm{index}", skip[:, :: golden.meta["config"]["channel_step"][index]])


@case("ddcolor_pixel_decoder")
@torch.inference_mode()
def pixel_decoder(golden: Golden) -> None:
    network = fill(golden, build(golden), "pixel_decoder")
    maps = [golden.tensor(f"in_feat{index}").float() for index in range(4)]
    close(golden, "out_shuf0", network.blocks[0].shuf(maps[3]))
    found = network(maps)
    for index, each in enumerate(found):
        close(golden, f"out_up{index}", each)
    close(golden, "out_last", network.last(found[-1]))


@case("ddcolor_color_decoder")
@torch.inference_mode()
def color_decoder(golden: Golden) -> None:
    network = fill(golden, build(golden), "color_decoder")
    config = golden.meta["config"]
    maps = [golden.tensor(f"in_src{index}").float() for index in range(3)]
    for index in range(2):
        height, width = maps[index].shape[2:]
        place = position_encoding(height, width, 256, torch.device("cpu"))
        golden.close(f"out_pos{index}", place.view(1, height, width, 256).permute(0, 3, 1, 2))
    seen: dict[str, list[Tensor]] = {"cross": [], "among": [], "feed": []}
    for layer in network.layers:
        for name, kept in seen.items():
            getattr(layer, name).register_forward_hook(lambda *call, kept=kept: kept.append(call[-1]))
    colors = network(maps)
    cut = slice(None, None, config["state_step"])
    golden.close("out_cross0", seen["cross"][0][..., cut])
    golden.close("out_self0", seen["among"][0][..., cut])
    golden.close("out_layers", torch.stack(seen["feed"], dim=1)[..., cut])
    golden.close("out_color_embed", colors[..., :: config["embed_step"]])
    golden.close("out_maps", torch.einsum("bqc,bchw->bqhw", colors, golden.tensor("in_img").float()))


@case("ddcolor_full")
@torch.inference_mode()
def full(golden: Golden) -> None:
    network = fill(golden, build(golden))
    gray = gray_input(golden)
    kept = record_outputs(dict(network.named_children()))
    golden.close("out_ab", network.generate(gray[:, :1], gray))
    if "out_norm3" in golden.arrays:
        close(golden, "out_norm3", kept["encoder"][3])
        for index, each in enumerate(kept["pixel_decoder"]):
            close(golden, f"out_up{index}", each)
    embedding = network.pixel_decoder.last(kept["pixel_decoder"][-1])
    close(golden, "out_maps", torch.einsum("bqc,bchw->bqhw", kept["color_decoder"], embedding))


@case("ddcolor_discriminator")
@torch.no_grad()
def discriminator(golden: Golden) -> None:
    network = ColorDiscriminator(golden.meta["config"]["nf"] / 64)
    network.load_state_dict(golden.weights())
    rgb = golden.tensor("in_rgb").permute(0, 3, 1, 2).float() / 255
    network.eval()
    golden.close("out_eval", network(rgb))
    golden.close("out_attention", network.layers[:3](rgb)[:, :: golden.meta["config"]["channel_step"]])
    network.train()
    for call in ("1", "2"):
        golden.close(f"out_train{call}", network(rgb))
        golden.close(f"out_u_after{call}", network.layers[4][0].weight_u)


@case("ddcolor_losses")
def losses(golden: Golden) -> None:
    lightness, true = golden.tensor("in_L"), golden.tensor("in_ab_true")
    ab = golden.tensor("in_ab_pred").requires_grad_()
    rgb, generated = lab_to_rgb(torch.cat([lightness, true], dim=1)), AbPrediction(ab=ab)
    golden.close("out_gray_rgb", lightness_to_rgb(lightness))
    golden.close("out_gt_rgb", rgb)
    golden.close("out_gt_rgb_enhanced", adjust_saturation(rgb, 1.2))
    golden.close("out_pred_rgb", generated.to_rgb(lightness))
    model = training_model(golden)
    batch: Any = {"rgb": rgb}
    # the code adds up the images of a device, here it is a mean
    model.hparams["colorfulness_weight"] = 0.5 * len(lightness)
    terms = model.generator_terms(batch, generated)
    names = {
        "pixel": "l_g_pix",
        "perceptual": "l_g_percep",
        "adversarial": "l_g_gan",
        "colorfulness": "l_g_color",
    }
    weighted = {name: model.hparams[f"{name}_weight"] * term for name, term in terms.items()}
    for ours, theirs in names.items():
        golden.close(f"out_{theirs}", weighted[ours])
    (gradient,) = torch.autograd.grad(sum(weighted.values()), ab)
    golden.close("out_grad_ab", gradient)
    alone = colorfulness_loss(generated.to_rgb(lightness))
    (gradient,) = torch.autograd.grad(model.hparams["colorfulness_weight"] * alone, ab)
    golden.close("out_grad_ab_colorfulness", gradient)
    golden.close("out_colorfulness_per_image", colorfulness_of(generated.to_rgb(lightness)))
    maps, target = (
        model.vgg(imagenet.normalized(each))
        for each in (generated.to_rgb(lightness), adjust_saturation(rgb, 1.2))
    )
    golden.close_sampled("out_vgg_conv5_1", maps[-1])
    distances = [(x - y).abs().mean() for x, y in zip(maps, target, strict=True)]
    golden.close("out_percep_l1_per_layer", torch.stack(distances))
    compare_discriminator_step(golden, model, rgb, generated.detach())


def training_model(golden: Golden) -> Kang2023:
    """Return a model with the discriminator and VGG-16 of the file."""
    settings = {"width": 0.125, "size": "tiny", "discriminator_width": golden.meta["config"]["nf"] / 64}
    model = build_model(Kang2023, settings)
    model.discriminator.load_state_dict(golden.weights("disc"))
    model.vgg = frozen_vgg16(VGG_LAYERS, untrained=True)
    load_torchvision(model.vgg.network, golden.weights("vgg"), "VGG-16")
    return model.train()


def compare_discriminator_step(golden: Golden, model: Kang2023, rgb: Tensor, generated: AbPrediction) -> None:
    """Compare the discriminator's half of the step: second and third power iteration."""
    scores: list[Tensor] = []
    hook = model.discriminator.register_forward_hook(lambda *call: scores.append(call[-1]))
    loss = model.discriminator_loss({"rgb": rgb}, generated)  # type: ignore[typeddict-item]
    hook.remove()
    golden.close("out_l_d", loss)
    for name, score in zip(("real", "fake"), scores, strict=True):
        golden.close(f"out_{name}_score", score.mean())
    named = dict(model.discriminator.named_parameters())
    wanted = [named[name] for name in golden.meta["config"]["disc_parameters"]]
    norms = [gradient.norm() for gradient in torch.autograd.grad(loss, wanted)]
    golden.close("out_grad_norm_disc", torch.stack(norms))


def images(golden: Golden, name: str) -> Tensor:
    """Return an image of a file, ``(1, 3, H, W)`` RGB in [0, 1]."""
    rgb = golden.tensor(name).float() / 255
    rgb = rgb.flip(-1) if "bgr" in name else rgb
    return rgb.permute(2, 0, 1)[None]


@case("ddcolor_data")
def data(golden: Golden) -> None:
    for kind in ("color", "gray"):
        lab = rgb_to_lab(squash(images(golden, f"in_rgb_{kind}"), golden.meta["config"]["gt_size"]))
        golden.close(f"out_L_{kind}", lab[0, :1])
        golden.close(f"out_ab_{kind}", lab[0, 1:])


@case("ddcolor_pipeline")
def pipeline(golden: Golden) -> None:
    tolerance = golden.meta["tolerance_formula"]
    for kind in ("color", "gray", "wild"):
        rgb = images(golden, f"in_bgr_{kind}")
        seen = lightness_to_rgb(network_lightness(rgb, golden.meta["config"]["input_size"]))
        expected = golden.tensor(f"out_model_input_{kind}")
        assert (seen[0] - expected).abs().max() <= tolerance["out_model_input"]
        found = recolor(rgb, golden.tensor(f"in_ab_{kind}").float()[None])
        wanted = images(golden, f"out_bgr_{kind}")
        assert (found - wanted).abs().max() * 255 <= tolerance["out_bgr"] + 1e-3


@case("ddcolor_metrics")
def metrics(golden: Golden) -> None:
    levels = {}
    for kind in ("pred", "true"):
        rgb = golden.tensor(f"in_{kind}_rgb").clamp(0, 1).mul(255).round()
        levels[kind] = rgb[None]
        assert torch.equal(rgb.flip(0).permute(1, 2, 0).byte(), golden.tensor(f"out_{kind}_bgr"))
        found = colorfulness(levels[kind] / 255, form="absolute")
        torch.testing.assert_close(found[0].double(), golden.tensor(f"out_cf_{kind}"), rtol=1e-6, atol=0)
    for name, edge in (("out_psnr", 0), ("out_psnr_crop4", 4)):
        cut = [
            each[..., edge : each.shape[-2] - edge, edge : each.shape[-1] - edge] for each in levels.values()
        ]
        found = psnr(*cut, peak=255.0)
        torch.testing.assert_close(found[0].double(), golden.tensor(name), rtol=1e-6, atol=0)


# Training settings that the paper or the authors' code states

# 1e-4, halved after 80,000 steps and then every 40,000 until 360,000
_RATES = {0: 1e-4, 79_999: 1e-4, 80_000: 5e-5, 119_999: 5e-5, 120_000: 2.5e-5, 399_999: 1e-4 / 2**8}


def published(name: str, size: str) -> Recipe:
    return Recipe(
        config=f"kang2023/{name}.yaml",
        source="fact sheet, section 7: train_ddcolor.yml and color_model.py of the authors, section 4.1",
        rates=_RATES,
        discriminator_rates=_RATES,
        optimizer="AdamW", betas=(0.9, 0.99), weight_decay=0.01, batch=16, steps=400_000,
        settings={
            "size": size, "width": 1.0, "depth": 1.0, "queries": 100, "layers": 9,
            "pretrained": f"convnext_{size}.fb_in22k", "pixel_weight": 0.1, "perceptual_weight": 5.0,
            "adversarial_weight": 1.0, "colorfulness_weight": 2.0, "saturation": 1.2,
            "discriminator_width": 1.0, "trunk": None, "chroma": 0.0,
        },
    )  # fmt: skip


RECIPES = (published("paper", "large"), published("tiny", "tiny"))


KNOBS = {
    "kang2023": Knobs(
        base={"chroma": 0.5},
        values={
            "size": "large", "width": 0.1875, "depth": 0.6, "discriminator_width": 0.1875,
            "trunk": "zhang2017_local_small",
        },
        exempt=("perceptual_weight",),
        size=64, steps=2,
    ),
}  # fmt: skip
