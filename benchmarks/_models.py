"""Models of random weights, for what needs no trained one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo import Guidance, create_model
from colorzoo.tasks import ColorizationModule

SIDE = 256
CHROMA = 13.0  # deviation of ab in photos; random weights are scaled to it, so that Delta-E means something


def random_model(name: str) -> ColorizationModule:
    """Return a model of random weights whose answer has the chroma of photos."""
    model = create_model(name, None, init_std=None)
    with torch.no_grad():
        ab = model(random_luma(1), Guidance()).ab
        spread = torch.atanh((ab / 110).clamp(-0.999, 0.999)).std()
        model.get_submodule("network.unet.ab_head.0").get_parameter("weight").mul_(CHROMA / 110 / spread)
    return model


def random_luma(batch: int) -> Tensor:
    """Return ``(batch, 1, 256, 256)``: soft blobs under a little noise."""
    blobs = F.interpolate(torch.rand(batch, 1, 16, 16), size=SIDE, mode="bicubic").clamp(0, 1)
    return 90 * blobs + 10 * torch.rand(batch, 1, SIDE, SIDE)
