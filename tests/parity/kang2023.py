"""DDColor against the authors' code: networks, discriminator, losses, images, measures."""

import re
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms.v2.functional import adjust_saturation

from colorzoo.color import lab_to_rgb, lightness_to_rgb, rgb_to_lab
from colorzoo.factory import build_model
from colorzoo.metrics.appearance import colorfulness
from colorzoo.metrics.psnr import psnr
from colorzoo.networks import imagenet
from colorzoo.networks.attention import position_encoding
from colorzoo.networks.renaming import rename_keys
from colorzoo.prediction import AbPrediction
from colorzoo.training.perceptual import frozen_vgg16, load_torchvision
from colorzoo.zoo.kang2023.model import NAMES, UNUSED, ConvNextEncoder, DDColorNetwork
from colorzoo.zoo.kang2023.task import (
    VGG_LAYERS,
    ColorDiscriminator,
    Kang2023,
    colorfulness_loss,
    colorfulness_of,
)
from parity.cases import Golden, case, record_outputs
from parity.pipelines.kang2023 import network_lightness, recolor, squash

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
