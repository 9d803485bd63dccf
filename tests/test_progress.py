"""The progress bar of the package, and interrupts that Python drops."""

import contextlib
import io
import os
import pty
import signal
import sys

import pytest

from colorzoo.progress import progress_bar, record_interrupts


def test_a_log_gets_lines_with_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("packing", 8, done=4, log_every=0) as advance:
        advance()
        advance(3)
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("packing: 5 of 8, 0:00:00 left, ")
    assert last.startswith("packing: 8 of 8, 0:00:00 left, ")
    assert last.endswith("/s")


def test_an_unknown_total_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("frames", None, log_every=0) as advance:
        advance()
    assert capsys.readouterr().err.startswith("frames: 1, ")


def test_nothing_is_printed_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("coloring", 3) as advance:
        advance()
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    main, other = pty.openpty()
    with open(other, "w") as stream:  # noqa: PTH123 - a file descriptor
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_bar("coloring", 3) as advance:
            advance(2)
    # A terminal hands over what was written in parts, and its other end reports the end of it as an error.
    drawn = b""
    with contextlib.suppress(OSError):
        while part := os.read(main, 100_000):
            drawn += part
    os.close(main)
    assert b"coloring" in drawn
    assert b"2/3" in drawn


def test_a_single_item_gets_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar("coloring", 1) as advance:
        advance()
    assert stream.getvalue() == ""


def test_interrupts_are_recorded() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        interrupts = record_interrupts()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interrupts == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
