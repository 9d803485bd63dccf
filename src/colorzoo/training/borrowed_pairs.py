"""DataModule that pairs similar images by the features of a registered model."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.data.exemplar_pairs import ExemplarPairsDataModule
from colorzoo.data.neighbors import FeatureEncoder
from colorzoo.factory import borrowed_trunk

_SIDE = 128
_GRID = 3


class BorrowedPairsDataModule(ExemplarPairsDataModule):
    """Data module that selects references by the features of a registered model.

    Args:
        root: Folder of the images; see `ExemplarPairsDataModule`.
        encoder: Registered name of the zhang2016 model that computes the features.
        **kwargs: Other arguments of `ExemplarPairsDataModule`.
    """

    def __init__(self, root: str, encoder: str = "zhang2016_small", **kwargs: Any) -> None:
        super().__init__(root, encoder=encoder, **kwargs)

    def build_encoder(self) -> FeatureEncoder:
        """Build an encoder that averages the deepest feature map in each cell of a 3 x 3 grid."""
        return FeatureEncoder(self.encoder_name, _GridMeans(self.hparams.encoder), size=_SIDE)

    @property
    def encoder_name(self) -> str:
        """Name that identifies the encoder."""
        return f"colorzoo:{self.hparams.encoder}:{_GRID}x{_GRID}"


class _GridMeans(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.trunk = borrowed_trunk(name)

    def forward(self, rgb: Tensor) -> Tensor:
        deepest = self.trunk.of_rgb(rgb).hooks[-1]
        pooled: Tensor = F.adaptive_avg_pool2d(deepest, _GRID)
        return pooled.flatten(1)
