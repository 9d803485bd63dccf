"""The bundled scripts and the style sheet of the pad."""

import posixpath
import re
from pathlib import Path

import pytest

import colorzoo.studio
from colorzoo.studio.bundle import bundled_module, pad_module, pad_style

STATIC = Path(colorzoo.studio.__path__[0]) / "static"
SERVICE_WORKER = "serviceworker"  # a separate script, which is not bundled
MODULES = {
    f"{folder}/{path.stem}": path.read_text(encoding="utf-8")
    for folder in ("js", "steps", "worker")
    for path in (STATIC / folder).glob("*.js")
    if path.stem != SERVICE_WORKER
}
IMPORTED = re.compile(r'^import\s*\{([^}]*)\}\s*from\s+"(\.{1,2}/(?:\w+/)?\w+)\.js";', re.MULTILINE)
EXPORTED = re.compile(r"^export\s*\{([^}]*)\};", re.MULTILINE)
DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)


def names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",") if name.strip()}


def exported(module: str) -> set[str]:
    return {name for match in EXPORTED.findall(MODULES[module]) for name in names(match)}


def imported() -> dict[str, set[str]]:
    used: dict[str, set[str]] = {name: set() for name in MODULES}
    for importer, source in MODULES.items():
        for listed, path in IMPORTED.findall(source):
            used[posixpath.normpath(posixpath.join(posixpath.dirname(importer), path))] |= names(listed)
    return used


def test_the_script_is_one_module_that_imports_nothing() -> None:
    text = pad_module()
    assert not re.search(r"^import\s", text, re.MULTILINE)
    assert text.count("export default") == 1
    assert set(re.findall(r"^export \{ (\w+) \};", text, re.MULTILINE)) == {"webTransport"}
    assert set(re.findall(r"^export function (\w+)", text, re.MULTILINE)) == {"mountPad"}
    assert len(DECLARED.findall(text)) > 200


@pytest.mark.parametrize("entry", ["js/pad", "worker/worker"])
def test_no_name_is_declared_twice(entry: str) -> None:
    declared = DECLARED.findall(bundled_module(entry))
    assert sorted(declared) == sorted(set(declared))


def test_every_module_is_bundled_and_every_import_exists() -> None:
    text = pad_module() + bundled_module("worker/worker")
    for source in MODULES.values():
        assert DECLARED.findall(source)[0] in text
    for module, used in imported().items():
        assert used <= exported(module), module


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"js/pad"}))
def test_no_export_is_unused(module: str) -> None:
    assert exported(module) - imported()[module] == set()


def test_nothing_is_loaded_from_other_hosts() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    for text in (pad_module(), pad_style(), page):
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"')]*", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in pad_style()
    assert not re.search(r"<script(?! type=\"module\" src)|<style|\sstyle=|\son\w+=", page)


def test_the_style_touches_only_the_pad() -> None:
    text = re.sub(r"/\*.*?\*/", "", pad_style(), flags=re.DOTALL)
    text = re.sub(r"@keyframes[^{]*\{(?:[^{}]*\{[^}]*\})*\s*\}", "", text)
    selectors = [part.strip() for part in re.findall(r"([^{}]+)\{", text)]
    loose = [part for part in selectors if not part.startswith(("@", ".colorzoo-pad", ".colorzoo-page"))]
    assert loose == []
    assert len(selectors) > 100
