"""Training of SPColor (Chen et al. 2023)."""

from __future__ import annotations

from typing import Unpack

from torch import nn

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.networks.discriminators import AttentionDiscriminator
from colorzoo.networks.exemplar import ReferenceImage
from colorzoo.networks.exemplar_features import TrunkFeatures
from colorzoo.settings import Positive
from colorzoo.training.exemplar import (
    ExemplarDiscriminator,
    ExemplarGANModule,
    ExemplarObjective,
    ExemplarPrediction,
    ExemplarSimulation,
    references_of,
    with_noise,
)
from colorzoo.training.module import ColorizationModule
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.training.stages import Start, copy_layers
from colorzoo.zoo.chen2023.extensions import Extensions, hide_from_matching
from colorzoo.zoo.chen2023.model import Architecture, Segmentation, SPColor
from colorzoo.zoo.chen2023.network import ClassPair, ClusterSegmenter, load_segmenter

_NEW_LAYERS = {
    "model.features": (),
    "model.correspondence": ("theta.", "phi."),
    "model.network": ("conv1.0.", "conv1.1."),
    "discriminator": ("layers.0.", "last."),
}  # layers that differ from the networks of Zhang et al. 2019; they start from random weights


class Chen2023(ExemplarGANModule):
    """Training task of `SPColor`.

    Args:
        architecture: Settings of the networks.
        segmentation: Settings of the segmentation into classes.
        objective: Settings of the losses.
        simulation: Settings of the noise that training adds to the network input.
        discriminator_config: Settings of the discriminator.
        extensions: Extensions that are not in the paper.
        matching_lr: Learning rate of the correspondence network; None uses the color network's learning rate.
        start: Trained Zhang et al. 2019 model that provides initial weights; None copies no weights.
        **optimization: See `AdversarialOptimization`.
    """

    model: SPColor
    extensions: Extensions

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        segmentation: Segmentation = Segmentation(),
        objective: ExemplarObjective = ExemplarObjective(),
        simulation: ExemplarSimulation = ExemplarSimulation(),
        discriminator_config: ExemplarDiscriminator = ExemplarDiscriminator(),
        extensions: Extensions = Extensions(),
        matching_lr: Positive | None = 2e-5,
        start: Start | str | None = None,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(SPColor(architecture, segmentation, extensions), start=start, **optimization)
        self.objective = objective
        self.simulation = simulation
        self.extensions = extensions
        self.matching_lr = matching_lr
        self.discriminator = AttentionDiscriminator(
            3, discriminator_config.discriminator_width, layers=discriminator_config.discriminator_layers
        )
        # pretrained networks whose weights the user must provide
        self.missing_weights = set()
        if architecture.features == "vgg19":
            self.missing_weights.add("VGG-19")
        if segmentation.segmenter == "stego":
            self.missing_weights.add("STEGO")

    def prepare_fit(self) -> None:
        """Load the segmenter weights if the model has no trained weights."""
        super().prepare_fit()
        segmenter, path = self.model.segmenter, self.model.segmentation.segmenter_weights
        if isinstance(segmenter, ClusterSegmenter) and path is not None and not self.trained:
            load_segmenter(segmenter, path)
            self.missing_weights.discard("STEGO")

    def initialize_from(self, source: ColorizationModule) -> None:
        """Copy the weights of a Zhang et al. 2019 task, including VGG-19.

        Layers that are new in SPColor are not copied.
        """
        source_networks = dict(source.named_modules())
        for name, new_layers in _NEW_LAYERS.items():
            weights = source_networks.get(name, nn.Identity()).state_dict()
            shared = {key: value for key, value in weights.items() if not key.startswith(new_layers)}
            copy_layers(shared, self.get_submodule(name), source, "Zhang et al. 2019")
        self.missing_weights.discard("VGG-19")

    def generate(self, batch: Batch) -> ExemplarPrediction:
        """Colorize a training batch with its references; see `references_of`.

        If the batch contains no references, each reference is an augmented copy of the image.
        """
        lightness = rgb_to_lab(batch["rgb"])[:, :1]
        reference, self_referenced = references_of(batch)
        noisy = with_noise(lightness, batch["seed"], self.simulation.lightness_noise)
        model = self.model
        features = model.features.of_lightness(noisy), model.reference_features(reference)
        classes = self.classify(batch, reference, features)
        warped = model.carry_over(features, reference, classes)
        return ExemplarPrediction(
            ab=model.colorize_warped(noisy, warped),
            warped=warped,
            reference=reference.rgb,
            self_referenced=self_referenced,
        )

    def classify(
        self, batch: Batch, reference: ReferenceImage, features: tuple[TrunkFeatures, TrunkFeatures]
    ) -> ClassPair:
        """Return the classes of training images without training noise, and of their references.

        `Extensions` can hide classes from matching.

        Args:
            batch: Training batch.
            reference: References of the batch.
            features: Outputs of the feature network for the images with noise and for the references.
        """
        target_features, reference_features = features
        target_rgb = batch["rgb"]
        lightness = rgb_to_lab(target_rgb)[:, :1]
        if self.model.segmentation.segmented_target != "color":
            target_rgb = lightness_to_rgb(lightness)
        if self.model.segmentation.segmenter == "clusters" and self.simulation.lightness_noise:
            target_features = self.model.features.of_lightness(lightness)
        target_classes = self.model.classify(target_rgb, target_features)
        reference_classes = self.model.classify(reference.rgb, reference_features)
        if self.extensions.hides:
            return hide_from_matching(target_classes, reference_classes, batch["seed"], self.extensions)
        return target_classes, reference_classes
