"""Networks of SPColor: segmenters and class-wise warping (sections III-A to III-D).

The conversion functions rename the parameters of the authors' networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.guidance import ClassMap
from colorzoo.networks.clusters import Classified, classify, merge_clusters
from colorzoo.networks.exemplar import Warped, centers_of, convert_networks, to_grid
from colorzoo.networks.exemplar_features import BorrowedTrunk, TrunkFeatures
from colorzoo.networks.imagenet import normalized
from colorzoo.networks.matching import WarpNet, unit_features
from colorzoo.networks.renaming import Pattern, rename_keys
from colorzoo.weights import apply_weights, load_state_dict_file

_STEGO: tuple[Pattern, ...] = (
    (r"net\.model\.", "backbone.vit."),
    (r"net\.cluster1\.0\.", "linear_code."),
    (r"net\.cluster2\.", "bent_code."),
    (r"cluster_probe\.clusters$", "clusters"),
    (r"linear_probe\.", "linear."),
)


def convert_stego(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights in the authors' STEGO file.

    Keys of the vision transformer get the prefix ``backbone.vit.``. Keys of the head match `StegoHead`.
    """
    return rename_keys(state_dict, _STEGO)


def convert_stego_encoder(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename STEGO weights for `StegoEncoder` and drop the decoder that only training uses.

    Args:
        state_dict: The authors' tensors. Unknown keys are kept for error reports of strict loading.
    """
    kept = {key: value for key, value in state_dict.items() if not key.startswith("decoder.")}
    ours = convert_stego(kept)
    return {key if key in kept or key.startswith("backbone.") else f"head.{key}": ours[key] for key in ours}


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the parameters of the authors' networks for `SPColor`.

    Args:
        state_dict: The authors' tensors with the prefixes ``vggnet.``, ``nonlocal_net.`` and ``colornet.``,
            and the tensors of STEGO. Unknown keys are kept for error reports of strict loading.
    """
    ours, left = convert_networks(state_dict)
    stego = convert_stego_encoder(left)
    return ours | {key if key in left else f"segmenter.encode.{key}": stego[key] for key in stego}


CLUSTERS = 27
_CODE = 90
_SIDE = 256
"""Side of STEGO's square input in pixels."""
_NUDGE = 0.1  # added to the grid size as in DINO, against rounding errors

Segmenter = Callable[[Tensor, Tensor], Classified]
"""Function that maps RGB ``(B, 3, H, W)`` in [0, 1] and a deep feature map to classes.

The class grid may have any size. Images to be colorized have three equal channels.
"""

Encoder = Callable[[Tensor, Tensor], Tensor]
"""Function that maps the inputs of a `Segmenter` to features ``(B, D, h, w)``."""

Merging = Literal["pre", "post"]

ClassPair = tuple[Classified, Classified]
"""Classes of images and classes of their references."""


class ClusterSegmenter(nn.Module):
    """Classifier by the nearest cluster center, with optional cluster merging.

    Merging follows the category reduction algorithm (CRA) of Chen et al. 2023, section III-C.

    Args:
        encode: Function that computes the features of each position; see `Encoder`.
        centers: Cluster centers ``(K, D)``; None uses ``encode.centers``.
        classes: Number of classes after merging, at most K; K disables merging.
        merging: ``pre`` merges the centers before classification, as in the paper. ``post`` merges the labels
            after classification.
    """

    def __init__(
        self, encode: Encoder, centers: Tensor | None = None, *, classes: int, merging: Merging
    ) -> None:
        super().__init__()
        self.encode, self._centers = encode, centers
        self.classes, self.merging = classes, merging

    @property
    def centers(self) -> Tensor:
        """Cluster centers ``(K, D)`` before merging."""
        return self._centers if self._centers is not None else self.encode.centers  # type: ignore[attr-defined]

    def forward(self, rgb: Tensor, deep: Tensor) -> Classified:
        """Return the class and confidence of each position of the feature grid.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
            deep: Deep map of the feature network, which some encoders use instead of ``rgb``.
        """
        features, centers = self.encode(rgb, deep), self.centers
        if self.classes == len(centers):
            return classify(features, centers)
        merged = merge_clusters(centers, self.classes)
        if self.merging == "pre":
            return classify(features, merged.centers)
        classes = classify(features, centers)
        return classes._replace(labels=merged.first[classes.labels])


class ProjectedMaps(nn.Module):
    """Linear projection of the feature network's deep map, with cluster centers.

    `colorzoo.zoo.chen2023.find_clusters` computes the projection and the cluster centers.

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

    reads_trunk = False

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


class SupervisedStego(nn.Module):
    """STEGO with the supervised linear probe as the classifier (SPColor, Table IV).

    The confidences are probabilities. The published code uses log-probabilities, which give negative
    similarities.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encode = StegoEncoder()

    def forward(self, rgb: Tensor, deep: Tensor) -> Classified:
        """Return the class and probability of each position.

        The arguments and the resolution match `StegoEncoder.forward`.
        """
        logits = self.encode.head.linear(self.encode(rgb, deep))
        confidence, labels = torch.softmax(logits, dim=1).max(dim=1, keepdim=True)
        return Classified(labels, confidence)


def build_segmenter(
    kind: str | None, trunk: nn.Module, classes: int, merging: Merging
) -> ClusterSegmenter | SupervisedStego | None:
    """Build a frozen segmenter, a network that predicts the class of each image position.

    Args:
        kind: ``stego``, ``stego_supervised``, ``clusters`` (based on feature maps of ``trunk``) or None (no
            segmenter; the function returns None).
        trunk: Feature network of the model.
        classes: Number of classes after merging; see `ClusterSegmenter`.
        merging: ``pre`` or ``post``; see `ClusterSegmenter`.

    Raises:
        ColorzooError: ``kind`` is unknown or incompatible with ``trunk``.
    """
    if kind is None:
        return None
    segmenter: ClusterSegmenter | SupervisedStego
    if kind == "stego":
        segmenter = ClusterSegmenter(StegoEncoder(), classes=classes, merging=merging)
    elif kind == "stego_supervised":
        segmenter = SupervisedStego()
    elif kind == "clusters" and isinstance(trunk, BorrowedTrunk):
        segmenter = ClusterSegmenter(ProjectedMaps(trunk.deep_channels), classes=classes, merging=merging)
    else:
        raise ColorzooError(
            f"'segmenter' must be 'stego', 'stego_supervised' or None, got {kind!r}. 'clusters' is also "
            "allowed if 'features' is the name of a registered model."
        )
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

    # warp ab, the confidence, a constant and the position; positions without a match get 0
    confidence = reference_classes.confidence
    ones = torch.ones_like(confidence)
    values = torch.cat([ab, confidence, ones, centers_of(ab)], dim=1)
    match = correspondence.warp(target, reference, values, labels, tau=tau)
    warped_ab, warped_confidence, warped_ones, source = torch.split(match.values, [2, 1, 1, 2], dim=1)

    # cosine similarity, weighted by the confidences of both classes
    similarity = match.similarity * warped_confidence * target_classes.confidence
    return Warped(warped_ab, similarity, matched=warped_ones > 0.5, source=source)


def with_class_maps(
    predicted: ClassPair, classes: ClassMap | None, sizes: tuple[tuple[int, int], tuple[int, int]]
) -> ClassPair:
    """Replace predicted classes with the class maps of the user (class mapping, section III-D).

    The confidences do not change.

    Args:
        predicted: Predicted classes of images and references.
        classes: Class maps of the user; None changes nothing.
        sizes: Height and width of the images and of the references.
    """
    if classes is None:
        return predicted
    target, reference = predicted
    target_size, reference_size = sizes
    return (
        _with_labels(target, classes.target, target_size),
        _with_labels(reference, classes.exemplar, reference_size),
    )


def _with_labels(predicted: Classified, labels: Tensor | None, size: tuple[int, int]) -> Classified:
    """Replace the predicted classes of images of a size with a class map; None changes nothing."""
    if labels is None:
        return predicted
    grid = (predicted.labels.shape[-2], predicted.labels.shape[-1])
    return predicted._replace(labels=to_grid(labels, size, grid))


def reads_trunk(segmenter: object) -> bool:
    """Return whether a segmenter computes classes from the feature map `TrunkFeatures.deep`."""
    return bool(getattr(getattr(segmenter, "encode", segmenter), "reads_trunk", True))


def load_segmenter(segmenter: object, path: str) -> None:
    """Load segmenter weights from a STEGO file or a `find_clusters` output file.

    Args:
        segmenter: Segmenter that `build_segmenter` returned.
        path: Path of the file.

    Raises:
        WeightsError: The segmenter is None, the file does not exist, or its weights do not match the
            segmenter.
    """
    encoder = getattr(segmenter, "encode", None)
    if not isinstance(encoder, nn.Module):
        raise WeightsError("'segmenter_weights' requires that 'segmenter' is 'stego' or 'clusters'")
    uses_clusters = isinstance(encoder, ProjectedMaps)
    if uses_clusters and not Path(path).is_file():
        raise WeightsError(
            f"'segmenter_weights' {path!r} does not exist. To create the file from your photos, run "
            f"`python -m colorzoo.zoo.chen2023.find_clusters PHOTOS -o {path}`."
        )
    state_dict = load_state_dict_file(Path(path))
    if not uses_clusters:
        state_dict = convert_stego_encoder(state_dict)
    apply_weights(encoder, state_dict, name=path, published=False)
