"""SPColor: Semantic Prior Guided Exemplar-based Image Colorization (Chen et al. 2023).

Colors of a reference travel only between places of the same class, so that no sky is painted onto a face.
What finds no class in the reference is left to the color network. https://arxiv.org/abs/2304.06255
"""

from __future__ import annotations

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Guidance
from colorzoo.networks.attention_discriminator import AttentionDiscriminator
from colorzoo.networks.clusters import Classified
from colorzoo.networks.color_net import ColorNet
from colorzoo.networks.exemplar import ReferencePicture, Warped, enlarge, pad_picture, painted_ab, to_grid
from colorzoo.networks.trunk import Trunk, TrunkFeatures
from colorzoo.networks.warp_net import STRIDE, WarpNet, unit_features
from colorzoo.tasks import AbPrediction, ColorizationModule, Start, settings_of
from colorzoo.tasks.exemplar import (
    ExemplarDiscriminator,
    ExemplarGANModule,
    ExemplarObjective,
    ExemplarPrediction,
    references_of,
    with_noise,
)
from colorzoo.zoo.chen2023.extensions import Extensions, hide_from_matching, with_automatic_colors
from colorzoo.zoo.chen2023.network import build_segmenter, build_trunk, warp_reference
from colorzoo.zoo.chen2023.published import convert_published
from colorzoo.zoo.chen2023.segment import Segmenter, load_segmenter, reads_trunk
from colorzoo.zoo.chen2023.settings import Architecture, Segmentation, Simulation
from colorzoo.zoo.chen2023.start import copy_ancestor
from colorzoo.zoo.chen2023.stego import CLUSTERS

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_STEGO = ("stego", "stego_supervised")


class Chen2023(ExemplarGANModule):
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

    accepts = frozenset({"exemplar", "classes"})
    recorded_hparams = ("classes", "merging", "tau", "unrelated", "gated")
    extensions: Extensions
    network: ColorNet
    features: Trunk
    segmenter: Segmenter | None

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
        how, classes, gated = self.architecture, self.segmentation, self.extensions.gated
        self.features = build_trunk(how.features, how.width)
        self.segmenter = build_segmenter(classes.segmenter, self.features, classes.classes, classes.merging)
        self.correspondence = WarpNet(self.features.channels, how.width)
        self.network = ColorNet(4, how.color_width, gated=gated)
        if gated:
            nn.init.normal_(self.network.ab.weight, std=1e-3)
        random = {"VGG-19": how.features == "vgg19", "STEGO": classes.segmenter in _STEGO}
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
        found = self.classify(_gray(padded), self.features.of_luma(padded))
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
        target, other = self.features.of_luma(luma), self._reference_features(reference)
        return self._warp(target, other, reference, classes)

    def paint_warped(self, luma: Tensor, warped: Warped) -> Tensor:
        """Return ab ``(B, 2, H, W)`` from what was warped; sides are multiples of 8."""
        parts = [enlarge(warped.ab), enlarge(warped.similarity), luma - 50]
        return painted_ab(self.network(torch.cat(parts, dim=1)), warped.ab)

    def paint(self, batch: Batch) -> ExemplarPrediction:
        """Color a training batch, each picture with its reference, or with one made from itself."""
        luma = rgb_to_lab(batch["rgb"])[:, :1]
        reference, self_referenced = references_of(batch)
        noisy = with_noise(luma, batch["seed"], self.simulation.luma_noise)
        target, other = self.features.of_luma(noisy), self._reference_features(reference)
        classes = hide_from_matching(
            self._training_classes(batch["rgb"], luma, target),
            self.classify(reference.rgb, other),
            batch["seed"],
            self.extensions,
        )
        warped = self._warp(target, other, reference, classes)
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
        shown = rgb if self.segmentation.segmented_target == "color" else _gray(luma)
        if self.simulation.luma_noise and reads_trunk(self.segmenter):
            noisy = self.features.of_luma(luma)
        return self.classify(shown, noisy)

    def _reference_features(self, reference: ReferencePicture) -> TrunkFeatures:
        rgb = reference.rgb
        if self.architecture.reference_input == "normalized_twice":
            mean, std = (rgb.new_tensor(values).view(3, 1, 1) for values in _IMAGENET)
            rgb = (rgb - mean) / std
        return self.features.of_rgb(rgb)

    def _warp(
        self,
        target: TrunkFeatures,
        other: TrunkFeatures,
        reference: ReferencePicture,
        classes: tuple[Classified, Classified],
    ) -> Warped:
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
        other = self._reference_features(reference)
        ours, theirs = self.classify(_gray(luma), features), self.classify(padded, other)
        if guidance.classes is not None:
            ours = _relabeled(ours, guidance.classes.target, size)
            if guidance.classes.exemplar is not None:
                theirs = _relabeled(theirs, guidance.classes.exemplar, (rgb.shape[-2], rgb.shape[-1]))
        classes = (_without_padding(ours, size), _without_padding(theirs, (rgb.shape[-2], rgb.shape[-1])))
        warped = self._warp(features, other, reference, classes)
        beyond = warped.source.new_tensor(
            [padded.shape[-1] / rgb.shape[-1], padded.shape[-2] / rgb.shape[-2]]
        )
        return warped._replace(source=(warped.source * beyond.view(2, 1, 1)).clamp(0, 1))

    def _with_colors_of_unmatched(self, warped: Warped, features: TrunkFeatures) -> Warped:
        if self.extensions.unrelated == "zero":
            return warped
        return with_automatic_colors(warped, features)


def _gray(luma: Tensor) -> Tensor:
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
