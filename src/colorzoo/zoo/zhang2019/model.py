"""Deep Exemplar-based Video Colorization (Zhang et al., CVPR 2019).

Each position of a frame gets the mean color of similar reference positions. A color network predicts ab from
these colors and the previous colorized frame. SPColor (`chen2023`) extends this method with class-wise
matching. https://arxiv.org/abs/1906.09909

The arguments ``gated``, ``unrelated`` and ``donor`` of `DeepExemplar` are not in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.abilities import VideoModel
from colorzoo.color import rgb_to_lab
from colorzoo.factory import build_trunk, create_backbone
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.exemplar import (
    MULTIPLE,
    ColorNet,
    GatedColorNet,
    ReferenceImage,
    Warped,
    centers_of,
    convert_networks,
    enlarge,
    fill_automatic,
    maps_of,
    source_in_reference,
    unmatched,
)
from colorzoo.networks.exemplar_features import Trunk, TrunkFeatures
from colorzoo.networks.matching import STRIDE, WarpNet, unit_features
from colorzoo.networks.shared_weights import borrow
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Positive, Width

_FIRST_WEIGHT = "conv1.0.weight"
_TRAINABLE = ("conv1.", "conv2.", "up10.", "skip1.", "conv10.", "ab.")  # trainable with a donor
_CHANNEL_ORDER = (1, 2, 3, 0, 4, 5, 6)  # here: a, b, similarity, L, previous frame; published: L first


class DeepExemplar(ColoringModel, VideoModel):
    """Colorization of images or video with the colors of a reference.

    Attributes:
        features: Frozen feature network.
        correspondence: Network that projects features for the matching.

    Args:
        features: Feature network: ``vgg19`` or the name of a registered zhang2016 model.
        width: Multiplier for the channel counts of the correspondence network and VGG-19; 1.0 matches the
            published network (section 3.2).
        color_width: Multiplier for the channel counts of the color network.
        tau: Softmax temperature in the matching of image and reference positions; at 1e-10, only the best
            match contributes.
        gated: Whether to add the warped colors, multiplied by a learned gate, to the output; see
            `GatedColorNet`.
        unrelated: Colors of positions without a match. ``zero`` sets ab to 0, as in the paper. ``automatic``
            uses the colors that the feature model (the automatic colorization model that computes the
            features) predicts without a reference.
        donor: Name of a chen2023 model that provides the weights of the correspondence and color networks.
            Only the color network's layers at full and 1/2 scale are then trained.

    Raises:
        WeightsError: ``donor`` has no trained weights on this machine.
    """

    accepts = frozenset({"exemplar"})
    network: ColorNet
    features: Trunk
    correspondence: WarpNet

    def __init__(
        self,
        features: str = "vgg19",
        width: Width = 1.0,
        color_width: Width = 1.0,
        tau: Positive = 1e-10,
        gated: bool = False,
        unrelated: Literal["zero", "automatic"] = "zero",
        donor: str | None = None,
    ) -> None:
        trunk = build_trunk(features, width)
        correspondence = WarpNet(trunk.channels, width)
        color = (GatedColorNet if gated else ColorNet)(7, color_width)
        if donor is not None:
            source: Any = create_backbone(donor, "donor", offline=True)
            correspondence.load_state_dict(source.correspondence.state_dict())
            borrow(correspondence, keys=list(correspondence.state_dict()))  # freezes the copied weights
            # three more input channels with the weight 0, for the Lab colors of the previous frame
            state_dict = source.network.state_dict()
            state_dict[_FIRST_WEIGHT] = F.pad(state_dict[_FIRST_WEIGHT], (0, 0, 0, 0, 0, 3))
            color.load_state_dict(state_dict)
            borrow(color, keys=[key for key in state_dict if not key.startswith(_TRAINABLE)])
        super().__init__(color)
        self.features, self.correspondence = trunk, correspondence
        self.tau, self.unrelated = tau, unrelated

    def forward(
        self, lightness: Tensor, guidance: Guidance | None = None, previous: Tensor | None = None
    ) -> AbPrediction:
        """Colorize a batch.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: Guidance with an exemplar; None colorizes without reference colors.
            previous: Lab ``(B, 3, H, W)`` of the previous colorized frame; None for the first frame.

        Returns:
            ab ``(B, 2, H, W)`` in CIE units; ``extras`` contains the maps from `maps_of`.
        """
        exemplar = None if guidance is None else guidance.exemplar
        height, width = lightness.shape[-2:]
        padded_lightness = pad_to_multiple(lightness, MULTIPLE)
        padded_previous = None if previous is None else pad_to_multiple(previous, MULTIPLE)
        with torch.autocast(lightness.device.type, enabled=False):  # matching requires float32
            features = self.features.of_lightness(padded_lightness.float())
            if exemplar is None:
                warped = unmatched(features)
                if self.unrelated == "automatic":
                    warped = fill_automatic(warped, features)
            else:
                padded_exemplar = pad_to_multiple(exemplar.rgb.float(), MULTIPLE)
                reference = ReferenceImage(padded_exemplar, rgb_to_lab(padded_exemplar)[:, 1:])
                warped = self.warp(features, reference, self.tau)
                warped = source_in_reference(warped, padded_exemplar, exemplar.rgb)
        ab = self.colorize_warped(padded_lightness, warped, padded_previous)
        return AbPrediction(ab=ab[:, :, :height, :width], extras=maps_of(warped, height, width))

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return the feature network's maps at 1/2, 1/4, 1/8 and 1/16 scale.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
        """
        return self.features.of_lightness(pad_to_multiple(lightness.float(), MULTIPLE)).hooks

    @torch.inference_mode()
    def color_frames(self, frames: Tensor, exemplar: Exemplar, previous: Tensor | None = None) -> Tensor:
        """Colorize a video frame by frame.

        Args:
            frames: ``(T, 1, H, W)`` in [0, 100].
            exemplar: Exemplar for all frames.
            previous: Lab ``(1, 3, H, W)`` of the colorized frame before ``frames``; None for a new video.

        Returns:
            ab ``(T, 2, H, W)`` in CIE units.
        """
        colored: list[Tensor] = []
        for lightness in torch.split(frames, 1):
            ab = self.forward(lightness, Guidance(exemplar=exemplar), previous).ab
            previous = torch.cat([lightness, ab], dim=1)
            colored.append(ab)
        return torch.cat(colored)

    def warp(self, features: TrunkFeatures, reference: ReferenceImage, tau: float) -> Warped:
        """Return reference colors, warped to similar image positions.

        Args:
            features: Features of the images, from the feature network.
            reference: Reference images.
            tau: Softmax temperature of the matching.
        """
        reference_features = self.features.of_rgb(reference.rgb)
        query = self.correspondence(unit_features(features.hooks))
        key = self.correspondence(unit_features(reference_features.hooks))
        ab = F.avg_pool2d(reference.ab, STRIDE)
        match = self.correspondence.warp(query, key, torch.cat([ab, centers_of(ab)], dim=1), tau=tau)
        everywhere = torch.ones_like(match.similarity, dtype=torch.bool)
        return Warped(match.values[:, :2], match.similarity, everywhere, match.values[:, 2:])

    def colorize_warped(self, lightness: Tensor, warped: Warped, previous: Tensor | None) -> Tensor:
        """Predict ab ``(B, 2, H, W)`` in CIE units from warped colors and the previous frame.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            warped: Output of `warp`.
            previous: Lab ``(B, 3, H, W)`` of the previous frame; None for the first frame.
        """
        if previous is None:
            before = torch.zeros_like(lightness).expand(-1, 3, -1, -1)
        else:
            before = torch.cat([previous[:, :1] - 50, previous[:, 1:]], dim=1)
        parts = [enlarge(warped.ab), enlarge(warped.similarity), lightness - 50, before]
        return self.network(torch.cat(parts, dim=1))

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the parameters of the authors' three networks to the names of this model.

        Args:
            state_dict: Tensors with the prefixes ``vggnet.``, ``nonlocal_net.`` and ``colornet.``. Unknown
                keys are unchanged.
        """
        ours, left = convert_networks(state_dict)
        first = f"network.{_FIRST_WEIGHT}"
        if first in ours:
            ours[first] = ours[first][:, list(_CHANNEL_ORDER)]
        return ours | left
