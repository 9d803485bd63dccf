"""The aspect of a pixel in Matroska and WebM, which PyAV does not write."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

_SEGMENT, _CLUSTER, _SEEK_HEAD, _VOID = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\x11\x4d\x9b\x74", b"\xec"
_TRACKS, _ENTRY, _VIDEO, _CRC = b"\x16\x54\xae\x6b", b"\xae", b"\xe0", b"\xbf"
_SEEK, _SEEK_ID, _SEEK_POSITION = b"\x4d\xbb", b"\x53\xab", b"\x53\xac"
_WIDTH, _HEIGHT, _SHOWN_WIDTH, _SHOWN_HEIGHT, _UNIT = b"\xb0", b"\xba", b"\x54\xb0", b"\x54\xba", b"\x54\xb2"
_HEAD = 2**20  # bytes that hold everything before the first frame

Element = tuple[bytes, bytes]  # name and content


def set_pixel_aspect(path: Path, aspect: Fraction) -> bool:
    """Write the width at which a film is shown into a file that FFmpeg wrote.

    What stands before the frames grows into the room that FFmpeg leaves, so nothing else moves.

    Returns:
        False if there is no such room; then the file is as it was.
    """
    with path.open("r+b") as file:
        data = file.read(_HEAD)
        start = data.index(_SEGMENT) + len(_SEGMENT)
        start += _width(data, start)
        elements: list[Element] = []
        place = start
        try:
            while data[place : place + len(_CLUSTER)] != _CLUSTER:
                element, place = _element(data, place)
                elements.append(element)
        except IndexError:  # the frames begin beyond the head
            return False
        changed = _resized(elements, aspect)
        encoded = b"".join(changed)
        if not changed or len(encoded) != place - start:
            return False
        file.seek(start)
        file.write(encoded)
    return True


def _resized(elements: list[Element], aspect: Fraction) -> list[bytes]:
    """Return the elements before the frames with the new width; empty if the room does not suffice."""
    names = [name for name, _ in elements]
    if not {_SEEK_HEAD, _VOID, _TRACKS} <= set(names) or names.index(_VOID) > names.index(_TRACKS):
        return []
    room, tracks = names.index(_VOID), names.index(_TRACKS)
    grown = _shown_at(elements[tracks][1], aspect)
    growth = len(_encoded(_TRACKS, grown)) - len(_encoded(*elements[tracks]))
    left = len(elements[room][1]) - growth
    if left < 0:
        return []
    moved = {names[i] for i in range(room + 1, tracks + 1)}
    changed = []
    for number, (name, content) in enumerate(elements):
        if number == tracks:
            content = grown
        elif number == room:
            content = bytes(left)
        elif name == _SEEK_HEAD:
            content = _moved(content, moved, growth)
        changed.append(_encoded(name, content))
    return changed


def _shown_at(tracks: bytes, aspect: Fraction) -> bytes:
    entries = []
    for name, content in _children(tracks):
        inner = dict(_children(content)) if name == _ENTRY else {}
        if _VIDEO in inner:
            video = dict(_children(inner[_VIDEO]))
            width, height = (int.from_bytes(video[key], "big") for key in (_WIDTH, _HEIGHT))
            video.pop(_UNIT, None)
            # the lines stay, as those of a film that is not square are wider or narrower
            video[_SHOWN_WIDTH] = round(width * aspect).to_bytes(4, "big")
            video[_SHOWN_HEIGHT] = height.to_bytes(4, "big")
            content = b"".join(
                _encoded(key, _join(video.items()) if key == _VIDEO else value)
                for key, value in _children(content)
            )
        entries.append((name, content))
    return _join(entries)


def _moved(seek_head: bytes, moved: set[bytes], growth: int) -> bytes:
    """Return the table of contents with new places, which take the same number of bytes."""
    entries = []
    for name, content in _children(seek_head):
        seek = dict(_children(content)) if name == _SEEK else {}
        if seek.get(_SEEK_ID) in moved:
            place = int.from_bytes(seek[_SEEK_POSITION], "big") - growth
            seek[_SEEK_POSITION] = place.to_bytes(len(seek[_SEEK_POSITION]), "big")
            content = _join(seek.items())
        entries.append((name, content))
    return _join(entries)


def _join(elements: Iterable[Element]) -> bytes:
    """Encode elements; a checksum, which comes first, is computed again."""
    pairs = list(elements)
    rest = b"".join(_encoded(*pair) for pair in pairs if pair[0] != _CRC)
    has_sum = any(name == _CRC for name, _ in pairs)
    return (_encoded(_CRC, zlib.crc32(rest).to_bytes(4, "little")) if has_sum else b"") + rest


def _children(data: bytes) -> list[Element]:
    found, place = [], 0
    while place < len(data):
        element, place = _element(data, place)
        found.append(element)
    return found


def _element(data: bytes, place: int) -> tuple[Element, int]:
    """Return an element and where the next one begins."""
    name = data[place : place + _width(data, place)]
    place += len(name)
    width = _width(data, place)
    size = int.from_bytes(data[place : place + width], "big") & ((1 << 7 * width) - 1)
    place += width
    return (name, data[place : place + size]), place + size


def _width(data: bytes, place: int) -> int:
    """Return how many bytes a number of variable length takes."""
    return 9 - data[place].bit_length()


def _encoded(name: bytes, content: bytes) -> bytes:
    size = len(content)
    width = 8 if name == _VOID else max(1, -(-(size + 1).bit_length() // 7))
    return name + (size | 1 << 7 * width).to_bytes(width, "big") + content
