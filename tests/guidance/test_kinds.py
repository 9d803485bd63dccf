"""Kinds of guidance that a package adds, through every route, with a small model."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from apps.studio.pads import DirectPad, photo_file
from colorzoo import Colorizer, api, colorize, registry
from colorzoo.abilities import RegionModel
from colorzoo.apps.cli import colorize as colorize_command
from colorzoo.apps.cli import video
from colorzoo.apps.cli.doctor import diagnose
from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.studio import Studio
from colorzoo.card import ModelCard
from colorzoo.data.dataset import Batch, Sample
from colorzoo.data.sources import find_sources
from colorzoo.engines.samples import sample_guidance
from colorzoo.errors import GuidanceError
from colorzoo.evaluation import evaluate
from colorzoo.evaluation.protocol import parse_protocol
from colorzoo.guidance import (
    Guidance,
    GuidanceKind,
    Recipe,
    Regions,
    decode_text,
    kinds,
    register_kind,
    words,
)
from colorzoo.guidance.kinds import guidance_kind, guidance_kinds
from colorzoo.guidance.objects import Rectangle
from colorzoo.guidance.recipe import _PAD_FIELDS, recipe_schema
from colorzoo.image_io.provenance import read_provenance
from colorzoo.inference.border import crop_recipe
from colorzoo.inference.choice import choose_model
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.simulation import SessionResult, TargetImage, list_users, make_user
from colorzoo.simulation.session import InputFunction
from colorzoo.testing import contract_checks
from colorzoo.testing.samples import contract_test_batch
from colorzoo.zoo.gray.model import GrayModel

VALUES: dict[str, tuple[Any, Any]] = {
    "text": ("red car", "blue sky"),
    "warmth": (0.25, 0.75),
    "seed": (3, 4),
}


RECIPES: dict[str, Any] = {
    "points": [{"x": 20, "y": 10, "color": "#c04020"}],
    "scribbles": [{"path": [[1, 2], [30, 20]]}],
    "regions": [{"index": 0, "color": "#c04020"}],
    "boxes": [{"x": 2, "y": 2, "width": 20, "height": 20}],
    "exemplar": {"path": "warm.png"},
    "classes": {"file": "classes.png", "reference_file": "classes.png"},
    "statistics": {"saturation": 0.4},
    "label": 1,
    **{kind: values[0] for kind, values in VALUES.items()},
}
OPTIONS = {
    "points": ["--point", "20,10=#c04020"],
    "boxes": ["--box", "2,2,20,20"],
    "exemplar": ["--reference", "warm.png"],
    "classes": ["--classes", "classes.png", "--reference-classes", "classes.png"],
    "statistics": ["--saturation", "0.4"],
    "label": ["--label", "1"],
    **{kind: [f"--{kind}", str(values[0])] for kind, values in VALUES.items()},
}
"""Options of the command line; scribbles and regions are set by recipes and the drawing pad."""


class Warmth(GuidanceKind):
    """Share of warm colors, and an example of a kind with a number."""

    name = "warmth"
    help = "share of warm colors, 0 to 1"
    widget = "number"
    schema: ClassVar[dict[str, Any]] = {"type": "number", "minimum": 0, "maximum": 1}
    users: ClassVar[dict[str, Any]] = {"true_warmth": lambda **options: TrueWarmth(**options)}

    def parse(self, value: Any, name: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = -1
        if not 0 <= number <= 1:
            raise GuidanceError(f"{name} must be a number from 0 to 1, got {value!r}")
        return number

    def tensors(self, value: float, lightness: Tensor, image_size: tuple[int, int]) -> Tensor:
        return torch.tensor([[value]])

    def sample(self, size: tuple[int, int], batch: int, seed: int) -> Tensor:
        return torch.linspace(0.2, 0.9, batch)[:, None] + seed / 100


class TrueWarmth:
    """Simulated user that sets the share of warm colors."""

    kind = "warmth"
    adaptive = False

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def begin(self, target: TargetImage, first: SessionResult, model: object) -> InputFunction:
        share = self.factor * float((target.ab[:, 1] > 0).float().mean())
        return lambda _count, _result: (Guidance(extra={"warmth": torch.tensor([[share]])}), 1)


class Toned(ColoringModel):
    """Predicts one color from a hint of any kind in `Guidance.extra`."""

    def __init__(self, kind: str) -> None:
        super().__init__(torch.nn.Identity())
        self.accepts, self.trained = frozenset({kind}), True

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        hint = None
        for kind in self.accepts:
            hint = None if guidance is None else guidance.get(kind)
        ab = torch.zeros_like(lightness).expand(-1, 2, -1, -1)
        if hint is not None:
            ab = ab + (hint.float().view(len(hint), -1).sum(1) * 37 % 40 + 10)[:, None, None, None]
        return AbPrediction(ab=ab)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    kinds.refresh()
    register_kind(Warmth())
    yield
    kinds.refresh()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a gray image with a scene, which is not a blank page."""
    path = tmp_path / "photo.png"
    path.write_bytes(photo_file())
    return path


def colorizer_of(kind: str) -> Colorizer:
    return Colorizer(Toned(kind), device="cpu", precision="float32", size=32)


@pytest.mark.parametrize("kind", VALUES)
def test_model_receives_the_value_from_recipe_json_and_tensors(kind: str, photo: Path) -> None:
    colorizer, (first, second) = colorizer_of(kind), VALUES[kind]
    recipe = Recipe.from_json({kind: first})
    assert (recipe.kinds(), recipe.unknown()) == ((kind,), ())
    assert recipe.to_dict()[kind] == first
    assert Recipe.from_json(recipe.to_json()) == recipe
    expected = np.asarray(colorizer(photo, recipe))
    assert np.array_equal(colorizer(photo, {kind: first}), expected)
    size = colorizer(photo).size
    assert np.array_equal(colorizer(photo, recipe.to_guidance(*size)), expected)
    assert not np.array_equal(colorizer(photo, {kind: second}), expected)
    assert not np.array_equal(colorizer(photo), expected)


class Records(Toned):
    """Records the guidance of each forward pass."""

    received: ClassVar[list[Guidance]] = []
    label_count = 2

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        self.received.append(guidance or Guidance())
        return AbPrediction(ab=torch.zeros_like(lightness).expand(-1, 2, -1, -1))


class RegionRecords(RegionModel, Records):
    """Proposes one region."""

    def propose(self, lightness: Tensor) -> Regions:
        return Regions(torch.zeros_like(lightness).long(), torch.zeros(1, 1, 3), torch.zeros(1, 1))


@pytest.mark.parametrize("kind", [each.name for each in guidance_kinds()])
def test_colorizer_passes_tensors_of_every_kind_to_a_model_that_accepts_it(kind: str, photo: Path) -> None:
    Records.received.clear()
    guidance = sample_guidance([kind], (80, 96))
    colorizer = Colorizer(Records(kind), device="cpu", precision="float32", size=32)
    colorizer.colorize(photo, guidance)
    assert [each.kinds() for each in Records.received] == [(kind,)]
    notes = Colorizer(GrayModel(), device="cpu").colorize(photo, guidance).notes
    title = guidance_kind(kind).title or kind
    assert [note for note in notes if f"does not use {title}" in note]


@pytest.fixture
def files(photo: Path) -> Path:
    """Return the folder of the photo, with a color image and a label image."""
    width, height = Image.open(photo).size
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(photo.parent / "warm.png")
    Image.fromarray(rgb[..., 0] // 128).save(photo.parent / "classes.png")
    return photo.parent


@pytest.mark.parametrize("kind", RECIPES)
def test_colorizer_passes_every_kind_of_a_recipe_file(kind: str, photo: Path, files: Path) -> None:
    given = {kind: RECIPES[kind], **({"exemplar": RECIPES["exemplar"]} if kind == "classes" else {})}
    (files / "recipe.json").write_text(json.dumps(given))
    recipe = Recipe.from_json(files / "recipe.json")
    assert kind in recipe.kinds()
    assert Recipe.from_json(recipe.to_json()) == recipe
    jsonschema.validate(given, recipe_schema())
    Records.received.clear()
    model = RegionRecords(kind) if kind == "regions" else Records(kind)
    model.accepts = frozenset(given)
    Colorizer(model, device="cpu", precision="float32", size=32).colorize(photo, files / "recipe.json")
    assert any(kind in each.kinds() for each in Records.received)
    notes = Colorizer(GrayModel(), device="cpu").colorize(photo, files / "recipe.json").notes
    assert [note for note in notes if f"does not use {guidance_kind(kind).title or kind}" in note]


@pytest.mark.parametrize("kind", RECIPES)
def test_command_line_passes_every_kind_and_records_it(
    kind: str, files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(files)
    Path("recipe.json").write_text(json.dumps({kind: RECIPES[kind]}))
    for arguments in filter(None, (OPTIONS.get(kind), ["--recipe", "recipe.json"])):
        assert (
            main(["colorize", "photo.png", "-o", "out.png", "--model", "gray", "--overwrite", *arguments])
            == 0
        )
        assert "does not use" in capsys.readouterr().out
        record = read_provenance(Path("out.png"))
        assert record is not None
        assert kind in Recipe.from_json(record.recipe).kinds()
        if kind in VALUES:
            assert json.loads(record.recipe)[kind] == VALUES[kind][0]


@pytest.mark.parametrize("kind", VALUES)
def test_edit_of_the_value_runs_the_model_again(kind: str, photo: Path) -> None:
    pad = DirectPad(Studio(colorizer_of(kind)))
    pad.open(photo.read_bytes())
    found = [pad.call("color", recipe={kind: value}).buffers[0] for value in VALUES[kind] * 2]
    assert found[0] == found[2] != found[1] == found[3]
    listed = {each["name"]: each["widget"] for each in pad.hello["kinds"]}
    assert listed == {"text": "text", "seed": "number", "warmth": "number"}
    assert kind in pad.hello["models"][0]["guidance"]


def test_pad_receives_the_words_of_a_text_and_why_they_have_no_effect(photo: Path) -> None:
    pad = DirectPad(Studio(Colorizer("weng2022code_small", device="cpu", size=64)))
    pad.open(photo.read_bytes())
    words = dict(pad.call("color", recipe={"text": "red cars, not boojum"}).body["words"])
    assert list(words) == ["red", "cars", "not", "boojum"]
    assert (words["red"], words["cars"]) == ("", "")
    assert "negation" in words["not"]
    assert "unknown" in words["boojum"]
    assert "words" not in pad.call("color", recipe={}).body
    other = DirectPad(Studio(colorizer_of("text")))
    other.open(photo.read_bytes())
    assert "words" not in other.call("color", recipe={"text": "red car"}).body


@pytest.mark.parametrize("kind", ["text"])
def test_video_passes_the_text_to_each_frame(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    rows = np.linspace(215, 170, 48)[:, None] + np.zeros((48, 128))
    ground = np.random.default_rng(0).integers(70, 110, (48, 128))
    for number in range(2):
        Image.fromarray(np.concatenate([rows, ground]).astype(np.uint8)).save(frames / f"{number}.png")
    results = {}
    for text in ("red sky", "blue sky"):
        out = tmp_path / text
        assert (
            main(["video", str(frames), str(out), f"--{kind}", text, "--device", "cpu", "--size", "96"]) == 0
        )
        assert "weng2022code_small" in capsys.readouterr().out
        images = [np.asarray(Image.open(path)) for path in sorted(out.glob("*.png"))]
        assert len(images) == 2
        results[text] = np.stack(images)[:, 8:40].astype(int).mean(axis=(1, 2))
    assert (results["red sky"][:, 0] > results["blue sky"][:, 0] + 5).all()
    words = ["video", str(frames), str(tmp_path / "more"), "--text", "red sky", "--model", "zhang2016_small"]
    assert main(words) == 2
    assert "--text requires a model that accepts text, got zhang2016_small" in capsys.readouterr().err


def test_wrong_value_is_one_line_error(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["colorize", str(photo), "--warmth", "much"]) == 2
    assert "--warmth must be a number from 0 to 1, got 'much'" in capsys.readouterr().err
    for kind, wrong in (
        ("warmth", 2),
        ("text", ""),
        ("text", 5),
        ("text", "a" * 257),
        ("seed", -1),
        ("seed", 1.5),
    ):
        with pytest.raises(GuidanceError, match=rf"^recipe\.{kind} must be"):
            Recipe.from_json({kind: wrong})
        assert not jsonschema.Draft202012Validator(recipe_schema()).is_valid({kind: wrong})
    for kind, values in VALUES.items():
        jsonschema.validate({kind: values[0]}, recipe_schema())


def test_samples_have_consecutive_seeds_and_own_files(photo: Path, tmp_path: Path) -> None:
    seeds = {}
    words = ["colorize", str(photo), "--model", "gray", "--samples", "3"]
    assert main([*words, "--seed", "7"]) == 0
    assert main([*words, "--seed", "7"]) == 0  # existing results are kept
    assert main([*words, "-o", str(tmp_path / "out.png")]) == 0
    for path in sorted(tmp_path.glob("*[o-r]*.png")):
        if path != photo:
            record = read_provenance(path)
            assert record is not None
            seeds[path.name] = json.loads(record.recipe)["seed"]
    names = [
        ("photo.color", 7),
        ("photo.color-2", 8),
        ("photo.color-3", 9),
        ("out", 0),
        ("out-2", 1),
        ("out-3", 2),
    ]
    assert seeds == {f"{name}.png": seed for name, seed in names}


def test_sheet_shows_the_samples_of_each_image_and_is_not_an_original(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["colorize", str(tmp_path), "--model", "gray", "--samples", "3"]
    assert main([*words, "--seed", "7", "--sheet"]) == 0
    sheet = tmp_path / "photo.color-sheet.jpg"
    assert capsys.readouterr().out.splitlines()[-1] == str(sheet)
    samples = [np.asarray(Image.open(path)) for path in sorted(tmp_path.glob("photo.color*.png"))]
    shown = np.asarray(Image.open(sheet).convert("L")).astype(int)
    height, width = samples[0].shape[:2]  # two columns and two rows
    for row, column in ((0, 0), (0, 1), (1, 0)):
        top, left = 8 + row * (height + 28), 8 + column * (width + 8)
        cell = shown[top : top + height, left : left + width]
        assert np.abs(cell - samples[0][..., 0]).mean() < 4
        label = shown[top + height : top + height + 20, left : left + width]
        assert label.min() < 100
    assert (shown[8 + height + 28 :, 8 + width + 8 :] > 250).all()
    assert main([*words, "--seed", "7", "--sheet"]) == 0  # a second run finds no other originals
    assert len(list(tmp_path.glob("*.jpg"))) == 1
    assert [Path(source.path).name for source in find_sources(tmp_path)] == ["photo.png"]
    assert main(["colorize", str(photo), "--sheet"]) == 2


def test_samples_in_python_are_a_list_with_consecutive_seeds(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "load_colorizer", lambda *_, **__: colorizer_of("seed"))
    one = colorize(photo, "gray", seed=8)
    assert isinstance(one, Image.Image)
    for guidance in ({"seed": 7}, None, Guidance(extra={"seed": torch.tensor([7])})):
        seed = 7 if guidance is None else None
        samples = colorize(photo, "gray", guidance, seed=seed, samples=3)
        assert len(samples) == 3
        assert np.array_equal(samples[1], one)
        assert not np.array_equal(samples[0], one)
    assert not np.array_equal(colorize(photo, "gray", {"seed": 7}), one)
    for wrong in ({"seed": -1}, {"samples": 0}, {"seed": True}, {"samples": True}, {"seed": 1.0}):
        with pytest.raises(GuidanceError):
            colorize(photo, "gray", **wrong)


def test_generators_depend_only_on_the_seed_of_the_image() -> None:
    model = Toned("seed")

    def drawn(seeds: list[int] | None) -> list[float]:
        guidance = None if seeds is None else Guidance(extra={"seed": torch.tensor(seeds)})
        count = 1 if seeds is None else len(seeds)
        return [float(torch.rand(1, generator=each)) for each in model.generators(guidance, count, seed=5)]

    assert drawn([5, 6, 5]) == [*drawn(None), *drawn([6]), *drawn([5])]
    assert drawn([5]) != drawn([6])


def test_kind_that_a_model_does_not_accept_adds_a_note(photo: Path) -> None:
    for kind, values in VALUES.items():
        notes = Colorizer(GrayModel(), device="cpu").colorize(photo, {kind: values[0]}).notes
        assert [note for note in notes if f"does not use {kind}" in note]


def test_unknown_kind_is_an_error(photo: Path) -> None:
    with pytest.raises(GuidanceError, match="unknown recipe field 'moisture'"):
        colorizer_of("text")(photo, {"moisture": 1})
    with pytest.raises(GuidanceError, match="unknown kind of guidance 'moisture'"):
        colorizer_of("moisture")(photo)
    with pytest.raises(GuidanceError, match="unknown kind of guidance 'moisture'"):
        colorizer_of("text")(photo, Guidance(extra={"moisture": torch.zeros(1)}))
    with pytest.raises(GuidanceError, match="already registered"):
        register_kind(Warmth())


def used_names() -> set[str]:
    """Return the names of options, recipe fields, batch entries and table columns."""
    names = {"image", "file_name", "help", "frame", *_PAD_FIELDS}  # frame: former name of border
    names |= {each.name for kind in (Recipe, Guidance) for each in fields(kind)}
    names |= (
        recipe_schema()["properties"].keys() | Batch.__annotations__.keys() | Sample.__annotations__.keys()
    )
    for command in (*colorize_command.COMMANDS.values(), *video.COMMANDS.values()):
        for field in fields(command.options):
            flags = {flag.lstrip("-").replace("-", "_") for flag in field.metadata["flags"]}
            names |= {field.name, *flags}
    return {name for name in names if re.fullmatch("[a-z][a-z0-9_]+", name)}


def test_names_in_use_are_reserved() -> None:
    own = {kind.name for kind in kinds.BUILT_IN} | {"warmth"}
    assert used_names() - own == kinds.RESERVED
    for name in (*kinds.RESERVED, "x_mine", "Warm", ""):
        kind = Warmth()
        kind.name = name  # type: ignore[misc]
        with pytest.raises(GuidanceError, match=re.escape(repr(name)) if name in kinds.RESERVED else "x_"):
            register_kind(kind)
    assert [kind.name for kind in guidance_kinds()][-1] == "warmth"


@pytest.mark.parametrize("name", ["temperature", "size", "help", "border"])
def test_package_with_a_reserved_name_is_skipped_with_a_message(
    name: str,
    photo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = f"from colorzoo.guidance import GuidanceKind\nclass Kind(GuidanceKind):\n    name = {name!r}\n"
    (tmp_path / "reserved2031.py").write_text(f"{code}    help = 'help'\n")
    info = tmp_path / "reserved2031-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: reserved-kinds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[colorzoo.guidance]\nkind = reserved2031:Kind\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "reserved2031", raising=False)
    kinds.refresh()
    assert main(["colorize", str(photo), "--model", "gray", "-o", str(tmp_path / "out.png")]) == 0
    assert f"{name!r} of reserved2031 must have another name" in capsys.readouterr().err
    (problem,) = kinds.skipped_kinds()
    assert "reserved-kinds" in problem
    assert [each for each in diagnose()[1] if problem in each]


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("file", ["side file", "metadata.csv", "metadata.jsonl"])
@pytest.mark.parametrize("coloring", ["colorizer", "network"])
def test_evaluation_reads_the_values_of_images(
    kind: str, file: str, coloring: str, photo: Path, tmp_path: Path
) -> None:
    data = tmp_path / "images"
    data.mkdir()
    rgb = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in ("a.png", "b.png"):
        Image.fromarray(rgb).save(data / name)
    text = f"""
        {{name: hints, version: 1, title: Hints, source: tests, coloring: {coloring}, metrics: [psnr],
        resize: {{mode: none}}}}"""

    def psnr(folder: str) -> tuple[float, tuple[str, ...]]:
        found = evaluate(
            {"toned": Toned(kind)},
            data,
            parse_protocol(text, "hints"),
            output=tmp_path / folder,
            resamples=10,
        )
        (row,) = json.loads((tmp_path / folder / "results.json").read_text())["results"]
        (score,) = row["scores"].values()
        return score["value"], found.notes

    without, notes = psnr("without")
    is_noted = any(f"without {kind}, because {kind}.csv is missing" in note for note in notes)
    assert is_noted != guidance_kind(kind).optional
    name, column = (f"{kind}.csv", "image") if file == "side file" else (file, "file_name")
    rows = [f"{column},{kind}", f"a.png,{VALUES[kind][0]}", "b.png,"]
    if file == "metadata.jsonl":
        rows = [json.dumps({column: "a.png", kind: VALUES[kind][0]}), json.dumps({column: "b.png"})]
    (data / name).write_text("\n".join(rows))
    with_hint, notes = psnr("with")
    assert with_hint != without
    assert not any("because" in note and kind in note for note in notes)
    is_noted = f"toned ran without {kind} for 1 of 2 images" in notes
    assert is_noted != guidance_kind(kind).optional


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_evaluation_uses_the_first_or_all_captions(order: tuple[int, int], tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    for name in ("a", "b"):
        Image.fromarray(rgb).save(tmp_path / f"{name}.png")
    first, second = (VALUES["text"][index] for index in order)
    (tmp_path / "a.txt").write_text(f"{first}\n{second}\n")
    (tmp_path / "b.txt").write_text(second)
    text = """{name: hints, version: 1, title: Hints, source: tests, coloring: network, metrics: [psnr],
        resize: {mode: none}}"""

    def psnr(captions: Literal["first", "all"]) -> tuple[list[tuple[str, float]], float]:
        found = evaluate(
            {"toned": Toned("text")},
            tmp_path,
            parse_protocol(text, "hints"),
            captions=captions,
            resamples=10,
            metrics=["psnr"],
        )
        key = next(key for key in found.table()[0] if key.startswith("psnr"))
        return [(row["image"], row[key]) for row in found.per_image()], found.table()[0][key]

    (a, b), mean = psnr("first")
    assert mean == pytest.approx((a[1] + b[1]) / 2)
    assert a[1] != b[1]
    found, mean = psnr("all")
    assert sorted(found) == sorted([a, ("a.png", b[1]), b])
    assert mean == pytest.approx((a[1] + 2 * b[1]) / 3)


@pytest.mark.parametrize("kind", ["warmth"])
def test_simulated_user_of_a_kind_is_named_in_a_protocol(kind: str, photo: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    (photo.parent / "images").mkdir()
    Image.fromarray(rgb).save(photo.parent / "images" / "a.png")
    text = """{name: users, version: 1, title: Users, source: tests, coloring: network, metrics: [psnr],
        resize: {mode: none}, interactions: [0, 1], user: {name: true_warmth, factor: 0.5}}"""
    models = {"toned": Toned(kind), "gray": None}
    rows = evaluate(models, photo.parent / "images", parse_protocol(text, "users"), resamples=10).per_image()
    key = next(key for key in rows[0] if key.startswith("psnr"))
    found = [(row["method"], row["interactions"]) for row in rows]
    assert found == [("toned", 0), ("toned", 1), ("gray", 0)]
    assert rows[0][key] != rows[1][key]
    assert "true_warmth" in list_users()
    with pytest.raises(GuidanceError, match="invalid options of the simulated user true_warmth"):
        make_user("true_warmth", size=3)


def test_values_follow_the_image_into_the_part_inside_a_border() -> None:
    class Place(Warmth):
        name = "place"

        def parse(self, value: Any, name: str) -> tuple[float, float]:
            return float(value[0]), float(value[1])

        def moved(self, value: Any, inside: Rectangle) -> Any:
            return inside.shifted(value)

    register_kind(Place())
    recipe = Recipe.from_json({"place": [10, 12], "text": "red car"})
    moved, _ = crop_recipe(recipe, (40, 40), Rectangle(4, 5, 20, 20))
    assert moved.more == {"place": (6, 7), "text": "red car"}


@pytest.mark.parametrize("kind", RECIPES)
def test_contract_samples_have_every_kind(kind: str) -> None:
    guidance = sample_guidance([kind], (24, 32), batch=3)
    assert guidance.kinds() == (kind,)
    guidance.check_matches(torch.zeros(3, 1, 24, 32), {kind})
    assert guidance.equals(sample_guidance([kind], (24, 32), batch=3))


def test_contract_batch_has_hints_without_an_attribute_of_guidance() -> None:
    card = ModelCard("a", "", "", 2031, "", "", 0, guidance=("warmth", "text", "points"))
    batch = contract_test_batch(card, 2)
    assert batch["warmth"].shape == (2, 1)  # type: ignore[typeddict-item]
    assert "points" not in batch


def test_text_is_encoded_as_padded_bytes() -> None:
    kind, lightness = guidance_kind("text"), torch.zeros(1, 1, 8, 8)
    texts = ["rote T\u00fcr, blauer Himmel", "red"]
    codes = torch.cat([kind.tensors(kind.parse(each, "text"), lightness, (8, 8)) for each in texts])
    assert codes.shape == (2, 256)
    assert decode_text(codes) == texts


VOCABULARY = ("blue", "red", "grün", "a2")


def encoded(*texts: str) -> Tensor:
    return torch.tensor([list(text.encode().ljust(256, b"\0")) for text in texts])


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", []),
        ("A RED car, blue-red sky", [2, 1, 2]),
        ("redcar covered infrared reds", []),
        ("grün\na2 a22 2", [3, 4]),
        ("a2 " * 85 + "a", [4] * 85),
        ("x" * 253 + "red", []),
        ("x" * 252 + " red", [2]),
    ],
)
def test_words_are_known_whole_words_in_the_order_of_the_text(text: str, numbers: list[int]) -> None:
    expected = torch.tensor([*numbers, *[0] * (128 - len(numbers))])
    assert torch.equal(words(encoded("blue", text), VOCABULARY)[1], expected)


def test_text_of_single_letters_has_128_words() -> None:
    assert words(encoded("a " * 128), ("a",)).tolist() == [[1] * 128]


@pytest.mark.parametrize("vocabulary", [(), ("Red",), ("dark red",), ("",)])
def test_vocabulary_must_contain_words_in_lower_case(vocabulary: tuple[str, ...]) -> None:
    with pytest.raises(GuidanceError, match="vocabulary must contain words in lower case"):
        words(encoded("red"), vocabulary)


class CountedWords(torch.nn.Module):
    def forward(self, codes: Tensor) -> Tensor:
        return words(codes, VOCABULARY)


def test_exported_graph_finds_words_of_other_texts() -> None:
    shapes = ({0: torch.export.Dim.AUTO},)
    graph = torch.export.export(CountedWords(), (encoded("red", "a"),), dynamic_shapes=shapes).module()
    codes = encoded("blue, a2", "", "Grün grün RED")
    assert torch.equal(graph(codes), words(codes, VOCABULARY))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the package of docs/guidance.md with a model card."""
    page = (Path(__file__).parents[2] / "docs" / "guidance.md").read_text("utf-8")
    for name, text in re.findall(r'```python title="(.*?)"\n(.*?)```', page, re.DOTALL):
        (tmp_path / name).write_text(text)
    (tmp_path / "card2031.py").write_text(CARD)
    (tmp_path / "task2031.py").write_text(TASK)
    info = tmp_path / "words2031-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: words2031\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[colorzoo.models]\nwords = card2031:CARDS\n"
        "[colorzoo.guidance]\nwords = words2031:Words\nbroken = words2031:Missing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.refresh()
    kinds.refresh()
    with pytest.warns(UserWarning, match="skipped the kind of guidance broken"):
        assert guidance_kinds()[-1].name == "words"
    yield
    monkeypatch.undo()
    registry.refresh()


CARD = """
from colorzoo.card import ContractTestConfig, ModelCard
CARDS = (ModelCard(
    name="words2031", title="Words", paper="", year=2031, summary="A color for words.", parameters=14,
    task="task2031:WordsTask", model="model2031:WordsModel", guidance=("words",),
    contract_test=ContractTestConfig(size=16), uses={"words": "Colors whole images.", "points": "None."},
),)
"""
TASK = """
from typing import Unpack
from colorzoo import rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.losses import smooth_l1_map
from colorzoo.training import Optimization, SingleOptimizerModule
from model2031 import WordsModel
class WordsTask(SingleOptimizerModule):
    def __init__(self, **optimization: Unpack[Optimization]) -> None:
        super().__init__(WordsModel(), **optimization)
    def training_step(self, batch, batch_idx):
        lab = rgb_to_lab(batch["rgb"])
        ab = self(lab[:, :1], Guidance(extra={"words": batch["words"]})).ab
        loss = smooth_l1_map(ab, lab[:, 1:]).mean()
        self.log_losses({"loss": loss}, len(lab))
        return loss
"""
SLOW = {"two_processes_equal_one", "onnx"}


@pytest.mark.usefixtures("package")
def test_package_of_the_documentation_passes_the_contract_checks() -> None:
    card = registry.model_card("words2031")
    for check in contract_checks():
        if str(check) not in SLOW:
            check(card)


@pytest.mark.usefixtures("package")
def test_strokes_of_the_documentation_are_drawn_at_the_size_of_the_network_input() -> None:
    kind = import_module("strokes2031").Strokes()
    value = kind.parse('[{"path": [[60, 30], [100, 30]], "color": "#ff0000"}]', "--strokes")
    value = kind.moved(value, Rectangle(20, 10, 80, 40))
    a, b, mask = kind.tensors(value, torch.zeros(1, 1, 20, 40), (80, 40))[0]
    assert mask[10, 21:39].all()
    assert not mask[10, :18].any()
    assert not mask[:8].any()
    assert (100 * a[10, 30]).item() == pytest.approx(80.1, abs=0.2)
    assert (100 * b[10, 30]).item() == pytest.approx(67.2, abs=0.2)
    with pytest.raises(GuidanceError, match="--strokes must be"):
        kind.parse('[{"path": 3}]', "--strokes")


@pytest.mark.usefixtures("package")
def test_model_of_a_package_is_the_default_for_its_kind() -> None:
    assert choose_model(Recipe.from_json({"words": "red"})) == "words2031"
    assert choose_model(Recipe.from_json({"text": "red car"})) == "weng2022code_small"
    assert registry.default_model("label") is None
    assert registry.card_entry(registry.model_card("words2031"))["default_for"] == ["words"]
    assert registry.card_entry(registry.model_card("gray"))["default_for"] == []


@pytest.mark.usefixtures("package")
def test_package_of_the_documentation_colorizes_on_the_command_line(photo: Path, tmp_path: Path) -> None:
    words = ["colorize", str(photo), "--model", "words2031", "--allow-untrained", "--words"]
    for value in ("red,blue", "green"):
        assert main([*words, value, "-o", str(tmp_path / f"{value}.png")]) == 0
    first, second = (np.asarray(Image.open(tmp_path / f"{value}.png")) for value in ("red,blue", "green"))
    assert not np.array_equal(first, second)
