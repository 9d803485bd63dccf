"""Extensions of DDColor that are not in the paper: another encoder, and a pixel loss for colorful pixels.

`kang2023_small` uses them; the published models do not.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from colorzoo.errors import ColorzooError
from colorzoo.guidance import Points
from colorzoo.losses import smooth_l1_map, weighted_by_chroma
from colorzoo.model import ColoringModel
from colorzoo.networks.hint_unet import HintUNet, hint_input
from colorzoo.networks.shared_weights import borrow
from colorzoo.settings import NonNegativeFloat

TRUNK_SIZE = 256
"""Shorter side of the network input in pixels with the encoder `TrunkEncoder`."""


@dataclass(frozen=True)
class Extensions:
    """Extensions of DDColor that are not in the paper.

    Attributes:
        trunk: Name of a registered Local Hints model (Zhang et al. 2017), whose layers replace ConvNeXt as
            a frozen encoder. These layers are not stored in weight files. None uses ConvNeXt.
        chroma: Extra weight of colorful pixels in the pixel loss. With 0, all pixels have equal weights, as
            in the paper. See `colorzoo.losses.weighted_by_chroma`.
    """

    trunk: str | None = None
    chroma: NonNegativeFloat = 0.0


class TrunkEncoder(nn.Module):
    """Frozen encoder that consists of the layers of a Local Hints network (Zhang et al. 2017).

    The network runs without hints. The strides of the four feature maps are half the strides of ConvNeXt.

    Args:
        model: Trained Local Hints model, which provides the layers.

    Raises:
        ColorzooError: The model is not a Local Hints model.
    """

    stride = 16
    finest = 2

    def __init__(self, model: ColoringModel) -> None:
        super().__init__()
        unet = getattr(model.network, "unet", None)
        if not isinstance(unet, HintUNet):
            raise ColorzooError(f"'trunk' must name a Local Hints model, got {type(model).__name__}")
        self.unet = unet.eval()
        self.mask_center = float(getattr(model.network, "mask_center", 0.0))
        middle, deep = unet.up9.in_channels, unet.up8.in_channels
        self.channels: tuple[int, ...] = (unet.up10.in_channels, middle, deep, deep)
        borrow(self, self.state_dict())

    def train(self, mode: bool = True) -> TrunkEncoder:
        """Set eval mode regardless of ``mode``, because BatchNorm statistics are frozen."""
        return super().train(False)

    def forward(self, lightness: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Return feature maps at strides 2, 4, 8 and 16.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            image: Not used.
        """
        maps = self.unet.contract(hint_input(lightness, Points.none(lightness), self.mask_center))
        deep = maps[6]
        return maps[1], self.unet.merge(maps), deep, nn.functional.avg_pool2d(deep, 2)


def chroma_weighted_l1(ab: Tensor, true: Tensor, chroma: float) -> Tensor:
    """Return the mean L1 distance between predicted and true ab, weighted by the true chroma.

    Args:
        ab: Predicted ab ``(B, 2, H, W)`` in CIE units.
        true: Ground truth ab ``(B, 2, H, W)`` in CIE units.
        chroma: Extra weight of colorful pixels; see `colorzoo.losses.weighted_by_chroma`.
    """
    return weighted_by_chroma(smooth_l1_map(ab, true, delta=0.0) / 2, true, chroma).mean()
