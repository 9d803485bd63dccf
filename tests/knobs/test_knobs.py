"""Every setting of a model, changed alone, changes a training step."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from colorzoo.factory import build_model
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.testing.trainer import silent_lightning
from knobs.knob import Knobs, base_settings, other_value, settings_of_base, settings_to_try, trace
from zoo import paper_modules

KNOBS: dict[str, Knobs] = {
    name: each for module in paper_modules() for name, each in getattr(module, "KNOBS", {}).items()
}
# Weighted losses that are not logged under their own name: parts of a loss, or other names.
NOT_LOGGED: dict[str, set[str]] = {
    "antic2019": {"adversarial", "content"},
    "cho2023_points": {"reconstruction"},
    "ci2018": {"drift", "penalty"},
    "iizuka2016": {"class"},
    "li2018": {"feature"},
    "xu2020": {"hint", "image", "perceptual"},
    "zhang2017_local": {"classification", "regression"},
}
KNOBS |= {
    card.name: Knobs()  # a paper without `KNOBS`
    for card in map(model_card, list_models())
    if card.trainable and card.task not in {model_card(name).task for name in KNOBS}
}
CASES = [(name, setting) for name, each in KNOBS.items() for setting in settings_to_try(name, each)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that computes the trace of each unchanged model once."""

    @cache
    def base_trace(name: str) -> Any:
        with silent_lightning():
            return trace(name, KNOBS[name], tmp_path_factory.mktemp("base"))

    return base_trace


@cache
def settings_of(name: str) -> dict[str, Any]:
    """Return the base settings of a model; the model is built once."""
    return settings_of_base(name, KNOBS[name])


def test_knobs_name_existing_settings() -> None:
    for name, each in KNOBS.items():
        everything = set(settings_to_try(name, Knobs(values=each.values)))
        assert set(each.exempt) - everything == set(), name
        assert set(each.values) - everything == set(), name


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "setting"), CASES, ids=lambda value: str(value))
def test_setting_changes_training_step(name: str, setting: str, base: Any, tmp_path: Path) -> None:
    value = other_value(name, setting, KNOBS[name], settings_of(name))
    with silent_lightning():
        changed = trace(name, KNOBS[name], tmp_path, **{setting: value})
    assert changed != base(name), f"{setting}={value!r} changes nothing"


@pytest.mark.nightly
def test_trace_is_reproducible(base: Any, tmp_path: Path) -> None:
    name = next(iter(KNOBS))
    with silent_lightning():
        assert trace(name, KNOBS[name], tmp_path) == base(name)


@pytest.mark.nightly
@pytest.mark.parametrize("name", KNOBS)
def test_weighted_losses_are_logged_and_start_is_recorded(name: str, base: Any) -> None:
    logged = {key.removeprefix("train/") for step in base(name)["losses"] for key in step}
    weights = {key: value for key, value in settings_of(name).items() if key.endswith("_weight")}
    terms = {key.removesuffix("_weight") for key, value in weights.items() if value}
    assert terms - logged == NOT_LOGGED.get(name, set())
    assert logged & {"loss", "generator"}
    assert base(name)["start"]["model"] == "Earlier"


@pytest.mark.parametrize(
    "name", ["blanch2021", "cho2023", "ci2018", "kang2023", "lee2020", "lu2020", "yin2021"]
)
def test_task_is_adversarial_if_adversarial_weight_is_positive(name: str) -> None:
    cls, settings = load_task_class(model_card(name)), base_settings(name, KNOBS[name])
    with torch.device("meta"):
        tasks: list[Any] = [
            build_model(cls, {**settings, "adversarial_weight": each}) for each in (0.0, 1e-5)
        ]
    assert [task.is_adversarial() for task in tasks] == [False, True]
