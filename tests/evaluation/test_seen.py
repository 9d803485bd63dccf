"""Marks of methods that were trained on evaluated images."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from colorzoo import ColoringModel, create_model
from colorzoo.data.sources import StoredImage
from colorzoo.evaluation import Outcome, summary
from colorzoo.evaluation.images import Item
from colorzoo.evaluation.methods import open_methods
from colorzoo.evaluation.protocol import load_protocol
from colorzoo.evaluation.run import print_notes
from colorzoo.evaluation.summary import count_seen, seen_images
from colorzoo.registry import model_card
from colorzoo.weights import convert_weights
from colorzoo.weights.catalog import weight_file
from tiny_evaluation import Plan, write_image

SHA = model_card("colorzoo2026").weights["default"].sha256
NAME = "ILSVRC2012_val_00000293"


@pytest.fixture
def items() -> list[Item]:
    source = StoredImage("unused")
    known = min(seen_images("seen_colorzoo2026.csv")[1])
    return [
        Item(f"val/{NAME}.JPEG", source, sha256="0"),
        Item("val/ILSVRC2012_val_00000001.JPEG", source, sha256="1"),
        Item("renamed.jpg", source, sha256=known),
    ]


@pytest.mark.parametrize(
    ("about", "count"),
    [
        ({"sha256": SHA}, 2),
        ({"sha256": "f" * 64, "trained_on": json.dumps({"start": {"sha256": SHA}})}, 2),
        ({"sha256": "f" * 64, "trained_on": "ImageNet"}, 0),
        ({}, 0),
    ],
)
def test_images_are_seen_by_weights_and_by_weights_trained_from_them(
    items: list[Item], about: dict[str, str], count: int
) -> None:
    assert count_seen(about, items) == count


def test_images_of_several_lists_are_counted_once(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lists share one of the three images."""
    lists = {"a.csv": {"0", "1"}, "b.csv": {"0", items[2].sha256}}
    entry = model_card("colorzoo2026").weights["default"]
    card = replace(
        model_card("colorzoo2026"),
        weights={file: replace(entry, seen=file, sha256=file) for file in lists},
    )
    monkeypatch.setattr(summary, "list_models", lambda: ["colorzoo2026"])
    monkeypatch.setattr(summary, "model_card", lambda _: card)
    monkeypatch.setattr(summary, "seen_images", lambda file: (frozenset(), lists[file]))
    assert count_seen({"sha256": "a.csv", "trained_on": "b.csv"}, items) == 3


def test_models_in_memory_keep_the_training_images_of_their_weights(
    items: list[Item], tmp_path: Path
) -> None:
    task = create_model("colorzoo2026")
    task.model.save_pretrained(tmp_path)
    copied = ColoringModel.from_pretrained(tmp_path)
    trained = create_model("colorzoo2026")
    trained.prepare_fit()
    new = create_model("colorzoo2026", None)
    sources = {"own": task, "copied": copied, "trained": trained, "new": new}
    methods = open_methods(sources, load_protocol("zhang2017-automatic"), torch.device("cpu"))
    counts = {method.name: count_seen(method.about, items) for method in methods}
    assert counts == {"own": 2, "copied": 2, "trained": 2, "new": 0}


def test_files_made_from_embedded_weights_keep_the_training_images(items: list[Item], tmp_path: Path) -> None:
    card = model_card("colorzoo2026")
    converted, again, folder = (
        tmp_path / name for name in ("once.safetensors", "twice.safetensors", "folder")
    )
    convert_weights(weight_file(card, "default").path, card, converted, dtype="float16")
    convert_weights(converted, card, again)
    create_model("colorzoo2026", converted).model.save_pretrained(folder)
    sources = {path.stem: path for path in (converted, again, folder / "model.safetensors")}
    for method in open_methods(sources, load_protocol("automatic"), torch.device("cpu")):
        assert count_seen(method.about, items) == 2


def test_report_marks_methods_trained_on_evaluated_images(
    run: Callable[..., Outcome], plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(plan.data / f"{NAME}.png", 9)
    models = {"colorzoo2026": None, **plan.models}
    outcome = run(models=models, interactions=(0,), metrics=("psnr",))
    note = "colorzoo2026 was trained on 1 of the 5 images."
    for name in ("results.md", "results.tex", "report.html"):
        text = (plan.output / name).read_text(encoding="utf-8")
        assert note in text
        assert "colorzoo2026 †" in text.replace(r"$\dagger$", "†")
        assert "gray †" not in text
    rows = json.loads((plan.output / "results.json").read_text())["results"]
    assert {row["method"]: row["seen_in_training"] for row in rows} == dict.fromkeys(models, 0) | {
        "colorzoo2026": 1
    }
    assert not any(score["best"] for score in rows[0]["scores"].values())
    print_notes(outcome)
    assert note in capsys.readouterr().err

    (plan.data / f"{NAME}.png").rename(plan.data / "renamed.png")
    run(models=models, interactions=(0,), metrics=("psnr",))
    assert "†" not in (plan.output / "results.md").read_text(encoding="utf-8")
