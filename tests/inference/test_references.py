"""References: what a model takes of images and looks, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from colorzoo.capabilities import FindsClasses
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Recipe
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference import colorizer
from colorzoo.inference.references import (
    ReadReference,
    as_reference,
    make_exemplar,
    named_references,
    recipe_reference_files,
)
from inference.recipes import Alike
from tiny_model import tiny_model

RANDOM = np.random.default_rng(0)
IMAGES = [RasterImage(RANDOM.uniform(0, 1, (20, 30, 3)).astype(np.float32) ** power) for power in (1, 2, 3)]
GIVEN = [ReadReference(each, weight) for each, weight in zip(IMAGES, (1.0, 3.0, 0.0), strict=True)]


class Mixing(Alike):
    """Keeps the looks apart."""

    def mix_references(self, looks: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        return torch.cat(
            [embedding * weight for embedding, weight in zip(looks, weights, strict=True)], dim=1
        )


def test_several_references_are_mixed_by_their_shares_or_in_the_models_own_way() -> None:
    looks = [Alike().encode_reference(as_reference(each, 16)) for each in IMAGES]
    mixed = make_exemplar(Alike(), GIVEN, 16)
    torch.testing.assert_close(mixed.embedding, looks[0] / 4 + looks[1] * 3 / 4)
    assert mixed.rgb.shape == (1, 3, 1, 1)
    own = make_exemplar(Mixing(), GIVEN, 16).embedding
    torch.testing.assert_close(own, torch.cat([looks[0] / 4, looks[1] * 3 / 4, 0 * looks[2]], dim=1))
    alone = make_exemplar(Alike(), GIVEN[:1], 16)
    assert torch.equal(alone.embedding, looks[0])
    assert alone.rgb.shape == (1, 3, 16, 24)


def test_a_model_without_looks_takes_one_image_and_a_gray_one_only_if_it_needs_no_color() -> None:
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


@pytest.mark.parametrize(
    ("files", "ability"), [(("file",), FindsClasses), (("file", "reference_file"), None)]
)
def test_classes_without_label_images_need_a_model_that_finds_them(
    files: tuple[str], ability: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colorizer, "choose_model", lambda *_, able, **__: able)
    recipe = Recipe(extra={"classes": dict.fromkeys(files, "a.png")})
    assert colorizer.choose_for_guidance(None, recipe, references=["a"]) is ability


def test_references_are_named_with_a_weight_each(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a.png", "b.png")]
    for path in paths:
        Image.new("RGB", (3, 2), "#ff0000").save(path)
    for weights, wanted in ((None, [1.0, 1.0]), ([2.0, 0.5], [2.0, 0.5])):
        assert [each.weight for each in named_references(paths, weights)] == wanted
    with pytest.raises(GuidanceError, match=r"--reference-weights must .*\(2\), got 1$"):
        named_references(paths, [1.0])
    recipe = Recipe(extra={"exemplar": {"path": "a.png", "more": [{"path": "b.png", "weight": 3}]}})
    assert recipe_reference_files(recipe, tmp_path) == [(Path(paths[0]), 1.0), (Path(paths[1]), 3.0)]


@pytest.mark.parametrize("size", [None, (4 << 30) + 1])
def test_a_recipe_names_only_regular_references_of_limited_size(tmp_path: Path, size: int | None) -> None:
    path = Path("/dev/zero")
    if size is not None:
        path = tmp_path / "sparse.tif"
        with path.open("wb") as file:
            file.truncate(size)
    recipe = Recipe.from_json({"exemplar": {"path": str(path)}})
    with pytest.raises(GuidanceError, match=r"recipe\.exemplar\.path"):
        recipe_reference_files(recipe, tmp_path)
