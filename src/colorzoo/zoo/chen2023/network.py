"""Networks of SPColor: segmenters and class-wise warping (sections III-A to III-D).

The conversion functions rename the parameters of the authors' networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import ColorzooError
from colorzoo.networks.clusters import Classified, classify, merge_clusters
from colorzoo.networks.exemplar import Warped, centers_of, convert_networks, to_grid
from colorzoo.networks.exemplar_features import BorrowedTrunk, TrunkFeatures
from colorzoo.networks.imagenet import normalized
from colorzoo.networks.matching import STRIDE, WarpNet, unit_features
from colorzoo.networks.renaming import Pattern, rename_keys
from colorzoo.weights import apply_weights, load_state_dict_file

_STEGO: tuple[Pattern, ...] = (
    (r"net\.model\.", "backbone.vit."),
    (r"net\.cluster1\.0\.", "head.linear_code."),
    (r"net\.cluster2\.", "head.bent_code."),
    (r"cluster_probe\.clusters$", "head.clusters"),
    (r"linear_probe\.", "head.linear."),
)


def convert_stego(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename STEGO weights for `StegoEncoder` and drop the decoder that only training uses.

    Args:
        state_dict: The authors' tensors. Unknown keys are kept for error reports of strict loading.
    """
    kept = {key: value for key, value in state_dict.items() if not key.startswith("decoder.")}
    return rename_keys(kept, _STEGO)


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of the authors' networks for `SPColor`.

    Args:
        state_dict: The authors' tensors with the prefixes ``vggnet.``, ``nonlocal_net.`` and ``colornet.``,
            and the tensors of STEGO. Unknown keys are kept for error reports of strict loading.
    """
    ours, left = convert_networks(state_dict)
    for key, value in convert_stego(left).items():
        ours[key if key in left else f"segmenter.encode.{key}"] = value
    return ours


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
        larger = F.interpolate(square, scale_factor=factors, mode="bicubic")
        return torch.cat([table[:, :1], larger.flatten(2).transpose(1, 2)], dim=1)

    def forward(self, image: Tensor) -> Tensor:
        """Map normalized RGB ``(B, 3, H, W)`` to DINO features ``(B, 768, H/8, W/8)``."""
        patches = self.vit.patch_embed.proj(image)
        grid = patches.shape[-2:]
        first = self.vit.cls_token.expand(len(image), -1, -1)
        tokens = torch.cat([first, patches.flatten(2).transpose(1, 2)], dim=1) + self.positions(tuple(grid))
        tokens = self.vit.norm(self.vit.blocks(tokens))
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


def build_segmenter(kind: str | None, trunk: nn.Module, classes: int) -> ClusterSegmenter | None:
    """Build a frozen segmenter, a network that predicts the class of each image position.

    Args:
        kind: ``stego``, ``clusters`` (based on feature maps of ``trunk``) or None (no segmenter; the function
            returns None).
        trunk: Feature network of the model.
        classes: Number of classes after merging; see `ClusterSegmenter`.

    Raises:
        ColorzooError: ``kind`` is incompatible with ``trunk``.
    """
    if kind is None:
        return None
    if kind == "stego":
        segmenter = ClusterSegmenter(StegoEncoder(), classes)
    elif isinstance(trunk, BorrowedTrunk):
        segmenter = ClusterSegmenter(ProjectedMaps(trunk.deep_channels), classes)
    else:
        raise ColorzooError("'segmenter' must not be 'clusters' if 'features' is 'vgg19'")
    return segmenter.requires_grad_(False).eval()


def warp_reference(
    correspondence: WarpNet,
    features: tuple[TrunkFeatures, TrunkFeatures],
    ab: Tensor,
    classes: ClassPair,
    tau: float,
) -> Warped:
    """Warp reference colors to target positions of the same class (eqs. 5 to 15).

    Positions without a match have ab 0.

    Args:
        correspondence: Network that projects the features and matches them.
        features: Outputs of the feature network for the target and for the reference.
        ab: Reference ab ``(B, 2, h, w)`` at 1/4 scale.
        classes: Classes of the target and of the reference at 1/4 scale.
        tau: Softmax temperature of the matching.

    Returns:
        Warped colors, similarity, and matched reference positions, at 1/4 scale.
    """
    target_features, reference_features = features
    target = correspondence(unit_features(target_features.hooks))
    reference = correspondence(unit_features(reference_features.hooks))
    target_classes, reference_classes = classes
    labels = (target_classes.labels, reference_classes.labels)

    # positions without a match get 0, so the warped constant 1 shows which positions have a match
    confidence = reference_classes.confidence
    values = torch.cat([ab, confidence, torch.ones_like(confidence), centers_of(ab)], dim=1)
    match = correspondence.warp(target, reference, values, labels, tau=tau)
    warped_ab, warped_confidence, warped_ones, source = torch.split(match.values, [2, 1, 1, 2], dim=1)

    # cosine similarity, weighted by the confidences of both classes
    similarity = match.similarity * warped_confidence * target_classes.confidence
    return Warped(warped_ab, similarity, matched=warped_ones > 0.5, source=source)


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


def load_segmenter(segmenter: ClusterSegmenter, path: str) -> None:
    """Load segmenter weights from a STEGO file or an output file of ``docs/models/find_clusters.py``.

    Args:
        segmenter: Segmenter that `build_segmenter` returned.
        path: Path of the file.

    Raises:
        WeightsError: The file does not exist, or its weights do not match the segmenter.
    """
    encoder = segmenter.encode
    state_dict = load_state_dict_file(Path(path))
    if not isinstance(encoder, ProjectedMaps):
        state_dict = convert_stego(state_dict)
    apply_weights(encoder, state_dict, name=path, published=False)
