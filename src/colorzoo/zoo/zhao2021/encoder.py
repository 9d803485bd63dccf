"""The color encoder of Zhao et al. 2021: a picture becomes one vector that says its colors."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from colorzoo.networks.hint_unet import scaled_width
from colorzoo.weights import apply_weights
from colorzoo.weights.load import load_state_dict_file

_LAYERS: tuple[int | str, ...] = (
    *(64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M"),
    *(512, 512, 512, 512, "M", 512, 512),
)
_TAPS = (3, 8, 13, 22, 31)  # relu1_2, relu2_2, relu3_2, relu4_2, relu5_2
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class VGGFeatures(nn.Module):
    """VGG-19 (Simonyan and Zisserman 2015) up to relu5_2 with torchvision's layers and scaling.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
    """

    mean: Tensor
    deviation: Tensor
    channels: int
    """Channels of the deepest map."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        from torchvision.models.vgg import make_layers  # seconds, which borrowed features do without

        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(3, 1, 1), persistent=False)
        wide = [each if isinstance(each, str) else scaled_width(each, width) for each in _LAYERS]
        self.layers = make_layers(wide)
        self.channels = scaled_width(512, width)

    def forward(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Return relu1_2, relu2_2, relu3_2, relu4_2 and relu5_2 of ``(B, 3, H, W)`` RGB in [0, 1]."""
        x, taps = (rgb - self.mean) / self.deviation, []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in _TAPS:
                taps.append(x)
        return tuple(taps)


class ColorEncoder(nn.Module):
    """Feature maps, four convolutions, their mean over all places, three linear layers.

    Args:
        features: Makes maps of RGB ``(B, 3, H, W)`` in [0, 1], the deepest last; its ``channels`` are those
            of that one.
        width: Multiplier of the channel counts and of the vector.
    """

    def __init__(self, features: nn.Module, width: float = 1.0) -> None:
        super().__init__()
        self.features = features
        wide, narrow, fan_in = scaled_width(512, width), scaled_width(256, width), features.channels
        assert isinstance(fan_in, int)
        self.size = wide
        self.to_vector = nn.Sequential(
            *_convolution(nn.Conv2d(fan_in, wide, 4, stride=2, padding=2)),
            *_convolution(nn.Conv2d(wide, wide, 3, padding=1)),
            *_convolution(nn.Conv2d(wide, wide, 4, stride=2, padding=2)),
            *_convolution(nn.Conv2d(wide, wide, 3, padding=1)),
            nn.AdaptiveAvgPool2d(1),
            *_convolution(nn.Conv2d(wide, narrow, 1)),
            *_convolution(nn.Conv2d(narrow, narrow, 1)),
            nn.Conv2d(narrow, wide, 1),
        )

    def forward(self, rgb: Tensor) -> Tensor:
        """Return the vectors ``(B, 512w)`` float32 of pictures ``(B, 3, H, W)`` in [0, 1]."""
        vector: Tensor = self.to_vector(self.features(rgb)[-1])
        return vector.flatten(1).float()


def _convolution(layer: nn.Conv2d) -> tuple[nn.Module, nn.Module]:
    return layer, nn.LeakyReLU(0.2)


def load_vgg(features: VGGFeatures, path: str) -> None:
    """Put torchvision's VGG-19 into feature layers; what lies behind relu5_2 is left out.

    Args:
        features: Takes the weights.
        path: torchvision's file ``vgg19-*.pth``.

    Raises:
        WeightsError: No such file, or no VGG-19 of this width.
    """
    state = load_state_dict_file(Path(path))
    used = [index for index, layer in enumerate(features.layers) if isinstance(layer, nn.Conv2d)]
    names = [f"{index}.{kind}" for index in used for kind in ("weight", "bias")]
    found = {f"layers.{name}": state[f"features.{name}"] for name in names if f"features.{name}" in state}
    apply_weights(features, found, name=path, published=False)
