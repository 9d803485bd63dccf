"""Progress bars, and recorded interrupts."""

import signal
from types import SimpleNamespace

import pytest

from colorzoo.console import progress_bar, record_interrupts


@pytest.mark.parametrize(
    ("total", "lines"), [(9, ["packing: 2 of 9", "packing: 5 of 9"]), (None, ["packing: 2", "packing: 5"])]
)
def test_progress_bar_logs_a_line_every_two_seconds(
    total: int | None, lines: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((100, 101, 102, 102, 110, 110))
    monkeypatch.setattr("colorzoo.console.time", SimpleNamespace(monotonic=clock.__next__))
    with progress_bar("packing", total, log_every=2) as advance:
        for count in (1, 1, 3):
            advance(count)
    assert capsys.readouterr().err.splitlines() == lines


def test_progress_bar_prints_nothing_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("coloring", 3) as advance:
        advance()
    assert capsys.readouterr().err == ""


def test_record_interrupts_records_sigint() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        interrupts = record_interrupts()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interrupts == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
