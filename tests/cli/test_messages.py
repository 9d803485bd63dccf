"""Messages for mistakes that are easily made, and pictures from Python."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import colorzoo
from colorzoo.cli.main import main
from colorzoo.errors import ColorzooError
from colorzoo.inference.colorizer import Colorizer
from tiny_model import Refused, gray_picture, tiny_model, write_tiny_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return ["--weights", str(write_tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors"))]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(gray_picture(20, 24)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_point_outside_is_named(photo: Path, weights: list[str], refused: Refused) -> None:
    for words in (["--point", "-5,10=red"], ["--point=-5,10=red"], ["--point", "5,-.5=red"]):
        told = refused("colorize", photo, *words, *weights)
        assert "lies outside the picture (24 x 20 pixels)" in told


def test_a_model_without_weights_says_what_to_pass(photo: Path, refused: Refused) -> None:
    err = refused("colorize", photo, "--model", "chen2023")
    assert "pass one of them" not in err
    assert "pass the path of a file as weights" in err


class Input:
    """Standard input of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


@pytest.mark.parametrize(
    ("data", "told"), [(b"", "standard input is empty (0 bytes)"), (b"no picture", "standard input is not a")]
)
def test_standard_input_is_named_as_such(
    tmp_path: Path,
    weights: list[str],
    monkeypatch: pytest.MonkeyPatch,
    refused: Refused,
    data: bytes,
    told: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", Input(data))
    err = refused("colorize", "-", "-o", "b.png", *weights)
    assert told in err
    assert "/tmp" not in err


def test_a_report_on_standard_input_has_no_temporary_name(
    photo: Path, weights: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Input(photo.read_bytes()))
    assert main(["colorize", "-", "-o", str(photo.with_name("b.png")), "--json", *weights]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["source"] == "-"


COLORS = torch.from_numpy(np.dstack([gray_picture(20, 24)] * 3)).permute(2, 0, 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [torch.uint8, torch.float32, torch.float16, torch.float64])
def test_a_tensor_is_colored_as_the_array_is(channels: int, kind: torch.dtype) -> None:
    colorizer = Colorizer(tiny_model(), device="cpu", precision="float32")
    tensor = COLORS[:channels] if kind == torch.uint8 else COLORS[:channels].to(kind) / 255
    result = np.asarray(colorizer(tensor.requires_grad_(kind.is_floating_point))).astype(int)
    expected = np.asarray(colorizer(gray_picture(20, 24))).astype(int)
    assert np.abs(result - expected).max() <= (1 if kind != torch.float16 else 3)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (
            torch.zeros(2, 20, 24),
            r"tensor \(3, H, W\) or \(1, H, W\) was expected, this one is \(2, 20, 24\)",
        ),
        (torch.zeros(1, 3, 20, 24), "was expected"),
        (torch.full((1, 20, 24), 7.0), r"must lie in \[0, 1\]"),
        (torch.zeros(1, 20, 24, dtype=torch.int64), "must be uint8, uint16 or float"),
        (7, "a path, bytes, PIL image or array was expected as picture, got int"),
        ([7], "a path, bytes, PIL image or array was expected as picture, got int"),
    ],
)
def test_what_is_no_picture_is_one_line(image: object, told: str) -> None:
    with pytest.raises(ColorzooError, match=told):
        Colorizer(tiny_model(), device="cpu")(image)  # type: ignore[arg-type]


def test_the_public_call_takes_tensors(weights: list[str]) -> None:
    result = colorzoo.colorize(COLORS, weights=weights[1], device="cpu")
    assert result.size == (24, 20)
