"""Common properties of all metrics but LPIPS, whose networks need weight files."""

import importlib
from pathlib import Path

import pytest

from colorzoo.metrics.named import all_metrics
from metrics import common_checks
from metrics.common_checks import Case

MODULES = sorted({"cases"} | {path.stem for path in Path(__file__).parent.glob("[!t]*_cases.py")})
CASES: list[Case] = [case for name in MODULES for case in importlib.import_module(f"metrics.{name}").CASES]
each = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def test_every_metric_has_a_case() -> None:
    covered = {type(case.build()) for case in CASES}
    missing = {found.kind.__name__ for found in all_metrics().values()} - {kind.__name__ for kind in covered}
    assert missing == {"MeanLPIPS", "BandLPIPS"}  # tests/metrics/test_perceptual.py


@each
def test_reference(case: Case) -> None:
    common_checks.check_reference(case)


@each
def test_batches_add_up(case: Case) -> None:
    common_checks.check_accumulation(case)


@each
def test_pickling(case: Case) -> None:
    common_checks.check_pickling(case)


@each
def test_half_precision(case: Case) -> None:
    common_checks.check_half(case)


@each
def test_empty(case: Case) -> None:
    common_checks.check_empty(case)


@each
def test_is_differentiable_is_right(case: Case) -> None:
    common_checks.check_gradient(case)


@each
def test_wrong_values_are_refused(case: Case) -> None:
    common_checks.check_wrong_values(case)


@each
def test_options_of_torchmetrics(case: Case) -> None:
    common_checks.check_options(case)


@each
def test_plot(case: Case) -> None:
    common_checks.check_plot(case)


def test_two_processes_give_the_result_of_one(tmp_path: Path) -> None:
    common_checks.check_two_processes(CASES, tmp_path)
