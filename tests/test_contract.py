"""Every registered model keeps the contract, and a model that does not is found out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.card import ModelCard, Smoke
from colorzoo.registry import list_models, load_class, model_card
from colorzoo.testing import Check, ContractError, contract_checks
from throwaway_paper import write_config, write_paper

CHECKS = {str(check): check for check in contract_checks()}
# tests/training/test_configs.py trains every configuration, those of the cards among them
EVERY_MODEL = [check for name, check in CHECKS.items() if name not in ("config", "export")]


def graphs() -> list[Any]:
    """Return one model of each class and backbone as parameters of a test: widths change no graph.

    Tracing takes long. The smallest of each class runs always; its other backbones, and the networks that
    fail late because they cannot be exported, are slow. levin2004 stands for those that fail.
    """
    found: dict[tuple[object, ...], ModelCard] = {}
    for card in sorted(map(model_card, list_models()), key=lambda card: -card.parameters):
        settings = {**card.hparams, **card.smoke.hparams}.values()
        parts = () if "export" in card.limits else tuple(each for each in settings if isinstance(each, str))
        found[card.task, card.limits, parts] = card
    smallest = {card.task: card.name for card in sorted(found.values(), key=lambda card: -card.parameters)}
    return [
        card.name
        if card.name == smallest[card.task] and not (card.trainable and "export" in card.limits)
        else pytest.param(card.name, marks=pytest.mark.slow)
        for card in found.values()
    ]


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("check", EVERY_MODEL, ids=str)
def test_contract(check: Check, name: str) -> None:
    check(model_card(name))


@pytest.mark.parametrize("name", graphs())
def test_export(name: str) -> None:
    CHECKS["export"](model_card(name))


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    """Return the card of a small honest paper."""
    write_paper(tmp_path / "honest", "honest", "honest2032")
    write_config(tmp_path / "configs", "honest", "honest2032")
    monkeypatch.syspath_prepend(tmp_path)
    from honest.card import CARDS

    return CARDS[0]


LIES = {
    "parameter_count": {"parameters": 1},
    "card_matches_class": {"guidance": ("points", "exemplar")},
    "guidance": {"guidance": ("points", "exemplar")},
    "config": {"config": "nowhere.yaml"},
    "export": {"limits": ("export",)},
    "gradient_reaches_input": {"limits": ("gradient",)},
    "gradients": {"smoke": Smoke(size=16, without_gradient=("network.0.*",))},
    "state_dict_round_trip": {"limits": ("training",)},
    "odd_sizes": {"output": "rgb"},
}


@pytest.mark.parametrize("name", LIES)
def test_a_card_that_lies_is_found_out(name: str, paper: ModelCard, tmp_path: Path) -> None:
    check = {str(check): check for check in contract_checks(tmp_path / "configs")}[name]
    with pytest.raises(ContractError, match=r"honest2032|nowhere"):
        check(replace(paper, **LIES[name]))


FAULTS: dict[str, Callable[[Tensor], Tensor]] = {
    "batch_equals_single": lambda ab: ab - ab.mean(dim=0, keepdim=True),
    "deterministic": lambda ab: ab + torch.rand_like(ab),
    "odd_sizes": lambda ab: ab[..., : ab.shape[-2] // 8 * 8, :],
    "bfloat16_autocast": lambda ab: ab.bfloat16(),
    "guidance": lambda ab: 0 * ab,
    "gradients": lambda ab: ab.detach().requires_grad_(),
    "gradient_reaches_input": lambda ab: ab.detach().requires_grad_(),
    "state_dict_round_trip": lambda ab: ab.clamp(0, 0),
    "export": lambda ab: ab if float(ab.mean()) > 0 else -ab,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_model_is_found_out(
    name: str, paper: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_class(paper)(width=8).network.__class__
    forward = network.forward
    check = {str(check): check for check in contract_checks(tmp_path / "configs")}[name]
    check(paper)
    monkeypatch.setattr(network, "forward", lambda self, *inputs: FAULTS[name](forward(self, *inputs)))
    with pytest.raises(ContractError, match=paper.name):
        check(paper)
