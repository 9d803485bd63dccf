"""Additions to DDColor in `kang2023_small`; all off in the paper's model."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from colorzoo.errors import ColorzooError
from colorzoo.guidance import Points
from colorzoo.model import ColoringModel
from colorzoo.networks.hint_unet import HintUNet, hint_input
from colorzoo.networks.shared_weights import borrow
from colorzoo.settings import Weight


@dataclass(frozen=True)
class Extensions:
    """Additions to DDColor.

    Attributes:
        trunk: Registered Local Hints model whose layers are the encoder, instead of a ConvNeXt. They are
            neither trained nor stored in weight files.
        chroma: c of `colorzoo.losses.weighted_by_chroma` in the pixel loss, for a larger weight of colorful
            pixels; 0 weights all alike, as the paper does.
    """

    trunk: str | None = None
    chroma: Weight = 0.0


class TrunkEncoder(nn.Module):
    """The layers of a Local Hints network (Zhang et al. 2017) without hints as an encoder.

    Its maps have strides 2, 4 and 8, half of ConvNeXt's; the fourth is an average.

    Args:
        model: A trained model; see `Extensions`.

    Raises:
        ColorzooError: The model is of another family.
    """

    stride = 16
    finest = 2

    def __init__(self, model: ColoringModel) -> None:
        super().__init__()
        unet = getattr(model.network, "unet", None)
        if not isinstance(unet, HintUNet):
            raise ColorzooError(f"trunk does not fit: a {type(model).__name__} is not a Local Hints model.")
        self.unet = unet.eval()
        self.mask_center = float(getattr(model.network, "mask_center", 0.0))
        middle, deep = unet.up9.in_channels, unet.up8.in_channels
        self.channels: tuple[int, ...] = (unet.up10.in_channels, middle, deep, deep)
        borrow(self, self.state_dict())

    def train(self, mode: bool = True) -> TrunkEncoder:
        """Stay in evaluation mode, with the lender's batch statistics."""
        return super().train(False)

    def forward(self, lightness: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Return maps at strides 2, 4, 8 and 16; see `Encoder`."""
        seen: dict[str, Tensor] = {}

        def keep(name: str, activation: Tensor) -> Tensor:
            seen[name] = activation
            return activation

        hinted, _ = hint_input(lightness, Points.none(lightness), self.mask_center)
        encoded = self.unet.encode(hinted, visit=keep)
        deep = seen["7_3"]
        return seen["2_2"], encoded.trunk, deep, nn.functional.avg_pool2d(deep, 2)
