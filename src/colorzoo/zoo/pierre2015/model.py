"""Luminance-Chrominance Model for Image Colorization (Pierre, Aujol, Bugeau, Papadakis and Ta, SIIMS 2015).

Patches of a reference give each pixel eight candidates; a total variation that couples the edges of
chrominance to those of luminance chooses among them. https://hal.science/hal-01051308
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import is_exported
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Count, Natural, Positive, Weight
from colorzoo.zoo.pierre2015.variation import candidates, choose, into_gamut, rgb_to_yuv, yuv_to_rgb


class CoupledChoice(nn.Module):
    """The method, one picture at a time.

    Args:
        step: Pixels between the patches of the reference.
        fidelity: Weight of the distance from the chosen candidate.
        coupling: Weight of the edges of the luminance.
        iterations: Number of iterations.
    """

    def __init__(self, step: int, fidelity: float, coupling: float, iterations: int) -> None:
        super().__init__()
        self.step, self.fidelity, self.coupling, self.iterations = step, fidelity, coupling, iterations

    @torch.no_grad()
    def forward(self, lightness: Tensor, exemplar: Tensor) -> Tensor:
        """Return ab of ``(B, 1, H, W)`` in [0, 100] like exemplars ``(B, 3, H', W')`` in [0, 1]."""
        with torch.autocast(lightness.device.type, enabled=False):  # patches differ little
            gray, other = lightness_to_rgb(lightness.float()), rgb_to_yuv(exemplar.float())
            pairs = zip(torch.split(255 * gray[:, :1], 1), torch.split(other, 1), strict=True)
            yuv = torch.cat([self._color(*pair) for pair in pairs])
            return rgb_to_lab(yuv_to_rgb(yuv).clamp(0, 1))[:, 1:]

    def _color(self, luminance: Tensor, reference: Tensor) -> Tensor:
        colors = candidates(luminance, reference, self.step)
        chosen = choose(
            luminance[0],
            colors,
            fidelity=self.fidelity,
            coupling=self.coupling,
            iterations=self.iterations,
        )
        return into_gamut(torch.cat([luminance, chosen[None]], dim=1))


class CoupledVariation(ColoringModel):
    """Colors a photo by candidates of a reference and coupled total variation.

    Args:
        step: Pixels between the patches of the reference.
        fidelity: Weight of the squared distance from the chosen candidate (lambda).
        coupling: Weight of the edges of the luminance in the total variation (gamma).
        iterations: Iterations of the primal-dual algorithm.
    """

    accepts = frozenset({"exemplar"})
    network: CoupledChoice

    def __init__(
        self,
        step: Natural = 16,
        fidelity: Positive = 0.007,
        coupling: Weight = 25.0,
        iterations: Count = 250,
    ) -> None:
        network = CoupledChoice(step, fidelity, coupling, iterations)
        super().__init__(network, step=step, fidelity=fidelity, coupling=coupling, iterations=iterations)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; gray without an exemplar.

        Raises:
            ColorzooError: A graph is exported.
        """
        if is_exported():
            raise ColorzooError("pierre2015 is not exported: a graph of its iterations takes long to trace.")
        if guidance is None or guidance.exemplar is None:
            return AbPrediction.gray(lightness)
        return AbPrediction(ab=self.network(lightness, guidance.exemplar.rgb))
