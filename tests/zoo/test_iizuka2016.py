"""Iizuka et al. 2016: scene vectors of the image and of references, and the joint loss."""

import math
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo import Exemplar, Guidance
from colorzoo.color import lightness_to_rgb
from colorzoo.color.sketch import rgb_to_gray
from colorzoo.errors import GuidanceError
from colorzoo.factory import build_model
from colorzoo.image_io import read_image
from colorzoo.inference.references import ReadReference, make_exemplar
from colorzoo.networks.blocks import scaled_width
from colorzoo.registry import model_card
from colorzoo.testing import sample_image, sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.iizuka2016.model import JointPriorNetwork, LetThereBeColor, scale, torch7_lab
from colorzoo.zoo.iizuka2016.task import Iizuka2016, target_of
from knobs.knob import Knobs
from parity.cases import Golden, case
from parity.pipelines import iizuka2016 as pipeline
from steps.step import gradients, same, small, training_batch
from training_recipes.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


@pytest.fixture
def model() -> LetThereBeColor:
    found = contract_test_model(model_card("iizuka2016")).model
    assert isinstance(found, LetThereBeColor)
    return found


def colors(model: LetThereBeColor, lightness: Tensor, *references: Exemplar) -> Tensor:
    with torch.inference_mode():
        return model(lightness, Guidance(exemplar=references[0] if references else None)).ab


def test_iizuka2016_accepts_a_gray_reference() -> None:
    """Models that use the colors of the reference reject it."""
    gray = ReadReference(read_image(np.full((40, 48, 3), 90, np.uint8)), name="fog.jpg")
    for name, taken in (("iizuka2016", True), ("zhao2021", False)):
        model = contract_test_model(model_card(name)).model
        with nullcontext() if taken else pytest.raises(GuidanceError, match=r"fog.jpg has no color"):
            assert make_exemplar(model, [gray], 48).embedding is not None


def test_exemplar_alpha_interpolates_between_image_and_reference_vectors(model: LetThereBeColor) -> None:
    lightness, rgb = sample_input("gray", (40, 48)), sample_image((56, 32), seed=3)
    torch.testing.assert_close(colors(model, lightness, Exemplar(rgb, alpha=0.0)), colors(model, lightness))
    gray = lightness_to_rgb(lightness)[:, :1]
    with torch.inference_mode():
        styles = model.network.style_of(gray), model.encode_reference(rgb)[:, 0]
        wanted = model.network(gray, 0.7 * styles[0] + 0.3 * styles[1])
    torch.testing.assert_close(colors(model, lightness, Exemplar(rgb, alpha=0.3)), wanted, atol=1e-4, rtol=0)
    own = Exemplar(lightness_to_rgb(lightness))
    torch.testing.assert_close(colors(model, lightness, own), colors(model, lightness), atol=1e-3, rtol=0)


@pytest.mark.parametrize("normalization", [False, True])
def test_iizuka2016_training_step_equals_the_joint_loss(normalization: bool) -> None:
    task = small("iizuka2016", classes=5, class_weight=0.25, normalization=normalization)
    assert isinstance(task, Iizuka2016)
    assert task.classifier is not None
    batch, lightness, _ = training_batch(32, 3)
    batch["label"] = torch.tensor([4, 0, 2])
    found = task.training_step(batch, 0)
    network = task.model.network
    gray = lightness_to_rgb(lightness)[:, :1] - network.mean
    low = network.low(gray)
    scene = network.scene(low)
    vector = network.style(scene)[:, :, None, None].expand(-1, -1, 4, 4)
    maps = network.color(torch.cat([network.mid(low), vector], dim=1))
    ab = torch7_lab(batch["rgb"].double())[:, 1:]
    target = F.avg_pool2d((ab / 100 + 1) / 2, 2)
    share = task.classifier(scene).double().softmax(dim=1)[torch.arange(3), batch["label"]]
    wanted = (maps - target).square().mean() - 0.25 * share.log().mean()
    torch.testing.assert_close(found.double(), wanted, rtol=1e-5, atol=0)
    same(gradients(found, task), gradients(wanted, task), rounding=0.05)


def test_iizuka2016_without_classes_has_no_classifier() -> None:
    batch, *_ = training_batch(32, 2)
    without = small("iizuka2016", classes=0)
    assert not any("classifier" in name for name, _ in without.named_parameters())
    assert without.training_step(batch, 0).isfinite()


# Golden files: Network, losses, one step and script of Iizuka et al. 2016, by the fact sheet.


_RENAMED = {"global.fc3": "style.fc3", "global.norm_fc3": "style.norm_fc3"}


def our_name(key: str) -> str:
    """Return our name below ``model.network`` or ``classifier`` of a layer of the sheet."""
    layer, _, part = key.rpartition(".")
    if layer.startswith("class."):
        return f"classifier.{layer.removeprefix('class.')}.{part}"
    layer = _RENAMED.get(layer, layer.replace("global.", "scene."))
    return f"model.network.{layer}.{part}"


def weights_of(golden: Golden) -> dict[str, Tensor]:
    return {our_name(key): value for key, value in golden.weights().items()}


def sizes_of(shapes: Mapping[str, list[int]]) -> dict[str, Any]:
    """Return width and side of the scene's square of a file."""
    found: dict[str, Any] = {"width": shapes["color.conv2.weight"][0] / 128}
    if flat := shapes.get("global.fc1.weight"):
        found["scene_side"] = 32 * math.isqrt(flat[1] // scaled_width(512, found["width"]))
    return found


def task_of(golden: Golden, **settings: Any) -> Iizuka2016:
    """Return the trainer with the file's weights, as wide and with as many classes as they are."""
    meta, state = golden.meta, weights_of(golden)
    settings |= {
        "normalization": meta["batch_norm"],
        "classes": meta["n_classes"],
        **sizes_of(meta["shapes"]),
    }
    task = build_model(Iizuka2016, settings)
    missing, unexpected = task.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(key.endswith(("network.mean", "num_batches_tracked")) for key in missing)
    return task


def seen_by(network: nn.Module, *names: str) -> dict[str, Tensor]:
    """Record the last outputs of modules."""
    seen: dict[str, Tensor] = {}
    for name in names:
        network.get_submodule(name).register_forward_hook(
            lambda *call, name=name: seen.update({name: call[-1].clone()})
        )
    return seen


def repeated(maps: Tensor, side: int) -> Tensor:
    """Repeat every pixel of square maps so that they have a side."""
    times = side // maps.shape[-1]
    return maps.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)


@case("iizuka2016_net")
@torch.inference_mode()
def iizuka2016_net(golden: Golden) -> None:
    every = golden.meta["every"]
    task = task_of(golden).eval()
    network = task.model.network
    square, local = golden.tensor("in_x1").float(), golden.tensor("in_x2").float()
    seen = seen_by(network, "scene.relu4", "color.relu1", "color.relu5")
    low2, low1 = network.low(local), network.low(square)
    mid, scene = network.mid(low2), network.scene(low1)
    style = network.style(scene)
    maps = network.fuse(mid, style)
    assert task.classifier is not None
    found = {"low2": low2, "low1": low1, "mid": mid, "global_map": seen["scene.relu4"]}
    found |= {"fusion": seen["color.relu1"], "conv5": seen["color.relu5"]}
    for name, value in found.items():
        golden.close(f"out_{name}", value[:, :: every[name]])
    golden.close("out_global512", scene)
    golden.close("out_global256", style)
    golden.close("out_ab", maps)
    golden.close("out_class", task.classifier(scene))


@case("iizuka2016_fusion")
@torch.inference_mode()
def iizuka2016_fusion(golden: Golden) -> None:
    sizes = sizes_of(golden.meta["shapes"])
    network = JointPriorNetwork(**sizes, normalization=golden.meta["batch_norm"]).eval()
    state = {key.removeprefix("model.network."): value for key, value in weights_of(golden).items()}
    _, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected
    seen = seen_by(network, "color.relu1", "color.relu5")
    maps = network.fuse(golden.tensor("in_mid").float(), golden.tensor("in_global").float())
    golden.close_sampled("out_fusion", seen["color.relu1"])
    golden.close_sampled("out_conv5", seen["color.relu5"])
    golden.close("out_ab", maps)


@case("iizuka2016_losses")
def iizuka2016_losses(golden: Golden) -> None:
    rgb = golden.tensor("in_rgb").permute(0, 3, 1, 2).float() / 255
    maps, logits = golden.tensor("in_ab").requires_grad_(), golden.tensor("in_logits").requires_grad_()
    target = target_of(rgb, tuple(maps.shape[-2:]))
    golden.close("out_target", target)
    task = build_model(Iizuka2016, {"width": 0.125, "class_weight": golden.meta["alpha"]})
    losses = task.losses(maps, target, logits, golden.tensor("in_label"))
    loss = losses["loss"]
    golden.close("out_mse", losses["color"])
    golden.close("out_cross_entropy", losses["class"])
    golden.close("out_loss", loss)
    frobenius = (maps - target).square().sum(dim=(1, 2, 3)).mean()
    golden.close("out_frobenius", frobenius)
    for name, given in (("ab", maps), ("logits", logits)):
        golden.close(f"out_grad_{name}", torch.autograd.grad(loss, given, retain_graph=True)[0])
    summed = frobenius + golden.meta["alpha"] * losses["class"]
    golden.close("out_grad_ab_frobenius", torch.autograd.grad(summed, maps)[0])


@case("iizuka2016_step")
def iizuka2016_step(golden: Golden) -> None:
    meta = golden.meta
    task = task_of(golden, class_weight=meta["alpha"]).train()
    network = task.model.network
    network.mean.fill_(meta["mean"])
    named = dict(task.named_parameters())
    task.requires_grad_(False)  # except the compared layers
    for key in meta["grad_keys"]:
        named[our_name(key)].requires_grad_()
    side = network.scene_side  # both inputs are the same square
    gray = repeated(golden.tensor("in_gray").float() / 255, side)
    target = repeated(golden.tensor("in_target").float(), side // 2)
    maps, scene = network.maps_and_scene(gray)
    assert task.classifier is not None
    logits = task.classifier(scene)
    losses = task.losses(maps, target, logits, golden.tensor("in_label"))
    golden.close("out_mse", losses["color"])
    golden.close("out_cross_entropy", losses["class"])
    golden.close("out_loss", losses["loss"])
    golden.close_sampled("out_ab", maps)
    golden.close("out_class", logits)
    losses["loss"].backward()
    before = {key: named[our_name(key)].detach().clone() for key in meta["grad_keys"]}
    torch.optim.Adadelta(task.parameters(), lr=1.0, rho=0.9, eps=1e-6).step()
    gradients = {key: named[our_name(key)].grad for key in before}
    updates = {key: value - named[our_name(key)].detach() for key, value in before.items()}
    golden.close("out_grad_norm", torch.stack([gradients[key].norm() for key in before]))
    golden.close("out_update_norm", torch.stack([updates[key].norm() for key in before]))
    golden.close("out_grad_conv6", gradients["color.conv6.weight"])
    golden.close("out_update_conv6", updates["color.conv6.weight"])
    golden.close("out_running_mean", network.low.norm6.running_mean)
    golden.close("out_running_var", network.low.norm6.running_var)


@case("iizuka2016_pipeline")
@torch.inference_mode()
def iizuka2016_pipeline(golden: Golden) -> None:
    network = JointPriorNetwork(width=0.125)
    network.mean.fill_(golden.meta["mean"])
    for index in range(golden.meta["n_images"]):
        image = golden.tensor(f"in_image{index}").float() / 255
        channels = image[None] if image.ndim == 2 else image.permute(2, 0, 1)
        gray = channels[None] if len(channels) == 1 else rgb_to_gray(channels[None])
        maps = golden.tensor(f"in_ab{index}").float()[None]
        local = network.local_input(gray)
        golden.close(f"out_x2_{index}", local[0])
        golden.close_sampled(f"out_x1_{index}", scale(local, (network.scene_side, network.scene_side))[0])
        golden.close_sampled(f"out_L_{index}", pipeline.lightness(gray)[0, 0])
        golden.close(f"out_uv_{index}", pipeline.chroma(gray, maps)[0])
        rgb = pipeline.recolor(gray, maps)[0]
        golden.close(f"out_rgb_{index}", rgb)
        golden.close(f"out_uint8_{index}", (255 * rgb.clamp(0, 1)).floor())


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="iizuka2016/paper.yaml",
        source="fact sheet, section 4: Adadelta at 1, batches of 128, 200,000 iterations, alpha 1/300",
        rates={0: 1.0, 100_000: 1.0, 199_999: 1.0},
        optimizer="Adadelta", batch=128, steps=200_000,
        settings={
            "width": 1.0, "scene_side": 224, "normalization": True, "classes": 205, "class_weight": 1 / 300,
        },
        trains=("model.network.", "classifier."),
    ),
)  # fmt: skip


KNOBS = {
    "iizuka2016": Knobs(values={"width": 0.25, "scene_side": 64}, exempt=("class_weight", "classes")),
}  # fmt: skip
