"""Kills while writing, full disks and folders that turn read-only: the same command completes the run."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from tiny_model import gray_picture

_TESTS = Path(__file__).parents[1]
PICTURES = 12
# The program with a stub for a model, on a disk so slow that most of its time is spent writing. It is loaded
# once and forks a process for each run that is asked for.
SERVER = f"""
import json, os, resource, signal, sys, time
sys.path.insert(0, {str(_TESTS)!r})
import colorzoo.pictures.write as write
from colorzoo.cli import main as program
import colorzoo.batch.request as request
from tiny_model import tiny_model

class Stub(request.Colorizer):
    def __init__(self, choice, **settings):
        super().__init__(tiny_model(), device="cpu")
        self.name = choice.name

request.Colorizer = Stub

def run(job):
    def write_slowly(path, content):
        step = max(1, len(content) // 20)
        with write.whole_file(path) as file:
            for start in range(0, len(content), step):
                file.write(content[start : start + step])
                file.flush()
                time.sleep(job["slow"] / 20)

    write.write_whole = write_slowly
    if job["limit"]:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], job["limit"]))
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    code = program.main(job["words"])
    sys.stdout.flush()
    os._exit(code)

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        run(json.loads(line))
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Program:
    """Runs of the program, one at a time.

    Attributes:
        pid: Of the last run.
    """

    def __init__(self, folder: Path) -> None:
        self._said, self._err = folder / "said", folder / "err"
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = 0

    def start(self, box: Path, out: Path, slow: float = 0.0, limit: int = 0) -> None:
        """Begin to color a box."""
        words = ["colorize", str(box), "-o", str(out), "--fast", "--jobs", "2", "--json"]
        job = {"words": words, "slow": slow, "limit": limit, "out": str(self._said), "err": str(self._err)}
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        self.pid = self._answer()

    @property
    def running(self) -> bool:
        """Whether the last run is not over."""
        assert self._server.stdout is not None
        return not select.select([self._server.stdout], [], [], 0)[0]

    def wait(self) -> tuple[int, dict[str, str], str]:
        """Return exit code, the fate of each picture, and what was said on standard error."""
        code = self._answer()
        said = self._said.read_text()
        fates = {Path(entry["source"]).name: entry["status"] for entry in json.loads(said)} if said else {}
        return code, fates, self._err.read_text()

    def finish(self, box: Path, out: Path) -> Counter[str]:
        """Run to the end, and return how many pictures had which fate."""
        self.start(box, out)
        code, fates, err = self.wait()
        assert code == 0, err
        return Counter(fates.values())

    def close(self) -> None:
        """End the server."""
        self._server.kill()
        self._server.communicate()

    def _answer(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    found = Program(tmp_path_factory.mktemp("program"))
    yield found
    found.close()


def make_box(folder: Path) -> Path:
    box = folder / "box"
    box.mkdir()
    for number in range(PICTURES):
        Image.fromarray(gray_picture(40 + number, 60)).save(box / f"{number:02}.png")
    return box


def whole_results(out: Path) -> set[str]:
    """Open every result; a torn one is an error. What a kill left is hidden and no result."""
    found = set()
    for path in sorted(out.iterdir()) if out.exists() else []:
        if path.name.startswith("."):
            assert path.suffix == ".part"
            continue
        with Image.open(path) as image:
            image.load()
        found.add(path.name)
    return found


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def kill_while_writing(program: Program, folder: Path, moments: int, seed: int) -> None:
    """Kill runs at random moments of writing; each next run resumes."""
    box, out = make_box(folder), folder / "out"
    generator = random.Random(seed)
    stamps: dict[str, int] = {}
    for _ in range(moments):
        if len(stamps) == PICTURES:
            for name in stamps:
                (out / name).unlink()
            stamps = {}
        program.start(box, out, slow=0.4)
        while program.running and names(out) == set(stamps):
            time.sleep(0.002)
        time.sleep(generator.random() * 0.8)
        with suppress(ProcessLookupError):  # the last picture may be done
            os.kill(program.pid, signal.SIGKILL)
        program.wait()
        now = {name: (out / name).stat().st_mtime_ns for name in whole_results(out)}
        assert stamps.items() <= now.items()  # nothing is lost, and nothing done twice
        stamps = now
        for part in out.glob(".*.part"):  # so that the next wait sees a new one
            part.unlink()
    fates = program.finish(box, out)
    assert fates["skipped"] == len(stamps)
    assert fates["colored"] == PICTURES - len(stamps)
    assert len(whole_results(out)) == PICTURES


@pytest.mark.nightly
def test_three_kills_while_writing(program: Program, tmp_path: Path) -> None:
    kill_while_writing(program, tmp_path, 3, seed=0)
