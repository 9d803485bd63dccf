"""Training of the generator g alone, on the regions of the frozen segmenter f (not in the paper)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.guidance import Guidance
from colorzoo.guidance.color_statistics import region_means
from colorzoo.prediction import RgbPrediction
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.zoo.cho2023.network import SEGMENTS, draw_counts, first_given, look_up_hints
from colorzoo.zoo.cho2023.task import Cho2023


class Cho2023Painter(Cho2023):
    """Training task of the generator g; the segmenter f is frozen. For the arguments, see `Cho2023`.

    The hints are colors of proposed regions. In some images, random colors replace the hint colors.
    """

    def setup(self, stage: str) -> None:
        """Freeze the segmenter f at the start of ``fit``."""
        super().setup(stage)
        if stage == "fit":
            self.model.network.segmenter.requires_grad_(False)

    def generate_randomly(self, batch: Batch, purpose: str) -> RgbPrediction:
        """Generate images with simulated hints; ``extras`` contains the ground truth as ``truth``."""
        sketch, rgb = sketches_of(batch), batch["rgb"]
        with torch.no_grad():
            regions = self.model.propose(sketch)
            stops = draw_uniform(image_generators(batch["seed"], purpose), len(rgb), SEGMENTS, rgb.device)
            given = first_given(draw_counts(stops, self.users.stop_probability), SEGMENTS)
            truth = recolor_hinted(rgb, regions.index, given, batch["seed"], self.extensions.recolored)
            colors, _ = region_means(regions.index, truth, SEGMENTS)
        generated = self.model.forward(sketch, Guidance(regions=replace(regions, rgb=colors, given=given)))
        return RgbPrediction(rgb=generated.rgb, extras={"truth": truth})

    def generator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Compare with the recolored images; see `Cho2023.generator_loss`."""
        return super().generator_loss({**batch, "rgb": generated.extras["truth"]}, generated)

    def segmenter_terms(self, rgb: Tensor, generated: RgbPrediction) -> dict[str, Tensor]:
        """Return no losses, because f is frozen."""
        return {}

    def discriminator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Compare with the recolored images; see `Cho2023.discriminator_loss`."""
        return super().discriminator_loss({**batch, "rgb": generated.extras["truth"]}, generated)


def recolor_hinted(rgb: Tensor, index: Tensor, hinted: Tensor, seeds: Tensor, fraction: float) -> Tensor:
    """Replace the mean colors of hinted regions with random colors in some images.

    Random colors train the generator to use hints with unusual colors.

    Args:
        rgb: Training images ``(B, 3, H, W)`` in [0, 1].
        index: ``(B, 1, H, W)`` int64, region of each pixel.
        hinted: ``(B, N)`` in {0, 1}, 1 for regions with a hint.
        seeds: ``(B,)``, per-image seeds.
        fraction: Fraction of images whose colors are replaced.

    Returns:
        Images ``(B, 3, H, W)`` in [0, 1]. Clipping can change a mean color slightly.
    """
    if not fraction:
        return rgb
    draws = draw_uniform(image_generators(seeds, "recolored"), len(rgb), 1 + 3 * SEGMENTS, rgb.device)
    image_draw, color_draws = torch.split(draws, [1, 3 * SEGMENTS], dim=1)
    new_colors = color_draws.view(-1, SEGMENTS, 3)
    recolored = torch.where(image_draw < fraction, hinted, 0)  # 1 for regions with a new color, (B, N)

    # the same shift for all pixels of a region preserves its shading
    mean_colors, _ = region_means(index, rgb, SEGMENTS)
    shift = look_up_hints(index, new_colors - mean_colors, recolored).color  # 0 in other regions
    return (rgb + shift).clamp(0, 1)
