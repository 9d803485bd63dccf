"""The Gradio demo runs, and its API colorizes with points and references."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import colorzoo
from colorzoo.registry import DEFAULT_MODELS
from tiny_model import gray_image

pytestmark = [pytest.mark.nightly, pytest.mark.filterwarnings("ignore")]

APP = Path(__file__).parents[1] / "docs" / "demo" / "app.py"
POINT = {"x": 30, "y": 20, "color": "#c04020"}


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Start the demo on a free port and return a client."""
    pytest.importorskip("gradio", reason="missing, not passed: python -m pip install 'colorzoo[demo]'")
    from gradio_client import Client

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        environment.setenv("no_proxy", "*")
        demo = runpy.run_path(str(APP))["demo"]
        demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        try:
            yield Client(demo.local_url, verbose=False)
        finally:
            demo.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    gray = Image.fromarray(gray_image(80, 120))
    gray.save(folder / "old.png")
    Image.merge("RGB", [gray, gray.point(lambda v: v // 2), gray.point(lambda v: v // 3)]).save(
        folder / "new.png"
    )
    return folder


def test_demo_returns_the_pixels_of_colorize(client: Any, files: Path) -> None:
    from gradio_client import handle_file

    photo, reference = files / "old.png", files / "new.png"
    cases: list[tuple[list[dict[str, Any]], Path | None]] = [([], None), ([POINT], None), ([], reference)]
    results = []
    for points, path in cases:
        given = None if path is None else handle_file(str(path))
        found = client.predict(handle_file(str(photo)), points, given, api_name="/colorize")
        results.append(np.asarray(Image.open(found)))
        expected = colorzoo.colorize(photo, guidance={"points": points}, reference=path)
        np.testing.assert_array_equal(results[-1], np.asarray(expected))
    assert not np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])


def test_demo_recognizes_drawings(client: Any, tmp_path: Path) -> None:
    from gradio_client import handle_file

    drawing = tmp_path / "drawing.png"
    page = Image.new("L", (300, 240), 255)
    pen = ImageDraw.Draw(page)
    for left in (20, 110, 200):
        pen.ellipse((left, 40, left + 80, 120), outline=0, width=3)
        pen.rectangle((left, 130, left + 80, 210), outline=0, width=3)
    page.save(drawing)
    found = np.asarray(Image.open(client.predict(handle_file(str(drawing)), [], None, api_name="/colorize")))
    expected = colorzoo.colorize(drawing, DEFAULT_MODELS["sketch"])
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_demo_reports_bad_input_as_message(client: Any, files: Path) -> None:
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    outside = [{**POINT, "x": 5000}]
    with pytest.raises(AppError, match="5000"):
        client.predict(handle_file(str(files / "old.png")), outside, None, api_name="/colorize")
    with pytest.raises(AppError, match="image"):
        client.predict(None, [], None, api_name="/colorize")
