"""UniColor: multi-modal colorization with a transformer (Huang et al. 2022).

Guidance is converted to color hints for cells of 16 x 16 pixels. A transformer predicts a discrete color code
for each cell, and codes are sampled cell by cell. The autoencoder Chroma-VQGAN decodes the codes and the gray
image to RGB. https://arxiv.org/abs/2209.11223

The colors of `Hints`, the transformer input, are RGB in [-1, 1]. The network of Zhang et al. 2019 matches
exemplars. As in the published code, image and exemplar are resized to 432 x 768 pixels and matched at half
this size. Codes are sampled with Gumbel noise: the sample is the code with the largest sum of logit and
noise.

Hints from points that cover fewer than 12 pixels of a cell are not in the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo._files import digest_or_empty
from colorzoo.color import lab_to_rgb, lightness_to_rgb, rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_backbone
from colorzoo.guidance import Guidance, Points
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import layer_outputs
from colorzoo.networks.exemplar_features import Trunk
from colorzoo.networks.matching import STRIDE, WarpNet, unit_features
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.scaling import membership
from colorzoo.networks.shared_weights import BorrowedModel
from colorzoo.prediction import AbPrediction
from colorzoo.settings import NonNegativeInt, PositiveInt, Range
from colorzoo.zoo.huang2022.network import CELL, ChromaVQGAN, Hints, HybridTransformer

MatchedSide = Annotated[int, Range(128, unit="pixels", step=16)]
"""Side of an image for matching, at least 128 pixels."""


_OTHER_COLOR = 10.0  # distance of the colors of two points that touch, in CIE units
_MIN_PIXELS = 12  # minimum number of covered pixels, of 256, in a hinted cell, as published
_MIN_SIMILARITY = 0.23  # for exemplar hints
_MIN_HINTS = 5  # cells that get an exemplar hint, even if their similarity is lower
_TAU = 0.01
_BOOST = 1.25  # factor on the warped ab
_HALF = 2

Cell = tuple[int, int]
Pixels = NDArray[np.uint8]
Draw = Callable[[Tensor, int], int]
"""Function that samples a code from logits ``(codes,)`` and the step number."""


def point_hints(lightness: Tensor, points: Points, cells: tuple[int, int]) -> Hints:
    """Convert color points to cell hints, each with the mean color of the cell's points.

    A cell gets a hint if points cover at least 12 of its 256 pixels. Hints from smaller points are not in the
    paper: the authors' demo ignores small points, such as a click. Here, the cell that a small point covers
    most gets a hint, and so do its other cells if their color differs, because points can touch.

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100], used for points without lightness.
        points: Points at image resolution.
        cells: Rows and columns of the cell grid.
    """
    point_lightness = lightness if points.lightness is None else points.lightness
    lab = torch.cat([point_lightness, points.ab], dim=1).float() * points.mask

    # sums over the pixels of each cell, (B, 4, rows, columns)
    height, width = lightness.shape[-2:]
    rows, columns = cells
    row_membership = membership(height, rows, lab)  # (rows, H)
    column_membership = membership(width, columns, lab)  # (columns, W)
    sums = row_membership @ torch.cat([lab, points.mask.float()], dim=1) @ column_membership.T
    lab_sum, count = sums[:, :3], sums[:, 3:]

    # number of covered pixels at the size of the network input, at most 256
    covered = count * (CELL**2 * rows * columns) / (height * width)
    maps = zip(points.mask.cpu().numpy(), points.ab.cpu().numpy(), strict=True)
    main = torch.from_numpy(np.stack([main_cells(mask[0], ab, cells) for mask, ab in maps]))
    is_hinted = (covered >= _MIN_PIXELS)[:, 0] | main.to(covered.device)
    rgb = lab_to_rgb(lab_sum / count.clamp(min=1)).permute(0, 2, 3, 1)
    return Hints(is_hinted.nonzero(), 2 * rgb[is_hinted] - 1)


def main_cells(
    mask: NDArray[np.float32], ab: NDArray[np.float32], cells: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the cells ``(rows, columns)`` that connected pixels of points cover most.

    Other cells of the connected pixels are included if their color differs by more than 10 CIE units.

    Args:
        mask: ``(H, W)``, above 0 in pixels of points.
        ab: ``(2, H, W)`` in CIE units.
        cells: Rows and columns of the cell grid.
    """
    from skimage.measure import label  # slow import

    found = np.zeros(cells, dtype=bool)
    y, x = np.nonzero(mask)
    if not len(y):
        return found
    numbers = label(mask > 0, connectivity=2)[y, x] - 1
    cell = y * cells[0] // mask.shape[0] * cells[1] + x * cells[1] // mask.shape[1]
    # number of pixels and mean color of the part of each point in each cell
    (point, cell), part, counts = np.unique(
        np.stack([numbers, cell]), axis=1, return_inverse=True, return_counts=True
    )
    color = np.stack([np.bincount(part.ravel(), each[y, x]) / counts for each in ab], axis=1)
    by_size = np.lexsort((-counts, point))
    largest = by_size[np.unique(point[by_size], return_index=True)[1]]
    is_main = np.linalg.norm(color - color[largest[point]], axis=1) > _OTHER_COLOR
    is_main[largest] = True
    found.flat[cell[is_main]] = True
    return found


def exemplar_hints(warped: Pixels, similarity: NDArray[np.float32]) -> Hints:
    """Return hints for cells with a high similarity between image and warped exemplar.

    The similarity threshold is 0.23. If fewer than five cells reach the threshold, the five most similar
    cells receive a hint. The color of a hint is the mean color of the warped exemplar in the cell.

    Args:
        warped: RGB ``(H, W, 3)`` in [0, 255] of the exemplar, warped to the image, at the network input size.
        similarity: Cosine similarity between image positions and matched exemplar positions, ``(h, w)``.
    """
    rows, columns = warped.shape[0] // CELL, warped.shape[1] // CELL
    cell_similarity = shrink_similarity(similarity, (rows, columns))
    least_hints = min(_MIN_HINTS, cell_similarity.size)
    fifth_largest = float(np.sort(cell_similarity, axis=None)[-least_hints])
    cells = np.argwhere(cell_similarity >= min(_MIN_SIMILARITY, fifth_largest))  # (n, 2)
    means = warped.reshape(rows, CELL, columns, CELL, 3).astype(np.float64).mean(axis=(1, 3))
    rgb = torch.from_numpy(means[cells[:, 0], cells[:, 1]].astype(np.float32))
    batch_cells = np.insert(cells, 0, values=0, axis=1)  # image index 0, row and column
    return Hints(torch.from_numpy(batch_cells), rgb / 255 * 2 - 1)


def shrink_similarity(similarity: NDArray[np.float32], cells: Cell) -> NDArray[np.float32]:
    """Resize similarities ``(h, w)`` bilinearly to the rows and columns of the cell grid."""
    large = similarity.repeat(4, axis=0).repeat(4, axis=1)
    shrunk = cv2.resize(large, (cells[1], cells[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(shrunk, dtype=np.float32)


def to_levels(rgb: Tensor) -> Pixels:
    """Convert RGB ``(3, H, W)`` in [-1, 1] to 8-bit RGB ``(H, W, 3)`` by truncation."""
    shown = ((rgb.detach().float().clamp(-1, 1) + 1) / 2 * 255).permute(1, 2, 0)
    return shown.cpu().numpy().astype(np.uint8)


def resized(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize 8-bit RGB ``(H, W, 3)`` to ``size`` (height, width) bicubically."""
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BICUBIC))


class WarpedExemplar(NamedTuple):
    """Exemplars whose colors are warped to the matching positions of images.

    Attributes:
        lab: ``(B, 3, h, w)``, warped Lab colors of the exemplars; h and w are H / 8 and W / 8.
        similarity: ``(B, 1, h, w)``, cosine similarities between image and matched exemplar positions.
        lightness: ``(B, 1, H, W)`` in [0, 100], lightness of the images.
    """

    lab: Tensor
    similarity: Tensor
    lightness: Tensor

    def image(self) -> Tensor:
        """Combine `lightness` with the warped ab times 1.25 to RGB ``(B, 3, H, W)`` in [0, 1]."""
        # as published: nearest to half the size, then bilinear
        ab = F.interpolate(self.lab[:, 1:], scale_factor=STRIDE)
        ab = F.interpolate(ab, scale_factor=_HALF, mode="bilinear")
        return lab_to_rgb(torch.cat([self.lightness, _BOOST * ab], dim=1))


class Matcher(nn.Module):
    """Frozen matching network of Zhang et al. 2019, which warps exemplars to images.

    Args:
        features: Network that computes feature maps of images and exemplars.
        correspondence: Network that projects the feature maps to vectors for matching.
    """

    def __init__(self, features: Trunk, correspondence: WarpNet) -> None:
        super().__init__()
        self.features, self.correspondence = features, correspondence

    def forward(self, lightness: Tensor, exemplar: Tensor) -> WarpedExemplar:
        """Warp exemplars to images.

        Args:
            lightness: Lightness of the images, ``(B, 1, H, W)`` in [0, 100]; H and W are multiples of 16.
            exemplar: RGB of the exemplars, ``(B, 3, H, W)`` in [0, 1].
        """
        small = F.avg_pool2d(lightness, _HALF)
        lab = F.avg_pool2d(rgb_to_lab(exemplar), _HALF)
        target_features = self.features.of_lightness(small)
        exemplar_features = self.features.of_rgb(lab_to_rgb(lab))
        query = self.correspondence(unit_features(target_features.hooks))
        key = self.correspondence(unit_features(exemplar_features.hooks))
        match = self.correspondence.warp(query, key, F.avg_pool2d(lab, STRIDE), tau=_TAU)
        return WarpedExemplar(match.values, match.similarity, lightness)


def sample(
    transformer: HybridTransformer,
    gray: Tensor,
    codes: Tensor,
    cells: Sequence[int],
    hints: Hints,
    draw: Draw,
) -> Tensor:
    """Sample codes cell by cell with a full transformer pass per cell, as in the published code.

    Args:
        transformer: Transformer.
        gray: Gray features ``(1, rows * columns, G)``, row-major.
        codes: Initial codes ``(rows, columns)``, with the mask token for unknown codes.
        cells: Row-major indices of the cells to sample, in sampling order. Hinted cells are sampled too.
        hints: Cell hints with image index 0.
        draw: Function that samples a code from the logits of a cell and the step number.

    Returns:
        Codes ``(rows, columns)``.
    """
    codes = codes.clone()
    for step, cell in enumerate(cells):
        logits = transformer(gray, codes[None], hints)[0, cell]
        codes.view(-1)[cell] = draw(logits, step)
    return codes


def most_probable(logits: Tensor, top_k: int) -> Tensor:
    """Replace all but the ``top_k`` largest logits ``(codes,)`` with -inf, but keep ties."""
    least = logits.topk(min(top_k, len(logits))).values[-1]
    return logits.masked_fill(logits < least, -torch.inf)


NAMES: tuple[Pattern, ...] = (
    (r"(?:chroma|hybrid)_vqgan\.model\.", "vqgan."),
    (r"(?:hybrid_tran|coltran)\.", "transformer."),
)
UNUSED = r"^(chroma|hybrid)_vqgan\.(?!model\.)"  # a second copy of Chroma-VQGAN


class UniColorNetwork(nn.Module):
    """The two networks of UniColor.

    Args:
        vqgan: Chroma-VQGAN.
        transformer: Hybrid-Transformer.
    """

    def __init__(self, vqgan: ChromaVQGAN, transformer: HybridTransformer) -> None:
        super().__init__()
        self.vqgan, self.transformer = vqgan, transformer


class UniColor(ColoringModel):
    """Colorization by sampling color codes, optionally guided by points or an exemplar.

    Args:
        channels: Base number of channels of Chroma-VQGAN (``ddconfig`` in the authors' code), which is
            multiplied by ``multipliers``.
        multipliers: Channel multipliers of the five resolution levels, finest first. Every encoder level
            except the last downsamples by 2.
        attention: Indices of the resolution levels with attention.
        blocks: Number of residual blocks per encoder level. Decoder levels have one more block.
        latent: Number of output channels of the color encoder.
        code_width: Number of channels of code vectors and gray features.
        codes: Number of color codes in the codebook.
        embedding: Number of token channels of the transformer.
        heads: Number of attention heads.
        layers: Number of transformer blocks.
        rows: Maximum number of rows in the cell grid.
        columns: Maximum number of columns in the cell grid.
        top_k: Number of most probable codes to sample from.
        seed: Random seed of images without a seed in their guidance; different seeds produce different
            colors.
        matcher: Name of a registered model of Zhang et al. 2019, such as ``zhang2019``, loaded on first
            use. This model provides the matching network.
        matcher_weights: Weights of this model: a tag of its model card, or a file path.
        matched_size: Height and width in pixels to which image and exemplar are resized for the matching.

    Raises:
        ColorzooError: ``embedding`` is not a multiple of ``heads``.
    """

    accepts = frozenset({"points", "exemplar", "seed"})
    published_names, published_unused = NAMES, UNUSED
    network: UniColorNetwork

    def __init__(
        self,
        channels: Annotated[int, Range(32, step=32)] = 128,
        multipliers: tuple[int, int, int, int, int] = (1, 1, 2, 2, 4),
        attention: tuple[int, ...] = (4,),
        blocks: PositiveInt = 2,
        latent: PositiveInt = 512,
        code_width: PositiveInt = 512,
        codes: PositiveInt = 4096,
        embedding: PositiveInt = 512,
        heads: PositiveInt = 16,
        layers: PositiveInt = 24,
        rows: PositiveInt = 16,
        columns: PositiveInt = 16,
        top_k: PositiveInt = 100,
        seed: NonNegativeInt = 0,
        matcher: str = "zhang2019",
        matcher_weights: str = "default",
        matched_size: tuple[MatchedSide, MatchedSide] = (432, 768),
    ) -> None:
        if embedding % heads:
            raise ColorzooError(f"'embedding' must be a multiple of 'heads' ({heads}), got {embedding}")
        vqgan = ChromaVQGAN(channels, multipliers, attention, blocks, latent, code_width, codes)
        transformer = HybridTransformer(code_width, codes, embedding, heads, layers, rows * columns)
        super().__init__(UniColorNetwork(vqgan, transformer))
        self.top_k, self.seed = top_k, seed
        self.matcher, self.matcher_weights, self.matched_size = matcher, matcher_weights, matched_size
        # rows and columns of the code grid, and the network input size in pixels
        self.cells = (rows, columns)
        self.size = (CELL * rows, CELL * columns)
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
        return super().digest(*more, digest_or_empty(Path(self.matcher_weights)))

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
        vqgan, transformer = self.network.vqgan, self.network.transformer
        guidance = guidance or Guidance()

        cell_count = codes.shape[1] * codes.shape[2]

        def draw(noise: Tensor, logits: Tensor, step: int) -> int:
            return int((most_probable(logits, self.top_k) + noise[step].to(logits)).argmax())

        ab, sampled_codes = [], []
        for index, generator in enumerate(self.generators(guidance, len(lightness), self.seed)):
            exponential = torch.empty(cell_count, transformer.mask_token, device="cpu")
            noise = -exponential.exponential_(generator=generator).log().to(codes.device)  # Gumbel noise
            image = slice(index, index + 1)  # keeps the batch dimension
            unknown_cells = (codes[index] == transformer.mask_token).flatten().nonzero().flatten().tolist()
            with torch.autocast(lightness.device.type, enabled=False):  # rounding error may change a code
                gray = vqgan.gray_encoder(self._gray(lightness[image]))
                hints = self.hints(lightness[image], guidance[image])
                sampled = sample(
                    transformer, gray.flatten(2).mT, codes[index], unknown_cells, hints, partial(draw, noise)
                )
                rgb = vqgan.decode(vqgan.quantize.vectors(sampled[None]), gray).clamp(-1, 1)
                image_ab = rgb_to_lab((rgb + 1) / 2)[:, 1:]
                size = lightness.shape[-2:]
                ab.append(F.interpolate(image_ab, size=size, mode="bilinear", antialias=True))
            sampled_codes.append(sampled[None, None])
        return AbPrediction(ab=torch.cat(ab), extras={"codes": torch.cat(sampled_codes)})

    def hints(self, lightness: Tensor, guidance: Guidance) -> Hints:
        """Convert points and exemplar to cell hints; in a cell with both, the point is used.

        Args:
            lightness: ``(1, 1, H, W)`` in [0, 100].
            guidance: Guidance for this image.
        """
        hints = Hints.none(lightness.device)
        if guidance.exemplar is not None:  # warp the exemplar to the image
            matcher = self._loaded_matcher(lightness.device)
            squashed, other = (
                F.interpolate(each.float(), size=self.matched_size, mode="bilinear", antialias=True)
                for each in (lightness, guidance.exemplar.rgb)
            )
            warped = matcher(squashed, other)
            levels = resized(to_levels(2 * warped.image()[0] - 1), self.size)
            hints = exemplar_hints(levels, warped.similarity[0, 0].cpu().numpy()).to(lightness.device)
        if guidance.points is not None:  # the last hint of a cell takes effect
            points = point_hints(lightness, guidance.points, self.cells)
            hints = Hints(torch.cat([hints.cells, points.cells]), torch.cat([hints.rgb, points.rgb]))
        return hints

    def _loaded_matcher(self, device: torch.device) -> Matcher:
        """Load the matcher on the first call and return it.

        Raises:
            WeightsError: No trained weights of the matcher are available on this machine.
        """
        if not self._matchers:
            with torch.inference_mode(False):
                source: Any = create_backbone(self.matcher, "matcher", self.matcher_weights)
                self._matchers = [BorrowedModel(Matcher(source.features, source.correspondence))]
        return self._matchers[0].to(device).model

    def _gray(self, lightness: Tensor) -> Tensor:
        """Return the gray input ``(B, 1, h, w)`` in [-1, 1] of Chroma-VQGAN."""
        return 2 * lightness_to_rgb(self._squash(lightness))[:, :1] - 1

    def _squash(self, image: Tensor) -> Tensor:
        return F.interpolate(image.float(), size=self.size, mode="bilinear", antialias=True)
