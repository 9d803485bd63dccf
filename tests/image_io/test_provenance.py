"""Provenance is stored in XMP together with the metadata of the source."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.image_io.metadata import Metadata
from colorzoo.image_io.provenance import (
    ImageProvenance,
    add_provenance,
    embed_provenance,
    read_provenance,
    update_sidecar,
)
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image

ORIGIN = ImageProvenance(
    "ab" * 32,
    "cd" * 32,
    "zhang2016",
    "ef" * 32,
    "0.2.0",
    '{"points": [{"color": "<&\\">"}]}',
    date="2026-01-01T00:00:00+00:00",
    name='a "b" <c>.tif',
    border="1,2,30,40",
    uncertainty="9.5",
)
TITLED = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:creator="Ann" %s/>'
    b"</rdf:RDF></x:xmpmeta>"
)
PRINT = (
    b'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    b'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/print"'
)


def write_result(path: Path, origin: ImageProvenance | None, xmp: bytes | None = None) -> Path:
    Image.new("L", (8, 8), 90).save(path.with_name("source.png"))
    image = read_image(path.with_name("source.png"))
    image = replace(image, metadata=replace(image.metadata, xmp=xmp))
    like, not_embedded = embed_provenance(image, path, origin)
    write_image(path, image.rgb, like, overwrite=True)
    update_sidecar(path, image.metadata, not_embedded)
    return path


def test_read_provenance_ignores_the_pixel_limit_of_pillow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_result(tmp_path / "a.png", ORIGIN)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow refuses more than twice as many pixels
    assert read_provenance(path) == ORIGIN


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.avif", "a.bmp", "a.gif"])
def test_read_provenance_returns_the_written_provenance(tmp_path: Path, name: str) -> None:
    assert read_provenance(write_result(tmp_path / name, ORIGIN)) == ORIGIN
    assert read_provenance(write_result(tmp_path / name, replace(ORIGIN, trained=False))) == replace(
        ORIGIN, trained=False
    )
    assert read_provenance(write_result(tmp_path / name, None)) is None


@pytest.mark.parametrize("xmp", [None, TITLED % b""])
def test_sidecar_of_an_earlier_result_is_deleted(tmp_path: Path, xmp: bytes | None) -> None:
    sidecar = tmp_path / "a.bmp.colorzoo.xmp"
    write_result(tmp_path / "a.bmp", ORIGIN, xmp)
    assert sidecar.exists()
    write_result(tmp_path / "a.bmp", None, xmp)
    assert not sidecar.exists()


def test_add_provenance_replaces_only_the_source_type_in_xmp() -> None:
    found = add_provenance(Metadata(xmp=TITLED % PRINT), ORIGIN).xmp or b""
    assert b'dc:creator="Ann"' in found
    assert found.count(b"DigitalSourceType=") == 1
    assert b"digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in found
    algorithm = add_provenance(Metadata(xmp=TITLED % b""), replace(ORIGIN, trained=False)).xmp or b""
    assert b"digitalsourcetype/algorithmicallyEnhanced" in algorithm


EARLIER = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
 xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#">
<xmpMM:DerivedFrom rdf:parseType="Resource"><stRef:filePath>negative</stRef:filePath></xmpMM:DerivedFrom>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.mark.parametrize("xmp", [None, EARLIER])
def test_add_provenance_writes_standard_source_and_ai_system_fields(xmp: bytes | None) -> None:
    root = ElementTree.fromstring(add_provenance(Metadata(xmp=xmp), ORIGIN).xmp or b"")
    (source,) = root.iterfind(".//{http://ns.adobe.com/xap/1.0/mm/}DerivedFrom")
    assert sorted(source.attrib.values()) == ['a "b" <c>.tif', f"urn:sha256:{'ab' * 32}"]
    found = {key.rpartition("}")[2]: value for each in root.iter() for key, value in each.attrib.items()}
    assert (found["AISystemUsed"], found["AISystemVersionUsed"]) == ("zhang2016", "colorzoo 0.2.0")
    algorithm = add_provenance(Metadata(xmp=xmp), replace(ORIGIN, trained=False)).xmp or b""
    assert b"AISystem" not in algorithm


def test_add_provenance_replaces_earlier_provenance(tmp_path: Path) -> None:
    first = add_provenance(Metadata(xmp=TITLED % b""), ORIGIN)
    second = add_provenance(first, replace(ORIGIN, model="su2020")).xmp or b""
    assert second.count(b"urn:colorzoo:origin") == 1
    ElementTree.fromstring(second)
    assert (
        read_provenance(write_result(tmp_path / "a.jpg", replace(ORIGIN, model="su2020"), first.xmp)).model
        == "su2020"
    )


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_results_without_a_record_do_not_copy_the_record_of_their_source(tmp_path: Path, name: str) -> None:
    source = write_result(tmp_path / name, ORIGIN, TITLED % b'dc:rights="Ann 1999"')
    copy = tmp_path / f"styled.{name}"
    image = read_image(source)
    write_image(copy, image.rgb, image)
    assert read_provenance(copy) is None
    xmp = read_image(copy).metadata.xmp or b""
    assert b"Ann 1999" in xmp
    assert b"compositeWithTrainedAlgorithmicMedia" in xmp  # the colors are still made by a model
    ElementTree.fromstring(xmp)


def test_provenance_omits_recipes_of_more_than_16000_characters(tmp_path: Path) -> None:
    for length in (16_000, 16_001):
        found = read_provenance(write_result(tmp_path / "a.jpg", replace(ORIGIN, recipe="a" * length)))
        assert found == replace(ORIGIN, recipe="a" * 16_000 if length == 16_000 else "")


@pytest.mark.parametrize("xmp", [b"no xml", b"\xff\xfe\0"])
def test_provenance_replaces_invalid_xmp_of_the_source(tmp_path: Path, xmp: bytes) -> None:
    assert read_provenance(write_result(tmp_path / "a.png", ORIGIN, xmp)) == ORIGIN


def test_info_prints_provenance_as_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_result(tmp_path / "a.jpg", ORIGIN)
    facts = asdict(ORIGIN) | {"source_type": ORIGIN.source_type}
    assert main(["info", str(path), str(tmp_path / "source.png")]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{path}:",
        *(f"  {title:<11} {value}" for title, value in facts.items() if value != ""),
        f"{tmp_path / 'source.png'}: no provenance record",
    ]
    assert main(["info", str(path), str(tmp_path / "source.png"), "--json"]) == 1
    records = json.loads(capsys.readouterr().out)
    assert [row["origin"] and row["origin"]["model"] for row in records] == ["zhang2016", None]
    assert main(["info", str(tmp_path), "--json"]) == 0  # at least one file of the folder has a record
    assert [row["file"] for row in json.loads(capsys.readouterr().out)] == [row["file"] for row in records]
    assert main(["info", str(tmp_path / "gone.jpg")]) == 2
    assert "no such file" in capsys.readouterr().err
