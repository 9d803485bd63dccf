"""Files of earlier versions (``tests/stored``) can be read; files of later versions raise an error."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from colorzoo import Recipe, create_model, model_card
from colorzoo.apps.video.film_recipe import FilmRecipe
from colorzoo.errors import RecipeVersionError, WeightsError
from colorzoo.image_io.provenance import ImageProvenance, read_provenance
from colorzoo.testing.samples import write_sample_images
from colorzoo.testing.trainer import silent_lightning
from colorzoo.training.command import run_command
from colorzoo.weights import read_weights, save_weights
from colorzoo.weights.load import Provenance

STORED = Path(__file__).parent / "stored"
WIDTH = 0.03125


def test_stored_recipes_are_read() -> None:
    first, second = (Recipe.from_json(STORED / name) for name in ("recipe_v1.json", "recipe.json"))
    assert (first.points[0].reach, first.border) == ("everywhere", "none")  # defaults of version 1
    assert (first.points[0].color, first.scribbles[0].width) == ("#c04020", 5.0)
    assert (second.model, second.strength, second.points[0].reach) == ("zhang2017_local_small", 0.5, 0.5)
    stored = json.loads((STORED / "recipe.json").read_text())
    assert stored.keys() <= second.to_dict().keys()  # no field is lost
    assert Recipe.from_json(second.to_dict()) == second


def test_stored_film_recipe_is_read() -> None:
    film = FilmRecipe.from_json(STORED / "film.json")
    assert [key.frame for key in film.keys] == [0, 48]
    assert film.color_images == [STORED / "result.png", STORED / "result.png"]
    assert (film.join, film.split, film.apply_matches) == ((30,), (12, 90), True)


def test_stored_card_has_the_fields_of_the_present_card() -> None:
    stored = json.loads((STORED / "card.json").read_text())
    present = json.loads(json.dumps(model_card(stored["name"]).to_dict()))
    assert present["format_version"] == stored["format_version"] == 1
    assert stored.keys() <= present.keys()
    assert stored["weights"]["default"].keys() <= present["weights"]["default"].keys()
    assert [type(present[key]) for key in stored] == [type(value) for value in stored.values()]


def test_weights_of_0_1_are_read() -> None:
    path = STORED / "weights_0.1.safetensors"
    model = create_model("zhang2019_small", path)
    assert model.trained
    assert (model.provenance.steps, model.provenance.images) == (2500, 19_992)  # stored as `pictures`


@pytest.mark.parametrize("name", ["checkpoint.ckpt", "weights.safetensors"])
def test_stored_weights_are_read(name: str) -> None:
    content = read_weights(STORED / name)
    task = create_model("zhang2016", STORED / name, width=WIDTH)
    assert task.trained
    record = task.provenance
    assert (record.model, record.steps, record.images, record.seed) == ("Zhang2016", 2, 4, 0)
    assert record.optimizers[0]["class"] == "torch.optim.sgd.SGD"
    assert record.resolved_config["trainer"]["max_steps"] == 2
    assert record == Provenance.of(content.provenance)
    for key, value in task.model.state_dict().items():
        stored = content.state_dict.get(f"model.{key}", content.state_dict.get(key))
        assert torch.equal(value, stored.to(value.dtype))


def test_training_resumes_from_the_stored_checkpoint(tmp_path: Path) -> None:
    write_sample_images(tmp_path / "data", count=12, size=(40, 48))
    folder = tmp_path / "run"
    words = ["fit", "--model=Zhang2016", f"--model.width={WIDTH}", "--model.optimizer=torch.optim.SGD"]
    words += ["--model.optimizer.lr=0.001", "--data=FolderDataModule", f"--data.root={tmp_path / 'data'}"]
    words += ["--data.batch_size=2", "--data.crop=32", "--data.resize=null", "--data.val_size=32"]
    words += ["--data.num_workers=0", "--trainer.accelerator=cpu", "--trainer.max_steps=3"]
    words += [f"--trainer.default_root_dir={folder}", f"--ckpt_path={STORED / 'checkpoint.ckpt'}"]
    with silent_lightning():
        assert run_command(words) == 0
    (checkpoint,) = folder.rglob("last.ckpt")
    record = Provenance.of(read_weights(checkpoint).provenance)
    assert (record.steps, record.images) == (3, 6)
    assert record.earlier[0]["until"] == 2


@pytest.mark.parametrize("name", ["result.png", "result.bmp"])
def test_stored_records_of_results_are_read(name: str, tmp_path: Path) -> None:
    for path in STORED.glob(f"{name}*"):
        shutil.copy(path, tmp_path)
    record = read_provenance(tmp_path / name)
    assert record is not None
    assert (record.model, record.version, record.engine) == ("zhang2017_local_small", "0.2.0", "torch")
    assert record.date == "2026-01-01T00:00:00+00:00"
    assert Recipe.from_json(record.recipe).points[0].color == "#c04020"
    empty = ImageProvenance("", "", "")
    assert record.source != empty.source
    assert record.settings != empty.settings


def test_later_format_versions_raise_an_error(tmp_path: Path) -> None:
    weights, checkpoint = tmp_path / "a.safetensors", tmp_path / "b.ckpt"
    save_weights(weights, {"layer": torch.ones(2)}, {"model": "zhang2016", "format_version": "2"})
    content = torch.load(STORED / "checkpoint.ckpt", weights_only=True)
    torch.save({**content, "format_version": 2}, checkpoint)
    for path in (weights, checkpoint):
        with pytest.raises(WeightsError, match="format version must be at most 1, got 2"):
            read_weights(path)
    with pytest.raises(RecipeVersionError, match="version must be at most 2, got 3"):
        Recipe.from_json({"version": 3})
