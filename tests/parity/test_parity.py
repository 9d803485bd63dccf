"""Every golden file against its case's test; a case that is due and has none is a failure.

``COLORZOO_GOLDEN=FOLDER`` takes other files of the same cases.
"""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from parity.cases import CASES, WAITS_FOR, Golden, golden_files

for module in sorted(Path(__file__).parent.glob("*.py")):
    import_module(f"parity.{module.stem}")  # importing registers the tests of a paper

FILES = [
    pytest.param(golden, id=golden.path.stem, marks=[pytest.mark.slow] * golden.heavy)
    for golden in golden_files()
]


@pytest.mark.parametrize("golden", FILES)
def test_parity(golden: Golden) -> None:
    name = golden.meta["case"]
    assert name in CASES, f"{golden.path.name}: no test for the case {name!r}"
    CASES[name](golden)


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    np.savez(tmp_path / "new.npz", meta='{"case": "a case nobody tests"}')
    np.savez(tmp_path / "later.npz", meta='{"case": "a_paper_to_come_64"}')
    return tmp_path


def test_a_case_without_a_test_is_collected_once_it_is_due(
    unknown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WAITS_FOR, "a_paper", "a_paper_to_come")
    assert [golden.path.name for golden in golden_files(unknown)] == ["new.npz"]
    monkeypatch.setitem(WAITS_FOR, "a_paper", "zhang2017_local")
    assert [golden.path.name for golden in golden_files(unknown)] == ["later.npz", "new.npz"]


def test_tolerances_are_those_of_the_file() -> None:
    stated = {"default": "atol 1e-5", "out_ab": "atol 2e-3, rtol 1e-4"}
    golden = Golden(Path("x.npz"), {"tolerance": stated}, {"out_ab_nohint": np.zeros(2, np.float32)})
    assert golden.tolerance("out_ab_nohint") == (1e-4, 2e-3)
    assert golden.tolerance("out_other") == (0.0, 1e-5)
    golden.close("out_ab_nohint", torch.full((2,), 1e-3))
    with pytest.raises(AssertionError, match="out_ab_nohint"):
        golden.close("out_ab_nohint", torch.full((2,), 3e-3))
