"""Deep Exemplar-based Video Colorization (Zhang et al., CVPR 2019).

Every place of a frame takes colors from the places of a reference that look alike, whatever they show; the
color network sees the previous frame's result too. SPColor (`chen2023`) adds classes. https://arxiv.org/abs/1906.09909
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.draws import picture_generators, uniform_draws
from colorzoo.factory import create_model
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.networks.attention_discriminator import AttentionDiscriminator
from colorzoo.networks.color_net import ColorNet
from colorzoo.networks.exemplar import Reference, Warped, centers_of, enlarge, pad_picture, painted_ab
from colorzoo.networks.frozen import borrow
from colorzoo.networks.trunk import BorrowedTrunk, Seen, Trunk, VGGTrunk
from colorzoo.networks.warp_net import STRIDE, WarpNet, unit_features
from colorzoo.tasks import Prediction
from colorzoo.tasks.exemplar import ExemplarGANModule, self_reference, two_rates, with_noise
from colorzoo.tasks.optimizers import Schedule
from colorzoo.zoo.zhang2019.published import convert_published

_FIRST = "conv1.0.weight"
_OWN = ("conv1.", "conv2.", "up10.", "skip1.", "conv10.", "ab.")  # what a network with a donor trains itself


class Zhang2019(ExemplarGANModule):
    """Exemplar colorization with global matching and the previous frame, and its training on single pictures.

    The temporal loss needs flow between frames and is not here; the previous frame of training is the picture
    itself, moved a little.

    Args:
        features: ``vgg19``, or the name of a registered model of the zhang2016 family.
        donor: A registered model of the chen2023 family whose correspondence and inner color layers to use;
            only the color network's layers at full and half size are then trained.
        width: Multiplier of the channel counts of the correspondence network (and of VGG-19).
        color_width: The same for the color network.
        tau: Temperature of the matching; at 1e-10 a place takes its best match alone.
        training_tau: The same in training.
        unrelated: Colors without a reference: ``zero``, or the ``automatic`` ones of the borrowed features.
        gated: Add a share of the warped colors, which the color network chooses, to what it answers.
        previous: Share of training pictures that see a previous frame.
        l1_weight: L1 of self-referenced pictures.
        truth_weight: L1 to the truth of all pictures (not in the paper).
        warp_weight: L1 of the warped colors of self-referenced pictures (not in the paper).
        smp_weight: Perceptual loss.
        smp: Weigh it by 1 - similarity, as SPColor does.
        smooth_weight: Edge-aware smoothness.
        smooth_alpha: Its squared Lab distance.
        adversarial_weight: Relativistic adversarial loss over two frames.
        contextual_weight: Contextual loss to the reference.
        luma_noise: Deviation of the noise on L in training.
        discriminator_width: Multiplier of the channel counts of the discriminator.
        discriminator_layers: Its strided convolutions.
        last_kernel: Its last kernel; (3, 6) fits frames of 216 x 384.
        lr: Rate of the color network.
        matching_lr: Rate of the correspondence network.
        discriminator_lr: Rate of the discriminator.
        betas: Decays of Adam's moments.
        schedule: How all rates move, in epochs.
        milestones: Epochs at which ``multistep`` divides the rates by ten.
        accumulate: Batches per step.
        clip: Largest norm of a gradient; 0 for none.
    """

    accepts = frozenset({"exemplar"})
    recorded_hparams = ("tau", "unrelated", "gated")
    network: ColorNet
    features: Trunk

    def __init__(
        self,
        features: str = "vgg19",
        donor: str | None = None,
        width: float = 1.0,
        color_width: float = 1.0,
        tau: float = 1e-10,
        training_tau: float = 0.01,
        unrelated: Literal["zero", "automatic"] = "zero",
        gated: bool = False,
        previous: float = 0.5,
        l1_weight: float = 2.0,
        truth_weight: float = 0.0,
        warp_weight: float = 0.0,
        smp_weight: float = 0.001,
        smp: bool = False,
        smooth_weight: float = 5.0,
        smooth_alpha: float = 10.0,
        adversarial_weight: float = 0.2,
        contextual_weight: float = 0.2,
        luma_noise: float = 2.0,
        discriminator_width: float = 1.0,
        discriminator_layers: int = 6,
        last_kernel: tuple[int, int] = (3, 6),
        lr: float = 2e-4,
        matching_lr: float = 1e-5,
        discriminator_lr: float = 2e-4,
        betas: Sequence[float] = (0.5, 0.999),
        schedule: Schedule = "constant",
        milestones: Sequence[int] = (),
        accumulate: int = 1,
        clip: float = 0.0,
    ) -> None:
        super().__init__()

    def configure_network(self) -> None:
        """Build trunk, correspondence and color network."""
        hp: Any = self.hparams
        self.features = (
            VGGTrunk(hp.width) if hp.features == "vgg19" else BorrowedTrunk(_registered(hp.features).network)
        )
        self.correspondence = WarpNet(self.features.channels, hp.width)
        self.network = ColorNet(7, hp.color_width, gated=hp.gated)
        if hp.donor is not None:
            self._take_from(_registered(hp.donor))

    def _take_from(self, donor: Any) -> None:
        """Start from a donor's networks, which do not know the previous frame; keep its inner layers."""
        self.correspondence.load_state_dict(donor.correspondence.state_dict())
        borrow(self.correspondence, self.correspondence.state_dict())
        state = donor.network.state_dict()
        state[_FIRST] = F.pad(state[_FIRST], (0, 0, 0, 0, 0, 3))
        self.network.load_state_dict(state)
        borrow(self.network, [key for key in state if not key.startswith(_OWN)])

    def configure_discriminator(self) -> None:
        """Build the discriminator of two frames."""
        hp: Any = self.hparams
        kernel = (hp.last_kernel[0], hp.last_kernel[1])
        self.discriminator = AttentionDiscriminator(
            6, hp.discriminator_width, layers=hp.discriminator_layers, last_kernel=kernel
        )

    def forward(
        self, luma: Tensor, guidance: Guidance | None = None, previous: Tensor | None = None
    ) -> Prediction:
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
            seen = self.features.of_luma(padded.float())
            if guidance.exemplar is None:
                warped = self._nothing(padded, seen)
            else:
                rgb = pad_picture(guidance.exemplar.rgb.float())
                warped = self.warp(seen, Reference(rgb, rgb_to_lab(rgb)[:, 1:]), self.hparams.tau)
        ab = self.paint_warped(padded, warped, before)[:, :, :height, :width]
        extras = {
            name: enlarge(part)[:, :, :height, :width]
            for name, part in (
                ("similarity", warped.similarity),
                ("warped_ab", warped.ab),
                ("match", warped.source),
            )
        }
        return Prediction(ab=ab, extras=extras)

    @torch.inference_mode()
    def color_frames(self, frames: Tensor, exemplar: Exemplar) -> Tensor:
        """Color a video, each frame after the one before it.

        Args:
            frames: ``(T, 1, H, W)`` in [0, 100].
            exemplar: One reference for all.

        Returns:
            ``(T, 2, H, W)`` in CIE units.
        """
        colored: list[Tensor] = []
        previous = None
        for luma in torch.split(frames, 1):
            ab = self(luma, Guidance(exemplar=exemplar), previous).ab
            previous = torch.cat([luma, ab], dim=1)
            colored.append(ab)
        return torch.cat(colored)

    def warp(self, seen: Seen, reference: Reference, tau: float) -> Warped:
        """Carry the reference's colors over, wherever places look alike."""
        other = self.features.of_rgb(reference.rgb)
        ours, theirs = (self.correspondence(unit_features(each.taps)) for each in (seen, other))
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

    def paint(self, batch: Batch) -> Prediction:
        """Color a training batch, some pictures after a previous frame."""
        hp: Any = self.hparams
        lab = rgb_to_lab(batch["rgb"])
        reference, made = self_reference(batch)
        noisy = with_noise(lab[:, :1], batch["seed"], hp.luma_noise)
        warped = self.warp(self.features.of_luma(noisy), reference, hp.training_tau)
        before = moved(lab, batch["seed"], hp.previous)
        extras = {"warped_ab": warped.ab, "similarity": warped.similarity, "self": made, "previous": before}
        extras |= {"matched": warped.matched.float(), "reference": reference.rgb}
        return Prediction(ab=self.paint_warped(noisy, warped, before), extras=extras)

    def judge(self, lab: Tensor, extras: dict[str, Tensor]) -> Tensor:
        """Return the discriminator's scores ``(B, 1)`` of a frame after its previous one."""
        score: Tensor = self.discriminator(torch.cat([lab, extras["previous"]], dim=1)).score
        return score.float()

    def configure_optimizers(self) -> Any:
        """Return one Adam for color and correspondence network, each with its rate, and one for the judge."""
        judge, moves = self._adam(self.discriminator, self.hparams.discriminator_lr)
        painter, its_moves = two_rates(self, {"lr": self.hparams.lr}, {"lr": self.hparams.matching_lr})
        return [painter, judge], [its_moves, moves]

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' networks; see `convert_published`.

        Raises:
            WeightsError: Keys or shapes do not fit.
        """
        self.load_networks(convert_published(state_dict))

    def _nothing(self, luma: Tensor, seen: Seen) -> Warped:
        nothing = luma.new_zeros(len(luma), 1, *(side // STRIDE for side in luma.shape[-2:]))
        ab = nothing.repeat(1, 2, 1, 1)
        if self.hparams.unrelated == "automatic" and seen.automatic is not None:
            ab = F.avg_pool2d(seen.automatic, STRIDE)
        return Warped(ab, nothing, nothing > 0, nothing.repeat(1, 2, 1, 1))


def moved(lab: Tensor, seeds: Tensor, share: float) -> Tensor:
    """Return the previous frames of a batch: each picture moved by up to a tenth, or zeros where it has none.

    Args:
        lab: ``(B, 3, H, W)``.
        seeds: ``(B,)``.
        share: Of the pictures that have one.
    """
    draws = uniform_draws(picture_generators(seeds, "before"), len(lab), 3, lab.device)
    theta = torch.eye(2, 3, device=lab.device).repeat(len(lab), 1, 1)
    theta[:, :, 2] = 0.2 * (draws[:, :2] - 0.5)
    grid = F.affine_grid(theta, list(lab.shape), align_corners=False)
    before = F.grid_sample(lab, grid, padding_mode="reflection", align_corners=False)
    has = (draws[:, 2] < share)[:, None, None, None]
    return torch.where(has, before, before.new_tensor([50.0, 0, 0]).view(3, 1, 1))


def _registered(name: str) -> Any:
    """Return a registered model with its weights, or its shapes where no more is wanted."""
    weights = None if torch.get_default_device().type == "meta" else "default"
    return create_model(name, weights, offline=True)
