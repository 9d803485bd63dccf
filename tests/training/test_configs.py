"""Two training steps of every configuration with the default callbacks and uneven batches."""

from importlib import import_module
from pathlib import Path

import pytest
import yaml
from PIL import Image

from colorzoo.card import ModelCard
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.testing.training import train_config
from colorzoo.training.configs import config_folders

IMAGES = Path(__file__).parents[1] / "data" / "images"  # their licenses stand beside those in docs/images
FOLDER = config_folders()[0]
# overlays require a model configuration, and sweeps are not read by `fit`; the VQGAN of UniColor predicts no
# colors, and tests/zoo/test_huang2022.py tests its training steps
CONFIGS = [
    name
    for path in sorted(FOLDER.rglob("*.yaml"))
    if not (name := path.relative_to(FOLDER).as_posix()).startswith(
        ("cluster/", "data/", "loggers/", "sweeps/", "huang2022/vqgan_")
    )
]
CARDS = [model_card(name) for name in list_models()]


@pytest.fixture(scope="session")
def image_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven image crops for training and three for validation."""
    root = tmp_path_factory.mktemp("image_root")
    for path in sorted(IMAGES.glob("*.jpg")):
        with Image.open(path) as image:
            for index in range(5):
                left, top = 60 * index, 40 * index
                part = root / ("val" if index == 4 or (index, path.stem) == (3, "coffee") else "train")
                folder = part / path.stem  # the class of the image
                folder.mkdir(parents=True, exist_ok=True)
                image.crop((left, top, left + 96, top + 80)).save(folder / f"{index}.png")
    for path in list(root.rglob("*.png")):  # captions for configurations with `hints: [text]`
        path.with_suffix(".txt").write_text("red car, blue sky")
    return root


def card_of(config: str) -> ModelCard:
    """Return the card of a configuration, or the last card with the same task class or a base class."""
    own = [card for card in CARDS if card.config == config]
    path = yaml.safe_load((FOLDER / config).read_text())["model"]["class_path"]
    module, _, trained = path.rpartition(".")
    classes = [trained]
    if module:
        classes = [kind.__name__ for kind in getattr(import_module(module), trained).__mro__]
    return (own or [card for card in CARDS if card.task.rpartition(":")[2] in classes])[-1]


@pytest.mark.parametrize(  # the contract tests train one configuration of each family
    "config", [pytest.param(each, marks=pytest.mark.nightly) for each in CONFIGS]
)
def test_config_trains_two_steps(config: str, image_root: Path) -> None:
    train_config(card_of(config), FOLDER / config, image_root)


LATER = {"content_weight", "hint_residual", "needs", "transfer_error", "temperature", "tau"}  # after training


def test_model_card_hparams_equal_its_config() -> None:
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
    assert count > 60


def test_validation_points_have_the_same_counts_for_all_tasks() -> None:
    """The numbers are suffixes of the metrics: ``val/psnr_10`` must mean the same for all models."""
    counts = {load_task_class(card).validation_points for card in CARDS} - {()}
    assert counts == {(0, 1, 10, 100), (0, 1, 10, 30), (0, 1, 10)}
