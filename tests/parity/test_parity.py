"""Every golden file against its case's test; a case that is due and has none is a failure.

``COLORZOO_GOLDEN=FOLDER`` takes other files of the same cases.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from parity.cases import CASES, WAITS_FOR, Golden, golden_files

for module in sorted(Path(__file__).parent.glob("*.py")):
    import_module(f"parity.{module.stem}")  # importing registers the tests of a paper

FILES = [
    pytest.param(golden, id=golden.path.stem, marks=[pytest.mark.nightly] * golden.heavy)
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


def test_every_nth_entry_is_found_by_the_shape_of_the_array() -> None:
    ours = torch.arange(196.0)[:, None] * torch.arange(1.0, 9.0)
    for steps in ((13, 1), (39, 4), (33, 3)):  # 33 to 39 all leave six rows
        held = ours[:: steps[0], :: steps[1]]
        golden = Golden(Path("x.npz"), {"tolerance": "atol 1e-5"}, {"out": held.numpy()})
        golden.close_sampled("out", ours)
        with pytest.raises(AssertionError, match="out"):
            golden.close_sampled("out", ours + 1)


def altered(name: str, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Golden:
    """Return the first file of a case with other numbers."""
    (golden,) = [each for each in golden_files() if each.path.stem == name]
    return replace(golden, meta={**golden.meta, **meta}, arrays={**golden.arrays, **arrays})


def test_a_case_takes_the_batch_of_its_file() -> None:
    golden = altered("deoldify_artistic_r18_narrow", {}, {})
    two = {name: np.stack([each] * 2) for name, each in golden.arrays.items() if name == "in_gray"}
    two |= {name: np.concatenate([each] * 2) for name, each in golden.arrays.items() if name != "in_gray"}
    CASES["deoldify_full"](replace(golden, arrays=two))


def test_a_case_takes_the_window_of_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: dict[str, tuple[int, ...]] = {}
    monkeypatch.setattr(
        Golden, "close", lambda _, name, ours, **__: compared.update({name: tuple(ours.shape)})
    )
    side, known = 5, altered("icolorit_block", {}, {})
    places = np.array([[row, column] for row in range(side) for column in range(side)])
    away = places[:, None] - places[None] + side - 1
    shapes = {
        key: [(2 * side - 1) ** 2, shape[1]] if "rpb_table" in key else shape
        for key, shape in known.meta["shapes"].items()
    }
    arrays = {
        "in_x": known.arrays["in_x"][:, : side**2],
        "out_rel_index": away[..., 0] * (2 * side - 1) + away[..., 1],
        "out_attn_prob": np.zeros((2, 3, 7, 25), np.float32),
        "out_block_no_rpb": np.zeros((2, 9, 192), np.float32),
    }
    config = {**known.meta["config"], "window": side}
    CASES["icolorit_block"](altered("icolorit_block", {"config": config, "shapes": shapes}, arrays))
    assert compared["out_block"] == (2, 25, 192)


def test_a_case_takes_the_range_of_hints_of_its_file() -> None:
    least, most = 60, 128
    counts = np.arange(least, most + 1)
    moments = np.array([counts.mean(), counts.var(), least, most])
    meta, arrays = {"num_hint_range": [least, most]}, {"out_train_count_mean_var": moments}
    CASES["icolorit_hint_stats"](altered("icolorit_hint_stats", meta, arrays))


NARROW = (
    "iizuka2016_net_64",
    "larsson2016_net_64",
    "he2018_colornet_64",
    "he2018_gray_vgg",
    "li2018_transform",
)


@pytest.mark.parametrize("name", NARROW)
def test_a_case_takes_the_width_of_its_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    for method in ("close", "close_sampled"):
        monkeypatch.setattr(Golden, method, lambda _, key, *__, **___: compared.append(key))
    known = altered(name, {}, {})
    fixed = 32 if "larsson" in name else known.meta.get("n_classes")  # bins or classes: outputs, not widths
    shapes = {
        key: [
            side if side < 32 or (index == 0 and side == fixed) else side // 4 + side % 4
            for index, side in enumerate(shape)
        ]
        for key, shape in known.meta["shapes"].items()
    }
    every = known.meta.get("hyper_channels", [])
    CASES[known.meta["case"]](altered(name, {"shapes": shapes, "hyper_channels": every[:4]}, {}))
    assert set(compared) == {key for key in known.arrays if key.startswith("out_")}
