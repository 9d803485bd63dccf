"""Lines of drawings: white and black ink, solid black, faint lines, and recognition of line art."""

import cv2
import numpy as np
import pytest

from colorzoo.drawing.lines import LineArt, is_line_art
from colorzoo.drawing.regions import find_regions, is_text
from colorzoo.inference.steps.drawing import read_drawing
from inference.pages import text


def face(*, ink: float = 0, paper: float = 255, line: int = 3) -> np.ndarray:
    """Return a face with two eyes and a mouth beside a door, ``(250, 300)``."""
    image = np.full((250, 300), paper, np.uint8)
    for center, axes in (((100, 100), (60, 60)), ((80, 85), (11, 11)), ((120, 85), (11, 11))):
        cv2.ellipse(image, center, axes, 0, 0, 360, ink, line, cv2.LINE_AA)
    cv2.ellipse(image, (100, 125), (25, 11), 0, 0, 360, ink, line, cv2.LINE_AA)
    cv2.rectangle(image, (200, 60), (260, 215), ink, line)
    return image


def night() -> np.ndarray:
    """Return the face and the door with their outlines on a black wall."""
    image, inside = face(), np.zeros((250, 300), np.uint8)
    cv2.circle(inside, (100, 100), 60, 255, -1)
    cv2.rectangle(inside, (200, 60), (260, 215), 255, -1)
    return np.where(inside > 0, image, 0).astype(np.uint8)


def scanned(image: np.ndarray, grain: float = 2) -> np.ndarray:
    return np.clip(image + np.random.default_rng(0).normal(0, grain, image.shape), 0, 255).astype(np.uint8)


def test_ink_of_a_mostly_black_panel_stays_black() -> None:
    image = night()
    assert np.median(image) == 0
    art = LineArt.read(image)
    assert not art.inverted
    assert np.abs(art.transmission(0, 250)[..., 0] - image / 255).max() < 0.05
    regions = find_regions(art.darkness)
    assert len(np.unique(regions[[100, 85, 85, 125, 150], [50, 80, 120, 100, 230]])) == 5


@pytest.mark.parametrize("line", [1, 3, 6])
def test_white_ink_on_black_paper_is_ink(line: int) -> None:
    image = face(ink=255, paper=0, line=line)
    assert LineArt.read(image).inverted
    assert is_line_art(image)


@pytest.mark.parametrize("level", [0, 25, 70])
def test_wide_solid_black_of_a_scan_stays_ink(level: int) -> None:
    image = face()
    image[60:216, 200:261] = level  # wider than the neighborhood of which the paper is the maximum
    image = scanned(image)
    art = LineArt.read(image)
    assert np.abs(art.transmission(0, 250)[140, 220:240, 0] - level / 255).max() < 0.06
    assert art.darkness[70:205, 210:250].min() > 150
    assert not read_drawing(image).notes


@pytest.mark.parametrize(("ink", "grain"), [(180, 1.5), (195, 3), (205, 0), (205, 3), (225, 1.5), (240, 0)])
def test_faint_lines_separate_regions(ink: int, grain: float) -> None:
    faint, dark = scanned(face(ink=ink), grain), face()
    assert is_line_art(faint)
    plan, expected = read_drawing(faint), read_drawing(dark)
    assert not plan.notes
    assert plan.areas[:5] == pytest.approx(expected.areas[:5], abs=0.005)


def test_faint_tone_between_dark_lines_is_not_a_line() -> None:
    dark, toned = face(), face()
    toned[150:, 5:190] = np.minimum(toned[150:, 5:190], 215)
    assert len(read_drawing(toned).areas) == len(read_drawing(dark).areas)


def test_noise_of_blank_paper_is_not_a_line() -> None:
    paper = np.full((250, 300), 245, np.uint8)
    for sheet in (paper, scanned(paper), scanned(paper, 6)):
        assert not is_line_art(sheet)
        assert len(read_drawing(sheet).areas) == 1
        assert read_drawing(sheet).notes


def test_bold_lines_and_solid_black_are_line_art() -> None:
    bold = face(line=17)
    black = face()
    black[60:216, 200:261] = 0
    black[170:, :150] = 0
    black[40:65, 60:140] = 0
    for image in (bold, black, scanned(black)):
        assert is_line_art(image)
        assert not is_text(image)


def test_silhouettes_with_tones_and_shaded_paper_are_not_line_art() -> None:
    rows, columns = np.mgrid[:250, :300]
    silhouette = face()
    texture = cv2.GaussianBlur(np.random.default_rng(0).uniform(0, 255, (250, 300)), (0, 0), 3)
    texture = 90 * (texture - texture.min()) / np.ptp(texture)
    silhouette[60:216, 160:275] = texture[60:216, 160:275]  # clothes in a photo
    shaded = (face() * (1 - 0.25 * (rows / 250) - 0.25 * (columns / 300))).astype(np.uint8)
    assert not is_line_art(silhouette)
    assert not is_line_art(shaded)


def test_text_differs_from_drawings_in_the_size_of_strokes() -> None:
    open_lines = np.full((250, 300), 255, np.uint8)  # encloses no region
    cv2.ellipse(open_lines, (150, 120), (90, 90), 0, 20, 250, 0, 3, cv2.LINE_AA)
    cv2.line(open_lines, (100, 100), (140, 210), 0, 3, cv2.LINE_AA)
    assert not is_text(open_lines)
    assert not is_text(face())
    for size in (10, 14, 24, 36):
        assert is_text(np.asarray(text(240, 30, size, 8)))
