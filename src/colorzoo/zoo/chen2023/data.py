"""Training pairs of a compact SPColor: references retrieved by the features of another model."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.data.exemplar_pairs import ExemplarPairsDataModule
from colorzoo.data.neighbors import FeatureEncoder
from colorzoo.zoo.chen2023.model import borrowed_trunk

_SIDE = 128
_GRID = 3


class BorrowedPairsDataModule(ExemplarPairsDataModule):
    """`ExemplarPairsDataModule` whose ``nearest`` uses the features of a registered model.

    Args:
        root: See `ExemplarPairsDataModule`, as the others.
        features: Name of a model of the zhang2016 family.
        kwargs: Arguments of `ExemplarPairsDataModule`; ``encoder`` and ``pretrained`` are not used.
    """

    def __init__(self, root: str, features: str = "zhang2016_small", **kwargs: Any) -> None:
        super().__init__(root, **kwargs)

    def build_encoder(self) -> FeatureEncoder:
        """Return means of the deepest map over a 3 x 3 grid, so that layouts are similar."""
        return FeatureEncoder(self.encoder_name, _GridMeans(self.hparams.features), size=_SIDE)

    @property
    def encoder_name(self) -> str:
        """Name of these features in an index."""
        return f"colorzoo:{self.hparams.features}:{_GRID}x{_GRID}"


class _GridMeans(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.trunk = borrowed_trunk(name)

    def forward(self, rgb: Tensor) -> Tensor:
        deepest = self.trunk.of_rgb(rgb).taps[-1]
        pooled: Tensor = F.adaptive_avg_pool2d(deepest, _GRID)
        return pooled.flatten(1)
