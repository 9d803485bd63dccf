"""Crossings of inputs, guidance and routes: properties that hold for each combination of them.

Two features that are tested alone can still fail together. The fast tier draws all pairs of input, guidance
and route from a covering array; the nightly tier tests all triples. No result is stored: each row is compared
with the file, with another row, or with a color that the user chose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from allpairspy import AllPairs
from coloraide import Color
from PIL import Image
from skimage.color import rgb2lab

from colorzoo.errors import DataError, GuidanceError
from colorzoo.guidance import Guidance, Recipe
from colorzoo.image_io.read import read_image
from crossings import (
    AREA,
    ARTIST,
    COOL,
    DPI,
    EVALUATE,
    FIRST_PAGE_ONLY,
    HEALED,
    HINTS,
    IN_MEMORY,
    LOCKED,
    MODELS,
    POINT,
    ROUTES,
    SOURCES,
    WARM,
    Evaluation,
    Levels,
    Outcome,
    Row,
    alone,
    by_evaluate,
    colorize_command,
    colorizer,
    crop_slices,
    expected_notes,
    is_simulated,
    model_of,
    parsed,
    request,
    run_command,
    source_levels,
    stored_lock,
)

NONE = HINTS[0]
ALL_ROUTES = (*ROUTES, EVALUATE)
AXES = (SOURCES, HINTS, ALL_ROUTES)
PAIRS = [Row(*values) for values in AllPairs([list(axis) for axis in AXES])]
CASES = {f"{source.name}, {hint.name}": (source, hint) for source, hint in product(SOURCES, HINTS)}


@pytest.fixture(autouse=True, scope="module")
def rows_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Write the files of all rows into one temporary folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("rows")))
        yield


@pytest.mark.parametrize("row", PAIRS, ids=str)
def test_all_pairs(row: Row) -> None:
    assert violations(row) == []


@pytest.mark.nightly
@pytest.mark.parametrize("case", CASES)
def test_all_routes(case: str) -> None:
    """Together, the cases are all triples of input, guidance and route."""
    rows = [Row(*CASES[case], route) for route in ALL_ROUTES]
    assert {str(row): violations(row) for row in rows} == {str(row): [] for row in rows}


def test_covering_array_contains_all_pairs() -> None:
    values = [(row.source, row.hint, row.route) for row in PAIRS]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        drawn = {(row[first], row[second]) for row in values}
        assert len(drawn) == len(AXES[first]) * len(AXES[second])


def violations(row: Row) -> list[str]:
    """Return the properties that a row violates, with the reason."""
    found = []
    for check in EVALUATION_CHECKS if row.route == EVALUATE else CHECKS:
        try:
            check(row)
        except (Exception, pytest.fail.Exception) as error:  # one failure must not hide the others
            found.append(f"{check.__name__}: {type(error).__name__}: {error}".splitlines()[0])
    return found


# properties of results


@cache
def result(row: Row, hidden: int = 0) -> Outcome:
    return ROUTES[row.route](request(row, hidden))


def expected(row: Row, number: int = 0) -> Levels:
    """Return the result of a page as a file alone; routes that open one page have a row of their own."""
    route = row.route if row.route in IN_MEMORY else "command"
    return alone(Row(row.source, row.hint, route), number)


def unguided(row: Row, number: int = 0) -> Levels:
    return expected(Row(row.source, NONE, row.route), number)


def colored_pages(row: Row) -> range:
    """Return the numbers of the pages that the route of a row colorizes."""
    return range(1 if row.route in FIRST_PAGE_ONLY else len(row.source.pages))


def colorable_pages(row: Row) -> list[int]:
    """Return the pages of `colored_pages` without line art for the photo model, whose white stays white."""
    return [
        number
        for number in colored_pages(row)
        if row.source.pages[number].kind == "photo" or not shows_photo(row, number)
    ]


def each_page_is_colored_as_a_file_alone(row: Row) -> None:
    """Also tests that all routes have equal results, because the expected results are equal."""
    outcome = result(row)
    assert len(outcome.pages) == len(colored_pages(row))
    for number in colored_pages(row):
        difference = apart(outcome.pages[number], expected(row, number))
        assert difference == 0, f"page {number + 1} differs by {difference} levels"


def lightness_or_ink_is_kept(row: Row) -> None:
    for number in colored_pages(row):
        kept = _lightness_is_kept if shows_photo(row, number) else _ink_is_kept
        kept(row, number)


def _lightness_is_kept(row: Row, number: int) -> None:
    pixels = unit(result(row).pages[number])
    before, alpha = source_levels(row, number)
    change = abs(rgb2lab(pixels[..., :3])[..., 0] - rgb2lab(before)[..., 0])
    compared = np.ones(change.shape, bool) if alpha is None else alpha > 0
    if row.hint.name == "healing":
        compared &= ~near_healing(row, change.shape)
    most = 20 if is_palette(row) else 0.6  # of 100; 0.5 levels of each channel are 0.3
    assert change[compared].max() < most, f"page {number + 1}: lightness changed by {change[compared].max()}"
    assert change[compared].mean() < (2 if is_palette(row) else 0.2)


def _ink_is_kept(row: Row, number: int) -> None:
    """Test that black ink stays black, and that colors change only at lines."""
    pixels = unit(result(row).pages[number])[..., :3]
    before, alpha = source_levels(row, number)
    if alpha is not None:
        before = before * unit(alpha)[..., None] + 1 - unit(alpha)[..., None]
    ink, paper = before.max(2) < 0.1, before.min(2) > 0.99
    if row.hint.name == "healing":
        ink, paper = (mask & ~near_healing(row, mask.shape) for mask in (ink, paper))
    assert ink.any()
    noise = 0.2 if is_palette(row) else 0.006
    assert pixels[ink].max() < 0.1 + noise, f"page {number + 1}: ink became {pixels[ink].max():.2f}"
    if row.hint.name not in ("area", "lock", "division"):  # they have other boundaries
        step = abs(np.diff(pixels, axis=1)).max(2)[paper[:, 1:] & paper[:, :-1]].max()
        assert step < noise, f"page {number + 1}: the color changes by {step:.2f} beside no line"


def the_same_result_twice(row: Row) -> None:
    first = result(row)
    again = ROUTES[row.route](request(row))
    assert len(first.pages) == len(again.pages)
    assert all(map(np.array_equal, first.pages, again.pages))


def invisible_pixels_have_no_effect(row: Row) -> None:
    """Change the colors of transparent pixels, of the input and of the image that provides colors."""
    if not (row.source.is_transparent or row.hint.takes_image):
        return
    for one, other in zip(result(row).pages, result(row, hidden=1).pages, strict=True):
        difference = apart(one, other)
        assert difference == 0, f"visible pixels differ by {difference} levels"


def points_have_their_color(row: Row) -> None:
    if row.hint.name != "point":
        return
    x, y = (place + shift for place, shift in zip(POINT, row.source.pages[0].offset, strict=True))
    for number in colorable_pages(row):
        pixel = unit(result(row).pages[number])[y, x, :3]
        _assert_color(pixel, WARM, shows_photo(row, number), tolerance=10 if is_palette(row) else 2)


def areas_have_their_color(row: Row) -> None:
    if row.hint.name != "area":
        return
    left, top, right, bottom = AREA
    across, down = row.source.pages[0].offset
    x, y = (left + right) // 2 + across, (top + bottom) // 2 + down
    for number in colorable_pages(row):
        pixel = unit(result(row).pages[number])[y, x, :3]
        _assert_color(pixel, COOL, shows_photo(row, number), tolerance=12 if is_palette(row) else 6)


def divided_regions_have_separate_colors(row: Row) -> None:
    """Test a pixel that is nearer to the point on the other side of the dividing line."""
    if row.hint.name != "division":
        return
    for number in colored_pages(row):
        if not shows_photo(row, number):
            pixel = unit(result(row).pages[number])[38, 76, :3]
            _assert_color(pixel, WARM, is_photo=False, tolerance=10 if is_palette(row) else 2)


def _assert_color(pixel: Levels, color: str, is_photo: bool, tolerance: float) -> None:
    """Compare all of a color for a drawing on white paper, and hue and chroma for a photo."""
    found, chosen = Color("srgb", pixel.tolist()), Color(color)
    if not is_photo:
        levels = max(abs(a - b) for a, b in zip(found.coords(), chosen.coords(), strict=True)) * 255
        assert levels <= tolerance, f"{found.to_string(hex=True)} instead of {color}"
        return
    one, other = (each.convert("lch-d65") for each in (found, chosen))
    turn = abs((found.convert("oklch")["hue"] - chosen.convert("oklch")["hue"] + 180) % 360 - 180)
    assert turn < 3 * tolerance, f"the hue of {found.to_string(hex=True)} differs by {turn:.0f} degrees"
    assert abs(one["chroma"] - other["chroma"]) < 2 * tolerance, f"{found.to_string(hex=True)}: chroma"


def locked_areas_are_unchanged(row: Row) -> None:
    if row.hint.name != "lock":
        return
    inside = inside_lock(row)
    for number in colorable_pages(row):
        found, before = result(row).pages[number], unguided(row, number)
        difference = apart(found[inside], before[inside])
        assert difference <= (40 if is_palette(row) else 2), f"page {number + 1}: {difference} levels"
        assert apart(found, before) > 20, "the point beside the area has no effect"


def stored_locks_are_unchanged(row: Row) -> None:
    """Lock the area with the colors that the pad stored with 8 bits at the size of the network input."""
    if row.hint.name != "lock" or row.route != "pad":
        return
    inside = inside_lock(row)
    difference = apart(stored_lock(request(row))[inside], unguided(row)[inside])
    assert difference <= 4, f"{difference} levels"


def inside_lock(row: Row) -> tuple[slice, slice]:
    """Return the rows and columns of the locked area, without its soft edge."""
    left, top, right, bottom = LOCKED
    across, down = row.source.pages[0].offset
    return slice(top + down + 4, bottom + down - 4), slice(left + across + 4, right + across - 4)


def palettes_limit_drawings(row: Row) -> None:
    if row.hint.name != "palette":
        return
    palette = parsed(request(row)).drawing.palette
    colors = np.array([Color(color).coords() for color in palette])
    for number in colored_pages(row):
        if shows_photo(row, number):
            continue
        before, alpha = source_levels(row, number)
        paper = before.min(2) > 0.99 if alpha is None else alpha == 0
        pixels = unit(result(row).pages[number])[paper][:, :3]
        distance = abs(pixels[:, None] - colors[None]).max(2).min(1) * 255
        assert distance.max() <= (16 if is_palette(row) else 1), f"a color is {distance.max()} levels away"


def ignored_guidance_has_no_effect(row: Row) -> None:
    """Guidance that has a note about it gives the result without guidance."""
    if row.hint.name == "division":  # its points act
        return
    for number in colored_pages(row):
        if ("photo" if shows_photo(row, number) else "drawing") in row.hint.notes:
            assert apart(result(row).pages[number], unguided(row, number)) == 0


def finish_makes_colors_warmer(row: Row) -> None:
    if row.hint.name != "finish":
        return
    for number in colorable_pages(row):
        found, before = (unit(each)[..., :3] for each in (result(row).pages[number], unguided(row, number)))
        assert (rgb2lab(found)[..., 2] - rgb2lab(before)[..., 2]).mean() > 0.5


def crops_are_cut_from_the_whole_result(row: Row) -> None:
    if row.hint.name != "crop":
        return
    for number in colored_pages(row):
        whole = unguided(row, number)[crop_slices(row)]
        difference = apart(result(row).pages[number], whole)
        assert difference <= (60 if is_palette(row) else 0), f"page {number + 1}: {difference} levels"


def references_change_colors(row: Row) -> None:
    if row.hint.name not in ("reference", "histogram"):
        return
    for number in colorable_pages(row):
        if shows_photo(row, number) or row.hint.name == "reference":
            difference = apart(result(row).pages[number], unguided(row, number))
            assert difference > 4, f"page {number + 1}: {difference} levels"


def notes_are_as_documented(row: Row) -> None:
    for note in expected_notes(row):
        assert note in result(row).notes, f"{note!r} is missing in {result(row).notes!r}"


def file_is_as_documented(row: Row) -> None:
    """Test size, alpha, depth, EXIF, resolution and color profile of the result."""
    outcome = result(row)
    for number in colored_pages(row):
        before, alpha = source_levels(row, number)
        pixels = outcome.pages[number]
        assert pixels.shape[:2] == before.shape[:2]
        keeps_alpha = alpha is not None and shows_photo(row, number)
        assert (pixels.shape[2] == 4) == keeps_alpha
        if keeps_alpha:
            assert np.array_equal(pixels[..., 3], alpha)
        if row.route != "Colorizer":
            is_deep = row.source.pages[number].form == "deep"
            assert pixels.dtype == (np.uint16 if is_deep else np.uint8)
    if outcome.path is None or outcome.path.suffix == ".gif" or not row.source.has_exif:
        return
    with Image.open(outcome.path) as image:
        exif = image.getexif()
        assert exif.get(315) == ARTIST
        assert exif.get(274, 1) == 1, "the orientation is applied twice"
        assert np.allclose([float(each) for each in image.info["dpi"]], DPI, atol=1)
        assert ("icc_profile" in image.info) == (row.source.name == "tinted")


def finished_results_are_skipped(row: Row) -> None:
    if row.route == "command":
        given = replace(request(row), folder=result(row).path.parent)
        words = given.image, "-o", given.target
        assert "already exists with the same source and settings" in colorize_command(given, *words)


def tensors_give_the_result_of_points(row: Row) -> None:
    """Guidance tensors have no reach, so a recipe with a limited reach is an error."""
    if row.hint.name != "point" or row.route != "Colorizer" or row.source.name == "framed scan":
        return
    image = read_image(request(row).image)
    recipe = parsed(request(row))
    everywhere = replace(recipe, points=tuple(replace(each, reach="everywhere") for each in recipe.points))
    model = colorizer(model_of(row))
    found = [model.colorize(image, each).levels() for each in (_tensors(everywhere, image.size), everywhere)]
    assert apart(*found) <= 1
    with pytest.raises(GuidanceError):
        _tensors(recipe, image.size)


def _tensors(recipe: Recipe, size: tuple[int, int]) -> Guidance:
    return recipe.to_guidance(*size)


def other_references_have_a_note(row: Row) -> None:
    """Replace the reference by another file of the same name; run last, because the files change."""
    if row.hint.name != "reference" or row.route != "recipe of another route":
        return
    folder = result(row).path.parent
    Image.new("RGB", (40, 30), COOL).save(folder / "colors.png")
    image = next(folder.glob(f"{row.source.name.replace(' ', '_')}.*"))
    words = "colorize", image, "--recipe", folder / "recorded.json", "-o", folder / "other.png"
    code, out, errors = run_command(*words)
    assert code == 0, errors
    assert "made for another reference" in out


CHECKS: tuple[Callable[[Row], None], ...] = (
    each_page_is_colored_as_a_file_alone,
    lightness_or_ink_is_kept,
    the_same_result_twice,
    invisible_pixels_have_no_effect,
    points_have_their_color,
    areas_have_their_color,
    divided_regions_have_separate_colors,
    locked_areas_are_unchanged,
    stored_locks_are_unchanged,
    palettes_limit_drawings,
    ignored_guidance_has_no_effect,
    finish_makes_colors_warmer,
    crops_are_cut_from_the_whole_result,
    references_change_colors,
    notes_are_as_documented,
    file_is_as_documented,
    finished_results_are_skipped,
    tensors_give_the_result_of_points,
    other_references_have_a_note,
)


def shows_photo(row: Row, number: int) -> bool:
    """Return whether the expected model of a page is the model for photos."""
    return model_of(row, number) == MODELS["photo"]


def is_palette(row: Row) -> bool:
    """Return whether the palette of a GIF limits the colors of the result."""
    return row.source.result == ".gif" and row.route not in IN_MEMORY


def unit(levels: Levels) -> Levels:
    return levels / np.iinfo(levels.dtype).max


def apart(one: Levels, other: Levels) -> float:
    """Return the largest difference of visible pixels in levels of 8 bits; alpha must be equal."""
    assert one.shape == other.shape, f"the shapes are {one.shape} and {other.shape}"
    if one.dtype != other.dtype:  # 8 bits in memory of 16 bits in a file
        one, other = (each if each.dtype == np.uint8 else np.rint(each / 257) for each in (one, other))
        difference = abs(one.astype(float) - other)
        return float(np.where(difference <= 1, 0, difference).max())
    scale = 255 / np.iinfo(one.dtype).max
    difference = abs(one.astype(float) - other.astype(float)) * scale
    if one.shape[-1] == 4:
        assert np.array_equal(one[..., 3], other[..., 3]), "alpha differs"
        difference = difference[one[..., 3] > 0]
    return float(difference.max())


def near_healing(row: Row, shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask of the pixels that a healing stroke can change."""
    across, down = row.source.pages[0].offset
    (left, y, *_), (right, _), width = HEALED
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    reach = width / 2 + 2
    is_beside = (columns > left + across - reach) & (columns < right + across + reach + 1)
    return is_beside & (abs(rows - y - down) <= reach)


# properties of evaluations


@cache
def evaluation(row: Row, hidden: int = 0) -> Evaluation:
    return by_evaluate(request(row, hidden))


def guidance_options_are_refused_in_one_line(row: Row) -> None:
    """`evaluate` simulates guidance; it has no option for guidance of a user."""
    for option in ("--recipe", row.hint.option):
        if option:
            code, out, errors = run_command("evaluate", "--models", "gray", option, "x")
            assert (code, out, errors.count("\n")) == (2, "", 1), errors
            assert option in errors


def scores_of_results_match_their_pixels(row: Row) -> None:
    if unsupported(row):
        return
    found = evaluation(row)
    before, alpha = source_levels(row, 0)
    one, other = on_white(before, alpha), on_white(unit(found.result)[..., :3], opacity(found.result))
    error = np.mean((one - other) ** 2)
    score = 10 * np.log10(1 / error) if error else np.inf
    assert found.scores["results", 0] == pytest.approx(score, abs=0.02)


def models_score_as_their_results(row: Row) -> None:
    """Without guidance, a model has the score of the results that `colorzoo colorize` wrote."""
    if unsupported(row) or not (is_simulated(row) or row.hint is NONE):
        return
    plain = evaluation(Row(row.source, NONE, row.route))
    score = plain.scores["model", 0]
    assert evaluation(row).scores["model", 0] == pytest.approx(score, abs=1e-3)
    # evaluation composites its images on white, and the palette of a GIF changes its results
    if not (row.source.is_transparent or is_palette(row)):
        assert plain.scores["results", 0] == pytest.approx(score, abs=0.05)


def simulated_hints_are_repeatable(row: Row) -> None:
    if is_simulated(row) and not unsupported(row):
        assert by_evaluate(request(row)).scores == evaluation(row).scores


def invisible_pixels_have_no_effect_on_scores(row: Row) -> None:
    """Compare scores without simulated hints, whose random numbers depend on the file."""
    if unsupported(row) or not (row.source.is_transparent or row.hint.takes_image):
        return
    for method in dict.fromkeys(name for name, _ in evaluation(row).scores):
        one, other = (evaluation(row, hidden).scores[method, 0] for hidden in (0, 1))
        assert one == pytest.approx(other, abs=1e-6), f"{method}: {one} dB or {other} dB"


def unsupported_rows_are_refused(row: Row) -> None:
    if reason := unsupported(row):
        with pytest.raises(DataError, match=reason) as error:
            evaluation(row)
        assert "\n" not in str(error.value)


def unsupported(row: Row) -> str:
    """Return a part of the documented error of a row that cannot be evaluated, or an empty string."""
    return "must have the size of" if row.hint.name == "crop" else ""


EVALUATION_CHECKS: tuple[Callable[[Row], None], ...] = (
    guidance_options_are_refused_in_one_line,
    unsupported_rows_are_refused,
    scores_of_results_match_their_pixels,
    models_score_as_their_results,
    simulated_hints_are_repeatable,
    invisible_pixels_have_no_effect_on_scores,
)


def on_white(rgb: Levels, alpha: Levels | None) -> Levels:
    """Composite pixels in [0, 1] on white, rounded to 8 bits as evaluation does."""
    if alpha is not None:
        share = unit(alpha)[..., None] if alpha.dtype.kind == "u" else alpha[..., None]
        rgb = rgb * share + 1 - share
    return np.rint(rgb * 255) / 255


def opacity(pixels: Levels) -> Levels | None:
    return pixels[..., 3] if pixels.shape[2] == 4 else None
