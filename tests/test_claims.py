"""Claims: verdicts, intervals, records, counted looks and older weights."""

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks import _common
from benchmarks.claims import __main__ as command
from benchmarks.claims._claim import (
    Result,
    adjusted,
    estimate_of_means,
    gain_verdict,
    make_claim,
    no_harm_verdict,
    p_value_of,
)
from benchmarks.claims._experiment import (
    LOOKS,
    Experiment,
    Item,
    Setup,
    run,
)
from benchmarks.claims._page import page_and_json
from PIL import Image

from colorzoo.evaluation.statistics import Estimate

MODEL = "zhang2016_small"
CLAIMS = _common.DOCS / "claims"


@pytest.mark.parametrize(
    ("ours", "stated", "verdict"),
    [
        (Estimate(1.0, 0.5, 1.5), None, "sign reproduced"),
        (Estimate(1.0, 0.5, 1.5), 2.0, "reproduced"),
        (Estimate(0.9, 0.5, 1.5), 2.0, "direction only"),  # less than half
        (Estimate(1.0, -0.1, 2.1), None, "inconclusive"),  # the interval reaches zero
        (Estimate(1.0, 0.0, 2.0), None, "inconclusive"),
        (Estimate(1.0, math.nan, math.nan), 1.0, "inconclusive"),  # no interval
        (Estimate(-0.1, -0.2, 0.1), None, "inconclusive"),
        (Estimate(0.0, 0.0, 0.0), None, "inconclusive"),
        (Estimate(math.nan), None, "inconclusive"),
        (Estimate(-0.2, -0.3, -0.1), None, "not reproduced"),
    ],
)
def test_the_verdict_of_a_gain_depends_on_interval_and_size(ours, stated, verdict) -> None:
    assert gain_verdict(ours, stated)[0] == verdict


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        (Estimate(-0.1, -0.4, 0.2), "sign reproduced"),
        (Estimate(-0.1, -0.5, 0.2), "inconclusive"),
        (Estimate(-0.1, math.nan, math.nan), "inconclusive"),
        (Estimate(-0.6, -0.9, -0.3), "inconclusive"),
        (Estimate(-0.8, -0.9, -0.6), "not reproduced"),
        (Estimate(math.nan), "inconclusive"),
    ],
)
def test_the_verdict_of_no_harm_depends_on_the_margin(ours, verdict) -> None:
    assert no_harm_verdict(ours, 0.5)[0] == verdict


def test_one_of_many_rows_may_be_chance() -> None:
    def claim(low: float, high: float, pictures: int = 200):
        rows = [{"value": 0.0}] * pictures
        return make_claim("it helps", Estimate((low + high) / 2, low, high), "dB", Result(rows))

    barely, surely = claim(0.01, 2.0), claim(1.0, 1.2)
    assert barely.p_value == pytest.approx(0.0477, abs=5e-4)
    assert [each.verdict for each in adjusted([barely])] == ["sign reproduced"]
    found = adjusted([barely, *[surely] * 3])
    assert [each.verdict for each in found] == ["sign reproduced"] * 4  # the largest p needs no adjustment
    found = adjusted([barely, claim(-1, 1.1), surely])
    assert [each.verdict for each in found] == ["inconclusive", "inconclusive", "sign reproduced"]
    assert "among 3 tests" in found[0].reason
    assert p_value_of(Estimate(-0.1, -0.2, 0.0), -0.5) < 1e-6  # no harm beyond the margin
    assert math.isnan(p_value_of(Estimate(1.0), 0.0))


def test_a_ratio_of_means_is_not_a_mean_of_ratios() -> None:
    found = estimate_of_means([np.array([1.0, 9.0]), np.array([1.0, 3.0])], lambda means: means[0] / means[1])
    assert found.value == 2.5
    assert (found.low, found.high) == (1.0, 3.0)


def test_gains_are_paired() -> None:
    result = Result([{"item": "a", "one": 5.0, "other": 4.0}, {"item": "b", "one": 105.0, "other": 104.0}])
    assert result.gain("one", "other") == Estimate(1.0, 1.0, 1.0)
    assert Result([{"one": 5.0}, {"one": None}]).mean("one").value == 5


def looks(setup: Setup) -> list[int]:
    """Return the numbers of pictures in the list of looks."""
    lines = (setup.out / LOOKS).read_text(encoding="utf-8").splitlines()[1:]
    return [int(row[2]) for row in csv.reader(lines)]


class Bench:
    """An experiment over files that counts how often each was measured."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.measured, self.begun = folder, [], 0
        folder.mkdir()
        for name in "abc":
            (folder / name).write_text(name)

    def items(self, setup: Setup) -> list[Item]:
        return [Item(path.name, (path,)) for path in sorted(self.folder.iterdir())]

    def begin(self, setup: Setup):
        self.begun += 1
        return self.measure

    def measure(self, item: Item) -> Mapping[str, float]:
        if item.name == "stop":
            raise KeyboardInterrupt
        self.measured.append(item.name)
        return {"value": float(len(self.measured))}

    def experiment(self, settings: str = "") -> Experiment:
        return Experiment("paper-test", (MODEL,), "a set", self.items, self.begin, settings)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "pictures")


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path, tmp_path / "out")


def test_recorded_items_are_not_measured_again(bench, setup) -> None:
    run(bench.experiment(), setup)
    run(bench.experiment(), setup)
    assert (bench.measured, bench.begun) == (["a", "b", "c"], 1)
    (bench.folder / "b").write_text("another picture")
    (bench.folder / "d").write_text("d")
    run(bench.experiment(), setup)
    assert bench.measured == ["a", "b", "c", "b", "d"]
    assert looks(setup) == [3, 2]
    run(bench.experiment("other settings"), setup)
    assert bench.measured[5:] == ["a", "b", "c", "d"]


def test_an_interrupted_measurement_resumes(bench, setup, monkeypatch) -> None:
    for name in ("stop", "z"):
        (bench.folder / name).write_text(name)
    with pytest.raises(KeyboardInterrupt):
        run(bench.experiment(), setup)
    monkeypatch.setattr(bench, "measure", lambda item: bench.measured.append(item.name) or {"value": 0.0})
    run(bench.experiment(), setup)
    assert bench.measured == ["a", "b", "c", "stop", "z"]
    assert looks(setup) == [5, 2]
    (bench.folder / "z").write_text("another picture")
    run(bench.experiment(), setup)
    assert looks(setup) == [5, 2, 1]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of data with sixty pictures a set, to be listed only."""
    root = tmp_path_factory.mktemp("data")
    for folder in ("photos/train", "photos/val", "sketch/train", "sketch/val", "coco_sample/images"):
        (root / folder).mkdir(parents=True)
        for number in range(60):
            (root / folder / f"{number:02}.jpg").write_text(f"{folder} {number}")
    rows = [f"photos/{part}/{n:02}.jpg,{n % 3}" for part in ("train", "val") for n in range(60)]
    rows = [f"{row},a/b:n01440764_tench.JPEG" for row in rows]
    (root / "manifest.csv").write_text("\n".join(["path,category,source", *rows]))
    (root / "exemplar").mkdir()
    (root / "exemplar" / "pairs.csv").write_text("target,reference,target_is_gray\n")
    (root / "coco_sample" / "semantic").mkdir()
    for number in range(60):
        Image.new("L", (8, 8), 1 + number % 2).save(root / "coco_sample" / "semantic" / f"{number:02}.png")
    thing = {"category_id": 1, "iscrowd": 0, "bbox": [0, 0, 9, 9]}
    images = [{"file": f"{n:02}.jpg", "width": 9, "height": 9, "segments": [thing]} for n in range(60)]
    notes = {"categories": [{"id": 1, "isthing": 1}], "images": images}
    (root / "coco_sample" / "annotations.json").write_text(json.dumps(notes))
    return root


EXPERIMENTS = [each for paper in command.load_papers(command.paper_names()) for each in paper.EXPERIMENTS]


def test_no_claim_is_measured_on_training_pictures(data: Path, tmp_path: Path) -> None:
    for experiment in EXPERIMENTS:
        files = [path for item in experiment.items(Setup(data, tmp_path, 10_000)) for path in item.files]
        assert not [path for path in files if "train" in path.parts], experiment.name
        if "held out" in experiment.set_name:
            assert {int(path.stem) % 4 for path in files} == {0}, experiment.name


def test_the_page_shows_failures_and_older_weights(bench, setup) -> None:
    experiment = bench.experiment()

    def claims(results: Mapping[str, Result]) -> list:
        result = results[experiment.name]
        old = Result(result.rows, (f"weights: {MODEL}",))
        bad = Estimate(-1.0, -2.0, -0.5)
        return [
            make_claim(
                "it helps",
                Estimate(1.0, 0.5, 2.0),
                "dB",
                result,
                paper_number="+1",
                stated=1.0,
                recalled=True,
            ),
            make_claim("it harms nobody", bad, "dB", old, paper_number="+3 dB"),
        ]

    paper = SimpleNamespace(
        PAPER="paper", TITLE="A paper", INTRO="How.", EXPERIMENTS=(experiment,), claims=claims
    )
    pages = page_and_json([paper], setup.out)
    assert "## A paper\n\nNot measured yet." in pages["index.md"]
    run(experiment, setup)
    pages = page_and_json([paper], setup.out)
    assert "| -1.00 (-2.00 to -0.50) dB | 3 | **not reproduced**† |" in pages["index.md"]
    assert "| it helps | +1 (recalled) |" in pages["index.md"]
    assert "2 claims; 2 rest on fewer than 60 pictures, pairs or rounds." in pages["index.md"]
    assert "**1 have a number of the paper's to meet**: 1 reproduced." in pages["index.md"]
    assert "**1 have none**, so that only the sign is tested: 1 not reproduced." in pages["index.md"]
    assert "**1 wait for a new measurement**" in pages["index.md"]
    assert [row["stale"] for row in json.loads(pages["claims.json"])] == [[], ["weights: zhang2016_small"]]
    assert "| a set | 1 | 3 |" in pages["index.md"]
    assert [row["verdict"] for row in json.loads(pages["claims.json"])] == ["reproduced", "not reproduced"]


def test_an_unknown_paper_and_missing_data_print_one_line(tmp_path, capsys) -> None:
    assert command.main(["cat2020"]) == 2
    assert "no paper cat2020; there are chen2023, cho2023" in capsys.readouterr().err
    assert command.main(["zhang2017", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "name the folder of the data with --data" in capsys.readouterr().err


def test_the_committed_page_is_up_to_date() -> None:
    pages = page_and_json(command.load_papers(command.paper_names()), CLAIMS)
    for name, text in pages.items():
        told = f"{name} is old: run `python -m benchmarks.claims --pages`"
        assert (CLAIMS / name).read_text(encoding="utf-8") == text, told


@pytest.mark.nightly
@pytest.mark.parametrize("name", command.paper_names())
def test_every_paper_can_be_measured(name, tmp_path) -> None:
    data = Path(__file__).parents[1] / "data"
    if not data.is_dir():
        pytest.skip(f"no data sets in {data}")
    assert command.main([name, "--quick", "--data", str(data), "--out", str(tmp_path)]) == 0
    assert f"({name}.svg)" in (tmp_path / "index.md").read_text(encoding="utf-8")
