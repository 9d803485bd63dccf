"""Gray2ColorNet: Transfer More Colors from Reference Image (Lu et al., ACM MM 2020).

Each position of an image takes the colors of matching reference positions as far as a learned gate trusts the
match, and colors from the reference's histogram otherwise.
https://doi.org/10.1145/3394171.3413594
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.losses import soft_histogram
from colorzoo.model import ColoringModel
from colorzoo.networks.gated_transfer import PaintsByGate, Reference
from colorzoo.networks.renaming import Pattern, rename_keys
from colorzoo.networks.scaling import scaled_lab
from colorzoo.prediction import AbPrediction
from colorzoo.settings import settings_of
from colorzoo.zoo.lu2020.network import STRIDE, Architecture, Gray2ColorNet


class GatedTransfer(PaintsByGate, ColoringModel):
    """Colorize an image with matched colors and the histogram of a reference.

    Args:
        architecture: The network.

    Raises:
        ColorzooError: ``reference_side`` is not a multiple of 8.
    """

    stride = STRIDE
    network: Gray2ColorNet
    architecture: Architecture

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        architecture = settings_of(Architecture, architecture)
        super().__init__(Gray2ColorNet(architecture), architecture=architecture)
        self.require_side()

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; without a reference the blending is skipped."""
        return AbPrediction(ab=self.colors(lightness, guidance))

    def read(self, rgb: Tensor) -> Reference:
        """Convert references ``(B, 3, H, W)`` in [0, 1] to network input."""
        lab = scaled_lab(self.squared(rgb))
        return Reference(lab[:, :1], lab[:, 1:], soft_histogram(lab[:, 1:]).flatten(1))

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the authors' ``latest_net_G.pth``; see `convert_published`."""
        return {f"network.{key}": value for key, value in convert_published(state_dict).items()}


_LEVELS = {"8": 0, "9": 1, "10": 2}
_NAMES: tuple[Pattern, ...] = (
    (r"model([1-6])\.", lambda m: f"body.{int(m[1]) - 1}."),
    (r"resblock(\d)_1\.", r"levels.\1.blocks.0."),
    (r"resblock(\d)_([23])\.conv_block\.", lambda m: f"levels.{m[1]}.blocks.{int(m[2]) - 1}.layers."),
    (r"model(8|9|10)up\.0\.", lambda m: f"levels.{_LEVELS[m[1]]}.up."),
    (r"model\dshort(8|9|10)\.0\.", lambda m: f"levels.{_LEVELS[m[1]]}.skip."),
    (r"model(8|9|10)\.", lambda m: f"levels.{_LEVELS[m[1]]}.fuse."),
    (r"model_out(\d)\.", lambda m: f"heads.{int(m[1]) - 1}."),
    (r"global_network\.model\.", "histogram.shared."),
    (r"global_network\.model_(\d)\.0\.", lambda m: f"histogram.of_level.{int(m[1]) - 1}."),
    (r"ref_network\.model(\d)\.", lambda m: f"colors.blocks.{int(m[1]) - 1}."),
    (r"conf_feature\.fc(\d)\.0\.", lambda m: f"gate.{2 * int(m[1]) - 2}."),
    (r"classify_network\.fc\.", "classifier."),
)


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' weights; unknown names stay, so a strict load reports them."""
    return rename_keys(state_dict, _NAMES)
