"""Metrics: their named numbers."""

from mutation import mutants_in

ROWS = {
    "appearance": (
        ("neutral-below", "NEUTRAL_BELOW = 5.0", "NEUTRAL_BELOW = 8.0"),
        ("neutral-window", "NEUTRAL_WINDOW = 9", "NEUTRAL_WINDOW = 5"),
        ("colored-above", "COLORED_ABOVE = 15.0", "COLORED_ABOVE = 10.0"),
        ("visible-above", "VISIBLE_ABOVE = 6.0", "VISIBLE_ABOVE = 9.0"),
        ("hue-tolerance", "math.radians(35)", "math.radians(50)"),
        ("offset", "spread + 0.3 * offset", "spread + 0.2 * offset"),
    ),
    "base": (
        ("least-ab", "_TRUE_AB = (-128.0, 128.0)", "_TRUE_AB = (-256.0, 128.0)"),
        ("most-ab", "_TRUE_AB = (-128.0, 128.0)", "_TRUE_AB = (-128.0, 256.0)"),
        ("slack", "_SLACK = 2e-3", "_SLACK = 0.0"),
        ("more-slack", "_SLACK = 2e-3", "_SLACK = 2e-2"),
    ),
    "perceptual": (("window", "WINDOW = 11", "WINDOW = 9"),),
    "cdr": (("flat", "FLAT = 0.01", "FLAT = 0.1"), ("less-flat", "FLAT = 0.01", "FLAT = 0.0")),
    "exemplar": (("epsilon", "EPSILON = 1e-5", "EPSILON = 1e-2"),),
    "ab_error": (("largest", "LARGEST = 150", "LARGEST = 149"),),
    "psnr": (("span", "AB_SPAN = 220.0", "AB_SPAN = 255.0"),),
}
CHECKS = "metrics/test_common_checks.py::test_"
NAMED = (f"{CHECKS}reference", "metrics/test_edge_cases.py")
TESTS = {
    "base": ("metrics/test_edge_cases.py", f"{CHECKS}wrong_values_are_refused", f"{CHECKS}half_precision"),
    "perceptual": ("metrics/test_perceptual.py", *NAMED),
    "cdr": ("metrics/test_cdr.py::test_a_plane_of_less_than_a_hundredth_has_no_edges",),
}

MUTANTS = mutants_in("metrics", ROWS, TESTS, NAMED)
