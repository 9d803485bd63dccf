"""Claims: verdicts, multiple tests, and quick runs of all papers."""

import math
from pathlib import Path

import pytest
from benchmarks.claims import __main__ as command
from benchmarks.claims._claim import (
    Result,
    adjusted,
    gain_verdict,
    images_to_decide,
    make_claim,
    no_harm_verdict,
    p_value_of,
)
from benchmarks.claims._page import needed_text

from colorzoo.evaluation.statistics import Estimate

MODEL = "zhang2016_small"


def test_gain_verdict_depends_on_interval_and_size() -> None:
    for ours, stated, verdict in (
        (Estimate(1.0, 0.5, 1.5), None, "sign reproduced"),
        (Estimate(1.0, 0.5, 1.5), 2.0, "reproduced"),
        (Estimate(0.9, 0.5, 1.5), 2.0, "sign only"),  # less than half
        (Estimate(1.0, -0.1, 2.1), None, "inconclusive"),  # the interval contains zero
        (Estimate(1.0, math.nan, math.nan), 1.0, "inconclusive"),  # no interval
        (Estimate(math.nan), None, "inconclusive"),
        (Estimate(-0.2, -0.3, -0.1), None, "not reproduced"),
    ):
        assert gain_verdict(ours, stated)[0] == verdict


def test_images_to_decide_grow_with_the_square_of_the_relative_error() -> None:
    # two standard errors: (1.96 + 0.84)^2 / 2^2 times the images decide with a probability of 80 %
    two_errors = math.erfc(2 / math.sqrt(2))
    assert images_to_decide(100, two_errors, tests=1) == 197
    one_error = math.erfc(1 / math.sqrt(2))
    assert images_to_decide(100, one_error, tests=1) == pytest.approx(4 * 197, abs=4)
    assert images_to_decide(100, two_errors, tests=100) > 300  # a stricter level
    assert images_to_decide(100, math.nan, tests=1) is None
    assert images_to_decide(100, 1.0, tests=1) is None  # no effect


def test_only_inconclusive_claims_state_the_images_that_decide() -> None:
    result = Result([{"x": 0.0}] * 60)
    unclear = make_claim("unclear", Estimate(1.0, -0.1, 2.1), "dB", result)
    clear = make_claim("clear", Estimate(1.0, 0.9, 1.1), "dB", result)
    found_unclear, found_clear = adjusted([unclear, clear])
    assert found_clear.needed is None
    assert needed_text(found_clear) == ""
    assert needed_text(found_unclear) == "; needs 180 images"


def test_no_harm_verdict_depends_on_the_margin() -> None:
    for ours, verdict in (
        (Estimate(-0.1, -0.4, 0.2), "sign reproduced"),
        (Estimate(-0.1, math.nan, math.nan), "inconclusive"),
        (Estimate(-0.6, -0.9, -0.3), "inconclusive"),
        (Estimate(-0.8, -0.9, -0.6), "not reproduced"),
        (Estimate(math.nan), "inconclusive"),
    ):
        assert no_harm_verdict(ours, 0.5)[0] == verdict


def test_adjusted_corrects_verdicts_for_multiple_tests() -> None:
    def claim(low: float, high: float, images: int = 200):
        rows = [{"value": 0.0}] * images
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


@pytest.mark.nightly
@pytest.mark.parametrize("name", command.paper_names())
def test_claims_command_runs_for_every_paper(name, tmp_path) -> None:
    data = Path(__file__).parents[1] / "data"
    if not data.is_dir():
        pytest.skip(f"no data sets in {data}")
    assert command.main([name, "--quick", "--data", str(data), "--out", str(tmp_path)]) == 0
    assert f"({name}.svg)" in (tmp_path / "index.md").read_text(encoding="utf-8")
