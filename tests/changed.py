"""Selection of the tests that concern a change, for ``pytest --changed``."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from zlib import crc32

ROOT = Path(__file__).parents[1]
# tests of files outside of src and tests, as the beginning of node ids
_OTHER = {
    "README.md": ("tests/test_readme.py", "tests/test_manuals.py"),
    "benchmarks": ("tests/test_benchmarks.py",),
    "configs": ("tests/training",),
    "docs": ("tests/test_manuals.py", "tests/test_tour.py", "tests/test_claims.py"),
    "notebooks": ("tests/test_notebooks.py",),
}


def changed_files(commit: str) -> list[str]:
    """Return the files that differ between a commit and the working tree, relative to the repository."""
    command = ["git", "diff", "--name-only", commit]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def beginnings(file: str) -> tuple[str, ...]:
    """Return the beginnings of the node ids of a file's tests.

    A package is tested by the folder of its name, or by a module of its name.
    """
    match PurePosixPath(file).parts:
        case ("src", "colorzoo", "apps", app, *_):
            return (f"tests/apps/{app}/",)
        case ("src", "colorzoo", part, *_):
            name = part.removesuffix(".py")
            return (f"tests/{name}/", f"tests/test_{name}.py")
        case ("tests", _, *_) if PurePosixPath(file).name.startswith("test_"):
            return (f"{file}::",)
        case ("tests", folder, _, *_):  # a helper of the tests in its folder
            return (f"tests/{folder}/",)
        case (first, *_):
            return _OTHER.get(first, ())
    return ()


def paper_of(file: str) -> str | None:
    """Return the paper whose folder contains a file. The node ids of its tests contain this name."""
    match PurePosixPath(file).parts:
        case ("src", "colorzoo", "zoo", paper, _, *_) | ("configs", paper, _):
            return paper
    return None


def concerns(file: str, nodeid: str) -> bool:
    """Return whether a test concerns a changed file."""
    paper = paper_of(file)
    return paper in nodeid if paper else nodeid.startswith(beginnings(file))


def choose(nodeids: Iterable[str], files: Iterable[str], count: int) -> set[str]:
    """Choose ``count`` tests: first those that concern the changed files, then others.

    Tests of equal rank are chosen by a hash of their node ids, which spreads the choice over all modules.
    """
    files = set(files)
    own = {nodeid: any(concerns(file, nodeid) for file in files) for nodeid in nodeids}
    return set(sorted(own, key=lambda nodeid: (not own[nodeid], crc32(nodeid.encode())))[:count])
