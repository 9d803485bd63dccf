"""Lightness error of results, as documented in docs/colorize.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.color import rgb_to_lab
from colorzoo.image_io.read import read_image
from tiny_model import gray_image, write_tiny_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = write_tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")
    return ["--weights", str(path), "--device", "cpu"]


def lightness(path: Path) -> torch.Tensor:
    return rgb_to_lab(torch.from_numpy(read_image(path).rgb).permute(2, 0, 1))[0]


def lightness_change(source: Path, result: Path) -> float:
    return float((lightness(result) - lightness(source)).abs().max())


@pytest.mark.parametrize(("extension", "depth", "most"), [("png", 8, 0.3), ("tif", 16, 0.01)])
def test_lightness_changes_only_by_rounding(
    tmp_path: Path, weights: list[str], extension: str, depth: int, most: float
) -> None:
    gray = gray_image(60, 80)
    gray[:10] = np.arange(80) * 3  # dark to light, in steps
    source = tmp_path / f"a.{extension}"
    Image.fromarray(gray if depth == 8 else gray.astype(np.uint16) * 257).save(source)
    assert main(["colorize", str(source), "--point", "40,30=red", "--strength", "1.5", *weights]) == 0
    assert 0 < lightness_change(source, tmp_path / f"a.color.{extension}") <= most


def test_jpeg_input_keeps_lightness_in_a_lossless_format(tmp_path: Path, weights: list[str]) -> None:
    source = tmp_path / "a.jpg"
    edges = np.where(np.random.default_rng(0).random((60, 80)) < 0.5, 20, 230).astype(np.uint8)
    Image.fromarray(edges).save(source, quality=80)
    for _ in range(2):  # the second run must recognize the result of the first run
        assert main(["colorize", str(tmp_path), "--format", "png", *weights]) == 0
        assert {path.name for path in tmp_path.iterdir()} == {"a.jpg", "a.color.png"}
    assert lightness_change(source, tmp_path / "a.color.png") <= 0.3
    assert main(["colorize", str(source), *weights]) == 0
    assert lightness_change(source, tmp_path / "a.color.jpg") > 0.3
