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


def circles(root: Path) -> list[list[str]]:
    """Return the groups of modules that import each other, lazily or not.

    The ``__init__`` of a package is left out: it names its modules for the user.
    """
    modules = {module_name(root, file) for file in root.rglob("*.py") if file.stem != "__init__"}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for found in read_imports(root):
        if found.importer in modules and found.name in modules - {found.importer}:
            graph[found.importer].add(found.name)
    reached = {module: _reached(graph, module) for module in modules}
    groups = {frozenset(m for m in reached[module] if module in reached[m]) for module in modules}
    return sorted(sorted(group) for group in groups if group)


def _reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return the modules that one imports, directly or through others."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def module_name(root: Path, file: Path) -> str:
    """Return the dotted name of a module of the package in a folder."""
    parts = file.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _file_imports(root: Path, file: Path) -> Iterator[Import]:
    module = module_name(root, file)
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        for name in _names(node, package):
            yield Import(module, name, file, node.lineno)


def _names(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = _absolute(node, package)
        return [base, *(f"{base}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Call) and _is_import_call(node.func) and node.args:
        match node.args[0]:
            case ast.Constant(value=str(name)):
                return [name]
    return []


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def _is_import_call(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")
