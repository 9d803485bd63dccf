"""The three networks of Su et al. 2020 against the authors' code, through the names of their checkpoints."""

from typing import Any

import numpy as np
import torch

from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Points
from colorzoo.model import ColoringModel
from colorzoo.zoo.su2020.model import FUSED, to_rectangle
from parity.cases import Golden, case
from parity.pipelines.su2020 import fuse
from pseudo_weights import pseudo_state_dict

NETWORKS = {"full": "netGComp", "instance": "netG", "fusion": "netGF"}
LAYERS = ("", "2", "3", "4", "5", "6", "7", "8_1", "8_2", "9_1", "9_2", "10_1", "10_2")


def published_model(meta: dict[str, Any]) -> ColoringModel:
    model = create_coloring_model("su2020", None)
    state = {}
    for ours, theirs in NETWORKS.items():
        shapes = meta["shapes"]["instance" if ours == "full" else ours]
        arrays = pseudo_state_dict(shapes, meta["seed"][ours], meta["scales"])
        prefix = "module." if ours == "fusion" else ""  # prefix in the authors' files
        state |= {f"{theirs}.{prefix}{key}": torch.from_numpy(value) for key, value in arrays.items()}
    model.load_weights(state, name="the authors' weights", published=True)
    return model.eval()


@case("su2020")
@torch.inference_mode()
def su2020(golden: Golden) -> None:
    model = published_model(golden.meta)
    network: Any = model.network
    lightness, crops = (50 + 100 * golden.tensor(name) for name in ("in_full_L", "in_crop_L"))
    size = (lightness.shape[-2], lightness.shape[-1])
    places = check_places(golden, size)

    full = network.full(full_input(network, lightness))
    golden.close("out_full_reg", full.ab)
    golden.close_sampled("out_full_class", full.logits)
    golden.close("out_instance_reg", network.color("instance", crops, Points.none(crops)) / 110)

    features = network.instance_features(crops, Points.none(crops))
    golden.close_sampled("out_inst_conv8_up", features["8_up"])
    golden.close_sampled("out_inst_conv7_3", features["7_3"])

    fused = {}

    def keep(name: str, activation: torch.Tensor) -> torch.Tensor:
        fused[name] = fuse(network.layers[name], activation, features[name], places[name])
        return fused[name]

    unet = network.fusion
    golden.close("out_fusion_reg", unet(full_input(network, lightness), visit=keep).ab)
    for (name, _, _), layer in zip(FUSED, LAYERS, strict=True):
        wide = name in ("10_up", "10_2")
        # The authors' next activation works in place, so that their stored sums "up" lie behind it.
        stored = torch.relu(fused[name]) if name.endswith("_up") else fused[name]
        shown = stored.mean(dim=1, keepdim=True) if wide else stored
        golden.close_sampled(f"out_fused_weight_layer{layer}", shown)


def check_places(golden: Golden, size: tuple[int, int]) -> dict[str, list[Any]]:
    """Compare the boxes on all four grids, and return where they lie on each fused map."""
    height, width = golden.arrays["in_rgb"].shape[:2]
    corners = golden.tensor("in_boxes").float() / torch.tensor([width, height, width, height])
    for level, stride in enumerate((1, 2, 4, 8)):
        rows, columns = size[0] // stride, size[1] // stride
        found = [
            (p.left, columns - p.left - p.width, p.top, rows - p.top - p.height, p.width, p.height)
            for p in (to_rectangle(box, size, stride) for box in corners)
        ]
        np.testing.assert_array_equal(found, golden.arrays["in_box_info"][level])
    return {name: [to_rectangle(box, size, stride) for box in corners] for name, _, stride in FUSED}


def full_input(network: Any, lightness: torch.Tensor) -> torch.Tensor:
    from colorzoo.networks.hint_unet import hint_input

    return hint_input(lightness, Points.none(lightness), network.mask_center)
