"""The drawing pad in a real browser: from pointer-up to new pixels; and eight pads at once for a minute.

``COLORZOO_BEFORE`` may name the ``src`` folder of an earlier state, as of a git worktree: it gets the same
edits, one of its and one of ours in turn, and the rows say which part of its times ours are.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks._harness import Options, Row, SkippedError, share_of, where
from benchmarks._pads import SIDE, Edit, Hand, chromium, server

EDITS = int(os.environ.get("COLORZOO_EDITS", "100"))
MEDIAN_LIMIT, LATE_LIMIT = 120.0, 250.0  # ms
SESSIONS = 8
SECONDS = int(os.environ.get("COLORZOO_LOAD_SECONDS", "60"))
GROWTH_LIMIT = 1.1
BEFORE = "COLORZOO_BEFORE"
SOONER, LATE_SOONER = 0.7, 0.6  # goals of the median and the 95th percentile against an earlier state
_WARMUP = 5  # edits
_PARTS = ("network", "encode", "wait", "transfer", "draw")


def run(options: Options) -> list[Row]:
    """Drive the browser through 100 edits, then eight sessions for a minute."""
    del options
    before = os.environ.get(BEFORE)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_pads:
        url, process = open_pads.enter_context(server(Path(folder)))
        if before is None:
            (edits,) = _edit(url)
            return [*_latency_rows(edits), *_load_rows(url, process)]
        earlier_url, _ = open_pads.enter_context(server(Path(folder), before))
        edits, earlier = _edit(url, earlier_url)
        return _compared_rows(edits, earlier)


def _compared_rows(edits: list[Edit], earlier: list[Edit]) -> list[Row]:
    """Return how the times compare with those of an earlier state."""
    ours, theirs = (sorted(edit.total for edit in some) for some in (edits, earlier))
    title = f"pointer-up to new pixels, {{}} of {len(edits)} edits of a {SIDE}x{SIDE} photo, ms, before {{}}"
    rows = []
    for name, share, goal in (("median", 0.5, SOONER), ("95th percentile", 0.95, LATE_SOONER)):
        now, then = _at(ours, share), _at(theirs, share)
        shares = (_shares(edits), _shares(earlier))
        rows.append(
            share_of(title.format(name, f"({shares[1]}), now ({shares[0]})"), now, then, goal, where())
        )
    return rows


def _at(ordered: list[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1) + 0.5)]


def _shares(edits: list[Edit]) -> str:
    whole = sum(edit.spent for edit in edits)
    return ", ".join(f"{part} {sum(getattr(e, part) for e in edits) / whole:.0%}" for part in _PARTS)


def _latency_rows(edits: list[Edit]) -> list[Row]:
    totals = sorted(edit.total for edit in edits)
    late, shares = _at(totals, 0.95), _shares(edits)
    title = (
        f"pointer-up to new pixels, {len(edits)} edits of a {SIDE}x{SIDE} photo, ms, {{}} against the limit"
    )
    return [
        share_of(
            f"{title.format('median')} ({shares})", statistics.median(totals), MEDIAN_LIMIT, 1.0, where()
        ),
        share_of(title.format("95th percentile"), late, LATE_LIMIT, 1.0, where()),
    ]


def _load_rows(url: str, process: subprocess.Popen[str]) -> list[Row]:
    from benchmarks._studio_load import run_sessions

    asyncio.run(run_sessions(url, sessions=SESSIONS, seconds=max(2, SECONDS // 6)))  # warm: caches are full
    before = _resident(process.pid)
    report = asyncio.run(run_sessions(url, sessions=SESSIONS, seconds=SECONDS))
    after = _resident(process.pid)
    for error in report.errors[:3]:
        print(f"load: {error}", file=sys.stderr)
    answers = sum(report.answers.values())
    title = f"{SESSIONS} sessions at once for {SECONDS} s"
    facts = f"{answers} pictures, the least served session got {min(report.answers.values())}"
    bad = float(len(report.errors) + report.wrong)
    return [
        share_of(f"{title}: errors and answers to the wrong session ({facts})", bad, 1.0, 0.0, where()),
        share_of(f"{title}: MB of the server after against before", after, before, GROWTH_LIMIT, where()),
    ]


def _edit(*urls: str) -> list[list[Edit]]:
    """Do the same edits on each pad, in turn."""
    with chromium() as browser:
        hands = [Hand(_opened(browser, url)) for url in urls]
        done = [[hand.edit(number) for hand in hands] for number in range(EDITS + _WARMUP)]
    return [[edit for edit in edits if edit is not None] for edits in zip(*done[_WARMUP:], strict=True)]


def _opened(browser: Any, url: str) -> Any:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(url)
    page.wait_for_selector(".colorzoo-pad[data-photo=true]", timeout=300_000)  # models load behind it
    return page


def _resident(pid: int) -> float:
    """Return the megabytes a process holds."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        raise SkippedError("memory is measured on Linux only")
    found = re.search(r"VmRSS:\s*(\d+) kB", status.read_text())
    assert found is not None
    return int(found[1]) / 1e3
