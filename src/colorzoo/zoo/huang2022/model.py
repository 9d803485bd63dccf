"""UniColor: multi-modal colorization with a transformer (Huang et al. 2022).

Guidance is converted to color hints for cells of 16 x 16 pixels. A transformer predicts a discrete color code
for each cell, and codes are sampled cell by cell. The autoencoder Chroma-VQGAN decodes the codes and the gray
image to RGB. https://arxiv.org/abs/2209.11223
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_backbone
from colorzoo.files import digest_or_empty
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.recording import layer_outputs
from colorzoo.networks.shared_weights import BorrowedModel
from colorzoo.prediction import AbPrediction
from colorzoo.settings import NonNegativeInt, PositiveInt, Range
from colorzoo.zoo.huang2022.hints import Matcher, exemplar_hints, point_hints, resized, to_levels
from colorzoo.zoo.huang2022.published import NAMES, UNUSED
from colorzoo.zoo.huang2022.sampling import draw_code, gumbel_noise, sample
from colorzoo.zoo.huang2022.transformer import Hints, HybridTransformer, TransformerSizes
from colorzoo.zoo.huang2022.vqgan import CELL, ChromaVQGAN, VQGANSizes

MatchedSide = Annotated[int, Range(128, unit="pixels", step=16)]
"""Side of an image for matching, at least 128 pixels."""


@dataclass(frozen=True)
class Sampling:
    """Settings of code sampling.

    Attributes:
        top_k: Number of most probable codes to sample from.
        seed: Random seed; different seeds produce different colors.
    """

    top_k: PositiveInt = 100
    seed: NonNegativeInt = 0


@dataclass(frozen=True)
class Matching:
    """Settings of the matching between image and exemplar.

    Attributes:
        matcher: Name of a registered model of Zhang et al. 2019, such as ``zhang2019``, loaded on first
            use. This model provides the matching network.
        matcher_weights: Weights of this model: a tag of its model card, or a file path.
        matched_size: Height and width in pixels to which image and exemplar are resized for the matching.
    """

    matcher: str = "zhang2019"
    matcher_weights: str = "default"
    matched_size: tuple[MatchedSide, MatchedSide] = (432, 768)


class UniColorNetwork(nn.Module):
    """The two networks of UniColor: Chroma-VQGAN and Hybrid-Transformer.

    Args:
        vqgan: Sizes of Chroma-VQGAN.
        transformer: Sizes of the Hybrid-Transformer.
    """

    def __init__(self, vqgan: VQGANSizes, transformer: TransformerSizes) -> None:
        super().__init__()
        self.vqgan = ChromaVQGAN(vqgan)
        self.transformer = HybridTransformer(transformer, vqgan.code_width, vqgan.codes)


class UniColor(ColoringModel):
    """Colorization by sampling color codes, optionally guided by points or an exemplar.

    Args:
        vqgan: Sizes of Chroma-VQGAN.
        transformer: Sizes of the Hybrid-Transformer.
        sampling: Settings of code sampling.
        matching: Settings of the matching between image and exemplar.

    Raises:
        ColorzooError: ``embedding`` is not a multiple of ``heads``.
    """

    accepts = frozenset({"points", "exemplar"})
    published_names, published_unused = NAMES, UNUSED
    network: UniColorNetwork

    def __init__(
        self,
        vqgan: VQGANSizes = VQGANSizes(),
        transformer: TransformerSizes = TransformerSizes(),
        sampling: Sampling = Sampling(),
        matching: Matching = Matching(),
    ) -> None:
        if transformer.embedding % transformer.heads:
            raise ColorzooError(
                f"'embedding' must be a multiple of 'heads' ({transformer.heads}), "
                f"got {transformer.embedding}"
            )
        super().__init__(UniColorNetwork(vqgan, transformer))
        self.sampling = sampling
        self.matching = matching
        # rows and columns of the code grid, and the network input size in pixels
        self.cells = (transformer.rows, transformer.columns)
        self.size = (CELL * transformer.rows, CELL * transformer.columns)
        self.working_size = min(self.size)
        # empty until the first use; a list, because its networks must not be in the state dict
        self._matchers: list[BorrowedModel[Matcher]] = []

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch and return ab, with the cells' color codes in ``extras["codes"]``."""
        shape = (len(lightness), *self.cells)
        unknown = torch.full(shape, self.network.transformer.mask_token, device=lightness.device)
        return self._color(lightness, guidance, unknown)

    def digest(self, *more: Any) -> bytes:
        """Return the hash of `ColoringModel.digest`, which here covers the matcher's weight file, too.

        Args:
            *more: Additional values that determine the predictions.
        """
        return super().digest(*more, digest_or_empty(Path(self.matching.matcher_weights)))

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return feature maps of the gray encoder, finest first; the last is the encoder output."""
        encoder = self.network.vqgan.gray_encoder
        layers = [*(f"down.{level}" for level in range(len(encoder.down) - 1)), "conv_out"]
        gray = self._gray(lightness)
        return layer_outputs(encoder, layers, lambda: encoder(gray))

    @torch.no_grad()
    def recolor(
        self, lightness: Tensor, rgb: Tensor, region: Tensor, guidance: Guidance | None = None
    ) -> AbPrediction:
        """Resample the colors in a region of colorized images.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            rgb: Colorized images ``(B, 3, H, W)`` in [0, 1].
            region: Region mask ``(B, 1, H, W)``, extended to whole cells.
            guidance: Points and exemplar, as in `forward`.

        Returns:
            ab of the whole images; ``extras["codes"]`` contains the color codes of all cells.
        """
        codes = self.network.vqgan.encode(2 * self._squash(rgb) - 1)
        is_touched = F.adaptive_max_pool2d(region.float(), self.cells)[:, 0] > 0
        codes = codes.masked_fill(is_touched, self.network.transformer.mask_token)
        return self._color(lightness, guidance, codes)

    @torch.no_grad()
    def _color(self, lightness: Tensor, guidance: Guidance | None, codes: Tensor) -> AbPrediction:
        """Sample the unknown codes of each image and decode all codes.

        Images are processed one by one, because batch-dependent rounding error could change sampled codes.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: Points and exemplar, or None.
            codes: Codes ``(B, rows, columns)``, with the mask token for unknown codes.

        Returns:
            ab ``(B, 2, H, W)`` in CIE units; ``extras["codes"]`` contains codes ``(B, 1, rows, columns)``.
        """
        guidance = guidance or Guidance()
        ab, sampled_codes = [], []
        for index in range(len(lightness)):
            image = slice(index, index + 1)  # keeps the batch dimension
            image_ab, image_codes = self._color_one(lightness[image], guidance[image], codes[index])
            ab.append(image_ab)
            sampled_codes.append(image_codes)
        return AbPrediction(ab=torch.cat(ab), extras={"codes": torch.cat(sampled_codes)})

    def _color_one(self, lightness: Tensor, guidance: Guidance, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Return ab ``(1, 2, H, W)`` and sampled codes ``(1, 1, rows, columns)`` of an image."""
        vqgan = self.network.vqgan
        with torch.autocast(lightness.device.type, enabled=False):  # rounding error may change a code
            gray_features = vqgan.gray_encoder(self._gray(lightness))
            sampled = self._sample_codes(gray_features, codes, self.hints(lightness, guidance))[None]
            rgb = vqgan.decode_codes(sampled, gray_features).clamp(-1, 1)
            ab = rgb_to_lab((rgb + 1) / 2)[:, 1:]
            ab = F.interpolate(ab, size=lightness.shape[-2:], mode="bilinear", antialias=True)
        return ab, sampled[None]

    def hints(self, lightness: Tensor, guidance: Guidance) -> Hints:
        """Convert points and exemplar to cell hints; in a cell with both, the point is used.

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            guidance: Guidance for this image.
        """
        hints = Hints.none(lightness.device)
        if guidance.exemplar is not None:
            hints = self._exemplar_hints(lightness, guidance.exemplar)
        if guidance.points is not None:  # the last hint of a cell takes effect
            points = point_hints(lightness, guidance.points, self.cells)
            hints = Hints(torch.cat([hints.cells, points.cells]), torch.cat([hints.rgb, points.rgb]))
        return hints

    def _sample_codes(self, gray_features: Tensor, codes: Tensor, hints: Hints) -> Tensor:
        """Sample the unknown codes of an image; all images use the same random numbers."""
        transformer, generator = self.network.transformer, torch.Generator().manual_seed(self.sampling.seed)
        unknown_cells = (codes == transformer.mask_token).flatten().nonzero().flatten().tolist()
        noise = gumbel_noise(generator, codes.numel(), transformer.mask_token).to(codes.device)
        draw = partial(draw_code, noise=noise, top_k=self.sampling.top_k)
        return sample(transformer, gray_features.flatten(2).mT, codes, unknown_cells, hints, draw)

    def _exemplar_hints(self, lightness: Tensor, exemplar: Exemplar) -> Hints:
        matcher, size = self._loaded_matcher(lightness.device), self.matching.matched_size
        squashed, other = (
            F.interpolate(each.float(), size=size, mode="bilinear", antialias=True)
            for each in (lightness, exemplar.rgb)
        )
        warped = matcher(squashed, other)
        levels = resized(to_levels(2 * warped.image()[0] - 1), self.size)
        return exemplar_hints(levels, warped.similarity[0, 0].cpu().numpy()).to(lightness.device)

    def _loaded_matcher(self, device: torch.device) -> Matcher:
        """Load the matcher on the first call and return it.

        Raises:
            WeightsError: No trained weights of the matcher are available on this machine.
        """
        if not self._matchers:
            with torch.inference_mode(False):
                source: Any = create_backbone(self.matching.matcher, "matcher", self.matching.matcher_weights)
                self._matchers = [BorrowedModel(Matcher(source.features, source.correspondence))]
        return self._matchers[0].to(device).model

    def _gray(self, lightness: Tensor) -> Tensor:
        """Return the gray input ``(B, 1, h, w)`` in [-1, 1] of Chroma-VQGAN."""
        return 2 * lightness_to_rgb(self._squash(lightness))[:, :1] - 1

    def _squash(self, image: Tensor) -> Tensor:
        return F.interpolate(image.float(), size=self.size, mode="bilinear", antialias=True)
