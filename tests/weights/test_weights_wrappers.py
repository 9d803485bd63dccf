"""Files as authors save them: every layout on disk, and what the loader hands on."""

from __future__ import annotations

import argparse
import threading
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from colorzoo.card import Weights
from colorzoo.errors import WeightsError
from colorzoo.weights import apply_weights, load_state_dict_file, resolve_weights
from colorzoo.weights.wrappers import WRAPPERS

STATE = {"conv.weight": torch.linspace(-1, 1, 12).reshape(3, 4), "seen": torch.tensor(7)}
OTHER = {key: value + 1 for key, value in STATE.items()}
PARALLEL = {f"module.{key}": value for key, value in STATE.items()}
# as torch saves it: steps and moments are tensors, but below numbers
OPTIMIZER = {
    "state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(3)}},
    "param_groups": [{"lr": 1e-4}],
}
SCALER = {"scale": 65536.0, "growth_factor": 2.0, "_growth_tracker": 0}


def _same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def _saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        *({name: STATE} for name in WRAPPERS),
        {"params": OTHER, "params_ema": STATE},
        {"model": STATE, "opt": OPTIMIZER},
        {"model": STATE, "optimizer": OPTIMIZER, "epoch": 24, "scaler": SCALER},
        {"state_dict": {"model": STATE}, "epoch": 3},
        {"model": {"depth": 12}, "state_dict": STATE},
        PARALLEL,
        {"params": PARALLEL},
    ],
    ids=lambda content: "+".join(content),
)
def test_wrappers_are_taken_off(tmp_path: Path, content: dict[str, Any]) -> None:
    assert _same(load_state_dict_file(_saved(tmp_path / "a.pth", content)), STATE)


def test_arguments_beside_the_weights_are_forgotten(tmp_path: Path) -> None:
    arguments = argparse.Namespace(lr=5e-4, hints=[0, 128], nested=argparse.Namespace(a=1))
    content = {"model": STATE, "epoch": 24, "args": arguments}
    path = _saved(tmp_path / "a.pth", content)
    assert _same(load_state_dict_file(path), STATE)
    with pytest.raises(Exception, match=r"argparse\.Namespace"):
        torch.load(path, weights_only=True)  # nothing stays allowed


def test_only_the_namespace_is_let_through(tmp_path: Path) -> None:
    content = {"model": STATE, "args": argparse.Namespace(rate=Fraction(1, 3))}
    with pytest.raises(
        WeightsError, match=r"refused: it is a pickle that can run any code .*fractions\.Fraction"
    ):
        load_state_dict_file(_saved(tmp_path / "a.pth", content))


def test_many_threads_may_read_such_files(tmp_path: Path) -> None:
    path = _saved(tmp_path / "a.pth", {"model": STATE, "args": argparse.Namespace(lr=1)})
    failures: list[Exception] = []

    def read() -> None:
        try:
            for _ in range(20):
                load_state_dict_file(path)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_several_networks_in_a_file_keep_their_names(tmp_path: Path) -> None:
    content = {
        "colorEncoder": STATE,
        "colorUNet": PARALLEL,
        "g_optim": OPTIMIZER,
        "args": argparse.Namespace(iter=45000),
        "epoch": 3,
    }
    found = load_state_dict_file(_saved(tmp_path / "045000.pt", content))
    parts = {f"{part}.{key}": value for part in ("colorEncoder", "colorUNet") for key, value in STATE.items()}
    assert _same(found, parts)


def test_versions_that_modules_leave_in_their_state_do_no_harm(tmp_path: Path) -> None:
    state = OrderedDict(STATE)
    state._metadata = OrderedDict({"": {"version": 1}, "conv": {"spectral_norm": {"version": 1}}})
    path = tmp_path / "a.pth"
    torch.save({"model": state, "opt": OPTIMIZER}, path, _use_new_zipfile_serialization=False)
    assert _same(load_state_dict_file(path), STATE)


def test_names_of_a_lightning_checkpoint_are_left_alone(tmp_path: Path) -> None:
    content = {"pytorch-lightning_version": "2.6.6", "state_dict": PARALLEL, "model": OTHER}
    assert _same(load_state_dict_file(_saved(tmp_path / "last.ckpt", content)), PARALLEL)


def test_a_mapping_that_holds_itself_ends(tmp_path: Path) -> None:
    content: dict[str, Any] = {"epoch": 1}
    content["model"] = content
    with pytest.raises(WeightsError, match="a dict of epoch, model, not tensors by name"):
        load_state_dict_file(_saved(tmp_path / "a.pth", content))


class _Toy(nn.Linear):
    def load_published_state_dict(self, state_dict: dict[str, torch.Tensor]) -> None:
        self.load_state_dict({key.removeprefix("theirs."): value for key, value in state_dict.items()})


def test_a_file_is_the_authors_where_they_state_no_hash(tmp_path: Path, card) -> None:
    published = Weights(
        None, 100, "MIT", urls=("https://x.org/net.pth",), published=True, hparams={"width": 2}
    )
    theirs = _saved(
        tmp_path / "theirs.pth",
        {"model": {f"theirs.{k}": v for k, v in nn.Linear(2, 2).state_dict().items()}},
    )
    found = resolve_weights(card(published=published), theirs)
    assert found is not None
    assert (found.published, found.sha256, found.hparams) == (True, None, {"width": 2})
    toy = _Toy(2, 2)
    apply_weights(toy, load_state_dict_file(theirs), name="theirs", published=found.published)
    assert torch.equal(toy.weight, load_state_dict_file(theirs)["theirs.weight"])


def test_own_names_are_taken_as_own(tmp_path: Path) -> None:
    class Strict(nn.Linear):
        def load_published_state_dict(self, state_dict: dict[str, torch.Tensor]) -> None:
            raise AssertionError("these are no names of the authors")

    own = nn.Linear(2, 2).state_dict()
    model = Strict(2, 2)
    apply_weights(model, own, name="own", published=True)
    assert torch.equal(model.weight, own["weight"])
