"""The torchmetrics battery over every metric but LPIPS, whose networks need files of weights."""

import pytest

from metrics import battery
from metrics.battery import Case
from metrics.cases import CASES as PLAIN_CASES
from metrics.network_cases import NETWORK_CASES

CASES = [*PLAIN_CASES, *NETWORK_CASES]
each = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@each
def test_reference(case: Case) -> None:
    battery.check_reference(case)


@each
def test_batches_add_up(case: Case) -> None:
    battery.check_accumulation(case)


@each
def test_pickling(case: Case) -> None:
    battery.check_pickling(case)


@each
def test_half_precision(case: Case) -> None:
    battery.check_half(case)


@each
def test_empty(case: Case) -> None:
    battery.check_empty(case)


@each
def test_the_flag_of_differentiability_is_true(case: Case) -> None:
    battery.check_gradient(case)


def test_two_processes_answer_as_one() -> None:
    battery.check_two_processes(CASES)
