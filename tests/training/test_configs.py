"""`colorzoo fit` of every configuration, two steps on photos, with the default callbacks and odd batches."""

from pathlib import Path

import pytest
import yaml
from PIL import Image

from colorzoo.card import ModelCard
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.testing.training import train_config
from colorzoo.training.configs import config_folders

PHOTOS = Path(__file__).parents[1] / "data" / "images"  # their licenses stand beside those in docs/images
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


@pytest.mark.parametrize(  # the contract tests train one configuration of each family
    "config", [pytest.param(each, marks=pytest.mark.nightly) for each in CONFIGS]
)
def test_a_configuration_trains_two_steps_on_photos(config: str, photos: Path) -> None:
    train_config(card_of(config), FOLDER / config, photos)


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


def test_models_with_points_are_validated_automatically_and_with_many_points() -> None:
    """The numbers are suffixes of the metrics: ``val/psnr_10`` must mean the same for all models."""
    counts = {load_task_class(card).validation_points for card in CARDS} - {()}
    assert counts == {(0, 1, 10, 100), (0, 1, 10, 30), (0, 1, 10)}
