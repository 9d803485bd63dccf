"""The studio: the numbers of its limits, of what it shows, and of its threads."""

from mutation import mutants_in

ROWS = {
    "app": (
        ("glimpse", "_GLIMPSE = 1600", "_GLIMPSE = 800"),
        ("larger-glimpse", "_GLIMPSE = 1600", "_GLIMPSE = 2400"),
        ("try-later", "_TRY_LATER = 1013", "_TRY_LATER = 1011"),
        ("grace", "UPLOAD_GRACE = 10.0", "UPLOAD_GRACE = 5.0"),
    ),
    "handlers": (
        ("suggestions", "_MAX_SUGGESTIONS = 32", "_MAX_SUGGESTIONS = 16"),
        ("more-suggestions", "_MAX_SUGGESTIONS = 32", "_MAX_SUGGESTIONS = 48"),
        ("corners", "_LEAST_CORNERS = 3", "_LEAST_CORNERS = 2"),
        ("more-corners", "_LEAST_CORNERS = 3", "_LEAST_CORNERS = 4"),
        ("check", "Request(_check, newest_only=False)", "Request(_check)"),
    ),
    "palette": (
        ("plane", "PLANE_REACH = 110", "PLANE_REACH = 55"),
        ("visible", "VISIBLE_CHANGE = 0.5", "VISIBLE_CHANGE = 0.25"),
        ("less-visible", "VISIBLE_CHANGE = 0.5", "VISIBLE_CHANGE = 0.75"),
    ),
    "photo": (
        ("large", "LARGE = 4_000_000", "LARGE = 2_000_000"),
        ("larger", "LARGE = 4_000_000", "LARGE = 6_000_000"),
        ("preview", "_PREVIEW = 512", "_PREVIEW = 256"),
        ("thumbnail", "_THUMBNAIL = 512", "_THUMBNAIL = 256"),
        ("same-thing", "_SAME_THING = 25.0", "_SAME_THING = 12.5"),
        ("less-the-same", "_SAME_THING = 25.0", "_SAME_THING = 37.5"),
        ("network", "_NETWORK = 256", "_NETWORK = 128"),
        ("larger-network", "_NETWORK = 256", "_NETWORK = 384"),
    ),
    "protocol": (
        ("file", "file_bytes: int = 64", "file_bytes: int = 32"),
        ("pixels", "pixels: int = 100_000_000", "pixels: int = 50_000_000"),
        ("message", "message_bytes: int = 4", "message_bytes: int = 2"),
        ("full", "full_pixels: int = 16_000_000", "full_pixels: int = 8_000_000"),
        ("sessions", "sessions: int = 64", "sessions: int = 96"),
        ("fewer-sessions", "sessions: int = 64", "sessions: int = 32"),
        ("idle", "idle_seconds: float = 3600.0", "idle_seconds: float = 1800.0"),
        ("upload", "upload_seconds: float = 600.0", "upload_seconds: float = 300.0"),
        ("rate", "upload_rate: int = 16_384", "upload_rate: int = 32_768"),
        ("uploads", "uploads: int = 2", "uploads: int = 3"),
        ("download", "download_seconds: float = 300.0", "download_seconds: float = 600.0"),
        ("head", "head: int = 2**18", "head: int = 2**17"),
    ),
    "regions": (
        ("new-point", "NEW_POINT = 1.5", "NEW_POINT = 3.0"),
        ("reach-steps", "REACH_STEPS = 23", "REACH_STEPS = 12"),
        ("tint", "TINT, TINT_ALPHA = (26, 109, 255)", "TINT, TINT_ALPHA = (255, 109, 26)"),
        ("tint-alpha", "(26, 109, 255), 150", "(26, 109, 255), 75"),
    ),
    "sessions": (("reference", "            self.reference = None\n", "            pass\n"),),
    "static_page": (
        ("least-values", "_MIN_VALUES = 64", "_MIN_VALUES = 2**20"),
        ("matrix", "_MIN_MATRIX = 2**16", "_MIN_MATRIX = 2**24"),
        ("axis-of-matrices", "_OUTPUT_AXES = {2: 1", "_OUTPUT_AXES = {2: 0"),
        ("axis-of-convolutions", "4: 0}", "4: 1}"),
        ("error", "_MAX_ERROR = 2.0**-10", "_MAX_ERROR = 2.0**-4"),
        ("less-error", "_MAX_ERROR = 2.0**-10", "_MAX_ERROR = 2.0**-16"),
    ),
    "window": (("longest", "_LONGEST = 2048", "_LONGEST = 4096"),),
    "workers": (
        ("undisturbed", "_UNDISTURBED = 1.2", "_UNDISTURBED = 0.6"),
        ("less-undisturbed", "_UNDISTURBED = 1.2", "_UNDISTURBED = 1.8"),
        ("worthwhile", "_WORTHWHILE = 50.0", "_WORTHWHILE = 25.0"),
        ("less-worthwhile", "_WORTHWHILE = 50.0", "_WORTHWHILE = 75.0"),
        ("retry", "_RETRY_AFTER = 24", "_RETRY_AFTER = 2"),
    ),
    "works": (
        ("most", "MOST_WORKS = 500", "MOST_WORKS = 250"),
        ("more", "MOST_WORKS = 500", "MOST_WORKS = 750"),
    ),
}
HANDLERS = "studio/test_handlers.py::test_"
TESTS = {
    "app": (
        "studio/test_app.py::test_the_gray_photo_at_the_start_has_1600_pixels_a_side",
        "studio/test_app.py::test_pads_beyond_the_limit_are_refused_and_the_others_stay",
    ),
    "handlers": (
        f"{HANDLERS}at_most_32_colors_are_suggested",
        f"{HANDLERS}an_outline_of_one_or_two_corners_is_refused",
        f"{HANDLERS}what_is_no_drag_is_answered_each_time",
    ),
    "palette": (
        f"{HANDLERS}a_color_that_loses_half_a_unit_of_chroma_is_reported",
        f"{HANDLERS}the_gamut_is_opaque_exactly_inside_srgb",
    ),
    "photo": tuple(
        f"studio/test_photo.py::test_{name}"
        for name in (
            "what_differs_by_25_units_is_another_thing",
            "a_speck_is_less_than_a_pixel_of_the_network",
            "a_thumbnail_has_512_pixels_a_side",
            "progress_is_told_above_four_megapixels",
        )
    ),
    "protocol": (
        "studio/test_limits.py::test_the_limits_of_a_server_are_those_of_its_protocol",
        "studio/test_limits.py::test_64_pads_are_open_at_a_time",
    ),
    "app-grace": ("studio/test_limits.py::test_the_limits_of_a_server_are_those_of_its_protocol",),
    # the page has the same numbers
    "regions": ("studio/test_step_vectors.py::test_the_file_is_what_python_computes",),
    "sessions": ("studio/test_handlers_guidance.py::test_a_reference_leaves_with_its_photo",),
    "window": ("studio/test_browser_frames.py::test_a_small_window_of_a_large_photo_gives_no_huge_map",),
}

MUTANTS = mutants_in("studio", ROWS, TESTS)
