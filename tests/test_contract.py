"""Every registered model passes the contract tests, and each check detects a faulty model."""

import pickle
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.card import ContractTestConfig, ModelCard
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import Prediction, RgbPrediction
from colorzoo.registry import DEFAULT_MODELS, list_models, load_model_class, model_card
from colorzoo.testing import Check, ContractError, contract_checks, write_sample_images
from colorzoo.training.module import ColorizationModule
from throwaway_paper import write_config, write_paper

CHECKS = {str(check): check for check in contract_checks()}
# tests/training/test_configs.py trains every configuration, those of the cards among them
EVERY_MODEL = [check for name, check in CHECKS.items() if name not in ("config", "export", "onnx")]
CARDS = sorted(map(model_card, list_models()), key=lambda card: (card.parameters, card.name))


def smallest(key: Callable[[ModelCard], object], cards: Sequence[ModelCard] = CARDS) -> list[ModelCard]:
    """Return the model with the fewest parameters of each group of cards."""
    return list({key(card): card for card in reversed(cards)}.values())


def graph_of(card: ModelCard) -> object:
    """Return what determines the graph of a model: class and backbone, but not the width."""
    settings = {**card.hparams, **card.contract_test.hparams}.values()
    return card.task, card.limits, tuple(each for each in settings if isinstance(each, str))


FAST = smallest(lambda card: (card.input, bool(card.guidance), card.trainable))
FAST += [card for card in CARDS if card.name == DEFAULT_MODELS["automatic"]]
GRAPHS = smallest(graph_of)
EXPORTED = [card for card in GRAPHS if "export" not in card.limits]
SMALLEST = min(
    (card for card in EXPORTED if card.trainable and not card.guidance), key=lambda card: card.parameters
)


def tiers(cards: Sequence[ModelCard], fast: Sequence[ModelCard]) -> list[Any]:
    """Return names of models as parameters of a test; all but the fast ones run nightly."""
    return [
        pytest.param(card.name, marks=() if card in fast else pytest.mark.nightly, id=card.name)
        for card in cards
    ]


@lru_cache(maxsize=2)  # of both seeds
def built(model_class: type[ColorizationModule], settings: bytes, seed: int) -> ColorizationModule:
    return build_model(model_class, pickle.loads(settings))


@pytest.fixture(autouse=True)
def built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy the model that another check has built, because a copy takes a quarter of the time."""

    def copied(model_class: type[ColorizationModule], settings: dict[str, Any]) -> ColorizationModule:
        return deepcopy(built(model_class, pickle.dumps(settings), torch.initial_seed()))

    monkeypatch.setattr("colorzoo.testing.models.build_model", copied)


def cases() -> list[Any]:
    """Return each check with each model; the fast tier starts two processes for one model only."""
    found = []
    for check in EVERY_MODEL:
        fast = [SMALLEST] if check.starts_processes else FAST
        for card in CARDS:
            marks = [] if card in fast else [pytest.mark.nightly]
            marks += [pytest.mark.processes] * check.starts_processes
            found.append(pytest.param(check, card.name, marks=marks, id=f"{check}-{card.name}"))
    return found


@pytest.mark.parametrize(("check", "name"), cases())
def test_contract(check: Check, name: str) -> None:
    check(model_card(name))


@pytest.mark.usefixtures("shallow_encoder")
@pytest.mark.parametrize("name", tiers(GRAPHS, [SMALLEST, model_card("levin2004")]))
def test_contract_export(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)  # called at each step; it loads a library
    CHECKS["export"](model_card(name))


@pytest.mark.timeout(900)  # torch decomposes colorzoo2026 in five minutes
@pytest.mark.parametrize("name", tiers(EXPORTED, [SMALLEST]))
def test_contract_onnx(name: str) -> None:
    CHECKS["onnx"](model_card(name))


LOSSY = """
from honest.task import Toy2030


class Lossy(Toy2030):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss + (loss.view(1, 1) @ loss.view(1, 1)).sum()
"""

TAUGHT = """
import torch
from colorzoo.metrics.feature_networks import FrozenNetwork
from honest.task import Toy2030


class Taught(Toy2030):
    def setup(self, stage):
        super().setup(stage)
        self.teacher = FrozenNetwork(torch.nn.Conv2d(3, 1, 1))

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx) + self.teacher(batch["rgb"]).mean()
        self.log_losses({"total": loss}, len(batch["rgb"]))
        return loss


class Labeled(Toy2030):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * (1 + batch["label"]).float().mean()
"""

UNUSED = """
import torch
from honest.task import Toy2030


class Squared(Toy2030):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.look = torch.nn.Conv2d(3, 1, 3, padding=1)
        torch.nn.init.zeros_(self.look.weight)
        torch.nn.init.zeros_(self.look.bias)

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss + self.look(batch["rgb"]).square().mean()
"""


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    """Return the card of a small correct paper."""
    write_paper(tmp_path / "honest", "honest", "honest2032")
    write_config(tmp_path / "configs", "honest", "honest2032")
    larger = (
        "from honest.model import TwoConvolutions\nclass Larger(TwoConvolutions):\n    working_size = 512\n"
    )
    (tmp_path / "honest" / "larger.py").write_text(larger)
    (tmp_path / "honest" / "lossy.py").write_text(LOSSY)
    (tmp_path / "honest" / "taught.py").write_text(TAUGHT)
    (tmp_path / "honest" / "unused.py").write_text(UNUSED)
    monkeypatch.syspath_prepend(tmp_path)
    from honest.card import CARDS

    return CARDS[0]


Fault = Callable[[ColoringModel, Prediction, Tensor, Guidance | None], Any]
NUMBERS: dict[int, int] = {}


@pytest.mark.parametrize("check", ["training_device", "losses_under_autocast"])
def test_training_checks_accept_a_teacher_with_random_weights(check: str, paper: ModelCard) -> None:
    torch.manual_seed(2)
    CHECKS[check](replace(paper, task="honest.taught:Taught"))


def test_config_check_trains_with_class_folders(paper: ModelCard, tmp_path: Path) -> None:
    for folder in ("cats", "dogs"):
        for path in write_sample_images(tmp_path / folder, count=8):
            target = tmp_path / "images" / path.parent.name / folder / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    config = tmp_path / "configs" / "honest2032" / "tiny.yaml"
    text = config.read_text().replace("honest.task.Toy2030", "honest.taught.Labeled")
    config.write_text(text.replace("root: data", "root: data, labels: true"))
    (check,) = (
        each for each in contract_checks(tmp_path / "configs", tmp_path / "images") if each.name == "config"
    )
    check(replace(paper, task="honest.taught:Labeled"))


def of(change: Callable[[Tensor], Tensor]) -> Fault:
    """Return a fault that changes ab."""
    return lambda _, found, *__: found.with_colors(change(found.colors))


def plus(number: Callable[[ColoringModel, Tensor, Guidance], Any]) -> Fault:
    """Return a fault that adds a function of model, lightness and guidance to ab."""
    return lambda model, found, seen, given: found.with_colors(
        found.colors + number(model, seen, given or Guidance())
    )


def as_rgb(factor: float) -> Fault:
    return lambda _, found, *__: RgbPrediction(rgb=factor * found.colors[:, [0, 1, 0]].sigmoid())


def is_rounded(model: ColoringModel) -> bool:
    return all(weight.half().float().equal(weight) for weight in model.parameters())


BY_INSTANCE = plus(lambda model, *_: NUMBERS.setdefault(id(model), len(NUMBERS)))
NOTHING, ROOT, CUT = of(lambda ab: 0 * ab), of(lambda ab: (0 * ab).sqrt()), of(Tensor.detach)
RGB, NO_TRAINING = {"output": "rgb"}, {"limits": ("training",)}
# by check: a fault of the model or a wrong card, and the message; faults exceed tolerances by a fifth
WRONG: dict[str, list[tuple[Any, ...]]] = {
    "card_matches_class": [
        (
            {"task": "honest.model:TwoConvolutions"},
            "honest.model:TwoConvolutions is not a ColorizationModule",
        ),
        ({"model": "colorzoo.model:ColoringModel"}, "the model TwoConvolutions"),
        ({"guidance": ("points", "exemplar")}, "the card declares .* the model "),
    ],
    "parameter_count": [({"parameters": 441}, r"card.parameters must be 442, .* 441\. Run `colorzoo models")],
    "model_without_trainer": [
        ({"model": "honest.larger:Larger"}, "working_size"),
        (BY_INSTANCE, "the same predictions"),
    ],
    "odd_sizes": [
        (of(lambda ab: ab[..., : ab.shape[-2] // 8 * 8, :]), r"\(37, 53\) has shape \(2, 2, 32, 53\)"),
        (of(Tensor.double), "float32, got torch.float64"),
        (of(lambda ab: ab / (ab.shape[-1] - 1)), r"\(1, 1\) is not finite"),
        (RGB, "output rgb, .* AbPrediction"),
        (
            {"contract_test": ContractTestConfig(scales={"network.0.weight": 0.1})},
            r"scales must match parameters .* such as model\.network\.0\.weight, got network\.0\.weight",
        ),
        (as_rgb(2.0), r"RGB .* \[0, 1\]", RGB),
    ],
    "batch_equals_single": [(plus(lambda _, seen, __: 6e-3 * len(seen)), r"image 0 changes by 1\.[12].e-04")],
    "guidance": [
        (lambda _, found, __, given: found if given else found.with_colors(0 * found.ab), "guidance=None"),
        (NOTHING, "accepts points but ignores it"),
        (plus(lambda _, __, given: given.exemplar is not None), "does not accept exemplar but depends"),
    ],
    "deterministic": [(of(lambda ab: ab + torch.rand_like(ab)), "different predictions")],
    "device": [
        (of(lambda ab: ab + torch.zeros(2, 1, 1)), "not on the device of the input: "),
        (of(lambda ab: torch.zeros(ab.shape)), "the prediction is not on the device"),
        (plus(lambda *_: torch.zeros(()).is_meta), "depends on torch's default device"),
        (plus(lambda *_: torch.arange(3).tolist()[1]), "values of a new tensor without a device are read"),
        (plus(lambda *_: float(torch.zeros(()))), "values of a new tensor without a device are read"),
        (plus(lambda *_: torch.zeros(1).numpy()[0]), "values of a new tensor without a device are read"),
    ],
    "training_device": [(of(lambda ab: ab + torch.zeros(2, 1, 1)), "not on the device of the input: ")],
    "losses_under_autocast": [({"task": "honest.lossy:Lossy"}, r"changes a loss or guidance by 0\.\d\d%")],
    "bfloat16_autocast": [
        (of(Tensor.bfloat16), "autocast gives torch.bfloat16"),
        (
            plus(lambda *_: 2.4 * torch.is_autocast_enabled("cpu")),
            r"changes the prediction by 2\.\d% of.* error_scale",
        ),
        (  # the tolerance has its maximum, so a larger factor has no effect
            plus(lambda *_: 60.0 * torch.is_autocast_enabled("cpu")),
            r"more than 50%\..*in_float32`\.$",
            {"contract_test": ContractTestConfig(error_scale=25.0)},
        ),
    ],
    "memory_format": [
        (of(lambda ab: ab + 0.012 * (not ab.is_contiguous())), r"changes the prediction by 1\.2\de-04")
    ],
    "gradient_reaches_input": [
        ({"limits": ("gradient",)}, "limits contains 'gradient'"),
        *((fault, "no gradient reaches the input") for fault in (CUT, NOTHING)),
    ],
    "export": [
        (of(lambda ab: ab if float(ab.mean()) > 0 else -ab), "export failed: "),
        (
            plus(lambda *_: torch.compiler.is_exporting()),
            "the torch.export graph and the model differ by .* at ",
        ),
    ],
    "onnx": [(of(torch.special.bessel_j0), "export failed: ")],
    "config": [
        ({"config": "nowhere.yaml"}, "nowhere.yaml"),
        (NO_TRAINING, "'training' in its limits.* honest2032/tiny.yaml"),
    ],
    "gradients": [
        (NOTHING, r"the gradient of \['model.network.0.weight', 'model.network.2.weight'\]"),
        (ROOT, r"the gradient of \['model.network.0.bias', "),
        (
            {"contract_test": ContractTestConfig(size=16, without_gradient=("model.network.0.*",))},
            "without_gradient must not match",
        ),
        (
            {"contract_test": ContractTestConfig(size=16, without_gradient=("model.net.*",))},
            "without_gradient must match parameters of the task, such as model.network.",
        ),
        (NO_TRAINING, r"'training' in its limits.* \['model.network.0.weight'"),
    ],
    "first_steps": [
        ({"task": "honest.unused:Squared"}, r"\['look.weight'\] have no gradient in the first 3")
    ],
    "state_dict_round_trip": [
        (NOTHING, "does not depend on the weights"),
        (BY_INSTANCE, "does not restore the predictions"),
        (NO_TRAINING, r"'training' in its limits.* \['model.network.0.weight'"),
    ],
    "half_safetensors_round_trip": [
        (
            plus(lambda model, *_: 0.6 * is_rounded(model)),
            r"float16 weights change the prediction by 0\.6%.* error_scale",
        ),
        (
            plus(lambda model, *_: 60.0 * is_rounded(model)),
            r"more than 50\.0%\.$",
            {"contract_test": ContractTestConfig(error_scale=100.0)},
        ),
        (NOTHING, "must have the extras", {"contract_test": ContractTestConfig(discrete=True)}),
    ],
    "pretrained_round_trip": [
        (BY_INSTANCE, "predictions before save_pretrained and after from_pretrained differ")
    ],
    "copies": [(BY_INSTANCE, "prediction of a copy differs")],
    "checkpoint_round_trip": [(BY_INSTANCE, "a checkpoint does not restore the model")],
}


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        pytest.param(name, each, marks=pytest.mark.nightly if index else ())
        for name in WRONG
        for index, each in enumerate(WRONG[name])
    ],
)
def test_contract_check_detects_wrong_card_or_faulty_model(
    check: str, wrong: tuple[Any, ...], paper: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    what, said, *more = wrong
    model = load_model_class(paper)
    forward = model.forward

    def faulty(self: ColoringModel, lightness: Tensor, given: Guidance | None = None) -> Any:
        return what(self, forward(self, lightness, given), lightness, given)

    changes = dict(*more)
    if isinstance(what, dict):
        changes = what
    else:
        monkeypatch.setattr(model, "forward", faulty)
    torch.manual_seed(2)
    with pytest.raises(ContractError, match=said):
        {str(each): each for each in contract_checks(tmp_path / "configs")}[check](replace(paper, **changes))
