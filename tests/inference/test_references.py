"""References: reference images, embeddings and weights that models accept or reject."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Exemplar, Guidance, Recipe
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


@pytest.mark.parametrize(("files", "ability"), [(("file",), "segment"), (("file", "reference_file"), None)])
def test_choose_for_guidance_requires_segmentation_without_reference_labels(
    files: tuple[str], ability: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colorizer, "choose_model", lambda *_, able, **__: able)
    recipe = Recipe(extra={"classes": dict.fromkeys(files, "a.png")})
    assert colorizer.choose_for_guidance(None, recipe, references=["a"]) == ability


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
