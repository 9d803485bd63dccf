"""A VGG-19 file in torchvision's format, with random weights of any width."""

from pathlib import Path

import torch
from torchvision.models.vgg import cfgs, make_layers


def write_vgg19(path: Path, width: float = 0.125) -> dict[str, torch.Tensor]:
    """Write and return all convolutions and one layer of the classifier."""
    torch.manual_seed(19)
    wide = [each if isinstance(each, str) else max(8, int(each * width)) for each in cfgs["E"]]
    state = {f"features.{key}": value for key, value in make_layers(wide).state_dict().items()}
    state["classifier.0.bias"] = torch.zeros(4)
    torch.save(state, path)
    return state
