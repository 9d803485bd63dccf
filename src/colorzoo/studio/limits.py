"""What one server grants its users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one user from taking everything.

    Attributes:
        file_bytes: Of one picture file.
        pixels: Of one picture, checked before it is decoded.
        message_bytes: Of one message without a picture.
        points: In one recipe.
        full_pixels: Of a preview at full size; a larger photo is shown smaller, and exported whole.
        view_side: Longer side of the ordinary preview.
        memory_bytes: That all photos and caches take together; the longest unused photo goes first.
        sessions: Kept at once.
        idle_seconds: After which a session is forgotten, or its photo alone while its pad is there.
        upload_seconds: That an upload waits to be opened, and that its transfer may take.
        download_seconds: That an exported file waits.
        waiting: Requests of a session that wait in one queue.
        head: Bytes at the beginning of a file by which `examine` says whether it would be let in.
    """

    file_bytes: int = 64 * 2**20
    pixels: int = 100_000_000
    message_bytes: int = 4 * 2**20
    points: int = 2048
    full_pixels: int = 16_000_000
    view_side: int = 1024
    memory_bytes: int = 2**30
    sessions: int = 64
    idle_seconds: float = 3600.0
    upload_seconds: float = 600.0
    download_seconds: float = 300.0
    waiting: int = 8
    head: int = 2**18

    def to_dict(self) -> dict[str, Any]:
        """Return what the page must know."""
        return {
            "bytes": self.file_bytes,
            "pixels": self.pixels,
            "message_bytes": self.message_bytes,
            "points": self.points,
            "full_pixels": self.full_pixels,
            "head": self.head,
        }
