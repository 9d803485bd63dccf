"""What a colored file says of how it was made: of which picture, by which model, weights and settings.

It is XMP, which photo software reads and keeps: inside the file where its format holds XMP, in a file beside
it (``NAME.EXT.xmp``) where not. By it a later run knows its own results from other files of the same name.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

from colorzoo.inference.encode import XMP_FORMATS, fits_jpeg
from colorzoo.inference.metadata import Metadata
from colorzoo.inference.paths import WRITABLE
from colorzoo.inference.picture import Picture
from colorzoo.inference.write import write_whole
from colorzoo.picture_formats import open_picture

NAMESPACE = "urn:colorzoo:origin:1"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
    '<?xpacket end="w"?>'
)
_OURS = re.compile(rf'<rdf:Description\b[^>]*xmlns:colorzoo="{NAMESPACE}"[^>]*/>', re.DOTALL)
_SOURCE_TYPE = re.compile(
    r"\sIptc4xmpExt:DigitalSourceType\s*=\s*(\"[^\"]*\"|'[^']*')"
    r"|<Iptc4xmpExt:DigitalSourceType\b[^>]*/>"
    r"|<Iptc4xmpExt:DigitalSourceType\b.*?</Iptc4xmpExt:DigitalSourceType>",
    re.DOTALL,
)
_LONGEST_RECIPE = 16_000  # characters; one segment of a JPEG holds 65,000 bytes


@dataclass(frozen=True)
class Origin:
    """How a colored picture was made.

    Attributes:
        source: SHA-256 of the source file.
        settings: Digest of everything besides the source that decides the colors.
        model: Registered name or class.
        weights: SHA-256 of the weight file; empty for a model without one.
        version: Of colorzoo.
        recipe: JSON of the guidance; empty where there was none, or more than fits.
        trained: The colors come from a trained model, not from an algorithm.
        engine: What ran the model; empty for results made before this was written.
    """

    source: str
    settings: str
    model: str
    weights: str = ""
    version: str = ""
    recipe: str = ""
    trained: bool = True
    engine: str = "torch"


def with_origin(metadata: Metadata, origin: Origin) -> Metadata:
    """Return the metadata of a picture with the origin in its XMP, in place of an earlier one.

    The IPTC digital source type is set too: a picture changed by a trained model, or by an algorithm.
    """
    packet = (metadata.xmp or b"").decode("utf-8", "replace")
    packet = _SOURCE_TYPE.sub("", _OURS.sub("", packet))
    if "</rdf:RDF>" not in packet:  # none, or none that could be added to
        packet = _PACKET
    before, end, after = packet.rpartition("</rdf:RDF>")
    return replace(metadata, xmp=f"{before}{_description(origin)}{end}{after}".encode())


def holds_origin(path: Path, metadata: Metadata) -> bool:
    """Say whether a file of this name can hold this XMP inside."""
    kind = WRITABLE[path.suffix.lower()]
    return kind in XMP_FORMATS and (kind != "JPEG" or fits_jpeg(metadata)["xmp"])


def sidecar(path: Path) -> Path:
    """Return the file beside a picture that holds the XMP which the picture cannot hold."""
    return path.with_name(f"{path.name}.xmp")


def write_with_origin(
    save: Callable[[Picture], Path], path: Path, picture: Picture, origin: Origin | None
) -> tuple[str, ...]:
    """Write a picture that says how it was made; in a file beside it where its format cannot.

    Args:
        save: Writes the picture with the metadata of the one it is given.
        path: Where it writes to.
        picture: The source.
        origin: None for a result that says nothing.

    Returns:
        A note for the user if a file was written beside the picture.

    Raises:
        PictureError: As `save`, or the file beside it cannot be written.
    """
    beside = sidecar(path)
    with suppress(OSError):
        beside.unlink()  # it speaks of the file that is being replaced
    if origin is None:
        save(picture)
        return ()
    marked = with_origin(picture.metadata, origin)
    if holds_origin(path, marked):
        save(replace(picture, metadata=marked))
        return ()
    save(picture)
    write_whole(beside, marked.xmp or b"")
    return (f"how it was made is in {beside.name}",)


def read_origin(path: Path) -> Origin | None:
    """Return how a picture file was made; None if it does not say, or is no picture."""
    return _parsed(_xmp_inside(path)) or _parsed(_bytes_of(sidecar(path)))


def _description(origin: Origin) -> str:
    kind = "compositeWithTrainedAlgorithmicMedia" if origin.trained else "algorithmicallyEnhanced"
    values = {f.name: str(getattr(origin, f.name)) for f in fields(Origin)}
    if len(values["recipe"]) > _LONGEST_RECIPE:
        values["recipe"] = ""
    given = " ".join(f'colorzoo:{name}="{html.escape(value)}"' for name, value in values.items())
    return (
        f'<rdf:Description rdf:about="" xmlns:colorzoo="{NAMESPACE}" {given} xmlns:Iptc4xmpExt="{_IPTC}" '
        f'Iptc4xmpExt:DigitalSourceType="{_SOURCE_TYPES}{kind}"/>'
    )


def _parsed(packet: bytes | None) -> Origin | None:
    found = _OURS.search((packet or b"").decode("utf-8", "replace"))
    if found is None:
        return None
    values = {name: html.unescape(value) for name, value in re.findall(r'colorzoo:(\w+)="([^"]*)"', found[0])}
    known = {f.name: values.get(f.name, "") for f in fields(Origin) if f.name != "trained"}
    return Origin(**known, trained=values.get("trained") != "False")


def _xmp_inside(path: Path) -> bytes | None:
    """Return the XMP of a picture file without decoding its pixels, if that can be had."""
    try:
        with open_picture(path) as image:
            found = image.info.get("xmp")
    except Exception:  # a damaged file raises whatever its parser stumbles on, and says nothing of itself
        return None
    return found.encode() if isinstance(found, str) else found


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
