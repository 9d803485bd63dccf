"""Work is saved by the hash of its photo, in one place per user, whatever the address of the pad."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from pads import DirectPad, photo_file, tiny_studio

from colorzoo.studio.saved_sessions import SavedSessions, sessions_folder

WORK = {"recipe": {"points": [{"x": 1, "y": 2, "color": "#c04020"}]}, "time": 5}
TEXT = json.dumps(WORK).encode()


def test_another_server_finds_the_work_on_a_photo(tmp_path: Path) -> None:
    first, second = (tiny_studio(saved_sessions=SavedSessions(tmp_path / "works")) for _ in range(2))
    try:
        pad = DirectPad(first)
        sha256 = pad.open()["image"]["sha256"]
        assert pad.ask("save", TEXT, key=sha256).body["saved"] is True
        other = DirectPad(second)
        assert other.open()["works"] == {sha256: WORK}
        assert other.open(photo_file(50, 40))["works"] == {}
        other.open()
        assert other.ask("save", key=sha256, forget=True).body["saved"] is True
        assert pad.open()["works"] == {}
    finally:
        first.close()
        second.close()


def test_work_is_saved_for_the_opened_photo_only(tmp_path: Path) -> None:
    studio = tiny_studio(saved_sessions=SavedSessions(tmp_path))
    try:
        pad = DirectPad(studio)
        sha256 = pad.open()["image"]["sha256"]
        for key in ("0" * 64, "../../etc/passwd", f"{sha256}/../x", f"{sha256}#/../x"):
            assert pad.ask("save", TEXT, key=key).type == "error"
        assert pad.ask("save", key=sha256).body["code"] == "bad_message"  # no work
        assert list(tmp_path.iterdir()) == []
    finally:
        studio.close()


def test_work_counts_as_saved_once_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", full)
    assert not SavedSessions(tmp_path).save("0" * 64, TEXT)
    assert SavedSessions(tmp_path).find("0" * 64) == {}


def test_work_that_changed_since_it_was_read_is_kept_as_a_second_one(tmp_path: Path) -> None:
    studio = tiny_studio(saved_sessions=SavedSessions(tmp_path))
    try:
        pad, other = DirectPad(studio), DirectPad(studio)
        sha256 = pad.open()["image"]["sha256"]
        other.open()

        def save(by: DirectPad, version: str, *knows: str, key: str = sha256) -> tuple[str, list[str]]:
            body = by.ask("save", json.dumps({"version": version}).encode(), key=key, knows=list(knows)).body
            assert body["saved"]
            return body["key"], body["keys"]

        second = f"{sha256}#2"
        assert save(pad, "a1") == (sha256, [sha256])
        assert save(pad, "a2", "a1") == (sha256, [sha256])
        assert save(other, "b1", "a1") == (second, [sha256, second])
        assert save(pad, "a3", "a2") == (sha256, [sha256, second])
        assert save(other, "b2", "b1", key=second) == (second, [sha256, second])
        assert save(other, "b4", "b2", "b3", key=second) == (second, [sha256, second])  # b3 was lost
        found = pad.open()["works"]
        assert {key: work["version"] for key, work in found.items()} == {sha256: "a3", second: "b4"}
        for wrong in ("a3", ["a3", 1], [None]):
            assert pad.ask("save", TEXT, key=sha256, knows=wrong).body["code"] == "bad_message"
    finally:
        studio.close()


def test_a_pad_without_a_folder_saves_by_itself(pad: DirectPad) -> None:
    assert pad.hello["saves"] is False
    sha256 = pad.open()["image"]["sha256"]
    assert pad.ask("save", TEXT, key=sha256).body["code"] == "bad_message"


def test_the_folder_is_one_per_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path))
    assert sessions_folder() == tmp_path / "works"
