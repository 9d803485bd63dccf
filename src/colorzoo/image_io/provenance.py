"""Provenance of colored files: source image, model, weights and settings.

It is stored as XMP, which photo software reads and keeps: inside the file if its format holds XMP, otherwise
in a sidecar file (``NAME.EXT.xmp``). It lets a later run recognize its own results.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

from colorzoo.image_io.formats import WRITABLE, open_image
from colorzoo.image_io.metadata import Metadata, properties_pattern
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.write import XMP_FORMATS, fits_jpeg, write_whole

ResultState = Literal["done", "changed", "foreign", "unknown"]

NAMESPACE = "urn:colorzoo:origin:1"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_XMP = "http://ns.adobe.com/xap/1.0/"
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>'
)
_OURS = re.compile(
    rf'<rdf:Description\b[^>]*xmlns:colorzoo="{NAMESPACE}"[^>]*(?:/>|(?<!/)>.*?</rdf:Description>)', re.DOTALL
)
_REPLACED = (
    "Iptc4xmpExt:DigitalSourceType",
    "Iptc4xmpExt:AISystemUsed",
    "Iptc4xmpExt:AISystemVersionUsed",
    "xmpMM:DerivedFrom",
)
_PROPERTIES = properties_pattern(*_REPLACED)
_CREATOR_TOOL = re.compile(r"[\s<]xmp:CreatorTool\b")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MEDIA = "http://ns.adobe.com/xap/1.0/mm/"
_EVENTS = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
_REFERENCES = "http://ns.adobe.com/xap/1.0/sType/ResourceRef#"
_LATER_FIELDS = (
    "options",
    "files",
    "date",
    "name",
    "border",
    "uncertainty",
    "crop",
)  # left out where they are empty
_LONGEST_RECIPE = 16_000  # characters; one segment of a JPEG holds 65,000 bytes


@dataclass(frozen=True)
class ImageProvenance:
    """Provenance of a colored image.

    Examples:
        >>> ImageProvenance(source="0123", settings="4567", model="colorzoo2026").trained
        True

    Attributes:
        source: SHA-256 of the source file.
        settings: Digest of everything besides the source that decides the colors.
        model: Registered name or class.
        weights: SHA-256 of the weight file; empty for a model without one.
        version: Version of colorzoo.
        recipe: JSON of guidance and settings as they were used, with the options of the command line; empty
            if it is too long.
        trained: The colors come from a trained model, not from an algorithm.
        engine: Engine that ran the model; empty in files written before this field existed.
        options: JSON of the settings that no recipe holds, by their names on the command line.
        files: JSON list of the files besides the source: ``use``, ``name`` without folder, ``sha256``.
        date: UTC time at which the result was made, ISO 8601.
        name: Name of the source file, without its folder.
        border: The part that was colored, as the option of the same name; empty for the whole image.
        doubt: Color error that the model expects of itself, in CIE units; empty if it tells none.
        crop: ``X,Y,WIDTH,HEIGHT``, and ``,ANGLE`` in degrees clockwise, of what the result keeps of the
            image; empty for all of it.
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

    @property
    def source_type(self) -> str:
        """Digital source type of the IPTC."""
        kind = "compositeWithTrainedAlgorithmicMedia" if self.trained else "algorithmicallyEnhanced"
        return SOURCE_TYPES + kind


def current_date() -> str:
    """Return the time for `ImageProvenance.date`; the variable ``SOURCE_DATE_EPOCH`` fixes it."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(fixed), UTC) if fixed.isdigit() else datetime.now(UTC)
    return now.isoformat(timespec="seconds")


def add_provenance(metadata: Metadata, provenance: ImageProvenance) -> Metadata:
    """Return metadata whose XMP holds the provenance, in place of an earlier one.

    Other software finds the source in ``xmpMM:DerivedFrom``, the coloring at the end of ``xmpMM:History``,
    and what IPTC asks of images by trained models: the digital source type, the system and its version
    (Photo Metadata Standard 2025.1).
    """
    packet = (metadata.xmp or b"").decode("utf-8", "replace")
    packet = _PROPERTIES.sub("", _OURS.sub("", packet))
    if "</rdf:RDF>" not in packet:  # absent or malformed
        packet = _PACKET
    event = _event(provenance)
    continued = _with_event(packet, event)
    history = f"<xmpMM:History><rdf:Seq>{event}</rdf:Seq></xmpMM:History>" if continued is None else ""
    packet = packet if continued is None else continued
    added = _tags("xmp", _XMP, CreatorTool=_software(provenance)) if not _CREATOR_TOOL.search(packet) else ""
    before, end, after = packet.rpartition("</rdf:RDF>")
    return replace(metadata, xmp=f"{before}{_description(provenance, added, history)}{end}{after}".encode())


def sidecar_path(path: Path) -> Path:
    """Return the file that holds the XMP of an image whose format cannot.

    That is ``NAME.EXT.xmp``, or ``NAME.EXT.colorzoo.xmp`` if other software or the user wrote the former.
    """
    path = path if path.name else path.resolve()  # the current folder has its name above it
    if not path.name:
        return path / "colorzoo.xmp"
    usual = path.with_name(f"{path.name}.xmp")
    with suppress(OSError):
        if _OURS.search(usual.read_bytes().decode("utf-8", "replace")) is None:
            return path.with_name(f"{path.name}.colorzoo.xmp")
    return usual


def write_sidecar(path: Path, metadata: Metadata, provenance: ImageProvenance) -> Path:
    """Write the provenance of a file beside it, and return the file written.

    What others added to a sidecar file of an earlier result is kept.

    Raises:
        ImageError: It cannot be written.
    """
    beside = sidecar_path(path)
    with suppress(OSError):
        earlier = beside.read_bytes()
        if _others_content(earlier):
            metadata = replace(metadata, xmp=earlier)
    write_whole(beside, add_provenance(metadata, provenance).xmp or b"")
    return beside


def drop_sidecar(path: Path) -> None:
    """Remove the provenance of an earlier result beside a file; what others added to it is kept."""
    for beside in (path.with_name(f"{path.name}.xmp"), path.with_name(f"{path.name}.colorzoo.xmp")):
        with suppress(OSError):
            packet = beside.read_bytes()
            if _OURS.search(packet.decode("utf-8", "replace")) is None:
                continue
            if _others_content(packet):
                write_whole(beside, _OURS.sub("", packet.decode("utf-8", "replace")).encode())
            else:
                beside.unlink()


def _others_content(packet: bytes) -> bool:
    """Return whether an XMP packet holds more than provenance."""
    rest = _OURS.sub("", packet.decode("utf-8", "replace"))
    return "".join(rest.split()) not in ("", "".join(_PACKET.split()))


def write_with_provenance(
    save: Callable[[RasterImage], Path], path: Path, image: RasterImage, provenance: ImageProvenance | None
) -> tuple[str, ...]:
    """Write an image with its provenance, in a sidecar file if its format cannot hold it.

    The image is written first: after a kill in between, the sidecar file is that of the earlier result, and
    the next run writes both again. A sidecar file of others is neither replaced nor removed.

    Args:
        save: Writes the result with the metadata of the image that it is given.
        path: The file that ``save`` writes.
        image: The source.
        provenance: None to write none.

    Returns:
        A note for the user if a sidecar file was written.

    Raises:
        ImageError: As ``save``, or the sidecar file cannot be written.
    """
    marked = image.metadata if provenance is None else add_provenance(image.metadata, provenance)
    kind = WRITABLE[path.suffix.lower()]
    if provenance is None or (kind in XMP_FORMATS and (kind != "JPEG" or fits_jpeg(marked, "xmp"))):
        save(replace(image, metadata=marked))
        drop_sidecar(path)
        return ()
    save(image)
    beside = write_sidecar(path, image.metadata, provenance)
    return (f"how it was made is in {beside.name}",)


def read_provenance(path: Path) -> ImageProvenance | None:
    """Read the provenance of an image file; None if it has none, or is no image.

    Examples:
        >>> path = colorzoo.colorize_file("photo.png", "photo.color.png", "zhang2017_local_small")
        >>> read_provenance(path).model
        'zhang2017_local_small'
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        return None  # reading a pipe would wait for another program
    found = embedded_provenance(path)
    if found is None:
        with suppress(OSError):
            return parse_provenance(sidecar_path(path).read_bytes())
    return found


def embedded_provenance(source: Path | IO[bytes]) -> ImageProvenance | None:
    """Read the provenance inside an image file; None if it has none, or is no image."""
    try:
        with open_image(source) as image:
            return parse_provenance(image.info.get("xmp"))
    except Exception:  # a damaged file raises any error of its parser
        return None


def result_state(found: ImageProvenance | None, wanted: ImageProvenance) -> ResultState:
    """Compare the provenance of a file with that of the result that would be written there.

    Returns:
        ``"done"``: a result of the same image with the same settings; ``"changed"``: of the same image
        with other settings; ``"foreign"``: of another image; ``"unknown"``: the file has no provenance.
    """
    if found is None:
        return "unknown"
    if found.source != wanted.source:
        return "foreign"
    return "done" if found.settings == wanted.settings else "changed"


def _description(provenance: ImageProvenance, attributes: str, history: str) -> str:
    values = {f.name: str(getattr(provenance, f.name)) for f in fields(ImageProvenance)}
    values = {name: value for name, value in values.items() if value or name not in _LATER_FIELDS}
    if len(values["recipe"]) > _LONGEST_RECIPE:
        values["recipe"] = ""
    iptc = {"DigitalSourceType": provenance.source_type}
    if provenance.trained:
        iptc |= {"AISystemUsed": provenance.model, "AISystemVersionUsed": _software(provenance)}
    reference = {"instanceID": f"urn:sha256:{provenance.source}"}
    reference |= {"filePath": provenance.name} if provenance.name else {}
    return (
        f'<rdf:Description rdf:about=""{_tags("colorzoo", NAMESPACE, **values)}'
        f'{_tags("Iptc4xmpExt", _IPTC, **iptc)}{attributes} xmlns:xmpMM="{_MEDIA}">'
        f"<xmpMM:DerivedFrom{_tags('stRef', _REFERENCES, **reference)}/>{history}</rdf:Description>"
    )


def _event(provenance: ImageProvenance) -> str:
    """Return the coloring as an item of a history."""
    event = {
        "action": "edited",
        "parameters": f"colored by {provenance.model}" + (", cropped" if provenance.crop else ""),
        "softwareAgent": _software(provenance),
        "changed": "/content",
    }
    event |= {"when": provenance.date} if provenance.date else {}
    return f"<rdf:li{_tags('stEvt', _EVENTS, **event)}/>"


def _with_event(packet: str, event: str) -> str | None:
    """Return a packet with one more item of its history; None if it has no history."""
    start = packet.find("<xmpMM:History")
    end = packet.rfind("</rdf:Seq>", start, packet.find("</xmpMM:History>", start)) if start >= 0 else -1
    return None if end < 0 else packet[:end] + event + packet[end:]


def _software(provenance: ImageProvenance) -> str:
    return f"colorzoo {provenance.version}".rstrip()


def _tags(prefix: str, namespace: str, **values: str) -> str:
    """Return attributes of a namespace, with its declaration."""
    given = "".join(f' {prefix}:{name}="{_escaped(value)}"' for name, value in values.items())
    return f' xmlns:{prefix}="{namespace}"{given}'


def _escaped(value: str) -> str:
    """Return the text of an attribute; what XML cannot hold is written as in Python."""
    return html.escape(_NO_XML.sub(lambda found: repr(found[0])[1:-1], value))


def parse_provenance(packet: bytes | None) -> ImageProvenance | None:
    """Read the provenance in an XMP packet; None if it has none."""
    found = _OURS.search((packet or b"").decode("utf-8", "replace"))
    if found is None:
        return None
    values = {name: html.unescape(value) for name, value in re.findall(r'colorzoo:(\w+)="([^"]*)"', found[0])}
    values.setdefault("border", values.get("frame", ""))  # earlier name of the field
    known = {f.name: values.get(f.name, "") for f in fields(ImageProvenance) if f.name != "trained"}
    return ImageProvenance(**known, trained=values.get("trained") != "False")
