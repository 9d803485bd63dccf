"""Deep Exemplar-based Colorization (He et al., SIGGRAPH 2018).

The colors of a reference are warped to the image by dense matching of VGG-19 features. A network predicts ab
from the lightness, the warped colors and the feature distances of the matches at five VGG-19 layers.
https://arxiv.org/abs/1807.06587
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Width
from colorzoo.zoo.he2018.extensions import dense_matches
from colorzoo.zoo.he2018.matching import Match, distances, errors_of, round_trip, warp
from colorzoo.zoo.he2018.network import SCALES, ColorNet, GrayVGG
from colorzoo.zoo.he2018.published import FILES, convert_published

if TYPE_CHECKING:
    from colorzoo.weights.readers.caffe import CaffeLayers

STRIDE = 8
_MIDDLE = 127.0  # center of the errors; the network input is half of the difference from this value


@dataclass(frozen=True)
class Architecture:
    """Settings of the networks (section 3).

    Attributes:
        width: Multiplier for the channel counts of the VGG-19 for gray images; 1.0 matches the published
            network.
        color_width: Multiplier for the channel counts of the colorization sub-net; 1.0 matches the published
            network.
    """

    width: Width = 1.0
    color_width: Width = 1.0


class Aligned(NamedTuple):
    """Matches between an image and a reference, with matching errors.

    Attributes:
        there: ``(B, 2, H, W)`` int64, x and y coordinates in the reference for each image pixel.
        back: ``(B, 2, h, w)`` int64, x and y coordinates in the image for each reference pixel.
        errors: ``(B, 10, H, W)``, matching errors in [0, 255] at five VGG-19 layers, coarse first. The first
            five channels compare each pixel with its match, and the last five channels compare the match with
            its own match in the image.
    """

    there: Tensor
    back: Tensor
    errors: Tensor


class ExemplarColorization(ColoringModel):
    """Exemplar colorization that matches every pixel with a pixel of the reference.

    Attributes:
        features: Frozen VGG-19 for gray images.
        match: Function that matches each pixel with a pixel of another image. The paper uses Deep Image
            Analogy (Liao et al. 2017), which `dense_matches` replaces.

    Args:
        architecture: Settings of the networks.
    """

    accepts = frozenset({"exemplar"})
    published_files: ClassVar[Mapping[str, str]] = FILES
    network: ColorNet
    features: GrayVGG
    match: Match

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(ColorNet(architecture.color_width))
        self.architecture = architecture
        self.features = GrayVGG(architecture.width).to(memory_format=torch.channels_last)
        self.match = dense_matches

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Predict ab for lightness ``(B, 1, H, W)`` in [0, 100] from an exemplar.

        Without an exemplar, the colors are predicted from the lightness alone. With an exemplar, ``extras``
        contains the warped exemplar colors ``"warped_ab"`` and the mean ``"similarity"`` of the matches in
        [0, 1].
        """
        if guidance is None or guidance.exemplar is None:
            no_colors = torch.zeros_like(lightness).repeat(1, 2, 1, 1)
            no_matches = torch.full_like(lightness, 255.0).repeat(1, 2 * len(SCALES), 1, 1)
            return AbPrediction(ab=self.generate(lightness, no_colors, no_matches))
        rgb = guidance.exemplar.rgb
        aligned = self.align(lightness, rgb)
        ab = aligned_colors(rgb, aligned)
        similarity = 1 - aligned.errors.mean(dim=1, keepdim=True) / 255
        extras = {"warped_ab": ab, "similarity": similarity}
        return AbPrediction(ab=self.generate(lightness, ab, aligned.errors), extras=extras)

    @torch.no_grad()
    def align(self, lightness: Tensor, reference: Tensor) -> Aligned:
        """Match images with references in both directions.

        Args:
            lightness: Images ``(B, 1, H, W)`` in [0, 100].
            reference: References ``(B, 3, h, w)`` in [0, 1].
        """
        with torch.autocast(lightness.device.type, enabled=False):  # matching needs float32
            target_features = self.features(lightness.float())
            reference_features = self.features(rgb_to_lab(reference)[:, :1])
            target_size = (lightness.shape[2], lightness.shape[3])
            reference_size = (reference.shape[2], reference.shape[3])
            forward = self.match(target_features, reference_features, target_size, reference_size)
            backward = self.match(reference_features, target_features, reference_size, target_size)
            both_distances = distances(target_features, reference_features, forward, backward)
            errors = errors_of(torch.cat(both_distances, dim=1))
        return Aligned(forward, backward, errors)

    def generate(self, lightness: Tensor, ab: Tensor, errors: Tensor) -> Tensor:
        """Predict ab ``(B, 2, H, W)`` from lightness, warped ab and matching errors.

        See `network_input` for the shapes and ranges of the arguments.
        """
        height, width = lightness.shape[-2:]
        predicted: Tensor = self.network(pad_to_multiple(network_input(lightness, ab, errors), STRIDE))
        return predicted[:, :, :height, :width]

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the authors' parameters.

        If the file contains only the VGG-19 for gray images, the current weights of the colorization sub-net
        are added.
        """
        ours = convert_published(state_dict)
        return ours if any(key.startswith("network.") for key in ours) else {**self.state_dict(), **ours}

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Convert the authors' Caffe model of the VGG-19 for gray images to named tensors.

        See `ColoringModel.convert_caffe` for the argument and the return value.
        """
        named = {f"vgg.{name}.{i}": blob for name, blobs in layers.items() for i, blob in enumerate(blobs)}
        return {key: torch.from_numpy(blob) for key, blob in named.items()}, {}


def network_input(lightness: Tensor, ab: Tensor, errors: Tensor) -> Tensor:
    """Return the input ``(B, 13, H, W)`` of the colorization sub-net.

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100].
        ab: Warped ab ``(B, 2, H, W)`` in CIE units.
        errors: Matching errors ``(B, 10, H, W)`` in [0, 255].
    """
    return torch.cat([lightness - 50, ab, (errors - _MIDDLE) / 2], dim=1)


def aligned_colors(reference: Tensor, aligned: Aligned) -> Tensor:
    """Warp a reference to the image and return its ab channels ``(B, 2, H, W)``.

    Args:
        reference: RGB ``(B, 3, h, w)`` in [0, 1].
        aligned: Matches between the image and the reference.
    """
    return rgb_to_lab(warp(reference.float(), aligned.there))[:, 1:]


def aligned_truth(rgb: Tensor, aligned: Aligned) -> Tensor:
    """Warp an image to the reference and back, and return its ab channels ``(B, 2, H, W)``.

    Args:
        rgb: Color image ``(B, 3, H, W)`` in [0, 1].
        aligned: Matches between the image and the reference.
    """
    return rgb_to_lab(warp(rgb.float(), round_trip(aligned.there, aligned.back)))[:, 1:]
