"""Where exemplar models take features from: VGG-19, or the borrowed layers of an automatic model."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.networks.borrowed import borrow
from colorzoo.networks.hint_unet import scaled_width
from colorzoo.networks.vgg19 import CaffeVGG19
from colorzoo.networks.warp_net import VGG_CHANNELS

_BLOCKS = tuple(f"block{number}" for number in range(1, 9))


class TrunkFeatures(NamedTuple):
    """What a trunk sees in a picture.

    Attributes:
        taps: Four maps for the correspondence, at H/2, H/4, H/8 and H/16.
        deep: Map at H/8 that a compact segmenter names classes by.
        automatic: ``(B, 2, H, W)`` ab that the trunk's own model would give, or None.
    """

    taps: tuple[Tensor, ...]
    deep: Tensor
    automatic: Tensor | None = None


class VGGTrunk(nn.Module):
    """VGG-19 with Caffe's weights; lightness is seen as a gray picture R = G = B = L / 100.

    Args:
        width: Multiplier of its channel counts.
    """

    channels: tuple[int, ...]
    """Channels of the four taps."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.vgg = CaffeVGG19(width)
        self.channels = tuple(scaled_width(base, width) for base in VGG_CHANNELS)
        self.requires_grad_(False)

    def of_luma(self, luma: Tensor) -> TrunkFeatures:
        """Look at lightness ``(B, 1, H, W)`` in [0, 100]."""
        return self.of_rgb((luma / 100).expand(-1, 3, -1, -1))

    def of_rgb(self, rgb: Tensor) -> TrunkFeatures:
        """Look at RGB ``(B, 3, H, W)`` in [0, 1]."""
        taps = self.vgg(rgb)
        return TrunkFeatures(tuple(taps[1:]), deep=taps.relu4_2)

    def semantic(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Return three maps of RGB that tell colors apart, the deepest last, for perceptual losses."""
        return tuple(self.vgg(rgb)[2:])


class BorrowedTrunk(nn.Module):
    """The blocks of an automatic model; its weights stay in that model's file and are not saved again.

    It reads lightness alone. To tell colors apart, `semantic` shows it red, green and blue as three gray
    pictures.

    Args:
        network: That of a model of the zhang2016 family.

    Raises:
        ColorzooError: The network has no such blocks.
    """

    channels: tuple[int, ...]
    """Channels of the four taps."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        if not all(hasattr(network, block) for block in (*_BLOCKS, "class_head")):
            raise ColorzooError(
                f"features of a {type(network).__name__} do not fit: name a model of the zhang2016 family."
            )
        self.network = network.eval()
        widths = [network.get_submodule(block)[-1].num_features for block in _BLOCKS[:7]]
        self.channels = (widths[0], widths[1], widths[2], widths[6])
        self.deep_channels = network.class_head.in_channels
        borrow(self, self.state_dict())

    def train(self, mode: bool = True) -> BorrowedTrunk:
        """Stay in evaluation mode: batch statistics belong to the lender."""
        del mode
        return super().train(False)

    def of_luma(self, luma: Tensor) -> TrunkFeatures:
        """Look at lightness ``(B, 1, H, W)`` in [0, 100]."""
        maps: list[Tensor] = []
        hooks = [
            self.network.get_submodule(block).register_forward_hook(lambda *call: maps.append(call[-1]))
            for block in _BLOCKS
        ]
        try:
            automatic = self.network(luma).ab
        finally:
            for hook in hooks:
                hook.remove()
        return _features(maps)._replace(automatic=automatic)

    def of_rgb(self, rgb: Tensor) -> TrunkFeatures:
        """Look at RGB ``(B, 3, H, W)`` in [0, 1]; only its lightness is seen."""
        return _features(self._maps(rgb_to_lab(rgb)[:, :1]))

    def semantic(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Return the same as `VGGTrunk.semantic`, at half the size: maps of red, green and blue together."""
        half = F.avg_pool2d(rgb, 2)
        maps = self._maps(100 * half.flatten(0, 1)[:, None], _BLOCKS[:7])
        return tuple(maps[index].reshape(len(rgb), -1, *maps[index].shape[2:]) for index in (2, 4, 6))

    def _maps(self, luma: Tensor, blocks: tuple[str, ...] = _BLOCKS) -> list[Tensor]:
        x, maps = (luma - 50) / 100, []
        for block in blocks:
            x = self.network.get_submodule(block)(x)
            maps.append(x)
        return maps


Trunk = VGGTrunk | BorrowedTrunk
"""A frozen feature network."""


def _features(maps: list[Tensor]) -> TrunkFeatures:
    taps = (maps[0], maps[1], maps[2], F.avg_pool2d(maps[6], 2))
    # means over 3 x 3 places make the classes calmer, and purer against true labels
    smooth = F.avg_pool2d(F.avg_pool2d(maps[7], 2), 3, stride=1, padding=1, count_include_pad=False)
    return TrunkFeatures(taps, smooth)
