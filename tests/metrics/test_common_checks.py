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
BASES = {type(case.build()).__mro__[1]: case for case in CASES}  # one metric for each base class
few = pytest.mark.parametrize("case", BASES.values(), ids=[case.name for case in BASES.values()])


def test_every_metric_has_a_case() -> None:
    covered = {type(case.build()) for case in CASES}
    missing = {found.kind.__name__ for found in all_metrics().values()} - {kind.__name__ for kind in covered}
    assert missing == {"MeanLPIPS", "BandLPIPS"}  # tests/metrics/test_perceptual.py


test_reference = each(common_checks.check_reference)
test_batches_add_up = each(common_checks.check_accumulation)
test_input_values = each(common_checks.check_input_values)
test_options_of_torchmetrics = few(common_checks.check_options)


@pytest.mark.nightly
def test_two_processes_give_the_result_of_one(tmp_path: Path) -> None:
    common_checks.check_two_processes(CASES, tmp_path)
