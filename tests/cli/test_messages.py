"""Messages for mistakes that are easily made, and pictures from Python."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from tiny_model import Refused, gray_picture, write_tiny_weights


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
