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
from colorzoo.networks.attention_discriminator import AttentionDiscriminator
from colorzoo.networks.exemplar import Warped
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.tasks import settings_of
from colorzoo.tasks.exemplar import ExemplarGANModule, ExemplarPrediction, references_of, with_noise
from colorzoo.zoo.zhang2019.extensions import Extensions
from colorzoo.zoo.zhang2019.inference import Answers, build_networks
from colorzoo.zoo.zhang2019.published import convert_published
from colorzoo.zoo.zhang2019.settings import Architecture, Discriminator, Objective, Simulation


class Zhang2019(Answers, ExemplarGANModule):
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

    recorded_hparams = ("tau", "unrelated", "gated")
    extensions: Extensions

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
        self.take_networks(build_networks(self.architecture, self.extensions))
        self.missing_weights = {"VGG-19"} if self.architecture.features == "vgg19" else set()

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

    def paint(self, batch: Batch) -> ExemplarPrediction:
        """Color a training batch, some pictures after a previous frame."""
        lab = rgb_to_lab(batch["rgb"])
        reference, self_referenced = references_of(batch)
        noisy = with_noise(lab[:, :1], batch["seed"], self.simulation.luma_noise)
        warped = self.warp(self.features.of_luma(noisy), reference, self.architecture.training_tau)
        colored = self._colored(lab, noisy, warped, batch["seed"])
        before = previous_frames(colored, batch["seed"], self.simulation.previous)
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

    def _colored(self, lab: Tensor, luma: Tensor, warped: Warped, seeds: Tensor) -> Tensor:
        """Return the pictures, a share in the network's own colors, so that it learns to doubt them."""
        if not self.simulation.colored:
            return lab
        draws = draw_uniform(picture_generators(seeds, "colored"), len(lab), 1, lab.device)
        with torch.no_grad():
            own = torch.cat([lab[:, :1], self.paint_warped(luma, warped, None)], dim=1)
        return torch.where(draws[:, :, None, None] < self.simulation.colored, own, lab)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' networks; see `convert_published`.

        Raises:
            WeightsError: Keys or shapes do not fit.
        """
        self.load_networks(convert_published(state_dict))


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
