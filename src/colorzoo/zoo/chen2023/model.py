"""SPColor: Semantic Prior Guided Exemplar-based Image Colorization (Chen et al. 2023).

Colors of a reference are carried over only between positions of the same class, so that no sky is painted
onto a face. Positions whose class the reference does not have are left to the color network.
https://arxiv.org/abs/2304.06255

Additions to SPColor in `chen2023_small`; all off in the paper's model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.factory import create_backbone
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.clusters import Classified
from colorzoo.networks.exemplar import (
    ColorNet,
    ExemplarExtensions,
    ReferencePicture,
    Warped,
    enlarge,
    maps_of,
    pad_picture,
    painted_ab,
    to_grid,
    unmatched,
    with_automatic_colors,
)
from colorzoo.networks.exemplar_features import BorrowedTrunk, Trunk, TrunkFeatures, VGGTrunk
from colorzoo.networks.imagenet import normalized
from colorzoo.networks.matching import STRIDE, WarpNet, unit_features
from colorzoo.prediction import AbPrediction
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.settings import Natural, Positive, Share, Width, settings_of
from colorzoo.zoo.chen2023.network import (
    CLUSTERS,
    Merging,
    Segmenter,
    build_segmenter,
    convert_published,
    warp_reference,
)

_MOST_CLASSES = 256


@dataclass(frozen=True)
class Extensions(ExemplarExtensions):
    """Additions to SPColor, besides those of `ExemplarExtensions`.

    These hide parts of the reference in training, so that one network learns all cases of use.

    Attributes:
        without_reference: Share of training pictures without a reference.
        hide_classes: Probability that a class of the reference is hidden in training.
        one_class: Share of training pictures matched without classes.
    """

    without_reference: Share = 0.0
    hide_classes: Share = 0.0
    one_class: Share = 0.0


def hide_from_matching(
    target: Classified, reference: Classified, seeds: Tensor, extensions: Extensions
) -> tuple[Classified, Classified]:
    """Merge the classes of some pictures into one; hide some or all classes of some references.

    Args:
        target: Classes of the training pictures.
        reference: Classes of their references.
        seeds: ``(B,)``, seeds of the pictures.
        extensions: The shares.
    """
    if not (extensions.one_class or extensions.hide_classes or extensions.without_reference):
        return target, reference
    labels = reference.labels
    uniform = draw_uniform(picture_generators(seeds, "hide"), len(labels), _MOST_CLASSES + 2, labels.device)
    single = (uniform[:, 0] < extensions.one_class)[:, None, None, None]
    target = target._replace(labels=torch.where(single, 0, target.labels))
    labels = torch.where(single, 0, labels)
    hidden = uniform[:, 2:].gather(1, labels.flatten(1)).view_as(labels) < extensions.hide_classes
    hidden = (hidden & ~single) | (uniform[:, 1] < extensions.without_reference)[:, None, None, None]
    return target, reference._replace(labels=torch.where(hidden, -1, labels))


@dataclass(frozen=True)
class Architecture:
    """Settings of the networks (sections III-A and III-D).

    Attributes:
        features: ``vgg19``, or the name of a registered model of the zhang2016 family whose layers are used
            (ours).
        width: Multiplier of the channel counts of the correspondence network (and of VGG-19); 1.0 is the
            published one.
        color_width: Multiplier of the channel counts of the color network.
        tau: Temperature of the matching (eq. 8).
        reference_input: ``rgb``, or ``normalized_twice`` as the published code feeds VGG-19.
    """

    features: str = "vgg19"
    width: Width = 1.0
    color_width: Width = 1.0
    tau: Positive = 0.01
    reference_input: Literal["rgb", "normalized_twice"] = "rgb"


@dataclass(frozen=True)
class Segmentation:
    """Settings of the classes (sections III-B and III-C).

    Attributes:
        segmenter: ``stego``, ``stego_supervised`` (Table IV), ``clusters`` of the features of another model
            (ours), or None: one class.
        segmenter_weights: File of the segmenter's weights for training, unless weights of the whole model
            were loaded: the authors' STEGO, or for ``clusters`` a file of
            `colorzoo.zoo.chen2023.find_clusters`. Without one ``clusters`` are random, which is for tests
            only.
        classes: Number of classes to which the segmenter's 27 clusters are merged: 22 in the paper, 27 keeps
            them.
        merging: See `ClusterSegmenter`.
        segmented_target: Input of the segmenter for a training picture: ``gray``, its lightness, as in the
            paper and in use, or ``color`` as in the published code. Neither has the noise of `Simulation`,
            and references are in color. ``clusters`` read only lightness.
    """

    segmenter: Literal["stego", "stego_supervised", "clusters"] | None = "stego"
    segmenter_weights: str | None = None
    classes: Natural = 22
    merging: Merging = "pre"
    segmented_target: Literal["gray", "color"] = "gray"


class SPColor(ColoringModel):
    """Colors a photo with the colors of a reference, class by class.

    Attributes:
        features: The frozen trunk.
        segmenter: Finds classes, frozen; None for one class. May be any `Segmenter`.
        correspondence: Makes the maps that are matched from the trunk's.

    Args:
        architecture: The networks.
        segmentation: The classes.
        extensions: Additions to the paper.
    """

    accepts = frozenset({"exemplar", "classes"})
    recorded_hparams = ("classes", "merging", "tau", "unrelated", "gated")
    network: ColorNet
    features: Trunk
    segmenter: Segmenter | None
    correspondence: WarpNet
    architecture: Architecture
    segmentation: Segmentation
    extensions: Extensions

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        segmentation: Segmentation = Segmentation(),
        extensions: Extensions = Extensions(),
    ) -> None:
        architecture = settings_of(Architecture, architecture)
        segmentation = settings_of(Segmentation, segmentation)
        extensions = settings_of(Extensions, extensions)
        features: Trunk
        if architecture.features == "vgg19":
            features = VGGTrunk(architecture.width)
        else:
            features = borrowed_trunk(architecture.features)
        segmenter = build_segmenter(
            segmentation.segmenter, features, segmentation.classes, segmentation.merging
        )
        correspondence = WarpNet(features.channels, architecture.width)
        color = ColorNet(4, architecture.color_width, gated=extensions.gated)
        if extensions.gated:
            nn.init.normal_(color.ab.weight, std=1e-3)
        super().__init__(color, architecture=architecture, segmentation=segmentation, extensions=extensions)
        self.features, self.segmenter, self.correspondence = features, segmenter, correspondence

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; without an exemplar, or without a common class, by the color network alone.

        The extras ``similarity``, ``warped_ab`` and ``match`` (positions in the exemplar) have the picture's
        size; ``matched`` is the share ``(B,)`` of the picture whose class the exemplar has. A class map
        replaces the segmenter's labels; the confidences stay the segmenter's.
        """
        guidance = guidance or Guidance()
        height, width = lightness.shape[-2:]
        padded = pad_picture(lightness)
        with torch.autocast(lightness.device.type, enabled=False):  # matching compares small differences
            warped = self._warp_guided(padded.float(), guidance, (height, width))
        ab = self.paint_warped(padded, warped)[:, :, :height, :width].float()
        common = warped.matched[:, :, : -(-height // STRIDE), : -(-width // STRIDE)]
        extras = {"matched": common.flatten(1).float().mean(dim=1)}
        extras |= maps_of(warped, height, width)
        return AbPrediction(ab=ab, extras=extras, notes=_notes(guidance, extras["matched"]))

    @property
    def class_count(self) -> int:
        """Number of classes of `segment`."""
        if self.segmenter is None:
            return 1
        return CLUSTERS if self.segmentation.merging == "post" else self.segmentation.classes

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return the maps that are matched, at 1/2, 1/4, 1/8 and 1/16 of the size."""
        return self.features.of_lightness(pad_picture(lightness.float())).taps

    def segment(self, lightness: Tensor) -> Tensor:
        """Return the class ``(B, 1, H, W)`` int64 of each pixel of a lightness."""
        padded = pad_picture(lightness.float())
        found = self.classify(lightness_to_rgb(padded), self.features.of_lightness(padded))
        height, width = lightness.shape[-2:]
        return enlarge(found.labels)[:, :, :height, :width]

    def classify(self, rgb: Tensor, features: TrunkFeatures) -> Classified:
        """Return the class of each position of the correspondence's grid; one class without a segmenter.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1], gray for a photo that is to be colored.
            features: Features of the same pictures.
        """
        grid = (rgb.shape[-2] // STRIDE, rgb.shape[-1] // STRIDE)
        if self.segmenter is None:
            labels = torch.zeros(len(rgb), 1, *grid, dtype=torch.int64, device=rgb.device)
            return Classified(labels, torch.ones_like(labels, dtype=rgb.dtype))
        with torch.no_grad():
            found = self.segmenter(rgb, features.deep)
        size = (rgb.shape[-2], rgb.shape[-1])
        return Classified(to_grid(found.labels, size, grid), to_grid(found.confidence, size, grid))

    def warp(
        self, lightness: Tensor, reference: ReferencePicture, classes: tuple[Classified, Classified]
    ) -> Warped:
        """Carry the colors of a reference over, with given classes.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100], both sides multiples of 32.
            reference: Reference pictures of any such size.
            classes: Classes of target and reference, at a quarter of the size.
        """
        target, other = self.features.of_lightness(lightness), self.reference_features(reference)
        return self.carry_over(target, other, reference, classes)

    def paint_warped(self, lightness: Tensor, warped: Warped) -> Tensor:
        """Return ab ``(B, 2, H, W)`` from warped colors; sides are multiples of 8."""
        parts = [enlarge(warped.ab), enlarge(warped.similarity), lightness - 50]
        return painted_ab(self.network(torch.cat(parts, dim=1)), warped.ab)

    def reference_features(self, reference: ReferencePicture) -> TrunkFeatures:
        """Return the features of a reference, scaled as `Architecture.reference_input` says."""
        rgb = reference.rgb
        if self.architecture.reference_input == "normalized_twice":
            rgb = normalized(rgb)
        return self.features.of_rgb(rgb)

    def carry_over(
        self,
        target: TrunkFeatures,
        other: TrunkFeatures,
        reference: ReferencePicture,
        classes: tuple[Classified, Classified],
    ) -> Warped:
        """Carry the colors of a reference over, by the features of both.

        Args:
            target: Features of the pictures.
            other: Features of their references.
            reference: The references.
            classes: Classes of pictures and references, at a quarter of the size.
        """
        maps = (
            self.correspondence(unit_features(target.taps)),
            self.correspondence(unit_features(other.taps)),
        )
        ab = F.avg_pool2d(reference.ab, STRIDE)
        warped = warp_reference(self.correspondence, maps, ab, classes, self.architecture.tau)
        return self._color_unmatched(warped, target)

    def _warp_guided(self, lightness: Tensor, guidance: Guidance, size: tuple[int, int]) -> Warped:
        features = self.features.of_lightness(lightness)
        if guidance.exemplar is None:
            return self._color_unmatched(unmatched(lightness), features)
        rgb = guidance.exemplar.rgb.float()
        padded = pad_picture(rgb)
        reference = ReferencePicture(padded, rgb_to_lab(padded)[:, 1:])
        other = self.reference_features(reference)
        ours, theirs = self.classify(lightness_to_rgb(lightness), features), self.classify(padded, other)
        if guidance.classes is not None:
            ours = _relabeled(ours, guidance.classes.target, size)
            if guidance.classes.exemplar is not None:
                theirs = _relabeled(theirs, guidance.classes.exemplar, (rgb.shape[-2], rgb.shape[-1]))
        classes = (_without_padding(ours, size), _without_padding(theirs, (rgb.shape[-2], rgb.shape[-1])))
        warped = self.carry_over(features, other, reference, classes)
        beyond = warped.source.new_tensor(
            [padded.shape[-1] / rgb.shape[-1], padded.shape[-2] / rgb.shape[-2]]
        )
        return warped._replace(source=(warped.source * beyond.view(2, 1, 1)).clamp(0, 1))

    def _color_unmatched(self, warped: Warped, features: TrunkFeatures) -> Warped:
        if self.extensions.unrelated == "zero":
            return warped
        return with_automatic_colors(warped, features.automatic)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the authors' networks, and STEGO if it is used; see `convert_published`."""
        return convert_published(state_dict)


def borrowed_trunk(name: str) -> BorrowedTrunk:
    """Return the layers of a registered model as a trunk.

    Raises:
        WeightsError: It has no trained weights on this machine.
    """
    return BorrowedTrunk(create_backbone(name, "features", offline=True).network)


def _notes(guidance: Guidance, matched: Tensor) -> tuple[str, ...]:
    if guidance.exemplar is None or bool((matched > 0).any()):
        return ()
    return ("the reference has no class in common with the picture, which was colored without it",)


def _relabeled(found: Classified, labels: Tensor, size: tuple[int, int]) -> Classified:
    """Replace the segmenter's labels by a map over a picture of height and width ``size``."""
    return found._replace(labels=to_grid(labels, size, (found.labels.shape[-2], found.labels.shape[-1])))


def _without_padding(found: Classified, size: tuple[int, int]) -> Classified:
    """Remove the positions beyond a picture of height and width ``size`` from all classes."""
    rows, columns = (
        torch.arange(count, device=found.labels.device) * STRIDE < side
        for side, count in zip(size, found.labels.shape[-2:], strict=True)
    )
    return found._replace(labels=torch.where(rows[:, None] & columns, found.labels, -1))
