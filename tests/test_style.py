"""Limits on size and documentation that the linter cannot express."""

import ast
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

import colorzoo

ROOT = Path(colorzoo.__path__[0])
FILES = sorted(path for path in ROOT.rglob("*.py") if path.stat().st_size)
Function = ast.FunctionDef | ast.AsyncFunctionDef
BLANKET = re.compile(r"#\s*(type:\s*ignore(?!\[)|noqa(?!:))")


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def functions(path: Path) -> list[Function]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def function_length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def public_nodes(tree: ast.Module | ast.ClassDef) -> list[Function | ast.ClassDef]:
    """Return public functions, classes and methods, without overloads and overridden setters."""
    found: list[Function | ast.ClassDef] = []
    for node in tree.body:
        if (
            isinstance(node, Function | ast.ClassDef)
            and not node.name.startswith("_")
            and not is_variant(node)
        ):
            found.append(node)
            found += public_nodes(node) if isinstance(node, ast.ClassDef) else []
    return found


def is_variant(node: Function | ast.ClassDef) -> bool:
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return not names.isdisjoint({"overload", "override", "setter"})


def undocumented(text: str) -> list[str]:
    tree = ast.parse(text)
    missing = [node.name for node in public_nodes(tree) if not ast.get_docstring(node)]
    return missing if ast.get_docstring(tree) else ["<module>", *missing]


def test_no_file_and_no_function_is_too_long() -> None:
    long_files = {str(path): line_count(path) for path in FILES if line_count(path) > 500}
    long_functions = {
        f"{path}:{node.lineno} {node.name}": function_length(node)
        for path in FILES
        for node in functions(path)
        if function_length(node) > 80
    }
    assert long_files == {}
    assert long_functions == {}


def test_the_package_is_made_of_small_parts() -> None:
    files = [line_count(path) for path in FILES]
    lengths = [function_length(node) for path in FILES for node in functions(path)]
    assert median(files) <= 120
    assert quantiles(files, n=10)[-1] <= 300
    assert median(lengths) <= 15
    assert quantiles(lengths, n=10)[-1] <= 40


def test_every_public_name_has_a_docstring() -> None:
    # ruff checks this too, but leaves out private modules and can be told to look away
    assert offenders(lambda path: undocumented(path.read_text(encoding="utf-8"))) == {}


def test_suppressions_name_what_they_suppress() -> None:
    lines = {path: path.read_text(encoding="utf-8").splitlines() for path in FILES}
    assert offenders(lambda path: [line for line in lines[path] if BLANKET.search(line)]) == {}


def offenders(check: Callable[[Path], list[str]]) -> dict[str, list[str]]:
    """Return what a check finds in each file in which it finds anything."""
    return {str(path.relative_to(ROOT)): found for path in FILES if (found := check(path))}


def test_the_checks_themselves_can_fail() -> None:
    text = (
        'class A:\n  def b(self): ...\n  @overload\n  def c(self): ...\ndef _d(): ...\ndef e():\n  "Yes."\n'
    )
    assert undocumented(text) == ["<module>", "A", "b"]
    assert set(offenders(lambda path: ["found"] * (path.name == "lab.py"))) == {"color/lab.py"}
    assert BLANKET.search("x = 1  # type: ignore")
    assert BLANKET.search("x = 1  # noqa")
    assert not BLANKET.search("x = 1  # type: ignore[arg-type]  # noqa: F401")
