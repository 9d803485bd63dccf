"""Integrity of the embedded weight files."""

from pathlib import Path

import pytest

from colorzoo.apps.video.shots import BOUNDARY_FILE
from colorzoo.errors import WeightsError
from colorzoo.factory import create_coloring_model
from colorzoo.files import sha256_of
from colorzoo.inference.selection import SEGMENTER_FILE
from colorzoo.registry import list_models, model_card
from colorzoo.weights import catalog
from colorzoo.weights.catalog import EMBEDDED_FOLDER
from colorzoo.zoo.colorzoo2026.model import ENCODER_FILES, Colorzoo2026, EncoderWeights

FILES = sorted(EMBEDDED_FOLDER.glob("*.safetensors"))


def test_create_coloring_model_rejects_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = str(model_card("zhang2016_small").weights["default"].file)
    data = bytearray((EMBEDDED_FOLDER / name).read_bytes())
    data[-1] ^= 1
    (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(catalog, "EMBEDDED_FOLDER", tmp_path)
    with pytest.raises(WeightsError, match=f"{name}.*Reinstall"):
        create_coloring_model("zhang2016_small")


def test_embedded_files_match_model_cards_and_encoder_files() -> None:
    cards = [w for name in list_models() for w in model_card(name).weights.values() if w.file]
    known = {w.file for w in cards}
    assert {path.name for path in FILES} == known | {*ENCODER_FILES.values(), SEGMENTER_FILE, BOUNDARY_FILE}
    sizes = {path.name: path.stat().st_size for path in FILES}
    assert [(w.file, w.size) for w in cards] == [(w.file, sizes[w.file]) for w in cards]


@pytest.mark.parametrize(
    ("weights", "sha256"),
    [
        ("imagenet", "080312e12c1949b04360e6b2495b8cb2bf440c953769ab52c1a6c4d374aac27b"),
        ("fine-tuned", "a24fb4d8ba4e6f246aeb8fd802a47a13da3a88d30c7e2701325a7e1ce3f2d634"),
    ],
)
def test_embedded_encoder_file_matches_its_hash_and_is_frozen(weights: EncoderWeights, sha256: str) -> None:
    assert sha256_of(EMBEDDED_FOLDER / ENCODER_FILES[weights]) == sha256
    model = Colorzoo2026(encoder=weights).network.encoder
    assert not list(model.parameters())  # no trainable parameters
    assert not model.state_dict()  # excluded from checkpoints
