"""The network in the `Colorizer` against the published code: float32, contiguous memory, eager mode."""

from __future__ import annotations

import copy
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import (
    Options,
    Row,
    multiplies_bfloat16,
    share_of,
    time_in_turn,
    times_faster,
    where,
)
from colorzoo import Guidance
from colorzoo.factory import create_coloring_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.model import ColoringModel

# Without bfloat16, the Colorizer changes only the memory format of the published float32 convolutions.
GOAL_WITH_BFLOAT16, GOAL_WITHOUT, GOAL_SMALL, GOAL_DELTA_E = 2.5, 1.0, 12.0, 1.0
SIDE = 256
CHROMA = 13.0  # standard deviation of ab in photos


def run(options: Options) -> list[Row]:
    """Time the full-size network and the small one; compare their colors."""
    del options
    torch.manual_seed(0)
    goal = GOAL_WITH_BFLOAT16 if multiplies_bfloat16() else GOAL_WITHOUT
    models = {name: random_model(name) for name in ("zhang2017_local", "zhang2017_local_small")}
    published = {
        name: copy.deepcopy(each).to(memory_format=torch.contiguous_format) for name, each in models.items()
    }
    ours = {
        name: Colorizer(each, device="cpu", allow_untrained=True).predict for name, each in models.items()
    }
    full, small = models
    lightness = random_lightness()
    seconds = time_in_turn(
        {
            "published": partial(plain_call, published[full], lightness),
            full: partial(ours[full], lightness, Guidance()),
            small: partial(ours[small], lightness, Guidance()),
        }
    )
    title = f"at 256 x 256, seconds, against the published way of {full}"
    rows = [
        times_faster(f"{name} {title}", seconds[name], seconds["published"], aim, where())
        for name, aim in ((full, goal), (small, GOAL_SMALL))
    ]
    for name in models:
        colored = ours[name](lightness, Guidance()).to_ab()
        distance = (plain_call(published[name], lightness) - colored).norm(dim=1)
        claim = f"{name}: mean Delta-E (1976) from float32 (largest {float(distance.max()):.2f})"
        rows.append(share_of(claim, float(distance.mean()), 1.0, GOAL_DELTA_E, where()))
    return rows


def plain_call(model: ColoringModel, lightness: Tensor) -> Tensor:
    """Call the network like the authors' ``demo_release.py``, which records gradients."""
    ab: Tensor = model(lightness, Guidance()).ab
    return ab.detach()


def random_model(name: str) -> ColoringModel:
    """Return a model with random weights, scaled so that its ab deviates like that of photos."""
    model = create_coloring_model(name, None, init_std=None)
    with torch.no_grad():
        ab = model(random_lightness(), Guidance()).ab
        spread = torch.atanh((ab / 110).clamp(-0.999, 0.999)).std()
        model.get_submodule("network.unet.ab_head.0").get_parameter("weight").mul_(CHROMA / 110 / spread)
    return model


def random_lightness() -> Tensor:
    """Return lightness ``(1, 1, 256, 256)``: soft blobs with a little noise."""
    blobs = F.interpolate(torch.rand(1, 1, 16, 16), size=SIDE, mode="bicubic").clamp(0, 1)
    return 90 * blobs + 10 * torch.rand(1, 1, SIDE, SIDE)
