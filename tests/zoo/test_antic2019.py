"""DeOldify: render_factor, lightness, torchvision weights, optimizer groups, losses and stages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.color.sketch import rgb_to_gray
from colorzoo.errors import ColorzooError
from colorzoo.factory import build_model
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.losses import cross_entropy_gan_loss
from colorzoo.networks import imagenet
from colorzoo.networks.imagenet import VGGOutputs, normalized
from colorzoo.networks.spectral import StoredSpectralAttention, StoredSpectralConv, WideBlock
from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.weights import save_weights
from colorzoo.zoo.antic2019.model import (
    NAMES,
    DeepBlock,
    DeOldifyNetwork,
    Refinement,
    ResNetEncoder,
    ab_of,
    block_shapes,
    keep_lightness,
    weighted_shuffle,
)
from colorzoo.zoo.antic2019.task import (
    VGG_LAYERS,
    Antic2019,
    Discriminator,
    content_terms,
    pretraining_loss,
)
from knobs.knob import Knobs
from parity.cases import Golden, case, load_part, record_outputs
from parity.pipelines.antic2019 import network_input, raw_image, restore_luma, square_gray
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

NARROW = {"encoder": "resnet18", "width": 0.125}


def narrow(**settings: Any) -> Antic2019:
    torch.manual_seed(0)
    return build_model(Antic2019, {**NARROW, **settings}).eval()


def trained(**settings: Any) -> Antic2019:
    model = narrow(**settings)
    model.model.load_state_dict(contract_test_model(model_card("antic2019")).model.state_dict())
    model.trained = True
    return model


def test_render_factor_sets_the_working_size(tmp_path: Path) -> None:
    assert model_card("deoldify").name == "antic2019"
    gray = np.random.default_rng(0).integers(0, 255, (200, 300), dtype=np.uint8)
    assert Colorizer(trained(), device="cpu").size == 560
    path = tmp_path / "narrow.safetensors"
    save_weights(
        path,
        trained().model.state_dict(),
        {"model": "antic2019", "hparams": '{"encoder": "resnet18", "width": 0.125}'},
    )
    seen = []
    for factor in (4, 6):
        colorizer = Colorizer(
            "deoldify", weights=path, render_factor=factor, device="cpu", precision="float32"
        )
        colored = colorizer.colorize(read_image(gray))
        seen.append(colored.ab)
        assert colored.rgb.shape == (200, 300, 3)
    assert [tuple(ab.shape) for ab in seen] == [(2, 64, 96), (2, 96, 144)]
    assert narrow(render_factor=64).model.working_size == 1024
    for wrong in (0, 65):
        with pytest.raises(ColorzooError, match=f"must be at least 1 and at most 64, got {wrong}"):
            narrow(render_factor=wrong)


def test_keep_lightness_replaces_luma_and_keeps_chroma() -> None:
    rgb, gray = 0.3 + 0.3 * torch.rand(1, 3, 8, 8), 0.45 + 0.1 * torch.rand(1, 1, 8, 8)
    joined = keep_lightness(rgb, gray)
    torch.testing.assert_close(rgb_to_gray(joined), gray)
    for channel in (0, 2):  # U and V
        own, other = (each[:, channel] - rgb_to_gray(each)[:, 0] for each in (joined, rgb))
        torch.testing.assert_close(own, other)
    beyond = 2 * torch.rand(1, 3, 8, 8) - 0.5
    cut = keep_lightness(beyond.clamp(0, 1), gray)
    assert cut.aminmax() == (0, 1)
    torch.testing.assert_close(ab_of(normalized(beyond), gray), rgb_to_lab(cut)[:, 1:], atol=1e-3, rtol=0)


def torchvision_file(module: torch.nn.Module, path: Path) -> str:
    """Write a file like old torchvision files: without batch counters, and with an unused head."""
    kept = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    torch.save({**kept, "fc.weight": torch.zeros(3, 3)}, path)
    return str(path)


def fit(model: Any, folder: Path) -> None:
    with silent_lightning():
        trainer = quiet_trainer(folder, max_epochs=1)
        trainer.fit(model, batch_loader([sample_batch((64, 64), batch=2)]))


def test_antic2019_starts_from_torchvision_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(3)
    encoder, vgg = ResNetEncoder("resnet18", 0.125), VGGOutputs(16, VGG_LAYERS, batch_norm=True)
    monkeypatch.setattr("colorzoo.training.perceptual.published_weights", lambda _: vgg.state_dict())
    model = narrow(stage="frozen", encoder_weights=torchvision_file(encoder, tmp_path / "resnet.pth"))
    fit(model, tmp_path)
    assert torch.equal(model.model.network.encoder.layer2[0].conv1.weight, encoder.layer2[0].conv1.weight)
    assert not torch.equal(model.model.network.encoder.bn1.running_mean, encoder.bn1.running_mean)
    assert not torch.equal(model.model.network.encoder.bn1.weight, encoder.bn1.weight)
    held: Any = model.vgg
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(held(image)[2], vgg.eval()(image)[2])
    assert not any("vgg" in key for key in model.state_dict())


def test_antic2019_generator_groups_are_encoder_deep_encoder_and_decoder() -> None:
    model = narrow(stage="unfrozen")
    names = {id(p): name for name, p in model.model.network.named_parameters()}
    groups = [[names[id(p)] for p in group["params"]] for group in model.generator_groups()]
    assert {name.split(".")[1] for name in groups[0]} == {"conv1", "bn1", "layer1", "layer2"}
    assert {name.split(".")[1] for name in groups[1]} == {"layer3", "layer4"}
    assert sum(map(len, groups)) == len(names)
    assert not any(name.startswith("encoder.") for name in groups[2])


MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
GRAY = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)


def plain_content(generated: Tensor, truth: Tensor, vgg: Any, weights: tuple[float, ...]) -> Tensor:
    """FeatureLoss: pixels, then VGG's layers 22, 32 and 42, all mean absolute differences."""
    total = (generated - truth).abs().mean()
    for last, weight in zip((22, 32, 42), weights, strict=True):
        found, wanted = (vgg.features[: last + 1](each) for each in (generated, truth))
        total = total + weight * (found - wanted).abs().mean()
    return total


@pytest.mark.parametrize("stage", ["unfrozen", "gan"])
def test_antic2019_generator_loss_equals_the_notebook(stage: str) -> None:
    weights = (3.0, 2.0, 5.0)
    how = {"content_weight": 1.5, "adversarial_weight": 0.7, "layer_weights": weights}
    model: Any = small("antic2019", stage=stage, **how).eval()  # no dropout, and fixed spectral norms
    batch, _, _ = training_batch(64, 2)
    torch.manual_seed(1)
    model.vgg = VGGOutputs(16, VGG_LAYERS, batch_norm=True).eval().requires_grad_(False)
    found = model.generator_loss(batch, model.generate(batch))
    truth = (batch["rgb"] - MEAN) / DEVIATION
    gray = (batch["rgb"] * GRAY).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    generated = model.model.network((gray - MEAN) / DEVIATION)
    wanted = plain_content(generated, truth, model.vgg, weights)
    if stage == "gan":
        scores = model.discriminator(generated)
        wanted = 1.5 * wanted + 0.7 * F.softplus(-scores).mean()  # cross-entropy with 1
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    same(gradients(found, model.model.network), gradients(wanted, model.model.network), rtol=2e-3)


def test_antic2019_discriminator_loss_equals_the_notebook() -> None:
    model: Any = small("antic2019", stage="gan").eval()
    batch, _, _ = training_batch(64, 2)
    generated = model.generate(batch).detach()
    found = model.discriminator_loss(batch, generated)
    fake, real = (model.discriminator((rgb - MEAN) / DEVIATION) for rgb in (generated.rgb, batch["rgb"]))
    wanted = (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    same(gradients(found, model.discriminator), gradients(wanted, model.discriminator), rtol=1e-3)


class RecordsUpdates(Callback):
    """Records which network each batch updates."""

    def __init__(self) -> None:
        self.seen: list[set[str]] = []
        self._before: dict[str, Tensor] = {}

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._before = {name: p.detach().clone() for name, p in pl_module.named_parameters()}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        assert torch.isfinite(outputs["loss"])
        moved = {
            n.split(".")[0] for n, p in pl_module.named_parameters() if not torch.equal(p, self._before[n])
        }
        self.seen.append(moved)


def test_antic2019_stages_update_the_expected_network(tmp_path: Path) -> None:
    for stage, threshold, wanted in [
        ("frozen", 0.65, ["model"] * 4),
        ("critic", 9.0, ["discriminator"] * 4),
        ("gan", 9.0, ["discriminator", "model"] * 2),
        ("gan", 0.0, ["discriminator"] * 4),
    ]:
        model: Any = small("antic2019", stage=stage, discriminator_threshold=threshold)
        model.allow_untrained, updates = True, RecordsUpdates()
        batches = [sample_batch((64, 64), batch=2, seed=seed) for seed in range(4)]
        with silent_lightning():
            quiet_trainer(tmp_path, max_epochs=1, callbacks=[updates]).fit(model, batch_loader(batches))
        assert updates.seen == [{name} for name in wanted]
        assert model.provenance.steps == 0 or model.trained


# Golden files: DeOldify compared with its author's code: networks, losses, and the bit-exact pipeline.


def normalized_pixels(pixels: Tensor) -> Tensor:
    """Return uint8 ``(B, H, W, 3)`` in the networks' input format."""
    return imagenet.normalized(pixels.permute(0, 3, 1, 2).float() / 255)


@case("deoldify_full")
@torch.inference_mode()
def full(golden: Golden) -> None:
    how = golden.meta["config"]
    deep = how["net"] == "artistic"
    decoder, nf_factor, encoder = ("deep", 1.5, "resnet34") if deep else ("wide", 2.0, "resnet101")
    network = DeOldifyNetwork(how.get("arch", encoder), decoder, how.get("nf_factor", nf_factor)).eval()
    load_part(network, golden.weights(), NAMES)
    layers = {"out_layer3": network.middle, "out_layer11": network.head}
    layers |= {f"out_layer{4 + index}": block for index, block in enumerate(network.blocks)}
    seen = record_outputs(layers)
    network.encoder.register_forward_hook(lambda _, __, out: seen.update({"out_layer0": out[-1]}))
    gray = golden.tensor("in_gray")
    gray = gray.view(-1, *gray.shape[-2:], 1).expand(-1, -1, -1, 3)
    golden.close("out_pred", network(normalized_pixels(gray)))
    for name, step in how["channel_step"].items():
        golden.close(name, seen[name][:, ::step])


@case("deoldify_middle")
@torch.inference_mode()
def middle(golden: Golden) -> None:
    network = DeOldifyNetwork(golden.meta["config"]["arch"], "deep", 0.1)
    norm = load_part(network.norm, golden.weights(), NAMES, "norm.")
    x = F.relu(norm(golden.tensor("in_encoder").float()))
    golden.close("out_bn_relu", x)
    first, second = load_part(network.middle, golden.weights(), NAMES, "middle.")
    x = first(x)
    golden.close_sampled("out_mid0", x)
    golden.close("out_mid1", second(x))


@case("deoldify_unet_block")
@torch.inference_mode()
def unet_block(golden: Golden) -> None:
    for name, how in golden.meta["config"]["blocks"].items():
        fan_in, skip = how["up"], how["skip"]
        if how["kind"] == "deep":
            finer = () if not how["final_div"] else (8,)  # the last block has the finest skip connection
            shape = block_shapes("deep", how["nf_factor"], (*finer, skip, fan_in))[0]
        else:
            half = how["n_out"] // 2
            shape = (fan_in, skip, half, half)
        end = [StoredSpectralAttention(shape[3])] * how["self_attention"]
        block = (DeepBlock if how["kind"] == "deep" else WideBlock)(*shape, *end)
        load_part(block, golden.weights(name), ())
        maps = [golden.tensor(f"in_{part}_{name}").float() for part in ("up", "skip")]
        golden.close(f"out_shuf_{name}", block.shuf(maps[0]))
        golden.close(f"out_{name}", block(*maps))


@case("deoldify_self_attention")
@torch.inference_mode()
def self_attention(golden: Golden) -> None:
    attention = StoredSpectralAttention(golden.meta["config"]["channels"])
    load_part(attention, golden.weights(), ())
    x = golden.tensor("in_x").float()
    golden.close("out", attention(x))
    flat = x.flatten(2)
    shares = torch.softmax(attention.query(flat).mT @ attention.key(flat), dim=1)
    golden.close("out_beta", shares)


@case("deoldify_tail")
@torch.inference_mode()
def tail(golden: Golden) -> None:
    channels = golden.meta["config"]["ni"]
    numbers = {"layers.0.": "layers.8.", "layers.2.": "layers.10.", "layers.3.": "layers.11."}
    state = {}
    for key, value in golden.weights().items():
        start = key[: len("layers.0.")]
        state[numbers[start] + key.removeprefix(start)] = value
    network = nn.Module()
    network.up, network.refine = weighted_shuffle(channels), Refinement(channels + 3)
    network.head = StoredSpectralConv(channels + 3, 3, (1, 1))
    load_part(network, state, NAMES)
    x, image = (golden.tensor(name).float() for name in ("in_x", "in_image"))
    golden.close("out_shuffle", network.up(x))
    refined = network.refine(torch.cat([network.up(x), image], dim=1))
    golden.close("out_res", refined)
    golden.close("out_logits", network.head(refined))
    golden.close("out_pred", DeOldifyNetwork.finish(network, x, image))  # type: ignore[arg-type]


@case("deoldify_critic")
@torch.no_grad()
def discriminator(golden: Golden) -> None:
    how = golden.meta["config"]
    network: Any = load_part(Discriminator(how["nf"] / 256), golden.weights(), ())
    x = normalized_pixels(golden.tensor("in_rgb"))
    golden.close("out_eval", network(x))
    attended: list[Tensor] = []
    hook = network[4].register_forward_hook(lambda _, __, out: attended.append(out))
    network(x)
    hook.remove()
    golden.close("out_attention", attended[0][:, :: how["channel_step"]])
    assert [layer.p for layer in network if isinstance(layer, nn.Dropout2d)] == [0.075, 0.15, 0.15, 0.15]
    network.train()
    for layer in network:
        if isinstance(layer, nn.Dropout2d):
            layer.p = 0.0
    for call in (1, 2):
        golden.close(f"out_train{call}", network(x))
        golden.close(f"out_u_after{call}", network[7][0].weight_u)


@case("deoldify_losses")
def losses(golden: Golden) -> None:
    vgg = VGGOutputs(16, VGG_LAYERS, batch_norm=True)
    state = golden.weights("vgg")
    vgg.load_state_dict(state)
    vgg.eval().requires_grad_(False)
    generated = golden.tensor("in_pred").float().requires_grad_()
    terms = content_terms(generated, normalized_pixels(golden.tensor("in_true_rgb")), vgg, (20.0, 70.0, 10.0))
    content = torch.stack(terms).sum()
    golden.close("out_terms", torch.stack(terms))
    golden.close("out_feature_loss", content)
    golden.close("out_grad", torch.autograd.grad(content, generated)[0])
    fake, real = golden.tensor("in_fake_logits"), golden.tensor("in_real_logits")
    golden.close("out_g_artistic", cross_entropy_gan_loss(fake, real=True) + 2.0 * content)
    golden.close("out_g_stable", cross_entropy_gan_loss(fake, real=True) + 1.5 * content)
    both = cross_entropy_gan_loss(fake, real=False), cross_entropy_gan_loss(real, real=True)
    golden.close("out_c", sum(both) / 2)
    # the notebooks train the discriminator on mixed batches with labels
    golden.close("out_critic_pretrain", pretraining_loss(real, golden.tensor("in_labels")))


@case("deoldify_pipeline")
def pipeline(golden: Golden) -> None:
    factor = golden.meta["config"]["render_factor"]
    for kind in ("color", "gray"):
        rgb, answer = golden.arrays[f"in_rgb_{kind}"], golden.tensor(f"in_pred_{kind}").float()
        square = square_gray(rgb, factor)
        golden.close(f"out_square_{kind}", torch.tensor(square))
        golden.close(f"out_model_input_{kind}", network_input(square)[0])
        raw = raw_image(answer, (rgb.shape[1], rgb.shape[0]))
        golden.close(f"out_raw_{kind}", torch.tensor(raw))
        golden.close(f"out_final_{kind}", torch.tensor(restore_luma(raw, rgb)))


# Training settings that the paper or the authors' code states

_ARTISTIC = {
    "encoder": "resnet34", "decoder": "deep", "nf_factor": 1.5, "width": 1.0, "discriminator_width": 1.0,
}  # fmt: skip
_STABLE = {
    "encoder": "resnet101", "decoder": "wide", "nf_factor": 2.0, "width": 1.0, "discriminator_width": 1.0,
}  # fmt: skip
_LAYERS = [20.0, 70.0, 10.0]
_EPOCH = 14_559  # batches of 88 images of ImageNet
_FROZEN = (".conv1.weight", ".conv2.weight", ".conv3.weight", ".downsample.0.weight")


class _NormsOnly(Recipe):
    """Recipe that trains only the BatchNorm layers of the encoder."""

    def trained(self, name: str) -> bool:
        inside = name.startswith("model.network.encoder.")
        return name.startswith("model.network.") and not (inside and name.endswith(_FROZEN))


def phase(name: str, rates: tuple[float, float], start: float, batch: int, steps: int, **more: Any) -> Recipe:
    """Return a recipe of one cycle: a rise from 1/25 of the peak rates, if any, and a fall to almost zero.

    The first step is listed last, because reading a rate of `OneCycleLR` changes the momentum too.
    """
    peak = round(start * steps - 1)
    first = 25 if peak > 0 else 1
    low, high = ({max(peak, 0): rate, steps - 1: rate / 25 / 1e4, 0: rate / first} for rate in rates)
    more = {"settings": {**_ARTISTIC, "layer_weights": _LAYERS}, **more}
    kind = _NormsOnly if name.endswith("frozen_64") and "unfrozen" not in name else Recipe
    return kind(
        config=f"antic2019/{name}.yaml",
        source="fact sheet, section 5: ColorizeTrainingArtistic and ColorizeTrainingStable",
        rates=low,
        matching_rates=high,
        optimizer="AdamW", betas=(0.95, 0.99), weight_decay=1e-3, batch=batch, steps=steps,
        **more,
    )  # fmt: skip


def gan_phase(name: str, rate: float, batch: int, steps: int, settings: Any) -> Recipe:
    return Recipe(
        config=f"antic2019/{name}.yaml",
        source="fact sheet, section 5: GAN, rate of the critic five times the generator's",
        rates={0: rate, steps: rate},
        discriminator_rates={0: 5 * rate, steps: 5 * rate},
        optimizer="AdamW", betas=(0.0, 0.9), weight_decay=1e-3, batch=batch, steps=steps, stage="gan",
        settings={
            **settings, "layer_weights": _LAYERS, "adversarial_weight": 1.0,
            "discriminator_threshold": 0.65,
        },
    )  # fmt: skip


def critic_phase(name: str, rate: float, batch: int, steps: int) -> Recipe:
    settings = {"settings": _ARTISTIC, "stage": "critic", "trains": ("discriminator.",)}
    return phase(name, (rate, rate), 0.3, batch, steps, **settings)


RECIPES = (
    phase("frozen_64", (1e-3, 1e-3), 0.8, 88, _EPOCH, stage="frozen"),
    phase("unfrozen_64", (3e-7, 3e-4), 1e-8, 88, _EPOCH, stage="unfrozen"),
    phase("unfrozen_128", (1e-7, 1e-4), 1e-8, 22, 58_235, stage="unfrozen"),
    phase("unfrozen_192", (5e-8, 5e-5), 1e-8, 11, 58_235, stage="unfrozen"),
    phase(
        "stable_frozen_64",
        (1e-3, 1e-3),
        0.8,
        88,
        _EPOCH,
        stage="frozen",
        settings={**_STABLE, "layer_weights": _LAYERS},
    ),
    critic_phase("critic_128", 1e-3, 32, 20_424),  # 64 images: half of them in generated colors
    critic_phase("critic_192", 1e-4, 8, 54_452),
    gan_phase("gan", 1e-5, 9, 4_271, {**_ARTISTIC, "content_weight": 2.0}),
    gan_phase("stable_gan", 2e-5, 5, 7_687, {**_STABLE, "content_weight": 1.5}),
)


KNOBS = {
    "antic2019": Knobs(
        values={"encoder": "resnet34", "decoder": "wide", "width": 0.25},
        exempt=(
            "render_factor", "stage", "discriminator_width", "content_weight", "adversarial_weight",
            "discriminator_threshold", "layer_weights",
        ),
        steps=2,
    ),
}  # fmt: skip
