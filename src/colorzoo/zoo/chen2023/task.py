"""Training of SPColor (Chen et al. 2023).

`BorrowedPairsDataModule` selects a reference for each training image by the features of a registered model.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.data.exemplar_pairs import ExemplarPairsDataModule
from colorzoo.data.neighbors import FeatureEncoder
from colorzoo.errors import ColorzooError
from colorzoo.factory import borrowed_trunk
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
from colorzoo.training.stages import Start
from colorzoo.zoo.chen2023.extensions import ClassesOf, Extensions, incomplete_classes
from colorzoo.zoo.chen2023.model import Architecture, Segmentation, SPColor
from colorzoo.zoo.chen2023.network import ClassPair, load_segmenter, reads_trunk

_NEW_LAYERS = {
    "features": (),
    "correspondence": ("theta.", "phi."),
    "network": ("conv1.0.", "conv1.1."),
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
        self.classes_of: ClassesOf = self.classify
        if extensions.hides:  # not in the paper
            self.classes_of = partial(incomplete_classes, self.classify, extensions)
        self.matching_lr = matching_lr
        self.discriminator = AttentionDiscriminator(
            3, discriminator_config.discriminator_width, layers=discriminator_config.discriminator_layers
        )
        # pretrained networks whose weights the user must provide
        self.missing_weights = set()
        if architecture.features == "vgg19":
            self.missing_weights.add("VGG-19")
        if segmentation.segmenter in ("stego", "stego_supervised"):
            self.missing_weights.add("STEGO")

    def prepare_fit(self) -> None:
        """Load the segmenter weights if the model has no trained weights."""
        super().prepare_fit()
        path = self.model.segmentation.segmenter_weights
        if path is not None and not self.trained:
            load_segmenter(self.model.segmenter, path)
            self.missing_weights.discard("STEGO")

    def initialize_from(self, source: ColorizationModule) -> None:
        """Copy the weights of a Zhang et al. 2019 task, including VGG-19.

        Layers that are new in SPColor are not copied.
        """
        copy_ancestor(source, self)
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
        classes = self.classes_of(batch, reference, features)
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
        if self.simulation.lightness_noise and reads_trunk(self.model.segmenter):
            target_features = self.model.features.of_lightness(lightness)
        return (
            self.model.classify(target_rgb, target_features),
            self.model.classify(reference.rgb, reference_features),
        )


def copy_ancestor(source: ColorizationModule, task: Chen2023) -> None:
    """Copy the weights of a Zhang et al. 2019 task, except for layers that are new in SPColor.

    Args:
        source: Zhang et al. 2019 task with the same widths and feature network as ``task``.
        task: SPColor task, which is modified in place.

    Raises:
        ColorzooError: The parameter names or shapes of ``source`` do not match ``task``.
    """
    for network_name, new_layers in _NEW_LAYERS.items():
        network = _network(task, network_name)
        source_network = _network(source, network_name)
        assert network is not None
        initial = network.state_dict()
        copied = {} if source_network is None else _without(source_network.state_dict(), new_layers)
        if _shapes(copied) != _shapes(_without(initial, new_layers)):
            raise ColorzooError(
                "--model.start must name a Zhang et al. 2019 model with the same features and widths as the "
                f"model to train, but {network_name!r} differs"
            )
        network.load_state_dict({**initial, **copied})


def _shapes(state: dict[str, Any]) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in state.items()}


def _without(state: dict[str, Any], prefixes: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


def _network(task: ColorizationModule, name: str) -> nn.Module | None:
    return getattr(task if name == "discriminator" else task.model, name, None)


_SIDE = 128
_GRID = 3


class BorrowedPairsDataModule(ExemplarPairsDataModule):
    """Data module that selects references by the features of a registered model.

    Args:
        root: Folder of the images; see `ExemplarPairsDataModule`.
        encoder: Registered name of the zhang2016 model that computes the features.
        **kwargs: Other arguments of `ExemplarPairsDataModule`.
    """

    def __init__(self, root: str, encoder: str = "zhang2016_small", **kwargs: Any) -> None:
        super().__init__(root, encoder=encoder, **kwargs)

    def build_encoder(self) -> FeatureEncoder:
        """Build an encoder that averages the deepest feature map in each cell of a 3 x 3 grid."""
        return FeatureEncoder(self.encoder_name, _GridMeans(self.hparams.encoder), size=_SIDE)

    @property
    def encoder_name(self) -> str:
        """Name that identifies the encoder."""
        return f"colorzoo:{self.hparams.encoder}:{_GRID}x{_GRID}"


class _GridMeans(nn.Module):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.trunk = borrowed_trunk(name)

    def forward(self, rgb: Tensor) -> Tensor:
        deepest = self.trunk.of_rgb(rgb).hooks[-1]
        pooled: Tensor = F.adaptive_avg_pool2d(deepest, _GRID)
        return pooled.flatten(1)
