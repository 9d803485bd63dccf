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
        ("near", "_NEAR, _FAR = 3", "_NEAR, _FAR = 6"),
        ("nearer", "_NEAR, _FAR = 3", "_NEAR, _FAR = 1"),
        ("far", "_NEAR, _FAR = 3, 8", "_NEAR, _FAR = 3, 16"),
        ("even", "_EVEN = (5.0", "_EVEN = (2.5"),
        ("less-even", "_EVEN = (5.0", "_EVEN = (10.0"),
        ("grain", "_EVEN = (5.0, 12.0", "_EVEN = (5.0, 6.0"),
        ("more-grain", "_EVEN = (5.0, 12.0", "_EVEN = (5.0, 24.0"),
        ("close", "_CLOSE = 0.6", "_CLOSE = 0.3"),
        ("light", "_DARK, _LIGHT = 20.0, 72.0", "_DARK, _LIGHT = 20.0, 80.0"),
        ("less-light", "_DARK, _LIGHT = 20.0, 72.0", "_DARK, _LIGHT = 20.0, 60.0"),
        ("less-dark", "_DARK, _LIGHT = 20.0", "_DARK, _LIGHT = 30.0"),
        ("alike", "_ALIKE = 14.0", "_ALIKE = 7.0"),
        ("less-alike", "_ALIKE = 14.0", "_ALIKE = 21.0"),
        ("same", "_SAME = 1.0", "_SAME = 0.5"),
        ("less-same", "_SAME = 1.0", "_SAME = 1.5"),
    ),
    "selection": (
        ("seen-size", "_SEEN_SIZE = 256", "_SEEN_SIZE = 96"),
        ("cut", "_CUT = 4", "_CUT = 2"),
        ("cut-at-border", "beyond and line.any()", "beyond and False"),
        ("cut-elsewhere", "whole[top : top + side, left", "whole[top : top + side, left // 2"),
        ("cut-for-larger", "mask.sum() < _SAME * most", "mask.sum() < 100 * most"),
        ("step", "_STEP = 1.25", "_STEP = 2.0"),
        ("same", "_SAME = 0.9", "_SAME = 0.2"),
        ("least-part", "_LEAST_PART = 0.001", "_LEAST_PART = 0.9"),
        ("certain", "_CERTAIN = 2.0", "_CERTAIN = 0.0"),
        ("parts-first", '("lips", "teeth", "eyes")', '("lips", "teeth", "skin")'),
        ("sure", "_SURE = 0.7", "_SURE = 0.999"),
        ("hole", "_HOLE = 0.02", "_HOLE = 0.0"),
        ("border-per-size", "_BORDER_PER_SIZE = 0.1", "_BORDER_PER_SIZE = 0.0"),
        ("per-size", "_PER_SIZE = 2.5", "_PER_SIZE = 0.0"),
        ("rounds", "_ROUNDS = 4", "_ROUNDS = 0"),
        ("band", "_BAND = 0.35", "_BAND = 0.0"),
        ("least-pixels", "_LEAST_PIXELS = 24", "_LEAST_PIXELS = 2400000"),
        ("least-share", "_LEAST_SHARE = 0.05", "_LEAST_SHARE = 0.95"),
        ("ab", "_LIGHTNESS_SCALE, _AB_SCALE = 2.55, 2.0", "_LIGHTNESS_SCALE, _AB_SCALE = 2.55, 0.0"),
        ("lightness", "_AB_SCALE = 2.55", "_AB_SCALE = 0.5"),
    ),
    "full_size": (
        ("antialiased", "BICUBIC, ANTIALIASED = -0.75, -0.5", "BICUBIC, ANTIALIASED = -0.75, -0.75"),
        ("cut", "CUT = 3.5", "CUT = 1.75"),
        ("later-cut", "CUT = 3.5", "CUT = 5.25"),
        ("longest", "LONGEST = 4", "LONGEST = 2"),
        ("longer", "LONGEST = 4", "LONGEST = 6"),
        ("bicubic", "BICUBIC, ANTIALIASED = -0.75", "BICUBIC, ANTIALIASED = -0.5"),
        ("rows-lost", "yield first, min(first + step, height)", "yield first, min(first + step, height - 1)"),
    ),
    "colorings": (
        ("count", "count: int = 4", "count: int = 3"),
        ("places", "places: int = 8", "places: int = 5"),
        ("togetherness", "togetherness: int = 4", "togetherness: int = 2"),
        ("any-place", ".sum(dim=(1, 2)).argmax())", ".sum(dim=(1, 2)).argmin())"),
        ("variance", "return int((correlation.square() * variance)", "return int((correlation.square())"),
        ("mean-color", '"qhw,qc->chw", shares, colors).square()', '"qhw,qc->chw", 0 * shares, colors)'),
    ),
    "palette": (
        ("negligible", "negligible: float = 1e-5", "negligible: float = 0.5"),
        ("untrained", "untrained: float = 0.93", "untrained: float = 1.1"),
        ("taken-radius", "taken_radius: int = 3", "taken_radius: int = 0"),
        ("colors", "PALETTE_COLORS = 9", "PALETTE_COLORS = 8"),
        ("starts", "starts: int = 5", "starts: int = 2"),
        ("rounds", "rounds: int = 30", "rounds: int = 15"),
        ("settled", "settled: float = 0.01", "settled: float = 0.5"),
        ("sharpness", "sharpness: float = 1.2", "sharpness: float = 1.0"),
        ("around", "around: int = 8", "around: int = 4"),
        ("less-around", "around: int = 8", "around: int = 16"),
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
    "steps/regions": (
        ("crumbs", "_LEAST_PIXELS = 4", "_LEAST_PIXELS = 400"),
        ("ink", "_INK = 0.5", "_INK = 0.25"),
        ("more-ink", "_INK = 0.5", "_INK = 0.75"),
    ),
    "steps/sketch": (
        ("near", "_NEAR = 0.1", "_NEAR = 0.5"),
        ("midtones", "_MOST_MIDTONES = 0.22", "_MOST_MIDTONES = 0.9"),
        ("ink", "_FEWEST_INK = 1e-4", "_FEWEST_INK = 0.0"),
        ("binary", "_BINARY = 0.97", "_BINARY = 0.9"),
        ("more-binary", "_BINARY = 0.97", "_BINARY = 0.99"),
        ("paper", "_PAPER = 75.0", "_PAPER = 90.0"),
        ("less-paper", "_PAPER = 75.0", "_PAPER = 50.0"),
    ),
    "steps/area_masks": (
        ("longest", "_LONGEST = 4096", "_LONGEST = 16"),
        ("levels", "_LEVELS = 255", "_LEVELS = 15"),
        ("least-step", "_LEAST_STEP = 1e-3", "_LEAST_STEP = 1.0"),
        ("least-radius", "least_radius: int = 2", "least_radius: int = 8"),
    ),
    "inside": (("searched", "_SEARCHED = 1024", "_SEARCHED = 64"),),
    "classes": (
        ("golden", "_GOLDEN = 0.618034", "_GOLDEN = 0.0"),
        ("blend", "_BLEND = 0.55", "_BLEND = 0.0"),
        ("row", "_ROW, _BOX, _LEGEND = 22", "_ROW, _BOX, _LEGEND = 14"),
        ("box", "_LEGEND = 22, 14", "_LEGEND = 22, 21"),
        ("legend", "_LEGEND = 22, 14, 120", "_LEGEND = 22, 14, 80"),
    ),
    "colorizer": (
        ("least-size", "MIN_SIZE, MAX_SIZE = 16", "MIN_SIZE, MAX_SIZE = 32"),
        ("most-size", "MAX_SIZE = 16, 4096", "MAX_SIZE = 16, 8192"),
    ),
    "steps/areas": (("stroke", "stroke: int = 5", "stroke: int = 9"),),
    "steps/classes": (
        ("aspect", "_SAME_ASPECT = 0.02", "_SAME_ASPECT = 0.03"),
        ("less-aspect", "_SAME_ASPECT = 0.02", "_SAME_ASPECT = 0.01"),
        ("largest", "_LARGEST = 65535", "_LARGEST = 32767"),
        ("larger", "_LARGEST = 65535", "_LARGEST = 98303"),
    ),
    "steps/reach": (
        ("least", "least: float = 0.05", "least: float = 0.1"),
        ("factors", "factors: int = 60", "factors: int = 30"),
        ("probed", "probed: float = 0.5", "probed: float = 0.25"),
        ("probed-more", "probed: float = 0.5", "probed: float = 0.75"),
        ("small", "small: float = 0.035", "small: float = 0.02"),
        ("less-small", "small: float = 0.035", "small: float = 0.05"),
        ("ring", "ring: int = 24", "ring: int = 21"),
        ("wider-ring", "ring: int = 24", "ring: int = 27"),
        ("enclosed", "enclosed: float = 2.8", "enclosed: float = 4.2"),
        ("less-enclosed", "enclosed: float = 2.8", "enclosed: float = 1.4"),
        ("gap", "gap: float = 0.1", "gap: float = 0.15"),
        ("less-gap", "gap: float = 0.1", "gap: float = 0.05"),
        ("begin", "begin: float = 0.001", "begin: float = 0.002"),
    ),
    "steps/healing": (("no-channel", "for channel in range(planes.shape[2])", "for channel in range(1)"),),
    "steps/replacing": (
        ("most-chroma", "most_chroma: float = 8.0", "most_chroma: float = 4.0"),
        ("more-chroma", "most_chroma: float = 8.0", "most_chroma: float = 12.0"),
    ),
}
LIMITS_OF_FRAMES = (
    "inference/test_frame.py::test_limits_of_what_is_a_frame",
    "inference/test_frame.py::test_marks_along_a_third_of_every_side_do_not_end_a_frame",
)
TESTS = {
    **{
        f"frame-{name}": LIMITS_OF_FRAMES
        for name in (
            *("near", "nearer", "far", "even", "less-even", "grain", "more-grain", "close", "light"),
            *("less-light", "less-dark", "alike", "less-alike", "same", "less-same"),
        )
    },
    "selection": ("inference/test_selection.py",),
    "colorings": ("inference/test_colorings.py",),
    "palette": (
        *(
            f"inference/test_palette.py::test_{name}"
            for name in (
                "a_color_counts_by_its_logit_times_a_sharpness",
                "a_cluster_lies_at_the_mean_of_its_colors",
                "the_next_point_has_an_eighth_of_the_picture_to_each_side",
            )
        ),
        "inference/test_palette.py",
    ),
    "steps/sketch": (
        *(
            f"inference/test_sketches.py::test_{name}"
            for name in ("a_sketch_with_three_percent_of_grays_is_cleaned", "line_art_has_light_paper")
        ),
        "inference/test_sketches.py",
    ),
    "steps/area_masks": (
        "inference/test_area_maps.py",
        "inference/test_recipes.py",
        "inference/test_area_answers.py",
    ),
    "inside": ("inference/test_frame.py",),
    "full_size-rows-lost": ("cli/test_stylize.py::test_a_change_is_added_in_every_band_of_rows",),
    "classes": ("inference/test_classes.py",),
    "colorizer": ("inference/test_colorizer.py::test_untrained_models_are_refused_in_one_error",),
    "full_size": (
        "inference/test_full_size.py",
        "inference/test_colorizer.py::test_working_sizes",
        "inference/test_colorizer.py::test_tiles_are_bicubic_without_a_seam",
    ),
    "steps/areas": (
        "inference/test_told.py::"
        "test_an_object_is_a_box_beside_those_of_the_recipe_and_a_stroke_of_five_pixels",
    ),
    "steps/reach": ("inference/test_starting_reach.py",),
    "steps/healing": ("inference/test_healing.py",),
    "steps/replacing": ("inference/test_replacements.py",),
}

MUTANTS = mutants_in("inference", ROWS, TESTS)
