"""Recipe files: schema, errors and round trips."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

from colorzoo.apps.cli._colorize import parse_point
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, PointHint, Recipe
from colorzoo.guidance.areas import Mask
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.edit import read_guidance
from colorzoo.zoo.gray.model import GrayModel

SCHEMA = json.loads(files("colorzoo.guidance").joinpath("recipe.schema.json").read_text())
FULL: dict[str, Any] = {
    "version": 2,
    "image": {"width": 640, "height": 480, "sha256": "ab", "name": "old.jpg"},
    "model": "zhang2017_local_small",
    "strength": 0.5,
    "points": [
        {"x": 120.5, "y": 80.0, "radius": 6.0, "color": "#c04020", "reach": 0.5, "stroke": 2, "locked": True},
        {
            "x": 9.0,
            "y": 8.0,
            "radius": 2.0,
            "color": "#c04020",
            "ab": [3.0, 4.0],
            "strength": 0.4,
            "reach": 1.0,
        },
    ],
    "healing": [{"path": [[20.0, 10.0], [80.0, 60.0]], "width": 7.0, "x_mine": 1}],
    "proposal": "ab12",
    "border": [1, 2, 30, 40],
    "crop": {"x": 12, "y": 9, "width": 60, "height": 50, "angle": 7.5, "x_mine": 1},
    "scribbles": [{"path": [[10.0, 12.0], [40.0, 15.0]], "width": 5.0, "pen": 2}],
    "regions": [{"index": 0, "color": "#ffd0b0", "label": "sky"}],
    "boxes": [{"x": 10.0, "y": 20.0, "width": 30.5, "height": 40.0, "name": "cat"}],
    "areas": [
        {
            "action": "color",
            "path": [[1.0, 2.0], [9.5, 2.0], [5.0, 8.0]],
            "color": "#c04020",
            "lightness": "color",
            "opacity": 0.5,
            "feather": 12.0,
            "hidden": True,
        },
        {
            "action": "lock",
            "mask": {"width": 4, "height": 2, "runs": "1 2 5"},
            "kept": {"png": "iVBORw0KGgo=", "low": [0.0, -3.5, 2.0], "step": [0.1, 0.2, 0.3]},
            "made": {"by": "click", "at": [3, 4]},
            "name": "the cat",
        },
    ],
    "paint": [
        {
            "path": [[1.0, 2.0]],
            "color": "#c04020",
            "size": 3.0,
            "hardness": 1.0,
            "opacity": 0.5,
            "blend": "hue",
            "reach": 0.4,
            "layer": 2,
            "hidden": True,
        },
        {"path": [[1.0, 2.0]], "erase": True, "size": 3.0, "hardness": 1.0, "opacity": 1.0},
    ],
    "replacements": [
        {"old": "#c04020", "new": "#2050c0", "range": 9.0, "fade": 5.0, "opacity": 0.5, "hidden": True}
    ],
    "exemplar": {"path": "look.jpg"},
    "classes": {"map": {"3": 7}},
    "statistics": {"saturation": 0.4},
    "later": {"field": [1, None]},
}
HINTS = ("points", "scribbles", "regions", "areas", "paint", "replacements")
POINT = {"x": 1, "y": 2, "color": "#102030"}
FRACTIONS = ("points[0].strength", "areas[0].opacity", "paint[0].hardness", "paint[0].opacity")
FRACTIONS += ("replacements[0].opacity", "exemplar.alpha", "statistics.saturation")
FINISH = ("temperature", "tint", "vibrance", "shadows", "highlights")
WRONG = [
    ("version", 3),
    ("image.width", 0),
    ("model", 5),
    ("strength", "1"),
    ("points[0].color", "red"),
    ("points[0].ab", [1, True]),
    ("points[0].reach", "far"),
    ("scribbles[0].path", [[1, "2"]]),
    ("regions[0].index", -1),
    ("boxes[0]", [1, 2, 3, 4]),
    ("areas[0].action", "burn"),
    ("areas[0].color", "red"),
    ("areas[0].path", [[1, 2], [3, 4]]),
    ("areas[0].mask", {"width": 1, "height": 1, "runs": "1"}),
    ("areas[1].color", "#102030"),
    ("areas[1].mask.height", 5000),
    ("areas[1].mask.runs", "1 -2 9"),
    ("areas[1].kept.low", [1, 2]),
    ("areas[0].feather", -1),
    ("areas[0].hidden", 1),
    ("paint[0].blend", "screen"),
    ("exemplar.path", 5),
    ("classes.map.3", -1),
    *(("strength", value) for value in (-0.01, 1.51)),
    *((f"points[0].{name}", -0.01) for name in ("radius", "reach")),
    *((name, 0) for name in ("points[0].stroke", "paint[0].layer", "image.height")),
    *((name, -0.01) for name in ("paint[0].size", "scribbles[0].width")),
    *((name, value) for name in FRACTIONS for value in (-0.01, 1.01)),
    *(("finish", {name: value}) for name in FINISH for value in (-100.5, 100.5)),
    ("statistics.histogram", [-0.01, *[0] * 312]),
    *(("points[0].ab", [-150.5, 150.5][::way]) for way in (1, -1)),
    *((f"replacements[0].{name}", value) for name in ("range", "fade") for value in (-0.5, 180.5)),
    *((f"areas[1].kept.{name}", [0, 0, value]) for name in ("low", "step") for value in (-1001, 1001)),
]


def with_value(name: str, value: object) -> dict[str, Any]:
    """Return the full recipe with the named field replaced."""
    document = json.loads(json.dumps(FULL))
    *parents, last = name.replace("[", ".").replace("]", "").split(".")
    node = document
    for key in parents:
        node = node[int(key)] if isinstance(node, list) else node[key]
    node[int(last) if isinstance(node, list) else last] = value
    return document


def fits_schema(document: object) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


def test_recipe_round_trip_preserves_all_fields() -> None:
    recipe = Recipe.from_json(FULL)
    assert Recipe.from_json(recipe.to_dict()) == recipe
    plain = recipe.without_hints()
    assert plain == Recipe.from_json(
        {**{key: FULL[key] for key in FULL if key not in HINTS}, "strength": 1.0}
    )
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe().to_json() == '{\n "version": 2,\n "strength": 1.0\n}'


def test_schema_and_parser_accept_valid_recipes() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for document in (
        FULL,
        {},
        {"points": [POINT | {"ab": [3, -4], "reach": 0.5}]},
        {"image": {"width": 640.0}},
    ):
        assert fits_schema(document)
        Recipe.from_json(document)


def test_schema_and_parser_reject_invalid_values_and_name_the_field() -> None:
    for name, value in WRONG:
        document = with_value(name, value)
        assert not fits_schema(document), name
        with pytest.raises(GuidanceError) as caught:
            Recipe.from_json(document)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


GRAY_AREA = {"action": "gray", "path": [[0, 0], [4, 0], [4, 4]]}
LISTS: list[tuple[str, str, object]] = [  # field, its limit in the schema, an item
    ("points", "points.maxItems", POINT),
    *((name, f"{name}.maxItems", {"path": [[1, 2]]}) for name in ("scribbles", "healing")),
    ("scribbles.0.path", "$defs.stroke.properties.path.maxItems", [1, 2]),
    ("divisions", "divisions.maxItems", {"path": [[1, 2]]}),
    ("paint", "paint.maxItems", {"path": [[1, 2]], "color": "#102030"}),
    ("exemplar.more", "exemplar.properties.more.maxItems", {"path": "a.png"}),
    ("classes.painted", "classes.properties.painted.maxItems", {"class": 1, "path": [[0, 0], [1, 1]]}),
    ("classes.map", "classes.properties.map.maxProperties", 1),
]


def limit_in_schema(name: str) -> int:
    node = SCHEMA if name.startswith("$") else SCHEMA["properties"]
    for key in name.split("."):
        node = node[key]
    return node


def test_recipe_lists_have_the_maximum_length_of_the_schema() -> None:
    for name, limit, item in LISTS:
        most = limit_in_schema(limit)
        for count in (most, most + 1):
            value: Any = (
                dict.fromkeys(map(str, range(count)), item) if name == "classes.map" else [item] * count
            )
            for key in reversed(name.split(".")):
                value = [value] if key == "0" else {key: value}
            if count == most:
                Recipe.from_json(value)
                continue
            with pytest.raises(GuidanceError, match=rf"{most:,} entries, got {count:,}"):
                Recipe.from_json(value)


def test_recipe_points_require_position_and_color() -> None:
    for missing in ("x", "y", "color"):
        document = {"points": [{k: v for k, v in POINT.items() if k != missing}]}
        assert not fits_schema(document)
        with pytest.raises(GuidanceError, match=rf"points\[0\]\.{missing}"):
            Recipe.from_json(document)


def test_default_point_reach_depends_on_recipe_version() -> None:
    for version, default in ((1, "everywhere"), (2, "automatic"), (None, "automatic")):
        for reach in ("automatic", 0, 2.5):
            points = [POINT | {"reach": reach}, POINT]
            recipe = Recipe.from_json({"version": version, "strength": 1.0, "points": points})
            assert [point.reach for point in recipe.points] == [reach, default]
            assert recipe.unknown() == ()
            assert Recipe.from_json(recipe.to_json()) == recipe


def test_points_from_command_line_python_and_recipe_are_equal() -> None:
    typed = parse_point("120,80=#c04020")
    assert Recipe.from_json({"points": [{"x": 120, "y": 80, "color": "#c04020"}]}).points == (typed,)
    assert PointHint(120.0, 80.0, color="#c04020") == typed


def test_read_guidance_rejects_and_prepare_notes_unknown_fields() -> None:
    colorizer, image = Colorizer(GrayModel(), device="cpu"), RasterImage(np.zeros((20, 30), np.uint8))
    for name, field in {
        "pionts": {"pionts": []},
        "points[0].colour": {"points": [POINT | {"colour": "red"}]},
        "paint[0].opactiy": {"paint": [{"path": [[1, 2]], "erase": True, "opactiy": 1}]},
        "healing[0].widht": {"healing": [{"path": [[1, 2]], "widht": 1}]},
        "crop.hieght": {"crop": dict.fromkeys(("x", "y", "width", "height", "hieght"), 9)},
        "exemplar.alfa": {"exemplar": {"alfa": 1}},
        "exemplar.more[0].wait": {"exemplar": {"more": [{"path": "b.png", "wait": 1}]}},
        "classes.painted[0].clas": {"classes": {"painted": [{"clas": 1, "path": [[0, 0], [1, 1]]}]}},
        "statistics.saturaton": {"statistics": {"saturaton": 1}},
        "divisions[0].close": {"divisions": [{"path": [[1, 2]], "close": True}]},
    }.items():
        with pytest.raises(GuidanceError, match=re.escape(repr(name))):
            read_guidance(field)
        assert colorizer.resolve(image, Recipe.from_json(field)).notes
    own = {"x_author": "me", "points": [POINT | {"x_note": 1}], "divisions": []}
    assert colorizer.resolve(image, read_guidance(own | {"points": []})).notes == ()


def test_recipe_lists_unknown_fields_and_guidance_kinds() -> None:
    recipe = Recipe.from_json({"pionts": [], "points": [POINT | {"colour": "red"}], "image": {"name": "a"}})
    assert recipe.unknown() == ("pionts", "points[0].colour")
    kinds = ("scribbles", "regions", "boxes", "exemplar", "classes", "statistics")
    assert Recipe.from_json({k: FULL[k] for k in FULL if k != "later"} | {"points": []}).kinds() == kinds


def test_mask_round_trip_preserves_the_mask() -> None:
    for inside in (np.eye(3, 5, dtype=bool), np.ones((2, 3), bool), np.zeros((2, 3), bool)):
        mask = Mask.of(inside)
        assert np.array_equal(mask.array(), inside)
        assert Recipe.from_json(Recipe(areas=(Area("gray", mask=mask),)).to_json()).areas[0].mask == mask
    assert Mask.of(np.eye(2, dtype=bool)).runs == (0, 1, 2, 1)


def test_invalid_masks_and_areas_raise_guidance_error() -> None:
    mask = {"width": 4, "height": 2, "runs": "1 2 4"}
    with pytest.raises(GuidanceError, match=r"areas\[0\]\.mask\.runs"):
        Recipe.from_json({"areas": [{"action": "gray", "mask": mask}]})
    word = {"action": "color", "color": "red"}
    for wrong in (word, {"action": "color"}, {"action": "gray", "color": "#102030"}, {"path": ()}):
        with pytest.raises(GuidanceError, match="Area"):
            Area(**{"action": "lock", "path": ((0, 0), (1, 0), (0, 1)), **wrong})


def test_recipe_distinguishes_missing_boxes_from_empty_list() -> None:
    assert Recipe.from_json({}).boxes is None
    assert "boxes" not in Recipe.from_json({}).to_dict()
    none = Recipe.from_json({"boxes": []})
    assert none.boxes == ()
    assert Recipe.from_json(none.to_dict()).boxes == ()
    assert Recipe().to_guidance(20, 10).boxes is None
    assert none.to_guidance(20, 10).boxes.given.shape == (1, 0)


def test_guidance_boxes_are_relative_and_must_lie_inside_the_image() -> None:
    recipe = Recipe.from_json({"boxes": [{"x": 5, "y": 2, "width": 10, "height": 8}]})
    drawn = recipe.to_guidance(20, 10, size=(64, 128))
    torch.testing.assert_close(drawn.boxes.corners, torch.tensor([[[0.25, 0.2, 0.75, 1.0]]]))
    with pytest.raises(GuidanceError, match=r"boxes\[0\] at \(15, 10\) lies outside"):
        recipe.check_inside(20, 9)
    for wrong in ({"width": 0, "height": 3}, {"width": 3, "height": -1}):
        with pytest.raises(GuidanceError, match=r"boxes\[0\] must have width and height above 0"):
            Recipe.from_json({"boxes": [{"x": 1, "y": 1, **wrong}]})


def test_recipe_raises_error_for_points_outside_the_image() -> None:
    inside = {"image": {"width": 10, "height": 5}, "points": [POINT | {"x": 10, "y": 5}]}
    Recipe.from_json(inside)
    outside = inside | {"points": [POINT, POINT | {"y": 5.5}]}
    with pytest.raises(GuidanceError, match=r"points\[1\] at \(1, 5.5\) lies outside .*10 x 5"):
        Recipe.from_json(outside)
    with pytest.raises(GuidanceError, match=r"scribbles\[0\]"):
        Recipe.from_json({"image": inside["image"], "scribbles": [{"path": [[0, 0], [-1, 0]]}]})
    with pytest.raises(GuidanceError, match=r"10 x 5 pixels.* 20 x 5"):
        Recipe.from_json(inside).check_inside(20, 5)


def test_invalid_recipe_files_raise_one_line_error(tmp_path: Path) -> None:
    path = tmp_path / "hints.json"
    for content, message in (
        (b"", "line 1"),
        (b'{"points": [}', "line 1"),
        (b"[]", "got list"),
        (b"\xff\xd8\xff\xe0", "utf-8"),
        (b'{"strength": NaN}', "recipe.strength"),
        (b'{"model": [' + b"12, " * 14 + b"123]}", r"\[" + "12, " * 14 + r"\.\.\.$"),
        (b'{"points": [{"x": 1e999, "y": 1, "color": "#000000"}]}', r"points\[0\].x"),
        (b'{"strength": ' + b"9" * 5000 + b"}", "cannot be read"),
        (b'{"a": ' + b"[" * 200_000, "cannot be read"),
    ):
        path.write_bytes(content)
        with pytest.raises(GuidanceError, match=message) as caught:
            Recipe.from_json(path)
        assert "\n" not in str(caught.value)


def test_recipe_raises_error_for_missing_and_unwritable_files(tmp_path: Path) -> None:
    with pytest.raises(GuidanceError, match=r"gone\.json' cannot be read: No such file"):
        Recipe.from_json(tmp_path / "gone.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(GuidanceError, match="cannot be written"):
        Recipe().to_json(tmp_path / "file" / "r.json")


def test_recipe_ignores_byte_order_mark_and_leaves_no_temporary_files(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    Recipe(points=(PointHint(1, 2, color="#102030"),)).to_json(path)
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert Recipe.from_json(path).points == (PointHint(1, 2, 3, "#102030"),)
    for space in ("", "\n "):  # text from a file that was read as plain UTF-8
        assert Recipe.from_json("\ufeff" + space + '{"strength": 0.5}').strength == 0.5


def test_recipe_objects_are_typed_and_preserve_their_json() -> None:
    document = {
        "exemplar": {"path": "a.png", "alpha": 1, "more": [{"path": "b.png", "weight": 2}, {"weight": 3}]},
        "classes": {"map": {"3": 7}, "file": "l.png", "painted": [{"class": 1, "path": [[0, 1], [2, 3]]}]},
        "statistics": {"saturation": 0},
        "divisions": [{"path": [[1, 2]], "closed": True}],
    }
    recipe = Recipe.from_json(document)
    assert [(file.path, file.weight) for file in recipe.exemplar.files] == [("a.png", None), ("b.png", 2.0)]
    assert (recipe.exemplar.alpha, recipe.statistics.saturation) == (1.0, 0.0)
    assert (recipe.classes.map, recipe.classes.label_files) == ({3: 7}, ("l.png",))
    assert [area.number for area in recipe.classes.painted] == [1]
    assert recipe.divisions[0].closed
    assert document.items() <= recipe.to_dict().items()
    assert recipe.extra == {}
    assert Recipe().exemplar.alpha is Recipe().statistics.saturation is None
    assert Recipe.from_json({"classes": {"map": {}}}).kinds() == ("classes",)  # predicted classes, unchanged


BROKEN: list[tuple[str, Any]] = [
    ("exemplar", {"more": [{"weight": -1}]}),
    ("classes", {"map": {"sky": 1}}),
    ("classes", {"painted": [{"class": 1}]}),
    ("statistics", {"histogram": [1, 2]}),
    ("divisions", [{"path": []}]),
    ("regions", [{"index": 1}]),
    ("replacements", [{"new": "#2050c0"}]),
    ("paint", [{"path": [[1, 2]]}]),
    ("paint", [{"path": [[1, 2]], "color": "#c04020", "erase": True}]),
    ("paint", [{"path": [[1, 2]], "color": "#c04020", "reach": 11}]),
    ("crop", [1, 2, 30, 40]),
    *(("crop", FULL["crop"] | {"x": value}) for value in (1.5, "left")),
    *(("crop", FULL["crop"] | {name: 7}) for name in ("width", "height")),
    *(("crop", FULL["crop"] | {"angle": value}) for value in (45.1, -45.1, "steep")),
    ("areas", [GRAY_AREA | {"kept": {"png": "x!", "low": [0] * 3, "step": [1] * 3}}]),
]


def test_recipe_from_json_raises_one_line_error_for_invalid_objects() -> None:
    for field, value in BROKEN:
        with pytest.raises(GuidanceError, match=field) as caught:
            Recipe.from_json({field: value})
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ({"points": [{"x": 5, "y": 5, "color": "#c04020"}]}, "points.0. must have the reach 'everywhere'"),
        ({"points": [{"x": 5, "y": 5, "color": "#c04020", "reach": 0.5}]}, "got 0.5"),
        (
            {"points": [{"x": 5, "y": 5, "color": "#c04020", "reach": "everywhere", "strength": 0.5}]},
            "strength 1",
        ),
        ({"strength": 0.5}, "got strength"),
        ({"regions": [{"index": 0, "color": "#c04020"}]}, "got regions"),
        ({"areas": [{"action": "gray", "path": [[0, 0], [9, 0], [9, 9]]}]}, "got areas"),
        ({"paint": [{"path": [[1, 1]], "color": "#c04020", "size": 4}]}, "got paint"),
        ({"replacements": [{"old": "#c04020", "new": "#2040c0"}]}, "got replacements"),
        ({"finish": {"tint": 10}}, "got finish"),
        ({"healing": [{"path": [[1, 1], [3, 3]]}]}, "got healing"),
        ({"crop": {"x": 0, "y": 0, "width": 9, "height": 9}}, "got crop"),
        ({"drawing": {"flats": True}}, "got drawing"),
        ({"exemplar": {"path": "a.png"}}, "got exemplar"),
        ({"classes": {"map": {"1": 2}}}, "got classes"),
        ({"divisions": [{"path": [[0, 0], [5, 5]]}]}, "got divisions"),
    ],
)
def test_guidance_tensors_reject_what_they_cannot_contain(field: dict[str, Any], word: str) -> None:
    recipe = Recipe.from_json({"version": 2, **field})
    with pytest.raises(GuidanceError, match=word):
        recipe.to_guidance(20, 10)


def test_every_field_of_a_recipe_is_converted_or_rejected() -> None:
    """A new field of `Recipe` must not be dropped by `Recipe.to_guidance` without an error."""
    converted = {"points", "scribbles", "boxes", "label", "statistics", "more"}
    about_the_file = {"width", "height", "sha256", "model", "proposal", "border", "extra"}
    rejected = {
        "strength",
        "regions",
        "areas",
        "paint",
        "replacements",
        "finish",
        "healing",
        "crop",
        "drawing",
        "exemplar",
        "classes",
        "divisions",
    }
    assert converted | about_the_file | rejected == {each.name for each in fields(Recipe)}


def test_guidance_tensors_contain_statistics_and_label() -> None:
    histogram = [0.0] * 313
    histogram[7], histogram[9] = 3, 1
    recipe = Recipe.from_json(
        {"version": 2, "label": 4, "statistics": {"saturation": 0.25, "histogram": histogram}}
    )
    guidance = recipe.to_guidance(20, 10)
    assert guidance.label.tolist() == [4]
    assert guidance.statistics.saturation.tolist() == [[0.25]]
    assert guidance.statistics.histogram[0, [7, 9]].tolist() == [0.75, 0.25]
