"""Color hints for cells, computed from points or an exemplar, or simulated for training.

A cell is a square of 16 x 16 pixels of the network input. The colors of `Hints`, the transformer input, are
RGB in [-1, 1].

The network of Zhang et al. 2019 matches exemplars. As in the published code, image and exemplar are resized
to 432 x 768 pixels and matched at half this size.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.guidance import Points
from colorzoo.networks.exemplar_features import Trunk
from colorzoo.networks.matching import STRIDE, WarpNet, unit_features
from colorzoo.networks.scaling import membership
from colorzoo.randomness import stream_seed
from colorzoo.settings import Fraction, PositiveInt
from colorzoo.zoo.huang2022.extensions import small_points
from colorzoo.zoo.huang2022.transformer import Hints
from colorzoo.zoo.huang2022.vqgan import CELL

Cell = tuple[int, int]
Pixels = NDArray[np.uint8]

_MIN_PIXELS = 12  # minimum number of covered pixels, of 256, in a hinted cell, as published
_MIN_SIMILARITY = 0.23  # for exemplar hints
_MIN_HINTS = 5  # cells that get an exemplar hint, even if their similarity is lower


def point_hints(lightness: Tensor, points: Points, cells: tuple[int, int]) -> Hints:
    """Convert color points to cell hints, each with the mean color of the cell's points.

    A cell gets a hint if points cover at least 12 of its 256 pixels; for smaller points, see `small_points`.

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
    is_hinted = ((covered >= _MIN_PIXELS) | small_points(covered))[:, 0]
    rgb = lab_to_rgb(lab_sum / count.clamp(min=1)).permute(0, 2, 3, 1)
    return Hints(is_hinted.nonzero(), 2 * rgb[is_hinted] - 1)


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


_TAU = 0.01
_BOOST = 1.25  # factor on the warped ab
_HALF = 2


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


SEEN, MASKED, CANDIDATE = 1, 0, -1
"""Cell states: known code, masked code, or masked code with a possible hint (candidate)."""

_REGION = 10  # superpixel side in pixels, the default of OpenCV
_ITERATIONS = 5
_CELLS_PER_HINT = 8


@dataclass(frozen=True)
class Users:
    """Settings of the masked cells and simulated hints in training.

    The transformer predicts the color codes of masked cells.

    Attributes:
        everything: Fraction of the training images in which all cells are masked.
        fewest: Minimum number of masked cells in other training images.
        strokes: Maximum number of hints in a training image.
        hinted: Fraction of the training images that have hints.
    """

    everything: Fraction = 0.05
    fewest: PositiveInt = 16
    strokes: PositiveInt = 16
    hinted: Fraction = 0.7


def draw_mask(
    mode_draws: random.Random, cell_draws: np.random.RandomState, shape: tuple[int, int], users: Users
) -> NDArray[np.int8]:
    """Draw the cell states of a training image.

    All cells are masked with probability ``users.everything``; otherwise, a random number of cells is masked.
    The order of random draws matches the authors' code.

    Args:
        mode_draws: Random generator for the choice between some and all cells.
        cell_draws: Random generator for the selection of masked cells and candidates.
        shape: Rows and columns of the cell grid.
        users: Settings of the masked cells and simulated hints.

    Returns:
        Cell states ``(rows, columns)``: `SEEN` (known code), `MASKED` (code to predict) or `CANDIDATE`
        (masked cell that can receive a hint).
    """
    cell_count = shape[0] * shape[1]
    (masks_all,) = mode_draws.choices((True, False), weights=(users.everything, 1 - users.everything))
    if masks_all:
        masked_cells = np.arange(cell_count)
    else:
        masked_count = cell_draws.randint(min(users.fewest, cell_count - 1), cell_count)
        masked_cells = cell_draws.permutation(cell_count)[:masked_count]
    candidates = cell_draws.permutation(masked_cells)[: users.strokes]
    states = np.full(cell_count, SEEN, dtype=np.int8)
    states[masked_cells] = MASKED
    states[candidates] = CANDIDATE
    return states.reshape(shape)


def choose_candidates(mask: NDArray[np.int8], draws: np.random.RandomState, users: Users) -> list[int]:
    """Select the cells that receive a hint, or no cells if the image gets no hints.

    If few cells are masked, only the first candidates can be selected, as in the authors' code.

    Args:
        mask: Cell states ``(rows, columns)`` from `draw_mask`.
        draws: Random generator.
        users: Settings of the masked cells and simulated hints.

    Returns:
        Indices of the selected cells in the list that `candidate_cells` returns.
    """
    if draws.random() > users.hinted:
        return []
    masked = int((mask != SEEN).sum())
    limit = max(1, min(users.strokes, masked // _CELLS_PER_HINT))
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


def patch_colors(rgb: Pixels, cells: Sequence[Cell]) -> list[NDArray[np.float32]]:
    """Return the color from `patch_color` for each cell of an image ``(H, W, 3)``."""
    if not cells:
        return []
    superpixels = superpixels_of(rgb)
    return [patch_color(superpixels, cell) for cell in cells]


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


def simulate(rgb: Tensor, seeds: Sequence[int], shape: tuple[int, int], users: Users) -> tuple[Tensor, Hints]:
    """Draw random cell states and hints for a training batch.

    Args:
        rgb: Training images ``(B, 3, H, W)`` in [0, 1], whose colors become the hints.
        seeds: Per-image seeds.
        shape: Rows and columns of the cell grid: H / 16 and W / 16.
        users: Settings of the masked cells and simulated hints.

    Returns:
        Cell states ``(B, rows, columns)`` as in `draw_mask`, and hints; both are on the device of ``rgb``.
    """
    states, hint_cells, hint_colors = [], [], []
    images = (rgb.detach().float() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    for index, (image, seed) in enumerate(zip(images, seeds, strict=True)):
        image_states, hinted_cells = _simulate_cells(seed, shape, users)
        states.append(torch.from_numpy(image_states))
        hint_cells += [(index, row, column) for row, column in hinted_cells]
        hint_colors += patch_colors(image, hinted_cells)
    hints = Hints.none()
    if hint_cells:
        hints = Hints(torch.tensor(hint_cells, device="cpu"), torch.from_numpy(np.stack(hint_colors)))
    return torch.stack(states).to(rgb.device), hints.to(rgb.device)


def _simulate_cells(seed: int, shape: Cell, users: Users) -> tuple[NDArray[np.int8], list[Cell]]:
    """Draw the cell states of a training image and the cells that receive a hint."""
    modes = random.Random(stream_seed("mask", seed))
    numbers: Any = np.random.RandomState(stream_seed("hints", seed) % 2**32)
    states = draw_mask(modes, numbers, shape, users)
    candidates = candidate_cells(states)
    hinted_cells = [candidates[number] for number in choose_candidates(states, numbers, users)]
    return states, hinted_cells
