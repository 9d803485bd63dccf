"""Models in Python: export, tracing, input checks, checkpoints and predictions."""

from __future__ import annotations

import math
import re
import warnings
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import colorzoo
from colorzoo import Colorizer, Guidance
from colorzoo.card import InputKind
from colorzoo.color import rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Boxes, Exemplar, Points, Scribbles
from colorzoo.model import ColoringModel, check_input
from colorzoo.prediction import AbPrediction, RgbPrediction, clip_colors
from colorzoo.testing.persistence import save_checkpoint
from colorzoo.testing.trainer import quiet_trainer
from colorzoo.training.module import ColorizationModule
from tiny_model import HPARAMS, NAME, gray_image, tiny_model, tiny_task

NAMES = ["zhang2017_local_small", "colorzoo2026", "cho2023_small"]


@pytest.fixture(params=[NAMES[0], *(pytest.param(name, marks=pytest.mark.nightly) for name in NAMES[1:])])
def model(request: pytest.FixtureRequest) -> ColoringModel:
    return colorzoo.create_model(request.param).model


def sample_input(model: ColoringModel) -> Tensor:
    lightness = torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    return lightness if model.input_kind == "sketch" else 100 * lightness


def colors_of(model: ColoringModel, *arguments: Any) -> Tensor:
    with torch.no_grad():
        return model(*arguments).colors


def test_exported_and_traced_models_equal_eager_mode(model: ColoringModel) -> None:
    lightness = sample_input(model)
    expected = colors_of(model, lightness)
    found = torch.export.export(model, (lightness,)).module()(lightness)
    assert type(found) is type(model(lightness))
    torch.testing.assert_close(found.colors, expected, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(
        torch.jit.trace(model, (lightness,))(lightness), expected, atol=1e-3, rtol=1e-4
    )


def conv_model(kind: InputKind = "gray") -> ColoringModel:
    model = ColoringModel(nn.Conv2d(1, 2, 1)).eval()
    model.input_kind = kind
    return model


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda given: given.expand(-1, 3, -1, -1), "float32 (1, 3, 8, 6)"),
        (lambda given: given.byte(), "uint8 (1, 1, 8, 6)"),
        (lambda given: given[0], "float32 (1, 8, 6)"),
        (lambda given: given.half(), "float16 (1, 1, 8, 6)"),
        (lambda given: given.double(), "float64 (1, 1, 8, 6)"),
        (lambda given: given.numpy(), "ndarray"),
    ],
)
def test_model_rejects_input_of_wrong_shape_or_type(change: Any, found: str) -> None:
    lightness = torch.linspace(0, 100, 48).view(1, 1, 8, 6)
    with pytest.raises(ColorzooError, match=re.escape(f"got {found}")):
        conv_model()(change(lightness))
    check_input(conv_model(), lightness, Guidance())


@pytest.mark.parametrize(
    ("low", "high", "kind", "error"),
    [
        (-1.0, 101.0, "gray", None),
        (-1.1, 50.0, "gray", ColorzooError),
        (math.nan, 50.0, "gray", ColorzooError),
        (-0.01, 1.01, "sketch", None),
        (-0.02, 1.0, "sketch", ColorzooError),
        (0.0, 0.5, "gray", None),
        (0.0, 0.51, "gray", UserWarning),
    ],
)
def test_check_input_checks_values_in_eval_only(low: float, high: float, kind: InputKind, error: Any) -> None:
    given = torch.tensor([low, high]).view(1, 1, 1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_input(conv_model(kind).train(), given, None)
        check_input(conv_model(kind), given.to("meta"), None)
        check_input(conv_model(kind), given[..., :0], None)
        with pytest.raises(error) if error else nullcontext():
            check_input(conv_model(kind), given, None)


POINTS = Points.none(torch.zeros(1, 1, 64, 64))
MAP = torch.zeros(1, 1, 64, 64)


@pytest.mark.parametrize(
    ("name", "guidance", "message"),
    [
        (NAMES[0], Guidance(Points.none(MAP[..., :32, :32])), "points.ab (1, 2, 32, 32)"),
        (NAMES[0], Guidance(Points.none(MAP.expand(2, -1, -1, -1))), "points.ab (2, 2, 64, 64)"),
        (NAMES[0], Guidance(Points.none(MAP.double())), "points.ab must be float32, got float64"),
        (NAMES[1], Guidance(Points.none(MAP[..., :32])), "points.ab (1, 2, 64, 32)"),
        (NAMES[1], Guidance(replace(POINTS, lightness=MAP[..., :32])), "points.lightness (1, 1, 64, 32)"),
        (NAMES[1], Guidance(exemplar=Exemplar(MAP.expand(2, 3, -1, -1))), "exemplar.rgb (2, 3, 64, 64)"),
        ("kim2021_small", Guidance(scribbles=Scribbles(MAP[..., :32])), "scribbles.mask (1, 1, 64, 32)"),
        ("su2020_small", Guidance(boxes=Boxes.of([torch.zeros(0, 4)] * 3)), "boxes.corners (3, 0, 4)"),
    ],
)
def test_models_reject_guidance_that_does_not_match_the_image(
    name: str, guidance: Guidance, message: str
) -> None:
    lightness, model = 50 + MAP, colorzoo.create_model(name).model
    colorizer = Colorizer(model, device="cpu", precision="float32")
    for run in (colorizer.predict, model, deepcopy(model).train()):
        with pytest.raises(ColorzooError, match=re.escape(message)) as error:
            run(lightness, guidance)
        assert "\n" not in str(error.value)
        assert ("(1, 1, 64, 64)" in str(error.value)) == ("float32" not in message)


@pytest.mark.parametrize("name", ["zhang2017_local_small", "levin2004"])
def test_model_ignores_sizes_of_guidance_that_it_does_not_accept(name: str) -> None:
    model, lightness = colorzoo.create_model(name).model, 50 + MAP
    ignored = Guidance(scribbles=Scribbles(MAP[..., :32, :32]))
    assert torch.equal(colors_of(model, lightness, ignored), colors_of(model, lightness))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_float32_weights_are_required_and_colorizer_converts_others(
    dtype: torch.dtype,
) -> None:
    model, image = tiny_model(), gray_image(64, 80)
    expected = Colorizer(model, device="cpu", precision="float32").colorize(image).ab
    model.to(dtype)
    with pytest.raises(ColorzooError, match=f"float32, got {str(dtype).split('.')[1]}"):
        model(50 + MAP)
    with pytest.raises(ColorzooError, match="float32"):
        colorzoo.features(model, 50 + MAP)
    found = Colorizer(model, device="cpu", precision="float32").colorize(image).ab
    torch.testing.assert_close(found, expected, atol=1.0, rtol=0.05)
    assert {each.dtype for each in model.parameters()} == {dtype}


def untrained(width: float = 0.125) -> ColorizationModule:
    return colorzoo.create_model(NAME, None, **{**HPARAMS, "width": width})


def test_loading_all_weights_marks_a_model_as_trained(tmp_path: Path) -> None:
    weights, image = tiny_task().state_dict(), gray_image(48, 64)
    task, model = untrained(), untrained().model
    task.load_state_dict(weights)
    model.load_state_dict({key.removeprefix("model."): value for key, value in weights.items()})
    for loaded in (task, model):
        assert loaded.trained
        found, expected = (Colorizer(each, device="cpu").colorize(image).ab for each in (loaded, tiny_task()))
        assert torch.equal(found, expected)
    task.on_test_start()

    partial = dict(list(weights.items())[1:])
    part, other = untrained(), untrained(0.25)
    part.load_state_dict(partial, strict=False)
    with pytest.raises(RuntimeError, match="size mismatch"):
        other.load_state_dict(weights)
    for random in (part, other):
        assert not random.trained
        with pytest.raises(ColorzooError, match="allow_untrained = True"):
            random.on_test_start()


@pytest.mark.parametrize("is_trained", [True, False])
def test_checkpoints_restore_whether_the_model_is_trained(is_trained: bool, tmp_path: Path) -> None:
    task = untrained()
    task.trained = is_trained
    save_checkpoint(quiet_trainer(tmp_path), task, tmp_path / "model.ckpt")
    assert type(task).load_from_checkpoint(tmp_path / "model.ckpt").trained == is_trained


def test_state_dict_contains_the_weights_of_a_backbone() -> None:
    model, fresh = (colorzoo.create_model("kim2021_small").model for _ in range(2))
    fresh.requires_grad_(True)
    with torch.no_grad():
        for weight in fresh.parameters():
            weight.mul_(1.1)
    lightness, guidance = 100 * torch.rand(1, 1, 64, 64), Guidance(scribbles=Scribbles(MAP + 1))
    expected, before = colors_of(model, lightness, guidance), colors_of(fresh, lightness, guidance)
    fresh.load_state_dict(model.state_dict())
    assert torch.equal(colors_of(fresh, lightness, guidance), expected)
    assert not torch.equal(before, expected)


@pytest.mark.parametrize("name", ["kim2021_small", "blanch2021", "lee2020"])
def test_extras_do_not_depend_on_the_mode(name: str) -> None:
    model = create_coloring_model(name, "default" if name == "kim2021_small" else None)
    lightness, exemplar = sample_input(model).expand(2, -1, -1, -1), Exemplar(torch.rand(2, 3, 64, 64))
    guidance = Guidance(scribbles=Scribbles(torch.ones(2, 1, 64, 96)), exemplar=exemplar)
    shapes = []
    for mode in (True, False):
        with torch.no_grad():
            found = model.train(mode)(lightness, guidance).extras
        shapes.append({key: value.shape for key, value in found.items()})
    assert shapes[0] == shapes[1] != {}


def test_model_rejects_a_recipe_dict_as_guidance() -> None:
    with pytest.raises(ColorzooError, match=r"must be a Guidance object, got dict"):
        conv_model()(100 * torch.rand(1, 1, 16, 16), {"points": []})  # type: ignore[arg-type]


def test_load_weights_selects_model_part_of_checkpoint() -> None:
    model = conv_model()
    wanted = {name: value + 1 for name, value in model.state_dict().items()}
    content = {f"model.{name}": value for name, value in wanted.items()}
    model.load_weights(content | {"loss.weight": torch.ones(1)}, name="last.ckpt")
    assert all(torch.equal(value, wanted[name]) for name, value in model.state_dict().items())
    assert model.trained


def test_predictions_are_clipped_detached_and_expose_color_logits() -> None:
    rgb = torch.tensor([-0.5, 0.25, 1.5], dtype=torch.float64).view(1, 3, 1, 1)
    shown, ab = clip_colors(RgbPrediction(rgb=rgb), torch.zeros(1, 1, 1, 1))
    assert (shown.flatten().tolist(), shown.dtype, ab.dtype) == ([0, 0.25, 1], torch.float32, torch.float32)
    torch.testing.assert_close(ab, rgb_to_lab(rgb)[:, 1:].float())
    gray = AbPrediction.gray(torch.full((2, 1, 3, 5), 50.0))
    assert (gray.ab.shape, gray.ab.any().item(), gray.color_logits) == ((2, 2, 3, 5), False, None)
    for bins, known in ((313, True), (529, True), (10, False)):
        logits = torch.rand(1, bins, 2, 2, requires_grad=True)
        found = AbPrediction(ab=logits[:, :2], extras={"logits": logits}, notes=("pale",))
        assert (found.color_logits is logits) == known
        assert not found.detach().ab.requires_grad
        assert not found.detach().extras["logits"].requires_grad
        assert found.detach().notes == ("pale",)


def test_list_models_raises_error_for_unknown_guidance() -> None:
    with pytest.raises(ColorzooError, match="got 'point'"):
        colorzoo.list_models(guidance="point")  # type: ignore[arg-type]
