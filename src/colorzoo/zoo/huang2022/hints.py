"""Hints as colors of cells: those of points and strokes, and those that an exemplar gives.

A cell is a square of 16 x 16 pixels of the network's picture. Colors are RGB in [0, 255] here, as published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

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
