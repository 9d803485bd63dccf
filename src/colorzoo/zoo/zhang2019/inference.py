"""Exemplar colorization of frames by Zhang et al. 2019 for a process that only colors: no Lightning."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.networks.color_net import ColorNet
from colorzoo.networks.exemplar import (
    ReferencePicture,
    Warped,
    centers_of,
    enlarge,
    pad_picture,
    painted_ab,
)
from colorzoo.networks.trunk import Trunk, TrunkFeatures
from colorzoo.networks.warp_net import STRIDE, WarpNet, unit_features
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel, settings_of
from colorzoo.tasks.coloring import without_discriminator
from colorzoo.weights import apply_weights
from colorzoo.zoo.zhang2019.extensions import Extensions, build_trunk, take_layers
from colorzoo.zoo.zhang2019.published import convert_published
from colorzoo.zoo.zhang2019.settings import Architecture


class Networks(NamedTuple):
    """All that colors.

    Attributes:
        features: The frozen trunk.
        correspondence: Makes what is matched of the trunk's maps.
        color: Paints what was warped.
    """

    features: Trunk
    correspondence: WarpNet
    color: ColorNet


class Answers(ColoringModel):
    """How the networks answer, whether they only color or are trained too.

    Attributes:
        features: See `Networks`.
        correspondence: See `Networks`.
    """

    accepts = frozenset({"exemplar"})
    architecture: Architecture
    extensions: Extensions
    network: ColorNet
    features: Trunk
    correspondence: WarpNet

    def take_networks(self, networks: Networks) -> None:
        """Keep the networks under the names that their weights have."""
        self.features, self.correspondence, self.network = networks

    def forward(
        self, luma: Tensor, guidance: Guidance | None = None, previous: Tensor | None = None
    ) -> AbPrediction:
        """Color a batch.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            guidance: The exemplar.
            previous: ``(B, 3, H, W)`` Lab of the previous frame as it was colored; None for a first one.
        """
        guidance = guidance or Guidance()
        height, width = luma.shape[-2:]
        padded = pad_picture(luma)
        before = None if previous is None else pad_picture(previous)
        with torch.autocast(luma.device.type, enabled=False):  # matching compares small differences
            features = self.features.of_luma(padded.float())
            if guidance.exemplar is None:
                warped = self._unmatched(padded, features)
            else:
                rgb = pad_picture(guidance.exemplar.rgb.float())
                reference = ReferencePicture(rgb, rgb_to_lab(rgb)[:, 1:])
                warped = self.warp(features, reference, self.architecture.tau)
        ab = self.paint_warped(padded, warped, before)[:, :, :height, :width]
        extras = {
            name: enlarge(part)[:, :, :height, :width]
            for name, part in (
                ("similarity", warped.similarity),
                ("warped_ab", warped.ab),
                ("match", warped.source),
            )
        }
        return AbPrediction(ab=ab, extras=extras)

    @torch.inference_mode()
    def color_frames(self, frames: Tensor, exemplar: Exemplar, previous: Tensor | None = None) -> Tensor:
        """Color a video, each frame after the one before it.

        Args:
            frames: ``(T, 1, H, W)`` in [0, 100].
            exemplar: One reference for all.
            previous: ``(1, 3, H, W)`` Lab of the frame before the first one, as it was colored.

        Returns:
            ``(T, 2, H, W)`` in CIE units.
        """
        colored: list[Tensor] = []
        for luma in torch.split(frames, 1):
            ab = self(luma, Guidance(exemplar=exemplar), previous).ab
            previous = torch.cat([luma, ab], dim=1)
            colored.append(ab)
        return torch.cat(colored)

    def warp(self, features: TrunkFeatures, reference: ReferencePicture, tau: float) -> Warped:
        """Carry the reference's colors over, wherever places look alike."""
        other = self.features.of_rgb(reference.rgb)
        ours, theirs = (self.correspondence(unit_features(each.taps)) for each in (features, other))
        ab = F.avg_pool2d(reference.ab, STRIDE)
        found = self.correspondence.warp(ours, theirs, torch.cat([ab, centers_of(ab)], dim=1), tau=tau)
        everywhere = torch.ones_like(found.similarity, dtype=torch.bool)
        return Warped(found.values[:, :2], found.similarity, everywhere, found.values[:, 2:])

    def paint_warped(self, luma: Tensor, warped: Warped, previous: Tensor | None) -> Tensor:
        """Return ab ``(B, 2, H, W)`` from what was warped and the previous frame in Lab."""
        if previous is None:
            before = torch.zeros_like(luma).expand(-1, 3, -1, -1)
        else:
            before = torch.cat([previous[:, :1] - 50, previous[:, 1:]], dim=1)
        parts = [enlarge(warped.ab), enlarge(warped.similarity), luma - 50, before]
        return painted_ab(self.network(torch.cat(parts, dim=1)), warped.ab)

    def _unmatched(self, luma: Tensor, features: TrunkFeatures) -> Warped:
        nothing = luma.new_zeros(len(luma), 1, *(side // STRIDE for side in luma.shape[-2:]))
        ab = nothing.repeat(1, 2, 1, 1)
        if self.extensions.unrelated == "automatic" and features.automatic is not None:
            ab = F.avg_pool2d(features.automatic, STRIDE)
        return Warped(ab, nothing, nothing > 0, nothing.repeat(1, 2, 1, 1))


class Zhang2019Inference(Answers, InferenceModel):
    """The networks, as `Zhang2019` answers.

    Args:
        architecture: The networks.
        extensions: What is not in the paper.
    """

    def __init__(
        self, architecture: Architecture = Architecture(), extensions: Extensions = Extensions()
    ) -> None:
        architecture = settings_of(Architecture, architecture)
        extensions = settings_of(Extensions, extensions)
        networks = build_networks(architecture, extensions)
        super().__init__(networks.color, architecture=architecture, extensions=extensions)
        self.architecture, self.extensions = architecture, extensions
        self.take_networks(networks)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' networks; see `Zhang2019.load_published_state_dict`."""
        ours = without_discriminator(convert_published(state_dict))
        apply_weights(self, ours, name="the published checkpoint", published=False)


def build_networks(architecture: Architecture, extensions: Extensions) -> Networks:
    """Build the networks, with the donor's layers if there is one; the trunk is frozen."""
    features = build_trunk(architecture.features, architecture.width)
    correspondence = WarpNet(features.channels, architecture.width)
    color = ColorNet(7, architecture.color_width, gated=extensions.gated)
    if extensions.donor is not None:
        take_layers(extensions.donor, correspondence, color)
    return Networks(features, correspondence, color)
