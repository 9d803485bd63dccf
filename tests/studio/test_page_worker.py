"""Functions of the static page in JavaScript against their counterparts in Python."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo.color import grid_centers, hull_centers, hull_mask, lab_to_rgb_in_gamut, reduce_chroma
from colorzoo.color.levels import lightness_of_levels
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Recipe, statistics_of
from colorzoo.inference.full_size import BicubicUpsampler, join_levels, shrink_lightness, working_size
from colorzoo.inference.overlays import overlays_of
from colorzoo.inference.palette import Distribution, next_point, suggest_colors
from colorzoo.inference.references import as_reference
from colorzoo.inference.steps.point_corrections import correct_points
from colorzoo.inference.steps.points import draw_points, limit_reach, show_base, squares_of
from colorzoo.inference.steps.reach import even_reaches, is_limited, is_small, keep_nearer
from colorzoo.inference.steps.strengths import point_strength
from colorzoo.pictures.provenance import PictureProvenance, read_provenance
from colorzoo.pictures.read import read_picture
from colorzoo.studio.bundle import bundled_module
from colorzoo.studio.photo import fit_size
from inference.by_hand import enforced, find_extent, paths_of, search

NODE = shutil.which("node")
WHOLE, SIZE = (120, 170), (80, 113)  # height and width of the photo and at the network's size
EXPORTED = (
    "lightnessOf linearInGamut reducedChroma toLevel workingSize fitSize downsample Upsampler drawHints "
    "hintsOf applyPoints findExtent isSmall keepNearer limitReach evenReaches fitPins Joiner sharesAtPlace "
    "suggestColors entropyOf nextPoint isTrained overlaysOf pointStrength statisticsOf referenceOf "
    "plainSha256 encodePicture checkRecipe"
)

POINTS = [
    {"x": 30, "y": 40, "radius": 6, "color": "#c04020", "reach": 0.4},
    {"x": 120.5, "y": 80, "radius": 1, "color": "#2060d0", "ab": [10.5, -60.0], "reach": "everywhere"},
    {"x": 140, "y": 20, "radius": 3, "color": "#30a040", "reach": 0.5},
    {"x": 32, "y": 43, "radius": 2, "color": "#f0e010", "ab": [-10, 90], "reach": "automatic"},
]

STRENGTHS = [0.2, 0.9, 0.5, 0.2]
REPLACEMENTS = [
    {"old": "#a04030", "new": "#30a090", "range": 25},
    {"old": "#3050a0", "new": "#8a8a8a", "fade": 50},
]
PAINT = [
    {"path": [[30, 100], [90, 60], [100, 110]], "color": "#2060d0", "size": 14},
    {"path": [[60, 80], [75, 72]], "erase": True, "size": 9, "hardness": 1, "opacity": 0.7},
    {"path": [[150, 30]], "color": "#30a040", "size": 25, "hardness": 0, "opacity": 0.5},
]


def wavy(height: int, width: int) -> torch.Tensor:
    """Return a lightness ``(1, 1, h, w)`` with smooth parts and hard edges."""
    rows, columns = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    lightness = 50 + 25 * torch.sin(9 * columns) + 15 * torch.cos(7 * rows)
    lightness[height // 3 : height // 2, width // 4 : width // 2] = 85
    noise = torch.randn(height, width, generator=torch.Generator().manual_seed(3))
    return (lightness + noise).clamp(0, 100)[None, None].float()


def smooth_ab(seed: int, size: tuple[int, int] = SIZE) -> torch.Tensor:
    coarse = torch.randn(1, 2, 5, 6, generator=torch.Generator().manual_seed(seed)) * 30
    return torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")


def bin_logits() -> torch.Tensor:
    return torch.randn(529, 20, 29, generator=torch.Generator().manual_seed(5)) * 3


def color_photo() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def tiled_reference(whole: tuple[int, int]) -> dict[str, Any]:
    return {"tile": color_photo().ravel().tolist(), "side": [40, 50], "whole": whole, "size": REFERENCE_SIZE}


def exif_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    memory = io.BytesIO()
    Image.new("L", (9, 9)).save(memory, "JPEG", exif=exif)
    return memory.getvalue()


def pillow_loss() -> float:
    memory = io.BytesIO()
    Image.fromarray(color_photo()).save(memory, "JPEG", quality=95, subsampling=0)
    with Image.open(memory) as image:
        return float(np.abs(np.asarray(image).astype(int) - color_photo()).mean())


def with_alpha(rgb: np.ndarray) -> list[int]:
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]).ravel().tolist()


def flat(tensor: torch.Tensor) -> list[float]:
    return tensor.flatten().tolist()


def labs() -> torch.Tensor:
    draw = torch.rand(400, 3, generator=torch.Generator().manual_seed(1))
    return draw * torch.tensor([100.0, 260, 260]) - torch.tensor([0.0, 130, 130])


ORIGIN = {
    "source": "ab",
    "model": "m",
    "weights": "w",
    "version": "1",
    "engine": "e",
    "recipe": {"note": "é<'\">"},
}
REFERENCE_SIZE = 32
REFERENCES = {"": (93, 131), "of many pixels": (2100, 2010)}
SHAPES = [
    [1, 3000, 256],
    [601, 455, 256],
    [257, 385, 128],
    [4000, 6000, 1024],
    [77, 100, 256],
    [999, 666, 256],
]
RECIPES: list[dict[str, Any]] = [
    {"version": 1, "points": POINTS, "more": 1},
    {"version": 3},
    {"points": [{"x": 500, "y": 1, "color": "#000000"}]},
    {"points": [{"x": 1, "y": 1}]},
    {"points": [{"x": 1, "y": 1, "color": "red"}]},
    {"points": [{"x": 1, "y": 1, "color": "#102030", "reach": 11}]},
    {"image": {"width": 5, "height": 5}},
    {"strength": 2},
    {"statistics": {"histogram": [1, 2]}},
    {"paint": [{"path": [[1, 2]]}]},
    {"replacements": [{"old": "#808080", "new": "#c04020"}]},
    {"replacements": [{"old": "#c04020", "new": "blue"}]},
    {"replacements": [{"old": "#c04020", "new": "#102030", "range": 200}]},
    {"paint": [{"path": [[1, 2]], "color": "#102030", "opacity": 2}]},
]


def requests() -> dict[str, Any]:
    lightness = wavy(*SIZE)
    drawn = {"recipe": {"points": POINTS}, "whole": WHOLE, "size": SIZE, "lightness": flat(lightness)}
    levels = color_photo()
    picture = {
        "rgba": with_alpha(levels),
        "width": 50,
        "height": 40,
        "source": list(exif_jpeg()),
        "origin": ORIGIN,
    }
    photo = {"width": WHOLE[1], "height": WHOLE[0], "sha256": "00"}
    return {
        "lightness": {"rgba": with_alpha(levels)},
        "gamut": {"lab": labs().tolist()},
        "sizes": {"shapes": SHAPES},
        "shrink": {"map": flat(wavy(*WHOLE)), "whole": WHOLE, "size": (33, 64)},
        "shrink one way": {"map": flat(wavy(*WHOLE)), "whole": WHOLE, "size": (120, 64)},
        "enlarge": {"map": flat(smooth_ab(1, (7, 9))), "from": (7, 9), "size": (31, 40)},
        "hints": drawn,
        "points": drawn | {"ab": flat(smooth_ab(1))},
        "steps": drawn,
        "strength": drawn | {"strengths": STRENGTHS},
        "reach": drawn | {"ab": flat(smooth_ab(1)), "base": flat(smooth_ab(2))},
        "join": {
            "recipe": {"points": POINTS},
            "ab": flat(smooth_ab(1)),
            "from": SIZE,
            "size": WHOLE,
            "lightness": flat(wavy(*WHOLE)),
            "strength": 1.2,
            "above": {"paint": PAINT, "replacements": REPLACEMENTS},
        },
        "palette": {
            "logits": flat(bin_logits()),
            "size": [20, 29],
            "stride": 4,
            "centers": grid_centers().tolist(),
            "shown": hull_mask().nonzero().flatten().tolist(),
            "draws": [np.random.default_rng(seed).random(8).tolist() for seed in range(1, 5)],
            "place": [41.5, 33.2],
            "lightness": 55,
            "taken": [[30.0, 20.0], [80.5, 60.25]],
        },
        "statistics": {"rgba": with_alpha(levels), "whole": [40, 50], "centers": hull_centers().tolist()},
        **{f"reference {name}": tiled_reference(whole) for name, whole in REFERENCES.items()},
        "hash": {"bytes": list(range(200)) * 3},
        "encode png": picture | {"format": "png"},
        "encode jpeg": picture | {"format": "jpeg"},
        "recipes": {"recipes": RECIPES, "photo": photo},
    }


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if NODE is None:
        pytest.skip("missing, not passed: node, which runs the page's functions (apt-get install nodejs)")
    folder = tmp_path_factory.mktemp("page")
    (folder / "page.mjs").write_text(
        bundled_module("worker/handlers") + f"\nexport {{ {', '.join(EXPORTED.split())} }};\n",
        encoding="utf-8",
    )
    (folder / "asked.json").write_text(json.dumps(requests()), encoding="utf-8")
    command = [
        NODE,
        str(Path(__file__).parent / "page_worker_checks.mjs"),
        str(folder / "page.mjs"),
        str(folder / "asked.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def apart(found: Any, expected: torch.Tensor | np.ndarray) -> float:
    """Return the largest difference."""
    values = np.asarray(found, dtype=np.float64).ravel()
    wanted = np.asarray(expected, dtype=np.float64).ravel()
    assert values.shape == wanted.shape
    return float(np.abs(values - wanted).max())


def drawn_points() -> Any:
    hints = Recipe.from_json({"points": POINTS}).points
    return hints, draw_points(wavy(*SIZE), squares=squares_of(hints), picture_size=WHOLE[::-1])


def test_lightness_of_levels(answers: dict[str, Any]) -> None:
    assert (
        apart(answers["lightness"], lightness_of_levels(color_photo())) < 1e-3
    )  # Python takes it from a table


def test_gamut_mapping(answers: dict[str, Any]) -> None:
    found = np.array(answers["gamut"])
    lab = labs().T[:, :, None]
    levels = lab_to_rgb_in_gamut(lab)[:, :, 0].T * 255
    assert np.abs(found[:, :3] - levels.numpy()).max() < 0.52  # rounded here
    assert apart(found[:, 3:], reduce_chroma(lab)[1:, :, 0].T) < 0.02


def test_sizes(answers: dict[str, Any]) -> None:
    assert answers["sizes"] == [[*working_size(h, w, s), *fit_size(h, w, s)] for h, w, s in SHAPES]


@pytest.mark.parametrize("name", ["shrink", "shrink one way"])
def test_downsampling(answers: dict[str, Any], name: str) -> None:
    size = requests()[name]["size"]
    assert apart(answers[name], shrink_lightness(wavy(*WHOLE), size)) < 1e-3


def test_upsampling(answers: dict[str, Any]) -> None:
    rows, pixel = answers["enlarge"]
    made = BicubicUpsampler(smooth_ab(1, (7, 9))[0], (31, 40))
    assert apart(rows, made.rows(0, 31)) < 1e-3
    assert apart(pixel, made.pixels(torch.tensor([3]), torch.tensor([5]))) < 1e-3


def test_drawing_points(answers: dict[str, Any]) -> None:
    ab, mask = answers["hints"]
    _, points = drawn_points()
    assert apart(mask, points.mask) == 0
    assert apart(ab, points.ab) < 0.1  # bisection ends within a thousandth of the chroma


def test_applying_points(answers: dict[str, Any]) -> None:
    _, points = drawn_points()
    assert apart(answers["points"], enforced(smooth_ab(1), wavy(*SIZE), points)) < 0.15


def test_reach(answers: dict[str, Any]) -> None:
    weight, nearer, limited = answers["reach"]
    hints, points = drawn_points()
    extent = find_extent(wavy(*SIZE), [hint for hint in hints if is_limited(hint)], WHOLE[::-1])
    assert float(extent.weight.min()) < 0.1
    assert apart(weight, extent.weight) < 1e-3
    small, larger = (
        [hint for hint in hints if is_limited(hint) and is_small(hint) is each] for each in (True, False)
    )
    paths = (paths_of(wavy(*SIZE), group, WHOLE[::-1]) for group in (small, larger))
    kept = keep_nearer(find_extent(wavy(*SIZE), small, WHOLE[::-1]), *paths, own=1).weight
    differences = np.abs(np.array(nearer) - kept.flatten().numpy())
    assert np.quantile(differences, 0.99) < 1e-3  # where two points are equally near, either may own a place
    assert (extent.weight - kept).max() > 0.5
    expected = limit_reach(smooth_ab(1), show_base(smooth_ab(2), wavy(*SIZE)), wavy(*SIZE), points, extent)
    differences = np.abs(np.array(limited) - expected.flatten().numpy())
    assert np.quantile(differences, 0.999) < 0.1  # where two points are equally near, either may own a place


def test_strength_of_points(answers: dict[str, Any]) -> None:
    hints, _ = drawn_points()
    expected = point_strength(wavy(*SIZE), STRENGTHS, find_extent(wavy(*SIZE), hints, WHOLE[::-1]))
    differences = np.abs(np.array(answers["strength"]) - expected.flatten().numpy())
    assert np.quantile(differences, 0.99) < 0.01


def test_even_reaches(answers: dict[str, Any]) -> None:
    hints, _ = drawn_points()
    costs, alike = search(wavy(*SIZE), hints[0], WHOLE[::-1])
    assert answers["steps"] == pytest.approx(even_reaches(costs, alike, 9), abs=2e-3)


def test_joining_at_full_size(answers: dict[str, Any]) -> None:
    lightness = wavy(*WHOLE)[0, 0]
    hints = Recipe.from_json({"points": POINTS}).points
    pins = correct_points(hints, smooth_ab(1)[0], lightness, strength=1.2)
    above = Recipe.from_json({"paint": PAINT, "replacements": REPLACEMENTS, "strength": 1.2})
    overlays = overlays_of(above, WHOLE[::-1], WHOLE)
    expected = join_levels(lightness, smooth_ab(1)[0], pins, overlays)
    assert (expected != join_levels(lightness, smooth_ab(1)[0], pins)).mean() > 0.02
    differences = np.abs(np.array(answers["join"]) - expected.ravel().astype(int))
    assert differences.max() <= 1
    assert differences.mean() < 0.01


def test_suggestions_and_next_point(answers: dict[str, Any]) -> None:
    items, entropy, place, trained = answers["palette"]
    shares = torch.softmax(1.2 * bin_logits()[hull_mask()], dim=0)
    found = Distribution(shares, grid_centers()[hull_mask()], 4)
    there = found.at(41.5, 33.2)
    expected = suggest_colors(there, found.centers, 55)
    assert [item["color"] for item in items] == ["#{:02x}{:02x}{:02x}".format(*s.rgb) for s in expected]
    assert apart([item["share"] for item in items], np.array([s.share for s in expected])) < 1e-4
    assert entropy == pytest.approx(float(torch.special.entr(there).sum()), abs=1e-4)
    assert tuple(place) == next_point(found, [(30.0, 20.0), (80.5, 60.25)])
    assert trained


def test_statistics_of_a_reference(answers: dict[str, Any]) -> None:
    found = answers["statistics"]
    rgb = torch.from_numpy(color_photo()).permute(2, 0, 1)[None] / 255
    expected = statistics_of(rgb)
    assert expected.saturation is not None
    assert expected.histogram is not None
    assert found["saturation"] == pytest.approx(float(expected.saturation), abs=1e-3)
    assert np.abs(np.array(found["histogram"]) - expected.histogram[0].numpy()).sum() < 0.01


@pytest.mark.parametrize("name", REFERENCES)
def test_resizing_a_reference(answers: dict[str, Any], name: str) -> None:
    rows, columns = REFERENCES[name]
    levels = np.tile(color_photo(), (rows // 40 + 1, columns // 50 + 1, 1))[:rows, :columns]
    expected = as_reference(read_picture(np.ascontiguousarray(levels)), REFERENCE_SIZE)
    assert apart(answers[f"reference {name}"], expected.flatten()) < 1e-4


def test_hash_without_a_secure_context(answers: dict[str, Any]) -> None:
    assert bytes(answers["hash"]) == hashlib.sha256(bytes(range(200)) * 3).digest()


@pytest.mark.parametrize("kind", ["png", "jpeg"])
def test_exported_files_contain_their_provenance(answers: dict[str, Any], kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"a.{kind}"
    file.write_bytes(bytes(answers[f"encode {kind}"]))
    origin = read_provenance(file)
    assert origin == PictureProvenance(
        "ab",
        "",
        "m",
        "w",
        "1",
        json.dumps(ORIGIN["recipe"], ensure_ascii=False, separators=(",", ":")),
        engine="e",
    )
    with Image.open(file) as image:
        levels = np.asarray(image.convert("RGB")).astype(int)
        exif = image.getexif()
    assert (exif[0x0112], exif[0x010F]) == (1, "maker")
    difference = np.abs(levels - color_photo()).mean()
    assert difference == 0 if kind == "png" else difference <= 1.02 * pillow_loss()


def test_invalid_recipes_are_refused(answers: dict[str, Any]) -> None:
    for document, told in zip(RECIPES, answers["recipes"], strict=True):
        try:
            Recipe.from_json(document).check_inside(*WHOLE[::-1])
        except GuidanceError:
            assert isinstance(told, str), document
            assert told.startswith("bad_recipe: ")
        else:
            assert told == ["the recipe's entry 'more' is not known here; it is kept"]
