"""Provenance of requests, and the models that a run keeps."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import colorzoo
from colorzoo.batch.request import LoadedModels, Request
from colorzoo.batch.settings import ColorSettings
from colorzoo.guidance import Recipe
from colorzoo.image_io.provenance import ImageProvenance
from colorzoo.weights.choice import ModelChoice
from colorzoo.weights.files import digest_of
from tiny_model import NAME


def test_results_of_earlier_versions_are_recognized(here: Path) -> None:
    """By a digest of all that decides their colors; the device and the name of the image are none of it."""
    choice: Any = SimpleNamespace(name=NAME, sha256="ab" * 32)
    plain = Recipe.from_json({"version": 1, "image": {"sha256": "00"}})
    digest = "430e8bfc37de3ca9358bfdca98e3c33d36c604bb669870c62779d9d3000012bd"
    assert Request(choice, plain).origin.settings == digest
    document = {
        "points": [{"x": 1, "y": 2, "color": "#c04020"}],
        "classes": {"file": "a.png"},
        "strength": 0.7,
    }
    recipe = Recipe.from_json({**document, "version": 1, "crop": {"x": 1, "y": 2, "width": 30, "height": 40}})
    for name in ("warm", "cold", "a"):
        Path(f"{name}.png").write_text(name)
    shown = {"size": 64, "temperature": 0.4, "render_factor": 9, "quality": 80, "frames": "first"}
    shown |= {"engine": "onnxruntime"}
    settings = ColorSettings(0.5, device="cuda", reference_weights=[2.0, 1.0], alpha=0.3, reassigned=["1=2"])
    request = Request(choice, recipe, None, ("warm.png", "cold.png"), replace(settings, **shown))
    used = (("reference", "warm.png"), ("reference", "cold.png"), ("classes", "a.png"))
    assert request.origin == ImageProvenance(
        "",
        "7088a7635c93cc1aaadb3340b28e0fa966362dfdb546cb0e36cecbaed9a7d92b",
        *(NAME, "ab" * 32, colorzoo.__version__, request.effective_recipe().to_json()),
        engine="onnxruntime",
        options=json.dumps(shown),
        files=json.dumps([{"use": use, "name": name, "sha256": digest_of(Path(name))} for use, name in used]),
        crop="1,2,30,40",
    )


def test_the_models_of_the_last_two_requests_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Stub:
        def __init__(self, choice: ModelChoice, **settings: object) -> None:
            self.name = choice.name
            made.append(self.name)

        def prepare(self) -> None:
            """Replace `Colorizer.prepare`."""

    monkeypatch.setattr("colorzoo.batch.request.Colorizer", Stub)
    models = LoadedModels(embed_origin=False)
    names = {"a": "zhang2017_local_small", "b": "zhang2016_small", "c": "kim2021_small"}
    for letter in "abacbca":
        models.prepare(Request(ModelChoice(names[letter], "default"), Recipe()))
    assert made == [names[letter] for letter in "abca"]


def test_the_digest_of_a_file_follows_its_changes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = digest_of(path)
    assert before == digest_of(b"one")
    path.write_bytes(b"three")
    assert digest_of(path) == digest_of(b"three") != before
