"""Public names of colorzoo; ``public_api.json`` must list added and removed names."""

import ast
import importlib
import importlib.util
import inspect
import json
import marshal
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import get_args
from zipfile import ZipFile

import colorzoo
from colorzoo.apps.cli.new_paper import Guidance, Kind, paper_files

# name -> first parameters of the call; null for names that are not callable
INVENTORY = json.loads((Path(__file__).parent / "public_api.json").read_text())
ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```py(?:thon)?\b[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEAVY = {"torch", "lightning", "kornia", "torchmetrics", "numpy", "PIL"}


def test_public_api_inventory_is_complete() -> None:
    assert sorted(colorzoo.__all__) == sorted(INVENTORY)
    assert set(INVENTORY) - {"__version__"} <= set(dir(colorzoo))


def lazy_packages() -> dict[str, Path]:
    """Return the name and the module of exports of each package that imports its names when they are used."""
    source = Path(colorzoo.__file__).parents[1]
    found = {path.parent.relative_to(source): path for path in source.rglob("colorzoo/**/_exports.py")}
    return {".".join(folder.parts): path for folder, path in found.items()}


def test_lazy_packages_export_the_names_that_type_checkers_read() -> None:
    assert len(lazy_packages()) > 10
    for name in lazy_packages():
        package, exports = importlib.import_module(name), vars(importlib.import_module(f"{name}._exports"))
        found = {each for each in exports if each[0] != "_"}
        assert found == {*package.__all__} - {"__version__"}
        assert all(getattr(package, each) is exports[each] for each in found)


def test_package_imports_from_a_zip_file_of_compiled_modules(tmp_path: Path) -> None:
    # frozen programs contain neither sources nor stub files
    source = Path(colorzoo.__file__).parents[1]
    with ZipFile(tmp_path / "frozen.zip", "w") as archive:
        for path in source.rglob("colorzoo/**/*.py"):
            code = compile(path.read_bytes(), path.name, "exec")
            header = importlib.util.MAGIC_NUMBER + bytes(12)
            archive.writestr(f"{path.relative_to(source)}c", header + marshal.dumps(code))
    names = list(lazy_packages())
    check = "\n".join(
        (
            "import sys; sys.path.insert(0, 'frozen.zip')",
            f"import {', '.join(names)}",
            f"assert all(each.__all__ for each in ({', '.join(names)}))",
            "assert colorzoo.ModelCard.__module__ == 'colorzoo.card'",
            "print(colorzoo.__file__)",
        )
    )
    words = [sys.executable, "-c", check]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("__init__.pyc"), done.stderr


def test_public_names_are_documented_and_have_the_expected_parameters() -> None:
    for name, expected in INVENTORY.items():
        if expected is not None:
            value = getattr(colorzoo, name)
            constructor = value.__init__ if inspect.isclass(value) else None
            names = [*inspect.signature(constructor or value).parameters][constructor is not None :]
            assert names[: len(expected)] == expected
            assert inspect.getdoc(value)


def documented_modules() -> list[ModuleType]:
    """Return ``colorzoo`` and the packages and modules of the pages in ``docs/api``."""
    pages = (ROOT / "docs" / "api").glob("*.md")
    names = {name for page in pages for name in re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)}
    return [importlib.import_module(name) for name in ("colorzoo", *sorted(names))]


def importable_names(module: ModuleType) -> set[str]:
    """Return the names without underscore that a module defines, or imports from inside its package.

    Submodules do not count, and imports from elsewhere, such as ``Any``, count only if they are promised.
    """
    path = Path(str(module.__file__))
    if module.__name__ in lazy_packages():
        return {name for name in dir(module) if name[0] != "_"}
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {
                each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)
            }
        elif isinstance(node, ast.ImportFrom):
            names = {each.asname or each.name for each in node.names}
            is_inside = f"{node.module}.".startswith(f"{module.__name__}.")
            found |= names if is_inside else names & set(module.__all__)
    return {name for name in found if name[0] != "_"}


def test_importable_names_of_documented_modules_equal_the_promised_names() -> None:
    modules = documented_modules()
    assert len(modules) > 15
    surplus = {}
    for module in modules:
        promised = set(module.__all__) - {"__version__"}
        importable = importable_names(module)
        assert promised <= importable, module.__name__
        if importable - promised:
            surplus[module.__name__] = importable - promised
    assert surplus == {}  # new names must be promised or private


def printed_code() -> Iterator[tuple[str, str]]:
    """Yield the place and the code of examples for users: pages, notebooks and templates of papers."""
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/colorzoo/zoo/*/README.md")]
    for page in pages:
        if page.name not in ("contributing.md", "release.md"):  # for developers of colorzoo
            yield from ((str(page), code) for code in BLOCK.findall(page.read_text(encoding="utf-8")))
    for path in ROOT.glob("notebooks/*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "code":
                yield str(path), re.sub(r"^[%!].*", "", "".join(cell["source"]), flags=re.MULTILINE)
    for guidance, kind in product(get_args(Guidance), get_args(Kind)):
        for path, text in paper_files("toy2030", zoo=False, guidance=guidance, kind=kind).items():
            if path.suffix == ".py":
                yield f"{path} ({guidance}, {kind})", text


def names_in(code: str, packages: set[str]) -> set[str]:
    """Return the dotted names of colorzoo that code imports, and the names of packages that it reads."""
    tree = ast.parse(code)
    local = {}  # imported names in the code
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            local |= {each.asname or each.name: each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            local |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    read = {
        f"{local[node.value.id]}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and local.get(node.value.id) in packages
    }
    used = {name for name in read | {*local.values()} if name.partition(".")[0] == "colorzoo"}
    return {name for name in used if not name.startswith("colorzoo.zoo.")}  # a subclass of a paper's task


def test_examples_use_only_promised_names() -> None:
    modules = documented_modules()
    packages = {module.__name__ for module in modules}
    promised = packages | {f"{module.__name__}.{name}" for module in modules for name in module.__all__}
    code = list(printed_code())
    assert len(code) > 100
    assert names_in("import colorzoo\ncolorzoo.factory()", packages) - promised == {"colorzoo.factory"}
    found = {f"{place}: {name}" for place, text in code for name in names_in(text, packages) - promised}
    assert sorted(found) == []


def test_importing_and_listing_models_imports_no_heavy_packages() -> None:
    code = (
        "import sys, colorzoo; colorzoo.list_models(); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(done.stdout.split())
