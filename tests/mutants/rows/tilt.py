"""Tilted frames of scans: their search, and what is turned upright and back."""

from mutation import Mutant

FRAME, TILT, INSIDE, ANSWER = (f"inference/{name}.py" for name in ("frame", "steps/tilt", "inside", "answer"))
RECTANGLE, WINDOW, FILE = "guidance/frame.py", "studio/window.py", "video/file.py"


def _test(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/inference/test_tilt.py::test_{name}" for name in names)


FOUND = _test(*(f"a_tilted_print_is_found_to_three_percent_of_the_scan[{case}]" for case in ("5-4", "95--6")))
UPRIGHT = _test("less_than_three_tenths_of_a_degree_are_upright")
HALF = _test("half_a_degree_is_a_tilt")
LINES = _test("three_level_lines_are_a_tilted_frame")
FAINT = _test("fewer_or_fainter_lines_are_none")
CORNERS = _test("corners_of_several_tones_are_no_mount")
DUST = _test("dust_in_a_corner_does_not_matter")
OUTSIDE = _test("outside_stays_gray_and_inside_keeps_its_lightness")
POINTS = _test("a_point_colors_its_place_in_a_tilted_print")
STRAIGHT = _test("the_colors_are_those_of_the_straight_picture_turned")
SMOOTH = _test("a_straightened_picture_is_smooth")
LIGHTER = _test("an_area_lightens_its_place_in_a_tilted_print")
RECIPE = _test("a_recipe_moves_to_a_tilted_part")
CELLS = _test("no_cell_of_a_tensor_of_points_is_lost")
PLACES = _test("places_turn_there_and_back")
NUMBERS = _test("tilted_frames_are_read_and_written")
BROKEN = _test("broken_tilts_are_refused", "a_tilt_is_a_number")
WINDOWS = ("tests/studio/test_browser_frames.py::test_maps_of_a_tilted_part_lie_where_it_lies",)
FILMS = ("tests/video/test_video_file.py::test_within_a_tilted_border_a_video_is_colored",)

MUTANTS = (
    Mutant("tilts-too-few", FRAME, "_TILTS = (7.0, 1.0)", "_TILTS = (3.0, 1.0)", FOUND),
    Mutant("tilts-too-coarse", FRAME, "_TILTS = (7.0, 1.0)", "_TILTS = (7.0, 7.0)", FOUND),
    Mutant("tilts-not-finer", FRAME, "_FINER = (1.0, 0.25)", "_FINER = (0.0, 0.25)", (*UPRIGHT, *HALF)),
    Mutant("tilts-of-any-clearness", FRAME, "_CLEAREST = 0.3", "_CLEAREST = 30.0", FOUND),
    Mutant("tilt-less-than-upright", FRAME, "_LEAST_TILT = 0.3", "_LEAST_TILT = 0.15", UPRIGHT),
    Mutant("tilt-more-than-upright", FRAME, "_LEAST_TILT = 0.3", "_LEAST_TILT = 0.7", HALF),
    Mutant("tilt-of-clearer-lines", FRAME, "_SUM = 2.0", "_SUM = 2.6", LINES),
    Mutant("tilt-of-fainter-lines", FRAME, "_SUM = 2.0", "_SUM = 1.4", FAINT),
    Mutant(
        "tilt-of-two-lines", FRAME, "for support in supports) >= 3", "for support in supports) >= 2", FAINT
    ),
    Mutant(
        "tilt-of-all-lines", FRAME, "for support in supports) >= 3", "for support in supports) >= 4", LINES
    ),
    Mutant("tilt-corners-of-any-tone", FRAME, "if np.ptp(corners) > _ALIKE:", "if False:", CORNERS),
    Mutant("tilt-corners-too-large", FRAME, "_CORNER = 0.02", "_CORNER = 0.2", CORNERS),
    Mutant("tilt-corners-too-small", FRAME, "_CORNER = 0.02", "_CORNER = 0.008", DUST),
    Mutant("tilt-copy-too-small", FRAME, "_COARSE = 256", "_COARSE = 24", FOUND),
    Mutant("tilt-ignored-at-last", FRAME, "round(tilt, 2)", "None", FOUND),
    Mutant("tilt-the-other-way", FRAME, "2), tilt, 1.0)", "2), -tilt, 1.0)", FOUND),
    Mutant("straightened-the-other-way", TILT, "_matrix(inside.tilt,", "_matrix(-inside.tilt,", SMOOTH),
    Mutant("straightened-beside", TILT, "inside.outer((0.5, 0.5))", "inside.outer((1.0, 0.5))", SMOOTH),
    Mutant("straightened-roughly", TILT, "cv2.INTER_CUBIC", "cv2.INTER_NEAREST", SMOOTH),
    Mutant("turned-back-the-other-way", TILT, "_matrix(-inside.tilt,", "_matrix(inside.tilt,", POINTS),
    Mutant("turned-back-beyond-the-part", TILT, "(y >= inside.height)] = 0", "(y >= 1e9)] = 0", OUTSIDE),
    Mutant("cells-beyond-the-part", TILT, "if not edge:", "if False:", WINDOWS),
    Mutant("cells-not-to-the-border", TILT, "if not edge:", "if True:", WINDOWS),
    Mutant(
        "tilt-of-a-result-ignored",
        ANSWER,
        "if self.surroundings is None or not self.surroundings.inside.tilt:",
        "if True:",
        STRAIGHT,
    ),
    Mutant("tilt-lightens-nothing", INSIDE, "(gray + whole)", "gray", LIGHTER),
    Mutant(
        "tilt-moves-no-box",
        INSIDE,
        "return across + inside.x - x, down + inside.y - y",
        "return x * 0, y * 0",
        RECIPE,
    ),
    Mutant(
        "tilt-loses-cells",
        INSIDE,
        "if inside.tilt and guidance.points",
        "if False and guidance.points",
        CELLS,
    ),
    Mutant(
        "tilt-of-cells-ignored",
        INSIDE,
        "return torch.from_numpy(straighten_cells(maps.numpy(), inside))",
        "pass",
        RECIPE,
    ),
    Mutant(
        "places-turned-the-other-way",
        RECTANGLE,
        "_turned(x, y, -self.tilt)",
        "_turned(x, y, self.tilt)",
        PLACES,
    ),
    Mutant(
        "tilt-of-a-copy-lost", RECTANGLE, "max(1, bottom - top), self.tilt)", "max(1, bottom - top))", PLACES
    ),
    Mutant(
        "tilt-not-written",
        RECTANGLE,
        "tuple(self) if self.tilt else",
        "tuple(self[:4]) if self.tilt else",
        NUMBERS,
    ),
    Mutant(
        "tilt-always-written", RECTANGLE, "tuple(self) if self.tilt else", "tuple(self) if True else", NUMBERS
    ),
    Mutant("most-tilt", RECTANGLE, "_MOST_TILT = 45.0", "_MOST_TILT = 44.0", NUMBERS),
    Mutant("more-tilt", RECTANGLE, "_MOST_TILT = 45.0", "_MOST_TILT = 45.6", BROKEN),
    Mutant(
        "tilt-true",
        RECTANGLE,
        "isinstance(value, int | float) and not isinstance(value, bool)",
        "isinstance(value, int | float)",
        BROKEN,
    ),
    Mutant("window-upright", WINDOW, "if self.inside.tilt:", "if False:", WINDOWS),
    Mutant("video-upright", FILE, "if inside.tilt:", "if False:", FILMS),
)
