"""SPColor: Semantic Prior Guided Exemplar-based Image Colorization (Chen et al. 2023).

Colors of a reference travel only between places of the same class, so that no sky is painted onto a face.
What finds no class in the reference is left to the color network. https://arxiv.org/abs/2304.06255
"""

from __future__ import annotations

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.networks.attention_discriminator import AttentionDiscriminator
from colorzoo.networks.clusters import Classified
from colorzoo.networks.trunk import TrunkFeatures
from colorzoo.tasks import ColorizationModule, Start, settings_of
from colorzoo.tasks.exemplar import ExemplarGANModule, ExemplarPrediction, references_of, with_noise
from colorzoo.tasks.exemplar_settings import ExemplarDiscriminator, ExemplarObjective
from colorzoo.zoo.chen2023.extensions import Extensions, hide_from_matching
from colorzoo.zoo.chen2023.inference import Answers, build_networks, gray_picture
from colorzoo.zoo.chen2023.published import convert_published
from colorzoo.zoo.chen2023.segment import load_segmenter, reads_trunk
from colorzoo.zoo.chen2023.settings import Architecture, Segmentation, Simulation
from colorzoo.zoo.chen2023.start import copy_ancestor

_STEGO = ("stego", "stego_supervised")


class Chen2023(Answers, ExemplarGANModule):
    """Exemplar colorization with class-wise matching, and its training.

    Args:
        architecture: The networks.
        segmentation: What names the classes.
        objective: The losses.
        simulation: What is done to training pictures.
        adversary: The discriminator.
        extensions: What is not in the paper.
        matching_lr: Rate of the correspondence network; None takes that of the optimizer, which is the color
            network's.
        start: The ancestor, a model of Zhang et al. 2019, whose trained layers to start from.
        optimizer: See `GANColorizationModule`.
        discriminator_optimizer: See `GANColorizationModule`.
        lr_scheduler: See `GANColorizationModule`; it moves both rates alike.
        discriminator_lr_scheduler: See `GANColorizationModule`.
        accumulate: Batches per step.
        clip: Largest norm of a gradient; 0 for none.
    """

    recorded_hparams = ("classes", "merging", "tau", "unrelated", "gated")
    extensions: Extensions

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        segmentation: Segmentation = Segmentation(),
        objective: ExemplarObjective = ExemplarObjective(),
        simulation: Simulation = Simulation(),
        adversary: ExemplarDiscriminator = ExemplarDiscriminator(),
        extensions: Extensions = Extensions(),
        matching_lr: float | None = 2e-5,
        start: Start | str | None = None,
        optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        discriminator_lr_scheduler: LRSchedulerCallable | None = None,
        accumulate: int = 1,
        clip: float = 0.0,
    ) -> None:
        self.architecture = settings_of(Architecture, architecture)
        self.segmentation = settings_of(Segmentation, segmentation)
        self.objective = settings_of(ExemplarObjective, objective)
        self.simulation = settings_of(Simulation, simulation)
        self.adversary = settings_of(ExemplarDiscriminator, adversary)
        self.extensions = settings_of(Extensions, extensions)
        self.matching_lr = matching_lr
        super().__init__(
            optimizer,
            discriminator_optimizer,
            lr_scheduler,
            discriminator_lr_scheduler,
            accumulate=accumulate,
            clip=clip,
            start=start,
        )

    def configure_network(self) -> None:
        """Build trunk, segmenter, correspondence and color network; the first two are frozen."""
        self.take_networks(build_networks(self.architecture, self.segmentation, self.extensions))
        random = {
            "VGG-19": self.architecture.features == "vgg19",
            "STEGO": self.segmentation.segmenter in _STEGO,
        }
        self.missing_weights = {name for name, is_random in random.items() if is_random}

    def configure_discriminator(self) -> None:
        """Build the discriminator."""
        adversary = self.adversary
        self.discriminator = AttentionDiscriminator(
            3, adversary.discriminator_width, layers=adversary.discriminator_layers
        )

    def setup(self, stage: str) -> None:
        """Take the segmenter's weights from their file, unless weights of the whole model were loaded."""
        super().setup(stage)
        path = self.segmentation.segmenter_weights
        if stage == "fit" and path is not None and not self.trained:
            load_segmenter(self.segmenter, path)
            self.missing_weights.discard("STEGO")

    def take_from(self, source: ColorizationModule) -> None:
        """Copy the ancestor's layers, VGG-19 with them, but for those that SPColor has new."""
        copy_ancestor(source, self)
        self.missing_weights.discard("VGG-19")

    def paint(self, batch: Batch) -> ExemplarPrediction:
        """Color a training batch, each picture with its reference, or with one made from itself."""
        luma = rgb_to_lab(batch["rgb"])[:, :1]
        reference, self_referenced = references_of(batch)
        noisy = with_noise(luma, batch["seed"], self.simulation.luma_noise)
        target, other = self.features.of_luma(noisy), self.reference_features(reference)
        classes = hide_from_matching(
            self._training_classes(batch["rgb"], luma, target),
            self.classify(reference.rgb, other),
            batch["seed"],
            self.extensions,
        )
        warped = self.carry_over(target, other, reference, classes)
        return ExemplarPrediction(
            ab=self.paint_warped(noisy, warped).float(),
            warped=warped,
            reference=reference.rgb,
            self_referenced=self_referenced,
        )

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' networks, and STEGO if it is used; see `convert_published`.

        Raises:
            WeightsError: Keys or shapes do not fit.
        """
        self.load_networks(convert_published(state_dict))

    def _training_classes(self, rgb: Tensor, luma: Tensor, noisy: TrunkFeatures) -> Classified:
        """Name the classes of training pictures, which the segmenter sees without noise."""
        shown = rgb if self.segmentation.segmented_target == "color" else gray_picture(luma)
        if self.simulation.luma_noise and reads_trunk(self.segmenter):
            noisy = self.features.of_luma(luma)
        return self.classify(shown, noisy)
