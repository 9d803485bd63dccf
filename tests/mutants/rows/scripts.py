"""The studio's JavaScript: the numbers of its steps and of its check of recipes, and what it shows."""

from mutation import Mutant

STEPS = ("tests/studio/test_step_vectors.py::test_javascript_computes_the_same",)
RECIPES = ("tests/studio/test_page_worker.py::test_invalid_recipes_are_refused",)
POINTS = ("tests/studio/test_page_worker.py::test_points_are_told_as_they_are_displayed",)
SELECTED = ("tests/studio/test_browser_areas.py::test_what_is_selected_is_blue_and_the_rest_is_not",)
ROWS = {
    POINTS: {
        "worker/handlers": (
            ("strength", "recipe.strength ?? 1)", "recipe.strength && 1)"),
            ("no-strength", "recipe.strength ?? 1)", "recipe.strength ?? 0)"),
        ),
    },
    ("tests/studio/test_page_worker.py::test_a_picture_goes_first_and_an_export_last",): {
        "worker/handlers": (("rank", "run: exported, rank: 2", "run: exported, rank: 1"),)
    },
    SELECTED: {"js/shapes": (("tint", "bits[i] === 1, [26", "bits[i] !== 1, [26"),)},
    STEPS: {
        "worker/gamut": (
            ("cubic", "CUBIC_FROM = 0.2068966", "CUBIC_FROM = 0.3"),
            ("slope", "SLOPE = 1 / 7.787", "SLOPE = 1 / 5.2"),
            ("luminance", "[0.212671, 0.71516, 0.072169]", "[0.312671, 0.61516, 0.072169]"),
            ("steps", "STEPS = 2 ** 18", "STEPS = 2 ** 9"),
            ("cells", "LIGHTNESS_CELLS = 128", "LIGHTNESS_CELLS = 16"),
            ("saturation", "MAX_S = 1;", "MAX_S = 0.3;"),
            ("precision", "PRECISION = 1e-4", "PRECISION = 1e-1"),
            ("margin", "MARGIN_S = 2e-3", "MARGIN_S = 2e-1"),
            ("share", "MAX_SHARE = 4;", "MAX_SHARE = 0.5;"),
            ("tolerance", "GAMUT_TOLERANCE = 1e-4", "GAMUT_TOLERANCE = 1e-1"),
        ),
        "steps/areas": (
            ("unit", "DISTANCE_UNIT = 2 ** 16", "DISTANCE_UNIT = 2"),
            ("diagonal", "[1, 1.4, 2.1969]", "[1, 1.7, 2.1969]"),
            ("knight", "[1, 1.4, 2.1969]", "[1, 1.4, 3]"),
        ),
        "steps/cropping": (("taps", "TAPS = [-1, 0, 1, 2]", "TAPS = [0, 1]"),),
        "steps/lightness": (("table", "LIGHTNESSES = 201", "LIGHTNESSES = 5"),),
        "steps/replacing": (("degree", "Math.PI / 180", "Math.PI / 90"),),
        "worker/reference": (("side", "SIDE = 256", "SIDE = 128"), ("cell", "CELL = 4", "CELL = 2")),
    },
    RECIPES: {
        "worker/recipe": (
            ("version", "VERSION = 2", "VERSION = 1"),
            ("ab", "MAX_AB = 150", "MAX_AB = 110"),
            ("more-ab", "MAX_AB = 150", "MAX_AB = 200"),
            ("strength", "MAX_STRENGTH = 1.5", "MAX_STRENGTH = 1"),
            ("more-strength", "MAX_STRENGTH = 1.5", "MAX_STRENGTH = 2"),
            ("bins", "BINS = 313", "BINS = 314"),
            ("side", "MAX_SIDE = 4096", "MAX_SIDE = 2048"),
            ("larger-side", "MAX_SIDE = 4096", "MAX_SIDE = 8192"),
        ),
        "steps/checks": (
            ("reach", "MAX_REACH = 10", "MAX_REACH = 5"),
            ("more-reach", "MAX_REACH = 10", "MAX_REACH = 20"),
            ("crop", "LEAST_CROP = 8", "LEAST_CROP = 7"),
            ("crop-angle", "MOST_TURNED = 45", "MOST_TURNED = 46"),
            ("crop-tolerance", "CROP_SLACK = 1e-6", "CROP_SLACK = 0.1"),
        ),
        "steps/replacing": (
            ("chroma", "LEAST_CHROMA = 4", "LEAST_CHROMA = 6"),
            ("less-chroma", "LEAST_CHROMA = 4", "LEAST_CHROMA = 2"),
        ),
    },
}

MUTANTS = tuple(
    Mutant(f"script-{script.rpartition('/')[2]}-{name}", f"studio/static/{script}.js", old, new, tests)
    for tests, scripts in ROWS.items()
    for script, rows in scripts.items()
    for name, old, new in rows
)
