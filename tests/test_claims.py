"""Claims: verdicts, intervals, records, counted looks and older weights."""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from benchmarks import _common
from benchmarks.claims import __main__ as command
from benchmarks.claims import _pictures
from benchmarks.claims._claim import (
    Result,
    adjusted,
    estimate,
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
    _code_of,
    lenders,
    read_result,
    run,
    spread,
)
from benchmarks.claims._page import effect_text, page_and_json
from benchmarks.claims.published import record_share
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo.evaluation.statistics import Estimate
from colorzoo.metrics.classification import Classifier, ClassifierAccuracy
from parity.cases import Golden

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


def test_after_a_change_of_the_code_a_few_pictures_decide_about_the_rest(bench, setup, monkeypatch) -> None:
    for name in "defgh":
        (bench.folder / name).write_text(name)
    monkeypatch.setattr(bench, "measure", lambda item: bench.measured.append(item.name) or {"value": 1 / 3})
    run(bench.experiment(), setup)
    every = list("abcdefgh")
    assert bench.measured == every
    monkeypatch.setattr(Experiment, "code", lambda _: "changed")
    assert read_result(bench.experiment(), setup.out).stale == ("code",)
    run(bench.experiment(), setup)
    assert bench.measured == [*every, "a", "c", "e"]
    found = read_result(bench.experiment(), setup.out)
    assert (found.stale, len(found.rows)) == ((), 8)
    assert looks(setup) == [8, 3]
    monkeypatch.setattr(Experiment, "code", lambda _: "changed again")
    monkeypatch.setattr(bench, "measure", lambda item: {"value": float(item.name == "c")})
    run(bench.experiment(), setup)
    found = read_result(bench.experiment(), setup.out)
    assert [row["value"] for row in found.rows] == [0, 0, 1, 0, 0, 0, 0, 0]
    assert looks(setup) == [8, 3, 3, 5]


def test_timings_are_measured_again_after_a_change_of_the_code(bench, setup, monkeypatch) -> None:
    timing = replace(bench.experiment(), set_name="")
    run(timing, setup)
    monkeypatch.setattr(Experiment, "code", lambda _: "changed")
    run(timing, setup)
    assert bench.measured == ["a", "b", "c"] * 2


def test_the_digest_of_the_code_covers_models_and_lenders_but_no_words(tmp_path: Path) -> None:
    names = {card.name for card in lenders(["kim2021_su2020_small"])}
    assert {"kim2021_su2020_small", "su2020_small", "zhang2017_local_small"} <= names
    files = {name: tmp_path / f"{name}.py" for name in ("one", "words", "other")}
    files["one"].write_text('"""Text."""\ndef f(x):\n    """Return."""\n    return x + 1\n')
    files["words"].write_text('"""Other."""\n# why\ndef f(x):\n    """Words."""\n    return (x + 1)\n')
    files["other"].write_text("def f(x):\n    return x + 2\n")
    one, words, other = map(_code_of, files.values())
    assert one == words != other


def test_equal_levels_leave_no_tolerance_out() -> None:
    arrays = {"out_levels": np.zeros(3, np.uint8), "out": np.zeros(3, np.float32)}
    golden = Golden(Path("x.npz"), {"tolerance": "atol 0.5"}, arrays)
    shares: list[float] = []
    for name, value in (("out_levels", 0.5), ("out", 0.1)):
        record_share(golden, lambda *_, **__: None, shares, name, torch.full((3,), value))
    assert shares == [pytest.approx(0.2)]


def test_intervals_contain_the_mean_and_shrink_with_pictures() -> None:
    random = np.random.default_rng(1)
    few, many = (estimate(random.normal(2, 1, count)) for count in (10, 200))
    assert few.low < few.value < few.high
    assert many.high - many.low == pytest.approx(2 * 1.96 / 200**0.5, rel=0.2)
    assert few.high - few.low > 2 * (many.high - many.low)
    assert estimate(np.array([1.0, math.nan, 3.0])).value == 2
    assert math.isnan(estimate(np.array([1.0])).low)
    assert math.isnan(estimate(np.array([])).value)


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


def test_records_grow_with_the_count_and_never_shrink(bench, setup, monkeypatch) -> None:
    every = bench.items
    monkeypatch.setattr(bench, "items", lambda setup: every(setup)[: setup.count or 2])
    run(bench.experiment(), setup)
    run(bench.experiment(), replace(setup, count=3))
    assert bench.measured == ["a", "b", "c"]
    (bench.folder / "a").write_text("another picture")
    run(bench.experiment(), setup)
    assert bench.measured == ["a", "b", "c", "a"]
    assert [row["item"] for row in read_result(bench.experiment(), setup.out).rows] == ["a", "b", "c"]
    assert looks(setup) == [2, 1, 1]


@pytest.mark.parametrize(("own", "first"), [(24, 0), (20, 0), (12, 1)])
def test_a_larger_number_of_pictures_holds_a_smaller_one_and_both_are_spread(own: int, first: int) -> None:
    order = spread(range(184), own, first)
    assert sorted(order) == list(range(184))
    assert order[:own] == list(range(first, 184, 184 // own))[:own]
    for count in (own, 60, 120):
        gaps = np.diff([-1, *sorted(order[:count]), 184])
        assert gaps.max() <= 3.5 * 184 / min(count, own)


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


def scores_of_nine_classes(rgb: Tensor) -> Tensor:
    return torch.arange(9.0).expand(len(rgb), 9)  # the last class is the first answer


@pytest.mark.parametrize(("label", "top1", "top5"), [(8, 1, 1), (4, 0, 1), (3, 0, 0)])
def test_a_picture_is_recognized_by_the_first_or_the_first_five_answers(
    label: int, top1: float, top5: float, monkeypatch
) -> None:
    classifier = Classifier("scores", "whole", scores_of_nine_classes)
    monkeypatch.setattr(_pictures, "Classification", lambda: ClassifierAccuracy(classifier))
    judge = _pictures.make_judge()
    for _ in range(2):  # earlier answers do not count
        assert judge("gray", torch.zeros(1, 3, 8, 8), label) == {"gray top1": top1, "gray top5": top5}


def test_the_most_alike_picture_is_another_one_in_gray(tmp_path: Path, monkeypatch) -> None:
    encoder = SimpleNamespace(features=lambda rgb: F.adaptive_avg_pool2d(rgb, 2).flatten(1))
    monkeypatch.setattr(_pictures, "FID", lambda _: encoder)
    left, right = np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)
    left[:, :8], right[:, 8:] = 200, 200
    blue = left // 2 + np.array([0, 0, 40], np.uint8)
    pictures = {"left": left, "right": right, "blue": blue, "pale": right // 2}
    for name, picture in pictures.items():
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    found = _pictures.most_alike([tmp_path / f"{name}.png" for name in pictures], 16)
    nearest = {path.stem: other.stem for path, other in found.items()}
    assert nearest == {"left": "blue", "blue": "left", "right": "pale", "pale": "right"}


EXPERIMENTS = [each for paper in command.load_papers(command.paper_names()) for each in paper.EXPERIMENTS]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_one_option_sets_the_number_of_pictures_everywhere(experiment, data: Path, tmp_path: Path) -> None:
    def names(count: int | None) -> list[str]:
        return [item.name for item in experiment.items(Setup(data, tmp_path, count))]

    own = names(None)
    if not experiment.set_name:  # rounds of a timing, files of reference
        assert names(7) == own
        return
    assert len(names(5)) == 5
    assert set(names(5)) <= set(own)
    assert set(own) <= set(names(10_000))
    held_out = 15 if "held out" in experiment.set_name else 30 if "exemplar" in experiment.set_name else 60
    assert len(names(10_000)) == held_out


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_no_claim_is_measured_on_training_pictures(experiment, data: Path, tmp_path: Path) -> None:
    files = [path for item in experiment.items(Setup(data, tmp_path, 10_000)) for path in item.files]
    assert not [path for path in files if "train" in path.parts]
    if "held out" in experiment.set_name:
        assert {int(path.stem) % 4 for path in files} == {0}


def test_newer_weights_are_marked_and_measured_again(bench, setup, monkeypatch) -> None:
    run(bench.experiment(), setup)
    assert read_result(bench.experiment(), setup.out).stale == ()
    monkeypatch.setattr("benchmarks.claims._experiment.weights_digest", {MODEL: "new"}.get)
    assert read_result(bench.experiment(), setup.out).stale == (f"weights: {MODEL}",)
    run(bench.experiment(), setup)
    assert bench.measured == ["a", "b", "c"] * 2
    assert read_result(bench.experiment(), setup.out).stale == ()


def test_the_digest_of_a_model_covers_its_backbones(monkeypatch) -> None:
    before = {
        name: _common.weights_digest(name) for name in ("kim2021_su2020_small", "zhang2016_small", "gray")
    }
    real = _common.model_card

    def changed(name: str):
        card = real(name)
        if name != "zhang2017_local_small":
            return card
        entry = SimpleNamespace(sha256="0" * 64)
        return SimpleNamespace(weights={"default": entry}, hparams=card.hparams)

    monkeypatch.setattr(_common, "model_card", changed)
    assert _common.weights_digest("kim2021_su2020_small") != before["kim2021_su2020_small"]  # two steps away
    assert _common.weights_digest("zhang2016_small") == before["zhang2016_small"]
    assert before["gray"] == _common.NO_WEIGHTS


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


@pytest.mark.parametrize(
    ("value", "text"),
    [(Estimate(12.345), "+12.3 dB"), (Estimate(-0.01234, -0.02, 0.1), "-0.0123 (-0.0200 to +0.1000) dB")],
)
def test_numbers_are_shown_with_three_digits(value, text) -> None:
    assert effect_text(value, "dB") == text


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


def test_every_paper_has_claims_with_numbers() -> None:
    for row in json.loads((CLAIMS / "claims.json").read_text(encoding="utf-8")):
        assert row["ours"]["value"] is not None, row["claim"]
        assert row["pictures"] > 0
        assert row["reason"]


@pytest.mark.nightly
@pytest.mark.parametrize("name", command.paper_names())
def test_every_paper_can_be_measured(name, tmp_path) -> None:
    data = Path(__file__).parents[1] / "data"
    if not data.is_dir():
        pytest.skip(f"no data sets in {data}")
    assert command.main([name, "--quick", "--data", str(data), "--out", str(tmp_path)]) == 0
    assert f"({name}.svg)" in (tmp_path / "index.md").read_text(encoding="utf-8")
