"""Blind mutants: changes that a seed draws from all modules, with tests that are chosen by imports.

    python tests/mutants/blind.py SEED [COUNT]

Each draw takes a module, a line of it, and a change of that line (see `Changes`). The tests of the module
run first: those of the rows that change it, and those that name it, or a function or class of it. What
survives is run against a wider set: the tests of the modules that use it. Tests in a browser are left out. A
line of the output is a draw: killed, with the test that failed and passes without the change, or survived.
"""

from __future__ import annotations

import ast
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from mutation import NOT_IMPORTABLE, PACKAGE, REPOSITORY, Mutant, MutationRunner, find_mutants

TESTS = REPOSITORY / "tests"
MOST = 12  # files of tests
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    one: other
    for pair in (
        *(
            (ast.Lt, ast.LtE),
            (ast.Gt, ast.GtE),
            (ast.Eq, ast.NotEq),
            (ast.Is, ast.IsNot),
            (ast.In, ast.NotIn),
        ),
        *((ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.Div)),
    )
    for one, other in (pair, pair[::-1])
}


class Changes(ast.NodeVisitor):
    """The changes of a module, by line: ``(node, the text in its place, words for it)``.

    Comparisons, ``and``, ``or``, and arithmetic are swapped, numbers and truth values changed, ``not``,
    keyword arguments and statements dropped, conditions negated, and returned values replaced by None.
    """

    def __init__(self, source: str) -> None:
        self.by_line: dict[int, list[tuple[ast.AST, str, str]]] = {}
        self.visit(ast.parse(source))

    def add(self, node: ast.AST, words: str, text: str | None = None) -> None:
        found = ast.unparse(node) if text is None else text
        self.by_line.setdefault(node.lineno, []).append((node, found, words))  # type: ignore[attr-defined]

    def swapped(self, node: ast.AST, holder: ast.AST, field: str, operator: ast.AST) -> None:
        if new := SWAPS.get(type(operator)):
            old = getattr(holder, field)
            setattr(holder, field, [new(), *old[1:]] if isinstance(old, list) else new())
            self.add(node, f"{type(operator).__name__} to {new.__name__}", f"({ast.unparse(node)})")
            setattr(holder, field, old)

    def visit_Compare(self, node: ast.Compare) -> None:
        self.swapped(node, node, "ops", node.ops[0])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.swapped(node, node, "op", node.op)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if not any(isinstance(part, ast.JoinedStr) or text(part) for part in (node.left, node.right)):
            self.swapped(node, node, "op", node.op)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self.add(node, "not dropped", f"({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.add(node, "truth value", str(not node.value))
        elif isinstance(node.value, int):
            self.add(node, "number", str(node.value + 1))
        elif isinstance(node.value, float):
            self.add(node, "number", repr(node.value * 1.5 or 1.0))

    def visit_Call(self, node: ast.Call) -> None:
        for dropped in [word for word in node.keywords if word.arg]:
            kept, node.keywords = node.keywords, [word for word in node.keywords if word is not dropped]
            self.add(node, f"{dropped.arg}= dropped")
            node.keywords = kept
        self.generic_visit(node)

    def visit_If(self, node: ast.If | ast.IfExp) -> None:
        self.add(node.test, "condition negated", f"(not ({ast.unparse(node.test)}))")
        self.generic_visit(node)

    visit_IfExp = visit_If  # noqa: N815

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and text(node.value, None) is False:
            self.add(node.value, "None returned", "None")
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self.add(node, "statement dropped", "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.add(node, "statement dropped", "pass")
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in node.body:
            self.visit(part)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for part in (*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body):
            self.visit(part)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Leave messages alone."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave texts alone; their parts have no positions before Python 3.12."""


def text(node: ast.AST, *others: object) -> bool:
    """Return whether a node is a text, or one of other constants."""
    return isinstance(node, ast.Constant) and (isinstance(node.value, str) or node.value in others)


def draw(seed: int, count: int) -> Iterator[tuple[Mutant, str]]:
    """Yield mutants without tests, and words for each."""
    chance = random.Random(seed)
    files = {file: Changes(file.read_text("utf-8")).by_line for file in sorted(PACKAGE.rglob("*.py"))}
    files = {file: lines for file, lines in files.items() if lines}
    for number in range(count):
        file = chance.choice(list(files))
        line = chance.choice(list(files[file]))
        node, new, words = chance.choice(files[file].pop(line))
        if not files[file]:
            del files[file]
        source = file.read_text("utf-8")
        lines = source.encode().splitlines(keepends=True)
        starts = [sum(map(len, lines[:row])) for row in range(len(lines))]
        first = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        last = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        whole = source.encode()
        changed = (whole[:first] + new.encode() + whole[last:]).decode()
        name = file.relative_to(PACKAGE).as_posix()
        old = " ".join(whole[first:last].decode().split())
        yield Mutant(f"{number:02}", name, source, changed, ()), f"{name}:{line} {words}: {old} -> {new}"


def tests_of(file: str, rows: list[Mutant]) -> tuple[list[str], list[str]]:
    """Return the tests that concern a module, and the wider set: small files first, at most `MOST`."""
    here, browser = Path(__file__).parent, "test_browser"
    tests = [
        path for path in TESTS.rglob("test_*.py") if path.parent != here and not path.stem.startswith(browser)
    ]
    tests.sort(key=lambda path: path.stat().st_size)
    stem, folder = Path(file).stem, Path(file).parent
    called = folder.name if folder.parent.name == "zoo" else stem
    near = [path for path in tests if called in path.stem or named(file, path)]
    first = [test.split("::")[0] for row in rows if row.file == file for test in row.tests]
    first = list(dict.fromkeys([*first, *(path.relative_to(REPOSITORY).as_posix() for path in near)]))
    users = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / file and named(file, path)]
    users_files = [user.relative_to(PACKAGE).as_posix() for user in users if user.stem != "__init__"]
    wide = [path for path in tests if any(named(user, path) for user in users_files)]
    wider = [path.relative_to(REPOSITORY).as_posix() for path in wide]
    return first[:MOST], [test for test in wider if test not in first[:MOST]][:MOST]


@cache
def words_of(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"[\w.]+", path.read_text("utf-8")))


def named(file: str, path: Path) -> bool:
    """Return whether a file names a module, or a function or class of it."""
    module = "colorzoo." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return not words_of(path).isdisjoint({module, *public(PACKAGE / file)})


@cache
def public(path: Path) -> frozenset[str]:
    """Return the public names of a module that no other word is likely to be."""
    kinds = ast.FunctionDef | ast.ClassDef
    found = {node.name for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, kinds)}
    return frozenset(name for name in found if name[0] != "_" and (name != name.lower() or "_" in name))


def killer(runner: MutationRunner, mutant: Mutant) -> str | None:
    """Return the test that a mutant fails and that passes without it, or None."""
    found = runner.run_mutant(mutant)
    if found.code == NOT_IMPORTABLE:
        return "the import"
    if found.code in (0, 5):  # passed, or all of them are slow
        return None
    failed = re.search(r"^(?:FAILED|ERROR) ([^\s\[]+(?:\[.*?\])?)", found.output, re.M)
    node = failed[1] if failed else mutant.tests[0]
    if "Timeout" in found.output:
        return f"{node}, perhaps: it ran too long"
    return (
        node if runner.run_unchanged((node,)).passed else f"{node}, perhaps: it fails without the change too"
    )


def main(seed: int, count: int = 40) -> None:
    rows = find_mutants()
    with tempfile.TemporaryDirectory() as folder:
        runner = MutationRunner(Path(folder))
        for mutant, words in draw(seed, count):
            sets = [replace(mutant, tests=tuple(tests)) for tests in tests_of(mutant.file, rows) if tests]
            failed = next(filter(None, (killer(runner, each) for each in sets)), None)
            print(mutant.name, words, f"killed by {failed}" if failed else "SURVIVED", sep=" | ", flush=True)
        runner.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
