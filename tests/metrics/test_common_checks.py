"""Common properties of all metrics but LPIPS, whose networks need weight files."""

import pytest

from metrics import common_checks
from metrics.cases import CASES as PLAIN_CASES
from metrics.common_checks import Case
from metrics.network_cases import NETWORK_CASES

CASES = [*PLAIN_CASES, *NETWORK_CASES]
each = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


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
def test_plot(case: Case) -> None:
    common_checks.check_plot(case)


def test_two_processes_give_the_result_of_one() -> None:
    common_checks.check_two_processes(CASES)
