"""Exported graphs agree with the model and have metadata."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from colorzoo.abilities import DiffusionModel
from colorzoo.apps.cli.main import main
from colorzoo.engines import export
from colorzoo.engines.export import TOLERANCE, compare_traced, export_model, guidance_tensors, write_graph
from colorzoo.errors import ColorzooError
from colorzoo.guidance import GlobalStatistics, Guidance, statistics_of
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import is_traced
from colorzoo.prediction import AbPrediction
from colorzoo.registry import model_card
from colorzoo.testing import sample_guidance, sample_image, sample_input
from colorzoo.training.create import create_model

FEW = {"samples": 4}


def test_exported_graph_accepts_any_size_and_batch_and_has_metadata(tmp_path: Path, capfd) -> None:
    exported = export_model(model_card("gray"), tmp_path / "deep" / "gray.onnx")
    assert exported.differences.keys() == {(64, 96), (37, 53), (128, 40)}
    assert [path.name for path in exported.path.parent.iterdir()] == ["gray.onnx"]
    session = onnxruntime.InferenceSession(exported.path)
    known = session.get_modelmeta().custom_metadata_map
    assert known == {
        "model": "gray",
        "paper": model_card("gray").paper,
        "hparams": "{}",
        "conventions": "lightness: L in [0, 100] or a sketch in [0, 1]; ab in CIE units (D65); "
        "RGB in [0, 1]; softmax of logits: probabilities of the bins",
    }
    assert "".join(capfd.readouterr()) == ""
    (ab,) = session.run(["ab"], {"lightness": sample_input("gray", (19, 33), batch=3).numpy()})
    assert ab.shape == (3, 2, 19, 33)


class NanLogits(ColoringModel):
    """Model whose graph, but not the model itself, predicts logits of NaN."""

    def forward(self, lightness: torch.Tensor, guidance: Guidance | None = None) -> AbPrediction:
        factor = torch.nan if is_traced() else 1.0
        logits = factor * lightness.expand(-1, 313, -1, -1)
        return AbPrediction(ab=lightness.expand(-1, 2, -1, -1) / 2, extras={"logits": logits})


def test_graph_that_predicts_nan_differs_from_the_model() -> None:
    traced, other = ((sample_input("gray", (16, 24), batch=size), Guidance()) for size in (2, 1))
    differences = compare_traced(NanLogits(torch.nn.Identity()).eval(), traced, [other])
    assert differences == {(16, 24): torch.inf}


class Convolutions(ColoringModel):
    """Two convolutions with more weights than ONNX files always contain themselves."""

    def __init__(self) -> None:
        layers = (torch.nn.Conv2d(1, 64, 3, padding=1), torch.nn.Conv2d(64, 2, 3, padding=1))
        super().__init__(torch.nn.Sequential(*layers))

    def forward(self, lightness: torch.Tensor, guidance: Guidance | None = None) -> AbPrediction:
        return AbPrediction(ab=self.network(lightness))


def test_exported_graph_of_a_large_model_is_a_single_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch writes weights of more than 1.5 GiB, such as weng2022, to a second file."""
    threshold = "torch.onnx._internal.exporter._onnx_program._LARGE_MODEL_THRESHOLD"
    monkeypatch.setattr(threshold, 0, raising=False)
    traced, other = ((sample_input("gray", (16, 24), batch=size), Guidance()) for size in (2, 1))
    exported = write_graph(Convolutions().eval(), traced, [other], tmp_path / "large.onnx", {})
    assert [path.name for path in tmp_path.iterdir()] == ["large.onnx"]
    assert onnxruntime.InferenceSession(exported.path).get_inputs()[0].name == "lightness"


class Covariances(ColoringModel):
    """Model that solves a float64 system, whose matrix is a product with a transposed matrix."""

    def __init__(self) -> None:
        super().__init__(torch.nn.Conv2d(1, 2, 1))
        self.trained = True

    def forward(self, lightness: torch.Tensor, guidance: Guidance | None = None) -> AbPrediction:
        rows = lightness.mean(3).transpose(1, 2)[:, :8].double() / 100  # (B, 8, 1)
        covariance = rows @ rows.mT + torch.eye(8)
        weights = torch.cholesky_solve(rows, torch.linalg.cholesky_ex(covariance).L)
        ab = self.network(lightness) * weights.sum(1).float()[:, :, None, None]
        for tensor in guidance_tensors(guidance or Guidance()).values():
            ab = ab + tensor.flatten(1).mean(1)[:, None, None, None]
        return AbPrediction(ab=ab)


def test_onnx_runtime_fuses_no_float64_products(tmp_path: Path) -> None:
    """ONNX Runtime 1.18 to 1.24 cannot load a graph with a FusedMatMul of float64."""
    ir = pytest.importorskip("onnxscript").ir
    traced, other = ((sample_input("gray", (16, 24), batch=size), Guidance()) for size in (2, 1))
    exported = write_graph(Covariances().eval(), traced, [other], tmp_path / "graph.onnx", {})
    assert max(exported.differences.values()) < TOLERANCE
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(exported.path, options)
    operators = {node.op_type for node in ir.load(tmp_path / "optimized.onnx").graph.all_nodes()}
    assert "MatMul" in operators
    assert "FusedMatMul" not in operators


@pytest.mark.parametrize(
    ("card", "guidance", "inputs"),
    [
        (
            "colorzoo2026",
            None,
            ["points_ab", "points_mask", "statistics_histogram", "statistics_saturation"],
        ),
        ("colorzoo2026_drawing", None, ["points_ab", "points_mask"]),
        ("colorzoo2026_drawing", ["none"], []),
        ("colorzoo2026_drawing", ["points", "exemplar"], ["exemplar_rgb", "points_ab", "points_mask"]),
    ],
)
def test_references_are_inputs_of_a_graph_only_on_request(
    card: str, guidance: list[str] | None, inputs: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "create_coloring_model", lambda *_: Covariances().eval())
    words = [word for kind in guidance or [] for word in ("--guidance", kind)]
    out = tmp_path / "graph.onnx"
    assert main(["weights", "export", card, str(out), *words]) == 0
    names = [value.name for value in onnxruntime.InferenceSession(out).get_inputs()]
    assert sorted(names) == sorted(["lightness", *inputs])


def test_export_error_names_guidance_that_the_model_does_not_accept(tmp_path: Path, refused) -> None:
    message = refused("weights", "export", "colorzoo2026", tmp_path / "a.onnx", "--guidance", "boxes")
    assert "colorzoo2026" in message
    assert "boxes" in message


class Sampler(DiffusionModel, ColoringModel):
    """Diffusion model with the noise of one step."""

    accepts = frozenset({"text"})

    def __init__(self) -> None:
        super().__init__(torch.nn.Conv2d(3, 2, 1))
        self.trained = True

    def forward(self, lightness: torch.Tensor, guidance: Guidance | None = None) -> AbPrediction:
        level = lightness.new_zeros(lightness.shape[0], dtype=torch.long)
        return AbPrediction(ab=self.predict_noise(lightness, guidance, lightness.repeat(1, 2, 1, 1), level))

    def predict_noise(
        self, lightness: torch.Tensor, guidance: Guidance | None, noisy: torch.Tensor, level: torch.Tensor
    ) -> torch.Tensor:
        assert guidance is not None
        scale = 0.001 * level + guidance.extra["text"].sum(1) / 256
        return self.network(torch.cat([lightness / 100, noisy], dim=1)) + scale[:, None, None, None]


def test_denoiser_of_a_diffusion_model_is_exported_with_its_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Sampler().eval()
    monkeypatch.setattr(export, "create_coloring_model", lambda *_: model)
    card = replace(model_card("gray"), guidance=("text", "seed"))
    steps: list[str] = []
    exported = export_model(card, tmp_path / "a.onnx", part="denoiser", report=steps.append)
    assert exported.inputs == ("lightness", "text", "noisy", "level")
    assert exported.outputs == ("noise",)
    assert max(exported.differences.values()) < TOLERANCE
    assert steps[:2] == ["tracing the graph", "writing the graph"]
    assert len(steps) == 5
    lightness, noisy = torch.rand(1, 1, 9, 7), torch.rand(1, 2, 9, 7)
    text, level = torch.full((1, 256), 65), torch.tensor([500])
    feeds = {"lightness": lightness, "text": text, "noisy": noisy, "level": level}
    session = onnxruntime.InferenceSession(exported.path)
    (noise,) = session.run(["noise"], {name: tensor.numpy() for name, tensor in feeds.items()})
    expected = model.predict_noise(lightness, Guidance(extra={"text": text}), noisy, level)
    np.testing.assert_allclose(noise, expected.detach().numpy(), atol=1e-4)
    monkeypatch.undo()
    with pytest.raises(ColorzooError, match=r"--part denoiser requires a diffusion model .*, got gray"):
        export_model(model_card("gray"), tmp_path / "b.onnx", part="denoiser")


class Brightest(ColoringModel):
    """Model with a number from a tensor and random numbers."""

    def forward(self, lightness: torch.Tensor, guidance: Guidance | None = None) -> AbPrediction:
        if float(lightness.max()) > 50:
            lightness = lightness / 2
        noise = torch.randn(1, generator=torch.Generator().manual_seed(0))
        return AbPrediction(ab=(lightness + noise).expand(-1, 2, -1, -1))


def test_export_error_names_the_line_of_the_model() -> None:
    traced, other = ((sample_input("gray", (16, 24), batch=size), Guidance()) for size in (2, 1))
    with pytest.raises(ColorzooError, match=r"test_export\.py, line \d+: if float\(lightness\.max") as caught:
        compare_traced(Brightest(torch.nn.Identity()).eval(), traced, [other])
    assert "noise = torch.randn(1, generator" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.nightly  # 15 seconds on an idle core
def test_exported_graph_has_named_guidance_inputs(tmp_path: Path) -> None:
    exported = export_model(model_card("welsh2002"), tmp_path / "welsh.onnx", **FEW)
    assert exported.inputs == ("lightness", "exemplar_rgb")
    assert max(exported.differences.values()) < TOLERANCE
    session = onnxruntime.InferenceSession(exported.path)
    assert json.loads(session.get_modelmeta().custom_metadata_map["hparams"])["samples"] == 4
    lightness, guidance = (
        sample_input("gray", (19, 33), batch=3),
        sample_guidance(["exemplar"], (25, 41), batch=3),
    )
    (ab,) = session.run(
        ["ab"], {"lightness": lightness.numpy(), "exemplar_rgb": guidance.exemplar.rgb.numpy()}
    )
    expected = create_model("welsh2002", **FEW)(lightness, guidance).ab
    np.testing.assert_allclose(ab, expected.numpy(), atol=1e-3)


def test_weights_export_prints_the_difference_from_the_model(tmp_path: Path, capsys) -> None:
    out = tmp_path / "gray.onnx"
    assert main(["weights", "export", "gray", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "64x96: maximum difference from the model: 0.0e+00 of the full scale"
    assert printed[-1] == f"{out} size={out.stat().st_size} inputs=lightness"


def test_errors_of_models_that_cannot_be_exported_are_one_line(
    tmp_path: Path, refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path / "home"))
    for model, name, reason in (
        ("gray", "gray.pt", ".onnx"),
        ("levin2004", "levin.onnx", "levin2004 cannot be exported"),
    ):
        assert reason in refused("weights", "export", model, tmp_path / name)
    with (
        pytest.warns(UserWarning, match="random weights"),
        pytest.raises(ColorzooError, match="zhang2017_local"),
    ):
        export_model(model_card("zhang2017_local"), tmp_path / "a.onnx", width=0.125)
    assert list(tmp_path.iterdir()) == []


def test_export_error_names_a_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ColorzooError, match=r"pip install 'colorzoo\[export\]'"):
        export_model(model_card("gray"), tmp_path / "gray.onnx")


@pytest.mark.nightly  # 15 seconds on an idle core
def test_exported_graph_outputs_logits_of_any_width_and_their_bins(tmp_path: Path) -> None:
    """Regression test: ONNX division of negative numbers gave a wrong size for odd widths."""
    exported = export_model(model_card("zhang2016_small"), tmp_path / "small.onnx")
    assert exported.outputs == ("ab", "logits")
    assert max(exported.differences.values()) < TOLERANCE
    session = onnxruntime.InferenceSession(exported.path)
    _, logits = session.run(["ab", "logits"], {"lightness": sample_input("gray", (37, 53)).numpy()})
    assert logits.shape == (1, 313, 10, 14)
    known = session.get_modelmeta().custom_metadata_map
    assert len(json.loads(known["bins"])) == len(json.loads(known["bins_shown"])) == 313


@pytest.mark.nightly  # a minute on an idle core
@pytest.mark.parametrize("kinds", [(), ("saturation",), ("histogram",), ("histogram", "saturation")])
def test_zhang2017_global_graph_accepts_any_batch_and_statistics(
    tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    def sample(size: tuple[int, int], batch: int) -> tuple[torch.Tensor, Guidance]:
        known = statistics_of(sample_image(size, batch=batch, seed=batch))
        statistics = GlobalStatistics(**{name: getattr(known, name) for name in kinds})
        return sample_input("gray", size, batch=batch), Guidance(statistics=statistics if kinds else None)

    model = create_model("zhang2017_global_small")
    others = [sample((37, 53), 1), sample((64, 96), 3)]
    exported = write_graph(model, sample((61, 91), 2), others, tmp_path / "global.onnx", {})
    assert exported.inputs == ("lightness", *(f"statistics_{name}" for name in kinds))
    assert max(exported.differences.values()) < TOLERANCE
