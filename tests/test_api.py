"""`colorize_file` and ``colorzoo colorize`` with equal settings."""

import json
import os
import subprocess
import sys
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageSequence

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.batch.settings import ColorSettings
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Recipe
from colorzoo.image_io.provenance import read_provenance
from colorzoo.testing import sample_image
from colorzoo.weights import save_weights
from tiny_model import tiny_model

REFERENCES = ("warm.png", "cold.png")
CASES: dict[str, tuple[str, Any, tuple[str, ...]]] = {  # model, value and references of each setting
    "strength": ("zhang2017_local_small", 0.4, ()),
    "temperature": ("zhang2016_small", 0.2, ()),
    "size": ("zhang2017_local_small", 48, ()),
    "device": ("zhang2017_local_small", "cpu", ()),
    "precision": ("zhang2016_small", "bfloat16", ()),
    "render_factor": ("antic2019", 3, ()),
    "reference_weights": ("colorzoo2026", [1.0, 9.0], REFERENCES),
    "alpha": ("colorzoo2026", 0.2, REFERENCES[:1]),
    "reassigned": ("chen2023_small", ["17=13", "18=13"], REFERENCES[:1]),
    "engine": ("zhang2016_small", "onnxruntime", ()),
    "allow_untrained": ("yun2023_tiny", True, ()),
    "quality": ("zhang2016_small", 20, ()),
    "frames": ("zhang2016_small", "first", ()),
}
WITHOUT_EFFECT = {"device", "engine", "allow_untrained"}  # on the pixels of this machine


def save(path: Path, seed: int) -> None:
    rgb = (sample_image((64, 80), seed=seed)[0] * 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(rgb).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    for name, seed in (("a.png", 1), ("b.png", 2), ("warm.png", 3), ("cold.png", 4)):
        save(folder / name, seed)
    pages = [Image.open(folder / name).convert("L") for name in ("a.png", "b.png")]
    pages[0].save(folder / "source.jpg", quality=95)
    pages[0].save(folder / "source.tif", save_all=True, append_images=pages[1:])
    more = {"path": "warm.png", "more": [{"path": "cold.png"}]}
    (folder / "recipe.json").write_text(json.dumps({"exemplar": more}))
    small = {"encoder": "resnet18", "nf_factor": 0.25}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = create_coloring_model("antic2019", None, **small)
    metadata = {"model": "antic2019", "hparams": json.dumps(small)}
    save_weights(folder / "antic2019.safetensors", model.state_dict(), metadata)
    return folder


def pixels(path: Path) -> NDArray[np.int64]:
    with Image.open(path) as image:
        return np.stack([np.array(page.convert("RGB")).astype(int) for page in ImageSequence.Iterator(image)])


def as_options(settings: dict[str, Any]) -> list[str]:
    """Return settings as options of ``colorzoo colorize``."""
    words = []
    for each in fields(ColorSettings):
        if each.name not in settings:
            continue
        option, value = (
            (each.metadata["flags"] or [f"--{each.name.replace('_', '-')}"])[0],
            settings[each.name],
        )
        if value is True:
            words.append(option)
        elif isinstance(value, list) and isinstance(value[0], str):
            words += [word for item in value for word in (option, item)]
        else:
            words += [option, ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return words


@pytest.mark.filterwarnings("ignore:.* pages:UserWarning")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            each.name, marks=[pytest.mark.nightly] if each.name == "engine" else []
        )  # exports a graph
        for each in fields(ColorSettings)
    ],
)
def test_each_setting_acts_equally_in_python_and_on_the_command_line(
    folder: Path, tmp_path: Path, name: str
) -> None:
    model, value, references = CASES[name]
    source = folder / ("source.tif" if name == "frames" else "source.jpg")
    python, command, default = (tmp_path / f"{each}{source.suffix}" for each in ("a", "b", "c"))
    weights = folder / f"{model}.safetensors" if name == "render_factor" else "default"
    paths = [folder / each for each in references]
    common = {"device": "cpu", "precision": "float32"}
    if name != "render_factor":
        common |= {"size": 64}

    def color(target: Path, **settings: Any) -> None:
        given: dict[str, Any] = {"weights": weights}
        if paths:
            given["reference"] = paths if len(paths) > 1 else paths[0]
        colorzoo.colorize_file(source, target, model, settings=ColorSettings(**settings), **given)

    changed = {**common, name: value}
    color(python, **changed)
    words = ["colorize", source, "-o", command, "--model", model, "--weights", weights, *as_options(changed)]
    words += [word for path in paths for word in ("--reference", path)]
    assert main([str(word) for word in words]) == 0
    assert python.read_bytes() == command.read_bytes()
    if name not in WITHOUT_EFFECT:
        color(default, **common)
        before, after = pixels(default), pixels(python)
        assert before.shape != after.shape or np.abs(before - after).max() > 1


@pytest.mark.parametrize("settings", [{"alpha": 0.2}, {"reference_weights": [1.0, 9.0]}])
def test_settings_of_references_change_the_references_of_a_recipe(
    folder: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    common: dict[str, Any] = {"size": 64, "device": "cpu"}
    recipe, source = folder / "recipe.json", folder / "a.png"
    results = [
        np.array(colorzoo.colorize(source, guidance=recipe, settings=ColorSettings(**common, **each)))
        for each in ({}, settings)
    ]
    command = tmp_path / "b.png"
    words = [source, "-o", command, "--recipe", recipe, *as_options({**common, **settings})]
    assert main(["colorize", *map(str, words)]) == 0
    assert np.array_equal(results[1], np.array(Image.open(command)))
    assert not np.array_equal(*results)
    origin = read_provenance(command)
    assert origin is not None
    replay = folder / "replay.json"
    replay.write_text(origin.recipe)  # in the folder of the references
    again = colorzoo.colorize(source, guidance=replay, settings=ColorSettings(**common))
    assert np.array_equal(np.array(again), results[1])


@pytest.mark.parametrize(
    ("settings", "more", "message"),
    [
        ({"alpha": 0.2}, {}, "require --reference"),
        ({"reference_weights": [1.0, 2.0]}, {"reference": "warm.png"}, "one weight per reference"),
        ({"reassigned": ["sky=1"]}, {"reference": "warm.png"}, "OLD=NEW"),
        ({"alpha": 0.2}, {"guidance": colorzoo.Guidance(), "reference": "warm.png"}, "must be a recipe"),
    ],
)
def test_unusable_settings_raise_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], more: Any, message: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(GuidanceError, match=message):
        colorzoo.colorize("a.png", "colorzoo2026", settings=ColorSettings(**settings), **more)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 100.0}, "temperature must be"),
        ({"temperature": np.float32(100)}, "temperature must be"),
        ({"size": 8}, "size must be"),
        ({"strength": 2.0}, "strength must be"),
        ({"frames": "last"}, "frames must be one of 'all', 'first', got 'last'"),
    ],
)
def test_arguments_have_the_limits_of_the_command_line(
    folder: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ColorzooError, match=message):
        colorzoo.colorize_file(folder / "a.png", folder / "result.png", "colorzoo2026", **settings)


def test_unread_references_of_a_recipe_are_named_once(folder: Path, tmp_path: Path) -> None:
    recipe = {"exemplar": {"path": "warm.png"}}  # without a file, the folder of this path is unknown
    calls = (
        partial(colorzoo.colorize, folder / "a.png"),
        partial(colorzoo.colorize_file, folder / "a.png", tmp_path / "a.png"),
    )
    for call in calls:
        with pytest.warns(UserWarning, match="the references of the recipe were ignored") as found:
            call("colorzoo2026", recipe)
        notes = [str(each.message) for each in found]
        assert sum("references of the recipe were ignored" in note for note in notes) == 1


FORK = """
import multiprocessing, sys
import numpy as np, torch
torch.set_num_threads(2)
import colorzoo
GRAY = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (120, 1))

def mean(_):
    return float(np.asarray(colorzoo.colorize(GRAY, "zhang2016_small", device="cpu")).mean())

expected = mean(0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map_async(mean, range(2)).get(timeout=100)
assert max(abs(value - expected) for value in found) < 0.01, (found, expected)
print("equal")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires fork")
def test_colorize_works_in_processes_forked_after_the_first_call() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.split() == ["equal"], done.stderr


@pytest.mark.parametrize("model", [Recipe(), {"points": []}, tiny_model()], ids=["recipe", "json", "module"])
def test_a_model_that_is_no_name_raises_one_line(model: object) -> None:
    with pytest.raises(ColorzooError, match=r"the model must be a registered name, got \w+\. Pass hints"):
        colorzoo.colorize(np.zeros((8, 8), np.uint8), model)  # type: ignore[arg-type]
