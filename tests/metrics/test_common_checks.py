"""Common properties of all metrics except LPIPS, whose networks require weight files."""

import importlib
from pathlib import Path

import pytest

from colorzoo.metrics.named import all_metrics
from metrics import common_checks
from metrics.common_checks import Case

MODULES = sorted({"cases"} | {path.stem for path in Path(__file__).parent.glob("[!t]*_cases.py")})
CASES: list[Case] = [case for name in MODULES for case in importlib.import_module(f"metrics.{name}").CASES]
each = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
BASES = {type(case.build()).__mro__[1]: case for case in CASES}  # one metric for each base class
few = pytest.mark.parametrize("case", BASES.values(), ids=[case.name for case in BASES.values()])


def test_every_metric_has_a_case() -> None:
    covered = {type(case.build()) for case in CASES}
    missing = {found.kind.__name__ for found in all_metrics().values()} - {kind.__name__ for kind in covered}
    assert missing == {"MeanLPIPS", "BandLPIPS"}  # tests/metrics/test_perceptual.py


test_metric_equals_reference = each(common_checks.check_reference)
test_metric_accumulates_batches_and_resets = each(common_checks.check_accumulation)
test_metric_handles_half_empty_and_invalid_input = each(common_checks.check_input_values)
test_metric_accepts_torchmetrics_options_and_pickling = few(common_checks.check_options)
test_metric_can_be_moved_to_a_device_without_float64 = each(common_checks.check_device_without_float64)
test_metric_can_be_plotted = each(common_checks.check_plot)


@pytest.mark.nightly
def test_metrics_in_two_processes_equal_one_process(tmp_path: Path) -> None:
    common_checks.check_two_processes(CASES, tmp_path)
