"""`colorzoo fit` of every configuration, two steps on photos, with the default callbacks and odd batches."""

import inspect
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from colorzoo.card import ModelCard
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.testing.models import ContractError
from colorzoo.testing.training import train_config
from colorzoo.training.configs import config_folders

PHOTOS = Path(__file__).parents[1] / "data" / "pictures"  # their licenses stand beside those in docs/images
FOLDER = config_folders()[0]
# overlays need a model beside them, sweeps are not for this program; the codes of UniColor color nothing, and
# tests/steps/test_huang2022.py takes the steps of their training
CONFIGS = [
    name
    for path in sorted(FOLDER.rglob("*.yaml"))
    if not (name := path.relative_to(FOLDER).as_posix()).startswith(
        ("cluster/", "data/", "loggers/", "sweeps/", "huang2022/vqgan_")
    )
]
CARDS = [model_card(name) for name in list_models()]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pieces of photos to train on and three to validate on."""
    root = tmp_path_factory.mktemp("photos")
    for path in sorted(PHOTOS.glob("*.jpg")):
        with Image.open(path) as photo:
            for index in range(5):
                left, top = 60 * index, 40 * index
                part = root / ("val" if index == 4 or (index, path.stem) == (3, "coffee") else "train")
                folder = part / path.stem  # the class of the photo
                folder.mkdir(parents=True, exist_ok=True)
                photo.crop((left, top, left + 96, top + 80)).save(folder / f"{index}.png")
    return root


def card_of(config: str) -> ModelCard:
    """Return the card that names a configuration, else one of a model of its class, the narrowest last."""
    own = [card for card in CARDS if card.config == config]
    trained = yaml.safe_load((FOLDER / config).read_text())["model"]["class_path"].rpartition(".")[2]
    return (own or [card for card in CARDS if card.task.endswith(f":{trained}")])[-1]


def skeleton(value: Any) -> Any:
    """Return a configuration without its numbers, but for 0: with it a part is often left out."""
    if isinstance(value, dict):
        return {key: skeleton(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return [skeleton(each) for each in value]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) and value else value


def cases() -> list[Any]:
    """Return the configurations as parameters of a test; one that differs only in numbers is slow.

    Sizes are those of the trial in all.
    """
    seen, found = set(), []
    for config in CONFIGS:
        content = yaml.safe_load((FOLDER / config).read_text())
        what = repr(skeleton({"model": content["model"], "trainer": content["trainer"]}))
        found.append(pytest.param(config, marks=[pytest.mark.nightly] if what in seen else [], id=config))
        seen.add(what)
    return found


def test_few_configurations_repeat_another_one() -> None:
    slow = {case.values[0] for case in cases() if case.marks}
    assert {"antic2019/unfrozen_192.yaml", "cho2023/paper.yaml"} <= slow
    assert len(slow) < len(CONFIGS) / 5
    assert skeleton({"a": [0.5, 0], "b": "1e-3", "c": True}) == {"a": ["number", 0], "b": "1e-3", "c": True}


@pytest.mark.parametrize("config", cases())
def test_a_configuration_trains_two_steps_on_photos(config: str, photos: Path) -> None:
    train_config(card_of(config), FOLDER / config, photos)


def test_the_configuration_of_every_card_is_among_them() -> None:
    """So the contract suite need not train the cards' configurations again."""
    assert {card.config for card in CARDS if card.config} <= set(CONFIGS)


NO_DEFAULTS = {
    "start": "names a file",
    "segmenter_weights": "names a file",
    "stage": "of several that are trained one after the other",
    "normalization": "the published weights have none",
    "mean": "the published weights read plain lightness",
    "neighbors": "the published code takes 10, the paper 5",
    "last_kernel": "of published sizes, not of those in training",
}


def with_defaults(card: ModelCard) -> Iterator[tuple[str, Any, Any]]:
    """Yield the settings of a task in the configuration of its card: name, default and value."""
    settings = yaml.safe_load((FOLDER / str(card.config)).read_text())["model"].get("init_args", {})
    parameters = inspect.signature(load_task_class(card)).parameters
    for name, value in settings.items():
        default = parameters[name].default if name in parameters else value
        parts = value if isinstance(value, dict) and is_dataclass(default) else {name: value}
        for part, wanted in parts.items():
            found = getattr(default, part) if is_dataclass(default) else default
            yield part, list(found) if isinstance(found, tuple) else found, wanted


def test_the_settings_of_the_papers_are_the_defaults_of_their_tasks() -> None:
    papers = {card.config: card for card in CARDS if card.config and not card.hparams}
    others, count = {}, 0
    for config, card in papers.items():
        for name, default, value in with_defaults(card):
            count += 1
            same = default == (pytest.approx(value, rel=1e-4) if isinstance(value, float) else value)
            if not same and name not in NO_DEFAULTS:
                others[f"{config}: {name}"] = (default, value)
    assert others == {}
    assert count > 150


LATER = {"content_weight", "hint_residual", "needs", "transfer_error", "temperature", "tau"}  # than training


def test_a_card_has_the_settings_of_its_configuration() -> None:
    others, count = {}, 0
    for card in (card for card in CARDS if card.config):
        groups = yaml.safe_load((FOLDER / str(card.config)).read_text())["model"].get("init_args", {})
        given = {
            name: value
            for group, values in groups.items()
            for name, value in (values if isinstance(values, dict) else {group: values}).items()
        }
        for name, value in card.hparams.items():
            count += 1
            stated = list(value) if isinstance(value, tuple) else value
            if given.get(name) != stated and not (name in LATER and name not in given):
                others[f"{card.name}: {name}"] = (given.get(name), stated)
    assert others == {}
    assert count > 70


def test_a_configuration_that_paints_nothing_is_found_out(photos: Path, tmp_path: Path) -> None:
    content = yaml.safe_load((FOLDER / "zhang2016/small.yaml").read_text())
    blind = {"class_path": "colorzoo.training.callbacks.PictureGrid", "init_args": {"count": 0}}
    content["trainer"]["callbacks"] = [blind]
    path = tmp_path / "blind.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ContractError, match="painted no picture"):
        train_config(model_card("zhang2016_small"), path, photos)
