"""What the decoders look at: ConvNeXt as the paper has it (`convnext`), or another model's layers (ours)."""

from __future__ import annotations

from typing import Literal, Protocol

from torch import Tensor

Size = Literal["tiny", "large"]
CHANNELS: dict[Size, tuple[int, ...]] = {"tiny": (96, 192, 384, 768), "large": (192, 384, 768, 1536)}


class Encoder(Protocol):
    """Gives four maps, each of half the size of the one before.

    Attributes:
        channels: Of the maps, the finest first.
        stride: Pixels of the picture to a cell of the coarsest map; sides must be multiples of it.
        finest: The same of the finest map.
    """

    channels: tuple[int, ...]
    stride: int
    finest: int

    def __call__(self, luma: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Return the maps, the finest first.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            image: ``(B, 3, H, W)``, the same as gray RGB in ImageNet's normalization.
        """
        ...
