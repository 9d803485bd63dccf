"""The network of ST-LPIPS, a relative of LPIPS that small shifts hardly change (Ghildyal and Liu 2022)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import WeightsError
from colorzoo.metrics.feature_networks import FrozenNetwork, load_by_name
from colorzoo.weights import load_state_dict_file

PACKAGE = "stlpips-pytorch"
_SHA256 = "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee"
_CHANNELS = (64, 192, 384, 256, 256)
_FILE_NAMES = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")  # of the convolutions
_SMALL = 1e-10  # added to the length of a vector


class ShiftTolerantAlexNet(nn.Module):
    """AlexNet whose strides are blurred, and the weights of its channels in a distance.

    Args:
        spatial: Return a map of the pictures' size instead of one number per picture.
    """

    shift: Tensor
    scale: Tensor
    blur: Tensor

    def __init__(self, *, spatial: bool = False) -> None:
        super().__init__()
        self.spatial = spatial
        sides = {64: 11, 192: 5}
        inputs = (3, *_CHANNELS)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, side := sides.get(after, 3), padding=2 if side > 3 else 1)
            for before, after in zip(inputs, _CHANNELS, strict=False)
        )
        self.weights = nn.ModuleList(nn.Conv2d(count, 1, 1, bias=False) for count in _CHANNELS)
        constants = {
            "shift": torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1),
            "scale": torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1),
            "blur": torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0]))[None, None] / 16,
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def maps(self, signed: Tensor) -> list[Tensor]:
        """Return the five maps of pictures ``(B, 3, H, W)`` in [-1, 1], their vectors of length 1."""
        found = []
        hidden = (signed - self.shift) / self.scale
        for number, layer in enumerate(self.layers):
            if number in (1, 2):
                hidden = self.halved(F.max_pool2d(hidden, 3, stride=1))
            hidden = layer(hidden)
            hidden = F.relu(hidden if number else self.halved(hidden))
            found.append(hidden / (hidden.square().sum(dim=1, keepdim=True).sqrt() + _SMALL))
        return found

    def halved(self, maps: Tensor) -> Tensor:
        """Return every other value of blurred maps."""
        count = maps.shape[1]
        padded = F.pad(maps, (2, 2, 2, 2), mode="reflect")
        return F.conv2d(padded, self.blur.expand(count, -1, -1, -1), stride=2, groups=count)

    def forward(self, signed: Tensor, target: Tensor | list[Tensor]) -> Tensor:
        """Return the distance of two batches in [-1, 1] (or of one to `maps`): ``(B, 1, 1, 1)``, or a map."""
        others = self.maps(target) if isinstance(target, Tensor) else target
        parts = []
        for weight, one, other in zip(self.weights, self.maps(signed), others, strict=True):
            distance = weight((one - other).square())
            if self.spatial:
                size = signed.shape[-2:]
                parts.append(F.interpolate(distance, size=size, mode="bilinear", align_corners=False))
            else:
                parts.append(distance.mean(dim=(2, 3), keepdim=True))
        return torch.stack(parts).sum(dim=0)


def shift_tolerant_network(weights: Path | None = None, *, spatial: bool = False) -> FrozenNetwork:
    """Build the network of ST-LPIPS over AlexNet, whose weights a package of PyPI holds.

    Args:
        weights: Its weight file, in place of that in the package ``stlpips-pytorch``.
        spatial: Return a map of the pictures' size instead of one number per picture.

    Raises:
        WeightsError: The package is not installed, or the weights are missing or do not fit.
    """
    network = ShiftTolerantAlexNet(spatial=spatial)
    if weights is None:
        found = load_state_dict_file(_packaged_file(), sha256=_SHA256)
    else:
        found = load_state_dict_file(weights)
    names = {f"weights.{number}.weight": f"lin{number}.model.1.weight" for number in range(len(_CHANNELS))}
    for number, name in enumerate(_FILE_NAMES):
        names |= {f"layers.{number}.{part}": f"net.{name}.{part}" for part in ("weight", "bias")}
    load_by_name(network, names, found, "ST-LPIPS")
    return FrozenNetwork(network)


def _packaged_file() -> Path:
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise WeightsError(f"ST-LPIPS needs the package {PACKAGE}: python -m pip install 'colorzoo[judge]'")
    return Path(spec.origin).parent / "weights" / "vST0.0" / "alex_shift_tolerant.pth"
