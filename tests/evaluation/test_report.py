"""The files of one report, against numbers that are made here from its images."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from colorzoo.environment import LIBRARIES
from colorzoo.evaluation import Outcome, Plan, evaluate
from colorzoo.evaluation.protocol import parse_protocol
from colorzoo.evaluation.statistics import Estimate, bootstrap_weights, holm
from colorzoo.evaluation.tables import interval as span
from colorzoo.evaluation.tables import number, plain
from colorzoo.files import sha256_of
from tiny_evaluation import PROTOCOL, write_image
from tiny_model import NAME

COUNT, EXACT, GRAY = 13, 5, 7  # images, one that is found exactly, one without color
TEXT = PROTOCOL.replace("{mode: squash, size: 32}", "{mode: none}")
METRICS = ("psnr", "cdr", "colorfulness", "ssim", "ab_rmse", "gray_gain")
NUMBER = "psnr_rgb_8bit_mean"
KEY = f"{NUMBER}@original-size"


class Made(NamedTuple):
    """A report, and PSNR by method: of each image, by hand for the finished results."""

    outcome: Outcome
    plan: Plan
    results: dict[str, Any]
    page: str
    theirs: np.ndarray
    ours: np.ndarray

    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader((self.plan.output / "per_image.csv").open()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Made:
    folder = tmp_path_factory.mktemp("report")
    chance, psnr = np.random.default_rng(1), []
    (folder / "theirs").mkdir()
    for index in range(COUNT):
        path = folder / "photos" / f"{index:02}.png"
        write_image(path, index, size=(24, 32))
        if index == GRAY:
            Image.open(path).convert("L").save(path)
        truth = np.asarray(Image.open(path).convert("RGB")).astype(int)
        noise = 0 if index == EXACT else 4 + 3 * (index * 5 % COUNT)
        result = (truth + chance.normal(0, noise, truth.shape)).round().clip(0, 255).astype(np.uint8)
        Image.fromarray(result).save(folder / "theirs" / path.name)
        with np.errstate(divide="ignore"):
            psnr.append(10 * np.log10(255**2 / ((result - truth) ** 2).mean()))
    (folder / "photos" / "broken.png").write_bytes(b"no image")
    plan = Plan(
        models=(f"theirs={folder / 'theirs'}", NAME, "gray", "truth"),
        data=folder / "photos",
        output=folder / "report",
        protocol=parse_protocol(TEXT, "tiny"),
        metrics=METRICS,
        weights={NAME: str(tiny_weights)},
        compare=("theirs", NAME),
        resamples=200,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["colorzoo", "evaluate", f"{Path.home()}/photos"])
        outcome = evaluate(plan)
    results = json.loads((plan.output / "results.json").read_text())
    page = (plan.output / "report.html").read_text()
    rows = list(csv.DictReader((plan.output / "per_image.csv").open()))
    ours = [float(row[KEY]) for row in rows if (row["method"], row["interactions"]) == (NAME, "3")]
    return Made(outcome, plan, results, page, np.array(psnr), np.array(ours))


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of finite values and its quantiles over the resamples."""
    finite = np.isfinite(values)
    weights = bootstrap_weights(COUNT, 200, seed=0)[:, finite]
    drawn = weights @ values[finite] / weights.sum(1)
    return values[finite].mean(), *np.quantile(drawn, (0.025, 0.975))


def test_the_numbers_are_those_of_the_images(made: Made) -> None:
    value, low, high = interval(made.theirs)
    row = made.results["results"][0]
    assert (row["method"], row["interactions"], row["actual_interactions"]) == ("theirs", 0, 0)
    assert row["scores"][KEY] == pytest.approx(
        {"value": value, "low": low, "high": high, "images": 12, "exact": 1, "excluded": 0, "best": True},
        rel=1e-5,
    )
    cdr = next(key for key in row["scores"] if key.startswith("cdr"))
    assert [row["scores"][cdr][name] for name in ("images", "exact", "excluded")] == [12, 0, 1]
    scores = {(row["method"], row["interactions"]): row["scores"] for row in made.results["results"]}
    assert list(scores) == [("theirs", 0), (NAME, 0), (NAME, 3), ("gray", 0), ("truth", 0)]
    assert (scores["truth", 0][KEY]["value"], scores["truth", 0][KEY]["exact"]) == ("inf", COUNT)
    assert scores["truth", 0][KEY]["low"] is None
    assert scores["truth", 0][cdr]["value"] == 1
    (colorful,) = (key for key in scores["gray", 0] if key.startswith("cf_"))
    assert scores["gray", 0][colorful]["value"] == pytest.approx(0, abs=0.01)
    assert [each[KEY]["best"] for each in scores.values()] == [True, False, False, False, False]


def test_the_numbers_of_each_image_are_in_a_table(made: Made) -> None:
    rows, names = made.rows(), [f"{index:02}.png" for index in range(COUNT)]
    keys = list(made.results["metrics"])
    assert list(rows[0]) == ["image", "sha256", "method", "interactions", "actual_interactions", *keys]
    own = [row for row in rows if row["method"] == "theirs"]
    assert [row["image"] for row in own] == names
    assert [row["sha256"] for row in own] == [sha256_of(made.plan.data / name) for name in names]
    assert [row[KEY] for row in own] == [f"{value:.6g}" for value in made.theirs]
    assert [row[next(key for key in keys if key.startswith("cdr"))] == "" for row in own] == [
        index == GRAY for index in range(COUNT)
    ]
    asked = [(row["method"], row["interactions"], row["actual_interactions"]) for row in rows[::COUNT]]
    assert asked == [("theirs", "0", "0"), (NAME, "0", "0"), (NAME, "3", "3"), ("gray", "0", "0"),
                     ("truth", "0", "0")]  # fmt: skip


def test_two_methods_are_compared_on_the_images_of_both(made: Made) -> None:
    ssim = next(key for key in made.results["metrics"] if key.startswith("ssim"))
    of: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in made.rows():
        of[row["method"], row["interactions"]].append(float(row[ssim]))
    found = [each for each in made.results["comparisons"] if each["metric"] == ssim]
    assert [each["interactions"] for each in found] == [0, 3]
    for each in found:
        differences = np.array(of["theirs", "0"]) - of[NAME, str(each["interactions"])]
        drawn = bootstrap_weights(COUNT, 200, seed=0) @ differences / COUNT
        p = 2 * min((1 + (drawn <= 0).sum()), (1 + (drawn >= 0).sum())) / 201
        value, low, high = interval(differences)
        wanted = {"value": value, "low": low, "high": high, "p": min(p, 1), "images": COUNT}
        assert {key: each[key] for key in wanted} == pytest.approx(wanted, rel=1e-3)
        assert each["significant"] == (each["p_adjusted"] < 0.05)
        assert each["verdict"] == ("significant" if each["significant"] else "not significant")
    adjusted = holm([each["p"] for each in made.results["comparisons"]])
    assert [each["p_adjusted"] for each in made.results["comparisons"]] == pytest.approx(adjusted, rel=1e-4)
    compared = {each["metric"] for each in made.results["comparisons"]}
    assert {key for key in made.results["metrics"] if key not in compared} == {
        key for key in made.results["metrics"] if key.startswith(("cdr_a", "cdr_b"))
    }  # which are parts of another


def test_the_manifest_contains_all_inputs_of_the_evaluation(made: Made) -> None:
    found = json.loads((made.plan.output / "manifest.json").read_text())
    assert datetime.fromisoformat(found["run"]["date"]).tzinfo is not None
    assert found["run"]["command"] == ["colorzoo", "evaluate", "~/photos"]
    assert found["versions"].keys() == {"python", "colorzoo", *LIBRARIES}
    assert (found["machine"]["device"], found["machine"]["threads"]) == ("cpu", 1)
    assert [each["name"] for each in found["methods"]] == ["theirs", NAME, "gray", "truth"]
    assert found["methods"][1]["sha256"] == sha256_of(Path(made.plan.weights[NAME]))
    paths = [path for path in sorted(made.plan.data.iterdir()) if path.name != "broken.png"]
    assert found["images"] == [{"name": path.name, "sha256": sha256_of(path)} for path in paths]
    expected = {
        "protocol": {"name": "tiny-hints/3", "text": TEXT},
        "interactions": [0, 3],
        "metrics": list(made.results["metrics"]),
        "resamples": 200,
        "skipped": [{"name": "broken.png", "reason": made.outcome.skipped[0][1]}],
        "gray": [f"{GRAY:02}.png"],
    }
    assert {key: found[key] for key in expected} == expected


def test_the_gallery_shows_the_five_worst_and_the_five_best_images(made: Made) -> None:
    tables = made.page.split('class="shots"')[1:]
    assert [table.count(".png</") for table in tables] == [5, 5]


def test_format_of_numbers_that_are_not_finite() -> None:
    texts = [number(value, 2) for value in (math.nan, math.inf, -math.inf, -0.001, 1.239)]
    assert texts == ["—", "∞", "-∞", "0.00", "1.24"]
    assert [span(Estimate(1, *ends), 1) for ends in ((math.nan, math.nan), (0.96, 2))] == ["", "1.0 to 2.0"]
    values = (math.nan, math.inf, -math.inf, 1.23456789, 3, "x", None, True)
    assert plain({1: values}) == {"1": [None, "inf", "-inf", 1.23457, 3, "x", None, True]}
    assert str(plain(-0.0)) == "0.0"
