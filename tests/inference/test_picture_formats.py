"""Only the formats that we name are opened, and no program is started by any file."""

import io
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colorzoo.data.decode import decode_rgb
from colorzoo.data.examine import examine
from colorzoo.errors import PictureError
from colorzoo.inference.read import read_picture
from colorzoo.picture_formats import FORMATS, open_picture

Image.init()
OTHERS = sorted(set(Image.OPEN) - set(FORMATS))
EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 40 30
%%EndComments
1 0 0 setrgbcolor 0 0 40 30 rectfill
showpage
"""


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Keep what would have been started."""
    started: list[Any] = []

    def start(*arguments: Any, **options: Any) -> None:
        started.append(arguments)
        raise OSError("no program may be started by a picture")

    for name in ("Popen", "run", "call", "check_call", "check_output"):
        monkeypatch.setattr(subprocess, name, start)
    monkeypatch.setattr("os.system", start)
    return started


def picture() -> Image.Image:
    return Image.fromarray(np.arange(48 * 32 * 3, dtype=np.uint8).reshape(32, 48, 3))


def saved(kind: str) -> bytes | None:
    """Return a picture in a format, None if Pillow cannot write it."""
    memory = io.BytesIO()
    for mode in ("RGB", "L", "1", "P"):
        try:
            picture().convert(mode).save(memory, kind)
        except (KeyError, OSError, ValueError, AttributeError):
            memory = io.BytesIO()
        else:
            return memory.getvalue()
    return None


@pytest.mark.parametrize("name", ["drawing.eps", "drawing.jpg", "drawing.png"])
def test_eps_starts_no_program_under_any_name(name: str, tmp_path: Path, programs: list[Any]) -> None:
    path = tmp_path / name
    path.write_bytes(EPS)
    with pytest.raises(PictureError, match=r"PostScript \(EPS\).*export it as PNG") as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(PictureError, match="PostScript"):
        read_picture(EPS)
    with pytest.raises(OSError, match="cannot identify"):
        decode_rgb(EPS, 16)
    assert examine(name, EPS).facts[0][0] == "broken"
    assert programs == []


@pytest.mark.parametrize("kind", OTHERS)
def test_every_other_reader_of_pillow_stays_closed(kind: str, programs: list[Any]) -> None:
    data = saved(kind)
    if data is None:  # of these Pillow has a reader alone: what is asked for decides
        assert kind not in FORMATS
        return
    with pytest.raises(PictureError, match=r"is not a picture|cannot be read|damaged"):
        read_picture(data)
    assert programs == []


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_named_is_opened(kind: str) -> None:
    data = saved(kind)
    if data is None:
        pytest.skip(f"this Pillow cannot write {kind}")
    assert read_picture(data).rgb.shape[:2] == (32, 48)


def test_one_place_decides() -> None:
    """Nothing of the package opens pictures by Pillow's full set of readers."""
    import colorzoo

    root = Path(colorzoo.__path__[0])
    found = [p.name for p in root.rglob("*.py") if "Image.open(" in p.read_text(encoding="utf-8")]
    assert found == ["picture_formats.py"]
    with pytest.raises(OSError, match="cannot identify"):
        open_picture(io.BytesIO(EPS))
