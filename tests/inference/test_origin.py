"""What a result says of how it was made, beside what its source said of itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.cli.main import main
from colorzoo.inference.metadata import Metadata
from colorzoo.inference.origin import Origin, read_origin, with_origin, write_with_origin
from colorzoo.inference.picture_io import read_picture, write_picture

ORIGIN = Origin("ab" * 32, "cd" * 32, "zhang2016", "ef" * 32, "0.2.0", '{"points": [{"color": "<&\\">"}]}')
TITLED = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:creator="Ann" %s/>'
    b"</rdf:RDF></x:xmpmeta>"
)
PRINT = (
    b'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    b'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/print"'
)


def written(path: Path, origin: Origin | None, xmp: bytes | None = None) -> Path:
    Image.new("L", (8, 8), 90).save(path.with_name("source.png"))
    picture = read_picture(path.with_name("source.png"))
    picture = replace(picture, metadata=replace(picture.metadata, xmp=xmp))
    write_with_origin(
        lambda like: write_picture(path, picture.rgb, like, overwrite=True), path, picture, origin
    )
    return path


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.avif", "a.bmp", "a.gif"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    assert read_origin(written(tmp_path / name, ORIGIN)) == ORIGIN
    assert read_origin(written(tmp_path / name, replace(ORIGIN, trained=False))) == replace(
        ORIGIN, trained=False
    )
    assert read_origin(written(tmp_path / name, None)) is None


def test_what_the_source_said_is_kept_but_for_what_became_untrue() -> None:
    found = with_origin(Metadata(xmp=TITLED % PRINT), ORIGIN).xmp or b""
    assert b'dc:creator="Ann"' in found
    assert found.count(b"DigitalSourceType=") == 1
    assert b"digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in found
    algorithm = with_origin(Metadata(xmp=TITLED % b""), replace(ORIGIN, trained=False)).xmp or b""
    assert b"digitalsourcetype/algorithmicallyEnhanced" in algorithm


def test_an_earlier_origin_is_replaced_and_the_packet_is_sound(tmp_path: Path) -> None:
    from xml.etree import ElementTree

    first = with_origin(Metadata(xmp=TITLED % b""), ORIGIN)
    second = with_origin(first, replace(ORIGIN, model="su2020")).xmp or b""
    assert second.count(b"urn:colorzoo:origin") == 1
    ElementTree.fromstring(second)
    assert (
        read_origin(written(tmp_path / "a.jpg", replace(ORIGIN, model="su2020"), first.xmp)).model == "su2020"
    )


@pytest.mark.parametrize("xmp", [b"", b"no xml", b"<rdf:RDF>", b"\xff\xfe\0"])
def test_a_broken_packet_of_the_source_costs_nothing_but_itself(tmp_path: Path, xmp: bytes) -> None:
    assert read_origin(written(tmp_path / "a.png", ORIGIN, xmp)) == ORIGIN


def test_a_packet_too_long_for_a_jpeg_and_a_long_recipe(tmp_path: Path) -> None:
    long = TITLED % (b'dc:title="%s"' % (b"x" * 70_000))
    path = written(tmp_path / "a.jpg", ORIGIN, long)
    assert (tmp_path / "a.jpg.xmp").is_file()
    assert read_origin(path) == ORIGIN
    longer = replace(ORIGIN, recipe="x" * 100_000)
    assert read_origin(written(tmp_path / "b.jpg", longer)) == replace(ORIGIN, recipe="")


def test_files_that_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff broken")
    assert read_origin(tmp_path / "a.jpg") is None
    assert read_origin(tmp_path / "gone.jpg") is None
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "b.png")
    assert read_origin(tmp_path / "b.png") is None


def test_info_tells_people_and_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "a.jpg", ORIGIN)
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("zhang2016", "ef" * 32, "0.2.0", "ab" * 32))
    assert main(["info", str(path), str(tmp_path / "source.png"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [row["origin"] and row["origin"]["model"] for row in told] == ["zhang2016", None]
    assert main(["info", str(tmp_path / "gone.jpg")]) == 2
    assert "no such file" in capsys.readouterr().err
