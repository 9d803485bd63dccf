"""SPColor: Semantic Prior Guided Exemplar-based Image Colorization (Chen et al. 2023).

Colors of a reference are transferred only between positions of the same class. The network predicts colors
for classes absent from the reference. https://arxiv.org/abs/2304.06255
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.factory import build_trunk
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import cells, pad_to_multiple
from colorzoo.networks.clusters import Classified
from colorzoo.networks.exemplar import (
    MULTIPLE,
    ColorNet,
    ReferenceImage,
    Warped,
    enlarge,
    maps_of,
    source_in_reference,
    to_grid,
    unmatched,
)
from colorzoo.networks.exemplar_extensions import unmatched_automatic
from colorzoo.networks.exemplar_features import Trunk, TrunkFeatures
from colorzoo.networks.imagenet import normalized
from colorzoo.networks.matching import STRIDE, WarpNet
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Positive, PositiveInt, Width
from colorzoo.zoo.chen2023.extensions import Extensions, small_color_net, warp_with_automatic
from colorzoo.zoo.chen2023.network import (
    ClassPair,
    Segmenter,
    build_segmenter,
    convert_published,
    user_classes,
    warp_reference,
)


@dataclass(frozen=True)
class Architecture:
    """Settings of the networks (sections III-A and III-D).

    Attributes:
        features: Feature network: ``vgg19``, or the name of a zhang2016 model such as ``zhang2016_small``
            (not in the paper).
        width: Multiplier for the channel counts of the correspondence network and VGG-19; 1.0 matches the
            paper.
        color_width: Multiplier for the channel counts of the color network; 1.0 matches the paper.
        tau: Softmax temperature of the matching (eq. 8).
        reference_input: Normalization of the references for VGG-19: ``rgb`` normalizes once;
            ``normalized_twice`` normalizes twice, as in the published code.
    """

    features: str = "vgg19"
    width: Width = 1.0
    color_width: Width = 1.0
    tau: Positive = 0.01
    reference_input: Literal["rgb", "normalized_twice"] = "rgb"


@dataclass(frozen=True)
class Segmentation:
    """Settings of the segmentation into classes (sections III-B and III-C).

    Attributes:
        segmenter: ``stego`` (the paper) or ``clusters`` (clustered features, not in the paper). None assigns
            one class to all positions.
        segmenter_weights: Segmenter weight file, required for training: the authors' STEGO file, or the
            output of `colorzoo.zoo.chen2023.find_clusters`. The file is not read if weights of the whole
            model are loaded.
        classes: Number of classes after merging the segmenter's 27 clusters. The paper uses 22; 27 disables
            merging.
        segmented_target: Segmenter input for training images: ``gray`` (paper, inference) or ``color``
            (published code). References are always segmented in color.
    """

    segmenter: Literal["stego", "clusters"] | None = "stego"
    segmenter_weights: str | None = None
    classes: PositiveInt = 22
    segmented_target: Literal["gray", "color"] = "gray"


class SPColor(ColoringModel):
    """Exemplar colorization that matches each position with positions of the same class.

    Attributes:
        features: Frozen feature network.
        segmenter: Frozen network that predicts classes (`Segmenter`), or None if all positions have one
            class.
        correspondence: Network that computes the features to match.

    Args:
        architecture: Settings of the networks.
        segmentation: Settings of the segmentation into classes.
        extensions: Extensions that are not in the paper.
    """

    accepts = frozenset({"exemplar", "classes"})
    network: ColorNet
    features: Trunk
    segmenter: Segmenter | None
    correspondence: WarpNet

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        segmentation: Segmentation = Segmentation(),
        extensions: Extensions = Extensions(),
    ) -> None:
        features = build_trunk(architecture.features, architecture.width)
        segmenter = build_segmenter(segmentation.segmenter, features, segmentation.classes)
        correspondence = WarpNet(features.channels, architecture.width)
        super().__init__(small_color_net(architecture.color_width, extensions))
        self.architecture = architecture
        self.segmentation = segmentation
        self.extensions = extensions
        self.features, self.segmenter, self.correspondence = features, segmenter, correspondence
        self.unmatched, self.warp_reference = unmatched, warp_reference
        if extensions.unrelated == "automatic":
            self.unmatched, self.warp_reference = unmatched_automatic, warp_with_automatic

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Predict ab for lightness ``(B, 1, H, W)`` in [0, 100] from an exemplar.

        Without an exemplar, or without a class that image and exemplar share, no colors are transferred. A
        class map in ``guidance`` replaces the segmenter's labels but not its confidences.

        Returns:
            Prediction whose ``extras`` contain the maps ``similarity``, ``warped_ab`` and ``match`` (exemplar
            positions) at image size. The entry ``matched``, ``(B,)``, is the fraction of the image whose
            class occurs in the exemplar.
        """
        guidance = guidance or Guidance()
        height, width = lightness.shape[-2:]
        padded = pad_to_multiple(lightness, MULTIPLE)
        with torch.autocast(lightness.device.type, enabled=False):  # matching needs float32
            warped = self._warp_guided(padded.float(), guidance, (height, width))
        ab = self.colorize_warped(padded, warped)[:, :, :height, :width].float()

        # positions of the 1/4 scale grid that are not padding
        matched = warped.matched[:, :, : cells(height, STRIDE), : cells(width, STRIDE)]
        matched_fraction = matched.flatten(1).float().mean(dim=1)
        extras = {"matched": matched_fraction, **maps_of(warped, height, width)}
        return AbPrediction(ab=ab, extras=extras, notes=_notes(guidance, matched_fraction))

    @property
    def class_count(self) -> int:
        """Number of classes that `segment` distinguishes."""
        return 1 if self.segmenter is None else self.segmentation.classes

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return four feature maps of lightness ``(B, 1, H, W)`` in [0, 100] for matching.

        The maps have 1/2, 1/4, 1/8 and 1/16 of the size of the padded input.
        """
        return self.features.of_lightness(pad_to_multiple(lightness.float(), MULTIPLE)).hooks

    def segment(self, lightness: Tensor) -> Tensor:
        """Return the class of each pixel, ``(B, 1, H, W)`` int64.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
        """
        padded = pad_to_multiple(lightness.float(), MULTIPLE)
        classes = self.classify(lightness_to_rgb(padded), self.features.of_lightness(padded))
        height, width = lightness.shape[-2:]
        return enlarge(classes.labels)[:, :, :height, :width]

    def classify(self, rgb: Tensor, features: TrunkFeatures) -> Classified:
        """Return the class and confidence of each position at 1/4 scale.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1]; gray images have three equal channels.
            features: Output of the feature network for the same images.
        """
        grid = (rgb.shape[-2] // STRIDE, rgb.shape[-1] // STRIDE)
        if self.segmenter is None:
            labels = torch.zeros(len(rgb), 1, *grid, dtype=torch.int64, device=rgb.device)
            return Classified(labels, torch.ones_like(labels, dtype=rgb.dtype))
        with torch.no_grad():
            classes = self.segmenter(rgb, features.deep)
        size = (rgb.shape[-2], rgb.shape[-1])
        return Classified(to_grid(classes.labels, size, grid), to_grid(classes.confidence, size, grid))

    def colorize_warped(self, lightness: Tensor, warped: Warped) -> Tensor:
        """Predict ab ``(B, 2, H, W)`` from lightness and warped colors.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100]; H and W are multiples of 8.
            warped: Output of `carry_over`.
        """
        parts = [enlarge(warped.ab), enlarge(warped.similarity), lightness - 50]
        return self.network(torch.cat(parts, dim=1))

    def reference_features(self, reference: ReferenceImage) -> TrunkFeatures:
        """Normalize references and return the output of the feature network.

        The setting `Architecture.reference_input` selects the normalization.
        """
        rgb = reference.rgb
        if self.architecture.reference_input == "normalized_twice":
            rgb = normalized(rgb)
        return self.features.of_rgb(rgb)

    def carry_over(
        self,
        features: tuple[TrunkFeatures, TrunkFeatures],
        reference: ReferenceImage,
        classes: ClassPair,
    ) -> Warped:
        """Warp reference colors to image positions of the same class.

        Args:
            features: Outputs of the feature network for the images and for the references.
            reference: Reference images.
            classes: Classes of the images and classes of the references, at 1/4 scale.
        """
        ab = F.avg_pool2d(reference.ab, STRIDE)
        return self.warp_reference(self.correspondence, features, ab, classes, self.architecture.tau)

    def _warp_guided(self, lightness: Tensor, guidance: Guidance, size: tuple[int, int]) -> Warped:
        """Warp the colors of the exemplar to image positions of the same class.

        Args:
            lightness: Padded lightness ``(B, 1, H, W)`` in [0, 100]; H and W are multiples of 32.
            guidance: Guidance with an exemplar and class maps of the user, each optional.
            size: Height and width of the images before padding.
        """
        target_features = self.features.of_lightness(lightness)
        if guidance.exemplar is None:
            return self.unmatched(target_features)
        exemplar = guidance.exemplar.rgb.float()
        exemplar_size = (exemplar.shape[-2], exemplar.shape[-1])
        padded = pad_to_multiple(exemplar, MULTIPLE)
        reference = ReferenceImage(padded, rgb_to_lab(padded)[:, 1:])
        reference_features = self.reference_features(reference)

        target_classes = self.classify(lightness_to_rgb(lightness), target_features)
        reference_classes = self.classify(padded, reference_features)
        target_map, reference_map = None, None
        if guidance.classes is not None:
            target_map, reference_map = guidance.classes.target, guidance.classes.exemplar
        classes = (
            user_classes(target_classes, target_map, size),
            user_classes(reference_classes, reference_map, exemplar_size),
        )
        warped = self.carry_over((target_features, reference_features), reference, classes)
        return source_in_reference(warped, padded, exemplar)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convert a state dict of the authors' networks, including STEGO, to keys of this model."""
        return convert_published(state_dict)


def _notes(guidance: Guidance, matched: Tensor) -> tuple[str, ...]:
    if guidance.exemplar is None or bool((matched > 0).any()):
        return ()
    return ("image and reference have no object type in common; the reference was not used",)
