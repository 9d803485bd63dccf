"""Guidance: the limits and the defaults of recipes, and the numbers of propagation and statistics."""

from mutation import mutants_in

ROWS = {
    "areas": (
        ("most", "MAX_AREAS = 64", "MAX_AREAS = 63"),
        ("more", "MAX_AREAS = 64", "MAX_AREAS = 65"),
        ("side", "_MAX_SIDE = 4096", "_MAX_SIDE = 2048"),
        ("larger-side", "_MAX_SIDE = 4096", "_MAX_SIDE = 8192"),
        ("corners", "_MIN_CORNERS = 3", "_MIN_CORNERS = 4"),
        ("fewer-corners", "_MIN_CORNERS = 3", "_MIN_CORNERS = 2"),
    ),
    "fields": (
        ("corners", "MAX_CORNERS = 10_000", "MAX_CORNERS = 5_000"),
        ("more-corners", "MAX_CORNERS = 10_000", "MAX_CORNERS = 20_000"),
        ("huge", "_HUGE = 1e9", "_HUGE = 1e8"),
        ("more-huge", "_HUGE = 1e9", "_HUGE = 1e10"),
        ("reach", "MAX_REACH = 10.0", "MAX_REACH = 5.0"),
        ("more-reach", "MAX_REACH = 10.0", "MAX_REACH = 20.0"),
    ),
    "frame": (
        ("least-side", "_LEAST_SIDE = 8", "_LEAST_SIDE = 9"),
        ("smaller-side", "_LEAST_SIDE = 8", "_LEAST_SIDE = 4"),
    ),
    "objects": (
        ("divisions", "MAX_DIVISIONS = 100", "MAX_DIVISIONS = 50"),
        ("more-divisions", "MAX_DIVISIONS = 100", "MAX_DIVISIONS = 200"),
        ("painted", "MAX_PAINTED = 256", "MAX_PAINTED = 128"),
        ("more-painted", "MAX_PAINTED = 256", "MAX_PAINTED = 512"),
        ("references", "MAX_REFERENCES = 16", "MAX_REFERENCES = 8"),
        ("more-references", "MAX_REFERENCES = 16", "MAX_REFERENCES = 32"),
        ("classes", "_MAX_CLASSES = 4096", "_MAX_CLASSES = 2048"),
        ("more-classes", "_MAX_CLASSES = 4096", "_MAX_CLASSES = 8192"),
        ("bins", "_BINS = 313", "_BINS = 314"),
    ),
    "paint": (
        ("most", "MAX_PAINT = 1024", "MAX_PAINT = 512"),
        ("more", "MAX_PAINT = 1024", "MAX_PAINT = 2048"),
        ("size", "_SIZE, _HARDNESS = 20.0", "_SIZE, _HARDNESS = 10.0"),
        ("hardness", "_SIZE, _HARDNESS = 20.0, 0.5", "_SIZE, _HARDNESS = 20.0, 0.25"),
        ("opacity", "opacity: float = 1.0", "opacity: float = 0.5"),
    ),
    "recipe": (
        ("strength", "MAX_STRENGTH = 1.5", "MAX_STRENGTH = 1.0"),
        ("more-strength", "MAX_STRENGTH = 1.5", "MAX_STRENGTH = 2.0"),
        ("ab", "MAX_AB = 150.0", "MAX_AB = 110.0"),
        ("more-ab", "MAX_AB = 150.0", "MAX_AB = 200.0"),
        ("points", "MAX_POINTS = 2048", "MAX_POINTS = 1024"),
        ("more-points", "MAX_POINTS = 2048", "MAX_POINTS = 4096"),
        ("scribbles", "MAX_SCRIBBLES = 512", "MAX_SCRIBBLES = 256"),
        ("more-scribbles", "MAX_SCRIBBLES = 512", "MAX_SCRIBBLES = 1024"),
        ("regions", "MAX_REGIONS = 1024", "MAX_REGIONS = 512"),
        ("more-regions", "MAX_REGIONS = 1024", "MAX_REGIONS = 2048"),
        ("boxes", "MAX_BOXES = 64", "MAX_BOXES = 32"),
        ("more-boxes", "MAX_BOXES = 64", "MAX_BOXES = 128"),
        ("version", "VERSION = 2 ", "VERSION = 3 "),
        ("radius", "radius: float = 3.0", "radius: float = 1.5"),
        ("width", "width: float = 5.0", "width: float = 2.5"),
    ),
    "replacements": (
        ("most", "MAX_REPLACEMENTS = 64", "MAX_REPLACEMENTS = 32"),
        ("more", "MAX_REPLACEMENTS = 64", "MAX_REPLACEMENTS = 128"),
        ("least-chroma", "LEAST_CHROMA = 4.0", "LEAST_CHROMA = 2.0"),
        ("more-chroma", "LEAST_CHROMA = 4.0", "LEAST_CHROMA = 6.0"),
        ("range", "_RANGE = _FADE = 20.0", "_RANGE = _FADE = 10.0"),
        ("degrees", "_MOST = 180.0", "_MOST = 90.0"),
        ("more-degrees", "_MOST = 180.0", "_MOST = 360.0"),
    ),
    "propagate": (
        ("variance", "VARIANCE_SHARE = 0.3", "VARIANCE_SHARE = 0.6"),
        ("least-variance", "LEAST_VARIANCE = 0.01", "LEAST_VARIANCE = 0.02"),
        ("least-weight", "LEAST_WEIGHT = 1e-6", "LEAST_WEIGHT = 1e-7"),
    ),
    "rasterize": (
        ("widest", "_MAX_WIDTH = 1e5", "_MAX_WIDTH = 1e2"),
        ("shown", "_SHOWN_LIGHTNESS = 60.0", "_SHOWN_LIGHTNESS = 50.0"),
    ),
    "color_statistics": (
        ("size", "_SIZE = 256", "_SIZE = 128"),
        ("cell", "_CELL = 4", "_CELL = 2"),
        ("larger-cell", "_CELL = 4", "_CELL = 8"),
    ),
}
TESTS = {
    "propagate": ("guidance/test_propagate.py",),
    "rasterize": ("guidance/test_rasterize.py",),
    "color_statistics": ("guidance/test_rasterize.py",),
}

MUTANTS = mutants_in(
    "guidance",
    ROWS,
    TESTS,
    tuple(
        f"guidance/test_recipe.py::test_{name}"
        for name in (
            "a_list_may_be_as_long_as_the_schema_says",
            "a_value_may_be_as_large_as_documented",
            "what_is_left_out_is_as_the_schema_says",
            "schema_and_parser_refuse_the_same_and_the_error_names_the_field",
        )
    ),
)
