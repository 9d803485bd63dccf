"""Continuous timestamps for videos whose clock jumps, such as joined recordings.

A jump starts a new section of the video. All timestamps of a section are shifted by the same time, so that
the section starts where the previous section ends.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

_BACK, _AHEAD = Fraction(1, 10), 10  # seconds, as in FFmpeg; smaller jumps are jitter or gaps
_STEP = Fraction(1, 1000)  # seconds between packets with the same timestamp; the time base of Matroska


class Section(NamedTuple):
    """Part of a video between two jumps of the clock.

    Attributes:
        offset: Seconds to add to the stored timestamps.
        start: Shifted timestamp of the start in seconds; ``-inf`` for the first section.
    """

    offset: Fraction
    start: Fraction | float


@dataclass
class Clock:
    """Clock of the main video stream.

    Attributes:
        can_jump_ahead: Whether a long gap is a jump of the clock, as in MPEG program and transport streams.
            In other formats, a frame can be shown for a long time.
        sections: Sections of the video in order.
    """

    can_jump_ahead: bool
    sections: list[Section] = field(default_factory=lambda: [Section(Fraction(0), -math.inf)])

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

    Attributes:
        dropped: Seconds of sound that `shift` excluded.
    """

    def __init__(self, clock: Clock, main: int) -> None:
        self._clock, self._main = clock, main
        self._stored: dict[int, Fraction] = {}  # last stored timestamp of each stream in seconds
        self._current: dict[int, int] = defaultdict(int)  # index of the current section of each stream
        self._shifted: dict[int, int] = {}  # last shifted timestamp of each stream in units of its time base
        self._now = Fraction(0)  # last shifted timestamp of the main stream in seconds
        self.dropped = Fraction(0)

    def shift(self, packet: Any) -> bool:
        """Shift the timestamps of a PyAV packet, and return whether the packet is part of the output.

        The packets of the main stream are not part of the output, because the video is encoded again. Sound
        that is played before or after the frames of its section is dropped.

        Args:
            packet: Packet of any stream. Packets must be passed in the order of the file.
        """
        section = self._section(packet)
        if packet.stream_index == self._main:
            self._now = _stored_time(packet) + section.offset
            return False
        is_sound = packet.stream.type == "audio"
        if is_sound and not self._is_inside(packet):
            self.dropped += _duration(packet)
            return False
        dts = self._shifted_dts(packet, section, is_sound=is_sound)
        # AVI stores only decoding timestamps, which are equal for sound and subtitles
        packet.pts = dts if packet.pts is None else packet.pts + dts - packet.dts
        packet.dts = dts
        return True

    def _section(self, packet: Any) -> Section:
        """Return the section of a packet, and record the packet as the last packet of its stream."""
        index, stored = packet.stream_index, _stored_time(packet)
        if self._clock.jumps(stored, self._stored.get(index)):
            self._current[index] = self._section_after_jump(index, stored)
        self._stored[index] = stored
        return self._clock.sections[self._current[index]]

    def _is_inside(self, packet: Any) -> bool:
        """Return whether sound is played during the current section of its stream."""
        section, *later = self._clock.sections[self._current[packet.stream_index] :]
        start = _stored_time(packet) + section.offset
        return start + _duration(packet) > section.start and (not later or start < later[0].start)

    def _shifted_dts(self, packet: Any, section: Section, *, is_sound: bool) -> int:
        """Return and record the shifted decoding timestamp of a packet, which does not decrease.

        Args:
            packet: Packet of a stream that is part of the output.
            section: Section of the packet.
            is_sound: Whether the timestamp must increase, because muxers refuse equal timestamps of sound.
        """
        index = packet.stream_index
        dts: int = packet.dts + round(section.offset / packet.time_base)
        if index in self._shifted:
            step = math.ceil(_STEP / packet.time_base) if is_sound else 0
            dts = max(dts, self._shifted[index] + step)
        self._shifted[index] = dts
        return dts

    def _section_after_jump(self, index: int, stored: Fraction) -> int:
        """Return the index of the section of the first packet after a jump of the clock.

        The main stream enters the next section. Another stream can enter a section before or after the main
        stream, because the streams are interleaved. Its section is the candidate that shifts the packet
        closest to the last packet of the main stream, and can be the current section.

        Args:
            index: Index of the stream.
            stored: Stored timestamp of the packet after the jump in seconds.
        """
        current, sections = self._current[index], self._clock.sections
        if index == self._main:
            return min(current + 1, len(sections) - 1)
        # other streams are at most one section ahead of the main stream
        candidates = range(current, min(self._current[self._main] + 2, len(sections)))

        def distance(candidate: int) -> Fraction:
            """Return the seconds between the shifted packet and the last packet of the main stream."""
            return abs(stored + sections[candidate].offset - self._now)

        return min(candidates, key=distance, default=current)


def _stored_time(packet: Any) -> Fraction:
    """Return the decoding timestamp of a packet in seconds."""
    return Fraction(packet.dts * packet.time_base)


def _duration(packet: Any) -> Fraction:
    """Return the duration of a packet in seconds; 0 if it is unknown."""
    return Fraction((packet.duration or 0) * packet.time_base)
