"""SPColor: Semantic Prior Guided Exemplar-based Image Colorization (Chen et al. 2023).

Colors of a reference travel only between places of the same class, so that no sky is painted onto a face.
What finds no class in the reference is left to the color network. https://arxiv.org/abs/2304.06255
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import WeightsError
from colorzoo.guidance import Guidance
from colorzoo.networks.attention_discriminator import AttentionDiscriminator
from colorzoo.networks.clusters import Classified
from colorzoo.networks.color_net import ColorNet
from colorzoo.networks.exemplar import Reference, Warped, enlarge, pad_picture, painted_ab, to_grid
from colorzoo.networks.trunk import Seen, Trunk
from colorzoo.networks.warp_net import STRIDE, WarpNet, unit_features
from colorzoo.tasks import Prediction
from colorzoo.tasks.exemplar import ExemplarGANModule, self_reference, two_rates, with_noise
from colorzoo.tasks.optimizers import Schedule
from colorzoo.zoo.chen2023.network import build_segmenter, build_trunk, warp_reference
from colorzoo.zoo.chen2023.objective import hide
from colorzoo.zoo.chen2023.published import convert_published
from colorzoo.zoo.chen2023.segment import Merging, Segmenter, load_clusters
from colorzoo.zoo.chen2023.stego import CLUSTERS

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Chen2023(ExemplarGANModule):
    """Exemplar colorization with class-wise matching, and its training.

    Args:
        features: ``vgg19``, or the name of a registered model of the zhang2016 family whose layers are
            borrowed.
        segmenter: ``stego``, ``stego_supervised``, ``clusters`` (of borrowed features) or None: one class.
        clusters: File of `colorzoo.zoo.chen2023.find_clusters` from which training takes the centers of
            ``clusters``.
        classes: To how many classes the segmenter's 27 clusters are merged: 22 in the paper, 27 keeps them.
        merging: See `ClusterSegmenter`.
        width: Multiplier of the channel counts of the correspondence network (and of VGG-19).
        color_width: The same for the color network.
        tau: Temperature of the matching.
        unrelated: What places without a match are given: ``zero`` as in the paper, or the ``automatic``
            colors of the model whose features are borrowed.
        gated: Add a share of the warped colors, which the color network chooses (not in the
            paper: its normalization forgets how strong colors are, which a narrow network learns late).
        reference_input: ``rgb``, or ``normalized_twice`` as the published code feeds VGG-19.
        segment_truth: In training, segment the colored target as the published code does, not its lightness.
        l1_weight: L1 of self-referenced pictures.
        truth_weight: L1 to the truth of all pictures (not in the paper).
        warp_weight: L1 of the warped colors of self-referenced pictures (not in the paper).
        smp_weight: Perceptual loss of what is not matched; see `smp`.
        smp: Weigh the perceptual loss by 1 - similarity; false is the plain one of the ablation.
        smooth_weight: Edge-aware smoothness.
        smooth_alpha: Its squared Lab distance.
        adversarial_weight: Relativistic adversarial loss.
        contextual_weight: Contextual loss to the reference (in the code, not in the paper).
        luma_noise: Deviation of the noise on L in training.
        without_reference: Share of training pictures colored without a reference (not in the paper).
        hide_classes: Chance that a class of the reference is hidden in training (not in the paper).
        one_class: Share of training pictures matched without classes (not in the paper).
        discriminator_width: Multiplier of the channel counts of the discriminator.
        discriminator_layers: Its strided convolutions; 6 need 192 pixels, 4 need 48.
        lr: Rate of the color network.
        matching_lr: Rate of the correspondence network.
        discriminator_lr: Rate of the discriminator.
        betas: Decays of Adam's moments.
        schedule: How all rates move, in epochs.
        milestones: Epochs at which ``multistep`` divides the rates by ten.
        accumulate: Batches per step.
        clip: Largest norm of a gradient; 0 for none.
    """

    accepts = frozenset({"exemplar", "classes"})
    recorded_hparams = ("classes", "merging", "tau", "unrelated", "gated")
    network: ColorNet
    features: Trunk
    segmenter: Segmenter | None

    def __init__(
        self,
        features: str = "vgg19",
        segmenter: Literal["stego", "stego_supervised", "clusters"] | None = "stego",
        clusters: str | None = None,
        classes: int = 22,
        merging: Merging = "pre",
        width: float = 1.0,
        color_width: float = 1.0,
        tau: float = 0.01,
        unrelated: Literal["zero", "automatic"] = "zero",
        gated: bool = False,
        reference_input: Literal["rgb", "normalized_twice"] = "rgb",
        segment_truth: bool = False,
        l1_weight: float = 2.0,
        truth_weight: float = 0.0,
        warp_weight: float = 0.0,
        smp_weight: float = 0.01,
        smp: bool = True,
        smooth_weight: float = 2.0,
        smooth_alpha: float = 2.0,
        adversarial_weight: float = 0.4,
        contextual_weight: float = 0.0,
        luma_noise: float = 2.0,
        without_reference: float = 0.0,
        hide_classes: float = 0.0,
        one_class: float = 0.0,
        discriminator_width: float = 1.0,
        discriminator_layers: int = 6,
        lr: float = 4e-4,
        matching_lr: float = 2e-5,
        discriminator_lr: float = 2e-4,
        betas: Sequence[float] = (0.5, 0.999),
        schedule: Schedule = "constant",
        milestones: Sequence[int] = (),
        accumulate: int = 1,
        clip: float = 0.0,
    ) -> None:
        super().__init__()

    def configure_network(self) -> None:
        """Build trunk, segmenter, correspondence and color network; all but the latter two are frozen."""
        hp: Any = self.hparams
        self.features = build_trunk(hp.features, hp.width)
        self.segmenter = build_segmenter(hp.segmenter, self.features, hp.classes, hp.merging)
        self.correspondence = WarpNet(self.features.channels, hp.width)
        self.network = ColorNet(4, hp.color_width, gated=hp.gated)
        if hp.gated:
            nn.init.normal_(self.network.ab.weight, std=1e-3)

    def setup(self, stage: str) -> None:
        """Take the centers of the clusters from their file, unless weights were loaded."""
        if stage == "fit" and self.hparams.clusters is not None and not self.trained:
            load_clusters(self.segmenter, self.hparams.clusters)

    def configure_discriminator(self) -> None:
        """Build the discriminator."""
        hp: Any = self.hparams
        self.discriminator = AttentionDiscriminator(3, hp.discriminator_width, layers=hp.discriminator_layers)

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> Prediction:
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
        return Prediction(ab=ab, extras=extras, notes=_notes(guidance, extras["matched"]))

    @property
    def class_count(self) -> int:
        """How many classes `segment` may name."""
        if self.segmenter is None:
            return 1
        return CLUSTERS if self.hparams.merging == "post" else int(self.hparams.classes)

    def segment(self, luma: Tensor) -> Tensor:
        """Return the class ``(B, 1, H, W)`` int64 of each pixel of a lightness."""
        padded = pad_picture(luma.float())
        found = self.classify(padded, self.features.of_luma(padded))
        height, width = luma.shape[-2:]
        return enlarge(found.labels)[:, :, :height, :width]

    def classify(self, luma: Tensor, seen: Seen) -> Classified:
        """Name the class of each place of the correspondence's grid; one class without a segmenter."""
        grid = (luma.shape[-2] // STRIDE, luma.shape[-1] // STRIDE)
        if self.segmenter is None:
            labels = torch.zeros(len(luma), 1, *grid, dtype=torch.int64, device=luma.device)
            return Classified(labels, torch.ones_like(labels, dtype=luma.dtype))
        with torch.no_grad():
            found = self.segmenter(luma, seen.deep)
        size = (luma.shape[-2], luma.shape[-1])
        return Classified(to_grid(found.labels, size, grid), to_grid(found.confidence, size, grid))

    def warp(self, luma: Tensor, reference: Reference, classes: tuple[Classified, Classified]) -> Warped:
        """Carry the colors of a reference over, with given classes.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100], both sides multiples of 32.
            reference: Of any such size.
            classes: Of target and reference, at a quarter of the size.
        """
        return self._warp(self.features.of_luma(luma), self._look(reference), reference, classes)

    def paint_warped(self, luma: Tensor, warped: Warped) -> Tensor:
        """Return ab ``(B, 2, H, W)`` from what was warped; sides are multiples of 8."""
        parts = [enlarge(warped.ab), enlarge(warped.similarity), luma - 50]
        return painted_ab(self.network(torch.cat(parts, dim=1)), warped.ab)

    def paint(self, batch: Batch) -> Prediction:
        """Color a training batch, each picture with its reference, or with one made from itself."""
        hp: Any = self.hparams
        lab = rgb_to_lab(batch["rgb"])
        reference, made = self_reference(batch)
        noisy = with_noise(lab[:, :1], batch["seed"], hp.luma_noise)
        seen, other = self.features.of_luma(noisy), self._look(reference)
        target = lab[:, :1] if hp.segment_truth else noisy
        ours = self.classify(target, seen)
        theirs = self.classify(rgb_to_lab(reference.rgb)[:, :1], other)
        classes = hide(ours, theirs, batch["seed"], hp)
        warped = self._warp(seen, other, reference, classes)
        ab = self.paint_warped(noisy, warped).float()
        extras = {"warped_ab": warped.ab, "similarity": warped.similarity, "self": made}
        extras |= {"matched": warped.matched.float(), "reference": reference.rgb}
        return Prediction(ab=ab, extras=extras)

    def judge(self, lab: Tensor, extras: dict[str, Tensor]) -> Tensor:
        """Return the discriminator's scores ``(B, 1)``."""
        del extras
        score: Tensor = self.discriminator(lab).score
        return score.float()

    def configure_optimizers(self) -> Any:
        """Return one Adam for color and correspondence network, each with its rate, and one for the judge."""
        hp: Any = self.hparams
        color = {"lr": hp.lr, "eps": 1e-5, "amsgrad": True}
        painter, its_moves = two_rates(self, color, {"lr": hp.matching_lr})
        judge, moves = self._adam(self.discriminator, hp.discriminator_lr)
        return [painter, judge], [its_moves, moves]

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' networks, and STEGO if it is used; see `convert_published`.

        Raises:
            WeightsError: Keys or shapes do not fit.
        """
        if not isinstance(self.features, nn.Module):
            raise WeightsError("these features are no module and take no weights")
        self.load_networks(convert_published(state_dict))

    def _look(self, reference: Reference) -> Seen:
        rgb = reference.rgb
        if self.hparams.reference_input == "normalized_twice":
            mean, std = (rgb.new_tensor(values).view(3, 1, 1) for values in _IMAGENET)
            rgb = (rgb - mean) / std
        return self.features.of_rgb(rgb)

    def _warp(
        self, seen: Seen, other: Seen, reference: Reference, classes: tuple[Classified, Classified]
    ) -> Warped:
        ours, theirs = (self.correspondence(unit_features(each.taps)) for each in (seen, other))
        ab = F.avg_pool2d(reference.ab, STRIDE)
        return self._fill(
            warp_reference(self.correspondence, (ours, theirs), ab, classes, self.hparams.tau), seen
        )

    def _warp_guided(self, luma: Tensor, guidance: Guidance, size: tuple[int, int]) -> Warped:
        seen = self.features.of_luma(luma)
        if guidance.exemplar is None:
            nothing = luma.new_zeros(len(luma), 1, *(side // STRIDE for side in luma.shape[-2:]))
            two = nothing.repeat(1, 2, 1, 1)
            return self._fill(Warped(two, nothing, nothing > 0, two), seen)
        rgb = guidance.exemplar.rgb.float()
        padded = pad_picture(rgb)
        reference = Reference(padded, rgb_to_lab(padded)[:, 1:])
        other = self._look(reference)
        ours, theirs = self.classify(luma, seen), self.classify(rgb_to_lab(padded)[:, :1], other)
        if guidance.classes is not None:
            ours = _relabeled(ours, guidance.classes.target, size)
            if guidance.classes.exemplar is not None:
                theirs = _relabeled(theirs, guidance.classes.exemplar, (rgb.shape[-2], rgb.shape[-1]))
        classes = (_without_padding(ours, size), _without_padding(theirs, (rgb.shape[-2], rgb.shape[-1])))
        warped = self._warp(seen, other, reference, classes)
        beyond = warped.source.new_tensor(
            [padded.shape[-1] / rgb.shape[-1], padded.shape[-2] / rgb.shape[-2]]
        )
        return warped._replace(source=(warped.source * beyond.view(2, 1, 1)).clamp(0, 1))

    def _fill(self, warped: Warped, seen: Seen) -> Warped:
        """Give places without a match the automatic colors, if that is wanted."""
        if self.hparams.unrelated == "zero" or seen.automatic is None:
            return warped
        automatic = F.avg_pool2d(seen.automatic, STRIDE)
        return warped._replace(ab=torch.where(warped.matched, warped.ab, automatic))


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
