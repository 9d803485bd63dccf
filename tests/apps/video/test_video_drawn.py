"""Colorization of drawn film."""

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.video.frames import VideoError
from colorzoo.apps.video.run import colorize_video, write_frame

RED, BLUE = (210, 40, 50), (40, 80, 200)
WHITE = (255, 255, 255)


def draw(step: int, face: tuple[int, int, int] = WHITE, box: tuple[int, int, int] = WHITE) -> np.ndarray:
    """Draw a face and a box, which move by 6 pixels in each step, ``(160, 240, 3)``."""
    image = np.full((160, 240, 3), 255, np.uint8)
    for color, width in ((face, -1), ((0, 0, 0), 4)):
        cv2.circle(image, (60 + 6 * step, 80), 40, color, width)
    for x in (48, 72):
        cv2.circle(image, (x + 6 * step, 70), 4, (0, 0, 0), -1)
    for color, width in ((box, -1), ((0, 0, 0), 4)):
        cv2.rectangle(image, (140 + 6 * step, 50), (200 + 6 * step, 110), color, width)
    return image


@pytest.fixture
def film(tmp_path: Path) -> Path:
    (tmp_path / "film").mkdir()
    for step in range(4):
        Image.fromarray(draw(step)[..., 0]).save(tmp_path / "film" / f"f{step}.png")
    return tmp_path / "film"


def test_frames_copy_the_colors_of_a_key_frame(tmp_path: Path, film: Path) -> None:
    key, out = tmp_path / "key.png", tmp_path / "out"
    Image.fromarray(draw(1, RED, BLUE)).save(key)
    summary = colorize_video(film, out, keys={1: key}, device="cpu")
    assert summary["model"] == "colorzoo2026_drawing"
    for step in range(4):
        levels = np.asarray(Image.open(out / f"f{step}.png"))
        assert tuple(levels[100, 60 + 6 * step]) == RED
        assert tuple(levels[100, 160 + 6 * step]) == BLUE
        assert tuple(levels[10, 10]) == WHITE
    # finished shots are kept for the next change of a key frame
    again = colorize_video(film, out, keys={1: key}, device="cpu", overwrite=True)
    assert again["resumed"] == 4


def test_a_video_file_copies_the_colors_of_a_sheet(tmp_path: Path) -> None:
    with av.open(tmp_path / "film.mkv", "w") as container:
        stream = container.add_stream("ffv1", rate=8)
        stream.width, stream.height, stream.pix_fmt = 240, 160, "gray"
        for step in range(2):
            frame = av.VideoFrame.from_ndarray(draw(step)[..., 0].copy(), "gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    sheet, out = tmp_path / "sheet.png", tmp_path / "out.mkv"
    Image.fromarray(draw(5, RED, BLUE)[:, ::-1]).save(sheet)
    summary = colorize_video(tmp_path / "film.mkv", out, references=[sheet], codec="ffv1", device="cpu")
    assert summary["frames"] == 2
    with av.open(out) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    for step, levels in enumerate(frames):
        assert np.abs(levels[100, 60 + 6 * step] - RED).max() < 6
        assert np.abs(levels[100, 160 + 6 * step] - BLUE).max() < 6


def test_missing_key_frames_are_rejected(tmp_path: Path, film: Path) -> None:
    Image.fromarray(draw(1, RED, BLUE)).save(tmp_path / "key.png")
    with pytest.raises(VideoError, match="key frame 9 does not exist"):
        colorize_video(film, tmp_path / "out", keys={9: tmp_path / "key.png"}, device="cpu")
    with pytest.raises(VideoError, match="no frame 4"):
        write_frame(film, tmp_path / "frame.png", 4, device="cpu")
    assert not (tmp_path / "frame.png").exists()


def test_a_frame_has_the_colors_of_the_film_and_its_recipe_is_a_key(tmp_path: Path, film: Path) -> None:
    key, frame = tmp_path / "key.png", tmp_path / "frame.png"
    Image.fromarray(draw(1, RED, BLUE)).save(key)
    colorize_video(film, tmp_path / "out", keys={1: key}, device="cpu", strength=0.8)
    recipe, _ = write_frame(film, frame, 3, keys={1: key}, device="cpu", strength=0.8)
    written = np.asarray(Image.open(tmp_path / "out" / "f3.png").convert("RGB"))
    np.testing.assert_array_equal(Image.open(frame), written)
    # the recipe colors the film as the key image does, and its colors can be changed
    document = json.loads(recipe.read_text())
    points = document["points"]
    assert len(points) == 3
    for face in (RED, (20, 160, 60)):
        points[1]["color"] = "#{:02x}{:02x}{:02x}".format(*face)
        recipe.write_text(json.dumps(document | {"points": points}))
        colorize_video(film, tmp_path / "again", keys={3: recipe}, device="cpu", overwrite=True)
        for step in range(4):
            levels = np.asarray(Image.open(tmp_path / "again" / f"f{step}.png"))
            assert tuple(levels[100, 60 + 6 * step]) == face
            assert tuple(levels[100, 160 + 6 * step]) == BLUE
    # a region has one point, also if the recipe of the frame has a point there
    other, _ = write_frame(film, tmp_path / "other.png", 3, keys={3: recipe}, device="cpu")
    found = json.loads(other.read_text())["points"]
    assert sorted(each["color"] for each in found) == sorted(each["color"] for each in points)


def test_a_part_of_the_film_has_the_colors_of_a_key_frame_outside(tmp_path: Path, film: Path) -> None:
    key = tmp_path / "key.png"
    Image.fromarray(draw(1, RED, BLUE)).save(key)
    colorize_video(film, tmp_path / "out", keys={1: key}, frames=range(2, 4), device="cpu")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["f2.png", "f3.png"]
    assert tuple(np.asarray(Image.open(tmp_path / "out" / "f3.png"))[100, 78]) == RED
