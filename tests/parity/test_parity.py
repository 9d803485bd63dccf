"""Run the test of every golden file's case; a case without a test fails.

``COLORZOO_GOLDEN=FOLDER`` selects other files of the same cases.
"""

import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from parity.cases import CASES, Golden, golden_files, read
from zoo import paper_modules

# importing a module registers its tests
paper_modules()
for path in sorted(Path(__file__).parent.glob("*.py")):
    import_module(f"parity.{path.stem}")

FILES = [
    pytest.param(
        golden,
        id=golden.path.stem,
        marks=[pytest.mark.nightly, pytest.mark.timeout(900)] if golden.heavy else [],
    )
    for golden in golden_files()
]


@pytest.mark.parametrize("golden", FILES)
def test_parity(golden: Golden) -> None:
    name = golden.meta["case"]
    assert name in CASES, f"{golden.path.name}: no test for the case {name!r}"
    CASES[name](golden)


def test_golden_tolerance_reads_the_tolerances_of_the_file() -> None:
    stated = {"default": "atol 1e-5", "out_ab": "atol 2e-3, rtol 1e-4"}
    golden = Golden(Path("x.npz"), {"tolerance": stated}, {"out_ab_nohint": np.zeros(2, np.float32)})
    assert golden.tolerance("out_ab_nohint") == (1e-4, 2e-3)
    assert golden.tolerance("out_other") == (0.0, 1e-5)
    golden.close("out_ab_nohint", torch.full((2,), 1e-3))
    with pytest.raises(AssertionError, match="out_ab_nohint"):
        golden.close("out_ab_nohint", torch.full((2,), 3e-3))


def test_golden_file_of_the_page_passes_its_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "paper.md").read_text(encoding="utf-8")
    writer, test = (
        each for each in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "toy2030_loss" in each
    )
    monkeypatch.chdir(tmp_path)
    exec(writer, {})
    exec(test, {})
    check = CASES.pop("toy2030_loss")
    golden = read(tmp_path / "toy2030_loss.npz")
    check(golden)
    with pytest.raises(AssertionError, match="out_loss"):
        check(replace(golden, arrays={**golden.arrays, "out_loss": np.array(3.01, np.float32)}))


def test_close_sampled_infers_steps_from_array_shape() -> None:
    ours = torch.arange(196.0)[:, None] * torch.arange(1.0, 9.0)
    for steps in ((13, 1), (39, 4), (33, 3)):  # 33 to 39 all leave six rows
        held = ours[:: steps[0], :: steps[1]]
        golden = Golden(Path("x.npz"), {"tolerance": "atol 1e-5"}, {"out": held.numpy()})
        golden.close_sampled("out", ours)
        with pytest.raises(AssertionError, match="out"):
            golden.close_sampled("out", ours + 1)
