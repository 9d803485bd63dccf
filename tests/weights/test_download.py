"""Downloads from servers with the faults of real ones."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from colorzoo import atomic
from colorzoo.card import Weights
from colorzoo.errors import WeightsError
from colorzoo.weights import download
from colorzoo.weights.download import fetch

Entry = Callable[..., Weights]
PROGRAM = """
import sys
from pathlib import Path
from colorzoo.card import Weights
from colorzoo.weights.download import fetch
url, sha256, size, target = sys.argv[1:]
fetch(Weights(sha256=sha256, size=int(size), license="MIT", urls=(url,)), Path(target))
"""


def _fetch_elsewhere(weights: Weights, target: Path) -> subprocess.Popen[bytes]:
    arguments = [weights.urls[0], weights.sha256, str(weights.size), str(target)]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments])


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "net.pth"


@pytest.mark.parametrize("path", ["good", "moved", "busy_once"])
def test_fetches_whole_file_and_leaves_nothing_else(server, entry: Entry, payload, target, path):
    assert fetch(entry(server.url(path)), target) == target
    assert target.read_bytes() == payload
    assert [item.name for item in target.parent.iterdir() if not item.name.startswith(".")] == ["net.pth"]


def test_a_cut_download_is_resumed(server, entry: Entry, payload, target):
    fetch(entry(server.url("cut_once")), target)
    assert target.read_bytes() == payload
    assert server.requests == [("cut_once", None), ("cut_once", f"bytes={len(payload) // 2}-")]


@pytest.mark.parametrize("path", ["cut_without_range", "cut_without_length"])
def test_starts_over_when_the_server_cannot_continue(server, entry: Entry, payload, target, path):
    fetch(entry(server.url(path)), target)
    assert target.read_bytes() == payload
    assert server.count(path) == 2


def test_unsatisfiable_range_starts_over(server, entry: Entry, payload, target):
    target.parent.mkdir()
    target.with_name("net.pth.part").write_bytes(payload[:10])
    fetch(entry(server.url("unsatisfiable")), target)
    assert target.read_bytes() == payload


def test_a_response_from_another_position_is_not_appended(server, entry: Entry, payload, target):
    target.parent.mkdir()
    part = target.with_name("net.pth.part")
    part.write_bytes(payload[:10])
    with pytest.raises(WeightsError, match="requested bytes from 10, received them from 0"):
        fetch(entry(server.url("misplaced")), target)
    assert part.read_bytes() == payload[:10]


def test_the_next_call_resumes_the_partial_file(server, entry: Entry, payload, target, monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=waited.append))
    with pytest.raises(WeightsError, match=r"connection cut after 4000 of 300000 bytes"):
        fetch(entry(server.url("cut_always")), target)
    assert server.count("cut_always") == 4
    assert waited == pytest.approx([0.5, 1, 2])
    assert not target.exists()
    fetch(entry(server.url("good")), target)
    assert server.requests[-1] == ("good", "bytes=4000-")
    assert target.read_bytes() == payload


def test_what_may_pass_is_tried_again(server, entry: Entry, target):
    for status, asked in (
        *((s, 4) for s in (408, 425, 429, 500, 502, 503, 504)),
        (400, 1),
        (404, 1),
        (501, 1),
    ):
        server.status = status
        server.requests.clear()
        with pytest.raises(WeightsError, match=rf"absent/net\.pth: HTTP {status} \w+"):
            fetch(entry(server.url("absent")), target)
        assert server.count("absent") == asked, status


def test_finished_part_needs_no_request(server, entry: Entry, payload, target):
    target.parent.mkdir()
    target.with_name("net.pth.part").write_bytes(payload)
    fetch(entry(server.url("good")), target)
    assert target.read_bytes() == payload
    assert server.requests == []


def test_a_stalled_server_times_out(server, entry: Entry, target, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    with pytest.raises(WeightsError, match="the server stalled"):
        fetch(entry(server.url("stalled")), target)
    assert target.with_name("net.pth.part").stat().st_size == 150_000, "received bytes are kept"


def test_mirrors_are_tried_in_order(server, entry: Entry, payload, target):
    urls = [server.url(path) for path in ("absent", "never_satisfiable", "wrong", "good", "moved")]
    fetch(entry(*urls), target)
    asked = list(dict.fromkeys(path for path, _ in server.requests))
    assert asked == ["absent", "never_satisfiable", "wrong", "good"]
    assert target.read_bytes() == payload
    assert target.with_name("net.pth.quarantine").read_bytes() == bytes(len(payload))


def test_wrong_hash_is_quarantined_and_named(server, entry: Entry, payload, target):
    weights = entry(server.url("wrong"))
    with pytest.raises(WeightsError) as caught:
        fetch(weights, target)
    message = str(caught.value)
    assert f"expected sha256 {weights.sha256}, found " in message
    assert "net.pth.quarantine" in message
    assert not target.exists()
    assert server.count("wrong") == 1, "the same wrong bytes are not fetched again"


def test_wrong_bytes_kept_from_a_cut_do_not_spoil_the_next_mirror(server, entry: Entry, payload, target):
    fetch(entry(server.url("wrong_half"), server.url("good")), target)
    assert target.read_bytes() == payload


def test_a_server_that_sends_too_much_is_stopped(server, entry: Entry, payload, target):
    with pytest.raises(WeightsError, match="expected sha256"):
        fetch(entry(server.url("endless")), target)
    assert target.with_name("net.pth.quarantine").stat().st_size < 3 * len(payload)


def test_present_file_is_hashed_and_a_damaged_one_replaced(server, entry: Entry, payload, target):
    target.parent.mkdir()
    target.write_bytes(payload)
    fetch(entry(server.url("good")), target)
    assert server.requests == []
    target.write_bytes(b"damaged")
    fetch(entry(server.url("good")), target)
    assert target.read_bytes() == payload
    assert target.with_name("net.pth.quarantine").read_bytes() == b"damaged"


@pytest.mark.parametrize("by_environment", [True, False])
def test_offline_opens_no_socket_and_says_what_to_do(entry: Entry, target, monkeypatch, by_environment):
    def forbidden(*_args, **_kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    if by_environment:
        monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    with pytest.raises(WeightsError) as caught:
        fetch(entry("https://example.org/net.pth"), target, offline=not by_environment)
    message = str(caught.value)
    for part in ("net.pth (0.3 MB)", "offline", f"by hand from https://example.org/net.pth to {target}"):
        assert part in message
    assert "\n" not in message
    assert not target.parent.exists()


def test_unreachable_and_invalid_addresses_are_one_line(entry: Entry, target):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/net.pth"
        with pytest.raises(WeightsError, match=r"unreachable .*unknown url type.*by hand") as caught:
            fetch(entry(url, "nowhere"), target)
    assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="gives no address"):
        fetch(entry(), target)


def test_target_that_cannot_be_written_is_named(server, entry: Entry, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match=r"cannot store net.pth .*COLORZOO_HOME"):
        fetch(entry(server.url("good")), tmp_path / "cache" / "net.pth")


def test_two_processes_fetch_once(server, entry: Entry, payload, target):
    weights = entry(server.url("slow"))
    processes = [_fetch_elsewhere(weights, target) for _ in range(2)]
    assert [process.wait(10) for process in processes] == [0, 0]
    assert server.count("slow") == 1
    assert target.read_bytes() == payload


def test_killed_process_leaves_no_lock_and_no_half_file(server, entry: Entry, payload, target):
    process = _fetch_elsewhere(entry(server.url("stalled")), target)
    part = target.with_name("net.pth.part")
    deadline = time.monotonic() + 10
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait(5)
    assert not target.exists()
    fetch(entry(server.url("good")), target)
    assert target.read_bytes() == payload
    assert server.requests[-1][1] is not None, "it should resume"


def test_file_system_without_locks_uses_a_private_part(server, entry: Entry, payload, target, monkeypatch):
    def missing(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", missing)
    monkeypatch.setattr(download, "ATTEMPTS", 1)
    target.parent.mkdir()
    part = target.with_name("net.pth.part")
    part.write_bytes(b"of another process")
    with pytest.raises(WeightsError):
        fetch(entry(server.url("cut_always")), target)
    fetch(entry(server.url("good")), target)
    assert target.read_bytes() == payload
    assert part.read_bytes() == b"of another process"
    assert list(target.parent.glob("*.part")) == [part]


@pytest.mark.parametrize(("terminal", "progress", "drawn"), [(1, 1, True), (1, 0, False), (0, 1, False)])
def test_bar_only_on_a_terminal(server, entry: Entry, target, capsys, monkeypatch, terminal, progress, drawn):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: bool(terminal))
    fetch(entry(server.url("good")), target, progress=bool(progress))
    captured = capsys.readouterr()
    assert ("net.pth" in captured.err) == drawn
    assert captured.out == ""


def test_atomic_write_keeps_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    atomic.write_atomic(path, b"old")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
    with path.open("rb") as reader:
        atomic.write_atomic(path, b"changed")
        assert reader.read() == b"old", "an open file keeps its content"
    atomic.write_atomic(path, b"old")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic.write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
