"""Deep Exemplar-based Video Colorization (Zhang et al., CVPR 2019).

Every place of a frame takes colors from the places of a reference that look alike, whatever they show; the
color network sees the previous frame's result too. SPColor (`chen2023`) adds classes. https://arxiv.org/abs/1906.09909
"""

from __future__ import annotations

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.networks.attention_discriminator import AttentionDiscriminator
from colorzoo.networks.color_net import ColorNet
from colorzoo.networks.exemplar import (
    ReferencePicture,
    Warped,
    centers_of,
    enlarge,
    pad_picture,
    painted_ab,
)
from colorzoo.networks.trunk import Trunk, TrunkFeatures
from colorzoo.networks.warp_net import STRIDE, WarpNet, unit_features
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.tasks import AbPrediction, settings_of
from colorzoo.tasks.exemplar import ExemplarGANModule, ExemplarPrediction, references_of, with_noise
from colorzoo.zoo.zhang2019.extensions import Extensions, build_trunk, take_layers
from colorzoo.zoo.zhang2019.published import convert_published
from colorzoo.zoo.zhang2019.settings import Architecture, Discriminator, Objective, Simulation


class Zhang2019(ExemplarGANModule):
    """Exemplar colorization with global matching and the previous frame, and its training on single pictures.

    The temporal loss needs flow between frames and is not here; the previous frame of training is the picture
    itself, moved a little.

    Args:
        architecture: The networks.
        objective: The losses.
        simulation: What is done to training pictures.
        adversary: The discriminator.
        extensions: What is not in the paper.
        matching_lr: Rate of the correspondence network; None takes that of the optimizer, which is the color
            network's.
        optimizer: See `GANColorizationModule`.
        discriminator_optimizer: See `GANColorizationModule`.
        lr_scheduler: See `GANColorizationModule`; it moves both rates alike.
        discriminator_lr_scheduler: See `GANColorizationModule`.
        accumulate: Batches per step.
        clip: Largest norm of a gradient; 0 for none.
    """

    accepts = frozenset({"exemplar"})
    recorded_hparams = ("tau", "unrelated", "gated")
    extensions: Extensions
    network: ColorNet
    features: Trunk

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        simulation: Simulation = Simulation(),
        adversary: Discriminator = Discriminator(),
        extensions: Extensions = Extensions(),
        matching_lr: float | None = 1e-5,
        optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        discriminator_lr_scheduler: LRSchedulerCallable | None = None,
        accumulate: int = 1,
        clip: float = 0.0,
    ) -> None:
        self.architecture = settings_of(Architecture, architecture)
        self.objective = settings_of(Objective, objective)
        self.simulation = settings_of(Simulation, simulation)
        self.adversary = settings_of(Discriminator, adversary)
        self.extensions = settings_of(Extensions, extensions)
        self.matching_lr = matching_lr
        super().__init__(
            optimizer,
            discriminator_optimizer,
            lr_scheduler,
            discriminator_lr_scheduler,
            accumulate=accumulate,
            clip=clip,
        )

    def configure_network(self) -> None:
        """Build trunk, correspondence and color network."""
        how = self.architecture
        self.features = build_trunk(how.features, how.width)
        self.missing_weights = {"VGG-19"} if how.features == "vgg19" else set()
        self.correspondence = WarpNet(self.features.channels, how.width)
        self.network = ColorNet(7, how.color_width, gated=self.extensions.gated)
        if self.extensions.donor is not None:
            take_layers(self.extensions.donor, self.correspondence, self.network)

    def configure_discriminator(self) -> None:
        """Build the discriminator of two frames."""
        adversary = self.adversary
        height, width = adversary.last_kernel
        self.discriminator = AttentionDiscriminator(
            6,
            adversary.discriminator_width,
            layers=adversary.discriminator_layers,
            last_kernel=(height, width),
        )

    def forward(
        self, luma: Tensor, guidance: Guidance | None = None, previous: Tensor | None = None
    ) -> AbPrediction:
        """Color a batch.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            guidance: The exemplar.
            previous: ``(B, 3, H, W)`` Lab of the previous frame as it was colored; None for a first one.
        """
        guidance = guidance or Guidance()
        height, width = luma.shape[-2:]
        padded = pad_picture(luma)
        before = None if previous is None else pad_picture(previous)
        with torch.autocast(luma.device.type, enabled=False):  # matching compares small differences
            features = self.features.of_luma(padded.float())
            if guidance.exemplar is None:
                warped = self._unmatched(padded, features)
            else:
                rgb = pad_picture(guidance.exemplar.rgb.float())
                reference = ReferencePicture(rgb, rgb_to_lab(rgb)[:, 1:])
                warped = self.warp(features, reference, self.architecture.tau)
        ab = self.paint_warped(padded, warped, before)[:, :, :height, :width]
        extras = {
            name: enlarge(part)[:, :, :height, :width]
            for name, part in (
                ("similarity", warped.similarity),
                ("warped_ab", warped.ab),
                ("match", warped.source),
            )
        }
        return AbPrediction(ab=ab, extras=extras)

    @torch.inference_mode()
    def color_frames(self, frames: Tensor, exemplar: Exemplar, previous: Tensor | None = None) -> Tensor:
        """Color a video, each frame after the one before it.

        Args:
            frames: ``(T, 1, H, W)`` in [0, 100].
            exemplar: One reference for all.
            previous: ``(1, 3, H, W)`` Lab of the frame before the first one, as it was colored.

        Returns:
            ``(T, 2, H, W)`` in CIE units.
        """
        colored: list[Tensor] = []
        for luma in torch.split(frames, 1):
            ab = self(luma, Guidance(exemplar=exemplar), previous).ab
            previous = torch.cat([luma, ab], dim=1)
            colored.append(ab)
        return torch.cat(colored)

    def warp(self, features: TrunkFeatures, reference: ReferencePicture, tau: float) -> Warped:
        """Carry the reference's colors over, wherever places look alike."""
        other = self.features.of_rgb(reference.rgb)
        ours, theirs = (self.correspondence(unit_features(each.taps)) for each in (features, other))
        ab = F.avg_pool2d(reference.ab, STRIDE)
        found = self.correspondence.warp(ours, theirs, torch.cat([ab, centers_of(ab)], dim=1), tau=tau)
        everywhere = torch.ones_like(found.similarity, dtype=torch.bool)
        return Warped(found.values[:, :2], found.similarity, everywhere, found.values[:, 2:])

    def paint_warped(self, luma: Tensor, warped: Warped, previous: Tensor | None) -> Tensor:
        """Return ab ``(B, 2, H, W)`` from what was warped and the previous frame in Lab."""
        if previous is None:
            before = torch.zeros_like(luma).expand(-1, 3, -1, -1)
        else:
            before = torch.cat([previous[:, :1] - 50, previous[:, 1:]], dim=1)
        parts = [enlarge(warped.ab), enlarge(warped.similarity), luma - 50, before]
        return painted_ab(self.network(torch.cat(parts, dim=1)), warped.ab)

    def paint(self, batch: Batch) -> ExemplarPrediction:
        """Color a training batch, some pictures after a previous frame."""
        lab = rgb_to_lab(batch["rgb"])
        reference, self_referenced = references_of(batch)
        noisy = with_noise(lab[:, :1], batch["seed"], self.simulation.luma_noise)
        warped = self.warp(self.features.of_luma(noisy), reference, self.architecture.training_tau)
        before = previous_frames(lab, batch["seed"], self.simulation.previous)
        return ExemplarPrediction(
            ab=self.paint_warped(noisy, warped, before),
            warped=warped,
            reference=reference.rgb,
            self_referenced=self_referenced,
            extras={"previous": before},
        )

    def discriminator_input(self, lab: Tensor, painted: ExemplarPrediction) -> Tensor:
        """Return each frame with the one before it, ``(B, 6, H, W)``."""
        return torch.cat([lab, painted.extras["previous"]], dim=1)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' networks; see `convert_published`.

        Raises:
            WeightsError: Keys or shapes do not fit.
        """
        self.load_networks(convert_published(state_dict))

    def _unmatched(self, luma: Tensor, features: TrunkFeatures) -> Warped:
        nothing = luma.new_zeros(len(luma), 1, *(side // STRIDE for side in luma.shape[-2:]))
        ab = nothing.repeat(1, 2, 1, 1)
        if self.extensions.unrelated == "automatic" and features.automatic is not None:
            ab = F.avg_pool2d(features.automatic, STRIDE)
        return Warped(ab, nothing, nothing > 0, nothing.repeat(1, 2, 1, 1))


def previous_frames(lab: Tensor, seeds: Tensor, share: float) -> Tensor:
    """Return the previous frames of a batch: each picture moved by up to a tenth, or zeros where it has none.

    Args:
        lab: ``(B, 3, H, W)``.
        seeds: ``(B,)``.
        share: Of the pictures that have one.
    """
    uniform = draw_uniform(picture_generators(seeds, "before"), len(lab), 3, lab.device)
    theta = torch.eye(2, 3, device=lab.device).repeat(len(lab), 1, 1)
    theta[:, :, 2] = 0.2 * (uniform[:, :2] - 0.5)
    grid = F.affine_grid(theta, list(lab.shape), align_corners=False)
    before = F.grid_sample(lab, grid, padding_mode="reflection", align_corners=False)
    has = (uniform[:, 2] < share)[:, None, None, None]
    return torch.where(has, before, before.new_tensor([50.0, 0, 0]).view(3, 1, 1))
