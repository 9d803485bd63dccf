"""SPColor: Semantic Prior Guided Exemplar-based Image Colorization (Chen et al. 2023).

Colors of a reference are transferred only between positions of the same class. The network predicts colors
for classes absent from the reference. https://arxiv.org/abs/2304.06255

The segmenter ``clusters`` (`ProjectedMaps`), feature networks other than ``vgg19``, and the arguments
``gated`` and ``unrelated`` of `SPColor` are not in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.abilities import SegmentationModel
from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.factory import build_trunk
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import cells, pad_to_multiple
from colorzoo.networks.clusters import Classified, classify, merge_clusters
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
    to_grid,
    unmatched,
)
from colorzoo.networks.exemplar_features import BorrowedTrunk, Trunk, TrunkFeatures
from colorzoo.networks.imagenet import normalized
from colorzoo.networks.matching import STRIDE, WarpNet, unit_features
from colorzoo.networks.renaming import Pattern, rename_keys
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Positive, PositiveInt, Width

_STEGO: tuple[Pattern, ...] = (
    (r"net\.model\.", "backbone.vit."),
    (r"net\.cluster1\.0\.", "head.linear_code."),
    (r"net\.cluster2\.", "head.bent_code."),
    (r"cluster_probe\.clusters$", "head.clusters"),
    (r"linear_probe\.", "head.linear."),
)


CLUSTERS = 27
_CODE = 90
_SIDE = 256
"""Side of STEGO's square input in pixels."""
_NUDGE = 0.1  # added to the grid size as in DINO, against rounding errors

Segmenter = Callable[[Tensor, Tensor], Classified]
"""Function that maps RGB ``(B, 3, H, W)`` in [0, 1] and a deep feature map to classes.

The class grid may have any size. Images to be colorized have three equal channels.
"""

ClassPair = tuple[Classified, Classified]
"""Classes of images and classes of their references."""


class ClusterSegmenter(nn.Module):
    """Classifier by the nearest cluster center, with optional cluster merging.

    Merging follows the category reduction algorithm (CRA) of Chen et al. 2023, section III-C.

    Args:
        encode: Network that computes the features of each position.
        classes: Number of classes after merging, at most the number of cluster centers.
    """

    def __init__(self, encode: ProjectedMaps | StegoEncoder, classes: int) -> None:
        super().__init__()
        self.encode, self.classes = encode, classes

    def forward(self, rgb: Tensor, deep: Tensor) -> Classified:
        """Return the class and confidence of each position of the feature grid.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            deep: Deep map of the feature network, which `ProjectedMaps` uses instead of ``rgb``.
        """
        centers = self.encode.centers
        if self.classes != len(centers):
            centers = merge_clusters(centers, self.classes)
        return classify(self.encode(rgb, deep), centers)


class ProjectedMaps(nn.Module):
    """Linear projection of the feature network's deep map, with cluster centers.

    The script ``docs/models/find_clusters.py`` computes the projection and the cluster centers.

    Args:
        channels: Number of channels of the deep map (`TrunkFeatures.deep`).
        code: Number of channels of the projection.
        clusters: Number of cluster centers.
    """

    shift: Tensor
    projection: Tensor
    centers: Tensor

    def __init__(self, channels: int, code: int = 48, clusters: int = 27) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(channels))
        self.register_buffer("projection", torch.randn(code, channels) / channels**0.5)
        self.register_buffer("centers", torch.randn(clusters, code))

    def forward(self, rgb: Tensor, deep: Tensor) -> Tensor:
        """Project a deep map ``(B, C, h, w)`` to ``(B, code, h, w)``; ``rgb`` is not used."""
        return torch.einsum("bchw,dc->bdhw", deep - self.shift[:, None, None], self.projection)


class DinoBackbone(nn.Module):
    """DINO's ViT-B/8 with interpolated position embeddings for any input size."""

    def __init__(self) -> None:
        super().__init__()
        import timm

        self.vit: Any = timm.create_model("vit_base_patch8_224.dino", pretrained=False, num_classes=0)

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """Return position embeddings ``(1, 1 + h * w, 768)`` for a grid of h x w patches.

        The first embedding belongs to the class token.

        Args:
            grid: Number of rows and columns ``(h, w)`` of patches.
        """
        table: Tensor = self.vit.pos_embed
        side = round((table.shape[1] - 1) ** 0.5)
        square = table[:, 1:].transpose(1, 2).reshape(1, -1, side, side)
        factors = [(wanted + _NUDGE) / side for wanted in grid]
        resized = F.interpolate(square, scale_factor=factors, mode="bicubic")
        return torch.cat([table[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)

    def forward(self, image: Tensor) -> Tensor:
        """Map normalized RGB ``(B, 3, H, W)`` to DINO features ``(B, 768, H/8, W/8)``."""
        patches = self.vit.patch_embed.proj(image)
        grid = patches.shape[-2:]
        first = self.vit.cls_token.expand(len(image), -1, -1)
        tokens = torch.cat([first, patches.flatten(2).transpose(1, 2)], dim=1)
        tokens = self.vit.norm(self.vit.blocks(tokens + self.positions((grid[0], grid[1]))))
        maps: Tensor = tokens[:, 1:].transpose(1, 2)
        return maps.reshape(len(image), -1, *grid)


class StegoHead(nn.Module):
    """STEGO head: projection of DINO features, cluster centers and a linear probe.

    The probe is a linear classifier that was trained with labels.
    """

    clusters: Tensor

    def __init__(self) -> None:
        super().__init__()
        width = 768
        self.linear_code = nn.Conv2d(width, _CODE, 1)
        self.bent_code = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, _CODE, 1))
        self.register_buffer("clusters", torch.randn(CLUSTERS, _CODE))
        self.linear = nn.Conv2d(_CODE, CLUSTERS, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Project DINO features ``(B, 768, h, w)`` to STEGO features ``(B, 90, h, w)``."""
        return self.linear_code(features) + self.bent_code(features)


class StegoEncoder(nn.Module):
    """STEGO encoder: DINO ViT-B/8 and a small head (Hamilton et al. 2022)."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = DinoBackbone(), StegoHead()

    def forward(self, rgb: Tensor, deep: Tensor) -> Tensor:
        """Compute the STEGO features of RGB images.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1]. Images that do not have 256 x 256 pixels are resized.
            deep: Not used.

        Returns:
            ``(B, 90, 32, 32)`` for images of 256 x 256 pixels. For other sizes, the features are resized to
            ``(B, 90, H, W)``.
        """
        size = tuple(rgb.shape[-2:])
        if size != (_SIDE, _SIDE):
            rgb = F.interpolate(rgb, size=(_SIDE, _SIDE), mode="bilinear")
        code: Tensor = self.head(self.backbone(normalized(rgb)))
        if size != (_SIDE, _SIDE):
            code = F.interpolate(code, size=size, mode="bilinear")
        return code

    @property
    def centers(self) -> Tensor:
        """Cluster centers ``(27, 90)``."""
        return self.head.clusters


def user_classes(predicted: Classified, labels: Tensor | None, size: tuple[int, int]) -> Classified:
    """Replace predicted classes with a class map of the user (class mapping, section III-D).

    Positions outside the image get the class -1. The confidences do not change.

    Args:
        predicted: Predicted classes at 1/4 scale of the padded images.
        labels: Class map ``(B, 1, H, W)``; None keeps the predicted classes.
        size: Height and width of the images before padding.
    """
    rows, columns = predicted.labels.shape[-2:]
    classes = predicted.labels if labels is None else to_grid(labels, size, (rows, columns))
    height, width = size
    is_row_inside = torch.arange(rows, device=classes.device) * STRIDE < height
    is_column_inside = torch.arange(columns, device=classes.device) * STRIDE < width
    is_inside = is_row_inside[:, None] & is_column_inside
    return predicted._replace(labels=torch.where(is_inside, classes, -1))


class SPColor(ColoringModel, SegmentationModel):
    """Exemplar colorization that matches each position with positions of the same class.

    Attributes:
        features: Frozen feature network.
        segmenter: Frozen network that predicts classes (`Segmenter`), or None if all positions have one
            class.
        correspondence: Network that computes the features to match.

    Args:
        features: Feature network: ``vgg19``, or the name of a zhang2016 model such as ``zhang2016_small``
            (not in the paper).
        width: Multiplier for the channel counts of the correspondence network and VGG-19; 1.0 matches the
            paper.
        color_width: Multiplier for the channel counts of the color network; 1.0 matches the paper.
        tau: Softmax temperature of the matching (eq. 8).
        segmenter: ``stego`` (the paper) or ``clusters`` (clustered features, not in the paper). None assigns
            one class to all positions.
        classes: Number of classes after merging the segmenter's 27 clusters. The paper uses 22; 27 disables
            merging.
        gated: Whether to add the warped colors, multiplied by a learned gate, to the output; see
            `GatedColorNet`.
        unrelated: Colors of positions without a match. ``zero`` sets ab to 0, as in the paper. ``automatic``
            uses the colors that the feature model (the automatic colorization model that computes the
            features) predicts without a reference.

    Raises:
        ColorzooError: ``segmenter`` is ``clusters``, and ``features`` is ``vgg19``.
    """

    accepts = frozenset({"exemplar", "classes"})
    network: ColorNet
    features: Trunk
    segmenter: Segmenter | None
    correspondence: WarpNet

    def __init__(
        self,
        features: str = "vgg19",
        width: Width = 1.0,
        color_width: Width = 1.0,
        tau: Positive = 0.01,
        segmenter: Literal["stego", "clusters"] | None = "stego",
        classes: PositiveInt = 22,
        gated: bool = False,
        unrelated: Literal["zero", "automatic"] = "zero",
    ) -> None:
        trunk = build_trunk(features, width)
        segmentation = None
        if segmenter == "stego":
            segmentation = ClusterSegmenter(StegoEncoder(), classes)
        elif segmenter == "clusters":
            if not isinstance(trunk, BorrowedTrunk):
                raise ColorzooError("'segmenter' must not be 'clusters' if 'features' is 'vgg19'")
            segmentation = ClusterSegmenter(ProjectedMaps(trunk.deep_channels), classes)
        if segmentation is not None:
            segmentation.requires_grad_(False).eval()
        correspondence = WarpNet(trunk.channels, width)
        network = (GatedColorNet if gated else ColorNet)(4, color_width)
        if gated:  # the output is initially close to the warped colors
            nn.init.normal_(network.ab.weight, std=1e-3)
        super().__init__(network)
        self.features, self.segmenter, self.correspondence = trunk, segmentation, correspondence
        self.tau, self.unrelated, self.classes = tau, unrelated, classes

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
            target_features = self.features.of_lightness(padded.float())
            if guidance.exemplar is None:
                warped = unmatched(target_features)
                if self.unrelated == "automatic":
                    warped = fill_automatic(warped, target_features)
            else:
                exemplar = guidance.exemplar.rgb.float()
                padded_exemplar = pad_to_multiple(exemplar, MULTIPLE)
                reference = ReferenceImage(padded_exemplar, rgb_to_lab(padded_exemplar)[:, 1:])
                reference_features = self.features.of_rgb(reference.rgb)
                # predicted classes, or the class maps of the user
                target_classes = self.classify(lightness_to_rgb(padded.float()), target_features)
                reference_classes = self.classify(padded_exemplar, reference_features)
                target_map, reference_map = None, None
                if guidance.classes is not None:
                    target_map, reference_map = guidance.classes.target, guidance.classes.exemplar
                classes = (
                    user_classes(target_classes, target_map, (height, width)),
                    user_classes(reference_classes, reference_map, (exemplar.shape[-2], exemplar.shape[-1])),
                )
                warped = self.carry_over((target_features, reference_features), reference, classes)
                warped = source_in_reference(warped, padded_exemplar, exemplar)
        ab = self.colorize_warped(padded, warped)[:, :, :height, :width].float()

        # positions of the 1/4 scale grid that are not padding
        matched = warped.matched[:, :, : cells(height, STRIDE), : cells(width, STRIDE)]
        matched_fraction = matched.flatten(1).float().mean(dim=1)
        extras = {"matched": matched_fraction, **maps_of(warped, height, width)}
        notes: tuple[str, ...] = ()
        if guidance.exemplar is not None and not bool((matched_fraction > 0).any()):
            notes = ("image and reference have no object type in common; the reference was not used",)
        return AbPrediction(ab=ab, extras=extras, notes=notes)

    @property
    def class_count(self) -> int:
        """Number of classes that `segment` distinguishes."""
        return 1 if self.segmenter is None else self.classes

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

    def carry_over(
        self,
        features: tuple[TrunkFeatures, TrunkFeatures],
        reference: ReferenceImage,
        classes: ClassPair,
    ) -> Warped:
        """Warp reference colors to image positions of the same class (eqs. 5 to 15).

        Args:
            features: Outputs of the feature network for the images and for the references.
            reference: Reference images.
            classes: Classes of the images and classes of the references, at 1/4 scale.
        """
        target_features, reference_features = features
        target = self.correspondence(unit_features(target_features.hooks))
        key = self.correspondence(unit_features(reference_features.hooks))
        target_classes, reference_classes = classes
        labels = (target_classes.labels, reference_classes.labels)

        # positions without a match get 0, so the warped constant 1 shows which positions have a match
        ab, confidence = F.avg_pool2d(reference.ab, STRIDE), reference_classes.confidence
        values = torch.cat([ab, confidence, torch.ones_like(confidence), centers_of(ab)], dim=1)
        match = self.correspondence.warp(target, key, values, labels, tau=self.tau)
        warped_ab, warped_confidence, warped_ones, source = torch.split(match.values, [2, 1, 1, 2], dim=1)

        # cosine similarity, weighted by the confidences of both classes
        similarity = match.similarity * warped_confidence * target_classes.confidence
        warped = Warped(warped_ab, similarity, matched=warped_ones > 0.5, source=source)
        return fill_automatic(warped, target_features) if self.unrelated == "automatic" else warped

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the parameters of the authors' networks, including STEGO.

        Args:
            state_dict: The authors' tensors with the prefixes ``vggnet.``, ``nonlocal_net.`` and
                ``colornet.``, and the tensors of STEGO. Unknown keys are kept for error reports of strict
                loading.
        """
        ours, left = convert_networks(state_dict)
        for key, value in convert_stego(left).items():
            ours[key if key in left else f"segmenter.encode.{key}"] = value
        return ours


def convert_stego(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename STEGO weights for `StegoEncoder` and drop the decoder that only training uses.

    Args:
        state_dict: The authors' tensors. Unknown keys are kept for error reports of strict loading.
    """
    kept = {key: value for key, value in state_dict.items() if not key.startswith("decoder.")}
    return rename_keys(kept, _STEGO)
