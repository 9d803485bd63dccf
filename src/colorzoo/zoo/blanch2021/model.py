"""Attention-based Stylisation for Exemplar Image Colourisation, XCNET (Gorriz Blanch et al., MMSP 2021).

The image attends to a reference at three scales of VGG-19 features, and a decoder predicts ab. No image is
warped. https://arxiv.org/abs/2105.01705

Published files store ``model_state_dict``. They repeat the shared attention weights once per pass and
contain relative position indices, which follow from the input size.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.renaming import Pattern, rename_keys
from colorzoo.networks.scaling import AB_SCALE, scaled_lab, scaled_lightness, squashed
from colorzoo.prediction import AbPrediction
from colorzoo.settings import settings_of
from colorzoo.zoo.blanch2021.network import STRIDE, Architecture, XCNet


class AttentionStylization(ColoringModel):
    """Exemplar colorization by multi-scale axial attention.

    Args:
        architecture: Settings of the network.

    Raises:
        ColorzooError: ``side`` is not a multiple of 16.
    """

    accepts = frozenset({"exemplar"})
    recorded_hparams = ("width", "side", "attention", "positions", "passes")
    feature_layers = (
        "network.features.3",
        "network.features.8",
        "network.features.17",
        "network.features.26",
        "network.features.35",
    )
    network: XCNet
    architecture: Architecture

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        architecture = settings_of(Architecture, architecture)
        if architecture.side % STRIDE:
            raise ColorzooError(
                f"side must be a multiple of {STRIDE} (224 in the paper), got {architecture.side}."
            )
        super().__init__(XCNet(architecture), architecture=architecture)
        self.working_size = self.side = architecture.side

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; without a reference, the gray image is its own reference."""
        exemplar = (guidance or Guidance()).exemplar
        reference = lightness_to_rgb(lightness) if exemplar is None else exemplar.rgb
        target = scaled_lightness(squashed(lightness, self.side))
        ab = self.network(target, scaled_lab(squashed(reference, self.side)))[0]
        size = lightness.shape[-2:]
        return AbPrediction(ab=F.interpolate(AB_SCALE * ab.float(), size=size, mode="bicubic"))

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the weights of the authors' file."""
        return {f"network.{key}": value for key, value in convert_published(state_dict).items()}


_NAMES: tuple[Pattern, ...] = (
    (r"features\.\w+?\.(\d+)\.", r"features.\1."),
    (r"proj(\d)\.proj_tgt\.", lambda m: f"target_projections.{int(m[1]) - 1}."),
    (r"proj(\d)\.proj_ref\.", lambda m: f"reference_projections.{int(m[1]) - 3}."),
    (r"att(\d)\.module\.\d+\.bn_tgt\.", lambda m: f"attentions.{int(m[1]) - 3}.target_norm."),
    (r"att(\d)\.module\.\d+\.bn_ref\.", lambda m: f"attentions.{int(m[1]) - 3}.reference_norm."),
    (r"att(\d)\.module\.\d+\.att\.", lambda m: f"attentions.{int(m[1]) - 3}.attend.attention."),
    (r"att(\d)\.module\.\d+\.", lambda m: f"attentions.{int(m[1]) - 3}.attend."),
    (r"dec(\d)\.", lambda m: f"decoders.{4 - int(m[1])}."),
    (r"head(\d)\.conv1\.", lambda m: f"heads.{4 - int(m[1])}.0."),
    (r"head(\d)\.conv2\.", lambda m: f"heads.{4 - int(m[1])}.2."),
)


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights; where the file repeats a shared module, its last copy wins, as in torch."""
    suffix = ".flatten_index"
    bare = {k.removeprefix("model_state_dict."): v for k, v in state_dict.items() if not k.endswith(suffix)}
    return rename_keys(bare, _NAMES)
