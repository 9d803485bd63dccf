"""Training of SPColor (Chen et al. 2023)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Unpack

import torch
from torch import Tensor

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.networks.clusters import Classified
from colorzoo.networks.discriminators import AttentionDiscriminator
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, Positive, PositiveInt, Width
from colorzoo.training.exemplar import ExemplarGANModule, ExemplarPrediction, references_of, with_noise
from colorzoo.training.module import ColorizationModule
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.weights import apply_weights, read_weights
from colorzoo.zoo.chen2023.model import ClassPair, ClusterSegmenter, ProjectedMaps, SPColor, convert_stego

_MAX_CLASSES = 256
# networks of Zhang et al. 2019, and their layers that differ and start from random weights
_SHARED = ("model.features.", "model.correspondence.", "model.network.", "discriminator.")
_NEW_LAYERS = (
    "model.correspondence.theta.",
    "model.correspondence.phi.",
    "model.network.conv1.0.",
    "model.network.conv1.1.",
    "discriminator.layers.0.",
    "discriminator.last.",
)


class Chen2023(ExemplarGANModule):
    """Training task of `SPColor`.

    The defaults of the losses are the values of section IV-A. The arguments ``contextual_weight``,
    ``truth_weight``, ``warp_weight``, ``without_reference``, ``hide_classes`` and ``one_class`` are not in
    the paper.

    Args:
        features: See `SPColor`.
        width: See `SPColor`.
        color_width: See `SPColor`.
        tau: See `SPColor`.
        segmenter: See `SPColor`.
        segmenter_weights: Segmenter weight file, required for training: the authors' STEGO file, or the
            output of ``docs/models/find_clusters.py``. The file is not read if weights of the whole
            model are loaded.
        classes: See `SPColor`.
        gated: See `SPColor`.
        unrelated: See `SPColor`.
        l1_weight: Weight of the L1 loss, computed only for images whose reference is derived from the image
            itself (self-references).
        perceptual_weight: Weight of the squared distance between the deepest features of the prediction and
            the ground truth, computed by the frozen feature network of the model.
        semantic: Whether to weight the perceptual distance of a position by 1 - similarity between the
            position and its match in the reference (eq. 12). False selects the unweighted perceptual loss of
            Zhang et al. 2019.
        smooth_weight: Weight of the edge-aware smoothness loss.
        smooth_alpha: Scale of the squared Lab distance of neighboring pixels in the smoothness loss.
        adversarial_weight: Weight of the relativistic adversarial loss.
        contextual_weight: Weight of the contextual loss between the prediction and the reference. The
            authors' code contains this loss, but the paper does not.
        truth_weight: Weight of the L1 distance between predicted and true colors.
        warp_weight: Weight of the L1 distance between warped and true colors, for images whose reference is
            an augmented copy.
        lightness_noise: Standard deviation of Gaussian noise that training adds to L, in CIE units, as in the
            published code.
        without_reference: Fraction of training images whose reference is excluded from matching, so the
            network also learns to colorize without references.
        hide_classes: Probability that a class of a reference is excluded from matching in training.
        one_class: Fraction of training images whose classes are merged into one class, so each position is
            matched with all positions of the reference.
        discriminator_width: Multiplier for the channel counts of the discriminator; 1.0 matches the published
            network.
        discriminator_layers: Number of strided convolutions of the discriminator. The published 6 layers
            require images of at least 192 pixels; 4 layers require at least 48 pixels.
        matching_lr: Learning rate of the correspondence network; None uses the color network's learning rate.
        **optimization: See `AdversarialOptimization`.
    """

    model: SPColor

    def __init__(
        self,
        features: str = "vgg19",
        width: Width = 1.0,
        color_width: Width = 1.0,
        tau: Positive = 0.01,
        segmenter: Literal["stego", "clusters"] | None = "stego",
        segmenter_weights: str | None = None,
        classes: PositiveInt = 22,
        gated: bool = False,
        unrelated: Literal["zero", "automatic"] = "zero",
        l1_weight: float = 2.0,
        perceptual_weight: NonNegativeFloat = 0.01,
        semantic: bool = True,
        smooth_weight: NonNegativeFloat = 2.0,
        smooth_alpha: NonNegativeFloat = 2.0,
        adversarial_weight: NonNegativeFloat = 0.4,
        contextual_weight: NonNegativeFloat = 0.0,
        truth_weight: float = 0.0,
        warp_weight: float = 0.0,
        lightness_noise: NonNegativeFloat = 2.0,
        without_reference: Fraction = 0.0,
        hide_classes: Fraction = 0.0,
        one_class: Fraction = 0.0,
        discriminator_width: Positive = 1.0,
        discriminator_layers: PositiveInt = 6,
        matching_lr: Positive | None = 2e-5,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        model = SPColor(features, width, color_width, tau, segmenter, classes, gated, unrelated)
        super().__init__(model, **optimization)
        self.segmenter_weights = segmenter_weights
        self.lightness_noise = lightness_noise
        self.without_reference, self.hide_classes, self.one_class = without_reference, hide_classes, one_class
        self.matching_lr = matching_lr
        self.discriminator = AttentionDiscriminator(3, discriminator_width, layers=discriminator_layers)
        # pretrained networks whose weights the user must provide
        self.missing_weights = set()
        if features == "vgg19":
            self.missing_weights.add("VGG-19")
        if segmenter == "stego":
            self.missing_weights.add("STEGO")

    def prepare_fit(self) -> None:
        """Load the segmenter weights if the model has no trained weights."""
        super().prepare_fit()
        segmenter, path = self.model.segmenter, self.segmenter_weights
        if isinstance(segmenter, ClusterSegmenter) and path is not None and not self.trained:
            load_segmenter(segmenter, path)
            self.missing_weights.discard("STEGO")

    def filter_weights(self, source: ColorizationModule) -> dict[str, Tensor]:
        """Return the weights of a Zhang et al. 2019 task, including VGG-19, without layers that differ."""
        weights = source.state_dict()
        has_networks = all(any(key.startswith(shared) for key in weights) for shared in _SHARED)
        if isinstance(source, Chen2023) or not has_networks:
            return {}
        self.missing_weights.discard("VGG-19")
        return {
            key: value
            for key, value in weights.items()
            if key.startswith(_SHARED) and not key.startswith(_NEW_LAYERS)
        }

    def generate(self, batch: Batch) -> ExemplarPrediction:
        """Colorize a training batch with its references; see `references_of`.

        If the batch contains no references, each reference is an augmented copy of the image.
        """
        lightness, seeds = rgb_to_lab(batch["rgb"])[:, :1], batch["seed"]
        reference, self_referenced = references_of(batch)
        noisy = with_noise(lightness, seeds, self.lightness_noise)
        model = self.model
        features = model.features.of_lightness(noisy), model.features.of_rgb(reference.rgb)
        # `clusters` computes the classes from the features, which must not contain the noise
        clean = features[0]
        if self.lightness_noise and self.hparams["segmenter"] == "clusters":
            clean = model.features.of_lightness(lightness)
        classes = (
            model.classify(lightness_to_rgb(lightness), clean),
            model.classify(reference.rgb, features[1]),
        )
        if self.without_reference + self.hide_classes + self.one_class > 0:
            classes = hide_from_matching(
                *classes,
                seeds,
                without_reference=self.without_reference,
                hide_classes=self.hide_classes,
                one_class=self.one_class,
            )
        warped = model.carry_over(features, reference, classes)
        return ExemplarPrediction(
            ab=model.colorize_warped(noisy, warped),
            warped=warped,
            reference=reference.rgb,
            self_referenced=self_referenced,
        )


def hide_from_matching(
    target: Classified,
    reference: Classified,
    seeds: Tensor,
    *,
    without_reference: float,
    hide_classes: float,
    one_class: float,
) -> ClassPair:
    """Merge all classes of random training images, or exclude reference classes from matching.

    Excluded reference positions have the class -1, which has no match.

    Args:
        target: Classes of the training images, labels ``(B, 1, h, w)``.
        reference: Classes of the references, labels ``(B, 1, h', w')``.
        seeds: ``(B,)``, per-image seeds.
        without_reference: Fraction of images whose reference is excluded.
        hide_classes: Probability that a class of a reference is excluded.
        one_class: Fraction of images whose classes are merged.

    Returns:
        Modified classes of the training images and their references.
    """
    generators = image_generators(seeds, "hide")
    draws = draw_uniform(generators, len(seeds), 2 + _MAX_CLASSES, reference.labels.device)
    merge_draw, reference_draw, class_draws = torch.split(draws, [1, 1, _MAX_CLASSES], dim=1)

    # flags of images, (B, 1, 1, 1)
    is_merged = (merge_draw < one_class)[:, :, None, None]
    lacks_reference = (reference_draw < without_reference)[:, :, None, None]

    # merged classes have the number 0
    target_labels = torch.where(is_merged, 0, target.labels)
    reference_labels = torch.where(is_merged, 0, reference.labels)

    # the draw of a position is the draw of its class, so a class is hidden as a whole
    position_draws = class_draws.gather(1, reference_labels.flatten(1)).view_as(reference_labels)
    is_hidden = (position_draws < hide_classes) & ~is_merged
    reference_labels = torch.where(is_hidden | lacks_reference, -1, reference_labels)
    return target._replace(labels=target_labels), reference._replace(labels=reference_labels)


def load_segmenter(segmenter: ClusterSegmenter, path: str) -> None:
    """Load segmenter weights from a STEGO file or an output file of ``docs/models/find_clusters.py``.

    Args:
        segmenter: Segmenter of an `SPColor` model.
        path: Path of the file.

    Raises:
        WeightsError: The file does not exist, or its weights do not match the segmenter.
    """
    encoder = segmenter.encode
    state_dict = read_weights(Path(path)).state_dict
    if not isinstance(encoder, ProjectedMaps):
        state_dict = convert_stego(state_dict)
    apply_weights(encoder, state_dict, name=path)
