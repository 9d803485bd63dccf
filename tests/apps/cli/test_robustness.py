"""Robustness of the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.network import States
from tiny_model import Run, gray_image, tiny_model


def test_all_frames_are_colorized_by_default(run: Run, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(gray_image(30, 40), 9 * k, 1)) for k in range(3)]
    source = tmp_path / "a.gif"
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=[50, 70, 90], loop=0)
    assert run(source)[1].startswith(f"{tmp_path / 'a.color.gif'} (3 frames; ")
    with Image.open(tmp_path / "a.color.gif") as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            found.append(image.info["duration"])
            assert np.ptp(np.asarray(image.convert("RGB")).astype(int), axis=2).max() > 5
    assert found == [50, 70, 90]
    code, _, err = run(source, "--frames", "first")
    assert (code, "--overwrite" in err) == (2, True)
    assert "first of 3 frames" in run(source, "--frames", "first", "--overwrite")[1]
    with Image.open(tmp_path / "a.color.gif") as image:
        assert image.n_frames == 1
    assert "first of 3 frames" in run(source, "-o", tmp_path / "still.jpg")[1]


@pytest.mark.parametrize("starts_in_color", [False, True])
def test_colors_of_any_page_are_reported(run: Run, tmp_path: Path, starts_in_color: bool) -> None:
    gray = Image.fromarray(gray_image(30, 40))
    colors = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    color = Image.fromarray(colors).resize(gray.size, Image.Resampling.BICUBIC)
    first, second = (color, gray) if starts_in_color else (gray, color)
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second])
    subject = "the input" if starts_in_color else "one of the pages"
    printed = run(tmp_path / "a.tif")[1]
    assert printed.count("already in color") == 1
    assert f"{subject} was already in color; its colors were not used" in printed


def test_the_tint_of_several_pages_is_reported_once(run: Run, tmp_path: Path) -> None:
    gray = gray_image(30, 40)[..., None]
    sepia = Image.fromarray((gray * [1.0, 0.93, 0.8]).astype(np.uint8))
    sepia.save(tmp_path / "a.tif", save_all=True, append_images=[sepia])
    assert run(tmp_path / "a.tif")[1].count("sepia tint dropped") == 1


def test_nan_in_low_precision_is_recomputed_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    colorizer, real, seen = Colorizer(model, device="cpu", precision="bfloat16"), model.forward, []

    def forward(*arguments: Any) -> Any:
        prediction = real(*arguments)
        seen.append(torch.is_autocast_enabled("cpu"))
        return prediction.with_colors(prediction.colors * float("nan")) if seen[-1] else prediction

    monkeypatch.setattr(model, "forward", forward)
    image = read_image(gray_image(30, 40))
    assert np.isfinite(colorizer.colorize(image).rgb).all()
    assert seen == [True, False]

    states: States = {}  # of another image
    for _ in range(2):
        colorizer.predict(100 * torch.rand(1, 1, 30, 40), Guidance(), states)
    assert seen[2:] == [True, False, False]
    assert list(states) == [torch.float32]


def test_failed_system_of_equations_in_float32_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    monkeypatch.setattr(model, "forward", lambda *_: torch.linalg.inv(torch.zeros(2, 2)))
    for precision in ("bfloat16", "float32"):
        colorizer = Colorizer(model, device="cpu", precision=precision)
        with pytest.raises(ColorzooError, match=r"equations in float32 \(linalg.inv: .*singular"):
            colorizer.predict(100 * torch.rand(1, 1, 30, 40), Guidance())


@pytest.mark.nightly
def test_memory_is_bounded_by_the_number_of_pixels(weights: Path, tmp_path: Path) -> None:
    """docs/colorize.md states the limit for 100 megapixels; it is measured with 25 megapixels."""
    Image.new("L", (5000, 5000), 90).save(tmp_path / "large.jpg")
    Image.new("L", (50, 50), 90).save(tmp_path / "small.jpg")

    def peak(name: str) -> int:
        code = (
            "import resource, sys; from colorzoo.apps.cli.main import main; "
            f"main(['colorize', {str(tmp_path / name)!r}, '--weights', {str(weights)!r}]); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
        )
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        return int(done.stdout.splitlines()[-1])

    assert (peak("large.jpg") - peak("small.jpg")) / 5000**2 < 45  # bytes per pixel
