"""The progress bar of the package, and interrupts that Python drops."""

import signal
from types import SimpleNamespace

import pytest

from colorzoo.progress import progress_bar, record_interrupts


@pytest.mark.parametrize(
    ("total", "lines"),
    [
        (20_000, ["6 of 20000, 5:33:14 left, 1.0/s", "16 of 20000, 4:37:33 left, 1.2/s"]),
        (16, ["6 of 16, 0:00:10 left, 1.0/s", "16 of 16, 0:00:00 left, 1.2/s"]),
        (9, ["6 of 9, 0:00:03 left, 1.0/s", "16, 1.2/s"]),  # more than were expected
        (None, ["6, 1.0/s", "16, 1.2/s"]),
    ],
)
def test_a_log_gets_a_line_every_two_seconds_with_the_time_left(
    total: int | None, lines: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((100, 101, 102, 103, 110, 111, 150))
    monkeypatch.setattr("colorzoo.progress.time", SimpleNamespace(monotonic=clock.__next__))
    with progress_bar("packing", total, done=4, log_every=2) as advance:
        for count in (1, 1, 1, 9, 0, 2):
            advance(count)
    *first, last = capsys.readouterr().err.splitlines()
    assert first == [f"packing: {line}" for line in lines]
    assert last.endswith(", 16.8/min")


def test_nothing_is_printed_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("coloring", 3) as advance:
        advance()
    assert capsys.readouterr().err == ""


def test_interrupts_are_recorded() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        interrupts = record_interrupts()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interrupts == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
