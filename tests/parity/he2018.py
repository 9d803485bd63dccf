"""Both sub-nets of He et al. 2018, and the steps between them, compared with the authors' code."""

import numpy as np
import torch
from torch import Tensor

from colorzoo.zoo.he2018.model import (
    ColorNet,
    ExemplarColorization,
    GrayVGG,
    convert_color_net,
    convert_published,
    convert_vgg,
    distances,
    round_trip,
)
from parity.cases import Golden, case
from parity.pipelines.he2018 import (
    Combo,
    Published,
    color_combo,
    error_maps,
    lightness_levels,
    make_combo,
    matches_of,
    warped_image,
)

LEVELS = ("5_1", "4_1", "3_1", "2_1", "1_1")


def color_net(golden: Golden) -> ColorNet:
    state = convert_color_net(golden.weights())
    network = ColorNet(len(state["block1.0.weight"]) / 32)
    network.load_state_dict(state)
    return network.eval()


def in_rgb(golden: Golden, name: str) -> np.ndarray:
    return golden.arrays[name][..., ::-1]


def of_flow(golden: Golden, name: str) -> Tensor:
    return matches_of(golden.tensor(name).permute(2, 0, 1)[None])


@case("he2018_colornet")
@torch.no_grad()
def he2018_colornet(golden: Golden) -> None:
    network, x = color_net(golden), golden.tensor("in_x")
    layers = modules_of(network, golden_layers(golden))
    seen: dict[str, Tensor] = {}
    for key, module in layers.items():
        module.register_forward_hook(lambda _, __, out, key=key: seen.update({key: out.clone()}))
    golden.close("out_ab", network(x))
    assert seen.keys() == layers.keys() != set()
    for key, value in seen.items():
        part = value[:, :: 1 if key == "conv10_ab" else golden.meta["every_channel"]]
        golden.close_sampled(f"out_{key}", part)
    golden.close("out_ab_train", network.train()(x))
    after = {f"out_{k.replace('.', '_')}": network.state_dict()[ours(k)] for k in golden.meta["shapes"]}
    updated = [name for name in golden.arrays if "running" in name]
    assert updated
    for name in updated:
        golden.close(name, after[name])


def golden_layers(golden: Golden) -> list[str]:
    """Return the layers whose outputs the file contains."""
    names = [name.removeprefix("out_") for name in golden.arrays if name.startswith("out_conv")]
    return [name for name in names if "running" not in name]


def ours(key: str) -> str:
    value = torch.zeros(1)
    (name,) = [name for name, each in convert_color_net({key: value}).items() if each is value]
    return name


def modules_of(network: ColorNet, layers: list[str]) -> dict[str, torch.nn.Module]:
    """Return the modules by the authors' names of layers."""
    found = {}
    for layer in layers:
        inner = ".2" if layer == "conv1_1" else ""
        parameter = "running_var" if layer.endswith("norm") else "weight"
        found[layer] = network.get_submodule(ours(f"{layer}{inner}.{parameter}").rpartition(".")[0])
    return found


@case("he2018_gray_vgg")
@torch.inference_mode()
def he2018_gray_vgg(golden: Golden) -> None:
    state = convert_vgg(golden.weights())
    network = GrayVGG(len(state["blocks.0.0.0.weight"]) / 64)
    network.load_state_dict(state)
    levels = torch.from_numpy(lightness_levels(in_rgb(golden, "in_bgr")))
    golden.close("out_l8", levels)
    hooks = network.of_levels(levels[None, None].float())
    for level, hook in zip(LEVELS, hooks, strict=True):
        every = max(1, hook.shape[-2] // 16)
        golden.close(f"out_relu{level}", hook[0, :: golden.meta["every_channel"], ::every, ::every])


@case("he2018_matching")
@torch.inference_mode()
def he2018_matching(golden: Golden) -> None:
    there, back = of_flow(golden, "in_flow_ab"), of_flow(golden, "in_flow_ba")
    golden.close("out_warp_ba", torch.from_numpy(warped_image(golden.arrays["in_reference_bgr"], there)))
    trip = round_trip(there, back)
    golden.close("out_flow_aba", trip[0].permute(1, 2, 0))
    golden.close("out_warp_aba", torch.from_numpy(warped_image(golden.arrays["in_target_bgr"], trip)))
    hooks = ([golden.tensor(f"in_{side}{level}")[None] for level in LEVELS] for side in "ab")
    for name, found in zip(("ba", "ab"), distances(*hooks, there, back), strict=True):
        golden.close(f"out_dist_{name}", found[0])
        golden.close(f"out_err_{name}", torch.from_numpy(error_maps(found)))


@case("he2018_pipeline")
@torch.inference_mode()
def he2018_pipeline(golden: Golden) -> None:
    model = ExemplarColorization().eval()
    model.network.load_state_dict(convert_color_net(golden.weights()))
    arrays = golden.arrays
    combo = Combo(in_rgb(golden, "in_warp_ba_bgr"), arrays["in_err_ba"], arrays["in_err_ab"])
    resized = color_combo(model, arrays["in_target"], combo, golden.meta["short_size"])
    golden.close("out_l_full_resized", resized.lightness[0] - 50)
    check_program(golden, resized, "resized", 1)
    check_program(
        golden, color_combo(model, arrays["in_target"], combo, 0), "asis", golden.meta["every_position"]
    )


def check_program(golden: Golden, found: Published, suffix: str, every: int) -> None:
    part = (..., slice(None, None, every), slice(None, None, every))
    golden.close(f"out_input_{suffix}", found.inputs[part])
    golden.close(f"out_ab_{suffix}", found.cut_ab[part])
    golden.close(f"out_ab_full_{suffix}", found.ab[0][part])
    golden.close(f"out_rgb_{suffix}", torch.from_numpy(found.rgb))


@case("he2018_full")
@torch.inference_mode()
def he2018_full(golden: Golden) -> None:
    model = ExemplarColorization().eval()
    both = {
        f"{part}.{key}": value for part in ("vgg", "colornet") for key, value in golden.weights(part).items()
    }
    model.load_state_dict(convert_published(both))
    target, reference = in_rgb(golden, "in_target_bgr"), in_rgb(golden, "in_reference_bgr")
    for name, image in (("target", target), ("reference", reference)):
        golden.close(f"out_l8_{name}", torch.from_numpy(lightness_levels(image)))
    flows = golden.arrays["in_flow_ab"], golden.arrays["in_flow_ba"]
    combo = make_combo(model, target, reference, *flows)
    golden.close("out_warp_ba", torch.from_numpy(combo.warped[..., ::-1].copy()))
    golden.close("out_err_ba", torch.from_numpy(combo.forward))
    golden.close("out_err_ab", torch.from_numpy(combo.backward))
    found = color_combo(model, target, combo, 0)
    golden.close("out_ab", found.ab[0])
    golden.close("out_rgb", torch.from_numpy(found.rgb))
