"""int8 graphs: made once, close to float32, refused if they are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from skimage import data
from skimage.color import lab2rgb, rgb2lab
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

from colorzoo import Colorizer, Guidance
from colorzoo.cli.main import main
from colorzoo.engines import int8
from colorzoo.engines.int8 import Int8Model
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import Points
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.testing import sample_input
from tiny_model import gray_picture, write_tiny_weights


class Brush(ColoringModel):
    """Two convolutions of the lightness."""

    accepts = frozenset(["points"])
    working_size = 64

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            layers = torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 2, 3, padding=1)
        super().__init__(torch.nn.Sequential(*layers))
        self.trained = True

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        return AbPrediction(ab=self.network(lightness - 50))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLORZOO_HOME", str(path))
        yield path


@pytest.fixture
def quantized(home: Path) -> Colorizer:
    return Colorizer(Brush(), engine="onnxruntime", precision="int8")


@torch.inference_mode()
def test_colors_are_near_and_the_graph_is_made_once(
    home: Path, quantized: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lightness = torch.linspace(5, 95, 41 * 66).reshape(1, 1, 41, 66)
    found, exact = quantized.predict(lightness, Guidance()).to_ab(), Brush()(lightness).ab
    apart = (found - exact).abs()
    assert 1e-3 < apart.mean() < 0.2 * exact.abs().mean()  # eight bits: neither the same nor far
    (path,) = (home / "graphs").iterdir()
    scales = {tuple(each.dims) for each in onnx.load(path).graph.initializer if each.name.endswith("_scale")}
    assert scales == {(), (8,), (2,)}  # of activations, and of the weights by channel
    monkeypatch.setattr(int8, "quantize", lambda *_: pytest.fail("made again"))
    again = Colorizer(Brush(), engine="onnxruntime", precision="int8")
    assert torch.equal(again.predict(lightness, Guidance()).to_ab(), found)


def test_guidance_is_refused_in_one_line(quantized: Colorizer) -> None:
    lightness = sample_input("gray", (20, 24))
    with pytest.raises(GuidanceError, match=r"^int8 colors without guidance, got points; leave out"):
        quantized.predict(lightness, Guidance(points=Points.none(lightness))).to_ab()


def test_a_graph_that_loses_too_much_is_not_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8, "mean_psnr", lambda graph, _: {True: 24.0, False: 23.7}[graph == "float32"])
    monkeypatch.setattr(int8, "load_onnx", lambda path, _: path.stem)
    monkeypatch.setattr(int8, "quantize", lambda plain, out, _: out.write_bytes(plain.read_bytes()))
    with pytest.raises(ColorzooError, match=r"^worse loses 0\.30 dB in int8, more than 0\.2; leave out"):
        Int8Model(Brush(), "worse")(sample_input("gray", (20, 24)), Guidance())
    assert not list((home / "graphs").glob("*worse*"))


def test_calibration_uses_the_same_photos_everywhere() -> None:
    for name in (*int8.COLORED, *int8.GRAY):
        stored = np.atleast_3d(getattr(data, name)())
        wanted = np.broadcast_to(stored, (*stored.shape[:2], 3)) / 255
        np.testing.assert_allclose(int8.calibration_photo(name)[0].permute(1, 2, 0), wanted, atol=1e-6)
    stripes = torch.tensor([0.0, 1.0]).repeat(75).expand(1, 3, 100, -1)
    for picture, size in ((stripes, (40, 60)), (stripes.mT, (60, 40))):
        small = int8.resized(picture, 40)
        assert small.shape[-2:] == size
        assert (small[..., 2:-2, 2:-2] - 0.5).abs().max() < 0.2  # stripes become gray, not wider ones
    parts = list(int8.quarters(torch.arange(16.0).reshape(1, 1, 4, 4)))
    assert [float(part.mean()) for part in parts] == [2.5, 4.5, 10.5, 12.5]
    coffee, cat = (int8.resized(int8.calibration_photo(name), 32) for name in ("coffee", "chelsea"))
    gray = {"ab": torch.zeros(1, 2, *coffee.shape[-2:])}
    expected = []
    for photo in (coffee, cat):
        without = lab2rgb(rgb2lab(photo[0].permute(1, 2, 0).numpy()) * [1, 0, 0])
        expected.append(peak_signal_noise_ratio(photo[0].permute(1, 2, 0).numpy(), without, data_range=1))
    assert coffee.shape == cat.shape
    assert int8.mean_psnr(lambda _: gray, [coffee, cat]) == pytest.approx(np.mean(expected), abs=0.01)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"model": "zhang2016_small"}, "needs the engine onnxruntime"),
        ({"model": "zhang2016_small", "engine": "onnxruntime"}, r"zhang2016_small loses 0\.79 dB in int8"),
        (
            {"model": "zhang2017_global_small", "engine": "onnxruntime"},
            "the loss of zhang2017_global_small in int8 was not measured",
        ),
        ({"model": "cho2023_small", "engine": "onnxruntime"}, "paints sketches, int8 is for photos"),
    ],
)
def test_models_that_cannot_run_in_int8_are_refused_in_one_line(asked: dict[str, str], reason: str) -> None:
    with pytest.raises(ColorzooError, match=reason) as caught:
        Colorizer(precision="int8", **asked)
    assert "\n" not in str(caught.value)


def test_a_result_of_float32_is_not_one_of_int8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(gray_picture(40, 56)).save(tmp_path / "old.png")
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    command = ["colorize", str(tmp_path / "old.png"), "--weights", str(weights)]
    assert main(command) == 0
    assert main([*command, "--engine", "onnxruntime", "--precision", "float32", "--dry-run"]) == 0
    assert "is already there" in capsys.readouterr().out
    assert main([*command, "--engine", "onnxruntime", "--precision", "int8"]) == 2
    assert "exists already, made with other settings" in "".join(capsys.readouterr())
