"""Pictures: the named numbers of reading and writing, and features switched off."""

from mutation import mutants_in

ROWS = {
    "samples": (
        ("overshoot", "_OVERSHOOT = 0.1", "_OVERSHOOT = 0.3"),
        ("no-overshoot", "_OVERSHOOT = 0.1", "_OVERSHOOT = 0.01"),
        ("dark", "_DARK = 1 / 16", "_DARK = 1 / 64"),
        ("less-dark", "_DARK = 1 / 16", "_DARK = 1 / 4"),
        ("ycc", "_YCC = 18", "_YCC = 16"),
    ),
    "picture": (
        ("fewest-samples", "_FEWEST_SAMPLES = 64", "_FEWEST_SAMPLES = 8"),
        ("scatter", "_LARGEST_SCATTER = 2.5", "_LARGEST_SCATTER = 6.0"),
        ("less-scatter", "_LARGEST_SCATTER = 2.5", "_LARGEST_SCATTER = 1.0"),
        ("gray-levels", "spread > 3.01 / 255", "spread > 6.01 / 255"),
        ("gray-share", "<= 0.001)", "<= 0.01)"),
        ("strong-tints", ", 95) > 50:", ", 95) > 500:"),
        ("misfit", "< 1.2\n", "< 12\n"),
        ("sepia-hues", "30 <= np.degrees", "130 <= np.degrees"),
        ("gray-side", "_GRAY_SIDE = 1024", "_GRAY_SIDE = 512"),
        ("tint-side", "_TINT_SIDE = 256", "_TINT_SIDE = 128"),
    ),
    "pixels": (
        ("intent-of-curves", "else CMS.INTENT.RELATIVE_COLORIMETRIC", "else CMS.INTENT.PERCEPTUAL"),
        (
            "intent-of-tables",
            "CMS.INTENT.PERCEPTUAL if has_table",
            "CMS.INTENT.RELATIVE_COLORIMETRIC if has_table",
        ),
    ),
    "salvage": (("most", "_MOST = 100", "_MOST = 10000"), ("less", "_MOST = 100", "_MOST = 20")),
    "tags": (
        ("largest-value", "LARGEST_VALUE = 2**24", "LARGEST_VALUE = 2**12"),
        ("nested", "_MOST_NESTED = 3", "_MOST_NESTED = 1"),
        ("description", "DESCRIPTION, ORIENTATION = 270", "DESCRIPTION, ORIENTATION = 271"),
        ("orientation", "DESCRIPTION, ORIENTATION = 270, 274", "DESCRIPTION, ORIENTATION = 270, 275"),
        ("exif", "EXIF_IFD, GPS_IFD, INTEROP_IFD = 34665", "EXIF_IFD, GPS_IFD, INTEROP_IFD = 34666"),
        ("gps", "INTEROP_IFD = 34665, 34853", "INTEROP_IFD = 34665, 34854"),
        ("iptc", "IPTC, PHOTOSHOP, LAYERS = 33723", "IPTC, PHOTOSHOP, LAYERS = 33724"),
        ("layers", "LAYERS = 33723, 34377, 37724", "LAYERS = 33723, 34377, 37725"),
        ("words", "_WORDS = {5: 4, 10: 4}", "_WORDS = {5: 8, 10: 8}"),
    ),
    "png": (
        ("srgb-gamma", "45455, 10_000, 300_000", "40000, 10_000, 300_000"),
        ("least-gamma", "45455, 10_000, 300_000", "45455, 1_000, 300_000"),
        ("most-gamma", "45455, 10_000, 300_000", "45455, 10_000, 3_000_000"),
        (
            "linear",
            "_LINEAR, _PLAIN_TRANSFERS, _PLAIN_PRIMARIES = 8",
            "_LINEAR, _PLAIN_TRANSFERS, _PLAIN_PRIMARIES = 9",
        ),
        ("clear", "_CLEAR, _RESTORE = 1, 2", "_CLEAR, _RESTORE = 3, 2"),
        ("restore", "_CLEAR, _RESTORE = 1, 2", "_CLEAR, _RESTORE = 1, 3"),
        ("plain-transfers", "(1, 6, 13, 14, 15)", "(1, 6, 14, 15)"),
        ("plain-primaries", "(1, 2)  # codes", "(2,)  # codes"),
    ),
    "write": (
        ("longest-webp", '"WEBP": 16383', '"WEBP": 36383'),
        ("rows-lost", "rows = slice(first, first + _ROWS)", "rows = slice(first, first + 255)"),
        ("segment", "_JPEG_SEGMENT = 65533", "_JPEG_SEGMENT = 65535"),
        ("smaller-segment", "_JPEG_SEGMENT = 65533", "_JPEG_SEGMENT = 32767"),
        ("prefix-of-exif", '"exif": 6', '"exif": 0'),
        ("prefix-of-xmp", '"xmp": 29', '"xmp": 0'),
        ("longest-jpeg", '"JPEG": 65500', '"JPEG": 65535'),
    ),
    "write_frames": (
        ("clear", "_LEAVE, _CLEAR = 1, 2", "_LEAVE, _CLEAR = 1, 1"),
        ("quality", "quality: int = 95", "quality: int = 94"),
    ),
    "tiff": (
        (
            "multiplied-alpha",
            "_MULTIPLIED_ALPHA, _STRAIGHT_ALPHA = 1, 2",
            "_MULTIPLIED_ALPHA, _STRAIGHT_ALPHA = 3, 2",
        ),
        (
            "straight-alpha",
            "_MULTIPLIED_ALPHA, _STRAIGHT_ALPHA = 1, 2",
            "_MULTIPLIED_ALPHA, _STRAIGHT_ALPHA = 1, 3",
        ),
        ("pages", "_MOST_PAGES = 100_000", "_MOST_PAGES = 1"),
    ),
    "provenance": (
        ("longest-recipe", "_LONGEST_RECIPE = 16_000", "_LONGEST_RECIPE = 160_000"),
        ("empty-fields", "if value or name not in _LATER_FIELDS", "if value is not None"),
    ),
    "find": (
        ("named", "_MOST_NAMED = 10", "_MOST_NAMED = 5"),
        ("more-named", "_MOST_NAMED = 10", "_MOST_NAMED = 11"),
        ("longest-name", "_MAX_NAME = 255", "_MAX_NAME = 200"),
        ("longer-name", "_MAX_NAME = 255", "_MAX_NAME = 256"),
    ),
    "read": (
        ("most-pixels", "MAX_PIXELS = 200_000_000", "MAX_PIXELS = 100_000_000"),
        ("more-pixels", "MAX_PIXELS = 200_000_000", "MAX_PIXELS = 300_000_000"),
    ),
    "formats": (("ratio", "(4, 3), (3, 2)", "(3, 4), (3, 2)"),),
    "metadata": (
        ("bits", "_BITS, _SAMPLE_FORMAT, _FLOATS = 258", "_BITS, _SAMPLE_FORMAT, _FLOATS = 259"),
        ("floats", "_FLOATS = 258, 339, 3", "_FLOATS = 258, 339, 2"),
    ),
}
PICTURES = "pictures/test_pictures.py::test_"
SIDES = f"{PICTURES}every_pixel_up_to_1024_a_side_tells_color_and_up_to_256_a_tint"
TESTS = {
    "find": ("pictures/test_find.py",),
    "read": ("pictures/test_errors.py::test_200_million_pixels_are_read",),
    "formats": ("pictures/test_plugins.py",),
    "metadata": ("pictures/test_tiff_tags.py", "pictures/test_metadata.py"),
    "picture-gray-side": (SIDES,),
    "picture-tint-side": (SIDES,),
    **{
        f"write-{name}": (
            "pictures/test_metadata.py::test_a_segment_of_a_jpeg_holds_65533_bytes_with_its_mark",
        )
        for name in ("segment", "smaller-segment", "prefix-of-exif", "prefix-of-xmp")
    },
    "samples": (
        "pictures/test_samples.py::test_a_scale_that_no_file_declares_is_guessed_and_said",
        "pictures/test_samples.py::test_a_dark_portable_map_stays_dark",
        "pictures/test_samples.py::test_jpeg_2000_of_every_number_of_bits",
    ),
    "picture": (
        f"{PICTURES}limits_of_gray",
        f"{PICTURES}limits_of_tints",
        f"{PICTURES}sepia_gray_and_color_are_told_apart",
        f"{PICTURES}a_blue_tint_is_named_a_tint_and_a_blue_wall_is_not",
        f"{PICTURES}a_palette_in_color_is_no_tint_and_one_of_a_tint_is",
        f"{PICTURES}a_palette_of_16_muted_colors_is_no_tint",
        f"{PICTURES}gray_jpeg_stored_as_color_counts_as_gray",
    ),
    "pixels": (
        "pictures/test_profiles.py::test_table_profiles_are_applied_at_full_depth",
        "pictures/test_profiles.py",
    ),
    "tags": ("pictures/test_tiff_tags.py", "pictures/test_metadata.py"),
    "png": ("pictures/test_png_gamma.py", "pictures/test_frames.py"),
    "write": ("pictures/test_errors.py", "pictures/test_metadata.py", "pictures/test_pictures.py"),
    "write_frames": ("pictures/test_frames.py",),
    "tiff": (
        "pictures/test_samples.py::test_tiff_with_alpha_of_either_kind",
        "pictures/test_frames.py",
    ),
}

MUTANTS = mutants_in("pictures", ROWS, TESTS)
