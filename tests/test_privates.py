"""Tests use public names of colorzoo: what a test needs to reach has a name without an underscore."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import colorzoo

ROOT, TESTS = Path(colorzoo.__path__[0]), Path(__file__).parent
FOREIGN = {"_apply", "_css", "_esm", "_experiment", "_get_next_version", "_metadata", "_replace", "_send"}
"""Names of other packages."""
DEFINED = re.compile(r"(?:def|class) (_[a-zA-Z]\w*)|^ *(?:self\.)?(_[a-zA-Z]\w*)\b.* = ", re.MULTILINE)
ALLOWED = dict.fromkeys(
    ("_options", "_output", "_recipes", "_video"), "colorzoo.cli: modules without an underscore are verbs"
) | {
    "_clock": "of a running studio, set forward by hours",
    "_sessions": "of a running studio, which has no other list of them",
    "_load": "of a running studio, whose model is replaced",
    "_network": "its device stands for a graphics card without memory",
}


def private_names(root: Path) -> set[str]:
    """Return the private names that the modules below a folder define, and their own if they are private."""
    found = {path.stem for path in root.rglob("_[!_]*.py")}
    for path in root.rglob("*.py"):
        found |= {name for names in DEFINED.findall(path.read_text(encoding="utf-8")) for name in names}
    return found - {""}


def names_used(text: str) -> Iterator[str]:
    """Yield the names that a module takes from others: imports, attributes, and what monkeypatch replaces."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    own |= {
        node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if name in own:
                continue
            case ast.Attribute(attr=name):
                yield name
            case ast.ImportFrom(module=str(module), names=names) if module.startswith("colorzoo"):
                yield from (*module.split("."), *(alias.name for alias in names))
            case ast.Call(func=ast.Attribute(attr="setattr"), args=[_, ast.Constant(value=str(name)), *_]):
                yield name
            case ast.Call(func=ast.Attribute(attr="setattr"), args=[ast.Constant(value=str(path)), *_]):
                yield from path.split(".")


def private_uses(tests: Path, private: set[str]) -> dict[str, set[str]]:
    """Return the private names that each module of tests uses."""
    found = {}
    for path in sorted(tests.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if private & set(re.findall(r"\b_\w+", text)):  # parsing takes long
            found[path.relative_to(tests).as_posix()] = private & set(names_used(text))
    return {name: names for name, names in found.items() if names}


def test_tests_use_public_names() -> None:
    found = private_uses(TESTS, private_names(ROOT) - FOREIGN)
    assert {name for names in found.values() for name in names} >= set(ALLOWED), "an exception has gone"
    assert {file: names - set(ALLOWED) for file, names in found.items() if names - set(ALLOWED)} == {}


def test_the_check_finds_private_names(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(
        "from colorzoo.a import _b\nmonkeypatch.setattr(module, '_c', 1)\n"
        "monkeypatch.setattr('colorzoo.a._d', 1)\n"
        "x._e()\nclass Own:\n    def _f(self): return self._f()\n"
    )
    private = {f"_{letter}" for letter in "abcdef"}
    assert private_uses(tmp_path, private) == {"test_a.py": {"_b", "_c", "_d", "_e"}}
