"""Semantic-Sparse Colorization Network, SSCN (Bai et al., ECCV 2022).

Stage 1 predicts rough colors from the lightness and a style vector of the reference. Stage 2 refines the
rough colors with attention to selected cells of the reference; a cell is a square of 4 x 4 pixels. Some cells
are selected by their activation for the most likely class of the reference, and other cells are selected at
random. https://arxiv.org/abs/2112.01335
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.scaling import AB_SCALE, scaled_lab, scaled_lightness, squashed
from colorzoo.prediction import AbPrediction
from colorzoo.zoo.bai2022.network import CELL, Architecture, Colored, SparseNetworks
from colorzoo.zoo.bai2022.published import FILES, NAMES


class SparseColorization(ColoringModel):
    """Exemplar colorization with a style vector and selected cells of the reference.

    Args:
        architecture: Settings of the networks.

    Raises:
        ColorzooError: `Architecture.important` or `Architecture.scattered` exceeds the number of cells.
    """

    accepts = frozenset({"exemplar"})
    published_files, published_names = FILES, NAMES
    network: SparseNetworks
    scattered: Tensor

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        side, count = architecture.side, (architecture.side // CELL) ** 2
        if max(architecture.important, architecture.scattered) > count:
            raise ColorzooError(
                f"'important' and 'scattered' must each be at most {count}, the number of cells for side "
                f"{side}, got important {architecture.important} and scattered {architecture.scattered}"
            )
        super().__init__(SparseNetworks(architecture))
        self.architecture = architecture
        self.working_size = side
        generator = torch.Generator().manual_seed(0)  # fixed seed: inference is deterministic
        self.register_buffer("scattered", self.by_chance([generator]), persistent=False)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Predict ab for lightness ``(B, 1, H, W)`` in [0, 100] from an exemplar.

        Without an exemplar, the gray image serves as the reference. The entry ``logits`` of ``extras``
        contains the predicted logits over 529 ab bins.
        """
        exemplar = (guidance or Guidance()).exemplar
        reference = lightness_to_rgb(lightness) if exemplar is None else exemplar.rgb
        target = scaled_lightness(squashed(lightness, self.working_size))
        colored = self.color(target, scaled_lab(squashed(reference, self.working_size)), self.scattered)
        ab = F.interpolate(AB_SCALE * colored.ab.float(), size=lightness.shape[-2:], mode="bicubic")
        return AbPrediction(ab=ab, extras={"logits": colored.logits})

    def color(self, lightness: Tensor, reference: Tensor, scattered: Tensor) -> Colored:
        """Colorize images at the input size of the networks.

        Args:
            lightness: Images ``(B, 1, side, side)``, L / 50 - 1.
            reference: References ``(B, 3, side, side)``, L / 50 - 1 and ab / 110.
            scattered: ``(B, r)`` or ``(1, r)`` int64, row-major indices of the random reference cells.
        """
        read = self.network.read(reference)
        important = self.network.important_places(read)
        places = torch.cat([important, scattered.expand(important.shape[0], -1)], dim=1)
        return self.network(lightness, read, places)

    def by_chance(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Draw random reference cells without replacement and return their indices ``(B, r)``.

        Args:
            generators: A random generator for each image.
        """
        count = (self.architecture.side // CELL) ** 2
        permutations = [torch.randperm(count, generator=each) for each in generators]
        return torch.stack(permutations)[:, : self.architecture.scattered]
