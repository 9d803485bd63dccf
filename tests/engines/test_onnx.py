"""ONNX Runtime engine: results equal PyTorch, and graphs are cached."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo import Colorizer, Guidance
from colorzoo.engines import onnx as engines
from colorzoo.engines.onnx import OnnxModel
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import Boxes, Exemplar, Points
from colorzoo.image_io.read import read_image
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.testing import sample_guidance, sample_input
from tiny_model import gray_image, write_tiny_weights

SHADES = 1.01 / 255  # maximum difference of a pixel
POINTS = {"points": [{"x": 30, "y": 20, "color": "#c04020"}]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORZOO_HOME", str(home))


class Brush(ColoringModel):
    """One convolution of lightness and points, with a distribution at a quarter of the size."""

    accepts = frozenset(["points"])

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            super().__init__(torch.nn.Conv2d(4, 2, 3, padding=1))
        self.trained = True

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        points = (guidance and guidance.points) or Points.none(lightness)
        ab = self.network(torch.cat([lightness - 50, points.ab, points.mask], dim=1))
        logits = F.avg_pool2d(ab, 4, ceil_mode=True).repeat(1, 265, 1, 1)[:, :529]
        return AbPrediction(ab=ab, extras={"logits": logits})


def colorizers() -> tuple[Colorizer, Colorizer]:
    """Return a PyTorch and an ONNX Runtime colorizer in float32; the default may be bfloat16."""
    return Colorizer(Brush(), device="cpu", precision="float32"), Colorizer(Brush(), engine="onnxruntime")


@pytest.mark.parametrize("recipe", [None, POINTS], ids=["automatic", "points"])
def test_onnxruntime_pixels_equal_torch_and_graphs_are_cached(
    home: Path, monkeypatch: pytest.MonkeyPatch, recipe: dict | None
) -> None:
    torch_way, graph_way = colorizers()
    image = read_image(gray_image(75, 58))
    expected, found = (each.colorize(image, recipe) for each in (torch_way, graph_way))
    assert float(np.abs(found.rgb - expected.rgb).max()) < SHADES
    assert np.ptp(expected.rgb, axis=2).max() > 0.1  # the result has color
    kept = sorted((home / "graphs").iterdir())
    assert all(path.suffix == ".onnx" for path in kept)
    monkeypatch.setattr(engines, "write_graph", lambda *_: pytest.fail("a graph was exported again"))
    again = colorizers()[1].colorize(image, recipe)
    np.testing.assert_array_equal(again.rgb, found.rgb)
    assert sorted((home / "graphs").iterdir()) == kept
    if recipe is None:
        lightness = sample_input("gray", (41, 66))
        logits = [each.predict(lightness, Guidance()).extras["logits"] for each in colorizers()]
        assert logits[1].shape == (1, 529, 11, 17)
        torch.testing.assert_close(logits[1], logits[0], atol=1e-3, rtol=1e-3)


def test_graph_key_depends_on_weights_and_guidance_kinds_but_not_on_size() -> None:
    model = Brush()
    key_of = OnnxModel(model, "tiny").graph_key
    before = key_of(Guidance())
    others = [sample_guidance([kind], (40, 48)) for kind in ("points", "exemplar", "boxes")]
    fewer = Guidance(boxes=Boxes(others[-1].boxes.corners[:, :1], others[-1].boxes.given[:, :1]))
    assert len({before, *map(key_of, [*others, fewer])}) == 5
    assert key_of(others[0]) == key_of(sample_guidance(["points"], (20, 24), batch=3))
    assert OnnxModel(Brush(), "tiny").graph_key(Guidance()) == before
    with torch.no_grad():
        model.network.bias[0] += 1e-6
    assert OnnxModel(model, "tiny").graph_key(Guidance()) != before


def test_damaged_graph_is_exported_again(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    lightness = sample_input("gray", (20, 24))
    found = colorizers()[1].predict(lightness, Guidance()).to_ab()
    for path in (home / "graphs").iterdir():
        path.write_bytes(path.read_bytes()[:-1000])
    torch.testing.assert_close(colorizers()[1].predict(lightness, Guidance()).to_ab(), found)


def test_errors_of_the_onnxruntime_engine_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("model", "su2020_small"), ("precision", "bfloat16"), ("device", "cuda")):
        with pytest.raises(ColorzooError, match=rf"--{name}|{value}") as caught:
            Colorizer(**{"model": Brush(), "engine": "onnxruntime", name: value})
        assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ColorzooError, match=r"pip install 'colorzoo\[export\]'"):
        Colorizer(Brush(), engine="onnxruntime")


@pytest.mark.parametrize("difference", [engines.TOLERANCE, 1.2 * engines.TOLERANCE])
def test_graph_that_differs_from_the_model_at_other_sizes_is_not_cached(
    difference: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[tuple[Tensor, Guidance]] = []

    def write(_: object, traced: Any, others: Any, path: Path, __: object) -> SimpleNamespace:
        seen.extend([traced, *others])
        path.touch()
        return SimpleNamespace(differences={(64, 96): 0.0, (37, 53): difference})

    rgb = torch.rand(1, 3, 20, 24)
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path))
    monkeypatch.setattr(engines, "write_graph", write)
    monkeypatch.setattr(engines, "load_onnx", lambda *_: lambda _: {"rgb": rgb, "more": rgb})
    painter = Brush()
    painter.accepts, painter.output_kind = frozenset(["points", "exemplar"]), "rgb"
    given = sample_guidance(["points", "exemplar", "statistics"], (20, 24))
    model = OnnxModel(painter, "wrong")
    if difference > engines.TOLERANCE:
        with pytest.raises(ColorzooError, match=r"--engine"):
            model(sample_input("gray", (20, 24)), given)
    else:
        found = model(sample_input("gray", (20, 24)), given)
        assert torch.equal(found.rgb, rgb)
        assert list(found.extras) == ["more"]
    assert len(list((tmp_path / "graphs").glob("wrong-*"))) == (difference == engines.TOLERANCE)
    assert len({lightness.shape for lightness, _ in seen}) == 3
    assert {len(lightness) for lightness, _ in seen} == {1, 2}
    for lightness, guidance in seen:
        assert guidance.kinds() == ("points", "exemplar")
        wanted = F.interpolate(given.points.ab, lightness.shape[2:]).expand(len(lightness), -1, -1, -1)
        assert torch.equal(guidance.points.ab, wanted)
        assert guidance.exemplar.rgb.shape[2:] != lightness.shape[2:]


def test_onnx_model_rejects_unsupported_guidance_settings() -> None:
    model = Brush()
    model.accepts = frozenset(["exemplar"])
    with pytest.raises(GuidanceError, match=r"exemplar.alpha must be"):
        OnnxModel(model, "tiny")(
            sample_input("gray", (20, 24)), Guidance(exemplar=Exemplar(torch.rand(1, 3, 9, 9), alpha=0.5))
        )


@pytest.mark.nightly  # the graph of a whole network takes half a minute
def test_engine_option_is_recorded_in_the_provenance(tmp_path: Path) -> None:
    from PIL import Image

    from colorzoo.apps.cli.main import main
    from colorzoo.image_io.provenance import read_provenance

    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    Image.fromarray(gray_image(40, 56)).save(tmp_path / "old.png")
    command = ["colorize", str(tmp_path / "old.png"), "--weights", str(weights)]
    assert main([*command, "--engine", "onnxruntime"]) == 0
    made = read_provenance(tmp_path / "old.color.png")
    assert made is not None
    assert made.engine == "onnxruntime"
    assert main(command) == 0  # skipped, because both engines produce equal pixels
    assert read_provenance(tmp_path / "old.color.png") == made
