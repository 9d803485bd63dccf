"""The files of one report, against numbers that are made here from its pictures."""

from __future__ import annotations

import csv
import io
import json
import math
import platform
import re
from base64 import b64decode
from collections import defaultdict
from datetime import datetime
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

import colorzoo
from colorzoo.environment import LIBRARIES, processor_name
from colorzoo.evaluation import Outcome, Plan, evaluate
from colorzoo.evaluation.protocol import parse_protocol
from colorzoo.evaluation.published import Published
from colorzoo.evaluation.statistics import Estimate, bootstrap_weights, holm
from colorzoo.evaluation.tables import interval as span
from colorzoo.evaluation.tables import number, plain
from colorzoo.weights.files import sha256_of
from tiny_evaluation import PROTOCOL, write_picture
from tiny_model import NAME

COUNT, EXACT, GRAY = 13, 5, 7  # pictures, one that is found exactly, one without color
TEXT = PROTOCOL.replace("{mode: squash, size: 32}", "{mode: none}").replace("value: 15", "value: 21")
METRICS = ("psnr", "cdr", "cf", "ssim", "ab_rmse", "psnr_ab", "ciede2000", "gray_gain")
NUMBER = "psnr_rgb_8bit_mean"
KEY = f"{NUMBER}@original-size"


class Made(NamedTuple):
    """A report, and PSNR by method: of each picture, by hand for the finished results."""

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
        write_picture(path, index, size=(24, 32))
        if index == GRAY:
            Image.open(path).convert("L").save(path)
        truth = np.asarray(Image.open(path).convert("RGB")).astype(int)
        noise = 0 if index == EXACT else 4 + 3 * (index * 5 % COUNT)
        result = (truth + chance.normal(0, noise, truth.shape)).round().clip(0, 255).astype(np.uint8)
        Image.fromarray(result).save(folder / "theirs" / path.name)
        with np.errstate(divide="ignore"):
            psnr.append(10 * np.log10(255**2 / ((result - truth) ** 2).mean()))
    (folder / "photos" / "broken.png").write_bytes(b"no picture")
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
    table = [
        Published(
            "Doe 2020", "tiny-hints/3", "all", NUMBER, "original-size", "Doe", NAME, 3, 25.5, error=0.25
        ),
        Published("Roe 2021", "tiny-hints/2", "some", NUMBER, "original-size", "Roe", "", 0, 30.0),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("colorzoo.evaluation.published.all_published", lambda: table)
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


def test_the_numbers_are_those_of_the_pictures(made: Made) -> None:
    value, low, high = interval(made.theirs)
    row = made.results["results"][0]
    assert (row["method"], row["interactions"], row["given"]) == ("theirs", 0, 0)
    assert row["scores"][KEY] == pytest.approx(
        {"value": value, "low": low, "high": high, "pictures": 12, "exact": 1, "left_out": 0, "best": True},
        rel=1e-5,
    )
    cdr = next(key for key in row["scores"] if key.startswith("cdr"))
    assert [row["scores"][cdr][name] for name in ("pictures", "exact", "left_out")] == [12, 0, 1]
    scores = {(row["method"], row["interactions"]): row["scores"] for row in made.results["results"]}
    assert list(scores) == [("theirs", 0), (NAME, 0), (NAME, 3), ("gray", 0), ("truth", 0)]
    assert (scores["truth", 0][KEY]["value"], scores["truth", 0][KEY]["exact"]) == ("inf", COUNT)
    assert scores["truth", 0][KEY]["low"] is None
    assert scores["truth", 0][cdr]["value"] == 1
    (colorful,) = (key for key in scores["gray", 0] if key.startswith("cf_"))
    assert scores["gray", 0][colorful]["value"] == pytest.approx(0, abs=0.01)
    assert [each[KEY]["best"] for each in scores.values()] == [True, False, False, False, False]


def test_the_numbers_of_each_picture_are_in_a_table(made: Made) -> None:
    rows, names = made.rows(), [f"{index:02}.png" for index in range(COUNT)]
    keys = list(made.results["metrics"])
    assert list(rows[0]) == ["picture", "sha256", "method", "interactions", "given", *keys]
    own = [row for row in rows if row["method"] == "theirs"]
    assert [row["picture"] for row in own] == names
    assert [row["sha256"] for row in own] == [sha256_of(made.plan.data / name) for name in names]
    assert [row[KEY] for row in own] == [f"{value:.6g}" for value in made.theirs]
    assert [row[next(key for key in keys if key.startswith("cdr"))] == "" for row in own] == [
        index == GRAY for index in range(COUNT)
    ]
    asked = [(row["method"], row["interactions"], row["given"]) for row in rows[::COUNT]]
    assert asked == [("theirs", "0", "0"), (NAME, "0", "0"), (NAME, "3", "3"), ("gray", "0", "0"),
                     ("truth", "0", "0")]  # fmt: skip


def test_two_methods_are_compared_on_the_pictures_of_both(made: Made) -> None:
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
        wanted = {"value": value, "low": low, "high": high, "p": min(p, 1), "pictures": COUNT}
        assert {key: each[key] for key in wanted} == pytest.approx(wanted, rel=1e-3)
        assert each["real"] == (each["p_adjusted"] < 0.05)
        assert each["verdict"] == ("real" if each["real"] else "may be chance")
    adjusted = holm([each["p"] for each in made.results["comparisons"]])
    assert [each["p_adjusted"] for each in made.results["comparisons"]] == pytest.approx(adjusted, rel=1e-4)
    compared = {each["metric"] for each in made.results["comparisons"]}
    assert {key for key in made.results["metrics"] if key not in compared} == {
        key for key in made.results["metrics"] if key.startswith(("cdr_a", "cdr_b"))
    }  # which are parts of another


def test_the_target_is_reached_by_this_share_of_pictures(made: Made) -> None:
    target = made.results["target"]
    assert (target["metric"], target["value"]) == ("psnr", 21)
    reached = made.theirs >= 21
    weights = bootstrap_weights(COUNT, 200, seed=0)
    low, high = np.quantile(weights @ reached / COUNT, (0.025, 0.975))
    share = target["methods"]["theirs"]["share"]
    assert share == pytest.approx({"value": reached.mean(), "low": low, "high": high}, rel=1e-5)
    assert target["methods"]["theirs"]["interactions"]["value"] == 0


class Tables(HTMLParser):
    """Texts of the cells of each row; parts of a cell are apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        if data.strip() and self.rows:
            self.rows[-1].append(data.strip())


def shown(found: Estimate, digits: int) -> list[str]:
    return [f"{found.value:.{digits}f}", f"{found.low:.{digits}f} to {found.high:.{digits}f}"]


def test_page_and_tables_state_the_numbers(made: Made) -> None:
    rows = Tables(made.page).rows
    metrics, summary = made.results["metrics"], made.outcome.summary
    assert summary is not None
    (theirs,) = (row for row in rows if row[:2] == ["theirs", "0"])
    parts = []
    for output in summary.setup.outputs:
        score = summary.rows[0].scores[output.key]
        notes = [f"{score.exact} exact not in the mean"] * score.exact + ["1 left out"] * score.left_out
        parts.append([*shown(score.estimate, output.digits), *notes])
    assert theirs == ["theirs", "0", *(text for part in parts for text in part)]
    line = next(
        each for each in (made.plan.output / "results.md").read_text().splitlines() if "theirs" in each
    )
    assert line.strip("| ").split(" | ") == [
        "theirs", "0", *(f"{value} ({'; '.join(rest)})" for value, *rest in parts)
    ]  # fmt: skip
    heads = ["method", "interactions", *(
        " ".join(filter(None, [each["title"], f"[{each['unit']}]" if each["unit"] else "",
                               {"higher": "↑", "lower": "↓", "neither": ""}[each["better"]]]))
        for each in metrics.values()
    )]  # fmt: skip
    assert heads in rows
    target = made.results["target"]["methods"]["theirs"]
    low, high = (f"{100 * target['share'][end]:.0f}" for end in ("low", "high"))
    assert [f"{100 * target['share']['value']:.0f} %", f"{low} to {high} %"] in (row[1:3] for row in rows)
    for each in summary.comparisons:
        value, span = shown(each.difference.estimate, each.output.digits + 1)
        signed = f"+{value}" if each.difference.estimate.value > 0 else value
        wanted = [signed, span, f"{each.adjusted:.4f}", each.verdict, str(each.difference.pictures)]
        assert [str(each.count), *wanted] in (row[1:7] for row in rows), wanted
    ours = f"{summary.rows[2].scores[NUMBER].estimate.value:.2f}"
    assert ["Doe", "3", NUMBER, "25.5", "± 0.25", ours, "yes", "Doe 2020; all"] in rows
    assert ["Roe", "0", NUMBER, "30", "—", "no: protocol tiny-hints/2", "Roe 2021; some"] in (
        row[:7] for row in rows
    )
    text = " ".join(re.sub("<[^>]*>", " ", made.page).split())
    for part in (
        "Protocol tiny-hints/3 · 13 pictures · 4 methods · 95 % intervals by bootstrap",
        "1 picture(s) skipped: broken.png is broken",
        f"1 picture(s) have no color, so that every color counts as wrong and CDR is left out: {GRAY:02}.png",
        "Interactions to reach psnr ≥ 21",
        "Published numbers (1 of 2 comparable with this run)",
        f"theirs minus {NAME}, picture by picture",
        "ranked by PSNR [dB] ↑ after 3 interactions, mean of the methods but truth and gray",
    ):
        assert part in text, part


def test_the_worst_and_the_best_pictures_are_shown(made: Made) -> None:
    """By the mean of both methods; the middle one of twelve, and the one found exactly, are left out."""
    mean = (made.theirs + made.ours) / 2
    order = [index for index in np.argsort(mean) if np.isfinite(mean[index])]
    assert len(order) == 12
    wanted = [*order[:5], *order[:-6:-1]]
    assert re.findall(r'alt="(\d+)\.png, truth"', made.page) == [f"{index:02}" for index in wanted]
    values = re.findall(r'alt="\d+\.png, theirs" src="[^"]*"><small>([^<]*)', made.page)
    assert values == [f"{made.theirs[index]:.2f}" for index in wanted]
    sizes = []
    for data in re.findall(r'src="data:image/jpeg;base64,([^"]*)"', made.page):
        with Image.open(io.BytesIO(b64decode(data))) as image:
            sizes.append(image.size)
    assert sizes == [(32, 24)] * 40  # truth and three methods


def test_the_manifest_says_what_repeats_the_numbers(made: Made) -> None:
    found = json.loads((made.plan.output / "manifest.json").read_text())
    run = found.pop("run")
    assert datetime.fromisoformat(run.pop("date")).tzinfo is not None
    assert run.pop("commit") is None or True
    assert run == {"command": ["colorzoo", "evaluate", "~/photos"], "processes": 1}
    assert found.pop("versions").keys() == {"python", "colorzoo", *LIBRARIES}
    machine = found.pop("machine")
    assert machine["processor"].startswith(processor_name())
    assert {key: machine[key] for key in ("device", "threads")} == {"device": "cpu", "threads": 1}
    assert machine["instructions"] == torch.backends.cpu.get_cpu_capability()
    theirs, tiny, gray, truth = found.pop("methods")
    assert tiny["sha256"] == sha256_of(Path(made.plan.weights[NAME]))
    assert tiny["trained_on"] == "unknown: the file has no record"
    assert [each["name"] for each in (theirs, tiny, gray, truth)] == ["theirs", NAME, "gray", "truth"]
    pictures = [
        {"name": path.name, "sha256": sha256(path.read_bytes()).hexdigest()}
        for path in sorted(made.plan.data.iterdir())
        if path.name != "broken.png"
    ]
    assert found == {
        "schema": 1,
        "seed": 0,
        "protocol": {"name": "tiny-hints/3", "text": TEXT},
        "interactions": [0, 3],
        "metrics": list(made.results["metrics"]),
        "resamples": 200,
        "deviation": "",
        "pictures": pictures,
        "skipped": [{"name": "broken.png", "reason": made.outcome.skipped[0][1]}],
        "gray": [f"{GRAY:02}.png"],
    }


def test_the_results_say_how_they_were_made(made: Made) -> None:
    found = dict(made.results)
    text = json.dumps(found, indent=1, ensure_ascii=False)  # for readers, too
    assert (made.plan.output / "results.json").read_text() == f"{text}\n"
    setup, published = found.pop("setup"), found.pop("published")
    for key in ("metrics", "results", "comparisons", "target"):
        del found[key]
    assert found == {
        "schema": 1,
        "protocol": "tiny-hints/3",
        "deviation": "",
        "pictures": COUNT,
        "skipped": 1,
        "gray": 1,
        "notes": [],
        "compared": ["theirs", NAME],
    }
    facts = [(each["source"], each["comparable"], each["differs"]) for each in published]
    assert facts == [("Doe 2020", True, ""), ("Roe 2021", False, "protocol tiny-hints/2")]
    hashes = "".join(sorted(item.key for item in made.outcome.summary.items))  # type: ignore[union-attr]
    assert setup["digest"] == sha256(hashes.encode()).hexdigest()[:12]
    assert setup["machine"] == f"cpu {processor_name()} ({platform.machine()})"
    plain = ("title", "source", "user", "interactions", "resamples", "seed", "threads")
    assert [setup[key] for key in plain] == [
        "Points on small pictures", "tests", "uniform_points", [0, 3], 200, 0, 1
    ]  # fmt: skip
    assert setup["references"] == ["colorzoo", "zhang2017", "kim2021", "wang2004", "hasler2003", "sharma2005"]
    assert setup["versions"]["colorzoo"] == colorzoo.__version__


def test_numbers_that_are_not_finite_have_signs_of_their_own() -> None:
    texts = [number(value, 2) for value in (math.nan, math.inf, -math.inf, -0.001, 1.239)]
    assert texts == ["—", "∞", "-∞", "0.00", "1.24"]
    assert [span(Estimate(1, *ends), 1) for ends in ((math.nan, math.nan), (0.96, 2))] == ["", "1.0 to 2.0"]
    values = (math.nan, math.inf, -math.inf, 1.23456789, 3, "x", None, True)
    assert plain({1: values}) == {"1": [None, "inf", "-inf", 1.23457, 3, "x", None, True]}
    assert str(plain(-0.0)) == "0.0"
