"""Continuous timestamps for videos whose clock jumps, such as joined recordings.

A jump starts a new section of the video. All timestamps of a section are shifted by the same time, so that
the section starts where the previous section ends.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

_BACK, _AHEAD = Fraction(1, 10), 10  # seconds, as in FFmpeg; smaller jumps are jitter or gaps
_STEP = Fraction(1, 1000)  # seconds between packets with the same timestamp; the time base of Matroska


@dataclass
class Clock:
    """Clock of the main video stream.

    Attributes:
        can_jump_ahead: Whether a long gap is a jump of the clock, as in MPEG program and transport streams.
            In other formats, a frame can be shown for a long time.
        offsets: Seconds to add to the stored timestamps of each section, in order.
    """

    can_jump_ahead: bool
    offsets: list[Fraction] = field(default_factory=lambda: [Fraction(0)])
    _last: Fraction | None = field(default=None, init=False)  # last stored timestamp of a frame in seconds

    def shift(self, time: Fraction, end: Fraction) -> Fraction:
        """Return the continuous timestamp of a frame in seconds; start a section if the clock jumps.

        Args:
            time: Stored timestamp of the frame in seconds.
            end: Continuous end of the previous frame in seconds.
        """
        if self.jumps(time, self._last):
            self.offsets.append(end - time)
        self._last = time
        return time + self.offsets[-1]

    def jumps(self, time: Fraction, last: Fraction | None) -> bool:
        """Return whether the clock jumps between two stored timestamps.

        Args:
            time: Timestamp in seconds.
            last: Previous timestamp of the same stream in seconds, or None.
        """
        if last is None:
            return False
        return time < last - _BACK or (self.can_jump_ahead and time > last + _AHEAD)


class PacketClock:
    """Clock that shifts the packets of all streams by the offsets of their sections.

    Args:
        clock: Clock after all frames are read.
        main: Index of the main video stream.
    """

    def __init__(self, clock: Clock, main: int) -> None:
        self._clock, self._main = clock, main
        self._stored: dict[int, Fraction] = {}  # last stored timestamp of each stream in seconds
        self._current: dict[int, int] = defaultdict(int)  # index of the current section of each stream
        self._last_dts: dict[int, int] = {}  # last shifted timestamp of each stream, in its time base
        self._now = Fraction(0)  # last shifted timestamp of the main stream in seconds

    def shift(self, packet: Any) -> None:
        """Shift the timestamps of a PyAV packet.

        Decoding timestamps of a stream do not decrease, even if its sections overlap.

        Args:
            packet: Packet of any stream. Packets must be passed in the order of the file.
        """
        index, time_base = packet.stream_index, packet.time_base
        # AVI stores no presentation timestamps; for sound and subtitles, they equal the decoding timestamps
        presentation_delay = 0 if packet.pts is None else packet.pts - packet.dts
        stored = Fraction(packet.dts * time_base)
        if self._clock.jumps(stored, self._stored.get(index)):
            current, offsets = self._current[index], self._clock.offsets
            if index == self._main:  # enters the next section
                self._current[index] = min(current + 1, len(offsets) - 1)
            else:
                # Streams are interleaved, so another stream can enter a section before or after the main
                # stream, at most one section ahead. Its section, which can be the current section, is the
                # candidate that shifts the packet closest to the last packet of the main stream.
                candidates = range(current, min(self._current[self._main] + 2, len(offsets)))
                self._current[index] = min(
                    candidates, key=lambda each: abs(stored + offsets[each] - self._now), default=current
                )
        self._stored[index] = stored
        offset = self._clock.offsets[self._current[index]]
        dts: int = packet.dts + round(offset / time_base)
        if index == self._main:  # this stream moves the clock
            self._now = Fraction(dts * time_base)
        elif index in self._last_dts:
            # muxers refuse equal timestamps of sound
            step = math.ceil(_STEP / time_base) if packet.stream.type == "audio" else 0
            dts = max(dts, self._last_dts[index] + step)
        self._last_dts[index] = dts
        packet.dts, packet.pts = dts, dts + presentation_delay
