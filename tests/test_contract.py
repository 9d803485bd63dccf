"""Every registered model keeps the contract, and a model that does not is found out."""

import pickle
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.card import ModelCard, Smoke
from colorzoo.engines.export import TOLERANCE, graph_samples, write_graph
from colorzoo.factory import build_model
from colorzoo.model import ColoringModel
from colorzoo.prediction import Prediction
from colorzoo.registry import list_models, load_model_class, model_card
from colorzoo.testing import Check, ContractError, contract_checks, smoke_model
from colorzoo.testing.distributed import require_same_gradients, require_same_metrics
from colorzoo.training.module import ColorizationModule
from throwaway_paper import write_config, write_paper

CHECKS = {str(check): check for check in contract_checks()}
# tests/training/test_configs.py trains every configuration, those of the cards among them
EVERY_MODEL = [check for name, check in CHECKS.items() if name not in ("config", "export", "onnx")]
OF_FULL_WIDTH = ("card_matches_class", "parameter_count")  # all others see the narrow model of a card
# what is saved, and how it is laid out and trained, depends on the class and not on its settings
OF_CLASS = (
    *("two_processes_equal_one", "memory_format", "model_without_trainer"),
    *("state_dict_round_trip", "half_safetensors_round_trip", "checkpoint_round_trip"),
)


def graphs() -> list[Any]:
    """Return one model of each class and backbone as parameters of a test: widths change no graph.

    Tracing takes long. The one of least effort of each class runs always; its other backbones, and the
    networks that fail late because they cannot be exported, are slow. levin2004 stands for those that fail.
    """
    found: dict[tuple[object, ...], ModelCard] = {}
    for card in sorted(map(model_card, list_models()), key=lambda card: -card.parameters):
        settings = {**card.hparams, **card.smoke.hparams}.values()
        parts = () if "export" in card.limits else tuple(each for each in settings if isinstance(each, str))
        found[card.task, card.limits, parts] = card
    least = {card.task: card.name for card in sorted(found.values(), key=effort, reverse=True)}
    return [
        card.name
        if card.name == least[card.task] and not (card.trainable and "export" in card.limits)
        else pytest.param(card.name, marks=pytest.mark.slow)
        for card in found.values()
    ]


def written() -> list[Any]:
    """Return the models whose ONNX files are written: the smallest always, as one takes ten seconds."""
    names = [case.values[0] if hasattr(case, "values") else case for case in graphs()]
    cards = [model_card(name) for name in names if "export" not in model_card(name).limits]
    first = min((card for card in cards if card.trainable), key=effort).name
    return [
        card.name if card.name == first else pytest.param(card.name, marks=pytest.mark.slow) for card in cards
    ]


def effort(card: ModelCard) -> tuple[bool, int, int]:
    """Return what orders models by how long it takes to trace them: a lent network comes with its lender."""
    lenders = set(card.hparams.values()) & set(list_models())
    return "export" in card.limits, len(lenders), card.parameters


def cases() -> list[Any]:
    """Return each check with each model as parameters of a test; what only repeats is slow.

    Some models differ in what the narrow one does not have, such as their width: it is then the same model
    under another name. For some checks the smallest model of each class stands for its class.
    """
    found, seen = [], set()
    for card in sorted(map(model_card, list_models()), key=lambda card: card.parameters):
        for check in EVERY_MODEL:
            if str(check) in OF_FULL_WIDTH:
                trial = card.name
            else:
                trial = card.task if str(check) in OF_CLASS else narrow(card)
            marks = [pytest.mark.slow] if (check, trial) in seen else []
            found.append(pytest.param(check, card.name, marks=marks, id=f"{check}-{card.name}"))
            seen.add((check, trial))
    return found


@lru_cache(maxsize=2)  # of both seeds
def built(model_class: type[ColorizationModule], settings: bytes, seed: int) -> ColorizationModule:
    return build_model(model_class, pickle.loads(settings))


@pytest.fixture(autouse=True)
def built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy the model that another check has built: copies take a quarter of the time."""

    def copied(model_class: type[ColorizationModule], settings: dict[str, Any]) -> ColorizationModule:
        return deepcopy(built(model_class, pickle.dumps(settings), torch.initial_seed()))

    monkeypatch.setattr("colorzoo.testing.models.build_model", copied)


def narrow(card: ModelCard) -> str:
    """Return all that the narrow model of a card is made of."""
    settings = sorted({**card.hparams, **card.smoke.hparams}.items())
    declared = (card.guidance, card.input, card.output, card.limits)
    return repr((card.task, settings, replace(card.smoke, hparams={}), declared))


@pytest.mark.parametrize(("check", "name"), cases())
def test_contract(check: Check, name: str) -> None:
    check(model_card(name))


VALIDATED = {
    "0 1 3 10 30": "Cho2023",
    "0 1 10 30": "Cho2023Points Ci2018 Ci2018Pixels",
    "0 1 10 100": "Colorzoo2026Task Yun2023 Zhang2017Local",
    "0 1 10": "Xia2022",
    "plain scribbles": "Kim2021",
    "self": "Li2018",
    "automatic boxes": "Su2020",
    "automatic self other": "Xu2020",
    "automatic saturation histogram both": "Zhang2017Global",
    "automatic": "Antic2019 Huang2022 Iizuka2016 Kang2023 Larsson2016 Zhang2016",
    "automatic self": "Bai2022 Blanch2021 Chen2023 He2018 Lee2020 Lu2020 Xiao2020 Yin2021 Zhang2019 Zhao2021",
}


def test_each_task_is_validated_with_this_guidance() -> None:
    """Curves of earlier runs have these names."""
    cards = {card.task: card for card in map(model_card, list_models()) if card.trainable}
    tasks = [smoke_model(card) for card in cards.values()]
    found = {(type(task).__name__, " ".join(task.validation_settings())) for task in tasks}
    assert found == {(name, settings) for settings, names in VALIDATED.items() for name in names.split()}


def test_what_repeats_is_another_name_of_the_same() -> None:
    assert narrow(model_card("yun2023")) == narrow(model_card("yun2023_s"))
    assert narrow(model_card("zhang2016")) != narrow(model_card("zhang2016_small"))  # another temperature
    often = {case.values[1] for case in cases() if str(case.values[0]) == "gradients" and not case.marks}
    assert {model_card(name).task for name in often} == {model_card(name).task for name in list_models()}
    assert 30 <= len(often) < len(list_models())


@pytest.mark.usefixtures("shallow_encoder")
@pytest.mark.parametrize("name", graphs())
def test_export(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)  # asked at each step, it loads a library
    CHECKS["export"](model_card(name))


@pytest.mark.parametrize("name", written())
def test_onnx(name: str) -> None:
    CHECKS["onnx"](model_card(name))


def test_a_file_of_torch_export_holds_the_model(paper: ModelCard, tmp_path: Path) -> None:
    """The check of the contract does not read what it saves."""
    model = smoke_model(paper).model
    made = write_graph(model, *graph_samples(paper, "pt2"), tmp_path / "honest.pt2", {})
    assert made.inputs == ("lightness", "points_ab", "points_mask")
    assert len(made.differences) == 2
    assert max(made.differences.values()) < TOLERANCE


def test_a_graph_that_takes_only_the_traced_batch_is_found_out(
    paper: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = load_model_class(paper)
    forward = model.forward

    def picture_by_picture(self: ColoringModel, *inputs: Any) -> Prediction:
        prediction = forward(self, *inputs)
        return prediction.with_colors(torch.stack(list(prediction.colors)))

    monkeypatch.setattr(model, "forward", picture_by_picture)
    for name in ("export", "onnx"):
        with pytest.raises(ContractError, match=r"honest2032: .* does not take [13] x") as caught:
            CHECKS[name](paper)
        assert "\n" not in str(caught.value)


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
    "gradients": {"smoke": Smoke(size=16, without_gradient=("model.network.0.*",))},
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
    "device": lambda ab: ab + torch.zeros(2, 1, 1),
    "bfloat16_autocast": lambda ab: ab.bfloat16(),
    "guidance": lambda ab: 0 * ab,
    "gradients": lambda ab: ab.detach().requires_grad_(),
    "gradient_reaches_input": lambda ab: ab.detach().requires_grad_(),
    "state_dict_round_trip": lambda ab: ab.clamp(0, 0),
    "export": lambda ab: ab if float(ab.mean()) > 0 else -ab,
    "onnx": torch.special.bessel_j0,
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_model_is_found_out(
    name: str, paper: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model_class(paper)
    forward = model.forward
    check = {str(check): check for check in contract_checks(tmp_path / "configs")}[name]
    check(paper)

    def faulty(self: ColoringModel, *inputs: Any) -> Prediction:
        prediction = forward(self, *inputs)
        return prediction.with_colors(FAULTS[name](prediction.colors))

    monkeypatch.setattr(model, "forward", faulty)
    with pytest.raises(ContractError, match=paper.name):
        check(paper)


@pytest.mark.parametrize(
    ("layer", "share", "message"),
    [
        ("model.network.1", 0.17, r"network\.1\.weight in two processes is off by 1[67]\.\d%"),
        ("discriminator.0", 0.02, r"discriminator\.0\.weight .*picture_generators"),
        ("model.network.1", 0.005, ""),
    ],
)
def test_a_wrong_gradient_of_one_layer_is_found_beside_a_large_critic(
    layer: str, share: float, message: str, paper: ModelCard
) -> None:
    sizes = {"model.network.0": 1e-5, "model.network.1": 1e-6, "discriminator.0": 10.0}
    one = {f"{name}.weight": torch.full((2, 2), size) for name, size in sizes.items()}
    one["model.network.1.bias"] = torch.full((2,), 1e-13)  # rounding errors
    two = {**one, "model.network.1.bias": torch.full((2,), -1e-13)}
    two[f"{layer}.weight"] = one[f"{layer}.weight"] * (1 + share)
    if not message:
        require_same_gradients(paper, two, one)
        return
    with pytest.raises(ContractError, match=message):
        require_same_gradients(paper, two, one)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"psnr": 24.0, "fid": 1e-7}, ""),
        ({"psnr": 24.0}, "other metrics"),
        ({"psnr": 24.0, "fid": 0.0, "lpips": 0.1}, "other metrics"),
        ({"psnr": 24.0, "fid": 2e-6}, "fid of two processes is 2.0e-06 off"),
        ({"psnr": 24.0001, "fid": 0.0}, "psnr of two processes is 4.2e-06 off"),
    ],
)
def test_metrics_of_two_processes_are_those_of_one(
    found: dict[str, float], message: str, paper: ModelCard
) -> None:
    wanted = {"psnr": 24.0, "fid": 0.0}
    if not message:
        require_same_metrics(paper, found, wanted)
        return
    with pytest.raises(ContractError, match=f"{paper.name}: .*{message}"):
        require_same_metrics(paper, found, wanted)
