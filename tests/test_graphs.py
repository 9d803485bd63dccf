"""What Python users do with a model of their own accord: graphs, wrong inputs, types."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import colorzoo
from colorzoo import Guidance, Points
from colorzoo.errors import ColorzooError
from colorzoo.model import ColoringModel
from tiny_model import NAME

NAMES = ["zhang2017_local_small", "colorzoo2026", "cho2023_small"]


@pytest.fixture(params=NAMES)
def model(request: pytest.FixtureRequest) -> ColoringModel:
    return colorzoo.create_model(request.param).model


def seen_by(model: ColoringModel) -> Tensor:
    lightness = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    return lightness if model.input_kind == "sketch" else 100 * lightness


def colors_of(model: ColoringModel, *arguments: Any) -> Tensor:
    with torch.no_grad():
        return model(*arguments).colors


def test_a_model_is_exported_and_traced(model: ColoringModel) -> None:
    lightness = seen_by(model)
    expected = colors_of(model, lightness)
    found = torch.export.export(model, (lightness,)).module()(lightness)
    assert type(found) is type(model(lightness))
    torch.testing.assert_close(found.colors, expected, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(
        torch.jit.trace(model, (lightness,))(lightness), expected, atol=1e-3, rtol=1e-4
    )


def test_a_model_with_points_is_exported() -> None:
    model = colorzoo.create_model(NAMES[0]).model
    lightness = seen_by(model)
    mask = torch.zeros_like(lightness)
    mask[..., 20:26, 30:36] = 1
    guidance = Guidance(points=Points(40 * mask.expand(-1, 2, -1, -1), mask))
    found = torch.export.export(model, (lightness, guidance)).module()(lightness, guidance)
    torch.testing.assert_close(found.ab, colors_of(model, lightness, guidance), atol=1e-3, rtol=1e-4)


def test_a_model_is_written_by_torch_onnx(tmp_path: Any) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    model = colorzoo.create_model(NAMES[0]).model
    lightness = seen_by(model)
    torch.onnx.export(model, (lightness,), tmp_path / "model.onnx", verbose=False)
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    found = session.run(None, {session.get_inputs()[0].name: lightness.numpy()})[0]
    torch.testing.assert_close(torch.from_numpy(found), colors_of(model, lightness), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lightness: lightness.expand(-1, 3, -1, -1) / 100, r"rgb_to_lab\(rgb\)\[:, :1\]"),
        (lambda lightness: lightness.byte(), "uint8"),
        (lambda lightness: lightness[0], r"lightness\[None\]"),
        (lambda lightness: lightness[0, 0], r"\(B, 1, H, W\)"),
        (lambda lightness: lightness.half(), "autocast"),
        (lambda lightness: lightness * 2.55, "from .* to 25"),
        (lambda lightness: lightness * torch.nan, "nan"),
        (lambda lightness: lightness.numpy(), "ndarray"),
    ],
)
def test_a_wrong_input_is_one_clear_line(change: Any, message: str) -> None:
    model = colorzoo.create_model(NAME, None)
    with pytest.raises(ColorzooError, match=message) as error:
        model(change(torch.linspace(0, 100, 64).view(1, 1, 8, 8)))
    assert "\n" not in str(error.value)


def test_lightness_up_to_one_is_remarked_upon() -> None:
    model = colorzoo.create_model(NAME, None)
    with pytest.warns(UserWarning, match=r"\[0, 100\].*nearly black"):
        model(torch.rand(1, 1, 16, 16))


def test_a_half_model_and_a_recipe_as_guidance_are_refused() -> None:
    lightness = 100 * torch.rand(1, 1, 16, 16)
    with pytest.raises(ColorzooError, match="autocast"):
        colorzoo.create_model(NAME, None).half()(lightness)
    with pytest.raises(ColorzooError, match="from_json"):
        colorzoo.create_model(NAME, None)(lightness, {"points": []})  # type: ignore[arg-type]


def test_an_unknown_kind_of_guidance_is_named() -> None:
    with pytest.raises(ColorzooError, match=r"'point'; did you mean 'points'.*exemplar"):
        colorzoo.list_models(guidance="point")  # type: ignore[arg-type]
