"""Only enabled formats are opened, and no file starts a program."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.opened_image import open_upload
from colorzoo.apps.studio.protocol import Limits, StudioError
from colorzoo.data.decode import decode_rgb
from colorzoo.data.verify import examine
from colorzoo.errors import DataError, ImageError
from colorzoo.image_io.provenance import read_provenance
from colorzoo.image_io.read import read_image
from colorzoo.pixels.formats import FORMATS
from no_programs import watched

# Pillow warns about deprecated formats, which are among the disabled formats
pytestmark = pytest.mark.filterwarnings("ignore:.* image format is deprecated:DeprecationWarning")
Image.init()
EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 40 30
%%EndComments
1 0 0 setrgbcolor 0 0 40 30 rectfill
showpage
"""


def test_reading_eps_starts_no_program(tmp_path: Path) -> None:
    path = tmp_path / "drawing.jpg"
    path.write_bytes(EPS)
    with watched() as started:
        with pytest.raises(ImageError, match="is not an image") as caught:
            read_image(path)
        assert "\n" not in str(caught.value)
        with pytest.raises(ImageError, match="is not an image"):
            read_image(EPS)
        with pytest.raises(ImageError, match="is not an image"):
            decode_rgb(EPS, 16)
        assert examine("drawing.jpg", EPS)[0][0] == "broken"
    assert started == []


@pytest.mark.parametrize("kind", ["EPS", "WMF", "PSD", "FITS", "TGA", "TIFF", "PPM"])
def test_image_readers_use_only_enabled_formats(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Test the command line, Python, the studio and training."""
    opened = []

    def factory(*arguments: Any) -> Image.Image:
        opened.append(arguments)
        return Image.new("L", (4, 4))  # a reader that accepts every file

    monkeypatch.setitem(Image.OPEN, kind, (factory, lambda _: True))
    content = b"the words of no image " * 9
    (tmp_path / "a.jpg").write_bytes(content)
    readers = (
        lambda: read_image(tmp_path / "a.jpg"),
        lambda: read_image(content),
        lambda: main(["colorize", str(tmp_path / "a.jpg"), "--max-pixels", "0.000001"]),
        lambda: open_upload(content, "a.jpg", Limits(pixels=1), 16),
        lambda: decode_rgb(content, 16),
        lambda: examine("a.jpg", content),
        lambda: read_provenance(tmp_path / "a.jpg"),
    )
    with watched() as started:
        for read in readers:
            opened.clear()
            with contextlib.suppress(ImageError, OSError, StudioError, DataError):
                read()
            assert bool(opened) == (kind in FORMATS)
    assert started == []
    capsys.readouterr()
