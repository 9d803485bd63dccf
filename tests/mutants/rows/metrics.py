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
        ("rounding", "ROUNDING = 0.01", "ROUNDING = 0.005"),
        ("more-rounding", "ROUNDING = 0.01", "ROUNDING = 0.015"),
    ),
    "base": (
        ("least-ab", "_TRUE_AB = (-128.0, 128.0)", "_TRUE_AB = (-256.0, 128.0)"),
        ("most-ab", "_TRUE_AB = (-128.0, 128.0)", "_TRUE_AB = (-128.0, 256.0)"),
        ("slack", "_SLACK = 2e-3", "_SLACK = 0.0"),
        ("more-slack", "_SLACK = 2e-3", "_SLACK = 2e-2"),
    ),
    "perceptual": (("window", "WINDOW = 11", "WINDOW = 9"),),
    "cdr": (
        ("flat", "FLAT = 0.01", "FLAT = 0.1"),
        ("less-flat", "FLAT = 0.01", "FLAT = 0.0"),
        ("segments", "segments: int = 250", "segments: int = 125"),
        ("compactness", "compactness: float = 10.0", "compactness: float = 5.0"),
        ("sigma", "    sigma: float = 1.0", "    sigma: float = 2.0"),
        ("edge-sigma", "edge_sigma: float = 1.2", "edge_sigma: float = 0.6"),
        ("low", "low: float = 0.2", "low: float = 0.6"),
        ("high", "high: float = 0.7", "high: float = 0.8"),
        (
            "kernel",
            "high: float = 0.7\n    kernel_size: int = 5",
            "high: float = 0.7\n    kernel_size: int = 7",
        ),
    ),
    "exemplar": (("epsilon", "EPSILON = 1e-5", "EPSILON = 1e-2"),),
    "ab_error": (("largest", "LARGEST = 150", "LARGEST = 149"),),
    "psnr": (("span", "AB_SPAN = 220.0", "AB_SPAN = 255.0"),),
    "ciede2000": (("power", "_25_TO_7 = 25.0**7", "_25_TO_7 = 24.0**7"),),
}
CHECKS = "metrics/test_common_checks.py::test_"
ROUNDING = "metrics/test_edge_cases.py::test_a_hundredth_of_a_decibel_below_gray_is_rounding"
NAMED = (f"{CHECKS}reference", "metrics/test_edge_cases.py")
TESTS = {
    "appearance-rounding": (ROUNDING,),
    "appearance-more-rounding": (ROUNDING,),
    **{
        f"cdr-{name}": NAMED
        for name in ("segments", "compactness", "sigma", "edge-sigma", "low", "high", "kernel")
    },
    "base": ("metrics/test_edge_cases.py", f"{CHECKS}wrong_values_are_refused", f"{CHECKS}half_precision"),
    "perceptual": ("metrics/test_perceptual.py", *NAMED),
    "cdr": ("metrics/test_cdr.py::test_a_plane_of_less_than_a_hundredth_has_no_edges",),
}

MUTANTS = mutants_in("metrics", ROWS, TESTS, NAMED)
