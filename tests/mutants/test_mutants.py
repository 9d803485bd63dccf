"""Each change of one line makes a test fail that its row names; see mutation.py.

``pytest -m mutants`` runs all rows and prints how many were tried and caught, by module. With
``COLORZOO_MUTANTS_SEED`` set, as in ``.ci/run``, it runs a random tenth.
"""

import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mutation import REPOSITORY, Mutant, MutationRunner, assert_caught, find_mutants, mutated


def chosen(mutants: list[Mutant], seed: str | None) -> list[Mutant]:
    """Return all rows, or with a seed a random tenth of them."""
    return random.Random(seed).sample(mutants, -(-len(mutants) // 10)) if seed else mutants


MUTANTS = find_mutants()
# for tests of the machinery itself: a change of one function, with one test
SAMPLE = Mutant(
    "sample-huber-is-plain-l1",
    "losses/color.py",
    'reduction="none", beta=delta)',
    'reduction="none", beta=0.0)',
    ("tests/losses/test_color_losses.py::test_smooth_l1_is_square_then_linear",),
)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MutationRunner]:
    made = MutationRunner(tmp_path_factory.mktemp("mutants"))
    yield made
    made.close()


@pytest.mark.mutants
@pytest.mark.parametrize(
    "mutant", chosen(MUTANTS, os.environ.get("COLORZOO_MUTANTS_SEED")), ids=lambda mutant: mutant.name
)
def test_a_mutant_is_caught(
    mutant: Mutant, runner: MutationRunner, record_property: Callable[[str, object], None]
) -> None:
    record_property("mutated", mutant.file)
    assert_caught(runner, mutant)


@pytest.mark.mutants
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"replacement": 'reduction="none", beta=1.0 * delta)'}, "survived"),
        ({"replacement": 'reduction="none", beta=delta'}, "cannot be imported"),
        ({"tests": ("tests/losses/test_color_losses.py::test_nothing",)}, "fail without the change"),
        ({"anchor": "no such text"}, "stale anchor"),
    ],
)
def test_every_outcome_is_recognized(
    change: dict[str, str], message: str | None, runner: MutationRunner
) -> None:
    mutant = replace(SAMPLE, **change)
    if message is None:
        assert_caught(runner, mutant)
        return
    with pytest.raises(AssertionError, match=message):
        assert_caught(runner, mutant)


def test_a_seed_chooses_a_tenth_of_the_rows() -> None:
    tenth = chosen(MUTANTS, "a commit")
    assert len(tenth) == -(-len(MUTANTS) // 10)
    assert set(tenth) < set(MUTANTS)
    assert chosen(MUTANTS, "a commit") == tenth != chosen(MUTANTS, "another commit")
    assert chosen(MUTANTS, None) == MUTANTS


def test_every_anchor_and_every_test_exists() -> None:
    assert MUTANTS  # an empty folder would test nothing
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
    """Return the problems of a row that can be found without running it."""
    found = []
    try:
        mutated(mutant)
    except (AssertionError, OSError) as error:
        found.append(f"{mutant.name}: {error}")
    return found + [f"{mutant.name}: no test {node}" for node in mutant.tests if not exists(node)]


def exists(node: str) -> bool:
    name, _, function = node.partition("::")
    path: Path = REPOSITORY / name
    defined = rf"^ *(def )?{re.escape(function.partition('[')[0])}(\(| = )"
    return path.is_file() and (not function or re.search(defined, path.read_text("utf-8"), re.M) is not None)
