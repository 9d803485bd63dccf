"""Training of UniColor (Huang et al. 2022): Chroma-VQGAN, then the Hybrid-Transformer.

Chroma-VQGAN is trained with the L1 distance of pixels, LPIPS, a codebook loss and an adversarial loss.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.image import lpips as torchmetrics_lpips
from torchvision.models import VGG16_Weights

from colorzoo.color.sketch import rgb_to_gray
from colorzoo.data.dataset import Batch
from colorzoo.errors import DataError, WeightsError
from colorzoo.losses.exemplar import sum_over_processes
from colorzoo.metrics.feature_networks import FrozenNetwork, load_by_name, published_weights
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.networks.imagenet import outputs_of, vgg_layers
from colorzoo.precision import in_float32
from colorzoo.prediction import RgbPrediction
from colorzoo.randomness import stream_seed
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, PositiveInt, Range, Width
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import AdversarialOptimization, Optimization
from colorzoo.weights import read_weights
from colorzoo.zoo.huang2022.model import Cell, MatchedSide, UniColor
from colorzoo.zoo.huang2022.network import CELL, Hints, HybridTransformer

SEEN, MASKED, CANDIDATE = 1, 0, -1
"""Cell states: known code, masked code, or masked code with a possible hint (candidate)."""

_REGION = 10  # superpixel side in pixels, the default of OpenCV
_ITERATIONS = 5
_CELLS_PER_HINT = 8
_TAPS = {3: 64, 8: 128, 15: 256, 22: 512, 29: 512}
"""Channels of relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of VGG-16, by layer index."""

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_TINY = 1e-6
_DEVIATION = 0.02


class Huang2022(SingleOptimizerModule):
    """Training task of the transformer of `UniColor`; Chroma-VQGAN is frozen.

    Args:
        channels: See `UniColor`.
        multipliers: See `UniColor`.
        attention: See `UniColor`.
        blocks: See `UniColor`.
        latent: See `UniColor`.
        code_width: See `UniColor`.
        codes: See `UniColor`.
        embedding: See `UniColor`.
        heads: See `UniColor`.
        layers: See `UniColor`.
        rows: See `UniColor`.
        columns: See `UniColor`.
        top_k: See `UniColor`.
        seed: See `UniColor`.
        matcher: See `UniColor`.
        matcher_weights: See `UniColor`.
        matched_size: See `UniColor`.
        everything: Fraction of the training images in which all cells are masked. The transformer predicts
            the color codes of masked cells.
        fewest: Minimum number of masked cells in other training images.
        strokes: Maximum number of hints in a training image.
        hinted: Fraction of the training images that have hints.
        **optimization: See `Optimization`.
    """

    model: UniColor

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
        everything: Fraction = 0.05,
        fewest: PositiveInt = 16,
        strokes: PositiveInt = 16,
        hinted: Fraction = 0.7,
        **optimization: Unpack[Optimization],
    ) -> None:
        model = UniColor(
            channels=channels,
            multipliers=multipliers,
            attention=attention,
            blocks=blocks,
            latent=latent,
            code_width=code_width,
            codes=codes,
            embedding=embedding,
            heads=heads,
            layers=layers,
            rows=rows,
            columns=columns,
            top_k=top_k,
            seed=seed,
            matcher=matcher,
            matcher_weights=matcher_weights,
            matched_size=matched_size,
        )
        model.network.vqgan.requires_grad_(False)
        super().__init__(model, **optimization)
        self.everything, self.fewest, self.strokes, self.hinted = everything, fewest, strokes, hinted

    def prepare_fit(self) -> None:
        """Check that Chroma-VQGAN is trained.

        Raises:
            WeightsError: Chroma-VQGAN has random weights.
        """
        super().prepare_fit()
        if not (self.trained or self.allow_untrained):
            raise WeightsError(
                "--init_from must be a checkpoint of huang2022/vqgan_imagenet.yaml, because the transformer "
                "learns to predict the codes of a trained Chroma-VQGAN"
            )

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return the transformer's parameter groups; only linear layers have weight decay."""
        return transformer_groups(self.model.network.transformer)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mask codes, simulate hints, and return the cross-entropy of the masked cells' codes.

        Raises:
            DataError: The images do not have the input size of the transformer.
        """
        rgb, network = batch["rgb"], self.model.network
        shape = (rgb.shape[2] // CELL, rgb.shape[3] // CELL)
        if shape != self.model.cells:  # other sizes would train other position embeddings
            height, width = self.model.size
            raise DataError(
                f"the transformer requires training images of {height} x {width} pixels, got "
                f"{rgb.shape[2]} x {rgb.shape[3]}. Set --data.crop to {height}, or set "
                "--model.rows and --model.columns, each for 16 pixels."
            )
        with torch.no_grad():
            target = network.vqgan.encode(2 * rgb - 1)
            gray = network.vqgan.gray_encoder(rgb_to_gray(2 * rgb - 1)).flatten(2).mT
        mask, hints = simulate(
            rgb,
            batch["seed"].tolist(),
            shape,
            everything=self.everything,
            fewest=self.fewest,
            strokes=self.strokes,
            hinted=self.hinted,
        )
        logits = network.transformer(gray, fed_codes(target, mask, network.transformer.mask_token), hints)
        loss = masked_cross_entropy(logits, target, mask)
        self.log_losses({"loss": loss}, len(rgb))
        return loss


def draw_mask(
    mode_draws: random.Random,
    cell_draws: np.random.RandomState,
    shape: Cell,
    *,
    everything: float,
    fewest: int,
    strokes: int,
) -> NDArray[np.int8]:
    """Draw the cell states of a training image.

    All cells are masked with probability ``everything``; otherwise, a random number of cells is masked.
    The order of random draws matches the authors' code.

    Args:
        mode_draws: Random generator for the choice between some and all cells.
        cell_draws: Random generator for the selection of masked cells and candidates.
        shape: Rows and columns of the cell grid.
        everything: Probability that all cells are masked.
        fewest: Minimum number of masked cells in other images.
        strokes: Maximum number of candidates.

    Returns:
        Cell states ``(rows, columns)``: `SEEN` (known code), `MASKED` (code to predict) or `CANDIDATE`
        (masked cell that can receive a hint).
    """
    cell_count = shape[0] * shape[1]
    (masks_all,) = mode_draws.choices((True, False), weights=(everything, 1 - everything))
    if masks_all:
        masked_cells = np.arange(cell_count)
    else:
        masked_count = cell_draws.randint(min(fewest, cell_count - 1), cell_count)
        masked_cells = cell_draws.permutation(cell_count)[:masked_count]
    candidates = cell_draws.permutation(masked_cells)[:strokes]
    states = np.full(cell_count, SEEN, dtype=np.int8)
    states[masked_cells] = MASKED
    states[candidates] = CANDIDATE
    return states.reshape(shape)


def choose_candidates(
    mask: NDArray[np.int8], draws: np.random.RandomState, *, strokes: int, hinted: float
) -> list[int]:
    """Select the cells that receive a hint, or no cells if the image gets no hints.

    If few cells are masked, only the first candidates can be selected, as in the authors' code.

    Args:
        mask: Cell states ``(rows, columns)`` from `draw_mask`.
        draws: Random generator.
        strokes: Maximum number of hints.
        hinted: Probability that the image has hints.

    Returns:
        Indices of the selected cells in the list that `candidate_cells` returns.
    """
    if draws.random() > hinted:
        return []
    masked = int((mask != SEEN).sum())
    limit = max(1, min(strokes, masked // _CELLS_PER_HINT))
    count = draws.randint(1, limit + 1)
    return [int(index) for index in draws.permutation(limit)[:count]]


def candidate_cells(mask: NDArray[np.int8]) -> list[tuple[int, int]]:
    """Return the row and column of each `CANDIDATE` cell in row-major order."""
    return [(int(row), int(column)) for row, column in np.argwhere(mask == CANDIDATE)]


def patch_color(superpixels: NDArray[np.uint8], cell: tuple[int, int]) -> NDArray[np.float32]:
    """Return the most frequent superpixel color of a cell as RGB ``(3,)`` in [-1, 1].

    Ties are resolved in lexicographic order.

    Args:
        superpixels: Output of `superpixels_of`, ``(H, W, 3)``.
        cell: Row and column in the cell grid.
    """
    row, column = (CELL * each for each in cell)
    patch = superpixels[row : row + CELL, column : column + CELL]
    colors, counts = np.unique(patch.reshape(-1, 3), axis=0, return_counts=True)
    return (colors[counts.argmax()].astype(np.float64) / 255 * 2 - 1).astype(np.float32)


def superpixels_of(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Replace each pixel of an 8-bit image ``(H, W, 3)`` with its superpixel's mean color.

    Mean colors are truncated to integers. Superpixels are computed with scikit-image's SLIC algorithm; the
    authors use OpenCV's implementation.
    """
    from skimage.segmentation import slic

    height, width = rgb.shape[:2]
    labels = slic(
        rgb,
        n_segments=height * width // _REGION**2,
        max_num_iter=_ITERATIONS,
        slic_zero=True,
        convert2lab=False,
        start_label=0,
    ).ravel()
    pixel_counts = np.bincount(labels)[:, None]  # (N, 1) for N superpixels
    channel_sums = [np.bincount(labels, rgb[..., channel].ravel()) for channel in range(3)]
    mean_colors = (np.stack(channel_sums, axis=1) / pixel_counts).astype(np.uint8)  # (N, 3)
    return np.asarray(mean_colors[labels].reshape(rgb.shape))


def simulate(
    rgb: Tensor,
    seeds: Sequence[int],
    shape: Cell,
    *,
    everything: float,
    fewest: int,
    strokes: int,
    hinted: float,
) -> tuple[Tensor, Hints]:
    """Draw random cell states and hints for a training batch.

    Args:
        rgb: Training images ``(B, 3, H, W)`` in [0, 1], whose colors become the hints.
        seeds: Per-image seeds.
        shape: Rows and columns of the cell grid: H / 16 and W / 16.
        everything: See `Huang2022`.
        fewest: See `Huang2022`.
        strokes: See `Huang2022`.
        hinted: See `Huang2022`.

    Returns:
        Cell states ``(B, rows, columns)`` as in `draw_mask`, and hints; both are on the device of ``rgb``.
    """
    states, hint_cells, hint_colors = [], [], []
    images = (rgb.detach().float() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    for index, (image, seed) in enumerate(zip(images, seeds, strict=True)):
        # cell states of the image, and the cells that receive a hint
        modes = random.Random(stream_seed("mask", seed))
        numbers: Any = np.random.RandomState(stream_seed("hints", seed) % 2**32)
        image_states = draw_mask(modes, numbers, shape, everything=everything, fewest=fewest, strokes=strokes)
        states.append(torch.from_numpy(image_states))
        candidates = candidate_cells(image_states)
        chosen = choose_candidates(image_states, numbers, strokes=strokes, hinted=hinted)
        hinted_cells = [candidates[number] for number in chosen]
        hint_cells += [(index, row, column) for row, column in hinted_cells]
        if hinted_cells:
            superpixels = superpixels_of(image)
            hint_colors += [patch_color(superpixels, cell) for cell in hinted_cells]
    hints = Hints.none()
    if hint_cells:
        hints = Hints(torch.tensor(hint_cells, device="cpu"), torch.from_numpy(np.stack(hint_colors)))
    return torch.stack(states).to(rgb.device), hints.to(rgb.device)


def fed_codes(codes: Tensor, mask: Tensor, mask_token: int) -> Tensor:
    """Replace the true codes of masked cells with the mask token, as transformer input.

    `CANDIDATE` cells (masked cells that can receive a hint) keep their true codes although the loss includes
    these cells, as in the authors' code.

    Args:
        codes: True codes ``(B, rows, columns)``.
        mask: Cell states ``(B, rows, columns)`` from `simulate`.
        mask_token: Code of the mask token.
    """
    return codes.masked_fill(mask == MASKED, mask_token)


@in_float32
def masked_cross_entropy(logits: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
    """Return the cross-entropy of the codes, averaged over the masked cells.

    In distributed training, the mean is over the masked cells of all processes.

    Args:
        logits: Predicted logits ``(B, rows * columns, codes)``.
        codes: True codes ``(B, rows, columns)``.
        mask: Cell states ``(B, rows, columns)`` from `simulate`; `MASKED` and `CANDIDATE` cells count.
    """
    counted = (mask != SEEN).flatten()
    terms = F.cross_entropy(logits.flatten(0, 1), codes.flatten(), reduction="none")
    ones = counted.sum().to(terms)
    everywhere = sum_over_processes(torch.stack([ones, torch.ones_like(ones)]))
    return terms[counted].sum() * everywhere[1] / everywhere[0]


def transformer_groups(transformer: HybridTransformer) -> list[dict[str, Any]]:
    """Return parameter groups in which only the weights of linear layers have weight decay."""
    decaying = {module.weight for module in transformer.modules() if isinstance(module, nn.Linear)}
    others = [p for p in transformer.parameters() if p.requires_grad and p not in decaying]
    weights = [p for p in transformer.parameters() if p.requires_grad and p in decaying]
    return [{"params": weights}, {"params": others, "weight_decay": 0.0}]


class LPIPS(nn.Module):
    """LPIPS with VGG-16 and the feature normalization of taming-transformers."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.features = vgg_layers(16, max(_TAPS) + 1)
        self.linear = nn.ModuleList([nn.Conv2d(width, 1, 1, bias=False) for width in _TAPS.values()])
        self.register_buffer("shift", torch.tensor(_SHIFT).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(_SCALE).view(3, 1, 1))

    def forward(self, rgb: Tensor, target: Tensor) -> Tensor:
        """Return the LPIPS distance of each image pair at each of the five VGG-16 layers.

        Args:
            rgb: ``(B, 3, H, W)`` in [-1, 1].
            target: ``(B, 3, H, W)`` in [-1, 1].

        Returns:
            Distances ``(B, 5)``; the LPIPS distance is their sum.
        """
        pairs = zip(self.linear, self.hooks(rgb), self.hooks(target), strict=True)
        terms = [linear((_unit(a) - _unit(b)).square()).mean(dim=(1, 2, 3)) for linear, a, b in pairs]
        return torch.stack(terms, dim=1)

    def normalized(self, rgb: Tensor) -> Tensor:
        """Normalize RGB ``(B, 3, H, W)`` in [-1, 1] for VGG-16."""
        return (rgb - self.shift) / self.scale

    def hooks(self, rgb: Tensor) -> list[Tensor]:
        """Return the feature maps relu1_2, relu2_2, relu3_3, relu4_3 and relu5_3 of VGG-16.

        Args:
            rgb: ``(B, 3, H, W)`` in [-1, 1].
        """
        return outputs_of(self.features, self.normalized(rgb), _TAPS)

    def load(self, vgg: Mapping[str, Tensor], linear: Mapping[str, Tensor]) -> None:
        """Load the weights of VGG-16 and of the five linear layers.

        Args:
            vgg: State dict of torchvision's VGG-16.
            linear: State dict of torchmetrics' LPIPS layers.

        Raises:
            WeightsError: A key is missing, or a shape does not match.
        """
        names = {key: f"features.{key}" for key in self.features.state_dict()}
        load_by_name(self.features, names, vgg, "the VGG-16 of LPIPS")
        names = {f"{index}.weight": f"lin{index}.model.1.weight" for index in range(len(self.linear))}
        load_by_name(self.linear, names, linear, "the linear layers of LPIPS")


def patch_discriminator(width: float = 1.0) -> PatchDiscriminator:
    """Build the discriminator with the authors' initialization.

    Args:
        width: Multiplier for the channel counts; 1.0 matches the published discriminator.
    """
    discriminator = PatchDiscriminator(3, width)
    for module in discriminator.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=_DEVIATION)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=_DEVIATION)
    return discriminator


def generator_terms(
    rgb: Tensor, target: Tensor, codebook: Tensor, lpips: nn.Module, discriminator: nn.Module
) -> dict[str, Tensor]:
    """Return a dict that maps the names of the autoencoder losses to unweighted values.

    Args:
        rgb: Unclipped reconstruction ``(B, 3, H, W)``, in the range of ``target``.
        target: Ground truth ``(B, 3, H, W)`` in [-1, 1].
        codebook: Codebook loss of the quantizer, a scalar.
        lpips: `LPIPS`, the perceptual loss.
        discriminator: Patch discriminator, whose scores determine the adversarial loss.
    """
    return {
        "pixel": F.l1_loss(rgb, target),
        "codebook": codebook,
        "perceptual": lpips(rgb, target).sum(dim=1).mean(),
        "adversarial": F.relu(1 - discriminator(rgb)).mean(),
    }


def generator_total(
    terms: Mapping[str, Tensor],
    *,
    perceptual_weight: float,
    codebook_weight: float,
    adversarial_weight: float,
) -> Tensor:
    """Return the weighted sum of the losses from `generator_terms`; the L1 distance has weight 1.

    Args:
        terms: Output of `generator_terms`.
        perceptual_weight: Weight of LPIPS.
        codebook_weight: Weight of the codebook loss.
        adversarial_weight: Weight of the adversarial loss at this training step.
    """
    total = terms["pixel"] + codebook_weight * terms["codebook"]
    total = total + perceptual_weight * terms["perceptual"]
    return total + adversarial_weight * terms["adversarial"]


@in_float32
def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Return the hinge loss of the discriminator.

    Args:
        real: Discriminator scores of training images.
        fake: Discriminator scores of reconstructions.
    """
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def _unit(features: Tensor) -> Tensor:
    length = (features.square().sum(dim=1, keepdim=True) + _TINY).sqrt()
    return features / (length + _TINY)


class Huang2022VQGAN(GANColorizationModule[RgbPrediction]):
    """Training task of Chroma-VQGAN; the transformer is frozen.

    Args:
        channels: See `UniColor`.
        multipliers: See `UniColor`.
        attention: See `UniColor`.
        blocks: See `UniColor`.
        latent: See `UniColor`.
        code_width: See `UniColor`.
        codes: See `UniColor`.
        embedding: See `UniColor`.
        heads: See `UniColor`.
        layers: See `UniColor`.
        rows: See `UniColor`.
        columns: See `UniColor`.
        perceptual_weight: Weight of LPIPS. The L1 distance has weight 1.
        codebook_weight: Weight of the codebook loss.
        adversarial_weight: Weight of the adversarial loss.
        disc_start: First training step that uses the discriminator. The authors use 6001 for ImageNet and
            5001 for COCO.
        discriminator_width: Multiplier for the channel counts of the discriminator; 1.0 matches the published
            discriminator.
        **optimization: See `AdversarialOptimization`.
    """

    validation_metrics = ()
    model: UniColor
    lpips: FrozenNetwork

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
        perceptual_weight: NonNegativeFloat = 1.0,
        codebook_weight: NonNegativeFloat = 1.0,
        adversarial_weight: NonNegativeFloat = 0.8,
        disc_start: NonNegativeInt = 6001,
        discriminator_width: Width = 1.0,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        model = UniColor(
            channels=channels,
            multipliers=multipliers,
            attention=attention,
            blocks=blocks,
            latent=latent,
            code_width=code_width,
            codes=codes,
            embedding=embedding,
            heads=heads,
            layers=layers,
            rows=rows,
            columns=columns,
        )
        model.network.transformer.requires_grad_(False)
        super().__init__(model, **optimization)
        self.perceptual_weight, self.codebook_weight = perceptual_weight, codebook_weight
        self.adversarial_weight, self.disc_start = adversarial_weight, disc_start
        self.discriminator = patch_discriminator(discriminator_width)

    def setup(self, stage: str) -> None:
        """Load LPIPS at the start of ``fit``.

        Raises:
            WeightsError: VGG-16 is not available.
        """
        super().setup(stage)
        if stage != "fit":
            return
        lpips = LPIPS()
        if not self.allow_untrained:
            shipped = Path(torchmetrics_lpips.__file__).parent / "lpips_models" / "vgg.pth"
            vgg = published_weights(str(VGG16_Weights.IMAGENET1K_V1.url))
            lpips.load(vgg, read_weights(shipped).state_dict)
        self.lpips = FrozenNetwork(lpips)

    @property
    def completes_model(self) -> bool:
        """False, because this task does not train the transformer."""
        return False

    def generator_groups(self) -> list[dict[str, Any]]:
        """Return a list with one parameter group, which contains Chroma-VQGAN."""
        return [{"params": list(self.model.network.vqgan.parameters())}]

    def generate(self, batch: Batch) -> RgbPrediction:
        """Reconstruct the images of a batch with Chroma-VQGAN, without clipping RGB."""
        rgb, quantized = self.model.network.vqgan(2 * batch["rgb"] - 1)
        extras = {"codebook": quantized.loss, "perplexity": quantized.perplexity}
        return RgbPrediction(rgb=(rgb + 1) / 2, extras=extras)

    def generator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the weighted sum of the generator losses, and log each unweighted loss."""
        rgb, target = 2 * generated.rgb - 1, 2 * batch["rgb"] - 1
        terms = generator_terms(rgb, target, generated.extras["codebook"], self.lpips, self.discriminator)
        self.log_losses({**terms, "perplexity": generated.extras["perplexity"]}, len(rgb))
        return generator_total(
            terms,
            perceptual_weight=self.perceptual_weight,
            codebook_weight=self.codebook_weight,
            adversarial_weight=self.adversarial_weight * self.adversarial_factor(),
        )

    def discriminator_loss(self, batch: Batch, generated: RgbPrediction) -> Tensor:
        """Return the discriminator's hinge loss, or 0 before step ``disc_start``."""
        real, fake = (self.discriminator(2 * rgb - 1) for rgb in (batch["rgb"], generated.rgb))
        return self.adversarial_factor() * discriminator_hinge(real, fake)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the L1 error of reconstructions as ``val/l1``; compute no colorization metrics."""
        distance = F.l1_loss(self.generate(batch).rgb, batch["rgb"])
        self.log("val/l1", distance, batch_size=len(batch["rgb"]), sync_dist=True)

    def adversarial_factor(self) -> float:
        """Return the factor of the adversarial losses: 1 from step ``disc_start`` on, else 0."""
        return float(self.global_step >= self.disc_start)
