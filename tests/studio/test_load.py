"""Eight sessions at once on a real server: no error, no answer to the wrong one, memory bounded."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path

import pytest
from pads import tiny_studio

from colorzoo.studio.serve import Address, running


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    return importlib.import_module("benchmarks._studio_load")


def test_eight_sessions_for_a_few_seconds(load) -> None:
    studio = tiny_studio()
    with running(studio, Address(port=0)) as (url, _):
        report = asyncio.run(load.run_sessions(url, sessions=8, seconds=3))
        kept = studio.sessions.nbytes
    assert report.errors == []
    assert report.wrong == 0
    assert len(report.answers) == 8
    assert min(report.answers.values()) >= 1  # none starves
    assert kept < 8 * 8 * 2**20
    assert studio.uploads.nbytes == 0
    assert "benchmarks._studio_load" in sys.modules
