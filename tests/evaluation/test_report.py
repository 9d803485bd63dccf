"""Report files of an evaluation, compared with values computed from the images."""

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
from scipy.stats import norm, t, ttest_1samp

from colorzoo._machine import LIBRARIES
from colorzoo.evaluation import Outcome
from colorzoo.evaluation.protocol import parse_protocol
from colorzoo.evaluation.statistics import Estimate, bootstrap_weights, holm
from colorzoo.evaluation.tables import format_interval as span
from colorzoo.evaluation.tables import format_number, plain
from colorzoo.files import sha256_of
from tiny_evaluation import PROTOCOL, Plan, write_image
from tiny_model import NAME

COUNT, EXACT, GRAY = 13, 5, 7  # number of images, index of an exact result, index of a gray image
TEXT = PROTOCOL.replace("{mode: squash, size: 32}", "{mode: none}")
METRICS = ("psnr", "cdr", "colorfulness", "ssim", "ab_rmse", "gray_gain")
NUMBER = "psnr_rgb_8bit_mean"
KEY = f"{NUMBER}@original-size"


class Report(NamedTuple):
    """An evaluation report, and the PSNR of each image for two methods."""

    outcome: Outcome
    plan: Plan
    results: dict[str, Any]
    page: str
    theirs: np.ndarray
    ours: np.ndarray

    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader((self.plan.output / "per_image.csv").open()))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Report:
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
        models={"theirs": folder / "theirs", NAME: tiny_weights, "gray": None, "truth": None},
        data=folder / "photos",
        output=folder / "report",
        protocol=parse_protocol(TEXT, "tiny"),
        metrics=METRICS,
        compare=[("theirs", NAME)],
        resamples=200,
    )
    with pytest.MonkeyPatch.context() as patch:
        home = str(Path.home())
        patch.setattr("sys.argv", ["colorzoo", f"{home}/photos", f"{home}2/photos", f"--data={home}"])
        outcome = plan.run()
    results = json.loads((plan.output / "results.json").read_text())
    page = (plan.output / "report.html").read_text()
    rows = list(csv.DictReader((plan.output / "per_image.csv").open()))
    ours = [float(row[KEY]) for row in rows if (row["method"], row["interactions"]) == (NAME, "3")]
    return Report(outcome, plan, results, page, np.array(psnr), np.array(ours))


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of finite values and its expanded quantiles over the resamples."""
    finite = np.isfinite(values)
    weights = bootstrap_weights(COUNT, 200, seed=0)[:, finite]
    drawn = weights @ values[finite] / weights.sum(1)
    count = finite.sum()
    tail = norm.cdf(t.ppf(0.025, count - 1) * np.sqrt(count / (count - 1)))
    return values[finite].mean(), *np.quantile(drawn, (tail, 1 - tail))


def test_results_json_scores_equal_statistics_of_the_images(report: Report) -> None:
    value, low, high = interval(report.theirs)
    row = report.results["results"][0]
    assert (row["method"], row["interactions"], row["actual_interactions"]) == ("theirs", 0, 0)
    assert row["scores"][KEY] == pytest.approx(
        {"value": value, "low": low, "high": high, "images": 12, "exact": 1, "excluded": 0, "best": True},
        rel=1e-5,
    )
    cdr = next(key for key in row["scores"] if key.startswith("cdr"))
    assert [row["scores"][cdr][name] for name in ("images", "exact", "excluded")] == [12, 0, 1]
    scores = {(row["method"], row["interactions"]): row["scores"] for row in report.results["results"]}
    assert list(scores) == [("theirs", 0), (NAME, 0), (NAME, 3), ("gray", 0), ("truth", 0)]
    assert (scores["truth", 0][KEY]["value"], scores["truth", 0][KEY]["exact"]) == ("inf", COUNT)
    assert scores["truth", 0][KEY]["low"] is None
    assert scores["truth", 0][cdr]["value"] == 1
    (colorful,) = (key for key in scores["gray", 0] if key.startswith("cf_"))
    assert scores["gray", 0][colorful]["value"] == pytest.approx(0, abs=0.1)  # rounded to 8 bits
    assert [each[KEY]["best"] for each in scores.values()] == [True, False, False, False, False]


def test_per_image_csv_lists_the_scores_of_each_image(report: Report) -> None:
    rows, names = report.rows(), [f"{index:02}.png" for index in range(COUNT)]
    keys = list(report.results["metrics"])
    assert list(rows[0]) == ["image", "sha256", "method", "interactions", "actual_interactions", *keys]
    own = [row for row in rows if row["method"] == "theirs"]
    assert [row["image"] for row in own] == names
    assert [row["sha256"] for row in own] == [sha256_of(report.plan.data / name) for name in names]
    assert [row[KEY] for row in own] == [f"{value:.6g}" for value in report.theirs]
    assert [row[next(key for key in keys if key.startswith("cdr"))] == "" for row in own] == [
        index == GRAY for index in range(COUNT)
    ]
    groups = [(row["method"], row["interactions"], row["actual_interactions"]) for row in rows[::COUNT]]
    assert groups == [("theirs", "0", "0"), (NAME, "0", "0"), (NAME, "3", "3"), ("gray", "0", "0"),
                     ("truth", "0", "0")]  # fmt: skip


def test_comparison_uses_paired_differences_with_holm_correction(report: Report) -> None:
    ssim = next(key for key in report.results["metrics"] if key.startswith("ssim"))
    of: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in report.rows():
        of[row["method"], row["interactions"]].append(float(row[ssim]))
    found = [each for each in report.results["comparisons"] if each["metric"] == ssim]
    assert [each["interactions"] for each in found] == [0, 3]
    for each in found:
        differences = np.array(of["theirs", "0"]) - of[NAME, str(each["interactions"])]
        test = ttest_1samp(differences, 0)
        low, high = test.confidence_interval()
        p = max(test.pvalue, 2 / 2**COUNT)
        wanted = {"value": differences.mean(), "low": low, "high": high, "p": p, "images": COUNT}
        assert each["methods"] == ["theirs", NAME]
        assert {key: each[key] for key in wanted} == pytest.approx(wanted, rel=1e-3)
        assert each["significant"] == (each["p_adjusted"] < 0.05)
        assert each["verdict"] == ("significant" if each["significant"] else "not significant")
    adjusted = holm([each["p"] for each in report.results["comparisons"]])
    assert [each["p_adjusted"] for each in report.results["comparisons"]] == pytest.approx(adjusted, rel=1e-4)
    compared = {each["metric"] for each in report.results["comparisons"]}
    assert {key for key in report.results["metrics"] if key not in compared} == {
        key for key in report.results["metrics"] if key.startswith(("cdr_a", "cdr_b"))
    }  # components of cdr


def test_manifest_lists_all_inputs_of_the_evaluation(report: Report) -> None:
    found = json.loads((report.plan.output / "manifest.json").read_text())
    assert datetime.fromisoformat(found["run"]["date"]).tzinfo is not None
    assert found["run"]["command"] == ["colorzoo", "~/photos", f"{Path.home()}2/photos", "--data=~"]
    assert found["versions"].keys() == {"python", "colorzoo", *LIBRARIES}
    assert (found["machine"]["device"], found["machine"]["threads"]) == ("cpu", 1)
    assert [each["name"] for each in found["methods"]] == ["theirs", NAME, "gray", "truth"]
    assert found["methods"][1]["sha256"] == sha256_of(Path(report.plan.models[NAME]))
    paths = [path for path in sorted(report.plan.data.iterdir()) if path.name != "broken.png"]
    assert found["images"] == [{"name": path.name, "sha256": sha256_of(path)} for path in paths]
    expected = {
        "protocol": {"name": "tiny-hints/3", "text": TEXT},
        "interactions": [0, 3],
        "metrics": list(report.results["metrics"]),
        "resamples": 200,
        "skipped": [{"name": "broken.png", "reason": report.outcome.skipped[0][1]}],
        "gray": [f"{GRAY:02}.png"],
    }
    assert {key: found[key] for key in expected} == expected


def test_report_galleries_show_five_images_each(report: Report) -> None:
    tables = report.page.split('class="shots"')[1:]
    assert [table.count(".png</") for table in tables] == [5, 5]


def test_number_formatting_handles_non_finite_values() -> None:
    texts = [format_number(value, 2) for value in (math.nan, math.inf, -math.inf, -0.001, 1.239)]
    assert texts == ["—", "∞", "-∞", "0.00", "1.24"]
    assert [span(Estimate(1, *ends), 1) for ends in ((math.nan, math.nan), (0.96, 2))] == ["", "1.0 to 2.0"]
    values = (math.nan, math.inf, -math.inf, 1.23456789, 3, "x", None, True)
    assert plain({1: values}) == {"1": [None, "inf", "-inf", 1.23457, 3, "x", None, True]}
    assert str(plain(-0.0)) == "0.0"
