"""SPColor for a process that only colors: no Lightning."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.networks.clusters import Classified
from colorzoo.networks.color_net import ColorNet
from colorzoo.networks.exemplar import ReferencePicture, Warped, enlarge, pad_picture, painted_ab, to_grid
from colorzoo.networks.trunk import Trunk, TrunkFeatures
from colorzoo.networks.warp_net import STRIDE, WarpNet, unit_features
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel, settings_of
from colorzoo.tasks.coloring import without_discriminator
from colorzoo.weights import apply_weights
from colorzoo.zoo.chen2023.extensions import Extensions, with_automatic_colors
from colorzoo.zoo.chen2023.network import build_segmenter, build_trunk, warp_reference
from colorzoo.zoo.chen2023.published import convert_published
from colorzoo.zoo.chen2023.segment import Segmenter
from colorzoo.zoo.chen2023.settings import Architecture, Segmentation
from colorzoo.zoo.chen2023.stego import CLUSTERS

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Networks(NamedTuple):
    """All that colors.

    Attributes:
        features: The frozen trunk.
        segmenter: Names classes, frozen; None for one class.
        correspondence: Makes what is matched of the trunk's maps.
        color: Paints what was warped.
    """

    features: Trunk
    segmenter: nn.Module | None
    correspondence: WarpNet
    color: ColorNet


class Answers(ColoringModel):
    """How the networks answer, whether they only color or are trained too.

    Attributes:
        features: See `Networks`.
        segmenter: See `Networks`; any `Segmenter` may be put here.
        correspondence: See `Networks`.
    """

    accepts = frozenset({"exemplar", "classes"})
    architecture: Architecture
    segmentation: Segmentation
    extensions: Extensions
    network: ColorNet
    features: Trunk
    segmenter: Segmenter | None
    correspondence: WarpNet

    def take_networks(self, networks: Networks) -> None:
        """Keep the networks under the names that their weights have."""
        self.features, self.segmenter = networks.features, networks.segmenter
        self.correspondence, self.network = networks.correspondence, networks.color

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; without an exemplar, or without a class in common, by the color network alone.

        Of the extras, ``similarity``, ``warped_ab`` and ``match`` (the places in the exemplar) are at
        the picture's size; ``matched`` is the share ``(B,)`` of it whose class the exemplar has. A class
        map takes the place of the segmenter's labels; the confidences stay the segmenter's.
        """
        guidance = guidance or Guidance()
        height, width = luma.shape[-2:]
        padded = pad_picture(luma)
        with torch.autocast(luma.device.type, enabled=False):  # matching compares small differences
            warped = self._warp_guided(padded.float(), guidance, (height, width))
        ab = self.paint_warped(padded, warped)[:, :, :height, :width].float()
        common = warped.matched[:, :, : -(-height // STRIDE), : -(-width // STRIDE)]
        extras = {"matched": common.flatten(1).float().mean(dim=1)}
        maps = (("similarity", warped.similarity), ("warped_ab", warped.ab), ("match", warped.source))
        for name, part in maps:
            extras[name] = enlarge(part)[:, :, :height, :width]
        return AbPrediction(ab=ab, extras=extras, notes=_notes(guidance, extras["matched"]))

    @property
    def class_count(self) -> int:
        """How many classes `segment` may name."""
        if self.segmenter is None:
            return 1
        return CLUSTERS if self.segmentation.merging == "post" else self.segmentation.classes

    def segment(self, luma: Tensor) -> Tensor:
        """Return the class ``(B, 1, H, W)`` int64 of each pixel of a lightness."""
        padded = pad_picture(luma.float())
        found = self.classify(gray_picture(padded), self.features.of_luma(padded))
        height, width = luma.shape[-2:]
        return enlarge(found.labels)[:, :, :height, :width]

    def classify(self, rgb: Tensor, features: TrunkFeatures) -> Classified:
        """Name the class of each place of the correspondence's grid; one class without a segmenter.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1], gray for a photo that is to be colored.
            features: Of the same pictures.
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
        self, luma: Tensor, reference: ReferencePicture, classes: tuple[Classified, Classified]
    ) -> Warped:
        """Carry the colors of a reference over, with given classes.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100], both sides multiples of 32.
            reference: Of any such size.
            classes: Of target and reference, at a quarter of the size.
        """
        target, other = self.features.of_luma(luma), self.reference_features(reference)
        return self.carry_over(target, other, reference, classes)

    def paint_warped(self, luma: Tensor, warped: Warped) -> Tensor:
        """Return ab ``(B, 2, H, W)`` from what was warped; sides are multiples of 8."""
        parts = [enlarge(warped.ab), enlarge(warped.similarity), luma - 50]
        return painted_ab(self.network(torch.cat(parts, dim=1)), warped.ab)

    def reference_features(self, reference: ReferencePicture) -> TrunkFeatures:
        """Look at a reference, in the scale that `Architecture.reference_input` names."""
        rgb = reference.rgb
        if self.architecture.reference_input == "normalized_twice":
            mean, std = (rgb.new_tensor(values).view(3, 1, 1) for values in _IMAGENET)
            rgb = (rgb - mean) / std
        return self.features.of_rgb(rgb)

    def carry_over(
        self,
        target: TrunkFeatures,
        other: TrunkFeatures,
        reference: ReferencePicture,
        classes: tuple[Classified, Classified],
    ) -> Warped:
        """Carry the colors of a reference over, from what the trunk saw of both.

        Args:
            target: Of the pictures.
            other: Of their references.
            reference: These.
            classes: Of pictures and references, at a quarter of the size.
        """
        maps = (
            self.correspondence(unit_features(target.taps)),
            self.correspondence(unit_features(other.taps)),
        )
        ab = F.avg_pool2d(reference.ab, STRIDE)
        warped = warp_reference(self.correspondence, maps, ab, classes, self.architecture.tau)
        return self._with_colors_of_unmatched(warped, target)

    def _warp_guided(self, luma: Tensor, guidance: Guidance, size: tuple[int, int]) -> Warped:
        features = self.features.of_luma(luma)
        if guidance.exemplar is None:
            nothing = luma.new_zeros(len(luma), 1, *(side // STRIDE for side in luma.shape[-2:]))
            two = nothing.repeat(1, 2, 1, 1)
            return self._with_colors_of_unmatched(Warped(two, nothing, nothing > 0, two), features)
        rgb = guidance.exemplar.rgb.float()
        padded = pad_picture(rgb)
        reference = ReferencePicture(padded, rgb_to_lab(padded)[:, 1:])
        other = self.reference_features(reference)
        ours, theirs = self.classify(gray_picture(luma), features), self.classify(padded, other)
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

    def _with_colors_of_unmatched(self, warped: Warped, features: TrunkFeatures) -> Warped:
        if self.extensions.unrelated == "zero":
            return warped
        return with_automatic_colors(warped, features)


class Chen2023Inference(Answers, InferenceModel):
    """The networks, as `Chen2023` answers.

    Args:
        architecture: The networks.
        segmentation: What names the classes.
        extensions: What is not in the paper.
    """

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        segmentation: Segmentation = Segmentation(),
        extensions: Extensions = Extensions(),
    ) -> None:
        architecture = settings_of(Architecture, architecture)
        segmentation = settings_of(Segmentation, segmentation)
        extensions = settings_of(Extensions, extensions)
        networks = build_networks(architecture, segmentation, extensions)
        super().__init__(
            networks.color, architecture=architecture, segmentation=segmentation, extensions=extensions
        )
        self.architecture, self.segmentation, self.extensions = architecture, segmentation, extensions
        self.take_networks(networks)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' networks; see `Chen2023.load_published_state_dict`."""
        ours = without_discriminator(convert_published(state_dict))
        apply_weights(self, ours, name="the published checkpoint", published=False)


def build_networks(
    architecture: Architecture, segmentation: Segmentation, extensions: Extensions
) -> Networks:
    """Build the networks; the trunk and its segmenter are frozen."""
    features = build_trunk(architecture.features, architecture.width)
    kind, merging = segmentation.segmenter, segmentation.merging
    segmenter = build_segmenter(kind, features, segmentation.classes, merging)
    correspondence = WarpNet(features.channels, architecture.width)
    color = ColorNet(4, architecture.color_width, gated=extensions.gated)
    if extensions.gated:
        nn.init.normal_(color.ab.weight, std=1e-3)
    return Networks(features, segmenter, correspondence, color)


def gray_picture(luma: Tensor) -> Tensor:
    """Return lightness ``(B, 1, H, W)`` as a gray picture ``(B, 3, H, W)`` in [0, 1]."""
    return lab_to_rgb(torch.cat([luma, torch.zeros_like(luma), torch.zeros_like(luma)], dim=1))


def _notes(guidance: Guidance, matched: Tensor) -> tuple[str, ...]:
    if guidance.exemplar is None or bool((matched > 0).any()):
        return ()
    return ("the reference has no class in common with the picture, which was colored without it",)


def _relabeled(found: Classified, labels: Tensor, size: tuple[int, int]) -> Classified:
    """Put other labels, over a picture of height and width ``size``, in the place of the segmenter's."""
    return found._replace(labels=to_grid(labels, size, (found.labels.shape[-2], found.labels.shape[-1])))


def _without_padding(found: Classified, size: tuple[int, int]) -> Classified:
    """Take the places beyond a picture of height and width ``size`` out of all classes."""
    rows, columns = (
        torch.arange(count, device=found.labels.device) * STRIDE < side
        for side, count in zip(size, found.labels.shape[-2:], strict=True)
    )
    return found._replace(labels=torch.where(rows[:, None] & columns, found.labels, -1))
