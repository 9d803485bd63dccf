"""``python -m benchmarks.results --published``: from addresses of weights to a report."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.results import __main__ as results
from benchmarks.results import published

from colorzoo import registry
from colorzoo.card import ModelCard
from tiny_evaluation import write_picture

NAMES = ("a.png", "deep/b.png")


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with two listed pictures and another one."""
    folder = tmp_path / "pictures"
    for seed, name in enumerate((*NAMES, "other.png")):
        write_picture(folder / name, seed, size=(64, 64))
    rows = [(Path(name).name, hashlib.sha256((folder / name).read_bytes()).hexdigest()) for name in NAMES]
    listed = tmp_path / "list.csv"
    listed.write_text("\n".join(["picture,sha256", *(",".join(row) for row in rows)]) + "\n")
    monkeypatch.setattr(published, "LIST", listed)
    return folder


@pytest.fixture
def served(narrow_zoo: Callable[..., ModelCard], authors_file: Path, server: Any, monkeypatch: Any) -> Any:
    """Return a server of the only published weights, stand-ins an eighth as wide."""
    server.content = authors_file.read_bytes()
    narrow_zoo(urls=(server.url("good"),))
    monkeypatch.setattr(published, "MODELS", ("zhang2017_local",))
    return server


@pytest.mark.nightly
def test_one_command_fetches_measures_and_compares(served: Any, pictures: Path, tmp_path: Path) -> None:
    report = tmp_path / "report"
    words = ["--published", str(report), "--data", str(pictures)]
    assert results.main(words) == 0
    assert served.count("good") == 1
    found = json.loads((report / "results.json").read_text())
    (method, *_) = found["setup"]["methods"]
    assert method["sha256"] == hashlib.sha256(served.content).hexdigest()
    assert {row["method"] for row in found["results"]} == {"zhang2017_local", "gray", "truth"}
    rows = list(csv.DictReader((report / "per_image.csv").open()))
    assert {row["picture"] for row in rows} == {"a.png", "b.png"}
    theirs = [each for each in found["published"] if each["model"] == "zhang2017_local"]
    assert theirs
    assert not any(each["comparable"] for each in theirs)  # not the pictures of the paper
    assert "ctest10k-first1000" in found["deviation"]
    assert results.main(words) == 0
    assert served.count("good") == 1  # they are here now


@pytest.mark.nightly
def test_the_pictures_of_the_protocol_are_taken_where_they_are(
    served: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "subset_names", lambda _: ["a", "b"])
    monkeypatch.setattr("colorzoo.evaluation.pictures.subset_names", lambda _: ["a", "b"])
    outcome = published.measure_published(pictures, tmp_path / "report")
    assert outcome.summary is not None
    assert outcome.summary.setup.deviation == ""
    assert [item.name for item in outcome.summary.items] == ["a.png", "deep/b.png"]
    theirs = [entry for entry in outcome.summary.published if entry.model == "zhang2017_local"]
    assert theirs
    assert not any("other pictures" in entry.differs for entry in theirs)


def test_another_picture_is_named(served: Any, pictures: Path, tmp_path: Path, capsys: Any) -> None:
    (pictures / "deep" / "b.png").write_bytes((pictures / "other.png").read_bytes())
    assert results.main(["--published", str(tmp_path / "report"), "--data", str(pictures)]) == 2
    assert "1 of 2 pictures of list.csv are missing or others, the first: b.png" in capsys.readouterr().err


def test_the_list_and_the_models_exist() -> None:
    rows = list(csv.DictReader(published.LIST.open(encoding="utf-8")))
    assert len({row["picture"] for row in rows}) == len({row["sha256"] for row in rows}) == 1000
    assert all(registry.model_card(name).weights["published"].urls for name in published.MODELS)
