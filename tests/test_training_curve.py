"""The training curve of colorzoo2026: its table, its outlook and what the page says of it."""

from importlib.resources import files
from pathlib import Path

import pytest
from docs.models.curve import COLORS, PANELS, PICTURE, Point, draw, outlook, read_points

PAGE = Path(str(files("colorzoo.zoo.colorzoo2026"))) / "README.md"


def point(crops: int, gain: float, rate: str = "constant", seen: str = "unseen") -> Point:
    return Point("first", seen, crops, rate, 1, gain, gain - 0.1, gain + 0.1)


def test_the_table_has_every_line_with_intervals() -> None:
    points = read_points()
    assert {(p.photos, p.seen) for p in points} == {(photos, seen) for photos in PANELS for seen in COLORS}
    assert all(p.low <= p.gain <= p.high for p in points)
    assert len({(p.photos, p.seen, p.crops) for p in points}) == len(points) >= 24


def test_the_outlook_goes_on_in_a_line_over_the_logarithm() -> None:
    ends = [point(1000, 9.0, "falling"), point(16_000, 9.0, "falling")]
    ignored = [*ends, point(500, 9.0), point(20_000, 9.0), point(4000, 9.0, seen="trained on")]
    line = [point(2000, 1.0), point(4000, 1.5), point(8000, 2.0)]
    found = outlook([*ignored, *line], more=48_000)
    assert found.crops == 64_000
    assert (found.gain, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))
    line[1] = point(4000, 1.8)
    found = outlook([*ignored, *line], more=48_000)
    assert found.gain == pytest.approx(1.0)
    assert found.low < 0 < 2 < found.high  # three points that are no line say little


def test_the_page_states_the_outlook() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = outlook(read_points())
    assert f"{found.gain:+.2f} dB ({found.low:+.2f} to {found.high:+.2f})" in page
    assert f"docs/models/{PICTURE.name}" in page


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    draw(read_points(), tmp_path / "curve.svg")
    drawn, kept = ((folder / "curve.svg").read_text() for folder in (tmp_path, PICTURE.parent))
    assert drawn.count("<use") == kept.count("<use")  # points and letters; fonts differ between releases
