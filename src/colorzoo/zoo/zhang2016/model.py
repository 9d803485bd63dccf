"""Colorful Image Colorization (Zhang et al., ECCV 2016).

A network predicts a distribution over 313 ab bins from lightness. https://arxiv.org/abs/1603.08511
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import annealed_mean, hull_centers
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import cells, conv_block, conv_relu_stack, scaled_width, upconv4x4
from colorzoo.networks.hint_unet import PointNetworkOutput, Visit, initialize, unchanged
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Positive, Width

LOGIT_STRIDE = 4


class DistributionNetwork(nn.Module):
    """Network of eight blocks that predicts a color distribution at 1/4 scale.

    The temperature is not part of the logits, so it can be changed after training.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        temperature: Temperature of the annealed mean (eq. 5), which decodes a distribution to a color: 1
            gives the mean; values near 0 give the mode.
    """

    def __init__(self, width: float = 1.0, *, temperature: float = 0.38) -> None:
        super().__init__()
        self.temperature = temperature
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        self.block1 = conv_block((1, c64, c64), last_stride=2)
        self.block2 = conv_block((c64, c128, c128), last_stride=2)
        self.block3 = conv_block((c128, c256, c256, c256), last_stride=2)
        self.block4 = conv_block((c256, c512, c512, c512))
        self.block5 = conv_block((c512,) * 4, dilation=2)
        self.block6 = conv_block((c512,) * 4, dilation=2)
        self.block7 = conv_block((c512,) * 4)
        self.block8 = nn.Sequential(upconv4x4(c512, c256), nn.ReLU(), *conv_relu_stack((c256,) * 3))
        self.class_head = nn.Conv2d(c256, len(hull_centers()), 1)
        self.centers = nn.Parameter(hull_centers().clone(), requires_grad=False)

    def forward(self, lightness: Tensor) -> PointNetworkOutput:
        """Colorize images of any size.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].

        Returns:
            ab ``(B, 2, H, W)`` in CIE units and logits ``(B, 313, ceil(H/4), ceil(W/4))`` of the ab bins.
        """
        height, width = lightness.shape[-2:]
        logits = self._head(self.encode(lightness), (height, width))
        return PointNetworkOutput(self._decode(logits)[:, :, :height, :width], logits)

    def encode(self, lightness: Tensor) -> Tensor:
        """Run all layers before the classification head and return their output.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
        """
        x = self.block3(self.block2(self.block1((lightness - 50) / 100)))
        return self.block8(self.block7(self.block6(self.block5(self.block4(x)))))

    def decode(self, features: Tensor, size: tuple[int, int], visit: Visit = unchanged) -> Tensor:
        """Run the classification head; return ab ``(B, 2, H, W)`` in CIE units.

        Args:
            features: Output of `encode`.
            size: Height and width of the image in pixels.
            visit: Function that may replace the feature map ``"8_3"`` and the upsampled colors ``"ab"``.
        """
        logits = self._head(visit("8_3", features), size)
        return visit("ab", self._decode(logits))[:, :, : size[0], : size[1]]

    def _head(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        rows, columns = (cells(side, LOGIT_STRIDE) for side in size)
        return self.class_head(features)[:, :, :rows, :columns].float()

    def _decode(self, logits: Tensor) -> Tensor:
        ab = annealed_mean(logits, self.centers, self.temperature)
        return F.interpolate(ab, scale_factor=LOGIT_STRIDE, mode="bilinear")


class ColorfulColorization(ColoringModel):
    """Colorization by a distribution over 313 colors at each position.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        temperature: Temperature of the annealed mean (eq. 5), which decodes a distribution to a color; 0.38
            in the paper. 1 gives the mean; values near 0 give the mode.
    """

    feature_layers = ("network.block1", "network.block2", "network.block3", "network.block7")
    network: DistributionNetwork

    def __init__(self, width: Width = 1.0, temperature: Positive = 0.38) -> None:
        network = DistributionNetwork(width, temperature=temperature)
        initialize(network, None)
        super().__init__(network)
        self.refined_maps = {"8_3": (network.class_head.in_channels, LOGIT_STRIDE), "ab": (2, 1)}

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch.

        ``extras["logits"]`` contains the logits ``(B, 313, ceil(H/4), ceil(W/4))`` of the ab bins.
        """
        out = self.network(lightness)
        return AbPrediction(ab=out.ab, extras={"logits": out.logits})

    def encode(self, lightness: Tensor, guidance: Guidance | None = None) -> Tensor:
        """Run all layers before the classification head and return the input of `decode`."""
        return self.network.encode(lightness)

    def decode(self, encoded: Tensor, size: tuple[int, int], visit: Visit = unchanged) -> Tensor:
        """Compute ab ``(B, 2, H, W)`` in CIE units; see `DistributionNetwork.decode`."""
        return self.network.decode(encoded, size, visit)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the parameters of ``colorization_release_v2-9b330a0b.pth`` to this model's names.

        The authors' weights include the division of the logits by the temperature. The last layer is
        multiplied by the temperature, because this model divides the logits itself.

        Args:
            state_dict: The authors' tensors; unknown keys are unchanged.
        """
        converted = {}
        for key, value in state_dict.items():
            if key.startswith("model8.6."):  # the layer that predicts the logits
                parameter = key.rpartition(".")[2]
                converted[f"network.class_head.{parameter}"] = value * self.network.temperature
            elif key == "model_out.weight":  # centers of the bins, ab / 110
                converted["network.centers"] = value[:, :, 0, 0].T * AB_SCALE
            else:
                converted[re.sub(r"^model(\d)\.", r"network.block\1.", key)] = value
        return converted
