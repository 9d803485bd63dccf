"""Provenance records of results."""

import json
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

import colorzoo
from colorzoo.batch import provenance as provenance_module
from colorzoo.batch.provenance import backbone_hashes, model_provenance, result_provenance
from colorzoo.batch.recipes import with_references, with_settings
from colorzoo.batch.runner import FileColorizer
from colorzoo.batch.settings import ColorSettings
from colorzoo.card import ModelCard
from colorzoo.errors import GuidanceError
from colorzoo.factory import create_coloring_model
from colorzoo.files import digest_of, sha256_of
from colorzoo.guidance import Recipe
from colorzoo.guidance.areas import Mask
from colorzoo.image_io.provenance import ImageProvenance
from colorzoo.inference import region_memory
from colorzoo.inference.colorizer import Colorizer
from colorzoo.registry import list_models, model_card
from colorzoo.weights import load as load_module
from colorzoo.weights.catalog import ResolvedWeights
from colorzoo.weights.load import UNTRAINED, save_weights
from tiny_model import HPARAMS, NAME, tiny_model, write_tiny_weights

MASK = Mask.of(np.eye(8, 10, dtype=bool)).to_dict()
KEPT = {"png": "iVBORw0KGgo=", "low": [1, 2, 3], "step": [0.5, 0.25, 0.75]}
LINE = [[10, 12], [40, 15], [33, 38]]
DOCUMENT: dict[str, Any] = {
    "version": 2,
    "image": {"width": 90, "height": 80, "sha256": "ab" * 32},
    "model": NAME,
    "strength": 0.7,
    "border": [4, 5, 60, 50],
    "proposal": "cd" * 32,
    "label": 3,
    "points": [
        {"x": 1, "y": 2, "radius": 4, "color": "#c04020", "reach": 0.5, "strength": 0.25, "stroke": 3},
        {"x": 5, "y": 6, "color": "#c04020", "divisions": 1},
        {"x": 9, "y": 8, "color": "#20c040", "ab": [20.5, -4], "reach": "everywhere"},
    ],
    "scribbles": [{"path": LINE, "width": 3}],
    "healing": [{"path": LINE, "width": 7}],
    "regions": [{"index": 2, "color": "#ffd0b0"}],
    "boxes": [{"x": 10, "y": 20, "width": 30, "height": 40}],
    "areas": [
        {"action": "color", "path": LINE, "color": "#d0c020", "lightness": "color", "opacity": 0.5},
        {"action": "lock", "mask": MASK, "kept": KEPT, "feather": 2, "hidden": True, "made": {"by": "click"}},
    ],
    "paint": [
        {
            "path": LINE,
            "color": "#c04020",
            "size": 6,
            "hardness": 0.25,
            "opacity": 0.5,
            "blend": "hue",
            "closed": True,
        },
        {"path": LINE, "color": "#c04020", "reach": 2, "hidden": True, "layer": 4},
    ],
    "replacements": [
        {"old": "#c04020", "new": "#2050c0", "range": 30, "fade": 10, "opacity": 0.5, "hidden": True}
    ],
    "finish": {"temperature": 1, "tint": 2, "vibrance": 3, "shadows": 4, "highlights": 5},
    "crop": {"x": 10, "y": 12, "width": 40, "height": 30, "angle": 2},
    "drawing": {
        "gap": 6,
        "specks": 0.05,
        "palette": ["#c04020"],
        "variant": 2,
        "shading": True,
        "flats": True,
        "base_points": [{"x": 8, "y": 9, "color": "#204060"}],
    },
    "exemplar": {"weight": 2, "alpha": 0.5, "more": [{"weight": 3}]},
    "classes": {"map": {"1": 2}, "painted": [{"class": 3, "path": LINE}]},
    "statistics": {"saturation": 0.5, "histogram": [1, *[0] * 312]},
    "divisions": [{"path": LINE, "closed": True}, {"path": LINE, "join": True}],
    "text": "red car",
    "x_own": {"note": "mine"},
}
OTHERS: dict[str, Any] = {
    "mask": Mask.of(np.eye(8, 10, 1, dtype=bool)).to_dict(),
    "histogram": [0, 1, *[0] * 311],
    "action": "only",
    "lightness": "photo",
    "blend": "saturation",
    "reach": "automatic",
    "model": "colorzoo2026",
    "png": "iVBORw0KGg8=",
}


@dataclass(frozen=True)
class HintMap:
    """Setting of a custom model."""

    values: np.ndarray


def changed(key: Any, value: Any) -> Any:
    """Return another valid value of a recipe field."""
    if key in OTHERS and not isinstance(value, float):
        return OTHERS[key]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1 if isinstance(value, int) else value / 2
    return value.replace("0", "1", 1) if value.startswith("#") else f"{value}x"


def changes(item: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name of each field of a document, and a copy in which only this field is changed."""
    for key, value in item.items() if isinstance(item, dict) else enumerate(item):
        nested = isinstance(value, dict | list) and key not in ("mask", "histogram")
        for name, other in changes(value) if nested else [("", changed(key, value))]:
            copy = deepcopy(item)
            copy[key] = other
            yield f"{key}.{name}".strip("."), copy


def settings_hash(recipe: Any = None, **more: Any) -> str:
    guidance = Recipe.from_json(recipe or {})
    return FileColorizer(model=NAME, weights=None, guidance=guidance, **more).provenance().settings


def defaults_of(items: Any) -> set[str]:
    """Return the fields that have their default values in all dataclasses of a list."""
    return {
        f"{type(items[0]).__name__}.{each.name}"
        for each in fields(items[0])
        if each.name != "extra"
        and each.default is not MISSING
        and all(getattr(item, each.name) == each.default for item in items)
    }


def test_each_recipe_field_changes_the_settings_hash() -> None:
    before, recipe = settings_hash(DOCUMENT), Recipe.from_json(DOCUMENT)
    untested = defaults_of([recipe])
    for value in (getattr(recipe, each.name) for each in fields(recipe)):
        items = value if isinstance(value, tuple) else (value,)
        untested |= defaults_of(items) if is_dataclass(items[0]) else set()
    # files are hashed by their content
    files = {"ClassHints.file", "ClassHints.reference_file", "ExemplarHint.path", "ExemplarHint.sha256"}
    assert untested == files
    same, invalid = set(), set()
    for name, document in changes({key: value for key, value in DOCUMENT.items() if key != "version"}):
        try:
            same |= {name} if settings_hash(document) == before else set()
        except GuidanceError:
            invalid.add(name)
    # the source is hashed separately, and the choice of the task overrides the model of the recipe
    assert same == {"image.width", "image.height", "image.sha256", "model"}
    assert invalid == {"areas.0.action"}  # another action requires an area without color


def test_each_setting_changes_the_settings_hash_except_device_and_engine() -> None:
    others: dict[str, Any] = {
        "strength": 0.5,
        "temperature": 0.4,
        "size": 64,
        "device": "cuda",
        "precision": "float32",
        "render_factor": 9,
        "reference_weights": [2.0],
        "alpha": 0.3,
        "reassigned": ["1=2"],
        "engine": "onnxruntime",
        "allow_untrained": True,
        "quality": 80,
        "frames": "first",
    }
    assert others.keys() == {each.name for each in fields(ColorSettings)}
    hashes = {name: settings_hash(settings=ColorSettings(**{name: each})) for name, each in others.items()}
    same = {name for name, found in hashes.items() if found == settings_hash()}
    assert same == {"device", "engine", "allow_untrained"}  # equal pixels, see tests/engines/test_onnx.py
    full, reduced = (
        result_provenance(NAME, Recipe(), ColorSettings(), weights=None, max_side=side).settings
        for side in (None, 20)
    )
    assert full == settings_hash()
    assert reduced != full


def test_record_of_random_weights_is_not_trained(here: Path) -> None:
    trained, converted = Path("trained.safetensors"), Path("converted.safetensors")
    write_tiny_weights(trained)
    metadata = {"model": NAME, "hparams": json.dumps(HPARAMS), UNTRAINED: "network.unet"}
    save_weights(converted, tiny_model().state_dict(), metadata)
    choices = [(NAME, weights) for weights in (trained, converted, None)]
    choices.append(("welsh2002", "default"))  # an algorithm without weights
    found = [FileColorizer(model=name, weights=weights).provenance().trained for name, weights in choices]
    assert found == [True, False, False, False]


def test_settings_hash_depends_on_the_weights_of_backbones(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_weights(card: ModelCard, _: object) -> tuple[ResolvedWeights, str]:
        return ResolvedWeights(Path(f"{card.name}.safetensors")), ""

    def settings_of_model(backbone_size: int) -> str:
        sizes = {"kim2021_su2020_small": 1, "su2020_small": 2}
        sizes["zhang2017_local_small"] = backbone_size  # the backbone of su2020_small
        for name, size in sizes.items():
            save_weights(Path(f"{name}.safetensors"), {"layer": torch.ones(size)}, {})
        return model_provenance("kim2021_su2020_small", [], options={}).settings

    monkeypatch.setattr(provenance_module, "find_weights", find_weights)
    assert settings_of_model(3) == settings_of_model(3)
    assert settings_of_model(3) != settings_of_model(4)


def test_settings_hash_depends_on_the_content_of_files_in_model_settings(here: Path) -> None:
    colorizer = Colorizer(NAME, weights=None, device="cpu", allow_untrained=True)
    colorizer.settings = {"matcher_weights": "matcher.pth"}
    hashes = []
    for content in (b"first", b"other weights"):
        Path("matcher.pth").write_bytes(content)
        record = result_provenance(NAME, Recipe(), ColorSettings(), weights=None, loaded=colorizer)
        hashes.append(record.settings)
    assert hashes[0] != hashes[1]


def test_settings_hash_of_drawings_depends_on_the_network_that_matches_regions(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several references, and pages with the same characters, use the encoder of colorzoo2026."""

    Image.new("RGB", (16, 24), "#c04020").save("sheet.png")

    def hashes(name: str) -> list[str]:
        options: tuple[Any, ...] = ({}, {"reference": ["sheet.png", "sheet.png"]}, {"same_characters": True})
        return [FileColorizer(model=name, **each).provenance().settings for each in options]

    drawing, photo = hashes("colorzoo2026_drawing"), hashes("zhang2017_local_small")
    find_weights = region_memory.find_weights

    def find_changed_weights(card: ModelCard, tag: str) -> tuple[ResolvedWeights | None, str]:
        found, reason = find_weights(card, tag)
        is_changed = card.name == "colorzoo2026" and found is not None
        return replace(found, sha256="0" * 64) if is_changed else found, reason

    monkeypatch.setattr(region_memory, "find_weights", find_changed_weights)
    changed = [new != old for new, old in zip(hashes("colorzoo2026_drawing"), drawing, strict=True)]
    assert changed == [False, True, True]
    assert hashes("zhang2017_local_small") == photo


@pytest.mark.parametrize("name", list_models(with_weights=True))
def test_backbone_hashes_cover_all_files_that_a_model_loads(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []

    def recorded_open(path: Path, *args: Any, **options: Any) -> Any:
        loaded.append(path)
        return safe_open(path, *args, **options)

    monkeypatch.setattr(load_module, "safe_open", recorded_open)
    create_coloring_model(name)
    # frozen encoders, with which the other weights were trained, so that both files change together
    encoders = ("colorzoo2026_encoder.safetensors", "efficientnet_lite2.safetensors")
    hashes = {sha256_of(path) for path in loaded if path.name not in encoders}
    own = model_provenance(name, [], options={}).weights
    assert hashes == {own, *backbone_hashes(model_card(name))}


def test_record_of_a_module_with_random_weights_is_not_trained() -> None:
    module = tiny_model()
    records = []
    for module.trained in (True, False):
        colorizer = Colorizer(module, device="cpu", allow_untrained=True)
        records.append(FileColorizer(colorizer=colorizer).provenance().trained)
    assert records == [True, False]


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, HintMap, lambda values: {"map": [values]}])
def test_each_element_of_an_array_changes_the_identity_of_a_result(convert: Callable[[Any], Any]) -> None:
    first = np.arange(2000, dtype=np.float32)
    second = first.copy()
    second[1000] += 1e-3  # the repr of an array contains neither the middle nor all digits
    hashes = [
        model_provenance(NAME, [{"own": convert(each)}], options={}, weights=None).settings
        for each in (first, second)
    ]
    assert hashes[0] != hashes[1]
    model = tiny_model()
    assert model.digest(convert(first)) != model.digest(convert(second))


def test_settings_hash_depends_on_the_content_and_role_of_files_but_not_on_their_names(here: Path) -> None:
    for name in ("warm", "cold", "labels", "more"):
        Path(f"{name}.png").write_text(name)
    Path("sub").mkdir()
    shutil.copy("warm.png", "sub/same.png")

    def of_references(*names: str) -> str:
        first, *more = ({"path": name} for name in names)
        return settings_hash({"exemplar": {**first, "more": more}}, folder=here)

    def of_paths(*paths: str) -> str:
        recipe = with_references(Recipe(), paths)
        return FileColorizer(model=NAME, weights=None, guidance=recipe, folder=Path()).provenance().settings

    def of_labels(**names: str) -> str:
        return settings_hash({"classes": names})

    pair = of_references("warm.png", "cold.png")
    assert pair == of_references("sub/same.png", "cold.png")
    assert pair not in (of_references("cold.png", "warm.png"), of_references("warm.png"))
    assert of_labels(file="labels.png") != of_labels(reference_file="labels.png")
    both = of_labels(file="labels.png", reference_file="more.png")
    assert both != of_labels(file="more.png", reference_file="labels.png")
    given = of_paths("warm.png", "cold.png")
    assert given == of_paths("sub/same.png", "cold.png")
    Path("cold.png").write_text("changed")
    Path("more.png").write_text("changed")
    assert pair != of_references("warm.png", "cold.png")
    assert both != of_labels(file="labels.png", reference_file="more.png")
    assert given != of_paths("warm.png", "cold.png")


def test_provenance_records_model_settings_recipe_and_files(here: Path) -> None:
    for name in ("warm", "cold", "a"):
        Path(f"{name}.png").write_text(name)
    recipe = Recipe.from_json({"classes": {"file": "a.png"}, "crop": DOCUMENT["crop"], "version": 2})
    shown = {"temperature": 0.4, "size": 64, "precision": "auto", "render_factor": 9}
    shown |= {"engine": "onnxruntime", "quality": 80, "frames": "first"}
    settings = ColorSettings(0.5, device="cuda", reference_weights=[2.0, 1.0], alpha=0.3, reassigned=["1=2"])
    references = ("warm.png", "cold.png")
    guidance = with_settings(recipe, settings, references=references)
    files = FileColorizer(
        model=NAME,
        weights=None,
        guidance=with_references(guidance, references, settings.reference_weights),
        folder=here,
        settings=replace(settings, **shown),
    )
    record = files.provenance()
    used = (("reference", "warm.png"), ("reference", "cold.png"), ("classes", "a.png"))
    recorded = {
        "version": 2,
        "strength": 0.5,
        "model": NAME,
        "crop": DOCUMENT["crop"],
        "classes": {"file": "a.png", "map": {"1": 2}},
        "exemplar": {
            "path": "warm.png",
            "sha256": digest_of(Path("warm.png")),
            "weight": 2.0,
            "alpha": 0.3,
            "more": [{"path": "cold.png", "sha256": digest_of(Path("cold.png")), "weight": 1.0}],
        },
    }
    assert json.loads(record.recipe) == recorded
    assert json.loads(record.options) == shown
    assert replace(record, recipe="", options="", settings="") == ImageProvenance(
        *("", "", NAME, "", colorzoo.__version__),
        trained=False,  # the weights are random
        engine="onnxruntime",
        files=json.dumps([{"use": use, "name": name, "sha256": digest_of(Path(name))} for use, name in used]),
        crop="10,12,40,30,2",
    )


def test_digest_of_changes_with_the_content_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = digest_of(path)
    assert before == digest_of(b"one")
    path.write_bytes(b"three")
    assert digest_of(path) == digest_of(b"three") != before
