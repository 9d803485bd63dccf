"""Mutation tests of the tests: a line of the library is changed, and the tests named for it must fail.

A row is ``name = [anchor, replacement]`` in a table of a file of ``rows/``, of which there is one per paper
or layer. The table is named by the changed source and by the test that must fail, below ``tests``, or by the
name of several under ``[tests]``; see `Mutant`. The tests run on a copy of the package: a `MutationRunner`
changes the copy and runs the tests in a fork of a server that has already imported torch.
"""

from __future__ import annotations

import compileall
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

import colorzoo

PACKAGE = Path(colorzoo.__path__[0])
HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
WRONG_PACKAGE, NOT_IMPORTABLE = 98, 99  # exit codes of the server's children, above those of pytest


@dataclass(frozen=True)
class Mutant:
    """A change of one line.

    Attributes:
        name: Description of the change, in words with hyphens.
        file: Path of the source in the package, such as ``"losses/color.py"``.
        anchor: Text that occurs exactly once in the file.
        replacement: Text in its place, with which the module can still be imported.
        tests: Node ids, relative to the repository, of which at least one must fail.
    """

    name: str
    file: str
    anchor: str
    replacement: str
    tests: tuple[str, ...]


def find_mutants(folder: Path = HERE / "rows") -> list[Mutant]:
    """Return the rows of all files in a folder."""
    found: list[Mutant] = []
    for path in sorted(folder.glob("*.toml")):
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        named = tables.pop("tests", {})
        for file, groups in tables.items():
            for tests, rows in groups.items():
                nodes = tuple(f"tests/{test}" for test in named.get(tests, [tests]))
                found += [Mutant(name, file, old, new, nodes) for name, (old, new) in rows.items()]
    return found


def mutated(mutant: Mutant, package: Path = PACKAGE) -> str:
    """Return the source with the change.

    Raises:
        AssertionError: The anchor is stale, or the replacement equals it.
    """
    source = (package / mutant.file).read_text(encoding="utf-8")
    count = source.count(mutant.anchor)
    assert count == 1, f"stale anchor: {mutant.name}: {mutant.anchor!r} is {count} times in {mutant.file}"
    assert mutant.anchor != mutant.replacement, f"{mutant.name} changes nothing"
    return source.replace(mutant.anchor, mutant.replacement)


@dataclass(frozen=True)
class Outcome:
    """Exit code and output of a run of pytest."""

    code: int
    output: str

    @property
    def passed(self) -> bool:
        """True if all tests passed."""
        return self.code == 0

    @property
    def failed(self) -> bool:
        """True if a test failed; errors of collection or of a fixture do not count."""
        return self.code == 1 and re.search(r"\d+ failed", self.output) is not None


class MutationRunner:
    """A copy of the package that can be changed, and a server that runs tests on it; close it after use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "src" / "colorzoo"
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PACKAGE, self.package, ignore=skip, copy_function=_copy_or_link)
        for name in ("configs", "CITATION.cff"):  # in a checkout they are outside of the package
            if (path := PACKAGE.parents[1] / name).exists():
                (folder / name).symlink_to(path)
        # by hashes, not times: a changed source of the same second and size must not use old bytecode
        compileall.compile_dir(self.package, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        words = [sys.executable, str(HERE / "server.py"), str(self.package.parent)]
        paths = [str(self.package.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
        env |= {"OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        self._server = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=env, cwd=REPOSITORY)
        self._unchanged: dict[tuple[str, ...], Outcome] = {}

    def close(self) -> None:
        """End the server."""
        self._server.communicate()

    def run_unchanged(self, tests: tuple[str, ...]) -> Outcome:
        """Run tests on the unchanged copy; the outcome is kept."""
        if tests not in self._unchanged:
            self._unchanged[tests] = self._run(tests, "colorzoo")
        return self._unchanged[tests]

    def run_mutant(self, mutant: Mutant) -> Outcome:
        """Run the tests of a mutant on the changed copy, up to the first failure."""
        with self._applied(mutant):
            return self._run(mutant.tests, _module_of(mutant.file))

    @contextmanager
    def _applied(self, mutant: Mutant) -> Iterator[None]:
        path = self.package / mutant.file
        kept = path.read_text(encoding="utf-8")
        path.write_text(mutated(mutant, self.package), encoding="utf-8")
        try:
            yield
        finally:
            path.write_text(kept, encoding="utf-8")

    def _run(self, tests: tuple[str, ...], module: str) -> Outcome:
        log = self.folder / "log.txt"
        request = {"tests": tests, "module": module, "log": str(log), "temporary": str(self.folder / "tmp")}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return Outcome(int(self._server.stdout.readline()), log.read_text(encoding="utf-8", errors="replace"))


def assert_caught(runner: MutationRunner, mutant: Mutant) -> None:
    """Check that a test of a mutant fails.

    Raises:
        AssertionError: All its tests pass, they fail without the change, or the module cannot be imported.
    """
    name = mutant.name
    before = runner.run_unchanged(mutant.tests)
    assert before.passed, f"{name}: tests fail without the change (exit code {before.code})\n{before.output}"
    after = runner.run_mutant(mutant)
    assert after.code != NOT_IMPORTABLE, f"{name}: the changed module cannot be imported\n{after.output}"
    assert after.code != WRONG_PACKAGE, f"{name}: the tests ran on another colorzoo\n{after.output}"
    assert not after.passed, f"{name} survived: {', '.join(mutant.tests)} pass with the change"
    assert after.failed, f"{name}: no test failed (exit code {after.code})\n{after.output}"


def _module_of(file: str) -> str:
    """Return the module that must be importable: of a script the package."""
    if not file.endswith(".py"):
        return "colorzoo"
    return "colorzoo." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _copy_or_link(source: str, target: str) -> None:
    """Copy sources, which may be changed, and link weights and tables."""
    if source.endswith((".py", ".js")):
        shutil.copyfile(source, target)
    else:
        Path(target).symlink_to(Path(source).resolve())
