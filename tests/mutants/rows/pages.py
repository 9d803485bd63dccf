"""Pages that have nothing to color."""

from mutation import Mutant

FILE = "inference/steps/pages.py"
GRAY = "tests/inference/test_pages.py::test_a_page_stays_gray_and_is_named"
COLORED = ("tests/inference/test_pages.py::test_a_photo_is_no_page[chelsea_cat]",)
LINES, TARGET, LIGHT = (f"{GRAY}[letters]",), (f"{GRAY}[24 patches]",), (f"{GRAY}[blueprint]",)
SHADED, GRAIN = (f"{GRAY}[shaded paper]",), (f"{GRAY}[target with grain]",)

MUTANTS = (
    Mutant("lines-stay-in-the-ground", FILE, "line: float = 0.04", "line: float = 0.0", LINES),
    Mutant("ground-hardly-even", FILE, "even: float = 8.0", "even: float = 60.0", COLORED),
    Mutant("ground-too-even", FILE, "even: float = 8.0", "even: float = 1.0", SHADED),
    Mutant("patches-without-grain", FILE, "flat: float = 3.0", "flat: float = 0.3", GRAIN),
    Mutant("patches-too-even", FILE, "patch: float = 1.5", "patch: float = 0.1", GRAIN),
    Mutant("patches-too-large", FILE, "least: float = 1e-3", "least: float = 0.05", TARGET),
    Mutant("patches-too-many", FILE, "patches: int = 10", "patches: int = 60", TARGET),
    Mutant("patches-cover-all", FILE, "covered: float = 0.85", "covered: float = 0.99", TARGET),
    Mutant("patches-without-edges", FILE, "_EDGE = 3", "_EDGE = 1", GRAIN),
    Mutant(
        "light-lines-stay",
        FILE,
        "(ndimage.grey_closing, ndimage.grey_opening)",
        "(ndimage.grey_closing,)",
        LIGHT,
    ),
    Mutant(
        "dark-lines-stay",
        FILE,
        "(ndimage.grey_closing, ndimage.grey_opening)",
        "(ndimage.grey_opening,)",
        LINES,
    ),
    Mutant("targets-are-no-pages", FILE, " or _is_of_patches(plane)", "", TARGET),
    Mutant("grounds-are-no-pages", FILE, "_has_even_ground(plane) or ", "", LINES),
    Mutant("pages-are-colored", FILE, "ab=colors.ab * 0) if page", "ab=colors.ab) if page", LINES),
    Mutant("pages-are-not-named", FILE, "(NOTHING_TO_COLOR,) if page else ()", "()", LINES),
    Mutant("all-photos-are-pages", FILE, "    return _has_even", "    return True or _has_even", COLORED),
)
