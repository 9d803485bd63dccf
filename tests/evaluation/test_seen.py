"""Marks of methods that were trained on evaluated images."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo import ColoringModel, create_model
from colorzoo.apps.cli.evaluate import print_scores
from colorzoo.data.sources import StoredImage
from colorzoo.evaluation import Outcome, seen
from colorzoo.evaluation.images import Item
from colorzoo.evaluation.methods import open_methods
from colorzoo.evaluation.page import curves_of
from colorzoo.evaluation.protocol import load_protocol
from colorzoo.evaluation.run import print_notes
from colorzoo.evaluation.seen import NEAR_BITS, SeenImages, count_seen, perceptual_hash, seen_images
from colorzoo.plots import report_curves
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.weights import convert_weights
from colorzoo.weights.catalog import weight_file
from tiny_evaluation import Plan, write_image

SHA = model_card("colorzoo2026").weights["default"].sha256
NAME = "ILSVRC2012_val_00000293"


@pytest.fixture
def items() -> list[Item]:
    source = StoredImage("unused")
    known = min(seen_images("seen_colorzoo2026.csv").sha256)
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
    assert count_seen({"mine": about}, items) == ({"mine": count} if count else {})


def test_images_of_several_lists_are_counted_once(items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lists share one of the three images."""
    lists = {
        file: SeenImages(frozenset(), frozenset(sha256), frozenset())
        for file, sha256 in (("a.csv", {"0", "1"}), ("b.csv", {"0", items[2].sha256}))
    }
    entry = model_card("colorzoo2026").weights["default"]
    card = replace(
        model_card("colorzoo2026"),
        weights={file: replace(entry, seen=file, sha256=file) for file in lists},
    )
    monkeypatch.setattr(seen, "list_models", lambda: ["colorzoo2026"])
    monkeypatch.setattr(seen, "model_card", lambda _: card)
    monkeypatch.setattr(seen, "seen_images", lists.__getitem__)
    assert count_seen({"mine": {"sha256": "a.csv", "trained_on": "b.csv"}}, items) == {"mine": 3}


@pytest.mark.parametrize("size", [(320, 240), (160, 120), (256, 256), (100, 75)])
def test_perceptual_hash_recognizes_resized_and_recompressed_copies(size: tuple[int, int]) -> None:
    hashes = {"image": [], "copy": []}
    for seed in range(8):
        rgb = (sample_image((480, 640), seed=seed)[0] * 255).byte().permute(1, 2, 0).numpy()
        image = Image.fromarray(rgb)
        for name, each, quality in (("image", image, 95), ("copy", image.resize(size), 80)):
            stream = BytesIO()
            each.save(stream, "JPEG", quality=quality)
            hashes[name].append(perceptual_hash(stream.getvalue()))
    distances = np.array([[(one ^ other).bit_count() for other in hashes["copy"]] for one in hashes["image"]])
    assert (np.diag(distances) <= NEAR_BITS).all()
    assert (distances[~np.eye(8, dtype=bool)] > NEAR_BITS).all()
    assert max(hashes["image"]) < 2**64


def test_resized_training_images_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy with another size, name and format is seen; another image and a damaged file are not."""
    write_image(tmp_path / "train.png", 5, (200, 300))
    known = SeenImages(
        frozenset(), frozenset(), frozenset({perceptual_hash((tmp_path / "train.png").read_bytes())})
    )
    monkeypatch.setattr(seen, "seen_images", lambda _: known)
    Image.open(tmp_path / "train.png").resize((100, 100)).save(tmp_path / "copy.webp")
    write_image(tmp_path / "other.png", 6, (200, 300))
    (tmp_path / "damaged.png").write_bytes(b"no image")
    names = ["copy.webp", "other.png", "damaged.png"]
    items = [Item(name, StoredImage(str(tmp_path / name)), sha256=name) for name in names]
    assert count_seen({"mine": {"sha256": SHA}, "other": {}}, items) == {"mine": 1}


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
    assert count_seen({method.name: method.about for method in methods}, items) == {
        "own": 2, "copied": 2, "trained": 2
    }  # fmt: skip


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
        assert count_seen({"mine": method.about}, items) == {"mine": 2}


def test_report_marks_methods_trained_on_evaluated_images(
    run: Callable[..., Outcome], plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(plan.data / f"{NAME}.png", 9)
    models = {"colorzoo2026": None, **plan.models}
    outcome = run(models=models, interactions=(0, 3), metrics=("psnr",), baseline="gray")
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
    # the mark in legends, comparisons, and the columns of the gallery
    assert outcome.summary is not None
    names = [curve.name for curve in curves_of(outcome.summary, outcome.summary.setup.outputs[0])]
    assert [curve.name for curve in report_curves(plan.output / "results.json", "psnr")] == names
    assert names[0] == "colorzoo2026 †"
    print_scores(outcome, plan.output)
    assert "colorzoo2026 † minus gray, PSNR" in capsys.readouterr().out
    page = (plan.output / "report.html").read_text(encoding="utf-8")
    assert "colorzoo2026 † minus gray" in page
    assert page.count("<th>colorzoo2026 †</th>") == 2  # worst and best images

    (plan.data / f"{NAME}.png").rename(plan.data / "renamed.png")
    run(models=models, interactions=(0,), metrics=("psnr",))
    assert "†" not in (plan.output / "results.md").read_text(encoding="utf-8")
