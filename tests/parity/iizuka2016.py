"""Network, losses, one step and script of Iizuka et al. 2016, by the fact sheet."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from colorzoo.color.sketch import rgb_to_gray
from colorzoo.factory import build_model
from colorzoo.networks.blocks import scaled_width
from colorzoo.zoo.iizuka2016.model import JointPriorNetwork
from colorzoo.zoo.iizuka2016.task import Iizuka2016, target_of
from parity.cases import Golden, case
from parity.pipelines import iizuka2016 as pipeline

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
        golden.close_sampled(f"out_x1_{index}", network.scene_input(local)[0])
        golden.close_sampled(f"out_L_{index}", pipeline.lightness(gray)[0, 0])
        golden.close(f"out_uv_{index}", pipeline.chroma(gray, maps)[0])
        rgb = pipeline.recolor(gray, maps)[0]
        golden.close(f"out_rgb_{index}", rgb)
        golden.close(f"out_uint8_{index}", (255 * rgb.clamp(0, 1)).floor())
