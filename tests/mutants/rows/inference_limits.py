"""The named numbers of inference outside of the steps of points and areas."""

from mutation import mutants_in

ROWS = {
    "frame": (
        ("dirt", "_MOST_DIRT = 0.3", "_MOST_DIRT = 0.02"),
        ("clear", "_CLEAR, _FAINT = 0.72", "_CLEAR, _FAINT = 0.4"),
        ("faint", "_CLEAR, _FAINT = 0.72, 0.25", "_CLEAR, _FAINT = 0.72, 0.6"),
        ("fair", "_FAIR = 0.45", "_FAIR = 0.9"),
        ("dark", "_DARK, _LIGHT = 20.0", "_DARK, _LIGHT = 0.0"),
        ("some", "_SOME, _SOME_MEAN = 0.4", "_SOME, _SOME_MEAN = 0.9"),
        ("some-mean", "_SOME, _SOME_MEAN = 0.4, 0.55", "_SOME, _SOME_MEAN = 0.4, 0.95"),
        ("least-inside", "_LEAST_INSIDE = 0.35", "_LEAST_INSIDE = 0.95"),
        ("tilt-ignored", "depth + (abs(self.rise) + 1) // 2", "depth"),
    ),
    "selection": (
        ("grid", "_GRID = 128", "_GRID = 32"),
        ("step", "_STEP = 0.05", "_STEP = 0.5"),
        ("edge", "_EDGE, _FLAT, _AROUND = 0.15", "_EDGE, _FLAT, _AROUND = 0.0"),
        ("soft", "_SOFT = 2.0", "_SOFT = 8.0"),
        ("far", "_FAR, _NEAR = 60.0", "_FAR, _NEAR = 20.0"),
        ("margin", "_MARGIN = -0.8", "_MARGIN = 0.8"),
        ("hole", "_HOLE = 0.02", "_HOLE = 0.0"),
        ("border-per-size", "_BORDER_PER_SIZE = 0.1", "_BORDER_PER_SIZE = 0.0"),
        ("per-size", "_PER_SIZE = 2.5", "_PER_SIZE = 0.0"),
        ("rounds", "_ROUNDS = 4", "_ROUNDS = 0"),
        ("band", "_BAND = 0.35", "_BAND = 0.0"),
        ("least-pixels", "_LEAST_PIXELS = 24", "_LEAST_PIXELS = 2400000"),
        ("least-share", "_LEAST_SHARE = 0.05", "_LEAST_SHARE = 0.95"),
        ("ab", "_LIGHTNESS_SCALE, _AB_SCALE = 2.55, 2.0", "_LIGHTNESS_SCALE, _AB_SCALE = 2.55, 0.0"),
    ),
    "full_size": (
        ("antialiased", "BICUBIC, ANTIALIASED = -0.75, -0.5", "BICUBIC, ANTIALIASED = -0.75, -0.75"),
    ),
    "palette": (
        ("negligible", "negligible: float = 1e-5", "negligible: float = 0.5"),
        ("untrained", "untrained: float = 0.93", "untrained: float = 1.1"),
        ("taken-radius", "taken_radius: int = 3", "taken_radius: int = 0"),
        ("colors", "PALETTE_COLORS = 9", "PALETTE_COLORS = 8"),
    ),
    "steps/pages": (
        ("line", "line: float = 0.04", "line: float = 0.004"),
        ("even", "even: float = 8.0", "even: float = 0.5"),
        ("flat", "flat: float = 3.0", "flat: float = 0.03"),
        ("patch", "patch: float = 1.5", "patch: float = 0.015"),
        ("least", "least: float = 1e-3", "least: float = 0.1"),
        ("patches", "patches: int = 10", "patches: int = 40"),
        ("fewer-patches", "patches: int = 10", "patches: int = 1"),
        ("covered", "covered: float = 0.85", "covered: float = 0.995"),
        ("less-covered", "covered: float = 0.85", "covered: float = 0.0"),
    ),
    "steps/regions": (("crumbs", "_LEAST_PIXELS = 4", "_LEAST_PIXELS = 400"),),
    "steps/sketch": (
        ("near", "_NEAR = 0.1", "_NEAR = 0.5"),
        ("midtones", "_MOST_MIDTONES = 0.22", "_MOST_MIDTONES = 0.9"),
        ("ink", "_FEWEST_INK = 1e-4", "_FEWEST_INK = 0.0"),
    ),
    "steps/area_masks": (
        ("longest", "_LONGEST = 4096", "_LONGEST = 16"),
        ("levels", "_LEVELS = 255", "_LEVELS = 15"),
        ("least-step", "_LEAST_STEP = 1e-3", "_LEAST_STEP = 1.0"),
        ("least-radius", "least_radius: int = 2", "least_radius: int = 8"),
    ),
    "inside": (("searched", "_SEARCHED = 1024", "_SEARCHED = 64"),),
    "stylize": (("tiles-lost", "last = min(first + step, height)", "last = min(first + step, height - 1)"),),
    "classes": (
        ("golden", "_GOLDEN = 0.618034", "_GOLDEN = 0.0"),
        ("blend", "_BLEND = 0.55", "_BLEND = 0.0"),
    ),
}
TESTS = {
    "selection": ("inference/test_selection.py",),
    "steps/sketch": ("inference/test_sketches.py",),
    "steps/area_masks": (
        "inference/test_area_maps.py",
        "inference/test_recipes.py",
        "inference/test_area_answers.py",
    ),
    "inside": ("inference/test_frame.py",),
    "stylize": ("cli/test_stylize.py::test_a_change_is_added_in_every_band_of_rows",),
    "classes": ("inference/test_classes.py",),
}

MUTANTS = mutants_in("inference", ROWS, TESTS)
