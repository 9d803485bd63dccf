"""Damaged files cause one-line errors without tracebacks, partial files, subprocesses or hangs."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from colorzoo.apps.cli.main import main
from colorzoo.image_io.frames import read_frames
from colorzoo.image_io.read import read_image
from colorzoo.pixels.formats import READABLE
from frames_in import frames_in
from no_programs import watched
from odd_inputs import write_odd_inputs
from tiny_model import write_tiny_weights

Corpus = dict[str, bytes]


@cache
def whole_files() -> tuple[tuple[str, bytes], ...]:
    """Return a small valid file of every supported format."""
    with TemporaryDirectory() as folder:
        write_odd_inputs(Path(folder))
        files = [
            path for path in sorted(Path(folder).iterdir()) if path.suffix in READABLE and path.is_file()
        ]
        return tuple((path.name, data) for path in files if 0 < len(data := path.read_bytes()) < 100_000)


def truncated(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    reach = len(data) if chance.random() < 0.5 else min(len(data), 160)  # damage in headers has more effects
    for _ in range(chance.randint(1, 12)):
        changed[chance.randrange(reach)] = chance.randrange(256)
    return bytes(changed)


def huge(data: bytes, chance: random.Random) -> bytes:
    """Overwrite bytes of the header with an extreme number."""
    changed = bytearray(data)
    place = chance.randrange(min(len(data) - 4, 120))
    form = chance.choice("<>") + chance.choice("LH")
    value = chance.choice((0, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 100_000))
    struct.pack_into(form, changed, place, min(value, 0xFFFF) if form[1] == "H" else value)
    return bytes(changed)


def shuffled(data: bytes, chance: random.Random) -> bytes:
    """Remove, repeat or move a part of a file."""
    begin = chance.randrange(len(data))
    part = data[begin : begin + chance.randint(1, 200)]
    rest = data[:begin] + data[begin + len(part) :]
    place = chance.randrange(len(rest) + 1)
    return chance.choice((rest, data[:begin] + part + data[begin:], rest[:place] + part + rest[place:]))


def spliced(data: bytes, chance: random.Random) -> bytes:
    """Join the beginning of one file and the end of another."""
    _, other = chance.choice(whole_files())
    return data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (truncated, flipped, huge, shuffled, spliced)


def damaged(count: int, seed: int) -> Corpus:
    """Return damaged files, some of them with a wrong extension."""
    chance = random.Random(seed)
    files = whole_files()
    made = {}
    for number in range(count):
        name, data = files[number % len(files)]
        data = MUTATIONS[number % len(MUTATIONS)](data, chance)
        if chance.random() < 0.3:
            data = chance.choice(MUTATIONS)(data, chance) if data else data
        ending = Path(name if chance.random() < 0.8 else chance.choice(files)[0]).suffix
        made[f"{number:05}{ending}"] = data
    return made


def color_and_check(corpus: Corpus, folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> None:
    """Colorize damaged files in one run; check messages and output files."""
    source, out = folder / "in", folder / "out"
    source.mkdir()
    for name, data in corpus.items():
        (source / name).write_bytes(data)
    weights = write_tiny_weights(folder / "tiny.safetensors")
    given = ["--device", "cpu", "--weights", str(weights), "--size", "16", "--max-pixels", "0.05"]
    with watched() as started:
        code = main(["colorize", str(source), "-o", str(out), *given, *words])
    printed = capsys.readouterr()
    failed = [line for line in printed.err.splitlines() if line.startswith("colorzoo: error: ")]
    colored = printed.out.splitlines()
    assert started == []
    assert code in (0, 1, 2)
    assert "Traceback" not in printed.err
    assert [line for line in failed if "unexpected" in line] == []
    assert len(failed) + len(colored) == len(corpus), printed.err[-2000:]
    for line in failed:
        assert str(source) in line or str(out) in line
    written = {path.name for path in out.rglob("*") if path.is_file()} if out.exists() else set()
    assert not [name for name in written if name.endswith(".part")]
    for name in written - {name for name in written if name.endswith(".xmp")}:
        frames = frames_in(out / name)  # the output is complete: every frame can be read
        assert read_image(out / name).rgb.size
        assert not frames or len(list(read_frames(out / name, frames))) == frames.count
    assert {path.name for path in source.iterdir()} == set(corpus)
    assert all((source / name).read_bytes() == data for name, data in corpus.items())


@pytest.mark.filterwarnings("ignore")  # Pillow warns about each invalid tag
def test_colorize_handles_damaged_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    color_and_check(damaged(40, 1), tmp_path, capsys)


@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.timeout(900)
def test_handles_2000_damaged_files(tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    color_and_check(damaged(200, 100 + seed), tmp_path, capsys)
