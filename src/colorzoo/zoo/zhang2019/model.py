"""Deep Exemplar-based Video Colorization (Zhang et al., CVPR 2019).

Each position of a frame takes the colors of similar reference positions, regardless of their class. The color
network also receives the previous colorized frame. SPColor (`chen2023`) adds classes.
https://arxiv.org/abs/1906.09909
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.factory import build_trunk, create_backbone
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.exemplar import (
    MULTIPLE,
    ColorNet,
    ExemplarExtensions,
    ReferenceImage,
    Warped,
    centers_of,
    convert_networks,
    enlarge,
    maps_of,
    painted_ab,
    unmatched,
    with_automatic_colors,
)
from colorzoo.networks.exemplar_features import Trunk, TrunkFeatures
from colorzoo.networks.matching import STRIDE, WarpNet, unit_features
from colorzoo.networks.shared_weights import borrow
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Positive, Width

_FIRST = "conv1.0.weight"
_OWN = ("conv1.", "conv2.", "up10.", "skip1.", "conv10.", "ab.")  # layers that are trained if a donor is set


@dataclass(frozen=True)
class Extensions(ExemplarExtensions):
    """Extensions of Zhang et al. 2019, in addition to `ExemplarExtensions`.

    Attributes:
        donor: A registered chen2023 model whose correspondence network and inner color layers are reused.
            Only the color network's layers at full and half size are then trained.
    """

    donor: str | None = None


def take_layers(donor: str, correspondence: nn.Module, network: nn.Module) -> None:
    """Copy a donor's weights and freeze its inner layers; the donor has no previous-frame input.

    Args:
        donor: Name of the registered model.
        correspondence: Correspondence network; receives all of the donor's weights.
        network: Color network; its outer layers are initialized from the donor's and trained.

    Raises:
        WeightsError: The donor has no trained weights on this machine.
    """
    source: Any = create_backbone(donor, "donor", offline=True)
    correspondence.load_state_dict(source.correspondence.state_dict())
    borrow(correspondence, correspondence.state_dict())
    state = source.network.state_dict()
    state[_FIRST] = F.pad(state[_FIRST], (0, 0, 0, 0, 0, 3))
    network.load_state_dict(state)
    borrow(network, [key for key in state if not key.startswith(_OWN)])


@dataclass(frozen=True)
class Architecture:
    """Settings of the networks (section 3.2).

    Attributes:
        features: ``vgg19``, or the name of a registered zhang2016 model whose layers are used.
        width: Multiplier for the channel counts of the correspondence network and VGG-19; 1.0 is the
            published network.
        color_width: Multiplier for the channel counts of the color network.
        tau: Softmax temperature of the matching; at 1e-10 only the best match contributes.
        training_tau: Softmax temperature in training.
    """

    features: str = "vgg19"
    width: Width = 1.0
    color_width: Width = 1.0
    tau: Positive = 1e-10
    training_tau: Positive = 0.01


class DeepExemplar(ColoringModel):
    """Colorize an image or a video with the colors of a reference.

    Attributes:
        features: The frozen feature network.
        correspondence: Network that computes the matched maps from the features.

    Args:
        architecture: Settings of the networks.
        extensions: Additions to the paper.
    """

    accepts = frozenset({"exemplar"})
    recorded_hparams = ("tau", "unrelated", "gated")
    network: ColorNet
    features: Trunk
    correspondence: WarpNet
    architecture: Architecture
    extensions: Extensions

    def __init__(
        self, architecture: Architecture = Architecture(), extensions: Extensions = Extensions()
    ) -> None:
        features = build_trunk(architecture.features, architecture.width)
        correspondence = WarpNet(features.channels, architecture.width)
        color = ColorNet(7, architecture.color_width, gated=extensions.gated)
        if extensions.donor is not None:
            take_layers(extensions.donor, correspondence, color)
        super().__init__(color, architecture=architecture, extensions=extensions)
        self.features, self.correspondence = features, correspondence

    def forward(
        self, lightness: Tensor, guidance: Guidance | None = None, previous: Tensor | None = None
    ) -> AbPrediction:
        """Colorize a batch.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: The exemplar.
            previous: ``(B, 3, H, W)`` Lab of the previous colorized frame; None for the first frame.
        """
        guidance = guidance or Guidance()
        height, width = lightness.shape[-2:]
        padded = pad_to_multiple(lightness, MULTIPLE)
        before = None if previous is None else pad_to_multiple(previous, MULTIPLE)
        with torch.autocast(lightness.device.type, enabled=False):  # matching needs float32
            features = self.features.of_lightness(padded.float())
            if guidance.exemplar is None:
                warped = unmatched(padded)
                if self.extensions.unrelated == "automatic":
                    warped = with_automatic_colors(warped, features.automatic)
            else:
                rgb = pad_to_multiple(guidance.exemplar.rgb.float(), MULTIPLE)
                reference = ReferenceImage(rgb, rgb_to_lab(rgb)[:, 1:])
                warped = self.warp(features, reference, self.architecture.tau)
        ab = self.colorize_warped(padded, warped, before)[:, :, :height, :width]
        return AbPrediction(ab=ab, extras=maps_of(warped, height, width))

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps at 1/2, 1/4, 1/8 and 1/16 of the size."""
        return self.features.of_lightness(pad_to_multiple(lightness.float(), MULTIPLE)).hooks

    @torch.inference_mode()
    def color_frames(self, frames: Tensor, exemplar: Exemplar, previous: Tensor | None = None) -> Tensor:
        """Colorize a video frame by frame.

        Args:
            frames: ``(T, 1, H, W)`` in [0, 100].
            exemplar: One reference for all frames.
            previous: ``(1, 3, H, W)`` Lab of the colorized frame before the first frame.

        Returns:
            ``(T, 2, H, W)`` in CIE units.
        """
        colored: list[Tensor] = []
        for lightness in torch.split(frames, 1):
            ab = self.forward(lightness, Guidance(exemplar=exemplar), previous).ab
            previous = torch.cat([lightness, ab], dim=1)
            colored.append(ab)
        return torch.cat(colored)

    def warp(self, features: TrunkFeatures, reference: ReferenceImage, tau: float) -> Warped:
        """Warp the reference's colors to similar positions."""
        other = self.features.of_rgb(reference.rgb)
        ours, theirs = (self.correspondence(unit_features(each.hooks)) for each in (features, other))
        ab = F.avg_pool2d(reference.ab, STRIDE)
        found = self.correspondence.warp(ours, theirs, torch.cat([ab, centers_of(ab)], dim=1), tau=tau)
        everywhere = torch.ones_like(found.similarity, dtype=torch.bool)
        return Warped(found.values[:, :2], found.similarity, everywhere, found.values[:, 2:])

    def colorize_warped(self, lightness: Tensor, warped: Warped, previous: Tensor | None) -> Tensor:
        """Return ab ``(B, 2, H, W)`` from warped colors and the previous Lab frame."""
        if previous is None:
            before = torch.zeros_like(lightness).expand(-1, 3, -1, -1)
        else:
            before = torch.cat([previous[:, :1] - 50, previous[:, 1:]], dim=1)
        parts = [enlarge(warped.ab), enlarge(warped.similarity), lightness - 50, before]
        return painted_ab(self.network(torch.cat(parts, dim=1)), warped.ab)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the authors' networks; see `convert_published`."""
        return convert_published(state_dict)


_ORDER = (1, 2, 3, 0, 4, 5, 6)  # here: a, b, similarity, L, previous frame; published: L first


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename all networks of one file: ``vggnet.``, ``nonlocal_net.`` and ``colornet.``.

    Args:
        state_dict: The authors' tensors; unknown keys are kept so that strict loading reports them.
    """
    ours, left = convert_networks(state_dict)
    first = "network.conv1.0.weight"
    if first in ours:
        ours[first] = ours[first][:, list(_ORDER)]
    return ours | left
