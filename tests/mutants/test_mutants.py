"""Each change of one line is caught by the tests that its row names; see mutation.py."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mutation import REPOSITORY, Mutant, Workshop, find_mutants, judge, mutated

MUTANTS = find_mutants()
# A change that one test of one function must notice, to try the machinery itself.
SAMPLE = Mutant(
    "sample-huber-is-plain-l1",
    "losses/color.py",
    'reduction="none", beta=delta)',
    'reduction="none", beta=0.0)',
    ("tests/color/test_color_losses.py::test_smooth_l1_is_square_then_linear",),
)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    made = Workshop(tmp_path_factory.mktemp("mutants"))
    yield made
    made.close()


@pytest.mark.mutants
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant, workshop: Workshop) -> None:
    judge(workshop, mutant)


@pytest.mark.mutants
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"replacement": 'reduction="none", beta=1.0 * delta)'}, "survived"),
        ({"replacement": 'reduction="none", beta=delta'}, "cannot be imported"),
        ({"tests": ("tests/color/test_color_losses.py::test_nothing",)}, "red without the change"),
        ({"anchor": "no such text"}, "stale anchor"),
    ],
)
def test_the_judge_is_just(change: dict[str, str], message: str | None, workshop: Workshop) -> None:
    mutant = replace(SAMPLE, **change)
    if message is None:
        judge(workshop, mutant)
        return
    with pytest.raises(AssertionError, match=message):
        judge(workshop, mutant)


def test_every_anchor_is_fresh_and_every_test_exists() -> None:
    assert MUTANTS  # an empty folder would prove nothing
    stale = [problem for mutant in MUTANTS for problem in problems(mutant)]
    assert stale == []
    assert [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1] == []


def test_a_stale_row_is_found() -> None:
    assert problems(SAMPLE) == []
    twice = replace(SAMPLE, anchor="def ")
    same = replace(SAMPLE, replacement=SAMPLE.anchor)
    lost = replace(SAMPLE, tests=("tests/no_file.py", "tests/color/test_bins.py::test_nothing"))
    gone = replace(SAMPLE, file="losses/nothing.py")
    assert [len(problems(mutant)) for mutant in (twice, same, lost, gone)] == [1, 1, 2, 1]


def problems(mutant: Mutant) -> list[str]:
    """Return what is wrong with a row, as far as reading tells."""
    found = []
    try:
        mutated(mutant)
    except (AssertionError, OSError) as error:
        found.append(f"{mutant.name}: {error}")
    return found + [f"{mutant.name}: no test {node}" for node in mutant.tests if not exists(node)]


def exists(node: str) -> bool:
    name, _, function = node.partition("::")
    path: Path = REPOSITORY / name
    defined = rf"^ *def {re.escape(function.partition('[')[0])}\("
    return path.is_file() and (not function or re.search(defined, path.read_text("utf-8"), re.M) is not None)
