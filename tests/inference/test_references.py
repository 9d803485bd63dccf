"""References: reference images, embeddings and weights that models accept or reject."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from colorzoo import colorize, colorize_file
from colorzoo.apps.cli.main import main
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Exemplar, Guidance, Recipe
from colorzoo.image_io.provenance import read_provenance
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference import colorizer
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.references import (
    ReadReference,
    as_reference,
    make_exemplar,
    recipe_reference_files,
)
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from inference.recipes import Alike
from tiny_model import tiny_model

RANDOM = np.random.default_rng(0)
IMAGES = [RasterImage(RANDOM.uniform(0, 1, (20, 30, 3)).astype(np.float32) ** power) for power in (1, 2, 3)]
GIVEN = [ReadReference(each, weight) for each, weight in zip(IMAGES, (1.0, 3.0, 0.0), strict=True)]


class Mixing(Alike):
    """Concatenates reference embeddings."""

    def mix_references(self, embeddings: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        return torch.cat(
            [embedding * weight for embedding, weight in zip(embeddings, weights, strict=True)], dim=1
        )


class Warping(ColoringModel):
    """Uses references without embeddings."""

    accepts = frozenset({"exemplar"})

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        del guidance
        return AbPrediction(ab=lightness.expand(-1, 2, -1, -1) - 50)


def test_make_exemplar_mixes_references_by_weight_or_with_mix_references() -> None:
    vectors = [Alike().encode_reference(as_reference(each, 16)) for each in IMAGES]
    mixed = make_exemplar(Alike(), GIVEN, 16)
    torch.testing.assert_close(mixed.embedding, vectors[0] / 4 + vectors[1] * 3 / 4)
    assert mixed.rgb.shape == (1, 3, 1, 1)
    own = make_exemplar(Mixing(), GIVEN, 16).embedding
    torch.testing.assert_close(own, torch.cat([vectors[0] / 4, vectors[1] * 3 / 4, 0 * vectors[2]], dim=1))
    alone = make_exemplar(Alike(), GIVEN[:1], 16)
    assert torch.equal(alone.embedding, vectors[0])
    assert alone.rgb.shape == (1, 3, 16, 24)


def test_make_exemplar_without_embeddings_rejects_several_or_gray_references() -> None:
    model = tiny_model()
    alone = make_exemplar(model, GIVEN[:1], 16)
    assert torch.equal(alone.rgb, as_reference(IMAGES[0], 16))
    assert alone.embedding is None
    with pytest.raises(GuidanceError, match="one reference, got 3"):
        make_exemplar(model, GIVEN, 16)
    gray = ReadReference(RasterImage(np.full((20, 30), 128, np.uint8)), name="old.png")
    model.reference_needs_color = True
    with pytest.raises(GuidanceError, match=r"the reference old\.png has no color"):
        make_exemplar(model, [gray], 16)
    model.reference_needs_color = False
    assert make_exemplar(model, [gray], 16).rgb.shape == (1, 3, 16, 24)


def test_recipe_reference_files_return_weights(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a.png", "b.png")]
    recipe = Recipe(extra={"exemplar": {"path": "a.png", "more": [{"path": "b.png", "weight": 3}]}})
    assert recipe_reference_files(recipe, tmp_path) == [(Path(paths[0]), 1.0), (Path(paths[1]), 3.0)]


@pytest.mark.parametrize("size", [None, (4 << 30) + 1])
def test_recipe_reference_files_rejects_devices_and_oversized_files(tmp_path: Path, size: int | None) -> None:
    path = Path("/dev/zero")
    if size is not None:
        path = tmp_path / "sparse.tif"
        with path.open("wb") as file:
            file.truncate(size)
    recipe = Recipe.from_json({"exemplar": {"path": str(path)}})
    with pytest.raises(GuidanceError, match=r"recipe\.exemplar\.path"):
        recipe_reference_files(recipe, tmp_path)


def test_references_of_a_recipe_without_a_file_are_ignored_with_a_warning() -> None:
    recipe = Recipe(extra={"exemplar": {"path": "sunset.jpg"}})
    alike = Colorizer(Alike(), device="cpu")
    with pytest.warns(UserWarning, match="references of the recipe were ignored"):
        alike(IMAGES[0], recipe)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "the references of the recipe")
        alike(IMAGES[0], recipe, reference=IMAGES[1])


def test_strength_of_references_that_a_model_ignores_is_named() -> None:
    exemplar = Exemplar(torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)), alpha=0.3)
    for model, is_ignored in ((Warping(torch.nn.Identity()), True), (Alike(), False)):
        runner = colorizer.Colorizer(model, device="cpu", size=32, allow_untrained=True)
        notes = runner.colorize(IMAGES[0], Guidance(exemplar=exemplar)).notes
        assert any("strength (alpha)" in note for note in notes) == is_ignored


@pytest.mark.parametrize("route", ["Colorizer", "colorize", "colorize_file", "command"])
def test_another_reference_file_of_the_same_name_adds_a_note(
    route: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look, photo, recipe, out = (tmp_path / name for name in ("look.png", "a.png", "r.json", "out.png"))
    Image.fromarray((IMAGES[0].levels * 255).astype(np.uint8)).save(look)
    Image.fromarray((IMAGES[1].levels[..., 0] * 255).astype(np.uint8)).save(photo)
    digest = sha256(look.read_bytes()).hexdigest()
    recipe.write_text(json.dumps({"version": 2, "exemplar": {"path": "look.png", "sha256": digest.upper()}}))

    def notes(*options: str) -> str:
        if route == "command":
            names = [str(each) for each in (photo, "--recipe", recipe, "-o", out)]
            assert main(["colorize", *names, "--device", "cpu", "--overwrite", *options]) == 0
            return capsys.readouterr().out
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if route == "Colorizer":
                Colorizer(device="cpu")(photo, recipe)
            elif route == "colorize":
                colorize(photo, guidance=recipe, device="cpu")
            else:
                colorize_file(photo, out, guidance=recipe, device="cpu", overwrite=True)
        return " ".join(str(each.message) for each in caught)

    note = "the recipe was made for another reference file look.png"
    assert note not in notes()
    Image.fromarray((IMAGES[2].levels * 255).astype(np.uint8)).save(look)
    assert notes().count(note) == 1
    if route == "command":
        assert note in notes("--reference-weights", "2")
        assert note not in notes("--reference", str(look))


def test_the_recipe_of_a_result_stores_the_hashes_of_its_references(tmp_path: Path) -> None:
    photo, result = tmp_path / "a.png", tmp_path / "out.png"
    Image.fromarray((IMAGES[1].levels[..., 0] * 255).astype(np.uint8)).save(photo)
    looks = [tmp_path / "one.png", tmp_path / "two.png"]
    for path, image in zip(looks, IMAGES, strict=False):
        Image.fromarray((image.levels * 255).astype(np.uint8)).save(path)
    options = {"device": "cpu"}
    colorize_file(photo, result, reference=looks, **options)
    record = read_provenance(result)
    assert record is not None
    found = Recipe.from_json(record.recipe).exemplar.files
    assert [file.sha256 for file in found] == [sha256(path.read_bytes()).hexdigest() for path in looks]
    # the hash of the settings does not depend on the stored hashes, so the result is found again
    recipes = {"with": json.loads(record.recipe), "without": json.loads(record.recipe)}
    del recipes["without"]["exemplar"]["sha256"]
    settings = set()
    for name, content in recipes.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
        again = colorize_file(photo, tmp_path / f"{name}.png", guidance=tmp_path / f"{name}.json", **options)
        settings.add(read_provenance(again).settings)
    assert len(settings) == 1
