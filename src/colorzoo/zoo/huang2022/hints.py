"""Hints as colors of cells: those of points and strokes, and those that an exemplar gives.

A cell is a square of 16 x 16 pixels of the network's picture. Colors are RGB in [0, 255] here, as published.

Hints of an exemplar: the matching of Zhang et al. 2019, unchanged, at the authors' size.

Picture and exemplar are squashed to 432 x 768, of which half the size is matched.

Simulated users of the transformer's training: masked cells, and colors of some of them as hints.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.networks.exemplar_features import Trunk
from colorzoo.networks.matching import STRIDE, WarpNet, unit_features
from colorzoo.settings import Natural, Share
from colorzoo.zoo.huang2022.transformer import Hints
from colorzoo.zoo.huang2022.vqgan import CELL

Cell = tuple[int, int]
Color = tuple[float, float, float]
Pixels = NDArray[np.uint8]

_SURE, _AT_LEAST = 0.23, 5  # similarity of an exemplar that is sure enough, and cells that get hints anyway


@dataclass(frozen=True)
class CellColor:
    """The hint of a cell.

    Attributes:
        cell: Row and column.
        rgb: Its color, 0 to 255.
    """

    cell: Cell
    rgb: Color


def to_hints(found: Sequence[CellColor]) -> Hints:
    """Return the hints of a picture as the transformer reads them."""
    if not found:
        return Hints.none()
    cells = torch.from_numpy(np.array([(0, *each.cell) for each in found]))
    rgb = torch.from_numpy(np.array([each.rgb for each in found], np.float32))
    return Hints(cells, rgb / 255 * 2 - 1)


def exemplar_hints(warped: NDArray[np.uint8], similarity: NDArray[np.float32]) -> list[CellColor]:
    """Return the hints of an exemplar: the mean colors of the cells that it resembles.

    Args:
        warped: ``(H, W, 3)``, the exemplar's colors at the places of the network's picture.
        similarity: ``(h, w)`` cosines of the match.
    """
    rows, columns = warped.shape[0] // CELL, warped.shape[1] // CELL
    small = shrink_similarity(similarity, (rows, columns))
    least = min(_SURE, float(np.sort(small, axis=None)[-min(_AT_LEAST, small.size)]))
    means = warped.reshape(rows, CELL, columns, CELL, 3).astype(np.float64).mean(axis=(1, 3))
    found = []
    for row, column in np.argwhere(small >= least):
        red, green, blue = means[row, column]
        found.append(CellColor((int(row), int(column)), (float(red), float(green), float(blue))))
    return found


def shrink_similarity(similarity: NDArray[np.float32], cells: Cell) -> NDArray[np.float32]:
    """Return the similarity of rows and columns of cells, bilinear without antialiasing, as published."""
    large = similarity.repeat(4, axis=0).repeat(4, axis=1)
    shrunk = cv2.resize(large, (cells[1], cells[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(shrunk, dtype=np.float32)


def to_levels(rgb: Tensor) -> Pixels:
    """Return levels ``(H, W, 3)`` of a network's picture ``(3, H, W)``; they are cut, not rounded."""
    shown = ((rgb.detach().float().clamp(-1, 1) + 1) / 2 * 255).permute(1, 2, 0)
    return shown.cpu().numpy().astype(np.uint8)


def resized(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """Return a picture at another height and width, bicubic."""
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def frequent_color(patch: NDArray[np.uint8]) -> Color:
    """Return the most frequent color of ``(h, w, 3)``; among equally frequent ones the smallest."""
    colors, counts = np.unique(patch.reshape(-1, 3), axis=0, return_counts=True)
    red, green, blue = colors[counts.argmax()].tolist()
    return red, green, blue


_TAU = 0.01
_BOOST = 1.25  # of the warped ab
_HALF = 2


class WarpedExemplar(NamedTuple):
    """An exemplar at the places of a picture.

    Attributes:
        lab: ``(B, 3, h, w)``, a place for eight pixels of the squashed picture.
        similarity: ``(B, 1, h, w)`` cosines.
        lightness: ``(B, 1, H, W)``, the lightness of the squashed picture.
    """

    lab: Tensor
    similarity: Tensor
    lightness: Tensor

    def picture(self) -> Tensor:
        """Return RGB ``(B, 3, H, W)`` in [0, 1]: the picture in the warped colors, which are raised."""
        # as published: nearest to half the size, then bilinear
        ab = F.interpolate(self.lab[:, 1:], scale_factor=STRIDE)
        ab = F.interpolate(ab, scale_factor=_HALF, mode="bilinear")
        return lab_to_rgb(torch.cat([self.lightness, _BOOST * ab], dim=1))


class Matcher(nn.Module):
    """The frozen matching of Zhang et al. 2019.

    Args:
        features: Its trunk.
        correspondence: Makes the maps that are matched from the trunk's.
    """

    def __init__(self, features: Trunk, correspondence: WarpNet) -> None:
        super().__init__()
        self.features, self.correspondence = features, correspondence

    def forward(self, lightness: Tensor, exemplar: Tensor) -> WarpedExemplar:
        """Warp an exemplar.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100], sides multiples of 16.
            exemplar: RGB ``(B, 3, H, W)`` in [0, 1].
        """
        small = F.avg_pool2d(lightness, _HALF)
        lab = F.avg_pool2d(rgb_to_lab(exemplar), _HALF)
        ours, theirs = (
            self.correspondence(unit_features(each.taps))
            for each in (self.features.of_lightness(small), self.features.of_rgb(lab_to_rgb(lab)))
        )
        found = self.correspondence.warp(ours, theirs, F.avg_pool2d(lab, STRIDE), tau=_TAU)
        return WarpedExemplar(found.values, found.similarity, lightness)


SEEN, MASKED, CANDIDATE = 1, 0, -1
"""A cell whose code is known, one that is masked, and a masked one that may get a hint."""

_REGION = 10  # side of a superpixel in pixels, OpenCV's default
_ITERATIONS = 5
_CELLS_PER_HINT = 8


@dataclass(frozen=True)
class Users:
    """Settings of the simulated users.

    Attributes:
        everything: Share of the training pictures all of whose cells are masked.
        fewest: Smallest number of masked cells of the others; the number is uniform.
        strokes: Largest number of cells that may get hints.
        hinted: Share of the training pictures with hints.
    """

    everything: Share = 0.05
    fewest: Natural = 16
    strokes: Natural = 16
    hinted: Share = 0.7


class Draws(Protocol):
    """Random numbers of a picture, as numpy's `RandomState` draws them."""

    def random(self) -> float:
        """Return a number in [0, 1)."""

    def randint(self, low: int, high: int) -> int:
        """Return a whole number in [low, high)."""

    def permutation(self, length: int) -> Any:
        """Return the numbers below a length in random order."""


def draw_mask(
    modes: random.Random, numbers: np.random.RandomState, shape: tuple[int, int], users: Users
) -> NDArray[np.int8]:
    """Draw which cells of a training picture are masked, in the authors' order of draws.

    Args:
        modes: Draws the kind of the mask.
        numbers: Draws the cells.
        shape: Rows and columns.
        users: The simulated users.

    Returns:
        ``(rows, columns)`` of `SEEN`, `MASKED` and `CANDIDATE`.
    """
    count = shape[0] * shape[1]
    (full,) = modes.choices((True, False), weights=(users.everything, 1 - users.everything))
    if full:
        masked = np.arange(count)
    else:
        size = numbers.randint(min(users.fewest, count - 1), count)
        masked = numbers.permutation(count)[:size]
    mask = np.full(count, SEEN, dtype=np.int8)
    mask[masked] = MASKED
    mask[numbers.permutation(masked)[: users.strokes]] = CANDIDATE
    return mask.reshape(shape)


def choose_candidates(mask: NDArray[np.int8], draws: Draws, users: Users) -> list[int]:
    """Return which candidates of a mask get hints, counted row by row.

    Of a mask with few cells only the first candidates are among them, as published.
    """
    if draws.random() > users.hinted:
        return []
    limit = most_hints(mask, users)
    count = draws.randint(1, limit + 1)
    return [int(index) for index in draws.permutation(limit)[:count]]


def most_hints(mask: NDArray[np.int8], users: Users) -> int:
    """Return the largest number of hints of a mask."""
    return max(1, min(users.strokes, int((mask != SEEN).sum()) // _CELLS_PER_HINT))


def candidate_cells(mask: NDArray[np.int8]) -> list[tuple[int, int]]:
    """Return row and column of the candidates, row by row."""
    return [(int(row), int(column)) for row, column in np.argwhere(mask == CANDIDATE)]


def patch_color(superpixels: NDArray[np.uint8], cell: tuple[int, int]) -> NDArray[np.float32]:
    """Return the most frequent color ``(3,)`` of a cell in [-1, 1]."""
    row, column = (CELL * each for each in cell)
    patch = superpixels[row : row + CELL, column : column + CELL]
    return np.asarray(np.divide(frequent_color(patch), 255) * 2 - 1, dtype=np.float32)


def superpixels_of(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture ``(H, W, 3)`` whose superpixels have their mean colors, cut to whole levels.

    The authors take them from OpenCV's contributed modules; these are scikit-image's, by the same algorithm.
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
    counts = np.bincount(labels)[:, None]
    sums = np.stack([np.bincount(labels, rgb[..., channel].ravel()) for channel in range(3)], axis=1)
    return np.asarray((sums / counts).astype(np.uint8)[labels].reshape(rgb.shape))


def simulate(rgb: Tensor, seeds: Sequence[int], shape: tuple[int, int], users: Users) -> tuple[Tensor, Hints]:
    """Draw masks and hints of a training batch.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1], cells of 16 pixels.
        seeds: The pictures' own seeds.
        shape: Rows and columns.
        users: The simulated users.

    Returns:
        Masks ``(B, rows, columns)`` and hints, on the device of the pictures.
    """
    masks, cells, colors = [], [], []
    levels = (rgb.detach().float() * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    for picture, seed in enumerate(seeds):
        numbers: Any = np.random.RandomState(seed % 2**32)
        mask = draw_mask(random.Random(seed), numbers, shape, users)
        masks.append(torch.from_numpy(mask))
        if chosen := choose_candidates(mask, numbers, users):
            superpixels, candidates = superpixels_of(levels[picture]), candidate_cells(mask)
            for cell in (candidates[index] for index in chosen):
                cells.append((picture, *cell))
                colors.append(torch.from_numpy(patch_color(superpixels, cell)))
    hints = Hints(torch.tensor(cells, device="cpu"), torch.stack(colors)) if cells else Hints.none(rgb.device)
    return torch.stack(masks).to(rgb.device), hints.to(rgb.device)
