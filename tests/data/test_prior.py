"""The color prior of a data set."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.color import hull_centers, lab_to_rgb
from colorzoo.errors import ColorzooError
from colorzoo.factory import build_model
from colorzoo.zoo.zhang2016.task import Zhang2016, read_prior


def flat_image(path: Path, ab: tuple[float, float], size: tuple[int, int]) -> None:
    lab = torch.tensor([60.0, *ab]).view(3, 1, 1)
    rgb = (lab_to_rgb(lab)[:, 0, 0] * 255).round().byte().tolist()
    Image.new("RGB", size, tuple(rgb)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    flat_image(images / "a.png", (0.0, 0.0), (64, 64))
    flat_image(images / "b.png", (40.0, 30.0), (300, 200))
    return images


def test_data_prior_weights_images_equally_and_zhang2016_reads_the_file(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "prior.npy"
    assert main(["data", "prior", str(folder), "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"{out} (2 images)\n"
    frequencies = np.load(out)
    expected = torch.zeros(313, dtype=torch.float64)
    for color in ((0.0, 0.0), (40.0, 30.0)):
        expected += 0.5 * (hull_centers() == torch.tensor(color)).all(dim=1)
    apart = torch.cdist(hull_centers(), hull_centers()).double().numpy()
    kernel = np.exp(-(apart**2) / 50)  # with a standard deviation of 5 CIE units
    np.testing.assert_allclose(
        frequencies, expected.numpy() @ (kernel / kernel.sum(axis=1, keepdims=True)), atol=1e-9
    )
    weights = build_model(Zhang2016, {"width": 0.125, "prior": str(out)}).class_weights
    rare = 1 / (0.5 * frequencies + 0.5 / 313)
    np.testing.assert_allclose(weights, rare / (rare @ frequencies), rtol=1e-5)


def test_data_prior_skips_and_reports_broken_images(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "c.jpg").write_bytes(b"\xff\xd8 no more")
    assert main(["data", "prior", str(folder), "-o", str(folder / "p.npy")]) == 1
    assert capsys.readouterr() == (
        f"{folder / 'p.npy'} (2 images)\n",
        f"skipped {folder / 'c.jpg'}: the file cannot be read\n",
    )


def test_zhang2016_raises_for_invalid_or_missing_prior(tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", np.ones(10) / 10)
    for name in ("short.npy", "missing.npy"):
        with pytest.raises(Exception, match="colorzoo data prior"):
            build_model(Zhang2016, {"width": 0.125, "prior": str(tmp_path / name)})


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"text"])
def test_damaged_prior_files_are_reported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "prior.npy").write_bytes(content)
    with pytest.raises(ColorzooError, match=r"prior\.npy.* cannot be read"):
        read_prior(str(tmp_path / "prior.npy"))
