"""GuidingPainter (Cho et al., WACV 2023): the model asks for colors of a sketch, most useful region first.

f divides the sketch into up to 30 ordered segments, without labels; the user colors the first n; g paints.
Both learn together: a straight-through Gumbel softmax carries g's gradient into f, and since early segments
are hinted more often, f learns to put first what helps most. https://arxiv.org/abs/2210.14270
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.guidance import Guidance
from colorzoo.networks.patchgan import PatchDiscriminator
from colorzoo.networks.unet import initialize_gan
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.tasks import GANColorizationModule, RgbPrediction, settings_of
from colorzoo.users.regions import region_means
from colorzoo.weights import apply_weights
from colorzoo.zoo.cho2023.extensions import Extensions
from colorzoo.zoo.cho2023.hints import (
    Hints,
    draw_counts,
    draw_segments,
    fill_hints,
    first_given,
    gumbel_noise,
)
from colorzoo.zoo.cho2023.inference import Answers, build_network
from colorzoo.zoo.cho2023.losses import deception, detection, smoothness, total_variance
from colorzoo.zoo.cho2023.network import SEGMENTS
from colorzoo.zoo.cho2023.published import convert_published
from colorzoo.zoo.cho2023.recolor import recolor_answered
from colorzoo.zoo.cho2023.settings import STAGES, Architecture, Objective, Users

VALIDATION_REGIONS = (0, 1, 3, 10, 30)


class Draws(NamedTuple):
    """The randomness of one pass.

    Attributes:
        noise: ``(B, 30, H, W)`` Gumbel noise.
        counts: ``(B,)``, how many segments are colored.
    """

    noise: Tensor
    counts: Tensor


class Cho2023(Answers, GANColorizationModule[RgbPrediction]):
    """The paper's networks and their training.

    Args:
        architecture: The networks.
        objective: The losses.
        users: The simulated users of training.
        extensions: What is not in the paper.
        stage: ``both`` trains f and g; ``painter`` (ours) trains g alone, on what f proposes as it is.
        optimizer: See `GANColorizationModule`; that of f and g.
        discriminator_optimizer: See `GANColorizationModule`.
        lr_scheduler: See `GANColorizationModule`.
        discriminator_lr_scheduler: See `GANColorizationModule`.
        accumulate: Batches for each step.
        clip: Largest norm of a gradient; 0 for none.
    """

    stages = STAGES

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        users: Users = Users(),
        extensions: Extensions = Extensions(),
        stage: Literal["both", "painter"] = "both",
        optimizer: OptimizerCallable | None = None,
        discriminator_optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        discriminator_lr_scheduler: LRSchedulerCallable | None = None,
        accumulate: int = 1,
        clip: float = 0.0,
    ) -> None:
        self.architecture = settings_of(Architecture, architecture)
        self.objective = settings_of(Objective, objective)
        self.users = settings_of(Users, users)
        self.extensions = settings_of(Extensions, extensions)
        super().__init__(
            optimizer,
            discriminator_optimizer,
            lr_scheduler,
            discriminator_lr_scheduler,
            accumulate=accumulate,
            clip=clip,
            stage=stage,
        )

    def configure_network(self) -> None:
        """Build f and g."""
        self.network = build_network(self.architecture, self.extensions)

    def configure_discriminator(self) -> None:
        """Build the PatchGAN, which sees a picture beside its sketch."""
        self.discriminator = PatchDiscriminator(1 + 3, self.architecture.discriminator_width)
        initialize_gan(self.discriminator)

    def paint(self, batch: Batch) -> RgbPrediction:
        """Paint a training batch for simulated users."""
        return self._paint_batch(batch, "first")

    def paint_drawn(
        self, sketch: Tensor, rgb: Tensor, draws: Draws, temperature: float | None = None
    ) -> RgbPrediction:
        """Divide, ask for the first regions' colors, and paint, all with gradients.

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1].
            rgb: ``(B, 3, H, W)`` truth in [0, 1], of which the user knows the regions' mean colors.
            draws: The randomness.
            temperature: Of the softmax; None takes that of the running step.

        Returns:
            The picture; extras hold ``logits`` and ``filled``, all segments in their mean colors in [-1, 1].
        """
        logits = self.network.divide(sketch)
        tau = self.temperature() if temperature is None else temperature
        segments = draw_segments(logits, draws.noise, tau)
        given = first_given(draws.counts, SEGMENTS)
        filled, color, mask = fill_hints(segments, 2 * rgb - 1, given)
        painted = self.network.paint(sketch, Hints(color, mask), segments)
        return RgbPrediction(rgb=(painted + 1) / 2, extras={"logits": logits, "filled": filled})

    def repaint(self, batch: Batch, painted: RgbPrediction) -> RgbPrediction:
        """Paint once more with fresh draws, as the published code does for its discriminator."""
        del painted
        with torch.no_grad():
            return self._paint_batch(batch, "second")

    def _paint_batch(self, batch: Batch, purpose: str) -> RgbPrediction:
        sketch, rgb = sketches_of(batch), batch["rgb"]
        if self.stage == "both":
            return self.paint_drawn(sketch, rgb, self._draws(batch, purpose))
        with torch.no_grad():
            regions = self.propose(sketch)
            stops = draw_uniform(picture_generators(batch["seed"], purpose), len(rgb), SEGMENTS, rgb.device)
            given = first_given(draw_counts(stops, self.users.stop_probability), SEGMENTS)
            truth = recolor_answered(rgb, regions.index, given, batch["seed"], self.extensions.recolored)
            colors, _ = region_means(regions.index, truth, SEGMENTS)
        painted = self.forward(sketch, Guidance(regions=replace(regions, rgb=colors, given=given)))
        return RgbPrediction(rgb=painted.rgb, extras={"truth": truth})

    def is_judged(self) -> bool:
        """Say whether the adversarial loss has a weight."""
        return self.objective.adversarial_weight > 0

    def generator_loss(self, batch: Batch, painted: RgbPrediction) -> Tensor:
        """Return the weighted sum of the four losses, and log each."""
        terms = self.generator_terms(sketches_of(batch), _truth(batch, painted), painted)
        self.log_dict({f"train/{name}": term.detach() for name, term in terms.items()})
        return self.weighted(terms)

    def generator_terms(self, sketch: Tensor, rgb: Tensor, painted: RgbPrediction) -> dict[str, Tensor]:
        """Return the four losses of the generator without weights (sec. 3.4), those in use."""
        terms = {"reconstruction": 2 * (painted.rgb - rgb).abs().mean()}
        if "logits" in painted.extras:  # there is something for f to learn
            terms["variance"] = total_variance(painted.extras["filled"], 2 * rgb - 1)
            terms["smoothness"] = smoothness(painted.extras["logits"], self.objective.smoothness_form)
        if self.is_judged():
            terms["adversarial"] = deception(self._judge(sketch, painted.rgb))
        return terms

    def weighted(self, terms: dict[str, Tensor]) -> Tensor:
        """Return the sum of losses by name, each times its weight."""
        return torch.stack([self.objective.weight(name) * term for name, term in terms.items()]).sum()

    def discriminator_loss(self, batch: Batch, painted: RgbPrediction) -> Tensor:
        """Return the least-squares loss, weighted like the generator's."""
        sketch = sketches_of(batch)
        fake, real = self._judge(sketch, painted.rgb), self._judge(sketch, _truth(batch, painted))
        loss: Tensor = self.objective.adversarial_weight * detection(fake, real)
        return loss

    def temperature(self) -> float:
        """Return tau of the running step: it falls from the first step to the last."""
        return self.temperature_at(self.progress())

    def temperature_at(self, progress: float) -> float:
        """Return tau of a share of the training, 0 at its start, 1 at its end."""
        first, last = self.objective.initial_temperature, self.objective.final_temperature
        return float(first * (last / first) ** progress)

    def validation_settings(self) -> tuple[str, ...]:
        """Return the numbers of regions at which PSNR is taken."""
        return tuple(str(count) for count in VALIDATION_REGIONS)

    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterator[tuple[str, Guidance]]:
        """Divide each sketch once, then give more and more regions their true mean colors."""
        del lab
        sketch, rgb = sketches_of(batch), batch["rgb"]
        regions = self.propose(sketch)
        colors, _ = region_means(regions.index, rgb, SEGMENTS)
        for count in self.validation_settings():
            given = first_given(torch.full((len(rgb),), int(count), device=rgb.device), SEGMENTS)
            yield count, Guidance(regions=replace(regions, rgb=colors, given=given))

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load a checkpoint of the published code, all of it or the networks' part (278 or 256 keys)."""
        ours = convert_published(state_dict)
        if not any(key.startswith("discriminator.") for key in ours):
            ours |= {f"discriminator.{key}": value for key, value in self.discriminator.state_dict().items()}
        apply_weights(self, ours, name="the published checkpoint", published=False)

    def _draws(self, batch: Batch, purpose: str) -> Draws:
        rgb, generators = batch["rgb"], picture_generators(batch["seed"], purpose)
        noise = gumbel_noise(generators, (SEGMENTS, *rgb.shape[-2:])).to(rgb.device)
        stops = draw_uniform(generators, len(rgb), SEGMENTS, rgb.device)
        return Draws(noise, draw_counts(stops, self.users.stop_probability))

    def _judge(self, sketch: Tensor, rgb: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(torch.cat([2 * sketch - 1, 2 * rgb - 1], dim=1))
        return scores.float()


def _truth(batch: Batch, painted: RgbPrediction) -> Tensor:
    truth: Tensor = painted.extras.get("truth", batch["rgb"])
    return truth
