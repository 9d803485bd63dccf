"""A version means a result: neither weights, golden files nor colors change without a new one."""

import json
from pathlib import Path

import numpy as np
import pytest

import colorzoo
import version_record
from version_record import answer, hashes, read_record

RECORD = read_record()
CHANGED = "changed without a new version: see docs/release.md"
# while the next version is made, numbers may change
same_version = pytest.mark.skipif(
    RECORD["version"] != colorzoo.__version__, reason=f"the record is of {RECORD['version']}"
)


@same_version
def test_weights_and_golden_files_are_those_of_the_version() -> None:
    now = hashes()
    changed = [name for name, digest in RECORD["hashes"].items() if now.get(name) != digest]
    assert not changed, f"{', '.join(changed)} {CHANGED}"


@same_version
@pytest.mark.parametrize("name", RECORD["answers"])
@pytest.mark.filterwarnings("ignore")
def test_colors_are_those_of_the_version(name: str) -> None:
    moved = np.abs(np.array(answer(name)) - np.array(RECORD["answers"][name])).max()
    assert moved <= 0.3, f"{name}: colors have moved by {moved:.1f} CIE units, {CHANGED}"


@same_version
def test_a_change_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in version_record.EMBEDDED.iterdir():
        (tmp_path / "embedded").mkdir(exist_ok=True)
        (tmp_path / "embedded" / path.name).write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr(version_record, "EMBEDDED", tmp_path / "embedded")
    with pytest.raises(AssertionError, match=r"embedded/colorzoo2026\.safetensors.* changed without"):
        test_weights_and_golden_files_are_those_of_the_version()


def test_the_record_of_a_released_version_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"version": colorzoo.__version__}))
    monkeypatch.setattr(version_record, "RECORD", record)
    monkeypatch.setattr(version_record, "embedded_models", list)
    monkeypatch.setattr(version_record, "hashes", dict)
    monkeypatch.setattr(version_record, "is_released", lambda version: version == colorzoo.__version__)
    assert version_record.main() == 2
    assert f"{colorzoo.__version__} is released" in capsys.readouterr().err
    monkeypatch.setattr(colorzoo, "__version__", "99.0.0.dev0")
    assert version_record.main() == 0
    assert json.loads(record.read_text()) == {"version": "99.0.0.dev0", "hashes": {}, "answers": {}}


def test_dates_of_the_changelog_are_found() -> None:
    assert version_record.is_released("0.1.0")
    assert not version_record.is_released("0.1")
