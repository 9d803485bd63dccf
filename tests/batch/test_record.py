"""The index of finished results."""

import os
from pathlib import Path

from colorzoo.batch.record import DoneIndex
from colorzoo.pictures.provenance import PictureProvenance
from colorzoo.weights.files import digest_of


def test_an_entry_counts_only_for_the_file_that_was_written(tmp_path: Path) -> None:
    picture, origin = tmp_path / "x.png", PictureProvenance("a" * 64, "b" * 64, "model")
    picture.write_bytes(b"one")
    DoneIndex(tmp_path, 1).add(picture, origin)
    assert DoneIndex(tmp_path).is_done(picture, origin)
    assert not DoneIndex(tmp_path).is_done(picture, PictureProvenance("a" * 64, "c" * 64, "model"))
    assert not DoneIndex(tmp_path).is_done(tmp_path / "y.png", origin)
    os.utime(picture, ns=(1, 1))
    assert not DoneIndex(tmp_path).is_done(picture, origin)


def test_entries_of_earlier_versions_count(tmp_path: Path) -> None:
    picture, origin = tmp_path / "sub" / "ü.png", PictureProvenance("1f" * 32, "2e" * 32, "model")
    picture.parent.mkdir()
    picture.write_bytes(b"one")
    os.utime(picture, ns=(5, 7))
    entry = "6c12c97c1fc92f8cc3203920b86e0c6a03000000000000000700000000000000"
    (tmp_path / ".done-0").write_bytes(bytes.fromhex(entry))
    assert DoneIndex(tmp_path).is_done(picture, origin)


def test_the_digest_of_a_file_follows_its_changes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    before = digest_of(path)
    assert before == digest_of(b"one")
    path.write_bytes(b"three")
    assert digest_of(path) == digest_of(b"three") != before
