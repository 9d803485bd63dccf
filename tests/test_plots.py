"""Contents of plots."""

import json
from pathlib import Path

import numpy as np
import pytest
from coloraide import Color
from matplotlib.figure import Figure
from PIL import Image

from colorzoo import plots
from colorzoo.color import hull_centers
from colorzoo.errors import ColorzooError

GRAY = np.full((8, 6, 3), 128, np.uint8)
RED = np.broadcast_to(np.array([200, 40, 40], np.uint8), GRAY.shape).copy()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return a report of a method with two interaction counts and methods without guidance."""

    def row(method: str, count: int, value: float | str | None) -> dict:
        near = (value - 1, value + 2) if isinstance(value, float) else (value, value)
        score = {"value": value, "low": near[0], "high": near[1]}
        return {"label": method, "interactions": count, "scores": {"psnr@256": score}}

    rows = [row("ours", 10, 30.0), row("ours", 0, 24.0), row("gray", 0, 22.0)]
    rows += [row("truth", 0, "inf"), row("broken", 0, None)]
    target = tmp_path / "results.json"
    target.write_text(json.dumps({"metrics": {"ssim@256": {}, "psnr@256": {}}, "results": rows}))
    return target


def axes():
    return Figure().add_subplot()


def test_report_curves_contain_the_values_of_the_report(results: Path) -> None:
    ours, gray = plots.report_curves(results, "psnr")
    assert ours == plots.Curve("ours", (0, 10), (24.0, 30.0), (23.0, 29.0), (26.0, 32.0))
    assert (gray.name, gray.at) == ("gray", (0,))
    with pytest.raises(ColorzooError, match=r"metric .*ssim@256, psnr@256.*got 'fid'"):
        plots.report_curves(results, "fid")


def test_draw_curves_adds_bands_and_dashes_methods_without_guidance(results: Path) -> None:
    drawn = plots.draw_curves(plots.report_curves(results, "psnr"), axes=axes(), ylabel="dB")
    ours, gray = drawn.lines
    assert ours.get_ydata().tolist() == [24.0, 30.0]
    assert (gray.get_linestyle(), list(gray.get_ydata())) == ("--", [22.0, 22.0])
    (band,) = drawn.collections
    assert band.get_paths()[0].get_extents().extents[[1, 3]].tolist() == [23.0, 32.0]
    assert [text.get_text() for text in drawn.get_legend().get_texts()] == ["ours", "gray"]
    assert [text.get_text() for text in drawn.get_xticklabels()] == ["0", "10"]
    lines, legend = drawn.yaxis.get_gridlines()[0], drawn.get_legend()
    assert (lines.get_visible(), legend.get_frame_on()) == (True, False)


def test_draw_difference_shows_ab_distance_of_each_pixel() -> None:
    half = GRAY.copy()
    half[:, 3:] = RED[:, 3:]
    drawn = plots.draw_difference(Image.fromarray(half), GRAY, axes=axes())
    distance = drawn.images[0].get_array()
    assert distance.shape == (8, 6)
    assert distance[:, :3].max() < 0.1
    a, b = Color("srgb", [level / 255 for level in (200, 40, 40)]).convert("lab-d65").coords()[1:]
    assert distance[:, 3:].mean() == pytest.approx((a**2 + b**2) ** 0.5, abs=0.1)
    assert len(drawn.figure.axes) == 2  # the image and its color bar
    assert drawn.get_title() == f"mean {distance.mean():.1f}"


@pytest.mark.parametrize("kind", [np.float32, np.uint16])
def test_plots_of_images_refuse_arrays_that_are_not_8_bit(kind: type) -> None:
    with pytest.raises(ColorzooError, match="must be uint8, got"):
        plots.draw_difference(RED.astype(kind), RED)
    with pytest.raises(ColorzooError, match="must be uint8, got"):
        plots.draw_gamut(RED.astype(kind))


def test_draw_difference_raises_error_for_different_sizes() -> None:
    with pytest.raises(ColorzooError, match="same size, got 6x8 and 6x4"):
        plots.draw_difference(GRAY, GRAY[:4], axes=axes())


def test_draw_gamut_scales_markers_by_bin_fraction() -> None:
    quarter = GRAY.copy()
    quarter[:2] = RED[:2]
    _, drawn = plots.draw_gamut(quarter, axes=axes()).collections
    areas = dict(zip(map(tuple, hull_centers().tolist()), drawn.get_sizes(), strict=True))
    assert {center: area for center, area in areas.items() if area} == {
        (0, 0): pytest.approx(900 * 0.75**0.5),
        (60, 40): pytest.approx(450),
    }
