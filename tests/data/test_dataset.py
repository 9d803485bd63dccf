"""Squares of images, and the data set of plain sources."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from colorzoo.data.dataset import read_squares


def test_squares_are_central_and_evenly_spaced(tmp_path: Path) -> None:
    for number in range(10):
        image = Image.new("RGB", (120, 60), (255, 0, 0))
        image.paste((20 * number, 0, 0), (30, 0, 90, 60))  # the center identifies the image
        image.save(tmp_path / f"{number}.png")
    squares = list(read_squares(tmp_path, 30, 3))
    assert [tuple(square.shape) for square in squares] == [(3, 30, 30)] * 3
    assert [round(float(square[0, 15, 15]) * 255) for square in squares] == [0, 60, 120]
    assert torch.stack(squares)[:, 1:].max() == 0
