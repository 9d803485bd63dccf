"""Gray2ColorNet: Transfer More Colors from Reference Image (Lu et al., ACM MM 2020).

Places of a photo take colors from matching places of a reference as far as a learned gate trusts them, and
from the reference's histogram otherwise. https://doi.org/10.1145/3394171.3413594
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.losses import soft_histogram
from colorzoo.model import ColoringModel
from colorzoo.networks.gated_transfer import Colored, Reference, padded
from colorzoo.networks.scaling import AB_SCALE, scaled_lab, scaled_lightness
from colorzoo.prediction import AbPrediction
from colorzoo.settings import settings_of
from colorzoo.zoo.lu2020.network import STRIDE, Architecture, Gray2ColorNet
from colorzoo.zoo.lu2020.published import convert_published


class GatedTransfer(ColoringModel):
    """Colors a photo with matched colors and the histogram of a reference.

    Args:
        architecture: The network.

    Raises:
        ColorzooError: ``reference_side`` is no multiple of 8.
    """

    accepts = frozenset({"exemplar"})
    recorded_hparams = ("width", "reference_side", "classes", "tau")
    feature_layers = ("network.body.0", "network.body.1", "network.body.2", "network.body.5")
    network: Gray2ColorNet
    architecture: Architecture

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        architecture = settings_of(Architecture, architecture)
        side = architecture.reference_side
        if side % STRIDE:
            raise ColorzooError(
                f"reference_side must be a multiple of {STRIDE} (128 in the paper), got {side}."
            )
        super().__init__(Gray2ColorNet(architecture), architecture=architecture)
        self.reference_side = side

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; without a reference nothing is mixed in."""
        exemplar = (guidance or Guidance()).exemplar
        reference = None if exemplar is None else self.read(exemplar.rgb)
        height, width = lightness.shape[-2:]
        ab = self.paint(lightness, reference).ab[2]
        return AbPrediction(ab=AB_SCALE * ab[:, :, :height, :width].float())

    def paint(self, lightness: Tensor, reference: Reference | None) -> Colored:
        """Color lightness ``(B, 1, H, W)`` in [0, 100], padded to sides that the network can take."""
        found: Colored = self.network(scaled_lightness(padded(lightness, STRIDE)), reference)
        return found

    def read(self, rgb: Tensor) -> Reference:
        """Return references ``(B, 3, H, W)`` in [0, 1] as the network reads them."""
        side = (self.reference_side, self.reference_side)
        square = F.interpolate(rgb.float(), size=side, mode="bicubic", antialias=True).clamp(0, 1)
        lab = scaled_lab(square)
        return Reference(lab[:, :1], lab[:, 1:], soft_histogram(lab[:, 1:]).flatten(1))

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the authors' ``latest_net_G.pth``; see `convert_published`."""
        return {f"network.{key}": value for key, value in convert_published(state_dict).items()}
