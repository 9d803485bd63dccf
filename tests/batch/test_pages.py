"""Each page of a document is colorized as a separate image, and an animation with one model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.image_io.frames import read_frames
from colorzoo.image_io.provenance import read_provenance
from colorzoo.image_io.read import read_image
from frames_in import frames_in

SIZE = (120, 100)
OPTIONS = ["--device", "cpu", "--precision", "float32", "--size", "64"]
SETTINGS = {"device": "cpu", "precision": "float32", "size": 64}


def photo_page(seed: int = 0) -> Image.Image:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    noise = np.random.default_rng(seed).normal(0, 8, x.shape)
    return Image.fromarray((128 + 70 * np.sin(x / 12) * np.cos(y / 16) + noise).clip(0, 255).astype(np.uint8))


def drawing_page(left: int = 15) -> Image.Image:
    page = Image.new("L", SIZE, 255)
    draw = ImageDraw.Draw(page)
    draw.rectangle((left, 40, left + 60, 90), outline=0, width=2)
    draw.polygon([(left - 5, 40), (left + 30, 10), (left + 65, 40)], outline=0, width=2)
    draw.rectangle((left + 22, 65, left + 38, 90), outline=0, width=2)
    return page


def color_page() -> Image.Image:
    gray = np.asarray(photo_page(1)).astype(int)
    return Image.fromarray(np.dstack([gray, 255 - gray, np.roll(gray, 30, axis=1)]).astype(np.uint8))


PAGES = {"photo": photo_page(), "drawing": drawing_page(), "color": color_page()}


def write_pages(path: Path, names: Sequence[str]) -> Path:
    first, *others = (PAGES[name] for name in names)
    first.save(
        path, save_all=True, append_images=others, **({"lossless": True} if path.suffix == ".webp" else {})
    )
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    frames = frames_in(path)
    assert frames is not None
    return [(frame.image.rgb * 255).round().astype(np.uint8) for frame in read_frames(path, frames)]


def colorize_by(route: str, source: Path, folder: Path) -> Path:
    target = folder / source.name
    if route == "colorize_file":
        return colorzoo.colorize_file(source, target, **SETTINGS)
    if route == "colorize_files":
        (result,) = colorzoo.colorize_files([source], source.parent, folder, **SETTINGS)
        assert result.status == "colored"
        return target
    arguments = [source.parent, "-o", f"{folder}/"] if route == "folder" else [source, "-o", target]
    assert main(["colorize", *map(str, arguments), *OPTIONS]) == 0
    return target


@pytest.mark.parametrize("route", ["command", "folder", "colorize_file", "colorize_files"])
def test_each_page_is_colorized_as_a_separate_image(route: str, tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    names = (
        ("drawing", "photo", "drawing") if route in ("command", "colorize_files") else ("photo", "drawing")
    )
    source = write_pages(album / "booklet.tif", names)
    result = colorize_by(route, source, tmp_path / "out")
    pages = frames_of(result)
    assert len(pages) == len(names)
    for name, page in zip(names, pages, strict=True):
        alone = colorzoo.colorize(PAGES[name], **SETTINGS)
        np.testing.assert_array_equal(page, np.asarray(alone.convert("RGB")))
    # every page is in color, and the photo keeps its tones
    for name, page in zip(names, pages, strict=True):
        assert np.ptp(page, axis=2).max() > 12
        if name == "photo":
            assert np.abs(np.asarray(Image.fromarray(page).convert("L"), int) - PAGES[name]).mean() < 1


def test_pages_of_another_model_have_a_record_of_their_own(tmp_path: Path) -> None:
    source = write_pages(tmp_path / "booklet.tif", ("photo", "drawing"))
    result = colorize_by("command", source, tmp_path / "out")
    record = read_provenance(result)
    assert record is not None
    assert record.model == "colorzoo2026"
    with tifffile.TiffFile(result) as tiff:
        assert b"colorzoo2026_drawing" in bytes(tiff.pages[1].tags["XMP"].value)
    # the second run finds the result
    assert main(["colorize", str(source), "-o", str(result), *OPTIONS, "--json"]) == 0


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
@pytest.mark.parametrize(
    ("frames", "is_drawing"),
    [
        (("drawing", "photo"), False),
        (("photo", "drawing"), False),
        (("drawing", "moved"), True),
        (("blank", "drawing", "moved"), True),
        (("drawing", "moved", "photo"), False),
        (("close-up", "drawing", "moved"), True),
    ],
)
def test_an_animation_has_one_model(
    frames: Sequence[str], is_drawing: bool, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PAGES, "moved", drawing_page(40))
    monkeypatch.setitem(PAGES, "blank", Image.new("L", SIZE, 255))
    close_up = Image.new("L", SIZE, 255)  # a line that encloses no region
    ImageDraw.Draw(close_up).line((10, 20, 60, 30, 110, 25), fill=0, width=2)
    monkeypatch.setitem(PAGES, "close-up", close_up)
    source = write_pages(tmp_path / name, frames)
    pages = frames_of(colorzoo.colorize_file(source, tmp_path / f"out-{name}", **SETTINGS))
    sources = frames_of(source)
    assert len(pages) == len(sources) == len(frames)
    model = "colorzoo2026_drawing" if is_drawing else "colorzoo2026"
    record = read_provenance(tmp_path / f"out-{name}")
    assert record is not None
    assert record.model == model
    for kind, page, gray in zip(frames, pages, sources, strict=True):
        if kind == "photo":
            change = np.asarray(Image.fromarray(page).convert("L"), int) - gray[..., 0]
            assert np.abs(change).mean() < 6  # 256 colors of a GIF
        elif is_drawing and kind in ("drawing", "moved"):
            assert np.ptp(page, axis=2).max() > 12


@pytest.mark.parametrize("name", ["a.tif", "a.webp"])
@pytest.mark.parametrize("order", [("color", "photo"), ("photo", "color"), ("color", "color")])
def test_skip_colored_option_keeps_colored_pages(
    order: Sequence[str],
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flipped = PAGES["color"].transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    pages = [
        PAGES[kind] if order.count(kind) == 1 else (PAGES[kind], flipped)[n] for n, kind in enumerate(order)
    ]
    source, target = tmp_path / name, tmp_path / f"out-{name}"
    pages[0].convert("RGB").save(
        source,
        save_all=True,
        append_images=[pages[1].convert("RGB")],
        **({"lossless": True} if name == "a.webp" else {}),
    )
    command = ["colorize", str(source), "-o", str(target), *OPTIONS, "--quality", "100", "--skip-colored"]
    assert main(command) == 0
    out = capsys.readouterr().out
    if "photo" not in order:
        assert "already in color; skipped" in out
        assert not target.exists()
        return
    assert "was already in color and was kept" in out
    assert "were not used" not in out
    for kind, page, before in zip(order, frames_of(target), frames_of(source), strict=True):
        if kind == "color":
            np.testing.assert_array_equal(page, before)
        else:
            assert np.ptp(page, axis=2).max() > 12
            assert np.ptp(before, axis=2).max() == 0


def test_the_first_page_alone_is_skipped_if_only_it_is_colorized(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "a.tif"
    PAGES["color"].save(source, save_all=True, append_images=[PAGES["photo"].convert("RGB")])
    options = ["--skip-colored", "--frames", "first"]
    assert main(["colorize", str(source), "-o", str(tmp_path / "b.tif"), *OPTIONS, *options]) == 0
    assert "already in color; skipped" in capsys.readouterr().out
    assert read_image(source).size == SIZE
