"""Simulated users of the transformer's training: masked cells, and colors of some of them as hints."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.settings import Natural, Share
from colorzoo.zoo.huang2022.hints import frequent_color
from colorzoo.zoo.huang2022.transformer import Hints
from colorzoo.zoo.huang2022.vqgan import CELL

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
