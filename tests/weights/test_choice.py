"""Selection of the default model by rank, available weights and guidance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo import Colorizer, colorize
from colorzoo.abilities import StyleModel
from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.models import ModelPool
from colorzoo.card import ModelCard, Use
from colorzoo.weights import choice, save_weights, weight_file
from colorzoo.weights.choice import USES, all_defaults, choose_model, rank_models

FULL, SMALL = "zhang2017_local", "colorzoo2026"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "old.png"
    y, x = np.mgrid[0:40, 0:48]
    Image.fromarray((127 + 60 * np.sin(x / 9) + 60 * np.cos(y / 7)).astype("uint8")).save(path)
    return path


def choose(uses: Use | tuple[Use, ...], **options: Any) -> str:
    return choose_model(None, uses, **options).name


def _put(card: ModelCard, content: bytes) -> Path:
    path = weight_file(card, "published").path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _run(capsys, *words: str | Path) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_model_ranks_are_unique_and_every_use_has_embedded_weights() -> None:
    for use in USES:
        order = rank_models(use)
        ranks = [ranked.quality.rank for ranked in order]
        assert len(set(ranks)) == len(ranks), "a card created with `replace` inherits the ranks"
        assert not order or any(ranked.embedded for ranked in order), "an offline machine requires them"
    assert choose("label") == choose("automatic"), "only plug-ins accept labels"


def test_all_defaults_are_embedded_models_without_cached_weights() -> None:
    assert {use: choice.model for use, choice in all_defaults().items()} == choice.SHIPPED


def test_cached_weights_change_the_default_model_except_for_fast(
    narrow_zoo, authors_file: Path, image: Path, capsys
) -> None:
    card = narrow_zoo()
    _, out, _ = _run(capsys, "models")
    assert f"automatic   {SMALL}" in out
    assert f"ranked higher: {FULL} (not downloaded)" in out
    _put(card, authors_file.read_bytes())
    assert (choose("automatic"), choose("points")) == (FULL, FULL)
    assert choose("points", fast=True) == SMALL
    _, out, _ = _run(capsys, "models")
    (line,) = (line for line in out.splitlines() if line.startswith("automatic  "))
    assert FULL in line
    assert "rank 50, weights downloaded" in line
    _, out, _ = _run(capsys, "models", FULL, "--json")
    assert json.loads(out)[0]["default_for"].keys() == {"automatic", "points"}
    result = image.with_name("old.color.png")
    for words, line in (((), f"{result} ({FULL})\n"), (("--model", SMALL), f"{result}\n")):
        assert _run(capsys, "colorize", image, "--overwrite", "--device", "cpu", *words)[1] == line


def test_colorize_uses_the_default_model_and_recipes_keep_their_model(
    narrow_zoo, authors_file: Path, image: Path, capsys
) -> None:
    card = narrow_zoo()
    small = np.asarray(colorize(image))
    _put(card, authors_file.read_bytes())
    assert Colorizer().name == FULL
    assert Colorizer(fast=True).name == SMALL
    assert not np.array_equal(np.asarray(colorize(image)), small)
    assert np.array_equal(np.asarray(colorize(image, fast=True)), small)
    assert np.array_equal(np.asarray(colorize(image, guidance={"model": SMALL})), small)
    recipe = image.with_name("recipe.json")
    recipe.write_text(json.dumps({"model": SMALL}))
    _, out, _ = _run(capsys, "colorize", image, "--recipe", recipe, "--json", "--device", "cpu")
    assert json.loads(out)[0]["model"] == SMALL


def test_a_folder_named_default_does_not_select_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_weights(tmp_path / "default" / "model.safetensors", {"layer": torch.ones(1)}, {"model": FULL})
    monkeypatch.chdir(tmp_path)
    assert choose("automatic") == choice.SHIPPED["automatic"]


def test_choose_model_prefers_models_that_use_more_guidance(narrow_zoo, authors_file: Path) -> None:
    _put(narrow_zoo(), authors_file.read_bytes())
    assert choose("points") == FULL
    assert choose(("points", "boxes")) == "su2020_small"
    assert choose(("points", "scribbles")) == "kim2021_small"
    assert choose(("exemplar", "points")) == SMALL
    assert choose("exemplar", able=StyleModel) == "xu2020_small"


@pytest.mark.parametrize("present", [True, False], ids=["cached", "not_cached"])
def test_commands_and_studio_choose_the_same_default_model(
    narrow_zoo, authors_file: Path, image: Path, tmp_path: Path, capsys, present: bool
) -> None:
    card = narrow_zoo()
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "0.png").write_bytes(image.read_bytes())
    if present:
        _put(card, authors_file.read_bytes())
    expected = FULL if present else SMALL
    assert ModelPool(Colorizer).default == expected
    _, out, _ = _run(capsys, "video", frames, tmp_path / "colored", "--dry-run", "--json")
    assert json.loads(out)["model"] == expected
    words = ("--point", "5,5=#c04020", "--json", "--device", "cpu")
    _, out, _ = _run(capsys, "colorize", image, *words)
    assert json.loads(out)[0]["model"] == expected
