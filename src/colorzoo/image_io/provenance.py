"""Provenance of colorized files: source image, model, weights and settings.

Provenance is stored as XMP, which photo software preserves. If the image format supports XMP, the provenance
is embedded in the file. Otherwise the provenance is written to a sidecar file (``NAME.EXT.colorzoo.xmp``).
Later runs read the provenance to recognize results of earlier runs.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import IO, Literal

from colorzoo.errors import ImageError
from colorzoo.files import check_outputs, whole_file
from colorzoo.image_io.metadata import Metadata, properties_pattern, split_xmp
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.write import JPEG_SEGMENT, XMP_FORMATS, write_error
from colorzoo.pixels.formats import WRITABLE
from colorzoo.pixels.results import NAMESPACE, RECORD, embedded_record, find_record, read_record, sidecar_path

ResultState = Literal["done", "changed", "foreign", "unknown"]

_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>'
)
_REPLACED_PATTERN = properties_pattern(
    "Iptc4xmpExt:DigitalSourceType",
    "Iptc4xmpExt:AISystemUsed",
    "Iptc4xmpExt:AISystemVersionUsed",
    "xmpMM:DerivedFrom",
)
_INVALID_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MEDIA = "http://ns.adobe.com/xap/1.0/mm/"
_REFERENCES = "http://ns.adobe.com/xap/1.0/sType/ResourceRef#"
# fields that are omitted if empty
_OPTIONAL_FIELDS = ("options", "files", "date", "name", "border", "uncertainty", "crop", "frames")
_MAX_RECIPE = 16_000  # maximum length in characters, because a JPEG segment contains at most 65,000 bytes


@dataclass(frozen=True)
class ImageProvenance:
    """Provenance of a colorized image.

    Examples:
        >>> ImageProvenance(source="0123", settings="4567", model="colorzoo2026").trained
        True

    Attributes:
        source: SHA-256 of the source file.
        settings: Hash of all other inputs that determine the colors.
        model: Registered name of the model, or name of its class.
        weights: SHA-256 of the weight file; empty for a model without weights.
        version: Version of colorzoo.
        recipe: Recipe as JSON, including all command-line options that have a recipe field; empty if the JSON
            has more than 16,000 characters.
        trained: Whether the colors come from a trained model; False for an algorithm without learning and for
            random weights.
        engine: Inference engine; empty in files of earlier versions.
        options: JSON object of the settings that a recipe does not contain, by command-line option.
            ``max_side`` is the maximum side in pixels to which the drawing pad reduced the image.
        files: JSON list of all input files except the source. Each item has the keys ``use``, ``name``
            (without folder) and ``sha256``.
        date: UTC time of the colorization in ISO 8601 format.
        name: Name of the source file without its folder.
        border: Colorized part inside the border of a scan, as ``X,Y,WIDTH,HEIGHT``; empty if the whole image
            was colorized.
        uncertainty: Color error predicted by the model, in CIE units; empty if the model does not predict it.
        crop: Region of the source that the result shows: ``X,Y,WIDTH,HEIGHT`` and optionally ``,ANGLE`` in
            degrees clockwise; empty if the result is not cropped.
        frames: JSON object with the SHA-256 of each frame by file name, for a video that is written as a
            folder of frames; otherwise empty.
    """

    source: str
    settings: str
    model: str
    weights: str = ""
    version: str = ""
    recipe: str = ""
    trained: bool = True
    engine: str = "torch"
    options: str = ""
    files: str = ""
    date: str = ""
    name: str = ""
    border: str = ""
    uncertainty: str = ""
    crop: str = ""
    frames: str = ""

    @property
    def source_type(self) -> str:
        """URI of the IPTC digital source type, which depends on whether the model was trained."""
        kind = "compositeWithTrainedAlgorithmicMedia" if self.trained else "algorithmicallyEnhanced"
        return SOURCE_TYPES + kind


def add_provenance(metadata: Metadata, provenance: ImageProvenance) -> Metadata:
    """Return a copy of metadata whose XMP packet contains the provenance.

    Existing provenance is replaced. A recipe that is too long is left out. Some values are also stored in
    standard properties, for other software. ``xmpMM:DerivedFrom`` contains the source. Properties of the IPTC
    Photo Metadata Standard 2025.1 contain the digital source type, the AI system and its version.
    """
    iptc = {"DigitalSourceType": provenance.source_type}
    if provenance.trained:
        iptc["AISystemUsed"] = provenance.model
        iptc["AISystemVersionUsed"] = f"colorzoo {provenance.version}".rstrip()
    reference = {"instanceID": f"urn:sha256:{provenance.source}"}
    if provenance.name:
        reference["filePath"] = provenance.name
    values = {name: str(value) for name, value in vars(provenance).items()}
    if len(provenance.recipe) > _MAX_RECIPE:
        values["recipe"] = ""
    stored = {name: value for name, value in values.items() if value or name not in _OPTIONAL_FIELDS}
    own_attributes = _attributes("colorzoo", NAMESPACE, **stored)
    iptc_attributes = _attributes("Iptc4xmpExt", _IPTC, **iptc)
    source_attributes = _attributes("stRef", _REFERENCES, **reference)
    description = (
        f'<rdf:Description rdf:about=""{own_attributes}{iptc_attributes} xmlns:xmpMM="{_MEDIA}">'
        f"<xmpMM:DerivedFrom{source_attributes}/></rdf:Description>"
    )
    packet = (metadata.xmp or b"").decode("utf-8", "replace")
    packet = RECORD.sub("", packet)
    packet = _REPLACED_PATTERN.sub("", packet)
    if "</rdf:RDF>" not in packet:  # absent or malformed
        packet = _PACKET
    before, closing, after = packet.rpartition("</rdf:RDF>")
    return replace(metadata, xmp=f"{before}{description}{closing}{after}".encode())


def embed_provenance(
    image: RasterImage, path: Path, provenance: ImageProvenance | None
) -> tuple[RasterImage, ImageProvenance | None]:
    """Add the provenance of a result to the metadata of its source image, if the output format stores XMP.

    Args:
        image: Source image, whose metadata is written to the output file.
        path: Output file, whose extension determines the format.
        provenance: Provenance of the colorized image, or None.

    Returns:
        The source image, and the provenance that a sidecar file must contain (see `update_sidecar`); None if
        no sidecar file is needed.
    """
    if provenance is None:
        return image, None
    kind = WRITABLE[path.suffix.lower()]
    metadata = add_provenance(image.metadata, provenance)
    packet = split_xmp(metadata.xmp or b"", JPEG_SEGMENT)[0]
    is_too_long = len(packet) > JPEG_SEGMENT or parse_provenance(packet) is None
    if kind in XMP_FORMATS and not (kind == "JPEG" and is_too_long):
        return replace(image, metadata=metadata), None
    return image, provenance


def update_sidecar(path: Path, metadata: Metadata, provenance: ImageProvenance | None) -> tuple[str, ...]:
    """Write the sidecar file of an existing image; see `sidecar_written`."""
    with sidecar_written(path, metadata, provenance) as notes:
        return notes


def foreign_sidecar(path: Path) -> Path | None:
    """Return the sidecar file of an image if the file contains no provenance; otherwise None."""
    sidecar = sidecar_path(path)
    try:
        return sidecar if parse_provenance(sidecar.read_bytes()) is None else None
    except OSError:
        return sidecar if os.path.lexists(sidecar) else None


@contextmanager
def sidecar_written(
    path: Path, metadata: Metadata, provenance: ImageProvenance | None, *, overwrite: bool = False
) -> Iterator[tuple[str, ...]]:
    """Write the sidecar file of a colorized image, or delete the sidecar file of an earlier result.

    The record of an earlier result would describe the new image wrongly. Write the image inside the ``with``
    block. The content of the sidecar file is stored before the block, and the file gets its name after the
    block. A full disk or an error in the block therefore leaves neither an image without a record nor a
    record without an image.

    Args:
        path: Colorized image.
        metadata: Metadata of the source image, whose XMP properties are also written.
        provenance: Content of the sidecar file; None if the image contains its provenance or has none.
        overwrite: Whether to replace a sidecar file without provenance, which colorzoo did not write.

    Yields:
        A note for the user if a sidecar file is written; otherwise empty.

    Raises:
        ImageError: The sidecar file cannot be written, or must not be replaced.
    """
    sidecar, foreign = sidecar_path(path), foreign_sidecar(path)
    if provenance is None:
        yield ()
        if foreign is None:
            with suppress(OSError):  # no sidecar file of an earlier result
                sidecar.unlink()
        return
    check_outputs([sidecar], overwrite=overwrite or foreign is None, error=ImageError)
    try:
        with whole_file(sidecar) as file:
            file.write(add_provenance(metadata, provenance).xmp or b"")
            file.flush()
            os.fsync(file.fileno())  # the file system can report a full disk as late as here
            yield (f"provenance written to {sidecar.name}",)
    except OSError as error:
        raise write_error(sidecar, error) from error


def read_provenance(path: Path) -> ImageProvenance | None:
    """Read the provenance of an image from the image file or from its sidecar file.

    The result is None if no provenance is found.

    Examples:
        >>> path = colorzoo.colorize_file("photo.png", "photo.color.png", "zhang2017_local_small")
        >>> read_provenance(path).model
        'zhang2017_local_small'
    """
    return _parse(read_record(path))


def embedded_provenance(source: Path | IO[bytes]) -> ImageProvenance | None:
    """Read the provenance embedded in an image file; sidecar files are ignored.

    The result is None if the file contains no provenance or is not an image.

    Args:
        source: Path or seekable stream of the image file.
    """
    return _parse(embedded_record(source))


def result_state(existing: ImageProvenance | None, expected: ImageProvenance) -> ResultState:
    """Compare the provenance of an existing file and a planned result.

    Args:
        existing: Provenance of the existing file; None if the file has no provenance.
        expected: Provenance of the planned result.

    Returns:
        ``"done"`` if source and settings are equal, ``"changed"`` if only the settings differ, ``"foreign"``
        if the sources differ, or ``"unknown"`` if ``existing`` is None.
    """
    if existing is None:
        return "unknown"
    if existing.source != expected.source:
        return "foreign"
    return "done" if existing.settings == expected.settings else "changed"


def _attributes(prefix: str, namespace: str, **values: str) -> str:
    """Return XML attributes and the declaration of their namespace.

    Characters that XML forbids are converted to Python escape sequences.
    """
    attributes = f' xmlns:{prefix}="{namespace}"'
    for name, value in values.items():
        valid = _INVALID_XML.sub(lambda match: repr(match[0])[1:-1], value)
        attributes += f' {prefix}:{name}="{html.escape(valid)}"'
    return attributes


def parse_provenance(packet: bytes | None) -> ImageProvenance | None:
    """Parse the provenance in an XMP packet; return None if the packet contains no provenance."""
    return _parse(find_record(packet))


def _parse(record: str | None) -> ImageProvenance | None:
    if record is None:
        return None
    values = {name: html.unescape(value) for name, value in re.findall(r'colorzoo:(\w+)="([^"]*)"', record)}
    values.setdefault("border", values.get("frame", ""))  # name of the field in older files
    known = {f.name: values.get(f.name, "") for f in fields(ImageProvenance) if f.name != "trained"}
    return ImageProvenance(**known, trained=values.get("trained") != "False")
