"""Imports of a source tree, read with `ast`, for tests of rules on imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """An imported dotted name and the place of the import."""

    importer: str
    name: str
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.importer} imports {self.name}"


@cache
def read_imports(root: Path) -> tuple[Import, ...]:
    """Return every import below the package folder ``root``, including lazy and type-checking ones."""
    return tuple(found for file in sorted(root.rglob("*.py")) for found in _file_imports(root, file))


def inside(name: str, *packages: str) -> bool:
    """Return True if a dotted name is one of the packages or inside one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


def defining_name(root: Path, name: str) -> str:
    """Return the module and name that a name of a lazy package refers to; other names are unchanged."""
    package, _, attribute = name.rpartition(".")
    exports = root.parent.joinpath(*package.split("."), "_exports.py")
    if not exports.is_file():
        return name
    for node in ast.parse(exports.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.ImportFrom):
            continue
        if attribute in (alias.asname or alias.name for alias in node.names):
            return defining_name(root, f"{node.module}.{attribute}")
    return name


def import_graph(root: Path) -> dict[str, set[str]]:
    """Return the modules that each module imports, lazily or not.

    The ``__init__`` of a package is left out: it names its modules for the user.
    """
    modules = {_module_name(root, file) for file in root.rglob("*.py") if file.stem != "__init__"}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for found in read_imports(root):
        if found.importer in modules and found.name in modules - {found.importer}:
            graph[found.importer].add(found.name)
    return graph


def _module_name(root: Path, file: Path) -> str:
    """Return the dotted name of a module of the package in a folder."""
    parts = file.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _file_imports(root: Path, file: Path) -> Iterator[Import]:
    module = _module_name(root, file)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        for name in _names(node):
            yield Import(module, name, file, node.lineno)


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "the package has no relative imports"
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        return [node.args[0].value] if isinstance(node.args[0], ast.Constant) else []
    return []
